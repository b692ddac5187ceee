"""Which replica checks which target: rendezvous hashing over the slots that replicas hold.

Each target belongs to the slot with the greatest weight for it. So a slot that becomes empty moves only its own targets,
to all others evenly, and one that is filled takes only what it will have. The hash is over the slot's number and not over
its holder: whoever takes a dead replica's slot takes its very targets again.

A replica that does not know its share checks more than it had to, never less: twice does no harm, never does.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct

# A moved target that was due while nobody checked it is looked at within this time after its take-over, evenly: after a
# crash, and where the other replica had said that it goes (design.md: 20 s and 3 s, most of which it takes to notice).
SPREAD_AFTER_CRASH = 6.0
SPREAD_AFTER_RELEASE = 0.9


class Doubt(enum.StrEnum):
    """Why a replica checks everything."""

    DENIED = "denied"
    UNSEEN = "unseen"

    @property
    def words(self) -> str:
        """For people."""
        return _DOUBTS[self]


_DOUBTS = {
    Doubt.DENIED: "the Leases of the shards may not be used",
    Doubt.UNSEEN: "the Kubernetes API could not be asked who else is there",
}


@dataclass(frozen=True, slots=True)
class Undecided:
    """It has just started, and does not know yet: it checks nothing, for a few seconds at most."""


@dataclass(frozen=True, slots=True)
class Part:
    """It holds a slot, beside these that are held. slots: every one that is, its own among them, in order."""

    own: int
    slots: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Spare:
    """Every slot is held by somebody else: there is nothing left for it to check."""


@dataclass(frozen=True, slots=True)
class Everything:
    """It does not know who else is there: it checks all."""

    doubt: Doubt


Standing = Undecided | Part | Spare | Everything


@dataclass(frozen=True, slots=True)
class TakeOver:
    """How targets came to a replica. unwatched: for how many seconds nobody may have checked them; 0: somebody does still.

    spread: seconds within which those are looked at that were due meanwhile.
    """

    unwatched: float = 0.0
    spread: float = SPREAD_AFTER_RELEASE


STILL_WATCHED = TakeOver()
# 64 bytes of a hash are the weights of as many slots as there can be.
MAX_SLOTS = 32
_EACH = Struct(f">{MAX_SLOTS}H")


def owner(target: str, slots: Collection[int]) -> int:
    """The slot that a target belongs to; `slots` are those that are held, at least one."""
    weights = _weights(target)
    return max(slots, key=lambda slot: (weights[slot], slot))


def share(standing: Standing, targets: Iterable[str]) -> frozenset[str]:
    """The targets that a replica checks."""
    match standing:
        case Part(own, slots):
            return frozenset(target for target in targets if owner(target, slots) == own)
        case Everything():
            return frozenset(targets)
        case _:
            return frozenset()


def stand_in(standing: Standing, untold: Iterable[str]) -> frozenset[str]:
    """Those of `untold` that a replica checks beside its share, since their own replica tells nothing of them.

    The next one in the order of the weights does, so that each of them is checked twice at worst.
    """
    if not isinstance(standing, Part) or len(standing.slots) < 2:
        return frozenset()
    slots = set(standing.slots)
    return frozenset(target for target in untold if owner(target, slots - {owner(target, slots)}) == standing.own)


def _weights(target: str) -> tuple[int, ...]:
    """The weight of each slot for a target, out of one hash: ten thousand targets are shared out in a moment."""
    return _EACH.unpack(blake2b(target.encode()).digest())
