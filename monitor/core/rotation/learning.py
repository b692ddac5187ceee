"""What came of an effect, taken into the journal. `Unknown` is neither done nor failed: the next look decides."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from monitor.core.budget import give_back, refuse, take_back
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
from monitor.core.journal import Journal, Purpose, State
from monitor.core.rotation.endings import failed, pause_after, succeeded
from monitor.core.rotation.limits import (
    CALL_LASTS,
    CONSUMERS_LOOK,
    FIRST_PAUSE,
    IN_BETWEEN,
    MAX_LIVE_KEYS,
    MAX_NAME,
    MAX_NAMED,
    MAX_TEXT,
    REPLICA_LAG,
    RETRY,
    SWEEP_EVERY,
)
from monitor.core.text import printable

CHECK_PASSWORD = "check user name and password; they are tried again when the password changes, or in an hour"  # noqa: S105 - for people
# What Argo CD says of the right password (recording login): the account is what is wrong.
ACCOUNT_REMEDIES = {
    "is disabled": 'set `accounts.NAME.enabled: "true"` in ConfigMap argocd-cm; the login is tried again in an hour',
    "login capability": "add `login` to `accounts.NAME` in ConfigMap argocd-cm; the login is tried again in an hour",
}
NO_API_KEYS = "apiKey capability"


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
    if isinstance(outcome, Refused | Unknown):
        return _learn_failure(journal, effect, outcome, now)
    match effect, outcome:
        case Mint(), Minted(token):
            return journal.entering(State.MINTED, now, token=token, retry_at=0.0, error="")
        case Prove(), Done():
            if journal.state is State.MINTED:
                return journal.entering(State.VERIFIED, now, verified_at=now, retry_at=0.0, error="")
            return replace(journal, verified_at=now, retry_at=0.0, error="")
        case Publish(), Done():
            changes = {"published_at": now, "current": journal.key_id, "replaced": journal.old_id}
            return journal.entering(State.PUBLISHED, now, error="", retry_at=0.0, **changes)
        case RestartConsumers(), Done():
            return journal.entering(State.GRACE, now, error="", retry_at=0.0)
        case LookAtConsumers(), Consumers(old):
            return _learn_consumers(journal, old, now, decides=effect.decides)
        case Delete(_, key_id), Done():
            return _learn_deleted(journal, key_id, now)
        case ListKeys(), Listed(keys):
            ours = journal.left_account == journal.account
            if journal.left_alone is not None and ours and all(key.id != journal.left_alone for key in keys):
                journal = replace(journal, left_alone=None, left_account=None)
            return journal if journal.state is State.IDLE else replace(journal, retry_at=0.0)
        case Publish(), Conflict():
            return replace(journal, error=IN_BETWEEN)
        case _, Conflict():
            return journal
        case _:
            return replace(journal, error="an outcome that does not fit", retry_at=now + RETRY)


def _learn_failure(journal: Journal, effect: Effect, outcome: Refused | Unknown, now: float) -> Journal:
    why = _with_remedy(outcome)
    match effect, outcome:
        case Mint(_, key_id), Refused(busy=True):
            # No failure. Each comes back at another moment, or those that collided would collide for ever.
            pause = RETRY * (1 + int.from_bytes(sha256(key_id.encode()).digest()[:2], "big") % 64 / 8)
            return replace(journal.without(key_id).at_rest(now), retry_at=now + pause, error=why)
        case Mint(_, key_id), Refused():
            return failed(journal.without(key_id), now, why).at_rest(now)
        case Mint(), Unknown():
            return replace(journal, error=why, retry_at=now + CALL_LASTS)
        case RestartConsumers(), Refused():
            # The new key is published; that nobody could be restarted is told, and the old key waits for them.
            return journal.entering(State.GRACE, now, error="", not_restarted=why, retry_at=0.0)
        case RestartConsumers(), Unknown():
            return replace(journal, error=why, retry_at=now + RETRY)
        case LookAtConsumers(), _:
            return replace(journal, error=why, attempts=journal.attempts + 1, retry_at=now + CONSUMERS_LOOK)
        case ((Delete() | ListKeys()), _) if journal.state is State.IDLE:
            # Sweeping waits by itself: a key that cannot be deleted holds up no rotation. Where none can begin before the
            # list is known, it is asked for again after a pause.
            full = isinstance(effect, ListKeys) and len(journal.owned) >= MAX_LIVE_KEYS
            retry_at = max(journal.retry_at, now + FIRST_PAUSE) if full else journal.retry_at
            # Never earlier than it was: somebody may still run with a key that this spares.
            return replace(journal, error=why, sweep_at=max(journal.sweep_at, now + SWEEP_EVERY), retry_at=retry_at)
        case ListKeys(), _:
            return replace(journal, error=why, retry_at=now + pause_after(journal.failures + 1))
        case _:
            return replace(journal, error=why, retry_at=now + min(RETRY * 2.0**journal.attempts, 2 * FIRST_PAUSE))


def _with_remedy(outcome: Refused | Unknown) -> str:
    if isinstance(outcome, Refused) and outcome.login:
        told = (remedy for words, remedy in ACCOUNT_REMEDIES.items() if words in outcome.why)
        return printable(f"{printable(outcome.why, MAX_TEXT - 120)}: {next(told, CHECK_PASSWORD)}", MAX_TEXT)
    if NO_API_KEYS in outcome.why:
        remedy = "add `accounts.NAME: apiKey, login` for it to ConfigMap argocd-cm"
        return printable(f"{printable(outcome.why, MAX_TEXT - 100)}: {remedy}", MAX_TEXT)
    return printable(outcome.why, MAX_TEXT)


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


UNSEEN = "consumers that were not restarted, and whose pods may not be seen"


def _learn_consumers(journal: Journal, old: tuple[str, ...] | None, now: float, *, decides: bool) -> Journal:
    if old is None and journal.not_restarted:
        # Neither restarted nor seen: they may well run with the old key, so it waits for as long as is allowed.
        old = (UNSEEN,)
    if not old and decides:
        return journal.entering(State.RETIRED, now, error="", retry_at=0.0, old_consumers=())
    named = tuple(printable(name, MAX_NAME) for name in (old or ())[:MAX_NAMED])
    told = journal.told_at or (now if decides else 0.0)
    return replace(journal, old_consumers=named, told_at=told, error="", retry_at=now + CONSUMERS_LOOK)


def _learn_deleted(journal: Journal, key_id: str, now: float) -> Journal:
    if journal.state is State.IDLE and any(stone.id == key_id for stone in journal.tombstones):
        # Just created, maybe: "no such key" may come from a replica that lags. The list is asked once more, later.
        # That shortens nothing: at rest no key is deleted before `sweep_at`, so here it is over for every other key too.
        return replace(journal, sweep_at=now + FIRST_PAUSE)
    young = key_id == journal.key_id and now - journal.began_at < REPLICA_LAG
    journal = journal.doubting(key_id, now) if young else journal.without(key_id)
    if journal.state is State.RETIRED:
        return succeeded(journal, now)
    if journal.state is State.VERIFIED and journal.purpose is Purpose.DRILL:
        return journal.cleared().at_rest(now, drilled_at=now)
    if journal.state is State.INTENT:
        return failed(journal, now, journal.error or "the new key's token was lost").at_rest(now)
    return replace(journal, error="") if journal.state is State.IDLE and not journal.failures else journal
