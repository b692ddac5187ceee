"""How a rotation ends: done, failed, given up for another's token, or left to another writer."""

from __future__ import annotations

import re
from dataclasses import replace

from monitor.core.journal import Journal, State
from monitor.core.rotation.limits import CALL_LASTS, FIRST_PAUSE, LONGEST_PAUSE, MAX_TEXT, REPLICA_LAG
from monitor.core.rotation.situation import Act, Situation
from monitor.core.text import printable
from monitor.core.writers import remedy

# Names may come from a token that nobody verified, and a command is pasted into a shell.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+:-]*")


def delete_command(account: str | None, key_id: str) -> str:
    """The command that deletes a key that is not ours, for people."""
    named, id_ = (
        text if text and _PLAIN.fullmatch(text) else word for text, word in ((account, "ACCOUNT"), (key_id, "ID"))
    )
    return f"`argocd account delete-token --account {named} {id_}`"


def pause_after(failures: int) -> float:
    """The pause after so many failures in a row: one minute, doubling to six hours."""
    return min(FIRST_PAUSE * 2.0 ** min(max(failures, 1) - 1, 20), LONGEST_PAUSE)


def failed(journal: Journal, now: float, error: str) -> Journal:
    """One more failure in a row."""
    failures = journal.failures + 1
    return replace(journal, failures=failures, retry_at=now + pause_after(failures), error=printable(error, MAX_TEXT))


def succeeded(journal: Journal, now: float, *, left_alone: bool = False) -> Journal:
    """The Secret's key was replaced. left_alone: its predecessor is not ours and lives on."""
    return journal.cleared().at_rest(
        now,
        rotations=journal.rotations + 1,
        rotated_at=now,
        left_alone=journal.old_id if left_alone else None,
        left_account=journal.old_account if left_alone else None,
    )


def abandon(s: Situation, error: str) -> Act:
    """Gives up the pending key; it is swept from idle."""
    return Act(_spared(failed(s.journal, s.now, error), s).at_rest(s.now))


def adopt(s: Situation) -> Act:
    """Gives up the pending key for a token that works, which another writer put there."""
    journal = _spared(s.journal, s).cleared().at_rest(s.now)
    # Where replicas of Argo CD do not agree about that token, keys would be made and given up without end.
    return Act(replace(journal, retry_at=s.now + FIRST_PAUSE))


def stand_down(s: Situation, reverts: int) -> Act:
    """Leaves the Secret to the writer who undid what we wrote, until a person or another working token ends that."""
    writer = printable(s.writer or "another writer", MAX_TEXT // 4)
    reason = printable(
        f"{writer} undid our write of the Secret {reverts} times: {remedy(s.writer)};"
        " then let the monitor try again with `token-monitor rotate TARGET`",
        MAX_TEXT,
    )
    journal = _spared(failed(s.journal, s.now, reason), s)
    # What was put back is what is left alone: should it be refused now and work later, it counts as another token.
    kept = s.token_id if s.works else None
    return Act(journal.at_rest(s.now, stood_down=reason, reverts=reverts, reverted_at=s.now, current=kept))


def _spared(journal: Journal, s: Situation) -> Journal:
    if journal.key_id is not None and s.now - journal.began_at < REPLICA_LAG:
        journal = journal.doubting(journal.key_id, s.now)
    if journal.state in (State.IDLE, State.MINTED):
        return journal
    # Consumers may have read the new key, or a late write may still put it into the Secret.
    return replace(journal, sweep_at=max(journal.sweep_at, s.now + max(s.policy.spare, CALL_LASTS)))
