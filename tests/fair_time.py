"""How long a promise of seconds may take where the processors have more to do than they can.

A test in real time that holds the product to a second holds it to a second of a machine that has time for it. How much
less there is now: the load of the last minute, who wants to run at this very moment (the load is slow to tell), and how
long this process itself waited for a processor of late, which alone tells of a quota of a container.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

# Further back than this the past says nothing about what is measured now.
OF_LATE = 10.0
# Beyond this nothing that is measured means anything, and a test shall end.
MOST = 20.0
LOAD, OWN_TIMES = Path("/proc/loadavg"), Path("/proc/self/schedstat")


class _Waiting:
    """How much longer than it worked this process took for its work: 1.0 where it never waited for a processor."""

    def __init__(self) -> None:
        self._seen = [(time.monotonic(), *_own_times())]

    def factor(self) -> float:
        now, worked, waited = time.monotonic(), *_own_times()
        self._seen.append((now, worked, waited))
        while len(self._seen) > 2 and self._seen[1][0] < now - OF_LATE:
            del self._seen[0]
        _, worked_before, waited_before = self._seen[0]
        worked, waited = worked - worked_before, waited - waited_before
        return (worked + waited) / worked if worked > 0 else 1.0


def _own_times() -> tuple[int, int]:
    """Nanoseconds for which the main thread ran, and for which it could have and did not; zeros where nobody counts."""
    try:
        worked, waited, _ = OWN_TIMES.read_text().split()
    except (OSError, ValueError):
        return 0, 0
    return int(worked), int(waited)


_waiting = _Waiting()


def slowness() -> float:
    """How many times longer than on an idle machine things may take now; 1.0 and more."""
    processors = len(os.sched_getaffinity(0))
    return min(MOST, max(1.0, os.getloadavg()[0] / processors, _running() / processors, _waiting.factor()))


def _running() -> int:
    try:
        return int(LOAD.read_text().split()[3].partition("/")[0])
    except (OSError, ValueError, IndexError):
        return 0


def fairly(seconds: float) -> float:
    """A promise of so many seconds, on processors that have more to do at this moment than they can."""
    return seconds * slowness()
