"""One call of the API under way: who calls, what with, and what they may do.

`identify` is Argo CD's `Authenticate`: bearer before cookie, only what is shaped like a JWT is looked at, and with
anonymous access a refused token becomes a caller without a name (which is why a revoked token can look healthy).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.cookies import CookieError, SimpleCookie
from typing import Any

from monitor.simulator.go_decoding import go_value
from monitor.simulator.messages import APIError, Code, Request
from monitor.simulator.rbac import Role, policies_allow, role_allows
from monitor.simulator.settings import Capability, Settings
from monitor.simulator.state import ArgoCDState
from monitor.simulator.tokens import TokenRefusedError, is_jwt_shaped, number, read
from monitor.simulator.wording import Text

COOKIE = "argocd.token"
BEARER = "Bearer "
RENEW_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. No claims: nobody that the server knows (anonymous, or authentication is off)."""

    claims: Mapping[str, Any] = field(default_factory=dict)
    renewed_token: str | None = None

    @property
    def name(self) -> str:
        """The account, or the subject of a project role; empty for nobody."""
        subject = self.claims.get("sub", "")
        return subject if isinstance(subject, str) else ""

    @property
    def issuer(self) -> str:
        """Who issued the token; empty for nobody."""
        return str(self.claims.get("iss", ""))


NOBODY = Caller()


@dataclass(frozen=True, slots=True)
class Call:
    """Everything that a handler needs."""

    state: ArgoCDState
    replica: int
    settings: Settings
    request: Request
    caller: Caller = NOBODY
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    message: Mapping[str, Any] = field(default_factory=dict)

    def error(self, code: Code, text: Text, *, delay: float = 0.0, **values: object) -> APIError:
        """An error in the words of this version."""
        return APIError(code, self.state.wording.say(text, **values), delay)

    def allows(self, resource: str, action: str, object_: str) -> bool:
        """Whether the caller may do that."""
        settings, version = self.settings, self.state.wording.version
        if settings.authentication_disabled or role_allows(version, settings.default_role, resource, action, object_):
            return True
        if not self.caller.claims:
            return role_allows(version, settings.anonymous or Role.NONE, resource, action, object_)
        project_role = project_role_of(self.caller.name)
        if project_role is not None:
            known = settings.project_role(*project_role)
            return known is not None and policies_allow(known.policies, resource, action, object_)
        account = settings.account(self.caller.name)
        return account is not None and role_allows(version, account.role, resource, action, object_)

    def require(self, resource: str, action: str, object_: str) -> None:
        """Refuses the call unless the caller may do that."""
        if self.allows(resource, action, object_):
            return
        told = [resource, action, object_]
        if self.caller.name:
            issued_at = datetime.fromtimestamp(number(self.caller.claims, "iat") or 0, UTC)
            told += [f"sub: {self.caller.name}", f"iat: {issued_at:%Y-%m-%dT%H:%M:%SZ}"]
        raise self.error(Code.PERMISSION_DENIED, Text.PERMISSION_DENIED, request=", ".join(told))


def project_role_of(subject: str) -> tuple[str, str] | None:
    """Project and role of `proj:PROJECT:ROLE`, either of which may be empty; None for another subject."""
    parts = subject.split(":")
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == "proj" else None


def identify(state: ArgoCDState, settings: Settings, request: Request) -> Caller:
    """The caller, or an `APIError` with 401."""
    if settings.authentication_disabled:
        return NOBODY
    token = _token_of(request)
    if token == "":
        reason = state.wording.say(Text.NO_SESSION)
    else:
        try:
            return verify(state, settings, token)
        except TokenRefusedError as refused:
            reason = state.wording.say(Text.INVALID_SESSION, reason=refused)
    if settings.anonymous is None:
        raise APIError(Code.UNAUTHENTICATED, reason)
    return NOBODY


def verify(state: ArgoCDState, settings: Settings, token: str) -> Caller:
    """SessionManager.Parse: the token's own validity, then the account's, in the order of the source."""
    say = state.wording.say
    now = state.clock()
    claims = read(token, settings.signing_key, now, state.wording)
    issued_at = number(claims, "iat")
    if issued_at is None:
        if "iat" in claims:
            raise TokenRefusedError(say(Text.ISSUED_AT_NO_NUMBER, value=go_value(claims["iat"])))
        raise TokenRefusedError(say(Text.NO_ISSUED_AT))
    subject, token_id = (claims[name] if isinstance(claims.get(name), str) else "" for name in ("sub", "jti"))
    project_role = project_role_of(subject)
    if project_role is not None:
        _check_project_token(state, settings, *project_role, int(issued_at), token_id)
        return Caller(claims)
    name, capability = _account_and_capability(subject)
    account = settings.account(name)
    if account is None:
        raise TokenRefusedError(say(Text.RPC_ACCOUNT_MISSING, name=name))
    if not account.enabled:
        raise TokenRefusedError(say(Text.ACCOUNT_DISABLED, name=name))
    if capability not in account.capabilities:
        raise TokenRefusedError(say(Text.CAPABILITY_MISSING, name=name, capability=capability))
    if not token_id:
        raise TokenRefusedError(say(Text.NO_TOKEN_ID))
    if state.session_ended(token_id):
        raise TokenRefusedError(say(Text.SESSION_ENDED))
    if capability is Capability.API_KEY and account.key(token_id) is None:
        raise TokenRefusedError(say(Text.KEY_REVOKED, name=name, id=token_id))
    if account.password_changed_at is not None and int(issued_at) < account.password_changed_at:
        raise TokenRefusedError(say(Text.PASSWORD_CHANGED))
    expires_at = number(claims, "exp")
    renewed = None
    if capability is Capability.LOGIN and expires_at is not None and expires_at - now < RENEW_SECONDS:
        renewed = state.open_session(name, int(expires_at - issued_at))
    return Caller({**claims, "sub": name}, renewed)


def cookie_token(request: Request) -> str | None:
    """The token of the cookie, put together from its parts (`argocd.token=2:aaa; argocd.token-1=bbb`)."""
    try:
        cookies = {name: morsel.value for name, morsel in SimpleCookie(request.header("cookie")).items()}
    except CookieError:
        return None
    first = cookies.get(COOKIE)
    if first is None:
        return None
    count, separator, start = first.partition(":")
    if not separator:
        return first
    if not count.isascii() or not count.isdigit() or ":" in start:
        return None
    return start + "".join(cookies.get(f"{COOKIE}-{part}", "") for part in range(1, min(int(count), 20)))


def _token_of(request: Request) -> str:
    authorization = request.header("authorization")
    bearer = authorization.removeprefix(BEARER)
    if authorization.startswith(BEARER) and is_jwt_shaped(bearer):
        return bearer
    cookie = cookie_token(request)
    return cookie if cookie is not None and is_jwt_shaped(cookie) else ""


def _account_and_capability(subject: str) -> tuple[str, Capability]:
    name, separator, rest = subject.partition(":")
    login = bool(separator) and rest.split(":")[0] == Capability.LOGIN
    return name, Capability.LOGIN if login else Capability.API_KEY


def _check_project_token(
    state: ArgoCDState, settings: Settings, project: str, role: str, issued_at: int, token_id: str
) -> None:
    if project not in settings.projects:
        raise TokenRefusedError(state.wording.say(Text.PROJECT_MISSING, project=project))
    known = settings.project_role(project, role)
    if known is None or known.token(issued_at, token_id) is None:
        values = {"role": role, "issued_at": issued_at, "project": project}
        raise TokenRefusedError(state.wording.say(Text.PROJECT_TOKEN_REVOKED, **values))
