"""Idle: take in what is found, sweep, and begin a rotation when there is a reason."""

from __future__ import annotations

from dataclasses import replace

from monitor.core.effects import Access, ListKeys, Mint
from monitor.core.journal import OUR_KEYS, Journal, Purpose, State
from monitor.core.policy import renewal_time, why_not, why_rotate
from monitor.core.rotation.access import delete, list_or_wait, reach
from monitor.core.rotation.endings import failed, pause_after, stand_down
from monitor.core.rotation.limits import (
    CALL_LASTS,
    FIRST_PAUSE,
    LONGEST_UNSENT,
    MAX_LIVE_KEYS,
    MAX_REVERTS,
    MAX_VANISHED,
    RETRY,
    REVERTS_LAST,
    SWEEP_EVERY,
    TOMBSTONE_LASTS,
    VANISHING_LASTS,
)
from monitor.core.rotation.situation import Act, Situation, Step, Wait
from monitor.core.status import Status

# A drill's key that a crash leaves behind ends by itself.
DRILL_EXPIRES = 3600


def idle(s: Situation) -> Step:
    """The step of a rotation at rest."""
    found = _of_another_account(s) or _another_token(s)
    if found is not None:
        return Act(found)
    swept = _sweep(s)
    if swept is not None:
        return swept
    if s.journal.stood_down and not s.demanded:
        return Wait(s.now + SWEEP_EVERY, s.journal.stood_down)
    why = why_rotate(s.why)
    if why is None:
        return _nothing_due(s)
    purpose, reason = why
    if not s.readable:
        return Wait(s.now + RETRY, "the Secret cannot be read, so nothing is changed")
    # A drill that failed holds up no replacement.
    same = purpose is Purpose.DRILL or s.journal.purpose is Purpose.REPLACE
    # Another password than the refused one is news: the budget alone says when it may be tried.
    another = s.journal.logins.refused is not None and s.password not in (None, s.journal.logins.refused)
    # A login that was never sent is taken back, and then the budget makes no pause: the usual ones hold, to a bound.
    retry_at = min(s.journal.retry_at, s.journal.entered_at + LONGEST_UNSENT) if another else s.journal.retry_at
    if retry_at > s.now and same and not s.demanded:
        after = f"a failure: {s.journal.error}" if s.journal.error else "another token had taken the place of ours"
        return Wait(retry_at, f"after {after}")
    return _begin(s, purpose, reason)


def recent_reverts(journal: Journal, now: float) -> int:
    """How often in a row our write was undone, as far as it still counts."""
    return journal.reverts if now - journal.reverted_at < REVERTS_LAST else 0


def _of_another_account(s: Situation) -> Journal | None:
    """The configuration, or the token, names another account: keys of ours on the one before cannot be reached."""
    journal = s.journal
    if s.account is None or s.account == journal.account:
        return None
    if journal.account is None or not journal.owned:
        return replace(journal, account=s.account)
    named = journal.current if journal.current in journal.owned else journal.owned[-1]
    return replace(journal, account=s.account, owned=(), tombstones=(), left_alone=named, left_account=journal.account)


def _another_token(s: Situation) -> Journal | None:
    """Another token is in the Secret, and it works: it is adopted, and a stand-down is over."""
    journal = s.journal
    if not s.readable or not s.works or s.token_id == journal.current:
        return None
    if journal.stood_down and not s.accepted:
        return None
    found = replace(journal, current=s.token_id)
    if journal.stood_down:
        found = replace(found.cleared(), stood_down="", reverts=0)
    if journal.owned:
        # Whoever read the one before has as long as after a rotation.
        found = replace(found, sweep_at=max(journal.sweep_at, s.now + s.policy.spare))
    if journal.current not in journal.owned:
        return found
    if s.token_id == journal.replaced:
        return replace(found, reverts=recent_reverts(journal, s.now) + 1, reverted_at=s.now)
    return replace(found, overtaken_at=s.now)


def _nothing_due(s: Situation) -> Step:
    if s.accepted and s.journal.failures:
        return Act(s.journal.cleared())
    why = why_not(s.why)
    if s.untold:
        return Wait(s.now + FIRST_PAUSE, why)
    if s.accepted and s.account is None:
        return Wait(s.now + SWEEP_EVERY, s.unrenewable)
    ending = s.accepted and s.expires_at is not None
    due = renewal_time(s.why) if ending else s.now + SWEEP_EVERY
    return Wait(min(s.now + SWEEP_EVERY, max(s.now + 1.0, due)), why)


def _begin(s: Situation, purpose: Purpose, reason: str) -> Step:
    if s.account is None:
        return Wait(s.now + SWEEP_EVERY, s.unrenewable or "whose key it is cannot be told: set `auth.username`")
    if len(s.journal.owned) >= MAX_LIVE_KEYS:
        full = f"{MAX_LIVE_KEYS} keys of ours may be alive: those that nobody uses are deleted before one is made"
        may_list = s.keys is None and (s.now >= s.journal.sweep_at or (s.mendable and s.now >= s.journal.retry_at))
        return list_or_wait(s, full) if may_list else Wait(s.now + FIRST_PAUSE, full)
    reverts, undone = (0, False) if s.demanded else (recent_reverts(s.journal, s.now), _undone(s))
    if reverts + undone >= MAX_REVERTS:
        return stand_down(s, reverts + undone)
    vanished = _vanished(s) if purpose is Purpose.REPLACE else s.journal.vanished
    pausing = _pause(s, vanished)
    if pausing is not None:
        return pausing
    key_id = f"{OUR_KEYS}{s.nonce}"
    if s.journal.knows(key_id):
        return Wait(s.now + RETRY, "an id must be new")
    begun = s.journal.owning(key_id).entering(
        State.INTENT,
        s.now,
        purpose=purpose,
        reason=reason,
        key_id=key_id,
        token=None,
        old_id=s.token_id,
        old_live=s.works,
        old_account=s.token_account,
        began_at=s.now,
        published_at=0.0,
        verified_at=0.0,
        reverts=reverts + undone,
        reverted_at=s.now if undone else s.journal.reverted_at,
        vanished=vanished,
        stood_down="",
        retry_at=s.now + CALL_LASTS,
        error="",
    )
    reached = reach(s, begun)
    if isinstance(reached, Wait):
        return reached
    journal, access = reached
    return Act(journal, Mint(s.account, key_id, _lifetime(s, purpose), access))


def _lifetime(s: Situation, purpose: Purpose) -> int | None:
    """Seconds that the new key lives, None for ever. Without a password it lives as long as the one before."""
    if purpose is Purpose.DRILL:
        return min(DRILL_EXPIRES, s.policy.expires_in or DRILL_EXPIRES)
    if s.policy.expires_in or s.policy.by_password or s.expires_at is None or s.issued_at is None:
        return s.policy.expires_in
    return max(1, int(s.expires_at - s.issued_at))


def _undone(s: Situation) -> bool:
    """Whether another writer replaced our key by one that does not work, soon after the rotation was over."""
    journal = s.journal
    ours = journal.current is not None and journal.current in journal.owned
    recent = s.now - journal.entered_at < REVERTS_LAST
    return ours and recent and s.refused and s.token is not None and s.token_id != journal.current


def _vanished(s: Situation) -> int:
    """How many keys of ours in a row were deleted in Argo CD not long after they had come into use, with this one."""
    journal = s.journal
    ours = s.token_id is not None and s.token_id == journal.current and s.token_id in journal.owned
    recent = journal.rotated_at is not None and s.now - journal.rotated_at < VANISHING_LASTS
    return journal.vanished + 1 if ours and recent and s.status in (Status.REVOKED, Status.REJECTED) else 0


def _pause(s: Situation, vanished: int) -> Step | None:
    """What puts argocd-secret back would put it back for ever: keys are then made ever more rarely, and that is told."""
    if vanished <= MAX_VANISHED or s.demanded:
        return None
    until = (s.journal.rotated_at or 0.0) + pause_after(vanished - MAX_VANISHED)
    if until <= s.now:
        return None
    why = (
        f"{vanished} keys in a row were deleted in Argo CD soon after they were made: let nobody put back the account's"
        " tokens in argocd-secret (GitOps: ignoreDifferences, a backup), or find out who deletes them"
    )
    if s.journal.retry_at >= until:
        return Wait(until, f"after a failure: {why}")
    return Act(replace(failed(s.journal, s.now, why), retry_at=until))


def _sweep(s: Situation) -> Step | None:
    """Keys of ours that nobody uses, and ids whose late creation is still possible."""
    journal = s.journal
    if not s.readable or journal.account is None:
        return None
    if s.keys is not None:
        return _swept(s)
    if s.now < journal.sweep_at:
        return None
    if not s.accepted or all(_in_use(s, id_) for id_ in journal.owned):
        return None
    return Act(journal, ListKeys(journal.account, Access.LIVE_KEY))


def _swept(s: Situation) -> Step | None:
    keys, journal = s.keys or (), s.journal
    listed = {key.id for key in keys}
    doubted = {stone.id: stone.since for stone in journal.tombstones}
    for id_ in journal.owned:
        if _in_use(s, id_):
            continue
        if id_ in listed:
            if s.now >= journal.sweep_at:
                return delete(s, id_)
            continue  # somebody may use it
        if id_ in doubted:
            if s.now - doubted[id_] >= TOMBSTONE_LASTS:
                return Act(journal.without(id_))
            continue
        if s.now < journal.sweep_at:
            # Asked so early only for room to replace a token that does not work. Somebody may use the key: no DELETE.
            return Act(journal.without(id_))
        # It was made, and a proxy may list keys out of its cache, from before that. A DELETE is answered by Argo CD.
        return delete(s, id_)
    return None


def _in_use(s: Situation, key_id: str) -> bool:
    return key_id in (s.token_id, s.journal.current)
