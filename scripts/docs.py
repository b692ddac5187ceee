"""Writes the documents that are made from code: `docs/statuses.md` and `docs/configuration.md`.

`make docs` runs it; a test fails when a document differs from what this would write.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monitor.config.durations import written
from monitor.config.schema import json_schema
from monitor.core.causes import WORDINGS
from monitor.core.model import Expectation
from monitor.core.remedies import remedy
from monitor.core.status import FACTS, Kind, Status

DOCS = Path(__file__).parent.parent / "docs"
NOTE = "<!-- Made by `make docs` from the code; changes here are lost. -->"
CLASSES = {
    Kind.ACCEPTED: "Accepted (exit code 0)",
    Kind.ATTENTION: "Accepted, but needs a person (exit code 1)",
    Kind.REFUSED: "Refused by Argo CD (exit code 2)",
    Kind.UNKNOWN: "Cannot be told (exit code 3)",
}


def statuses() -> str:
    """Every status: meaning, remedy, and by which words of Argo CD it is known."""
    return "\n".join((NOTE, "# What the monitor says of a token", "", *_statuses())) + "\n"


def configuration() -> str:
    """Every key of the configuration."""
    return "\n".join((NOTE, "# Configuration", "", *_configuration())) + "\n"


DOCUMENTS = {"statuses.md": statuses, "configuration.md": configuration}


def _statuses() -> Iterator[str]:
    yield "Two rules stand above all: only Argo CD's own answer about this token makes it refused, and only"
    yield "`loggedIn: true` makes it accepted. The remedies below are those for the account `ci` in token mode."
    expected = Expectation(account="ci", where="Secret codefresh/argocd-token, key token")
    for kind, title in CLASSES.items():
        yield from ("", f"## {title}", "")
        for status, facts in FACTS.items():
            if facts.kind is not kind:
                continue
            yield from (f"### `{status}`", "", facts.meaning, "")
            yield f"*What to do:* {remedy(status, expected, 'ci')}"
            if facts.mended_by_minting:
                yield from ("", "A new key mends it.")
            yield from _words(status)
            yield ""


def _words(status: Status) -> Iterator[str]:
    rows = [row for row in WORDINGS if row.status is status]
    if rows:
        yield from ("", "Known by (regular expression, and where the words were seen):", "")
        yield from (f"- `{row.pattern.pattern}` ({row.source})" for row in rows)


def _configuration() -> Iterator[str]:
    yield "One YAML file. Unknown keys are errors, and all errors are told at once, each with its path. Durations are"
    yield "seconds or texts like `15s`, `1m30s`, `30d`. `${NAME}` is not replaced: a file means what it says. Relative"
    yield "paths are relative to the working directory. `token-monitor config schema` prints the JSON Schema."
    schema = json_schema()
    yield from _section("", schema, schema.get("$defs", {}), [])


def _section(path: str, section: dict[str, Any], definitions: dict[str, Any], seen: list[str]) -> Iterator[str]:
    yield from ("", f"## `{path}`" if path else "## The file", "", "| key | default | |", "|---|---|---|")
    below: list[tuple[str, dict[str, Any]]] = []
    for key, found in section.get("properties", {}).items():
        inner = _inner(found, definitions)
        name = f"{path}.{key}" if path else key
        if inner is not None:
            several = any("items" in option for option in (found, *found.get("anyOf", [])))
            below.append((f"{name}[]" if several else name, inner))
        required = " (required)" if key in section.get("required", []) else ""
        description = found.get("description") or (inner or {}).get("description", "")
        yield f"| `{key}`{required} | {_default(found)} | {_plain(description)} |"
    for name, inner in below:
        if name not in seen:
            seen.append(name)
            yield from _section(name, inner, definitions, seen)


def _default(found: dict[str, Any]) -> str:
    """A default as the file would have it; durations as people write them."""
    default = found.get("default")
    if default in (None, "", [], {}) or isinstance(default, dict):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, float):
        return f"`{written(default)}`"
    return f"`{default}`"


def _inner(found: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any] | None:
    options = (found, *found.get("anyOf", []), *found.get("allOf", []))
    for option in (*options, *(option.get("items", {}) for option in options)):
        if isinstance(option, dict) and "$ref" in option:
            inner: dict[str, Any] = definitions[option["$ref"].rsplit("/", 1)[-1]]
            return inner if "properties" in inner else None
        if isinstance(option, dict) and option.get("properties"):
            return option
    return None


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    DOCS.mkdir(exist_ok=True)
    for name, make in DOCUMENTS.items():
        (DOCS / name).write_text(make())
