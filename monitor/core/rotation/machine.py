"""One function a state, in one table: everything about the order of a rotation is here.

Each returns a step: what to write into the journal first, and what to do then; or until when to wait. Each looks for
itself at all that it needs, since after a crash it may be the first to run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from monitor.core.effects import LookAtConsumers, Prove, Publish, RestartConsumers
from monitor.core.journal import CLOCKS_DIFFER, Purpose, State
from monitor.core.policy import not_mended
from monitor.core.rotation.access import delete, list_or_wait
from monitor.core.rotation.endings import abandon, adopt, failed, pause_after, stand_down, succeeded
from monitor.core.rotation.limits import (
    FIRST_PAUSE,
    GIVE_UP_AFTER,
    GIVE_UP_ATTEMPTS,
    GRACE_LOOK,
    IN_BETWEEN,
    LOOK_AGAIN,
    MAX_RESTART_ATTEMPTS,
    MAX_REVERTS,
    PROOF_LASTS,
    RETRY,
    SWEEP_EVERY,
)
from monitor.core.rotation.rest import idle, recent_reverts
from monitor.core.rotation.situation import Act, Situation, Step, Wait
from monitor.core.text import printable


def decide(s: Situation) -> Step:
    """The next step."""
    if s.leap > CLOCKS_DIFFER:
        return Act(s.journal.after_a_leap(s.leap, s.now))
    # A longer time that was set before `grace` was shortened ends like one by a clock that was wrong.
    spare = max(s.policy.spare, SWEEP_EVERY)
    if s.journal.is_ahead_of(s.now, spare):
        return Act(s.journal.after_a_clock_jump(s.now, spare))
    return STATES[s.journal.state](s)


def _intent(s: Situation) -> Step:
    """Only after a crash or a lost answer: whether the key was made is for the account's list to say."""
    journal, key_id = s.journal, s.journal.key_id or ""
    if not _given_up(s):
        if s.keys is None:
            return list_or_wait(s, "whether the new key was made is not known")
        if any(key.id == key_id for key in s.keys):
            return delete(s, key_id)
    doubted = journal.doubting(key_id, s.now)
    return Act(failed(doubted, s.now, journal.error or "the new key was lost").at_rest(s.now))


def _minted(s: Situation) -> Step:
    journal = s.journal
    if journal.token is None:
        return Act(journal.entering(State.INTENT, s.now))
    if (other := _overtaken(s)) is not None:
        return other
    if _given_up(s):
        return abandon(s, f"the new key was not proven: {journal.error or 'no answer'}")
    if journal.retry_at > s.now:
        return Wait(journal.retry_at, f"the new key is not accepted yet: {journal.error}")
    in_need = s.mendable and journal.purpose is Purpose.REPLACE
    settled = journal.entered_at + s.policy.settle
    if not in_need and s.now < settled:
        return Wait(settled, "the new key is given time to reach every replica")
    return Act(replace(journal, attempts=journal.attempts + 1), Prove(journal.token))


def _verified(s: Situation) -> Step:
    journal = s.journal
    if journal.token is None:
        return Act(journal.entering(State.INTENT, s.now))
    if s.readable and s.holds_new:
        changes = {"published_at": s.now, "current": journal.key_id, "replaced": journal.old_id, "retry_at": 0.0}
        return Act(journal.entering(State.PUBLISHED, s.now, **changes))
    if (other := _overtaken(s)) is not None:
        return other
    if _given_up(s):
        if journal.error == IN_BETWEEN:
            return stand_down(s, journal.attempts)
        return abandon(s, f"the new key was not used: {journal.error or 'no answer'}")
    if journal.retry_at > s.now:
        return Wait(journal.retry_at, journal.error)
    if journal.purpose is Purpose.DRILL:
        return delete(s, journal.key_id or "")
    if not s.readable:
        return Wait(s.now + RETRY, "the Secret cannot be read, so nothing is written")
    if s.token_id != journal.old_id and s.untold:
        return Wait(s.now + LOOK_AGAIN, "another token is in the Secret; it is being checked")
    tried = replace(journal, attempts=journal.attempts + 1)
    if s.now - journal.verified_at > PROOF_LASTS:
        return Act(tried, Prove(journal.token))
    return Act(tried, Publish(journal.token, s.version))


def _published(s: Situation) -> Step:
    if (other := _undone(s)) is not None:
        return other
    journal = s.journal.entering(State.ADOPTED, s.now)
    if s.policy.restart_consumers and journal.mark:
        return Act(journal, RestartConsumers(journal.mark))
    return Act(journal)


def _adopted(s: Situation) -> Step:
    """Restarts that were not seen done are asked for again: the same value restarts nobody twice."""
    if (other := _undone(s)) is not None:
        return other
    journal = s.journal
    if not s.policy.restart_consumers or not journal.mark:
        return Act(journal.entering(State.GRACE, s.now, retry_at=0.0))
    if journal.attempts >= MAX_RESTART_ATTEMPTS:
        return Act(journal.entering(State.GRACE, s.now, retry_at=0.0, error="", not_restarted=journal.error))
    if journal.retry_at > s.now:
        return Wait(journal.retry_at, journal.error)
    return Act(replace(journal, attempts=journal.attempts + 1), RestartConsumers(journal.mark))


def _grace(s: Situation) -> Step:
    """The old key lives on: for the grace period, and until nobody is seen to use it, or somebody was told in vain."""
    if (other := _undone(s)) is not None:
        return other
    journal, policy = s.journal, s.policy
    watched = policy.watch_consumers and journal.key_id is not None
    grace = policy.grace
    if journal.not_restarted and not watched:
        # They could not be restarted, and nobody can see when they are: the old key waits for them.
        grace = max(grace, policy.longest_wait)
    over = s.now >= journal.entered_at + grace
    if not over and not (watched and journal.retry_at <= s.now):
        return Wait(min(journal.entered_at + grace, s.now + GRACE_LOOK), journal.error or journal.not_restarted)
    if not watched or (over and _waited_in_vain(s)):
        return Act(journal.entering(State.RETIRED, s.now, retry_at=0.0))
    if journal.retry_at > s.now:
        return Wait(journal.retry_at, journal.error or _still_old(journal.old_consumers))
    return Act(journal, LookAtConsumers(journal.mark or "", journal.published_at, decides=over))


def _retired(s: Situation) -> Step:
    """The old key goes only when it is ours, the Secret does not hold it, and the Secret's token was just proven."""
    if (other := _undone(s)) is not None:
        return other
    journal, old = s.journal, s.journal.old_id
    if old is None or old == journal.key_id:
        return Act(succeeded(journal, s.now))
    if old not in journal.owned:
        return Act(succeeded(journal, s.now, left_alone=journal.old_live and journal.old_account is not None))
    if _given_up(s):
        # The new key is in use; the old one stays among ours and is swept from idle, so that nothing waits for it.
        later = max(journal.sweep_at, s.now + SWEEP_EVERY)
        return Act(replace(succeeded(journal, s.now), sweep_at=later, error=journal.error))
    if s.token is not None and s.now - journal.verified_at > PROOF_LASTS:
        if journal.retry_at > s.now:
            return Wait(journal.retry_at, journal.error)
        return Act(replace(journal, attempts=journal.attempts + 1), Prove(s.token))
    return delete(s, old)


STATES: dict[State, Callable[[Situation], Step]] = {
    State.IDLE: idle,
    State.INTENT: _intent,
    State.MINTED: _minted,
    State.VERIFIED: _verified,
    State.PUBLISHED: _published,
    State.ADOPTED: _adopted,
    State.GRACE: _grace,
    State.RETIRED: _retired,
}


def _given_up(s: Situation) -> bool:
    return s.now - s.journal.entered_at > GIVE_UP_AFTER or s.journal.attempts >= GIVE_UP_ATTEMPTS


def _overtaken(s: Situation) -> Step | None:
    """Before the new key is published: what makes it unnecessary, or something else more urgent."""
    journal = s.journal
    if journal.purpose is Purpose.DRILL:
        # A drill steps aside for the real thing.
        return adopt(s) if s.mendable and s.policy.by_password else None
    another = s.token_id != journal.old_id or not journal.old_live
    return adopt(s) if s.readable and s.works and another and not s.holds_new else None


def _undone(s: Situation) -> Step | None:
    """What to do when the Secret no longer holds what we wrote: adopt, write once more, or stand down."""
    journal = s.journal
    if not s.readable:
        return Wait(s.now + RETRY, "the Secret cannot be read")
    if s.holds_new:
        return _refused_again(s)
    if s.untold:
        return Wait(s.now + LOOK_AGAIN, "another token is in the Secret; it is being checked")
    if s.works and s.token_id != journal.old_id:
        return adopt(s)
    reverts = recent_reverts(journal, s.now) + 1
    if reverts >= MAX_REVERTS:
        return stand_down(s, reverts)
    undone = printable(f"{s.writer or 'another writer'} undid the write", 200)
    changes = {"reverts": reverts, "reverted_at": s.now, "error": undone, "retry_at": 0.0}
    # Pods that were made meanwhile read what was put back: they are restarted, waited for and told of anew.
    anew = {"undone": journal.undone + 1, "told_at": 0.0}
    return Act(journal.entering(State.VERIFIED, s.now, **changes, **anew))


def _refused_again(s: Situation) -> Step | None:
    """The published key is refused: deleted, or the password was changed. Only a new rotation mends that."""
    if s.status is None or not s.refused:
        return None
    if not s.mendable:
        return Wait(s.now + FIRST_PAUSE, not_mended(s.status, s.policy))
    # A replica that lags behind does not know the key yet.
    believed = s.journal.began_at + 2 * s.policy.settle
    if s.now < believed:
        return Wait(min(believed, s.now + RETRY), "a replica of Argo CD does not know the new key yet")
    given_up = abandon(s, f"the new key is {s.status}")
    failures = given_up.journal.failures
    # It worked until somebody deleted it: consumers are without a token, so the first time no pause is made.
    retry_at = s.now + pause_after(failures - 1) if failures > 1 else s.now
    return Act(replace(given_up.journal, retry_at=retry_at))


def _still_old(names: tuple[str, ...]) -> str:
    return f"these still run with the old key: {', '.join(names)}" if names else ""


def _waited_in_vain(s: Situation) -> bool:
    """Whether the longest wait is over, and somebody was told who still runs with the old key (or that none can see)."""
    journal = s.journal
    if s.now < journal.entered_at + s.policy.longest_wait:
        return False
    told = journal.told_at > 0.0 and s.now >= journal.told_at + GRACE_LOOK
    return told or journal.attempts >= GIVE_UP_ATTEMPTS
