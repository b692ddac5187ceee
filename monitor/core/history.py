"""The last checks of a target, one byte each, so that ten thousand targets remember theirs in less than a megabyte."""

from __future__ import annotations

from itertools import groupby

from monitor.core.status import Status

# How many checks are remembered: seven minutes at the default interval.
LENGTH = 30

_STATUSES = tuple(Status)
_BYTES = {status: bytes((index,)) for index, status in enumerate(_STATUSES)}


def remember(history: bytes, status: Status) -> bytes:
    """`history` with one more check, the oldest given up."""
    return (history + _BYTES[status])[-LENGTH:]


def recall(history: bytes) -> tuple[Status, ...]:
    """The statuses, oldest first."""
    return tuple(_STATUSES[index] for index in history)


def runs(history: bytes) -> tuple[tuple[Status, int], ...]:
    """The statuses, oldest first, each with how often it was found in a row."""
    return tuple((_STATUSES[index], sum(1 for _ in same)) for index, same in groupby(history))
