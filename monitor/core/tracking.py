"""What is known of a target over time: which verdict is shown, since when, and what must be done next.

A healthy token is called refused only after two refusals in a row, one second apart: a replica of Argo CD may lag
behind another (4 to 14 ms were recorded, a busy cluster takes longer). Where something was just changed inside Argo CD
the second look comes sooner. At start, and for a token that was never seen to work, one refusal is enough.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from monitor.core.model import Verdict
from monitor.core.report import TargetReport
from monitor.core.schedule import CONFIRMATION_DELAY, Rhythm, backed_off, next_due
from monitor.core.status import Kind, Status


@dataclass(frozen=True, slots=True)
class Track:
    """The memory of one target. Times are epoch seconds.

    shown: the verdict that people see; since: when its status began.
    told: the last verdict that could tell (accepted or refused), with its time; None before the first.
    suspect: a refusal waits for its confirmation.
    failures: answers in a row that could not tell.
    """

    shown: Verdict
    since: float
    told: Verdict | None = None
    suspect: bool = False
    failures: int = 0
    anonymous_access: bool | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """The outcome of a check: the new memory, whether the shown status changed, and when to check again."""

    track: Track
    changed: bool
    due: float


def begin(now: float) -> Track:
    """Before the first check."""
    return Track(Verdict(Status.PENDING, "the token has not been checked yet", "Wait for the first check."), now)


def resume(report: TargetReport) -> Track:
    """What another replica knew of a target, before the first check of this one."""
    return Track(report.verdict, report.since, told=report.told, anonymous_access=report.anonymous_access)


def advance(
    track: Track,
    verdict: Verdict,
    rhythm: Rhythm,
    monotonic: float,
    chance: float,
    confirmation: float = CONFIRMATION_DELAY,
) -> Step:
    """Takes in `verdict`. `monotonic` (seconds) and `chance` (0 to 1) place the next check.

    confirmation: seconds until the second look at a first refusal.
    """
    kind = verdict.status.kind
    anonymous = track.anonymous_access if verdict.anonymous_access is None else verdict.anonymous_access
    if kind is Kind.REFUSED and _healthy(track) and not track.suspect:
        held = replace(track, suspect=True, failures=0, anonymous_access=anonymous)
        return Step(held, changed=False, due=monotonic + confirmation)
    changed = verdict.status is not track.shown.status
    since = verdict.checked_at if changed else track.since
    if kind is Kind.UNKNOWN:
        failures = track.failures + 1
        after = replace(track, shown=verdict, since=since, failures=failures, anonymous_access=anonymous)
        return Step(after, changed, backed_off(rhythm, monotonic, failures, chance, verdict.retry_after))
    after = Track(verdict, since, told=verdict, anonymous_access=anonymous)
    return Step(after, changed, next_due(rhythm, monotonic))


def _healthy(track: Track) -> bool:
    return track.told is not None and track.told.accepted is True
