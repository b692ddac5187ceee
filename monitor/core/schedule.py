"""When a check is due. All times are monotonic seconds; randomness comes in as a number from 0 to 1.

Checks of a target lie on a grid of its interval, shifted by a part that follows from its name: the fleet is spread
evenly, and a restart does not move it. "Cannot tell" makes the pauses ever longer, with jitter; any other answer
brings the grid back at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

CONFIRMATION_DELAY = 1.0
# Right after a change inside Argo CD a refusal has its reason, and the second look need only be at another moment
# and over another connection (docs/decisions/0001-a-refusal-right-after-a-change.md).
CONFIRMATION_AFTER_CHANGE = 0.3
# For so long a change counts as the reason: the late round of `core.rounds` and a slow check are within it.
CHANGE_COUNTS = 10.0
# Recovery is to be known soon: the pause grows to four intervals and no further. Where a check is to come once an hour, a
# packet that got lost must not leave the token unknown for an hour: the first pause is a minute at most.
MAX_BACKOFF_INTERVALS = 4.0
MAX_FIRST_PAUSE = 60.0
FIRST_CHECKS_PER_SECOND = 200.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often a target is checked: seconds between checks, and where in the interval its turn is (0 to 1)."""

    interval: float
    phase: float


def phase_of(name: str) -> float:
    """Where in the interval a target's turn is: 0 to 1, evenly over names, the same in every process."""
    return crc32(name.encode()) / 2**32


def first_due(rhythm: Rhythm, start: float, spread: float) -> float:
    """The first check: soon, but not all in the same moment; within `spread` seconds, and the interval."""
    return start + rhythm.phase * min(rhythm.interval, spread)


def aligned(interval: float, phase: float, offset: float) -> Rhythm:
    """A rhythm that is the same in every process: its grid lies on the time of day. offset: that minus monotonic seconds."""
    return Rhythm(interval, (phase - offset / interval) % 1.0)


def taken_over_due(rhythm: Rhythm, now: float, unwatched: float, spread: float) -> float:
    """The first check of a target that another process checked on the same grid until `unwatched` seconds ago.

    Where its turn came meanwhile it is looked at within `spread` seconds, in the order of the turns; else at its next one.
    """
    offset = rhythm.phase * rhythm.interval
    last = offset + ((now - offset) // rhythm.interval) * rhythm.interval
    window = min(unwatched, rhythm.interval)
    if window <= 0.0 or now - last >= window:
        return last + rhythm.interval
    return now + spread * (1.0 - (now - last) / window)


def next_due(rhythm: Rhythm, now: float) -> float:
    """The next point of the grid, at least a tenth of the interval away."""
    offset = rhythm.phase * rhythm.interval
    earliest = now + 0.1 * rhythm.interval
    steps = -(-(earliest - offset) // rhythm.interval)
    return offset + steps * rhythm.interval


def confirmation_delay(since_change: float) -> float:
    """How long after a first refusal the second look comes. since_change: seconds since the last known change."""
    return CONFIRMATION_AFTER_CHANGE if 0.0 <= since_change < CHANGE_COUNTS else CONFIRMATION_DELAY


def backed_off(rhythm: Rhythm, now: float, failures: int, chance: float, retry_after: float | None = None) -> float:
    """After `failures` answers in a row that could not tell. `chance` (0 to 1) is the jitter, ±20 %.

    retry_after: never before. Up to 20 % later, since all that one limit turned away would else come back at once, to be
    turned away again.
    """
    pause = min(rhythm.interval, MAX_FIRST_PAUSE) * 2.0 ** max(0, min(failures, 20) - 1)
    pause = min(pause, MAX_BACKOFF_INTERVALS * rhythm.interval)
    return now + max(pause * (0.8 + 0.4 * chance), (retry_after or 0.0) * (1.0 + 0.2 * chance))
