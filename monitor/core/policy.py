"""Why a key is replaced: small functions in order, each giving a reason or None. The first reason wins.

`Why` has all that they look at. A cause that minting does not mend never leads to minting: the column
`mended_by_minting` of the status table says which those are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from monitor.core.journal import Journal, Purpose
from monitor.core.status import Kind, Status

MINUTE = 60.0
RENEW_AT = 2 / 3
EARLIEST = 1 / 3


@dataclass(frozen=True, slots=True)
class Policy:
    """What the owner of a target allows. Durations in seconds.

    account: whose keys are made. expires_in: of new keys, None: they never expire. renew_before: before the end;
    None: at two thirds of the lifetime. every: on a schedule. drill_every: fire drills. grace: how long the old key
    lives on; longest_wait: for consumers to run with the new key. by_password: whether a login is possible.
    """

    account: str
    by_password: bool
    expires_in: int | None = None
    renew_before: float | None = None
    every: float | None = None
    drill_every: float | None = None
    grace: float = 10 * MINUTE
    longest_wait: float = 60 * MINUTE
    restart_consumers: bool = False
    watch_consumers: bool = False


@dataclass(frozen=True, slots=True)
class Why:
    """The facts that decide. status: the verdict on the Secret's token, None while it is not known."""

    now: float
    policy: Policy
    journal: Journal
    status: Status | None
    issued_at: float | None
    expires_at: float | None
    demanded: bool = False


Reason = Callable[[Why], str | None]


def demanded(why: Why) -> str | None:
    """A person asked for it (`token-monitor rotate`). What minting does not mend, it does not mend on demand either."""
    if not why.demanded or why.status is None:
        return None
    if why.status.kind is Kind.REFUSED and not why.status.facts.mended_by_minting:
        return None
    accepted = why.status.accepted is True
    return "a person asked for it" if accepted or why.policy.by_password else None


def refused(why: Why) -> str | None:
    """Argo CD refuses the token for a cause that a new key mends. Without a live key that takes a login."""
    if why.status is None or why.status.kind is not Kind.REFUSED or not why.status.facts.mended_by_minting:
        return None
    return f"the token is {why.status}" if why.policy.by_password else None


def ends_soon(why: Why) -> str | None:
    """The token is accepted and its time is nearly over."""
    if why.status is None or why.status.accepted is not True or why.expires_at is None:
        return None
    if why.status is Status.WRONG_ACCOUNT:
        return None
    if why.now >= renewal_time(why):
        return "the token ends soon"
    return None


def scheduled(why: Why) -> str | None:
    """The owner wants a new key every so often."""
    if why.policy.every is None or why.status is None or why.status.accepted is not True:
        return None
    if why.status is Status.WRONG_ACCOUNT:
        return None
    since = why.journal.rotated_at or why.issued_at
    return "the schedule says so" if since is not None and why.now - since >= why.policy.every else None


REASONS: tuple[Reason, ...] = (demanded, refused, ends_soon, scheduled)


def why_rotate(why: Why) -> tuple[Purpose, str] | None:
    """The purpose and the reason of a rotation that should begin now, or None."""
    for reason in REASONS:
        if (said := reason(why)) is not None:
            return Purpose.REPLACE, said
    if _drill_is_due(why):
        return Purpose.DRILL, "a fire drill is due"
    return None


def renewal_time(why: Why) -> float:
    """When an ending token is replaced, in epoch seconds."""
    ends = why.expires_at or 0.0
    begins = why.issued_at if why.issued_at is not None else ends
    if why.policy.renew_before is not None:
        # A lifetime shorter than `renew_before` would otherwise renew without end.
        return max(ends - why.policy.renew_before, begins + EARLIEST * (ends - begins))
    return begins + RENEW_AT * (ends - begins)


def _drill_is_due(why: Why) -> bool:
    if why.policy.drill_every is None or why.status is None or why.status.accepted is not True:
        return False
    return why.journal.drilled_at is None or why.now - why.journal.drilled_at >= why.policy.drill_every
