"""YAML text -> plain values, within bounds, with every refusal at its line and column.

The tree is built here from the parser's events rather than by PyYAML's constructor. That gives in one pass, without
recursion: a bound on nesting, size and aliases (an alias counts as everything it stands for, so an alias bomb is
refused before it is unfolded), duplicate keys as errors, no tags that make objects, and the line of each value.
Plain scalars follow YAML 1.2: `on`, `1:30` and `2024-01-01` are texts. Messages never quote the text: it may be secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from monitor.config.problems import ConfigurationError, Path, Problem, dotted

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 32
MAX_ALIASES = 1000
MAX_NODES = 5_000_000

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_BOOLS_1_1 = {w: v for word, v in (("yes", True), ("no", False), ("on", True), ("off", False))
              for w in (word, word.capitalize(), word.upper())}  # fmt: skip
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(?:[0-9]{1,17}\.[0-9]{0,17}|\.[0-9]{1,17}|[0-9]{1,17}(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?")
_PLAIN_TAGS = frozenset({"tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "!"})
_MERGE_TAG = "tag:yaml.org,2002:merge"


class Writer(yaml.SafeDumper):
    """Quotes what either version of YAML would read as a number: PyYAML's own leaves `1e5` bare, which is one in 1.2."""


Writer.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


@dataclass(slots=True)
class _Open:
    """A mapping or sequence that is being filled. `key` is the key whose value comes next, or the next index."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    path: Path
    weight: int = 1
    key: str | None = None
    merged: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tree:
    """The values of one document, and the line (from 1) of each path when they were asked for."""

    value: Any
    lines: dict[Path, int]


def read(text: str | bytes, *, lines: bool = False, helm: bool = False) -> Tree:
    """Reads one document. `helm` also takes what Helm takes: merge keys, and yes, no, on and off as booleans."""
    decoded = _decoded(text)
    builder = _Builder(keep_lines=lines, helm=helm)
    try:
        for event in yaml.parse(decoded, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = _without_quotes(error.problem or error.context or "cannot be read")
        if "<document start>" in problem:
            _refuse("there is something behind the end of the document", "write one document", mark)
        tab = mark is not None and "\t" in _indentation(decoded, mark.line)
        instead = "indent with spaces, not with tabs" if tab else "mend the YAML there, or quote the text"
        _refuse(f"is not valid YAML: {problem}", instead, mark)
    except yaml.reader.ReaderError as error:
        before = decoded[: error.position] if isinstance(error.position, int) else ""
        raise ConfigurationError(
            [Problem("", "holds a control character", "remove it; the file must be UTF-8 text", before.count("\n") + 1)]
        ) from None
    except yaml.YAMLError:
        raise ConfigurationError([Problem("", "is not valid YAML", "mend the YAML")]) from None
    if builder.problems and not lines:
        return read(text, lines=True, helm=helm)  # once more, to name the line of the first one too
    if builder.problems:
        raise ConfigurationError(builder.problems)
    return Tree(builder.root, builder.lines)


def _without_quotes(problem: str) -> str:
    """PyYAML's words without what they quote of the text; a single character stays: `did not find expected ',' or '}'`."""
    return re.sub(r"(\s*(['\"]).\2)|\s*(['\"]).*\3", r"\1", problem)


def _decoded(text: str | bytes) -> str:
    if len(text) > MAX_BYTES:
        raise ConfigurationError(
            [Problem("", f"is larger than {MAX_BYTES // 1024 // 1024} MiB", "split it over several monitors")]
        )
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
        decoded.encode("utf-8")
    except UnicodeError:
        raise ConfigurationError([Problem("", "is not UTF-8 text", "save it as UTF-8")]) from None
    return decoded


def _indentation(text: str, number: int) -> str:
    line = text.split("\n", number + 1)[number : number + 1]
    return line[0][: len(line[0]) - len(line[0].lstrip())] if line else ""


def _refuse(what: str, instead: str, mark: Any = None) -> NoReturn:
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (None, None)
    raise ConfigurationError([Problem("", what, instead, line, column)]) from None


class _Builder:
    """Turns parser events into values. `problems` gathers what does not stop the reading (duplicate keys)."""

    def __init__(self, *, keep_lines: bool, helm: bool) -> None:
        self.root: Any = None
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []
        self._keep_lines = keep_lines
        self._helm = helm
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._aliases = 0
        self._nodes = 0
        self._documents = 0

    def take(self, event: Any) -> None:
        """One event of the parser."""
        if isinstance(event, ScalarEvent):
            self._scalar(event)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._open(event)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._close()
        elif isinstance(event, AliasEvent):
            self._alias(event)
        elif isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                _refuse("a second document starts here", "write one document", event.start_mark)

    def _scalar(self, event: Any) -> None:
        top = self._stack[-1] if self._stack else None
        if top is not None and top.key is None and isinstance(top.value, dict):
            self._key(top, event)
            return
        if event.tag is not None and event.tag not in _PLAIN_TAGS:
            _refuse("has a tag (!...)", "remove it, or quote a text that starts with !", event.start_mark)
        value = self._resolved(event.value) if event.implicit[0] else event.value
        self._place(value, event)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1)

    def _key(self, top: _Open, event: Any) -> None:
        key = event.value
        if key == "<<" and (event.implicit[0] or event.tag == _MERGE_TAG):
            if not self._helm:
                _refuse("merge keys (<<) are not supported", "write the keys out", event.start_mark)
        elif event.tag is not None and event.tag not in _PLAIN_TAGS:
            _refuse("has a tag (!...)", "remove it, or quote a key that starts with !", event.start_mark)
        elif key in top.value:
            first = self.lines.get((*top.path, key))
            self.problems.append(
                Problem(
                    dotted((*top.path, key)),
                    "is given twice" + (f" (first on line {first})" if first else ""),
                    "keep one",
                    event.start_mark.line + 1,
                )
            )
        top.key = key
        if self._keep_lines:
            self.lines[(*top.path, key)] = event.start_mark.line + 1

    def _open(self, event: Any) -> None:
        if event.tag is not None and event.tag not in _PLAIN_TAGS:
            _refuse("has a tag (!...)", "remove it", event.start_mark)
        if len(self._stack) >= MAX_DEPTH:
            _refuse(f"is nested deeper than {MAX_DEPTH} levels", "a configuration needs 5", event.start_mark)
        value: dict[str, Any] | list[Any] = {} if isinstance(event, MappingStartEvent) else []
        path = self._place(value, event)
        self._stack.append(_Open(value, event.anchor, path))

    def _close(self) -> None:
        done = self._stack.pop()
        for source in done.merged:
            for key, value in source.items():
                if isinstance(done.value, dict):
                    done.value.setdefault(key, value)
        if self._stack:
            self._stack[-1].weight += done.weight
        if done.anchor is not None:
            self._anchors[done.anchor] = (done.value, done.weight)

    def _alias(self, event: Any) -> None:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            _refuse(f"has more than {MAX_ALIASES} aliases (*...)", "write the values out", event.start_mark)
        if event.anchor not in self._anchors:
            _refuse(
                "an alias (*...) stands for nothing that is complete above it",
                "quote a text that starts with *, or define the anchor first",
                event.start_mark,
            )
        value, weight = self._anchors[event.anchor]
        if self._stack and self._stack[-1].key is None and isinstance(self._stack[-1].value, dict):
            _refuse("an alias cannot be a key", "write the key out", event.start_mark)
        self._count(weight, event)
        if self._stack:
            self._stack[-1].weight += weight
        self._place(value, event)

    def _place(self, value: Any, event: Any) -> Path:
        """Puts a value where it belongs and returns its path (kept only when lines are)."""
        self._count(1, event)
        if not self._stack:
            self.root = value
            return ()
        top = self._stack[-1]
        top.weight += 1
        if isinstance(top.value, list):
            path = (*top.path, len(top.value))
            top.value.append(value)
            if self._keep_lines:
                self.lines[path] = event.start_mark.line + 1
            return path
        if top.key is None:
            _refuse("a key must be a text", "write the key on one line, as a word", event.start_mark)
        path = (*top.path, top.key)
        if top.key == "<<" and self._helm:
            self._merge(top, value, event)
        else:
            top.value[top.key] = value
        top.key = None
        return path

    def _merge(self, top: _Open, value: Any, event: Any) -> None:
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            _refuse("a merge key (<<) takes mappings", "write *NAME of a mapping", event.start_mark)
        top.merged.extend(sources)

    def _count(self, weight: int, event: Any) -> None:
        self._nodes += weight
        if self._nodes > MAX_NODES:
            _refuse("unfolds to too many values", "write fewer aliases (*...)", event.start_mark)

    def _resolved(self, text: str) -> Any:
        if text in _NULLS:
            return None
        if text in _BOOLS:
            return _BOOLS[text]
        if self._helm and text in _BOOLS_1_1:
            return _BOOLS_1_1[text]
        if text[0] in "0123456789+-.":
            if _INTEGER.fullmatch(text):
                return int(text)
            if _FLOAT.fullmatch(text):
                return float(text)
        return text
