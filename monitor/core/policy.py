"""Why a key is replaced: small functions in order, each giving a reason or None. The first reason wins.

`Why` has all that they look at. A cause that minting does not mend never leads to minting: the column
`mended_by_minting` of the status table says which those are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from monitor.core.claims import ARGOCD_ISSUER, Claims
from monitor.core.journal import Journal, Purpose
from monitor.core.status import Kind, Status

MINUTE = 60.0
RENEW_AT = 2 / 3
EARLIEST = 1 / 3
# A token that another writer put in place of ours, and that works, is theirs to replace for this long, or until this
# part of its lifetime is left.
LEFT_TO_OTHERS = 2 * 86_400.0
LAST = 1 / 10


@dataclass(frozen=True, slots=True)
class Policy:
    """What the owner of a target allows. Durations in seconds.

    account: whose keys are made; None: the account that the accepted token belongs to. by_password: whether a login is
    possible. expires_in: of new keys; None: never, and without a password as long as the one before. renew_before: before
    the end; None: at two thirds of the lifetime. every: on a schedule. drill_every: fire drills. grace: how long the old
    key lives on. longest_wait: for consumers to run with the new key. settle: how long a new key is given to reach every
    replica of Argo CD (4 to 14 s were seen) before anybody depends on it.
    """

    account: str | None
    by_password: bool
    expires_in: int | None = None
    renew_before: float | None = None
    every: float | None = None
    drill_every: float | None = None
    grace: float = 10 * MINUTE
    longest_wait: float = 60 * MINUTE
    restart_consumers: bool = False
    watch_consumers: bool = False
    settle: float = 15.0

    @property
    def spare(self) -> float:
        """How long a key that was in the Secret lives on when another took its place: consumers may run with it."""
        waited_for = self.watch_consumers or self.restart_consumers
        return max(self.grace, self.longest_wait) if waited_for else self.grace


def owner(policy: Policy, claims: Claims, *, works: bool) -> tuple[str | None, str]:
    """Whose keys are made (None: not known), and why no key can follow this token ("" when one can, or not known).

    claims: of the Secret's token, believed only where Argo CD accepts it (`works`).
    """
    if policy.account is not None:
        return policy.account, ""
    if not works:
        return None, ""
    if claims.is_project_role:
        return None, (
            f"the token is that of a project role ({claims.subject}), which makes no keys: use an API key of an account"
        )
    if claims.issuer != ARGOCD_ISSUER:
        return None, "the token is that of a single sign-on, which makes no keys: use an API key of an account"
    if claims.account is None:
        return None, "the token names no account: use an API key of an account, or set `auth.username`"
    return claims.account, ""


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

    @property
    def lives(self) -> bool:
        """Whether Argo CD accepts the token, as the right account."""
        return self.status is not None and self.status.accepted is True and self.status is not Status.WRONG_ACCOUNT

    @property
    def overtaken(self) -> bool:
        """Whether another writer put a token that works in place of ours, not long ago: it is theirs to replace."""
        return self.policy.by_password and self.now - self.journal.overtaken_at < LEFT_TO_OTHERS


Reason = Callable[[Why], str | None]


def demanded(why: Why) -> str | None:
    """A person asked for it (`token-monitor rotate`). What minting does not mend, it does not mend on demand either."""
    if not why.demanded or why.status is None or why.status.kind is Kind.UNKNOWN:
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
    if not why.lives or why.expires_at is None:
        return None
    begins = why.issued_at if why.issued_at is not None else why.expires_at
    last_minute = why.now >= why.expires_at - LAST * (why.expires_at - begins)
    if why.overtaken and not last_minute:
        return None
    return "the token ends soon" if why.now >= renewal_time(why) else None


def scheduled(why: Why) -> str | None:
    """The owner wants a new key every so often."""
    if why.policy.every is None or not why.lives or why.overtaken:
        return None
    # The later of the two: a token that another writer put back is old again, and clocks differ.
    known = [moment for moment in (why.journal.rotated_at, why.issued_at) if moment is not None]
    return "the schedule says so" if known and why.now - max(known) >= why.policy.every else None


# A new key may help, and only a person can know: the cause is not known, or somebody put such a token there.
HELPED_BY_HAND = frozenset({Status.REJECTED, Status.FOREIGN_ISSUER, Status.NOT_YET_VALID})

REASONS: tuple[Reason, ...] = (demanded, refused, ends_soon, scheduled)


def why_rotate(why: Why) -> tuple[Purpose, str] | None:
    """The purpose and the reason of a rotation that should begin now, or None."""
    for reason in REASONS:
        if (said := reason(why)) is not None:
            return Purpose.REPLACE, said
    if _drill_is_due(why):
        return Purpose.DRILL, "a fire drill is due"
    return None


def why_not(why: Why) -> str:
    """Why nothing is rotated though something is wrong with the token: for people; "" when nothing is."""
    if why.status is None or why.status.kind is Kind.UNKNOWN:
        return "whether Argo CD accepts the token is not known, so nothing is changed"
    if why.status is Status.WRONG_ACCOUNT:
        return "the token belongs to another account; a person decides whether it is replaced (token-monitor rotate)"
    if why.status.kind is not Kind.REFUSED:
        return ""
    if not why.status.facts.mended_by_minting:
        return not_mended(why.status, why.policy)
    return f"the token is {why.status} and there is no password to log in with: put a new token there"


def not_mended(status: Status, policy: Policy) -> str:
    """Why no key is made for a token that is refused for such a cause, and what to do where one would help after all."""
    if policy.by_password and status in HELPED_BY_HAND:
        return f"the token is {status}, for which no key is made: where a new one is wanted, take the token out of its place"
    return f"the token is {status}, which a new key does not mend"


def renewal_time(why: Why) -> float:
    """When an ending token is replaced, in epoch seconds."""
    ends = why.expires_at or 0.0
    begins = why.issued_at if why.issued_at is not None else ends
    lifetime = max(0.0, ends - begins)
    if why.policy.renew_before is not None:
        # A lifetime shorter than `renew_before` would otherwise renew without end.
        due = max(ends - why.policy.renew_before, begins + EARLIEST * lifetime)
    else:
        due = begins + RENEW_AT * lifetime
    journal = why.journal
    if journal.current is not None and journal.current in journal.owned:
        # A key that we just made is not old, whatever Argo CD's clock wrote into it.
        due = max(due, (journal.rotated_at or 0.0) + EARLIEST * lifetime)
    return due


def next_rotation(why: Why) -> float | None:
    """When the key is replaced if nothing else happens, in epoch seconds; None where no time is known."""
    if not why.lives or why.overtaken:
        return None
    times = [] if why.expires_at is None else [renewal_time(why)]
    known = [moment for moment in (why.journal.rotated_at, why.issued_at) if moment is not None]
    if why.policy.every is not None and known:
        times.append(max(known) + why.policy.every)
    return min(times, default=None)


def _drill_is_due(why: Why) -> bool:
    if why.policy.drill_every is None or not why.lives:
        return False
    return why.journal.drilled_at is None or why.now - why.journal.drilled_at >= why.policy.drill_every
