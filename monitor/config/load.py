"""YAML text -> `Settings`, or `ConfigurationError` with everything that is wrong.

Reading has three steps: `yamltext` (bounded, with lines), the pydantic `model` beside the `rules` between keys, and
`resolution.resolve`. No file named in the configuration is opened here: see `files.check_files`.
"""

from __future__ import annotations

import os
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from monitor.config import explain, rules, yamltext
from monitor.config.model import MAX_TARGETS, Document
from monitor.config.problems import ConfigurationError, Path, Problem, dotted, kind
from monitor.config.resolution import resolve
from monitor.config.settings import Settings

_NOT_FILLED = "start from `targets:` with name, server and auth"


def load_file(path: str | os.PathLike[str], own_namespace: rules.OwnNamespace = rules.written_namespace) -> Settings:
    """Reads the file at `path`; its name stands before every problem. own_namespace: see `rules.between_targets`."""
    source = os.fspath(path)
    try:
        with FilePath(source).open("rb") as file:
            text = file.read(yamltext.MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "not a path"
        raise ConfigurationError(
            [Problem("", f"cannot be read: {reason}", "give the path of a readable file")], source
        ) from None
    return load(text, source, own_namespace)


def load(text: str | bytes, source: str = "", own_namespace: rules.OwnNamespace = rules.written_namespace) -> Settings:
    """Reads YAML text. `source` names it in the problems."""
    try:
        value = yamltext.read(text).value
        problems, settings = _checked(value, own_namespace)
        if settings is not None:
            return settings
        lines = yamltext.read(text, lines=True).lines
    except ConfigurationError as error:
        raise ConfigurationError(error.problems, source) from None
    raise ConfigurationError(in_order(problems, lines), source)


def settings_of(value: Any) -> Settings:
    """The settings of plain values (as YAML or JSON gives them), without lines in the problems."""
    problems, settings = _checked(value, rules.written_namespace)
    if settings is None:
        raise ConfigurationError(in_order(problems, {}))
    return settings


def _checked(value: Any, own_namespace: rules.OwnNamespace) -> tuple[list[explain.Finding], Settings | None]:
    if value is None or value == {}:
        raise ConfigurationError([Problem("", "is empty", _NOT_FILLED)])
    if not isinstance(value, dict):
        raise ConfigurationError([Problem("", f"must be a mapping, not {kind(value)}", _NOT_FILLED)])
    targets = value.get("targets")
    if isinstance(targets, list) and len(targets) > MAX_TARGETS:
        said = f"has {len(targets)} items, more than {MAX_TARGETS}"
        raise ConfigurationError([Problem("targets", said, "split them over several monitors")])
    found = list(rules.between_keys(value))
    try:
        document = Document.model_validate(value)
    except ValidationError as error:
        found += explain.findings(error)
        return found, None
    if found:
        return found, None
    settings = resolve(document)
    found = list(rules.between_targets(settings, own_namespace))
    return found, None if found else settings


def in_order(findings: list[explain.Finding], lines: dict[Path, int]) -> list[Problem]:
    """Each problem once, with its line, in the order of the lines."""
    problems = [Problem(dotted(path), what, instead, _line(path, lines)) for path, what, instead in findings]
    return sorted(dict.fromkeys(problems), key=lambda problem: problem.line or 0)


def _line(path: Path, lines: dict[Path, int]) -> int | None:
    """The line of a path, or of the nearest thing around it that is in the file."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None
