"""Requests, answers and what a request asks for, as values. No sockets.

`attributes` is what authorization goes by, as the API server takes it from method, path and query: the verb `list`
of a request for one name by field selector carries that name, a `create` carries none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
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
    selector = request.query.get("fieldSelector", "")
    return _attributes(request.user, request.method, request.path, selector, watch=request.flag("watch"))


@lru_cache(maxsize=1024)  # simulations ask the same few a million times
def _attributes(user: str, method: str, path: str, selector: str, *, watch: bool) -> Attributes:
    verb = _VERBS.get(method, method.lower())
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return Attributes(user, method.lower(), path)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    name, subresource = (*rest[1:3], "", "")[:2]
    if not name and verb == "get":
        verb, name = "watch" if watch else "list", exact_name(selector)
    elif not name and verb == "delete":
        verb = "deletecollection"
    return Attributes(user, verb, path, group, version, rest[0], namespace, name, subresource)
