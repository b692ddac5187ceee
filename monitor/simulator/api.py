"""`handle(state, request) -> Response`: the whole server as one function, without a socket.

The order is that of the real one: root path, `/auth/logout`, `/healthz`, content type, route, body, caller, handler.
So a request with a bad body is told so before its token is looked at.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from html import escape
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote

from monitor.simulator import about, accounts, projects, sessions
from monitor.simulator.calls import NOBODY, Call, identify
from monitor.simulator.go_decoding import DecodingError, decode_message
from monitor.simulator.messages import HTML, PLAIN_TEXT, APIError, Broken, Code, text_error
from monitor.simulator.messages import Request as Request
from monitor.simulator.messages import Response as Response
from monitor.simulator.state import ArgoCDState
from monitor.simulator.wording import Version

REFUSED = Response(0, broken=Broken.REFUSED)
PAGE_NOT_FOUND = "404 page not found"


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. An open one is answered to callers whom the server refuses, too."""

    method: str
    pattern: str
    handler: Callable[[Call], Response]
    open: bool = False
    message: str = ""
    fields: Mapping[str, type] = field(default_factory=dict)


_LOGIN = {"username": str, "password": str, "token": str}
_NEW_TOKEN = {"name": str, "id": str, "expiresIn": int}
_NEW_PROJECT_TOKEN = {"project": str, "role": str, "id": str, "description": str, "expiresIn": int}
_PASSWORD = {"name": str, "currentPassword": str, "newPassword": str}
_PROJECT_TOKEN = "/api/v1/projects/{project}/roles/{role}/token"  # noqa: S105 - no credential, a word for one

ROUTES = (
    Route("GET", "/api/v1/session/userinfo", sessions.userinfo, open=True),
    Route("POST", "/api/v1/session", sessions.create, True, "session.SessionCreateRequest", _LOGIN),
    Route("DELETE", "/api/v1/session", sessions.delete, open=True),
    Route("GET", "/api/v1/account", accounts.list_accounts),
    Route("GET", "/api/v1/account/{name}", accounts.get_account),
    Route(
        "PUT", "/api/v1/account/password", accounts.update_password, False, "account.UpdatePasswordRequest", _PASSWORD
    ),
    Route("GET", "/api/v1/account/can-i/{resource}/{action}/{object=**}", accounts.can_i),
    Route(
        "POST", "/api/v1/account/{name}/token", accounts.create_token, False, "account.CreateTokenRequest", _NEW_TOKEN
    ),
    Route("DELETE", "/api/v1/account/{name}/token/{id}", accounts.delete_token),
    Route(
        "POST", _PROJECT_TOKEN, projects.create_token, False, "project.ProjectTokenCreateRequest", _NEW_PROJECT_TOKEN
    ),
    Route("DELETE", _PROJECT_TOKEN + "/{iat}", projects.delete_token),
    Route("GET", "/api/v1/applications", about.applications),
    Route("GET", "/api/v1/certificates", about.certificates),
    Route("GET", "/api/v1/settings", about.settings, open=True),
    Route("GET", "/api/version", about.version, open=True),
)


def handle(state: ArgoCDState, request: Request, replica: int | None = None) -> Response:
    """The answer of the installation. `replica` names who takes the request; None leaves it to the state."""
    if state.restarting():
        return REFUSED
    replica = state.replica() if replica is None else replica
    raw_path, _, raw_query = request.target.partition("?")
    if (cleaned := _cleaned(raw_path)) != raw_path:
        return _redirect(request, cleaned, state.wording.version)
    # The gateway matches the decoded path: %2F in a key's id parts it in two, and two of them become one.
    path = re.sub("//+", "/", unquote(raw_path))
    if state.root_path and path != "/healthz":
        prefix = f"/{state.root_path}"
        if not path.startswith(f"{prefix}/"):
            return text_error(404, PAGE_NOT_FOUND)
        path = path.removeprefix(prefix)
    if path == "/auth/logout":
        return sessions.logout(state, state.seen_by(replica), request)
    if path == "/healthz":
        return about.health()
    if not path.startswith("/api/"):
        return _static(request)
    if request.method != "GET" and request.header("content-type").lower() != "application/json":
        return text_error(415, "Invalid content type")
    call = Call(state, replica, state.seen_by(replica), request, query=dict(parse_qsl(raw_query)))
    return _route(call, path)


def _cleaned(path: str) -> str:
    """The path as Go's router wants it (net/http cleanPath): without empty parts, `.` and `..`."""
    if "//" not in path and "/." not in path:
        return path
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    end = "/" if parts and path.endswith("/") else ""
    return f"/{'/'.join(parts)}{end}"


def _redirect(request: Request, path: str, version: Version) -> Response:
    """To the path that is meant. Go 1.26 says so with 307, those before with 301."""
    status, words = (307, "Temporary Redirect") if version == "3" else (301, "Moved Permanently")
    query = request.target.partition("?")[1] + request.target.partition("?")[2]
    body = f'<a href="{escape(path + query)}">{words}</a>.\n\n' if request.method == "GET" else ""
    return Response(status, {"content-type": HTML, "location": path + query}, body.encode("utf-8", "replace"))


def redirect_to_https(request: Request, root_path: str = "") -> Response:
    """What a server with TLS answers to plain HTTP on its port."""
    prefix = f"/{root_path}" if root_path and not request.target.startswith(f"/{root_path}") else ""
    location = f"https://{request.header('host')}{prefix}{request.target}"
    body = f'<a href="{location}">Temporary Redirect</a>.\n\n' if request.method == "GET" else ""
    return Response(307, {"content-type": HTML, "location": location}, body.encode("utf-8", "replace"))


def _route(call: Call, path: str) -> Response:
    found = _found(path)
    for route, parameters in found:
        if route.method == call.request.method:
            try:
                return _answer(call, route, parameters)
            except APIError as error:
                return error.response()
    return text_error(405, "Method Not Allowed") if found else text_error(404, "Not Found")


@lru_cache(maxsize=1024)
def _found(path: str) -> tuple[tuple[Route, Mapping[str, str]], ...]:
    """The endpoints of a path, of whatever method; kept, since simulations ask the same few a million times."""
    matches = ((route, _match(route.pattern, path)) for route in ROUTES)
    return tuple((route, MappingProxyType(parameters)) for route, parameters in matches if parameters is not None)


def _answer(call: Call, route: Route, parameters: Mapping[str, str]) -> Response:
    message: Mapping[str, Any] = {}
    if route.message:
        try:
            message = decode_message(call.request.body, route.message, route.fields)
        except DecodingError as error:
            raise APIError(Code.INVALID_ARGUMENT, str(error)) from None
    try:
        caller = identify(call.state, call.settings, call.request)
    except APIError:
        if not route.open:
            raise
        caller = NOBODY
    answer = route.handler(replace(call, path=parameters, message=message, caller=caller))
    renewed = caller.renewed_token
    if renewed is not None and "set-cookie" not in answer.headers:
        cookie = sessions.session_cookie(call.request, call.state, renewed)
        answer = replace(answer, headers={**answer.headers, "set-cookie": cookie})
    return answer


def _match(pattern: str, path: str) -> dict[str, str] | None:
    wanted, given = pattern.split("/")[1:], path.split("/")[1:]
    if ":" in given[-1]:
        return None  # the gateway takes `:x` at the end of a path for a verb: hence 404 for `proj:default:ci`
    parameters: dict[str, str] = {}
    if wanted[-1].endswith("=**}"):
        rest = wanted.pop()[1 : -len("=**}")]
        parameters[rest] = "/".join(given[len(wanted) :])
        given = given[: len(wanted)]
    if len(wanted) != len(given):
        return None
    for part, value in zip(wanted, given, strict=True):
        if part.startswith("{"):
            parameters[part[1:-1]] = value
        elif part != value:
            return None
    return parameters


def _static(request: Request) -> Response:
    # The user interface. Its 404 comes compressed without saying so: Go drops Content-Encoding on an error.
    if "text/html" in request.header("accept").split(","):
        page = b"<!doctype html><html><head><title>Argo CD</title></head><body></body></html>"
        return Response(200, {"content-type": HTML}, page)
    body = f"{PAGE_NOT_FOUND}\n".encode()
    if "gzip" in request.header("accept-encoding"):
        body = gzip.compress(body, mtime=0)
    return Response(404, {"content-type": PLAIN_TEXT, "x-content-type-options": "nosniff"}, body)
