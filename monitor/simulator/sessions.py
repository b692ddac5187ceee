"""Signing in and out: the session endpoints, and the check of a password with its lock-out."""

from __future__ import annotations

from monitor.simulator.calls import COOKIE, NOBODY, Call, cookie_token, verify
from monitor.simulator.messages import HTML, Code, Request, Response, json_response, text_error
from monitor.simulator.settings import Capability, Settings, password_matches
from monitor.simulator.state import ArgoCDState
from monitor.simulator.tokens import TokenRefusedError, number
from monitor.simulator.wording import Text

MAX_NAME_BYTES = 32


def userinfo(call: Call) -> Response:
    """The one endpoint that tells the truth under anonymous access too: `{}` unless the token is good."""
    if call.caller is NOBODY:
        return json_response({})
    info = {"loggedIn": bool(call.caller.name), "username": call.caller.name, "iss": call.caller.issuer}
    return json_response({name: value for name, value in info.items() if value})


def create(call: Call) -> Response:
    """A login."""
    now = call.state.clock()
    gate = call.state.gates[call.replica]
    if gate.is_full(now):
        raise call.error(Code.UNAUTHENTICATED, Text.LOGIN_INVALID)
    if call.message["token"]:
        raise call.error(Code.UNAUTHENTICATED, Text.LOGIN_BY_TOKEN)
    name, password = call.message["username"], call.message["password"]
    if not name or not password:
        raise call.error(Code.UNAUTHENTICATED, Text.LOGIN_NOTHING_SUPPLIED)
    delay = check_password(call, name, password)
    token = call.state.open_session(name)
    return json_response({"token": token}, delay=delay, set_cookie=session_cookie(call.request, call.state, token))


def check_password(call: Call, name: str, password: str) -> float:
    """VerifyUsernamePassword: the seconds that the answer must wait, or an `APIError` that carries them."""
    if len(name.encode()) > MAX_NAME_BYTES:
        raise call.error(Code.INVALID_ARGUMENT, Text.LOGIN_NAME_TOO_LONG)
    now = call.state.clock()
    gate = call.state.gates[call.replica]
    delay = call.state.login_delay()
    gate.occupy(now + delay)
    account = call.settings.account(name)
    if gate.is_locked(name, now):
        raise call.error(Code.UNAUTHENTICATED, Text.LOGIN_INVALID, delay=delay)
    if account is None or not password_matches(password, account.password_hash):
        gate.failed(name, now)
        raise call.error(Code.UNAUTHENTICATED, Text.LOGIN_INVALID, delay=delay)
    if not account.enabled:
        raise call.error(Code.UNAUTHENTICATED, Text.LOGIN_ACCOUNT_DISABLED, delay=delay, name=name)
    if Capability.LOGIN not in account.capabilities:
        raise call.error(Code.UNAUTHENTICATED, Text.LOGIN_CAPABILITY_MISSING, delay=delay, name=name)
    gate.succeeded(name, now)
    return delay


def delete(call: Call) -> Response:
    """Says 200 to everybody and ends nothing: the token lives on."""
    del call
    return json_response({})


def logout(state: ArgoCDState, settings: Settings, request: Request) -> Response:
    """`/auth/logout`: ends the session of the cookie. A bearer header is not looked at; an API key lives on."""
    token = cookie_token(request)
    if not token:
        said = f": failed to retrieve cookie {COOKIE}" if token is None else ""
        return text_error(400, f"Failed to retrieve ArgoCD auth token{said}")
    try:
        claims = verify(state, settings, token).claims
    except TokenRefusedError:
        claims = {}
    expires_at, token_id = number(claims, "exp"), claims.get("jti")
    if expires_at is not None and isinstance(token_id, str):
        state.end_session(token_id, expires_at)
    location = f"http://{request.header('host')}/{state.root_path}".rstrip("/")
    base = f"/{state.root_path}"
    headers = {"location": location, "set-cookie": f"{COOKIE}=; Path={base}"}
    if request.method not in {"GET", "HEAD"}:
        return Response(303, headers)  # Go's http.Redirect writes a body for GET only
    body = f'<a href="{location}">See Other</a>.\n\n'.encode("utf-8", "replace")
    return Response(303, {"content-type": HTML, **headers}, body)


def session_cookie(request: Request, state: ArgoCDState, token: str) -> str:
    """The cookie that hands a session token to a browser."""
    secure = "; Secure" if request.tls else ""
    return f"{COOKIE}={token}; path=/{state.root_path}; SameSite=lax; httpOnly{secure}"
