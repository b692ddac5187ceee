"""When the targets of an Argo CD installation are looked at after something changed inside it.

A round is one look at each of them. The first comes a moment after the change: Argo CD learns of it through a watch,
as we do. A late one follows, for a replica that was slower than that. Rounds keep a distance, since argocd-secret is
written at every login of a rotation and every key that is made; yet each change is followed by a round of its own or
shares one that begins late enough to see it. All times are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

# A replica of Argo CD follows 4 to 14 ms after the write (argocd/README.md of the recordings; 0 to 4 ms after our own
# event, measured). Fifty times that.
SETTLE = 0.2
LATE = 3.0
# Between the beginnings of two rounds.
DISTANCE = 1.0
# Looks at one installation: many targets of one server are not all checked in the same moment.
LOOKS_PER_SECOND = 200.0


@dataclass(frozen=True, slots=True, order=True)
class Round:
    """A round that is due. full: with the account and the control, which settings decide about, too."""

    due: float
    full: bool = False


@dataclass(frozen=True, slots=True)
class Rounds:
    """Of one installation. began: when the last round began. pending: those to come, the first first, three at most."""

    began: float = float("-inf")
    pending: tuple[Round, ...] = ()

    @property
    def due(self) -> float | None:
        """When the next one begins."""
        return self.pending[0].due if self.pending else None


def after_change(rounds: Rounds, now: float, targets: int, *, full: bool) -> Rounds:
    """Something changed now, in an installation with so many targets."""
    distance = distance_of(targets)
    # One that begins before the change has settled must not be counted on, nor put off: changes that never end would
    # put it off for ever.
    early = tuple(one for one in rounds.pending if one.due < now + SETTLE)
    owed = any(one.full for one in rounds.pending[len(early) :])
    soon = max(now + SETTLE, (early[-1].due if early else rounds.began) + distance)
    late = max(now + LATE, soon + distance)
    return replace(rounds, pending=(*early, Round(soon, full or owed), Round(late)))


def begin(rounds: Rounds, now: float) -> tuple[Round, Rounds]:
    """Takes the round that is due."""
    first, *rest = rounds.pending
    return first, Rounds(now, tuple(rest))


def distance_of(targets: int) -> float:
    """Seconds between the beginnings of two rounds over so many targets: the one is over before the next."""
    return max(DISTANCE, targets / LOOKS_PER_SECOND)
