"""Label and field selectors, as the API reads them.

Labels: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`. Fields: `a=b` and `a!=b` of a short list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

NAME_FIELD = "metadata.name"
_ALWAYS = (NAME_FIELD, "metadata.namespace")
_OPERATORS = "in, notin, =, ==, !=, gt, lt"
_KEY = r"[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?"
_SET = re.compile(rf"\s*(?P<key>{_KEY})\s+(?P<how>in|notin)\s*\((?P<values>[^()]*)\)\s*")
_EQUAL = re.compile(rf"\s*(?P<key>{_KEY})\s*(?P<how>==|=|!=)\s*(?P<value>[-A-Za-z0-9_.]*)\s*")
_EXISTS = re.compile(rf"\s*(?P<how>!?)\s*(?P<key>{_KEY})\s*")


class SelectorError(ValueError):
    """A selector that cannot be read, in the words of the API."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition: the value under `key` is one of `values` (None: any value will do), or not so."""

    key: str
    values: frozenset[str] | None
    wanted: bool = True

    def holds(self, value: str | None) -> bool:
        """Whether `value` (None: there is no such key) meets it."""
        found = value is not None and (self.values is None or value in self.values)
        return found is self.wanted


@dataclass(frozen=True, slots=True)
class Selection:
    """What a list or watch wants to see. `named`: the one name that it is about, or ""."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = ()
    named: str = field(default="")

    def matches(self, object_: Mapping[str, Any]) -> bool:
        """Whether the object, in the words of the version that was asked for, is wanted."""
        labels = object_["metadata"].get("labels") or {}
        return all(each.holds(labels.get(each.key)) for each in self.labels) and all(
            each.holds(_value(object_, each.key)) for each in self.fields
        )


def selection(label_selector: str, field_selector: str, selectable: tuple[str, ...]) -> Selection:
    """Reads both. Raises `SelectorError`."""
    return Selection(_labels(label_selector), _fields(field_selector, selectable), exact_name(field_selector))


def exact_name(field_selector: str) -> str:
    """The one name that a field selector asks for, or ""."""
    for each in field_selector.split(","):
        key, separator, value = each.partition("=")
        if key.strip() == NAME_FIELD and separator:
            return value.removeprefix("=").strip()
    return ""


def _labels(text: str) -> tuple[Requirement, ...]:
    found: list[Requirement] = []
    rest = text
    while rest.strip():
        requirement, rest = _next_label(rest)
        found.append(requirement)
        if rest and not rest.startswith(","):
            raise SelectorError(f"unable to parse requirement: found '{rest.split()[0]}', expected: {_OPERATORS}")
        rest = rest[1:]
    return tuple(found)


def _next_label(text: str) -> tuple[Requirement, str]:
    readers: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Requirement]], ...] = (
        (_SET, lambda m: Requirement(m["key"], frozenset(v.strip() for v in m["values"].split(",")), m["how"] == "in")),
        (_EQUAL, lambda m: Requirement(m["key"], frozenset({m["value"]}), m["how"] != "!=")),
        (_EXISTS, lambda m: Requirement(m["key"], None, not m["how"])),
    )
    for pattern, read in readers:
        if (match := pattern.match(text)) is not None:
            return read(match), text[match.end() :]
    raise SelectorError(f"found '{text.strip()[:1]}', expected: !, identifier, or 'end of string'")


def _fields(text: str, selectable: tuple[str, ...]) -> tuple[Requirement, ...]:
    found: list[Requirement] = []
    for each in (part for part in text.split(",") if part):
        match = re.fullmatch(r"(?P<key>[^=!]+?)(?P<how>==|=|!=)(?P<value>.*)", each)
        if match is None:
            raise SelectorError(f"invalid selector: '{text}'; can't understand '{each}'")
        if match["key"] not in (*_ALWAYS, *selectable):
            raise SelectorError(f"field label not supported: {match['key']}")
        found.append(Requirement(match["key"], frozenset({match["value"]}), match["how"] != "!="))
    return tuple(found)


def _value(object_: Mapping[str, Any], path: str) -> str:
    value: Any = object_
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if path == "source" and isinstance(value, Mapping):
        value = value.get("component")
    return "" if value is None else str(value)
