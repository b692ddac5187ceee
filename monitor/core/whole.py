"""What any replica tells of the whole fleet: who checks how much, and what is missing. Values in, values out.

Nothing is left out without a word: a target of which nobody told is shown as not known, with the replica that should have.
"""

from __future__ import annotations

from dataclasses import dataclass

from monitor.core.model import Mode, Verdict
from monitor.core.report import TargetReport
from monitor.core.sharding import Everything, Part, Spare, Standing, Undecided, owner
from monitor.core.status import Status

# What a replica may check, as `/status` and the metrics have it.
SHARES = tuple(standing.__name__.lower() for standing in (Part, Everything, Spare, Undecided))


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica, for people. slot: None where it holds none. targets: how many it told of; silence: why it says nothing
    now, "" where it answers.
    """

    slot: int | None
    identity: str
    address: str
    targets: int
    silence: str = ""

    def __str__(self) -> str:
        return f"{self.identity} ({self.address or 'no address'})"


@dataclass(frozen=True, slots=True)
class Whole:
    """All replicas, as one of them sees them. slots: how many there are, those that nobody holds among them."""

    own: Replica
    others: tuple[Replica, ...]
    standing: Standing
    slots: int = 0

    @property
    def free(self) -> int:
        """Slots that nobody holds."""
        return max(0, self.slots - len(self.others) - (self.own.slot is not None))

    @property
    def share(self) -> str:
        """What this replica checks, in one word (`SHARES`)."""
        return type(self.standing).__name__.lower()

    @property
    def missing(self) -> tuple[str, ...]:
        """What is missing on a page of this replica, in sentences with what to do; empty where nothing is."""
        found = [
            f"Monitor replica {replica} does not answer: {replica.silence}. What is shown of its targets is old or nothing."
            " Look at its log, and whether a network policy lets replicas reach each other on the port of the pages."
            for replica in self.others
            if replica.silence
        ]
        match self.standing:
            case Everything(doubt):
                found.append(
                    f"This replica checks every target, because {doubt.words}. `token-monitor doctor` says what to do."
                )
            case Spare():
                found.append(
                    "This replica checks nothing, because every slot is held by another one. Raise kubernetes.shards.slots"
                    " or run fewer replicas."
                )
            case Undecided():
                found.append("This replica has just started and does not know its share yet.")
            case Part():
                pass
        return tuple(found)


def whole_json(whole: Whole) -> dict[str, object]:
    """The section `shards` of `/status`."""
    replicas = sorted((whole.own, *whole.others), key=lambda each: -1 if each.slot is None else each.slot)
    return {
        "replica": whole.own.identity,
        "share": whole.share,
        "slots": whole.slots,
        "replicas": [
            {
                "slot": each.slot,
                "replica": each.identity,
                "address": each.address or None,
                "targets": each.targets,
                "answers": not each.silence,
                "problem": each.silence or None,
            }
            for each in replicas
        ],
        "missing": list(whole.missing),
    }


def untold(
    name: str, server: str, mode: Mode, interval: float, timeout: float, whole: Whole, now: float
) -> TargetReport:
    """A target of which nobody told."""
    cause = f"not known here: {_whose(name, whole)}"
    remedy = "Ask again in some seconds; if it stays, look at the log of that replica."
    verdict = Verdict(Status.PENDING, cause, remedy)
    return TargetReport(name, server, mode, "not known here", interval, timeout, verdict, now)


def _whose(name: str, whole: Whole) -> str:
    if not isinstance(whole.standing, Part):
        return "it is checked by another replica of the monitor, or will be in a moment"
    slot = owner(name, whole.standing.slots)
    its = next((each for each in whole.others if each.slot == slot), None)
    if its is None:
        return "this replica begins with it in a moment"
    if its.silence:
        return f"it is checked by monitor replica {its}, which does not answer ({its.silence})"
    return f"it belongs to monitor replica {its}, which does not tell of it (yet)"
