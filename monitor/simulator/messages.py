"""Requests, answers and errors of the simulated server, as values. No sockets.

Header names are lower case throughout. An error carries the gRPC code that Argo CD gives it; the HTTP status follows
from the code as grpc-gateway maps it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

PLAIN_TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"


class Broken(StrEnum):
    """What the shell does to the connection instead of answering."""

    REFUSED = "refused"  # the connection is cut without a byte, as while the server restarts
    HANG = "hang"  # no answer comes


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `target` is the raw path with its query, as it stands in the request line."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    tls: bool = False

    def header(self, name: str) -> str:
        """A header without the blanks around it (Go's server strips them: a trailing tab does no harm)."""
        return self.headers.get(name, "").strip(" \t")


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer, to be sent `delay` seconds after the request came, or `broken` instead of an answer."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    broken: Broken | None = None


class Code(IntEnum):
    """The gRPC codes that occur."""

    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    UNAUTHENTICATED = 16


HTTP_STATUS = {
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.NOT_FOUND: 404,
    Code.PERMISSION_DENIED: 403,
    Code.UNAUTHENTICATED: 401,
}


class APIError(Exception):
    """An answer that is an error: gRPC code and text."""

    def __init__(self, code: Code, text: str, delay: float = 0.0) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.delay = delay

    def response(self) -> Response:
        """The error as grpc-gateway writes it: the text twice, and the code."""
        answer = json_response({"error": self.text, "code": int(self.code), "message": self.text}, delay=self.delay)
        return Response(HTTP_STATUS[self.code], answer.headers, answer.body, self.delay)


def json_response(value: object, *, delay: float = 0.0, set_cookie: str | None = None) -> Response:
    """A JSON answer with 200, written as Go writes it."""
    headers = {"content-type": "application/json"}
    if set_cookie is not None:
        headers["set-cookie"] = set_cookie
    return Response(
        200, headers, json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace"), delay
    )


def text_error(status: int, text: str) -> Response:
    """Go's `http.Error`: plain text with a line end, and nosniff."""
    return Response(
        status,
        {"content-type": PLAIN_TEXT, "x-content-type-options": "nosniff"},
        f"{text}\n".encode("utf-8", "replace"),
    )
