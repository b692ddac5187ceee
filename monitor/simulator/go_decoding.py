"""Decodes base64 and JSON as Go does, with the error texts of Go: they reach the client word by word.

The common mistakes have the exact text (seen in the recordings); rarer JSON errors come close.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9_-]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_KINDS: dict[type, str] = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
_EXPECTED = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after object key:value pair",
    "Extra data": "after top-level value",
}
_END = "unexpected end of JSON input"
_INT64 = range(-(2**63), 2**63)


class DecodingError(ValueError):
    """What Go would say about these bytes."""


@lru_cache(maxsize=1024)
def decode_base64(text: str) -> bytes:
    """Go's base64.RawURLEncoding: no padding; an error names the first byte that is wrong."""
    data = text.encode("utf-8", "replace")
    wrong = _NOT_BASE64.search(data)
    if wrong is not None:
        raise DecodingError(f"illegal base64 data at input byte {wrong.start()}")
    if len(data) % 4 == 1:
        raise DecodingError(f"illegal base64 data at input byte {len(data) - 1}")
    return base64.urlsafe_b64decode(data + b"=" * (-len(data) % 4))


def decode_object(data: bytes, go_type: str, *, stream: bool = False) -> dict[str, Any]:
    """A JSON object. `null` is an empty one: Go leaves untouched what it would decode it into.

    stream: as json.Decoder reads, which takes the first value, leaves what follows, and tells an early end as EOF.
    """
    text = data.decode("utf-8", "replace").lstrip(" \t\r\n")
    if stream and not text:
        raise DecodingError("EOF")
    try:
        value = _FIRST.raw_decode(text)[0] if stream else json.loads(text, parse_float=_Float)
    except json.JSONDecodeError as error:
        complaint = _complaint(text, error)
        raise DecodingError("unexpected EOF" if stream and complaint == _END else complaint) from None
    except RecursionError:
        raise DecodingError("exceeded max depth") from None
    except ValueError:  # Python reads no integer of more than 4300 digits
        raise DecodingError("json: cannot unmarshal number into Go value of type int64") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise DecodingError(f"json: cannot unmarshal {_kind(value)} into Go value of type {go_type}")
    return value


def decode_message(data: bytes, message: str, fields: Mapping[str, type]) -> dict[str, Any]:
    """The fields of a request message (`account.CreateTokenRequest`); absent ones are empty.

    An empty body is an empty message (io.EOF is let by).
    """
    empty = {name: kind() for name, kind in fields.items()}
    if not data.strip():
        return empty
    value = decode_object(data, message, stream=True)
    for name, kind in fields.items():
        given = value.get(name)
        if given is None:
            continue
        if type(given) is not kind or (kind is int and given not in _INT64):
            shown = f"number {given}" if kind is int and _kind(given) == "number" else _kind(given)
            wanted, struct = "int64" if kind is int else "string", message.rpartition(".")[2]
            raise DecodingError(f"json: cannot unmarshal {shown} into Go struct field {struct}.{name} of type {wanted}")
        empty[name] = _LONE_SURROGATE.sub("\ufffd", given) if isinstance(given, str) else given
    return empty


_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)


class _Float(float):
    """A number with a point or an exponent, which Go shows as it was written."""

    def __new__(cls, text: str) -> _Float:
        found = super().__new__(cls, text)
        found.text = text
        return found

    text: str

    def __str__(self) -> str:
        return self.text


_FIRST = json.JSONDecoder(parse_float=_Float)


def check_registered_claims(claims: Mapping[str, Any]) -> None:
    """What golang-jwt v4 complains of when it reads claims into its type for them (claims.go, types.go).

    The claims in their order: one that decodes itself stops the reading, of the texts the first is told at the end.
    """
    wrong_text = ""
    for name, value in claims.items():
        if value is None:
            continue
        if name in ("exp", "nbf", "iat"):
            _check_numeric_date(value)
        elif name == "aud":
            for audience in value if isinstance(value, list) else [value]:
                if not isinstance(audience, str):
                    raise DecodingError(f"json: unsupported type: {_go_type(audience)}")
        elif name in ("iss", "sub", "jti") and not isinstance(value, str) and not wrong_text:
            wrong_text = (
                f"json: cannot unmarshal {_kind(value)} into Go struct field RegisteredClaims.{name} of type string"
            )
    if wrong_text:
        raise DecodingError(wrong_text)


def _check_numeric_date(value: object) -> None:
    if isinstance(value, str) and _JSON_NUMBER.fullmatch(value) is None:
        literal = json.dumps(json.dumps(value, ensure_ascii=False), ensure_ascii=False)
        said = f"json: invalid number literal, trying to unmarshal {literal} into Number"
        raise DecodingError(f"could not parse NumericData: {said}")
    if isinstance(value, bool | list | dict):
        said = f"json: cannot unmarshal {_kind(value)} into Go value of type json.Number"
        raise DecodingError(f"could not parse NumericData: {said}")


def _go_type(value: object) -> str:
    names = {bool: "bool", list: "[]interface {}", dict: "map[string]interface {}", type(None): "<nil>"}
    return names.get(type(value), "float64")


def go_value(value: object) -> str:
    """A value of JSON as `%v` shows it."""
    if value is None or isinstance(value, bool):
        return {None: "<nil>", True: "true", False: "false"}[value]
    return str(value)


def _kind(value: object) -> str:
    return "number" if isinstance(value, float) else _KINDS.get(type(value), "null")


def _complaint(text: str, error: json.JSONDecodeError) -> str:
    expected = _EXPECTED.get(error.msg)
    if expected is None or error.pos >= len(text):
        return _END
    return f"invalid character {text[error.pos]!r} {expected}"
