"""Reads the chart's `values.yaml` together with its comments: what README.md and values.schema.json are made of.

Above a key, `# --` begins its description and `# @schema {...}` says what it takes (YAML); `# @section` is a heading for
all that follows. A mapping whose keys are described is closed; any other is taken as it is (parts of Kubernetes' objects).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent.parent / "charts" / "token-monitor"
_KEY = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z][\w.-]*):(?:\s|$)")
_COMMENT = re.compile(r" *# ?(?P<text>.*)")

Path_ = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A described key. path: its keys from the top. schema: what its comment says of it."""

    path: Path_
    description: str
    default: Any
    section: str
    schema: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`image.tag`."""
        return ".".join(self.path)


@dataclass(slots=True)
class _Comment:
    description: list[str] = field(default_factory=list)
    schema: dict[str, Any] = field(default_factory=dict)


def entries(text: str) -> list[Entry]:
    """Every described key, in the order of the file."""
    values = yaml.safe_load(text)
    return [
        Entry(path, " ".join(comment.description), _at(values, path), section, comment.schema)
        for path, comment, section in _keys(text)
        if comment.description or comment.schema
    ]


def undescribed(text: str) -> list[str]:
    """Keys at the top or within closed mappings that nobody described."""
    found = {entry.path: entry for entry in entries(text)}
    closed = {path[:depth] for path in found for depth in range(len(path))}
    every = [path for path, _, _ in _keys(text)]
    return [".".join(path) for path in every if path[:-1] in closed and path not in found and path not in closed]


def _keys(text: str) -> Iterator[tuple[Path_, _Comment, str]]:
    """Each key of a block mapping with the comment above it and its section."""
    open_: list[tuple[int, str]] = []
    comment, section, literal = _Comment(), "", -1
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if literal >= 0 and (not line.strip() or indent > literal):
            continue
        literal = -1
        if found := _COMMENT.fullmatch(line):
            section = _read(found["text"], comment, section)
        elif (found := _KEY.match(line)) and not line.lstrip().startswith("- "):
            while open_ and open_[-1][0] >= indent:
                open_.pop()
            open_.append((indent, found["key"]))
            yield tuple(key for _, key in open_), comment, section
            comment = _Comment()
            if line.rstrip().endswith(("|", ">-", "|-", ">")):
                literal = indent
        elif not line.strip():
            comment = _Comment()


def _read(text: str, comment: _Comment, section: str) -> str:
    """Takes one line of a comment; returns the section that holds from here on."""
    if text.startswith("@section "):
        return text.removeprefix("@section ")
    if text.startswith("@schema "):
        comment.schema.update(yaml.safe_load(text.removeprefix("@schema ")))
    elif text.startswith("-- "):
        comment.description = [text.removeprefix("-- ")]
    elif comment.description and not comment.schema:
        comment.description.append(text)
    return section


def _at(values: Any, path: Path_) -> Any:
    for key in path:
        values = values[key]
    return values
