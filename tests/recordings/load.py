"""What real Argo CD API servers answered, in a compact form that people can read.

`3.6.json` (a 3.6 development build of 2026-08) and `2.8.json` (2.8.21) hold one scenario a name and one exchange a
label. To read a file: an answer without `headers` was `content-type: application/json`; `{"jwt": {...}}` stands for
a token with these claims, the usual header and the placeholder signature; `<token>` in a cookie is the token of the
body. `load` gives every value back as it was on the wire; `test_recordings.py` holds that against the originals.

What a recording does not say (request headers other than Authorization) is not invented here, with one exception:
whether the request had a content type is told by its label (see `_without_content_type`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
VERSIONS = ("2.8", "3.6")
JSON_TYPE = {"content-type": "application/json"}
USUAL_HEADER = {"alg": "HS256", "typ": "JWT"}
PLACEHOLDER_SIGNATURE = "c2lnbmF0dXJl"  # "signature": the recordings hold no real one


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came back: an answer, or `transport_error` with `status` 0."""

    label: str
    method: str
    path: str
    authorization: str | None
    request_body: Any
    request_content_type: str | None
    status: int
    headers: Mapping[str, str]
    body: bytes
    transport_error: str | None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One situation of an API server, and the exchanges in the order in which they happened."""

    version: str
    name: str
    about: str
    exchanges: tuple[Exchange, ...]

    def exchange(self, label: str) -> Exchange:
        """The exchange of that label; a wrong label is a mistake of the caller."""
        found = [exchange for exchange in self.exchanges if exchange.label == label]
        if len(found) != 1:
            raise KeyError(f"{self.version}/{self.name} has no single exchange {label!r}")
        return found[0]


@cache
def load(version: str) -> tuple[Scenario, ...]:
    """Every scenario of one version, in the order of their names."""
    scenarios = read(version)
    return tuple(
        Scenario(version, name, scenario["about"], tuple(_exchange(entry) for entry in scenario["exchanges"]))
        for name, scenario in scenarios.items()
    )


def scenario(version: str, name: str) -> Scenario:
    """One scenario by its name."""
    return next(found for found in load(version) if found.name == name)


def read(version: str) -> dict[str, Any]:
    """The compact file as it stands: scenario name to its JSON object."""
    content: dict[str, Any] = json.loads((HERE / f"{version}.json").read_text("utf-8"))
    return content


def compact_json(value: object) -> str:
    """JSON as Go and the recordings write it: no spaces, and letters beyond ASCII as they are."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def encode_jwt(token: Mapping[str, Any]) -> str:
    """The token text of `{"jwt": claims, "header"?: ..., "signature"?: ..., "after"?: ...}`."""
    header = token.get("header", USUAL_HEADER)
    signature = token.get("signature", PLACEHOLDER_SIGNATURE)
    return f"{_segment(header)}.{_segment(token['jwt'])}.{signature}{token.get('after', '')}"


def with_tokens(value: Any) -> Any:
    """The same JSON value, every `{"jwt": ...}` in it replaced by its token text."""
    if isinstance(value, dict):
        if "jwt" in value:
            return encode_jwt(value)
        return {key: with_tokens(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_tokens(item) for item in value]
    return value


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(compact_json(value).encode()).rstrip(b"=").decode()


def _exchange(entry: Mapping[str, Any]) -> Exchange:
    method, path = entry["request"].split(" ", 1)
    authorization = entry.get("authorization")
    if isinstance(authorization, dict):
        authorization = "Bearer " + encode_jwt(authorization)
    body = _body(entry)
    return Exchange(
        label=entry["label"],
        method=method,
        path=path,
        authorization=authorization,
        request_body=with_tokens(entry.get("sent")),
        request_content_type=None if _without_content_type(method, entry) else "application/json",
        status=entry.get("status", 0),
        headers=_headers(entry),
        body=body,
        transport_error=entry.get("transport_error"),
    )


def _body(entry: Mapping[str, Any]) -> bytes:
    if "body_base64" in entry:
        return base64.b64decode(entry["body_base64"])
    if "body_text" in entry:
        return str(entry["body_text"]).encode()
    return compact_json(with_tokens(entry["body"])).encode() if "body" in entry else b""


def _headers(entry: Mapping[str, Any]) -> dict[str, str]:
    if "status" not in entry:
        return {}
    headers: dict[str, str] = dict(entry.get("headers", JSON_TYPE))
    if "<token>" in headers.get("set-cookie", ""):
        token = encode_jwt(entry["body"]["token"])
        headers["set-cookie"] = headers["set-cookie"].replace("<token>", token)
    return headers


def _without_content_type(method: str, entry: Mapping[str, Any]) -> bool:
    return method == "GET" or entry["label"] in {"no-content-type", "without-content-type", "form"}
