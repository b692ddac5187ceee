"""Verdicts and tables for people, and for machines. Colours only on a terminal, and never with NO_COLOR."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence

import click

from monitor.adapters.logs import takes_colours
from monitor.core.replicas import after_one_look, in_words
from monitor.core.report import check_json, replicas_json, rfc3339
from monitor.core.status import Kind
from monitor.services.checker import Checked

WORDS: dict[Kind, tuple[str, str]] = {
    Kind.ACCEPTED: ("OK", "green"),
    Kind.ATTENTION: ("WARNING", "yellow"),
    Kind.REFUSED: ("CRITICAL", "red"),
    Kind.UNKNOWN: ("UNKNOWN", "magenta"),
}
# Which one decides when several targets were checked: a refused token outranks what cannot be told.
SEVERITY = (Kind.ACCEPTED, Kind.ATTENTION, Kind.UNKNOWN, Kind.REFUSED)

Result = tuple[str, str, Checked]


def colours() -> bool:
    """Whether standard output takes colours. There is none where somebody closed it, and wants the exit code alone."""
    return sys.stdout is not None and takes_colours(sys.stdout)


def show(results: list[Result], output: str, *, several: bool) -> None:
    """Prints results (target, server, what was found) as text or JSON. `several`: JSON is a list."""
    if output == "json":
        values = [_as_json(*result) for result in results]
        click.echo(json.dumps(values if several else values[0], indent=2, ensure_ascii=False))
        return
    for result in results:
        click.echo("\n".join(_lines(*result)))


def _as_json(name: str, server: str, checked: Checked) -> dict[str, object]:
    told = check_json(name, server, checked.verdict)
    if checked.replicas is not None:
        told["replicas"] = replicas_json(checked.replicas)
    return told


def _lines(name: str, server: str, checked: Checked) -> Iterable[str]:
    """The first line is `WORD: target status: cause | perfdata`, as monitoring plugins have it; then the rest."""
    verdict = checked.verdict
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
    if checked.replicas is not None:
        yield f"  replicas {in_words(checked.replicas)}"
        if problem := after_one_look(checked.replicas):
            yield f"           {problem}"


def exit_code(results: Iterable[Result]) -> int:
    """The exit code of the worst verdict."""
    return max(
        (checked.verdict.status.kind for _, _, checked in results), key=SEVERITY.index, default=Kind.UNKNOWN
    ).value


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], colour_of: Sequence[str | None], column: int) -> str:
    """Aligned columns, two spaces apart, without a line that is folded. colour_of: of `column` in each row."""
    widths = [max(len(row[index]) for row in (headings, *rows)) for index in range(len(headings))]
    shown = ["  ".join(heading.ljust(width) for heading, width in zip(headings, widths, strict=True)).rstrip()]
    for row, colour in zip(rows, colour_of, strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        if colour is not None and colours():
            cells[column] = click.style(cells[column], fg=colour)
        shown.append("  ".join(cells).rstrip())
    return "\n".join(shown)


class Progress:
    """What is being done, on one line of a terminal that is wiped afterwards; nothing where nobody looks."""

    def __init__(self) -> None:
        self._shown = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *failure: object) -> None:
        self._write("")

    def tell(self, text: str) -> None:
        """Shows `text` in place of what was shown before."""
        self._write(text[: shutil.get_terminal_size().columns - 2])

    def _write(self, text: str) -> None:
        if self._shown:
            click.echo(f"\r\x1b[K{text}", nl=False, err=True)
