"""Verdicts for people, and for machines. Colours only on a terminal, and never with NO_COLOR."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable

import click

from monitor.core.model import Verdict
from monitor.core.report import check_json, rfc3339
from monitor.core.status import Kind

WORDS: dict[Kind, tuple[str, str]] = {
    Kind.ACCEPTED: ("OK", "green"),
    Kind.ATTENTION: ("WARNING", "yellow"),
    Kind.REFUSED: ("CRITICAL", "red"),
    Kind.UNKNOWN: ("UNKNOWN", "magenta"),
}
# Which one decides when several targets were checked: a refused token outranks what cannot be told.
SEVERITY = (Kind.ACCEPTED, Kind.ATTENTION, Kind.UNKNOWN, Kind.REFUSED)

Result = tuple[str, str, Verdict]


def colours() -> bool:
    """Whether standard output takes colours."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def show(results: list[Result], output: str, *, several: bool) -> None:
    """Prints results (target, server, verdict) as text or JSON. `several`: JSON is a list."""
    if output == "json":
        values = [check_json(*result) for result in results]
        click.echo(json.dumps(values if several else values[0], indent=2, ensure_ascii=False))
        return
    for name, server, verdict in results:
        click.echo("\n".join(lines(name, server, verdict)))


def lines(name: str, server: str, verdict: Verdict) -> Iterable[str]:
    """The first line is `WORD: target status: cause | perfdata`, as monitoring plugins have it; then the rest."""
    word, colour = WORDS[verdict.status.kind]
    head = click.style(word, fg=colour, bold=True) if colours() else word
    yield f"{head}: {name} {verdict.status}: {verdict.cause} | duration={verdict.duration:.3f}s;;;0"
    yield f"  server   {server}"
    if verdict.account:
        yield f"  account  {verdict.account}"
    if verdict.token_id:
        yield f"  key      {verdict.token_id}"
    if verdict.expires_at is not None:
        yield f"  expires  {rfc3339(verdict.expires_at)}"
    if verdict.status.kind is not Kind.ACCEPTED:
        yield f"  remedy   {verdict.remedy}"


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """The exit code of the worst verdict."""
    return max((verdict.status.kind for verdict in verdicts), key=SEVERITY.index, default=Kind.UNKNOWN).value
