"""What a reflector does next: list, or watch from a version, and how long it waits before.

Its job is to know the objects of a collection without asking each time: list once, then watch for changes from the
version of the list. Whatever happens is a value (`Happening`), and `after` says where that leaves the reflector. What
the network broke goes on from the same version; what the API refused, and what stayed silent, is listed anew. The
rules are those of client-go's reflector, except that silence is noticed: a half-open connection tells nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

# API servers send a bookmark about once a minute, where anything was written meanwhile (by anybody: leases of nodes do).
# Nothing at all for this long: the connection is taken for dead. In a cluster that is quiet indeed that costs a list.
SILENCE = 90.0
# A watch is ended by the server after this long, and goes on from where it was; fewer seconds by chance, so that the
# watches of a process, or of a fleet, do not all end together.
TURN = 290.0
# A list after so many turns (an hour) bounds what a defect, or an etcd restored from a backup, can hide.
TURNS_PER_LIST = 12

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
# A watch that held for this long was a success: pauses start small again.
STEADY = 10.0
# One that the server ends sooner than this would make a busy loop.
SHORTEST_TURN = 1.0
# A compaction ends many watches at once; their lists are spread over this long.
RELIST_SPREAD = 5.0
# What is forbidden, is not there, or cannot be given in the form that was asked for, changes by somebody's hand.
FIRST_DENIED_PAUSE = 60.0
LONGEST_DENIED_PAUSE = 600.0
DENIED = frozenset({403, 404, 405, 406})
# The API may come back with the same version: it did not look at it (credentials, too many requests).
NOT_LOOKED_AT = frozenset({401, 429})


@dataclass(frozen=True, slots=True)
class Reflection:
    """How far a reflector has come.

    version: where the watch goes on; None: it begins with a list. connected: whether, as far as is known, nothing
    was missed. failures: in a row. turns: watches that ended in good order since the last list. wait: seconds before the
    next step.
    """

    version: str | None = None
    connected: bool = False
    failures: int = 0
    turns: int = 0
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class List:
    """Ask for the whole collection, after `wait` seconds."""

    wait: float


@dataclass(frozen=True, slots=True)
class Watch:
    """Watch for changes since `version`, after `wait` seconds."""

    version: str
    wait: float


Step = List | Watch


@dataclass(frozen=True, slots=True)
class Listed:
    """The whole collection was read, as it was at `version`."""

    version: str


@dataclass(frozen=True, slots=True)
class Heard:
    """An event or a bookmark of the watch; `version` None where it names none."""

    version: str | None


@dataclass(frozen=True, slots=True)
class Ended:
    """The server ended the watch in good order, `lasted` seconds after it was asked for."""

    lasted: float


@dataclass(frozen=True, slots=True)
class Expired:
    """410, as a status or as an event: the version is too old, changes since then are lost."""

    lasted: float = 0.0


@dataclass(frozen=True, slots=True)
class Refused:
    """Any other answer. retry_after: seconds that the API asks for; 0 where it does not."""

    status: int
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer, or a watch that broke, `lasted` seconds after it was asked for."""

    lasted: float = 0.0


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing was heard of the watch for `SILENCE` seconds."""


Happening = Listed | Heard | Ended | Expired | Refused | Lost | Silent


def next_step(state: Reflection) -> Step:
    """What to do now."""
    return List(state.wait) if state.version is None else Watch(state.version, state.wait)


def after(state: Reflection, happening: Happening, chance: float) -> Reflection:
    """Where `happening` leaves the reflector. chance: 0 to 1, the jitter."""
    match happening:
        case Listed(version):
            return Reflection(version, connected=True, failures=state.failures)
        case Heard(version):
            return replace(state, version=version or state.version, connected=True, wait=0.0)
        case Ended(lasted):
            return _next_turn(state, lasted, chance)
        case Lost(lasted):
            failures = _failures(state, lasted)
            return replace(state, connected=False, failures=failures, wait=_pause(failures, chance))
        case Silent():
            return Reflection(failures=1, wait=_pause(1, chance))
        case Expired(lasted):
            # After an outage it is to be expected, and the API is there again; right after a list it is not.
            failures = _failures(state, lasted) if state.connected else 1
            wait = RELIST_SPREAD * chance if failures == 1 else _pause(failures, chance)
            return Reflection(failures=failures, wait=wait)
        case Refused(status, retry_after):
            return _refused(state, status, retry_after, chance)
        case _:
            assert_never(happening)


def in_touch(state: Reflection, heard_at: float, now: float) -> bool:
    """Whether the objects that are known may be taken for the present ones. Monotonic seconds."""
    return state.connected and now - heard_at < SILENCE


def turn_seconds(chance: float) -> int:
    """How long the server shall keep a watch: 80 to 100 % of `TURN`."""
    return round(TURN * (0.8 + 0.2 * chance))


def _next_turn(state: Reflection, lasted: float, chance: float) -> Reflection:
    if lasted < SHORTEST_TURN:
        failures = state.failures + 1
        return replace(state, connected=False, failures=failures, wait=_pause(failures, chance))
    turns = state.turns + 1
    version = state.version if turns < TURNS_PER_LIST else None
    return replace(state, version=version, failures=0, turns=turns, wait=0.0)


def _refused(state: Reflection, status: int, retry_after: float, chance: float) -> Reflection:
    failures = state.failures + 1
    if status in DENIED:
        longest = min(FIRST_DENIED_PAUSE * 2.0 ** (min(failures, 10) - 1), LONGEST_DENIED_PAUSE)
        return Reflection(failures=failures, wait=longest * (0.5 + 0.5 * chance))
    wait = max(_pause(failures, chance), min(retry_after, LONGEST_PAUSE))
    version = state.version if status in NOT_LOOKED_AT else None
    return Reflection(version, failures=failures, turns=state.turns, wait=wait)


def _failures(state: Reflection, lasted: float) -> int:
    return 1 if lasted >= STEADY else state.failures + 1


def _pause(failures: int, chance: float) -> float:
    """Half of the pause at least, so that a crowd is spread without anybody being at once."""
    longest = min(FIRST_PAUSE * 2.0 ** (min(failures, 20) - 1), LONGEST_PAUSE)
    return longest * (0.5 + 0.5 * chance)
