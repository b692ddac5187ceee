"""What is wrong with a configuration, in words for the person who wrote it.

A `Problem` says where, what, and what to write instead; `ConfigurationError` carries all of them. Nothing here may
ever hold a credential: values are shown through `shown`, which hides what looks like one, and secret fields are not
shown at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from monitor.core.text import printable

Path = tuple[str | int, ...]

LINES_SHOWN = 100
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,40}")
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. `path` is like `targets[0].auth.type`; `line` and `column` count from 1."""

    path: str
    what: str
    instead: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = ", ".join(
            f"{word} {number}" for word, number in (("line", self.line), ("column", self.column)) if number is not None
        )
        where = f"{self.path} ({place})" if self.path and place else self.path or place or "configuration"
        return f"{where}: {self.what}; {self.instead}"


class ConfigurationError(ValueError):
    """The configuration cannot be used. `problems` holds every problem that was found; `str()` is one line each."""

    def __init__(self, problems: Iterable[Problem], source: str = "") -> None:
        self.problems = tuple(problems)
        self.source = source
        super().__init__(self.problems, source)

    def __str__(self) -> str:
        lead = f"{self.source}: " if self.source else ""
        lines = [f"{lead}{problem}" for problem in self.problems[:LINES_SHOWN]]
        left = len(self.problems) - LINES_SHOWN
        if left > 0:
            lines.append(f"{lead}and {left} more problems")
        return "\n".join(lines)


def dotted(path: Path) -> str:
    """`("targets", 0, "auth", "type")` -> `targets[0].auth.type`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{key_name(part)}" if text else key_name(part)
    return text


def key_name(key: str) -> str:
    """A key as it may be shown. `{token:abc}` makes `token:abc` a key, so what does not look like one is hidden."""
    return key if _KEY.fullmatch(key) else "<not a key>"


def shown(value: str) -> str:
    """A value in quotes, bounded and on one line; what could be a credential is not shown."""
    if "eyj" in value.lower() or "\n" in value.strip() or "@" in value:
        return f"(a text of {len(value)} characters)"
    return printable(json.dumps(value, ensure_ascii=False), _SHOWN_CHARACTERS)


def kind(value: object) -> str:
    """What a YAML value is, in the words of its writer."""
    match value:
        case None:
            return "empty"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return "something else"
