"""What one Alertmanager has to be told now, and what came of telling it.

Each instance is told everything by itself and has a memory of its own: one that was down is told all that still holds
when it is back. What is new comes before what is only repeated, and what wakes somebody before the rest.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.core.alert_conditions import AlertKey
from monitor.core.alerting import Firing, Pending, Phase
from monitor.core.alerts import Severity

# Alerts in one request, as Prometheus had it for years: a refused batch is small, and a body of about 100 kB.
MAX_BATCH = 64
# Alerts that are looked out in one go, for several requests: with 20,000 that fire, looking for each 64 took most of the time.
# What begins to fire meanwhile waits for so many at most.
MAX_ROUND = 16 * MAX_BATCH
# An alert that an Alertmanager refuses is tried again after this many intervals, alone.
REFUSED_INTERVALS = 10
# What fires is told to last until it was told again for sure: two tellings may fail (Prometheus does the same).
LASTING_INTERVALS = 4.0
LONGEST_LASTING = 3600.0
# How long an instance takes for a request, before that is known.
SLOWEST_REQUEST = 10.0
FIRST_PAUSE = 5.0
MAX_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class Told:
    """What an instance was last told of an alert, and when (monotonic seconds). refused: it would not have it."""

    firing: bool
    at: float
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """The instance has all of it."""


@dataclass(frozen=True, slots=True)
class Unacceptable:
    """The instance refused something in it; it may have taken the rest. why: its own words."""

    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It is not known whether anything arrived. why: what went wrong, and what to do."""

    why: str


Receipt = Accepted | Unacceptable | Failed


@dataclass(frozen=True, slots=True)
class Active:
    """An alert that an instance holds as firing."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: float


def due(
    phases: Mapping[AlertKey, Phase], told: Mapping[AlertKey, Told], now: float, interval: float, most: int = MAX_BATCH
) -> Sequence[AlertKey]:
    """The next alerts to tell, so many at most; one that was refused before is told alone.

    now: monotonic seconds, as `Told.at`. interval: seconds between two tellings of the same.
    """
    waiting = (
        (_rank(key, firing, last), key)
        for key, phase in phases.items()
        if (firing := is_told(phase)) is not None and _is_due(firing, last := told.get(key), now, interval)
    )
    batch = [key for _, key in heapq.nsmallest(most, waiting, key=lambda item: item[0])]
    if batch and _was_refused(told.get(batch[0])):
        return batch[:1]
    return [key for key in batch if not _was_refused(told.get(key))]


def is_told(phase: Phase) -> bool | None:
    """Whether it is told as firing (True) or as over (False); None: it is not told."""
    match phase:
        case Pending(_, before):
            return None if before is None else False
        case _:
            return isinstance(phase, Firing)


def lasting(alerts: int, request: float, interval: float) -> float:
    """For how many seconds one that fires is told to last: four intervals, longer where so many take longer to be told.

    request: how many seconds the instance takes for one. Otherwise a slow one has the first of many expired, and calls
    them over, before they are told again.
    """
    round_takes = math.ceil(alerts / MAX_BATCH) * request
    return min(max(LASTING_INTERVALS * interval, 2 * (round_takes + interval)), LONGEST_LASTING)


def pace(before: float, took: float) -> float:
    """Seconds for a request, from what was taken for that before and what the last one took: a quick one may be luck."""
    return max(took, before / 2)


def pause(failures: int, interval: float) -> float:
    """Seconds until the next attempt after so many failures in a row: doubling, the interval at most."""
    return float(min(FIRST_PAUSE * 2 ** min(failures - 1, MAX_DOUBLINGS), interval))


def _is_due(firing: bool, last: Told | None, now: float, interval: float) -> bool:
    if last is None or last.firing is not firing:
        return True
    return now - last.at >= interval * (REFUSED_INTERVALS if last.refused else 1)


def _rank(key: AlertKey, firing: bool, last: Told | None) -> tuple[bool, bool, bool, float]:
    repeated = last is not None and last.firing is firing
    return _was_refused(last), repeated, key.severity is not Severity.CRITICAL, last.at if last else 0.0


def _was_refused(last: Told | None) -> bool:
    return last is not None and last.refused
