"""Which of several replicas leads: the rules of client-go's leader election, as values.

A Lease names its holder, who renews it every 2 s. Others take it over when they have not seen it change for 15 s on
their own clock that only goes forward; the holder itself stops leading 10 s after it *began* the last renewal that
worked. So two never lead at once, as long as their clocks tick alike: no time of day is ever compared, and a call that
hangs proves nothing. Each write goes by compare-and-swap; where an answer was lost, the Lease is read before anything
is concluded. That a leader does its work safely is not left to this: it only saves the work of the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

LEASE_DURATION = 15.0
RENEW_DEADLINE = 10.0
RETRY = 2.0
# A lost answer is cleared up sooner: until then nobody knows who leads.
RETRY_LOST = 0.5
# Somebody else's record may name a longer duration; the longest that is believed.
LONGEST_DURATION = 60.0
# Where leases are forbidden: that may be mended.
DENIED_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Record:
    """What stands in the Lease.

    holder: empty where it was released. version: for compare-and-swap. duration: seconds that the holder asks for.
    term: whatever else its writer changes with each renewal; it is compared, never understood.
    """

    holder: str
    version: str
    duration: float = LEASE_DURATION
    term: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """One replica's knowledge. Times are its own monotonic seconds.

    record: the Lease as it was last seen (None: there was none), changed_at: when it was first seen to be that.
    known: whether a write may be based on it. renewed_at: when the last renewal that worked was begun; None: it does not
    lead. denied: leases are forbidden here. next_at: nothing is done before.
    """

    identity: str
    record: Record | None = None
    changed_at: float = float("-inf")
    known: bool = False
    renewed_at: float | None = None
    denied: bool = False
    next_at: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Read:
    """Look at the Lease."""


@dataclass(frozen=True, slots=True)
class Create:
    """Make the Lease, held by this replica."""


@dataclass(frozen=True, slots=True)
class Renew:
    """Write the own Lease again, where it is still of this version."""

    version: str


@dataclass(frozen=True, slots=True)
class Acquire:
    """Take over a Lease that was released, or not renewed for its duration, where it is still of this version."""

    version: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do for so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class StepDown:
    """It did not renew in time, or another one holds the Lease: it has stopped leading."""


Decision = Read | Create | Renew | Acquire | Wait | StepDown


def leads(candidate: Candidate, now: float) -> bool:
    """Whether this replica leads. Without permission to use leases each one does: safety never depends on it."""
    return candidate.denied or _holds(candidate, now)


def decide(candidate: Candidate, now: float) -> Decision:
    """What to do now."""
    if candidate.renewed_at is not None and not _holds(candidate, now):
        return StepDown()
    if now < candidate.next_at:
        return Wait(candidate.next_at - now)
    if not candidate.known:
        return Read()
    record = candidate.record
    if record is None:
        return Create()
    if record.holder == candidate.identity:
        return Renew(record.version)
    if not record.holder or now >= _expires_at(candidate, record):
        return Acquire(record.version)
    return Read()


def seen(candidate: Candidate, record: Record | None, now: float, chance: float) -> Candidate:
    """The Lease was read (None: there is none). Call it with the time after the answer. chance: 0 to 1, the jitter."""
    candidate = _with_record(candidate, record, now)
    if record is None or record.holder in ("", candidate.identity):
        return candidate
    expires = _expires_at(candidate, record)
    if now >= expires:
        return candidate
    # When it expires it is taken over as it stands, by its version; before that it is read again.
    return replace(candidate, denied=False, next_at=min(now + _retry(chance), expires))


def stood_down(candidate: Candidate) -> Candidate:
    """It knows that it does not lead any more."""
    return replace(candidate, renewed_at=None)


def written(candidate: Candidate, record: Record, began: float, now: float, chance: float) -> Candidate:
    """A creation, renewal or take-over worked; `began`: when it was sent, from which the time to lead counts."""
    candidate = _with_record(candidate, record, now)
    return replace(candidate, renewed_at=began, denied=False, next_at=began + _retry(chance))


def conflicted(candidate: Candidate, now: float, chance: float) -> Candidate:
    """Somebody else wrote first: see who. The candidates spread, for they all saw the same."""
    return replace(candidate, known=False, next_at=now + RETRY_LOST * (0.5 + 0.5 * chance))


def lost(candidate: Candidate, now: float, chance: float) -> Candidate:
    """No answer: what was sent may have been done or not, or be done yet. Read before anything is concluded."""
    return replace(candidate, known=False, next_at=now + RETRY_LOST * (0.5 + 0.5 * chance))


def failed(candidate: Candidate, now: float, chance: float) -> Candidate:
    """The API answered that it cannot now (429, 5xx, 401)."""
    return replace(candidate, known=False, next_at=now + _retry(chance))


def denied(candidate: Candidate, now: float, chance: float) -> Candidate:
    """The API answered that this may not be done, or that there are no leases here."""
    next_at = now + DENIED_PAUSE * (0.75 + 0.5 * chance)
    return replace(candidate, known=False, denied=True, renewed_at=None, next_at=next_at)


def _with_record(candidate: Candidate, record: Record | None, now: float) -> Candidate:
    """Only a change of what its writer writes is a sign of life: an annotation of somebody else is none."""
    before = candidate.record
    same = record is not None and before is not None and replace(record, version=before.version) == before
    changed_at = candidate.changed_at if same else now
    return replace(candidate, record=record, changed_at=changed_at, known=True)


def _expires_at(candidate: Candidate, record: Record) -> float:
    return candidate.changed_at + min(max(record.duration, LEASE_DURATION), LONGEST_DURATION)


def _holds(candidate: Candidate, now: float) -> bool:
    record = candidate.record
    in_time = candidate.renewed_at is not None and now - candidate.renewed_at < RENEW_DEADLINE
    return in_time and record is not None and record.holder == candidate.identity


def _retry(chance: float) -> float:
    """A little early, never late: the times that are promised for a change of leader count on it."""
    return RETRY * (0.75 + 0.25 * chance)
