"""What replicas that share the targets tell each other: reports of targets as lines of JSON, and back.

The first line says who speaks; each further line is a report. What equals its default is left out, so that a line is a
few hundred bytes. The reader believes nothing: types are exact, numbers finite, texts bounded and printable; a line that
is not understood, as of another version, is passed over. A new field of a report goes along by itself, while it is of a
type that is known here.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Any, Union, get_args, get_origin, get_type_hints

from monitor.core.claims import MAX_EPOCH
from monitor.core.history import LENGTH, recall
from monitor.core.report import TargetReport
from monitor.core.text import printable

FORMAT = 1
# Longer than whatever the configuration takes (a path is 4096 characters long at most) with the sentence around it.
MAX_TEXT = 10_000
MAX_ITEMS = 200
MAX_LINE = 64 * 1024
MAX_NAME = 600
_NAME = b'{"name":'
_DECODER = json.JSONDecoder()
# Instead of `told`, where it is the verdict itself: nearly always.
SHOWN = "shown"

Json = object
_Reader = Callable[[Json], Any]


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who tells. at: epoch seconds. targets: how many it checks."""

    replica: str
    at: float
    targets: int


@dataclass(frozen=True, slots=True)
class Silent:
    """No answer, and why, in words."""

    why: str


def head(speaker: Speaker) -> bytes:
    """The first line."""
    return _line({"format": FORMAT, "replica": speaker.replica, "at": speaker.at, "targets": speaker.targets})


def line(report: TargetReport) -> bytes:
    """The line of one report."""
    found = _plain(report)
    if report.told == report.verdict:
        found["told"] = SHOWN
    return _line(found)


def read_head(text: bytes) -> Speaker | None:
    """Who tells; None where this is no answer of a replica that is understood."""
    found = _object(text)
    try:
        if found is None or found.get("format") != FORMAT:
            return None
        return Speaker(_text(found.get("replica")), _number(found.get("at")), _count(found.get("targets")))
    except ValueError:
        return None


def read_line(text: bytes) -> TargetReport | None:
    """The report of a line; None where it is none."""
    found = _object(text)
    if found is None:
        return None
    try:
        if found.get("told") == SHOWN:
            found = {**found, "told": found.get("verdict")}
        report: TargetReport = _read_report(found)
        recall(report.history[-LENGTH:])
    except (ValueError, IndexError):
        return None
    return report if len(report.history) <= LENGTH else None


def name_of(text: bytes) -> str | None:
    """The name of the target that a line tells of, without reading the rest; None where it does not begin with one."""
    if not text.startswith(_NAME):
        return None
    try:
        name, _ = _DECODER.raw_decode(text[len(_NAME) : len(_NAME) + MAX_NAME].decode("utf-8", "replace"))
    except ValueError:
        return None
    return name if isinstance(name, str) else None


def lines(text: bytes) -> Iterator[bytes]:
    """The lines of an answer, without the empty ones."""
    start = 0
    while start < len(text):
        end = text.find(b"\n", start)
        end = len(text) if end < 0 else end
        if end > start:
            yield text[start:end]
        start = end + 1


def told(reports: Iterable[TargetReport], speaker: Speaker) -> Iterator[bytes]:
    """A whole answer."""
    yield head(speaker)
    yield from map(line, reports)


def _line(value: Mapping[str, Json]) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _object(text: bytes) -> dict[str, Json] | None:
    if len(text) > MAX_LINE:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


# --- to plain values ---------------------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if is_dataclass(value):
        return {
            field.name: _plain(item)
            for field in fields(value)
            if (item := getattr(value, field.name)) != _default_of(field)
        }
    return [_plain(item) for item in value]


def _default_of(field: Any) -> object:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


# --- and back ----------------------------------------------------------------------------------------------------------


def _text(value: Json) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ValueError("not a short text")
    return value if value.isprintable() else printable(value, MAX_TEXT)


def _number(value: Json) -> float:
    # Compared before anything else: an integer may be larger than any float, and a moment than any calendar.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_EPOCH:
        raise ValueError("no moment, and no number of seconds")
    return float(value)


def _count(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**53:
        raise ValueError("not a whole number")
    return value


def _truth(value: Json) -> bool:
    if value is True or value is False:
        return value
    raise ValueError("neither true nor false")


def _bytes(value: Json) -> bytes:
    return bytes.fromhex(_text(value))


_SIMPLE: Mapping[object, _Reader] = {str: _text, float: _number, int: _count, bool: _truth, bytes: _bytes}


def _reader(kind: Any) -> _Reader:
    """Reads values of an annotated type. Raises TypeError for a type that has no reader: a report must not have it."""
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType) and len(inner) == 2 and type(None) in inner:
        return _optional(_reader(next(each for each in inner if each is not type(None))))
    if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
        return _items(_reader(inner[0]))
    if origin in (Mapping, typing.Mapping):
        return _mapping(*map(_reader, inner))
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _member({member.value: member for member in kind})
    if is_dataclass(kind):
        return _whole(kind)
    raise TypeError(f"{kind} is told to nobody")


def _optional(read: _Reader) -> _Reader:
    return lambda value: None if value is None else read(value)


def _items(read: _Reader) -> _Reader:
    def items(value: Json) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            raise ValueError("not a short list")
        return tuple(map(read, value))

    return items


def _mapping(key: _Reader, read: _Reader) -> _Reader:
    def mapping(value: Json) -> dict[Any, Any]:
        if not isinstance(value, dict) or len(value) > MAX_ITEMS:
            raise ValueError("not a small object")
        return {key(name): read(item) for name, item in value.items()}

    return mapping


def _member(members: Mapping[str, StrEnum]) -> _Reader:
    def member(value: Json) -> StrEnum:
        found = members.get(value) if isinstance(value, str) else None
        if found is None:
            raise ValueError("not one of the list")
        return found

    return member


def _whole(kind: Any) -> _Reader:
    hints = get_type_hints(kind)
    readers = {field.name: _reader(hints[field.name]) for field in fields(kind)}
    needed = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}

    def whole(value: Json) -> Any:
        if not isinstance(value, dict) or not needed <= value.keys():
            raise ValueError("something is missing")
        # Fields of a newer version are passed over.
        return kind(**{name: readers[name](item) for name, item in value.items() if name in readers})

    return whole


_read_report = _reader(TargetReport)
