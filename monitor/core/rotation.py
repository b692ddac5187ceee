"""The rotation: from journal, Secret, key list and clock to the next step. Everything about its order is here.

One function a state, in one table. Each returns a `Step`: what to write into the journal first, and what to do then;
or until when to wait. `learn` takes in what came of it. A crash, a lost answer or a second replica at any moment
leaves a journal from which the same functions go on; the table of design.md says what each state means then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from monitor.core.budget import charge, give_back, next_login, refuse
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
from monitor.core.policy import Policy, Why, why_rotate
from monitor.core.secret import Secret
from monitor.core.status import Status

MAX_LIVE_KEYS = 3
GIVE_UP_AFTER = 600.0
GIVE_UP_ATTEMPTS = 5
FIRST_PAUSE = 60.0
LONGEST_PAUSE = 6 * 3600.0
PROOF_LASTS = 60.0
TOMBSTONE_LASTS = 900.0
SWEEP_EVERY = 300.0
RETRY = 5.0
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
    return STATES[s.journal.state](s)


def _idle(s: Situation) -> Step:
    journal = s.journal
    swept = _sweep(s)
    if swept is not None:
        return swept
    if journal.stood_down and not s.demanded:
        return Wait(s.now + SWEEP_EVERY, journal.stood_down)
    why = why_rotate(Why(s.now, s.policy, journal, s.status, s.issued_at, s.expires_at, s.demanded))
    if why is None:
        return Wait(s.now + SWEEP_EVERY)
    if not s.readable:
        return Wait(s.now + RETRY, "the Secret cannot be read, so nothing is changed")
    if journal.retry_at > s.now and not s.demanded:
        return Wait(journal.retry_at, f"after a failure: {journal.error}")
    purpose, reason = why
    return _begin(s, purpose, reason)


def _begin(s: Situation, purpose: Purpose, reason: str) -> Step:
    if len(s.journal.owned) >= MAX_LIVE_KEYS:
        full = f"{MAX_LIVE_KEYS} keys of ours may be alive: none is made before one is gone"
        return _list_or_wait(s, full) if s.keys is None else Wait(s.now + FIRST_PAUSE, full)
    if not s.nonce:
        raise ValueError("a new id needs a nonce")
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
        reverts=0,
        stood_down="",
    )
    reached = _access(s, begun)
    if isinstance(reached, Wait):
        return reached
    journal, access = reached
    return Act(journal, Mint(key_id, s.policy.expires_in, access))


def _intent(s: Situation) -> Step:
    """Only after a crash or a lost answer: whether the key was made is for the account's list to say."""
    key_id = s.journal.key_id or ""
    if s.keys is None:
        return _list_or_wait(s, "whether the new key was made is not known")
    if any(key.id == key_id for key in s.keys):
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
    return Act(replace(s.journal, attempts=s.journal.attempts + 1), Prove(token))


def _verified(s: Situation) -> Step:
    journal = s.journal
    if journal.token is None:
        return Act(journal.entering(State.INTENT, s.now))
    if journal.purpose is Purpose.DRILL:
        return _delete(s, journal.key_id or "")
    if not s.readable:
        return Wait(s.now + RETRY, "the Secret cannot be read, so nothing is written")
    if s.holds_new:
        return Act(journal.entering(State.PUBLISHED, s.now, published=journal.token.fingerprint()))
    if s.token_id != journal.old_id:
        # Somebody else put another token there since this rotation began.
        if s.status is None:
            return Wait(s.now + 1.0, "another token is in the Secret; it is being checked")
        if s.accepted:
            return _abandon(s, "", adopted=True)
    if s.now - journal.verified_at > PROOF_LASTS:
        return Act(journal.entering(State.MINTED, s.now))
    return Act(journal, Publish(journal.token, s.version))


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
    over = journal.entered_at + s.policy.grace
    if s.now < over:
        return Wait(over)
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
    if s.now - journal.verified_at > PROOF_LASTS:
        if s.token is None:
            return Wait(s.now + RETRY, "the Secret holds no token")
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
    if not s.policy.by_password or s.password is None:
        return Wait(s.now + SWEEP_EVERY, "there is no live key and no password to log in with")
    earliest = next_login(journal.logins, s.password, s.now)
    if earliest > s.now:
        return Wait(earliest, "a login must wait, so that Argo CD locks nobody out")
    return replace(journal, logins=charge(journal.logins, s.now)), Access.LOGIN


def _list_or_wait(s: Situation, why: str) -> Step:
    if s.journal.retry_at > s.now:
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
    if s.journal.retry_at > s.now:
        return Wait(s.journal.retry_at, s.journal.error)
    reached = _access(s, s.journal)
    if isinstance(reached, Wait):
        return reached
    journal, access = reached
    return Act(journal, Delete(key_id, access))


def _sweep(s: Situation) -> Step | None:
    """Keys of ours that nobody uses, and ids whose late creation is still possible."""
    journal = s.journal
    if s.keys is not None:
        return _swept(s)
    unused = [id_ for id_ in journal.owned if id_ != s.token_id]
    if not unused or not s.accepted or not s.readable or journal.retry_at > s.now:
        return None
    return Act(journal, ListKeys(Access.LIVE_KEY))


def _swept(s: Situation) -> Step | None:
    keys, journal = s.keys or (), s.journal
    listed = {key.id for key in keys}
    waiting = {stone.id for stone in journal.tombstones if s.now - stone.since < TOMBSTONE_LASTS}
    for id_ in journal.owned:
        if id_ == s.token_id:
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
        return None
    if s.status is None:
        return Wait(s.now + 1.0, "another token is in the Secret; it is being checked")
    if s.accepted and s.token_id != journal.old_id:
        return _abandon(s, "", adopted=True)
    writer = s.writer or "another writer"
    if journal.reverts + 1 >= MAX_REVERTS:
        reason = f"{writer} put back what we had replaced, twice"
        return Act(_failed(journal, s.now, reason).at_rest(s.now, stood_down=reason, reverts=journal.reverts + 1))
    return Act(journal.entering(State.VERIFIED, s.now, reverts=journal.reverts + 1, error=f"{writer} undid the write"))


def _abandon(s: Situation, error: str, *, adopted: bool = False) -> Step:
    """Gives up the pending key: it is swept from idle. A token that another writer put there is adopted."""
    journal = s.journal if adopted else _failed(s.journal, s.now, error)
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


def learn(journal: Journal, effect: Effect, outcome: Outcome, now: float, password: str | None = None) -> Journal:
    """The journal after `effect` had `outcome`. `password`: fingerprint of the one that a login used."""
    journal = _learn_login(journal, effect, outcome, now, password)
    match effect, outcome:
        case Mint(), Minted(token):
            return journal.entering(State.MINTED, now, token=token, retry_at=0.0, error="")
        case Mint(), Refused(why):
            gone = journal.without(effect.key_id)
            return _failed(gone, now, why).at_rest(now)
        case Mint(), Unknown(why):
            return replace(journal, error=why, retry_at=now + RETRY)
        case Prove(), Done():
            if journal.state is State.MINTED:
                return journal.entering(State.VERIFIED, now, verified_at=now, retry_at=0.0, error="")
            return replace(journal, verified_at=now, retry_at=0.0, error="")
        case Prove(), (Refused(why) | Unknown(why)):
            return replace(journal, error=why, retry_at=now + RETRY * max(1, journal.attempts))
        case Publish(token), Done():
            return journal.entering(State.PUBLISHED, now, published=token.fingerprint(), error="")
        case Publish(), (Refused(why) | Unknown(why)):
            return replace(journal, error=why, retry_at=now + RETRY)
        case RestartConsumers(), Done():
            return journal.entering(State.GRACE, now, error="")
        case RestartConsumers(), Refused(why):
            # The new key is published; that nobody could be restarted is told, and the old key waits for them.
            return journal.entering(State.GRACE, now, error=why)
        case RestartConsumers(), Unknown(why):
            return replace(journal, error=why, retry_at=now + RETRY)
        case LookAtConsumers(), Consumers(old):
            return _learn_consumers(journal, old, now)
        case Delete(key_id), Done():
            return _learn_deleted(journal.without(key_id), key_id, now)
        case Delete(), (Refused(why) | Unknown(why)):
            return replace(journal, error=why, retry_at=now + _pause(journal))
        case ListKeys(), (Refused(why) | Unknown(why)):
            return replace(journal, error=why, retry_at=now + _pause(journal))
        case ListKeys(), Listed():
            return replace(journal, retry_at=0.0)
        case _, Conflict():
            return journal
        case _:
            return replace(journal, error="an outcome that does not fit", retry_at=now + RETRY)


def _learn_login(journal: Journal, effect: Effect, outcome: Outcome, now: float, password: str | None) -> Journal:
    if not isinstance(effect, Mint | ListKeys | Delete) or effect.access is not Access.LOGIN:
        return journal
    match outcome:
        case Refused(login=True):
            return replace(journal, logins=refuse(journal.logins, password or "", now))
        case Minted() | Listed() | Done() | Refused():
            return replace(journal, logins=give_back(journal.logins))
        case _:
            return journal  # not known: the charge stays


def _learn_consumers(journal: Journal, old: tuple[str, ...] | None, now: float) -> Journal:
    if not old:
        return journal.entering(State.RETIRED, now, error="")
    names = ", ".join(old[:10])
    return replace(journal, error=f"these still run with the old key: {names}", retry_at=now + 30.0)


def _learn_deleted(journal: Journal, key_id: str, now: float) -> Journal:
    if journal.state is State.RETIRED:
        return _succeeded(journal, now)
    if journal.state is State.VERIFIED and journal.purpose is Purpose.DRILL:
        return journal.at_rest(now, drilled_at=now, failures=0, retry_at=0.0, error="")
    if journal.state is State.INTENT:
        return _failed(journal, now, journal.error or "the new key's token was lost").at_rest(now)
    return replace(journal, retry_at=0.0, error="")


def _pause(journal: Journal) -> float:
    return min(FIRST_PAUSE * 2.0 ** min(journal.failures, 10), LONGEST_PAUSE)
