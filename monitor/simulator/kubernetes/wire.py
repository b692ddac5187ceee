"""Requests, answers and what a request asks for, as values. No sockets.

`attributes` is what authorization goes by, as the API server takes it from method, path and query: the verb `list`
of a request for one name by field selector carries that name, a `create` carries none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from monitor.simulator.kubernetes.selectors import exact_name

Object = dict[str, Any]

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})


@dataclass(frozen=True, slots=True)
class Request:
    """One request of `user`. The path comes without its query; header values without the blanks around them."""

    user: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    content_type: str = JSON
    accept: str = JSON
    user_agent: str = ""

    def flag(self, name: str) -> bool:
        """Whether a parameter is true, as Go reads it."""
        return self.query.get(name, "") in _TRUE


@dataclass(frozen=True, slots=True)
class Response:
    """One answer: a JSON object, or `text` where the server answers none."""

    status: int
    body: Object = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a request is about. resource "" means that it is about no resource (`/version`)."""

    user: str
    verb: str
    path: str
    group: str = ""
    version: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def full_resource(self) -> str:
        """`deployments/status`, as rules name it."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def attributes(request: Request) -> Attributes:
    """RequestInfoFactory.NewRequestInfo (k8s.io/apiserver/pkg/endpoints/request)."""
    verb = _VERBS.get(request.method, request.method.lower())
    parts = request.path.strip("/").split("/")
    if "%" in request.path:
        parts = [unquote(part) for part in parts]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return Attributes(request.user, request.method.lower(), request.path)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    name, subresource = (*rest[1:3], "", "")[:2]
    if not name and verb == "get":
        verb = "watch" if request.flag("watch") else "list"
        name = exact_name(request.query.get("fieldSelector", ""))
    elif not name and verb == "delete":
        verb = "deletecollection"
    return Attributes(request.user, verb, request.path, group, version, rest[0], namespace, name, subresource)
