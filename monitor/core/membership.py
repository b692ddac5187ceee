"""Which replicas live: each holds a slot, a Lease with a number that was known beforehand, as values.

A replica takes any slot that is free and renews it at each look, every 1.5 s; every look reads all of them. Another one's
slot is free when it was released, or when it was *watched* for 10 s without a change, on a clock that only goes forward:
no time of day is compared, and time in which the API could not be asked counts for nothing, so that after an outage
nobody is taken for dead. Each write goes by compare-and-swap on what the last look read; a lost answer is cleared up by
the next one. Two replicas that check the same do no harm, so the times are shorter than those of `election`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from monitor.core.election import LONGEST_DURATION, Record
from monitor.core.sharding import (
    SPREAD_AFTER_CRASH,
    SPREAD_AFTER_RELEASE,
    STILL_WATCHED,
    Doubt,
    Everything,
    Part,
    Spare,
    Standing,
    TakeOver,
    Undecided,
)

LOOK = 1.5
DURATION = 10.0
# The holder itself begins no rotation when its last renewal is older: before anybody else can have the slot.
RENEW_DEADLINE = 8.0
# No rotation is begun this soon after a slot was taken: by then the others have seen it, and gave up what it has now.
SETTLE = 4.0
# Between two looks at a slot no more than this counts as watched.
LONGEST_STEP = 3.0
# Who knows nobody else for so long after the start checks everything.
PATIENCE = 5.0
# For so long a change may be there before a look shows it: between two looks, and the time of the calls.
UNNOTICED = LOOK + 1.0
SHORTEST_PAUSE = 0.05
# Who has no slot, and sees a free one, looks again this soon.
RETRY = 0.4
# Where something is forbidden: that may be mended.
DENIED_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no Lease of that slot."""


@dataclass(frozen=True, slots=True)
class Denied:
    """It may not be used."""


@dataclass(frozen=True, slots=True)
class Unread:
    """No answer, or one that says nothing: nothing is concluded."""


@dataclass(frozen=True, slots=True)
class Held:
    """What stands in the Lease. address: where its holder is asked for what it sees, "" where it did not say."""

    record: Record
    address: str = ""


Reading = Held | Absent | Denied | Unread


@dataclass(frozen=True, slots=True)
class Slot:
    """What a replica knows of a slot. Times are its own monotonic seconds.

    known: whether it was ever read. changed_at: when it was first seen as it is; quiet: for how many seconds it was watched
    since, which is less where the API was away. forbidden_until: it is not claimed before. readable: whether it may be read.
    """

    held: Held | None = None
    known: bool = False
    read_at: float = float("-inf")
    changed_at: float = float("-inf")
    quiet: float = 0.0
    forbidden_until: float = float("-inf")
    readable: bool = True

    @property
    def holder(self) -> str:
        """Whose it is; "" where nobody's."""
        return self.held.record.holder if self.held is not None else ""

    @property
    def remaining(self) -> float:
        """Seconds to be watched without a change until its holder counts as dead; 0 where it has none."""
        if self.held is None or not self.held.record.holder:
            return 0.0
        return max(0.0, min(max(self.held.record.duration, DURATION), LONGEST_DURATION) - self.quiet)


@dataclass(frozen=True, slots=True)
class Membership:
    """One replica's knowledge. Times are its own monotonic seconds.

    renewed_at: when the last write of its slot that worked was begun. held_since: when it took the slot, and taken: how.
    standing: what follows for its share. take_over: how what it has now and had not before came to it.
    """

    identity: str
    started_at: float
    slots: tuple[Slot, ...]
    renewed_at: float = float("-inf")
    held_since: float = float("inf")
    taken: TakeOver = STILL_WATCHED
    standing: Standing = field(default_factory=Undecided)
    take_over: TakeOver = STILL_WATCHED

    @property
    def own(self) -> int | None:
        """The slot that was its own at the last look."""
        return next((number for number, slot in enumerate(self.slots) if slot.holder == self.identity), None)


@dataclass(frozen=True, slots=True)
class Claim:
    """Write the slot as this replica's own. version: where it is still of this version; None: where there is none yet."""

    slot: int
    version: str | None


@dataclass(frozen=True, slots=True)
class GiveBack:
    """A second slot that an answer which was lost has brought: empty it."""

    slot: int
    version: str


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to write."""


Decision = Claim | GiveBack | Rest


def begin(identity: str, slots: int, now: float) -> Membership:
    """Before the first look."""
    return Membership(identity, now, (Slot(),) * slots)


def looked(membership: Membership, number: int, reading: Reading, now: float) -> Membership:
    """Takes in what a look at one slot showed. now: when the answer was there."""
    before = membership.slots[number]
    match reading:
        case Unread():
            return membership
        case Denied():
            slot = Slot(known=True, forbidden_until=now + DENIED_PAUSE, readable=False)
        case Absent():
            slot = Slot(known=True, read_at=now, changed_at=now, forbidden_until=_until(before))
        case Held(record):
            # Only what its writer writes is a sign of life: an annotation of somebody else is none.
            same = before.held is not None and replace(record, version=before.held.record.version) == before.held.record
            quiet = before.quiet + min(max(0.0, now - before.read_at), LONGEST_STEP) if same else 0.0
            changed_at = before.changed_at if same else now
            slot = Slot(reading, True, now, changed_at, quiet, _until(before))
        case never:
            assert_never(never)
    return _with(membership, number, slot)


def decide(membership: Membership, now: float, chance: float) -> Decision:
    """What is written after a look. chance: 0 to 1, so that those who come at the same time take different slots."""
    own = membership.own
    for number, slot in enumerate(membership.slots):
        if number != own and slot.held is not None and slot.holder == membership.identity:
            return GiveBack(number, slot.held.record.version)
    if own is not None:
        return _claim(membership, own)
    if not all(slot.known for slot in membership.slots):
        return Rest()  # one that is not read yet may be its own, from an answer that was lost
    free = _free(membership, now)
    return _claim(membership, free[min(int(chance * len(free)), len(free) - 1)]) if free else Rest()


def claimed(membership: Membership, number: int, held: Held, began: float, now: float) -> Membership:
    """The claim worked; `began`: when it was sent, from which the time to the next renewal counts."""
    before = membership.slots[number]
    slot = Slot(held, known=True, read_at=now, changed_at=now)
    after = replace(_with(membership, number, slot), renewed_at=began)
    if before.holder == membership.identity:
        return replace(after, held_since=min(membership.held_since, began))
    taken = _crashed([before], now) if before.holder else STILL_WATCHED
    return replace(after, held_since=began, taken=taken)


def forbidden(membership: Membership, number: int, now: float) -> Membership:
    """The claim was refused by the API: this slot is none for this replica, for a while."""
    slot = replace(membership.slots[number], forbidden_until=now + DENIED_PAUSE)
    return _with(membership, number, slot)


def judged(membership: Membership, now: float) -> Membership:
    """After a look and what was written: what follows for the share. In doubt it stays what it was."""
    standing = _standing(membership, now)
    if standing == membership.standing:
        return membership
    return replace(membership, standing=standing, take_over=_take_over(membership, standing, now))


def live(membership: Membership) -> tuple[int, ...]:
    """The slots that are held, its own among them."""
    return tuple(
        number
        for number, slot in enumerate(membership.slots)
        if slot.holder and (slot.holder == membership.identity or slot.remaining > 0.0)
    )


def leads(membership: Membership, now: float) -> bool:
    """Whether this replica may begin an effect on the targets of its share. In doubt it may not.

    Where Leases are forbidden it may: then each replica does all, and the journal's compare-and-swap decides.
    """
    match membership.standing:
        case Part():
            renewed = membership.own is not None and now - membership.renewed_at < RENEW_DEADLINE
            return renewed and now - membership.held_since >= SETTLE
        case Everything(doubt):
            return doubt is Doubt.DENIED
        case _:
            return False


def pause(membership: Membership, now: float, chance: float) -> float:
    """Seconds until the next look: a little early, never late; and in time to see that somebody's time is over."""
    if all(now < slot.forbidden_until for slot in membership.slots):
        return DENIED_PAUSE * (0.75 + 0.25 * chance)
    if membership.own is None and _free(membership, now):
        return RETRY * (0.5 + 0.5 * chance)  # somebody was quicker
    others = (slot.remaining for slot in membership.slots if slot.holder != membership.identity)
    return max(SHORTEST_PAUSE, min((LOOK * (0.75 + 0.25 * chance), *(wait for wait in others if wait > 0.0))))


def _standing(membership: Membership, now: float) -> Standing:
    own, slots = membership.own, membership.slots
    if all(slot.known for slot in slots):
        if own is not None:
            return Part(own, live(membership))
        usable = [slot for slot in slots if now >= slot.forbidden_until]
        if not usable:
            return Everything(Doubt.DENIED)
        if all(slot.remaining > 0.0 for slot in usable):
            return Spare()
    if isinstance(membership.standing, Undecided) and now - membership.started_at >= PATIENCE:
        return Everything(Doubt.UNSEEN)
    return membership.standing


def _until(before: Slot) -> float:
    """Until when a slot that was read is forbidden: what forbade to read it is over."""
    return before.forbidden_until if before.readable else float("-inf")


def _free(membership: Membership, now: float) -> list[int]:
    slots = enumerate(membership.slots)
    return [number for number, slot in slots if slot.remaining <= 0.0 and slot.known and now >= slot.forbidden_until]


def _take_over(membership: Membership, standing: Standing, now: float) -> TakeOver:
    """How long nobody may have checked what a change brings."""
    before = membership.standing
    if not isinstance(before, Part):
        return membership.taken
    if not isinstance(standing, Part):
        return STILL_WATCHED
    gone = [membership.slots[number] for number in before.slots if number not in standing.slots]
    crashed = [slot for slot in gone if slot.holder]
    if crashed:
        return _crashed(crashed, now)
    return TakeOver(UNNOTICED, SPREAD_AFTER_RELEASE) if gone else STILL_WATCHED


def _crashed(slots: Sequence[Slot], now: float) -> TakeOver:
    return TakeOver(UNNOTICED + max(now - slot.changed_at for slot in slots), SPREAD_AFTER_CRASH)


def _claim(membership: Membership, number: int) -> Claim:
    held = membership.slots[number].held
    return Claim(number, held.record.version if held is not None else None)


def _with(membership: Membership, number: int, slot: Slot) -> Membership:
    slots = membership.slots
    return replace(membership, slots=(*slots[:number], slot, *slots[number + 1 :]))
