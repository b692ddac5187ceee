"""The rotation: from journal, Secret, key list and clock to the next step. Everything about its order is here.

One function a state, in one table. Each returns a `Step`: what to write into the journal first, and what to do then;
or until when to wait. `learn` takes in what came of it. A crash, a lost answer or a second replica at any moment
leaves a journal from which the same functions go on; the table of design.md says what each state means then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from monitor.core.budget import charge, give_back, next_login, refuse, take_back
from monitor.core.effects import (
    Access,
    Conflict,
    Consumers,
    Delete,
    Done,
    Effect,
    Listed,
    ListKeys,
    LookAtConsumers,
    Mint,
    Minted,
    Outcome,
    Prove,
    Publish,
    Refused,
    RestartConsumers,
    Unknown,
)
from monitor.core.journal import Journal, Purpose, State, Tombstone
from monitor.core.model import Key
from monitor.core.policy import Policy, Why, renewal_time, why_rotate
from monitor.core.secret import Secret
from monitor.core.status import Kind, Status

MAX_LIVE_KEYS = 3
GIVE_UP_AFTER = 600.0
GIVE_UP_ATTEMPTS = 5
FIRST_PAUSE = 60.0
LONGEST_PAUSE = 6 * 3600.0
PROOF_LASTS = 60.0
TOMBSTONE_LASTS = 900.0
SWEEP_EVERY = 300.0
RETRY = 5.0
# Whoever is in the middle of a login (20 s at most) and a mint (10 s) is left to finish it.
CALL_LASTS = 30.0
# A new key is given time to reach every replica of Argo CD (4 to 14 s seen) before anybody depends on it.
SETTLE = 15.0
GRACE_LOOK = 60.0
# An undone write counts as one of a series when the one before was not longer ago than this.
REVERTS_LAST = 2 * 86_400.0
MAX_REVERTS = 2
MAX_RESTART_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Situation:
    """All facts of one moment.

    token, token_id, version: what the Secret holds (None: nothing) and its version (None: it does not exist).
    readable: whether the Secret could be read at all. status: the verdict on that very token, None while unknown.
    keys: the account's keys as just listed, None when not listed. writer: who last wrote the Secret, if known.
    nonce: fresh randomness for an id. password: fingerprint of the present password, None when there is none.
    """

    now: float
    journal: Journal
    policy: Policy
    token: Secret | None
    token_id: str | None
    version: str | None
    status: Status | None
    readable: bool = True
    issued_at: float | None = None
    expires_at: float | None = None
    keys: tuple[Key, ...] | None = None
    writer: str | None = None
    nonce: str = ""
    password: str | None = None
    demanded: bool = False

    @property
    def accepted(self) -> bool:
        """Whether the Secret's token is known to be accepted, as the right account."""
        return self.status is not None and self.status.accepted is True and self.status is not Status.WRONG_ACCOUNT

    @property
    def refused(self) -> bool:
        """Whether Argo CD itself refused the Secret's token, or there is none."""
        return self.status is not None and self.status.kind is Kind.REFUSED

    @property
    def untold(self) -> bool:
        """Whether it cannot be told if the Secret's token is accepted."""
        return self.status is None or self.status.kind is Kind.UNKNOWN

    @property
    def holds_new(self) -> bool:
        """Whether the Secret holds the key that this rotation made."""
        return self.token is not None and self.token_id is not None and self.token_id == self.journal.key_id


@dataclass(frozen=True, slots=True)
class Act:
    """Write `journal` (when it differs), then do `effect` (if there is one)."""

    journal: Journal
    effect: Effect | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until` (epoch seconds). why: for people, "" when all is well."""

    until: float
    why: str = ""


Step = Act | Wait


def decide(s: Situation) -> Step:
    """The next step."""
    if s.journal.is_ahead_of(s.now):
        return Act(s.journal.after_a_clock_jump(s.now))
    return STATES[s.journal.state](s)


def _idle(s: Situation) -> Step:
    journal = s.journal
    if journal.stood_down and not s.demanded:
        return Wait(s.now + SWEEP_EVERY, journal.stood_down)
    if s.readable and s.token_id != journal.current and s.status is not None and s.status.accepted:
        # Another token is in the Secret, and it works: whoever read the one before has as long as after a rotation.
        spared = s.now + s.policy.grace if journal.owned else 0.0
        return Act(replace(journal, current=s.token_id, sweep_at=max(journal.sweep_at, spared)))
    swept = _sweep(s)
    if swept is not None:
        return swept
    facts = Why(s.now, s.policy, journal, s.status, s.issued_at, s.expires_at, s.demanded)
    why = why_rotate(facts)
    if why is None:
        ending = s.accepted and s.expires_at is not None
        return Wait(min(s.now + SWEEP_EVERY, max(s.now + 1.0, renewal_time(facts))) if ending else s.now + SWEEP_EVERY)
    if not s.readable:
        return Wait(s.now + RETRY, "the Secret cannot be read, so nothing is changed")
    if journal.retry_at > s.now and not s.demanded:
        return Wait(journal.retry_at, f"after a failure: {journal.error}")
    purpose, reason = why
    return _begin(s, purpose, reason)


def _begin(s: Situation, purpose: Purpose, reason: str) -> Step:
    if len(s.journal.owned) >= MAX_LIVE_KEYS:
        full = f"{MAX_LIVE_KEYS} keys of ours may be alive: none is made before one is gone"
        may_sweep = s.keys is None and s.now >= s.journal.sweep_at
        return _list_or_wait(s, full) if may_sweep else Wait(s.now + FIRST_PAUSE, full)
    if not s.nonce:
        raise ValueError("a new id needs a nonce")
    reverts = s.journal.reverts + 1 if _undone_at_rest(s) else 0
    if reverts >= MAX_REVERTS:
        return _stand_down(s, reverts)
    key_id = f"tm-{s.nonce}"
    begun = s.journal.owning(key_id).entering(
        State.INTENT,
        s.now,
        purpose=purpose,
        reason=reason,
        key_id=key_id,
        token=None,
        old_id=s.token_id,
        began_at=s.now,
        verified_at=0.0,
        reverts=reverts,
        stood_down="",
        retry_at=s.now + CALL_LASTS,
        error="",
    )
    reached = _access(s, begun)
    if isinstance(reached, Wait):
        return reached
    journal, access = reached
    return Act(journal, Mint(key_id, s.policy.expires_in, access))


def _intent(s: Situation) -> Step:
    """Only after a crash or a lost answer: whether the key was made is for the account's list to say."""
    key_id = s.journal.key_id or ""
    given_up = s.now - s.journal.entered_at > GIVE_UP_AFTER or s.journal.attempts >= GIVE_UP_ATTEMPTS
    if not given_up and s.keys is None:
        return _list_or_wait(s, "whether the new key was made is not known")
    if not given_up and any(key.id == key_id for key in s.keys or ()):
        return _delete(s, key_id)
    stones = (*(stone for stone in s.journal.tombstones if stone.id != key_id), Tombstone(key_id, s.now))
    return Act(_failed(s.journal, s.now, s.journal.error or "the new key was lost").at_rest(s.now, tombstones=stones))


def _minted(s: Situation) -> Step:
    token = s.journal.token
    if token is None:
        return Act(s.journal.entering(State.INTENT, s.now))
    if s.now - s.journal.entered_at > GIVE_UP_AFTER or s.journal.attempts >= GIVE_UP_ATTEMPTS:
        return _abandon(s, f"the new key was not proven: {s.journal.error or 'no answer'}")
    if s.journal.retry_at > s.now:
        return Wait(s.journal.retry_at, f"the new key is not accepted yet: {s.journal.error}")
    in_need = s.refused and s.journal.purpose is Purpose.REPLACE
    if not in_need and s.now < s.journal.entered_at + SETTLE:
        return Wait(s.journal.entered_at + SETTLE, "the new key is given time to reach every replica")
    return Act(replace(s.journal, attempts=s.journal.attempts + 1), Prove(token))


def _verified(s: Situation) -> Step:
    journal = s.journal
    if journal.token is None:
        return Act(journal.entering(State.INTENT, s.now))
    if s.readable and s.holds_new:
        changes = {"published": journal.token.fingerprint(), "current": journal.key_id}
        return Act(journal.entering(State.PUBLISHED, s.now, **changes))
    if s.now - journal.entered_at > GIVE_UP_AFTER or journal.attempts >= GIVE_UP_ATTEMPTS:
        return _abandon(s, f"the new key was not used: {journal.error or 'others were faster'}")
    if journal.retry_at > s.now:
        return Wait(journal.retry_at, journal.error)
    if journal.purpose is Purpose.DRILL:
        return _delete(s, journal.key_id or "")
    if not s.readable:
        return Wait(s.now + RETRY, "the Secret cannot be read, so nothing is written")
    if s.token_id != journal.old_id:
        # Somebody else put another token there since this rotation began.
        if s.untold:
            return Wait(s.now + RETRY, "another token is in the Secret; it is being checked")
        if not s.refused:
            return _abandon(s, "", adopted=True)
    tried = replace(journal, attempts=journal.attempts + 1)
    if s.now - journal.verified_at > PROOF_LASTS:
        return Act(tried, Prove(journal.token))
    return Act(tried, Publish(journal.token, s.version))


def _published(s: Situation) -> Step:
    if (other := _reverted(s)) is not None:
        return other
    journal = s.journal.entering(State.ADOPTED, s.now)
    if s.policy.restart_consumers and journal.key_id:
        return Act(journal, RestartConsumers(journal.key_id))
    return Act(journal)


def _adopted(s: Situation) -> Step:
    """Restarts that were not seen done are asked for again: the same value restarts nobody twice."""
    if (other := _reverted(s)) is not None:
        return other
    journal = s.journal
    if not s.policy.restart_consumers or not journal.key_id or journal.attempts >= MAX_RESTART_ATTEMPTS:
        return Act(journal.entering(State.GRACE, s.now, error=journal.error))
    if journal.retry_at > s.now:
        return Wait(journal.retry_at, journal.error)
    return Act(replace(journal, attempts=journal.attempts + 1), RestartConsumers(journal.key_id))


def _grace(s: Situation) -> Step:
    if (other := _reverted(s)) is not None:
        return other
    journal = s.journal
    grace = s.policy.grace
    if s.policy.restart_consumers and journal.error and not s.policy.watch_consumers:
        # They could not be restarted, and nobody can see when they are: the old key waits for them.
        grace = max(grace, s.policy.longest_wait)
    over = journal.entered_at + grace
    if s.now < over:
        return Wait(min(over, s.now + GRACE_LOOK), journal.error)
    if s.policy.watch_consumers and journal.key_id and s.now < journal.entered_at + s.policy.longest_wait:
        if journal.retry_at > s.now:
            return Wait(journal.retry_at, journal.error)
        return Act(journal, LookAtConsumers(journal.key_id, journal.entered_at))
    return Act(journal.entering(State.RETIRED, s.now, error=""))


def _retired(s: Situation) -> Step:
    """The old key goes only when it is ours, the Secret does not hold it, and the Secret's token was just proven."""
    if (other := _reverted(s)) is not None:
        return other
    journal, old = s.journal, s.journal.old_id
    if old is None or old == journal.key_id:
        return Act(_succeeded(journal, s.now))
    if old not in journal.owned:
        return Act(_succeeded(journal, s.now, left_alone=old))
    if s.now - journal.entered_at > GIVE_UP_AFTER or journal.attempts >= GIVE_UP_ATTEMPTS:
        # The new key is in use; the old one stays among ours and is swept from idle, so that nothing waits for it.
        return Act(replace(_succeeded(journal, s.now), sweep_at=s.now + SWEEP_EVERY, error=journal.error))
    if s.token is not None and s.now - journal.verified_at > PROOF_LASTS:
        if journal.retry_at > s.now:
            return Wait(journal.retry_at, journal.error)
        return Act(journal, Prove(s.token))
    return _delete(s, old)


STATES: dict[State, Callable[[Situation], Step]] = {
    State.IDLE: _idle,
    State.INTENT: _intent,
    State.MINTED: _minted,
    State.VERIFIED: _verified,
    State.PUBLISHED: _published,
    State.ADOPTED: _adopted,
    State.GRACE: _grace,
    State.RETIRED: _retired,
}


# --- what the states share ---------------------------------------------------------------------------------------


def _access(s: Situation, journal: Journal) -> tuple[Journal, Access] | Wait:
    """The live key where there is one; else a login, charged to the budget before it is sent."""
    if s.accepted:
        return journal, Access.LIVE_KEY
    if s.untold:
        return Wait(s.now + RETRY, "whether the Secret's token is accepted cannot be told, so nobody logs in")
    if s.status is not None and s.refused and not s.status.facts.mended_by_minting:
        return Wait(s.now + FIRST_PAUSE, f"the token is {s.status}, so nobody logs in")
    if not s.policy.by_password or s.password is None:
        return Wait(s.now + SWEEP_EVERY, "there is no live key and no password to log in with")
    earliest = next_login(journal.logins, s.password, s.now)
    if earliest > s.now:
        return Wait(earliest, "a login must wait, so that Argo CD locks nobody out")
    return replace(journal, logins=charge(journal.logins, s.now)), Access.LOGIN


def _list_or_wait(s: Situation, why: str) -> Step:
    if s.journal.retry_at > s.now and s.journal.state is not State.IDLE:
        return Wait(s.journal.retry_at, why)
    reached = _access(s, s.journal)
    if isinstance(reached, Wait):
        return replace(reached, why=f"{why}; {reached.why}")
    journal, access = reached
    return Act(journal, ListKeys(access))


def _delete(s: Situation, key_id: str) -> Step:
    """Deletes a key of ours. Never one that the Secret holds, never one that we did not make."""
    if key_id == s.token_id or key_id not in s.journal.owned:
        return Act(_failed(s.journal, s.now, f"the key {key_id} is in use or not ours").at_rest(s.now))
    if not s.readable:
        return Wait(s.now + RETRY, "the Secret cannot be read, so nothing is deleted")
    if s.journal.retry_at > s.now and s.journal.state is not State.IDLE:
        return Wait(s.journal.retry_at, s.journal.error)
    reached = _access(s, replace(s.journal, attempts=s.journal.attempts + 1))
    if isinstance(reached, Wait):
        return reached
    journal, access = reached
    return Act(journal, Delete(key_id, access))


def _sweep(s: Situation) -> Step | None:
    """Keys of ours that nobody uses, and ids whose late creation is still possible."""
    journal = s.journal
    if s.now < journal.sweep_at or not s.readable:
        return None
    if s.keys is not None:
        return _swept(s)
    if not s.accepted or not any(id_ not in (s.token_id, journal.current) for id_ in journal.owned):
        return None
    return Act(journal, ListKeys(Access.LIVE_KEY))


def _swept(s: Situation) -> Step | None:
    keys, journal = s.keys or (), s.journal
    listed = {key.id for key in keys}
    waiting = {stone.id for stone in journal.tombstones if s.now - stone.since < TOMBSTONE_LASTS}
    for id_ in journal.owned:
        if id_ in (s.token_id, journal.current):
            continue
        if id_ in listed:
            return _delete(s, id_)
        if id_ not in waiting:
            return Act(journal.without(id_))
    return None


def _reverted(s: Situation) -> Step | None:
    """What to do when the Secret no longer holds what we wrote: adopt, write once more, or stand down."""
    journal = s.journal
    if not s.readable:
        return Wait(s.now + RETRY, "the Secret cannot be read")
    if s.holds_new:
        # Its key was deleted, or the password was changed: only a new rotation mends that.
        return _abandon(s, f"the new key is {s.status}") if s.refused else None
    if s.token_id != journal.old_id:
        if s.untold:
            return Wait(s.now + RETRY, "another token is in the Secret; it is being checked")
        if not s.refused:
            return _abandon(s, "", adopted=True)
    if journal.reverts + 1 >= MAX_REVERTS:
        return _stand_down(s, journal.reverts + 1)
    undone = f"{s.writer or 'another writer'} undid the write"
    return Act(journal.entering(State.VERIFIED, s.now, reverts=journal.reverts + 1, error=undone, retry_at=0.0))


def _undone_at_rest(s: Situation) -> bool:
    """Whether another writer replaced our key by one that does not work, soon after the rotation was over."""
    journal = s.journal
    ours = journal.current is not None and journal.current in journal.owned
    recent = s.now - journal.entered_at < REVERTS_LAST
    return ours and recent and not s.demanded and s.token is not None and s.token_id != journal.current


def _stand_down(s: Situation, reverts: int) -> Step:
    reason = f"{s.writer or 'another writer'} put back what we had replaced, twice"
    return Act(_failed(s.journal, s.now, reason).at_rest(s.now, stood_down=reason, reverts=reverts))


def _abandon(s: Situation, error: str, *, adopted: bool = False) -> Step:
    """Gives up the pending key: it is swept from idle. A token that another writer put there is adopted."""
    journal = s.journal if adopted else _failed(s.journal, s.now, error)
    if s.journal.state is not State.MINTED:
        # Consumers may have read it, or a late write may still put it into the Secret.
        journal = replace(journal, sweep_at=max(journal.sweep_at, s.now + max(s.policy.grace, CALL_LASTS)))
    changes = {"error": "", "failures": 0, "retry_at": 0.0} if adopted else {}
    return Act(journal.at_rest(s.now, **changes))


def _failed(journal: Journal, now: float, error: str) -> Journal:
    failures = journal.failures + 1
    pause = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 20), LONGEST_PAUSE)
    return replace(journal, failures=failures, retry_at=now + pause, error=error)


def _succeeded(journal: Journal, now: float, *, left_alone: str | None = None) -> Journal:
    return journal.at_rest(
        now, rotations=journal.rotations + 1, rotated_at=now, failures=0, retry_at=0.0, error="", left_alone=left_alone
    )


# --- what came of an effect ----------------------------------------------------------------------------------------


def learn(
    journal: Journal,
    effect: Effect,
    outcome: Outcome,
    now: float,
    password: str | None = None,
    *,
    logged_in: bool = False,
) -> Journal:
    """The journal after `effect` had `outcome`.

    password: fingerprint of the one that a login used. logged_in: whether the login worked, whatever came after it.
    """
    if isinstance(effect, Mint | ListKeys | Delete) and effect.access is Access.LOGIN:
        journal = _learn_login(journal, outcome, now, password, logged_in=logged_in)
    match effect, outcome:
        case Mint(), Minted(token):
            return journal.entering(State.MINTED, now, token=token, retry_at=0.0, error="")
        case Mint(), Refused(why):
            gone = journal.without(effect.key_id)
            return _failed(gone, now, why).at_rest(now)
        case Mint(), Unknown(why):
            return replace(journal, error=why, retry_at=now + CALL_LASTS)
        case Prove(), Done():
            if journal.state is State.MINTED:
                return journal.entering(State.VERIFIED, now, verified_at=now, retry_at=0.0, error="")
            return replace(journal, verified_at=now, retry_at=0.0, error="")
        case Prove(), (Refused(why) | Unknown(why)):
            return replace(journal, error=why, retry_at=now + RETRY * max(1, journal.attempts))
        case Publish(token), Done():
            changes = {"published": token.fingerprint(), "current": journal.key_id}
            return journal.entering(State.PUBLISHED, now, error="", retry_at=0.0, **changes)
        case Publish(), (Refused(why) | Unknown(why)):
            return replace(journal, error=why, retry_at=now + RETRY * max(1, journal.attempts))
        case RestartConsumers(), Done():
            return journal.entering(State.GRACE, now, error="")
        case RestartConsumers(), Refused(why):
            # The new key is published; that nobody could be restarted is told, and the old key waits for them.
            return journal.entering(State.GRACE, now, error=why)
        case RestartConsumers(), Unknown(why):
            return replace(journal, error=why, retry_at=now + RETRY)
        case LookAtConsumers(), Consumers(old):
            return _learn_consumers(journal, old, now)
        case LookAtConsumers(), Unknown(why):
            return replace(journal, error=why, retry_at=now + RETRY)
        case Delete(key_id), Done():
            return _learn_deleted(journal, key_id, now)
        case ((Delete() | ListKeys()), (Refused(why) | Unknown(why))):
            if journal.state is State.IDLE:
                # Sweeping waits by itself: a key that cannot be deleted holds up no rotation.
                return replace(journal, error=why, sweep_at=now + SWEEP_EVERY)
            return replace(journal, error=why, retry_at=now + _pause(journal))
        case ListKeys(), Listed():
            return journal if journal.state is State.IDLE else replace(journal, retry_at=0.0)
        case _, Conflict():
            return journal
        case _:
            return replace(journal, error="an outcome that does not fit", retry_at=now + RETRY)


def _learn_login(journal: Journal, outcome: Outcome, now: float, password: str | None, *, logged_in: bool) -> Journal:
    if logged_in:
        return replace(journal, logins=give_back(journal.logins))
    match outcome:
        case Refused(login=True):
            return replace(journal, logins=refuse(journal.logins, password or "", now))
        case Refused() | Conflict():
            return replace(journal, logins=take_back(journal.logins))
        case _:
            return journal  # not known: the charge stays


def _learn_consumers(journal: Journal, old: tuple[str, ...] | None, now: float) -> Journal:
    if not old:
        return journal.entering(State.RETIRED, now, error="")
    names = ", ".join(old[:10])
    return replace(journal, error=f"these still run with the old key: {names}", retry_at=now + 30.0)


def _learn_deleted(journal: Journal, key_id: str, now: float) -> Journal:
    if journal.state is State.IDLE and any(stone.id == key_id for stone in journal.tombstones):
        # Just created, maybe: "no such key" may come from a replica that lags. The list is asked once more, later.
        return replace(journal, sweep_at=now + FIRST_PAUSE)
    journal = journal.without(key_id)
    if journal.state is State.RETIRED:
        return _succeeded(journal, now)
    if journal.state is State.VERIFIED and journal.purpose is Purpose.DRILL:
        return journal.at_rest(now, drilled_at=now, failures=0, retry_at=0.0, error="")
    if journal.state is State.INTENT:
        return _failed(journal, now, journal.error or "the new key's token was lost").at_rest(now)
    return journal


def _pause(journal: Journal) -> float:
    return min(FIRST_PAUSE * 2.0 ** min(journal.failures, 10), LONGEST_PAUSE)
