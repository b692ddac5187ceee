"""What the page for people shows of one target: words, moments and commands, ready to be put into a template.

Everything that comes from outside (names, causes, what a server said) is bounded and printable here; that it is
escaped as HTML is the template's business. Only the monitor's own words may ask people to type something: a backtick
in what a server said makes no command.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from monitor.core import history
from monitor.core.alerts import AlertName
from monitor.core.journal import State
from monitor.core.moments import relative, span
from monitor.core.page import Standing
from monitor.core.replicas import in_words
from monitor.core.report import RotationReport, TargetReport, rfc3339
from monitor.core.status import Kind, Status
from monitor.core.text import printable, sentence

MAX_NAME = 100
MAX_WORDS = 800
# The first word of a sentence, when it is no name.
_WORD = re.compile(r"[a-z]+[ ,]")
# Consumers named in one line.
NAMED = 5
# The strip: one bar a check, its height says how bad it was. In the units of the picture.
BAR, HEIGHT = 4, 16
BARS = {Kind.ACCEPTED: 5, Kind.ATTENTION: 9, Kind.UNKNOWN: 12, Kind.REFUSED: 16}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a sentence. code: to be typed, or a name of a setting."""

    text: str
    code: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """A time: for machines, to the second for people, and from now."""

    stamp: str
    clock: str
    away: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know beside the verdict. about: one word before it, "" for none."""

    about: str
    pieces: tuple[Piece, ...]
    at: Moment | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Bars of one kind in the strip: where they begin, how many, how high, and how high their middle is."""

    kind: str
    start: int
    width: int
    height: int
    middle: float


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the details: a name with a text, or with a time, or both. known: the row tells it already."""

    name: str
    text: str = ""
    at: Moment | None = None
    known: bool = False


@dataclass(frozen=True, slots=True)
class RotationCell:
    """The rotation in two short lines. trouble: it needs a person. old: how many still run with the old key."""

    state: str
    trouble: bool = False
    about: str = ""
    at: Moment | None = None
    old: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One target. anchor: an id that no other target has. query: `target=NAME` for an address."""

    name: str
    anchor: str
    query: str
    server: str
    standing: Standing
    words: str
    status: str
    since: Moment
    cause: tuple[Piece, ...]
    remedy: tuple[Piece, ...]
    notes: tuple[Note, ...]
    account: str
    expires: Moment | None
    never_expires: bool
    ends_soon: bool
    strip: tuple[Run, ...]
    strip_words: str
    rotation: RotationCell
    facts: tuple[Fact, ...]
    rotation_facts: tuple[Fact, ...]
    runbooks: tuple[AlertName, ...]

    @property
    def calm(self) -> bool:
        """Whether nobody has to do anything."""
        return self.standing is Standing.ACCEPTED


def row(report: TargetReport, standing: Standing, now: float) -> Row:
    """What is shown of `report`."""
    verdict = report.verdict
    strip, strip_words = _strip(report.history)
    return Row(
        name=printable(report.name, MAX_NAME),
        anchor=f"t-{quote(report.name, safe='')}",
        query=urlencode({"target": report.name}),
        server=printable(report.server, MAX_NAME * 3),
        standing=standing,
        words=standing.words(),
        status=verdict.status.value,
        since=_moment(report.since, now),
        cause=_told(_begun(verdict.cause)),
        remedy=() if verdict.status.kind is Kind.ACCEPTED else pieces(_begun(sentence(verdict.remedy))),
        notes=tuple(_notes(report, standing, now)),
        account=printable(verdict.account or "", MAX_NAME),
        expires=_moment(verdict.expires_at, now) if verdict.expires_at is not None else None,
        never_expires=verdict.expires_at is None and verdict.accepted is True,
        ends_soon=verdict.status in (Status.EXPIRING, Status.EXPIRED),
        strip=strip,
        strip_words=strip_words,
        rotation=_rotation_cell(report.rotation, now),
        facts=tuple(_facts(report, now)),
        rotation_facts=tuple(_rotation_facts(report.rotation, now)) if report.rotation else (),
        runbooks=tuple(_runbooks(report, standing)),
    )


def pieces(text: str) -> tuple[Piece, ...]:
    """A sentence of the monitor's own, with what stands between backticks told apart."""
    parts = printable(text, MAX_WORDS).split("`")
    if len(parts) % 2 == 0:  # a backtick without its partner is a character like any other
        parts[-2:] = ["`".join(parts[-2:])]
    return tuple(Piece(part, code=index % 2 == 1) for index, part in enumerate(parts) if part)


def _notes(report: TargetReport, standing: Standing, now: float) -> list[Note]:
    """What to know beside the cause, the most pressing first."""
    notes = []
    told, rotation = report.told, report.rotation
    if report.verdict.accepted is not None and not report.fresh(now):
        words = "this verdict is old. Look at the monitor's log."
        notes.append(Note("Not checked lately:", pieces(words), _moment(report.verified_at or report.since, now)))
    if report.verdict.accepted is None and told is not None:
        word = "accepted" if told.accepted else "refused"
        notes.append(Note("Last known:", pieces(f"{word} ({told.status})"), _moment(told.checked_at, now)))
    if report.problem:
        notes.append(Note("Credential:", _told(report.problem)))
    if rotation is not None:
        notes += _rotation_notes(rotation, standing)
    if report.anonymous_access:
        words = "Argo CD answers requests without any credential (`users.anonymous.enabled` in ConfigMap argocd-cm)."
        notes.append(Note("Anonymous access:", pieces(words)))
    return notes


def _rotation_notes(rotation: RotationReport, standing: Standing) -> list[Note]:
    notes = []
    if rotation.stood_down:
        notes.append(Note("Rotation stood down:", _told(rotation.stood_down)))
    elif rotation.problem:
        notes.append(Note("Rotation:", _told(rotation.problem)))
    elif rotation.waiting_for and standing is not Standing.ACCEPTED:
        notes.append(Note("Rotation waits:", _told(rotation.waiting_for)))
    if rotation.old_consumers:
        more = len(rotation.old_consumers) - NAMED
        names = ", ".join(printable(name, MAX_NAME) for name in rotation.old_consumers[:NAMED])
        notes.append(
            Note("Still with the old key:", (Piece(f"{names}{f' and {more} more' if more > 0 else ''}."),)),
        )
    if rotation.left_alone:
        key = printable(rotation.left_alone, MAX_NAME)
        words = Piece(f"the replaced key {key} is not the monitor's to delete and lives on.")
        command = pieces(f" Delete it: {rotation.left_alone_command}.") if rotation.left_alone_command else ()
        notes.append(Note("Left alone:", (words, *command)))
    return notes


def _rotation_cell(rotation: RotationReport | None, now: float) -> RotationCell:
    if rotation is None:
        return RotationCell("off")
    old = len(rotation.old_consumers)
    if rotation.stood_down:
        return RotationCell("stood down", trouble=True, old=old)
    if rotation.problem:
        times = f"{rotation.failing} times" if rotation.failing > 1 else ""
        return RotationCell("failing", trouble=True, about=times, old=old)
    if rotation.state is not State.IDLE:
        return RotationCell(rotation.state.value, about=printable(rotation.key_id or "", MAX_NAME), old=old)
    if rotation.next_at is not None:
        return RotationCell("idle", about="next", at=_moment(rotation.next_at, now), old=old)
    if rotation.rotated_at is not None:
        return RotationCell("idle", about="last", at=_moment(rotation.rotated_at, now), old=old)
    return RotationCell("idle", old=old)


def _facts(report: TargetReport, now: float) -> list[Fact]:
    verdict = report.verdict
    facts = [
        Fact("Server", _line(report.server)),
        Fact("Credential", f"{_line(report.where)} ({report.mode} mode)"),
        Fact("Account", _line(verdict.account or "not known"), known=True),
        Fact("Key", _line(verdict.token_id or "not known")),
    ]
    if verdict.issued_at is not None:
        facts.append(Fact("Issued", at=_moment(verdict.issued_at, now)))
    if verdict.expires_at is not None:
        facts.append(Fact("Expires", at=_moment(verdict.expires_at, now)))
    elif verdict.accepted:
        facts.append(Fact("Expires", "never"))
    if report.replicas is not None:
        split = report.replicas.split_since
        facts.append(Fact("Replicas", _line(in_words(report.replicas)), _moment(split, now) if split else None))
    facts.append(Fact("Since", at=_moment(report.since, now)))
    if report.verified_at is not None:
        facts.append(Fact("Last verified", at=_moment(report.verified_at, now)))
    if verdict.checked_at:
        took = f"took {verdict.duration * 1000:.0f} ms"
        facts.append(Fact("Last check", took, _moment(verdict.checked_at, now)))
    failed = sum(report.failures_by_status.values())
    counted = f"{report.checks:,}, one every {span(report.interval)}"
    facts.append(Fact("Checks", f"{counted}; {failed:,} could not tell" if failed else counted))
    if report.anonymous_access is not None:
        facts.append(Fact("Anonymous access", "on" if report.anonymous_access else "off", known=True))
    return facts


def _rotation_facts(rotation: RotationReport, now: float) -> list[Fact]:
    facts = [Fact("State", "stood down" if rotation.stood_down else rotation.state.value)]
    if rotation.key_id:
        facts.append(Fact("New key", _line(rotation.key_id)))
    if rotation.waiting_for:
        facts.append(Fact("Waits", _line(sentence(rotation.waiting_for))))
    if rotation.next_at is not None:
        facts.append(Fact("Next", at=_moment(rotation.next_at, now)))
    if rotation.rotated_at is not None:
        count = f"{rotation.rotations:,} so far"
        facts.append(Fact("Last rotation", count, _moment(rotation.rotated_at, now)))
    if rotation.drilled_at is not None:
        facts.append(Fact("Last fire drill", at=_moment(rotation.drilled_at, now)))
    facts.append(Fact("Live keys of ours", str(rotation.live_keys)))
    if rotation.failing:
        facts.append(Fact("Failed in a row", str(rotation.failing)))
    if rotation.failures:
        failed = ", ".join(f"{name} {count:,}" for name, count in sorted(rotation.failures.items()))
        facts.append(Fact("Failed so far", _line(failed)))
    if rotation.login_failures:
        facts.append(Fact("Refused logins", f"{rotation.login_failures:,}"))
    if rotation.old_consumers:
        facts.append(Fact("With the old key", _line(", ".join(rotation.old_consumers))))
    return facts


def _runbooks(report: TargetReport, standing: Standing) -> list[AlertName]:
    """The runbooks of the alerts that this target's state leads to."""
    told, rotation = report.told, report.rotation
    status = report.verdict.status
    wanted = {
        AlertName.REFUSED: report.verdict.accepted is False or (told is not None and told.accepted is False),
        AlertName.NOT_VERIFIED: standing is Standing.UNKNOWN,
        AlertName.EXPIRING: status is Status.EXPIRING,
        AlertName.NEEDS_ATTENTION: status.kind is Kind.ATTENTION and status is not Status.EXPIRING,
        AlertName.ROTATION_FAILING: rotation is not None and bool(rotation.problem) and not rotation.stood_down,
        AlertName.STOOD_DOWN: rotation is not None and bool(rotation.stood_down),
        AlertName.ANONYMOUS_ACCESS: report.anonymous_access is True,
    }
    return [name for name, is_wanted in wanted.items() if is_wanted]


def _strip(remembered: bytes) -> tuple[tuple[Run, ...], str]:
    """The last checks as bars, the newest at the right edge, and in words."""
    count = len(remembered)
    if not count:
        return (), "no check yet"
    start = (history.LENGTH - count) * BAR
    strip = []
    for status, times in history.runs(remembered):
        height = BARS[status.kind]
        strip.append(Run(status.kind.name.lower(), start, times * BAR, height, HEIGHT - height / 2))
        start += times * BAR
    return tuple(strip), _strip_words(history.recall(remembered))


def _strip_words(statuses: tuple[Status, ...]) -> str:
    """`last 30 checks: 28 valid, 2 unreachable; the latest: valid`."""
    counts = Counter(statuses)
    if len(statuses) == 1:
        return f"one check: {statuses[0]}"
    if len(counts) == 1:
        return f"last {len(statuses)} checks: all {statuses[0]}"
    told = ", ".join(f"{times} {status}" for status, times in counts.most_common())
    return f"last {len(statuses)} checks: {told}; the latest: {statuses[-1]}"


def _moment(moment: float, now: float) -> Moment:
    stamp = rfc3339(moment) or ""
    return Moment(stamp, f"{stamp[:10]} {stamp[11:19]} UTC", relative(moment, now))


def _line(text: str) -> str:
    return printable(text, MAX_WORDS)


def _told(text: str) -> tuple[Piece, ...]:
    """What somebody else said, or that quotes it."""
    return (Piece(_line(sentence(text))),)


def _begun(text: str) -> str:
    """With a capital letter, unless it begins with a name: `argocd-server did not answer`."""
    return text[:1].upper() + text[1:] if _WORD.match(text) else text
