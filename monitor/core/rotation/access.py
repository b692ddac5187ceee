"""How the account is reached, and the two calls that every state may need: list the keys, delete one."""

from __future__ import annotations

from dataclasses import replace

from monitor.core.budget import charge, next_login
from monitor.core.effects import Access, Delete, ListKeys
from monitor.core.journal import Journal, State
from monitor.core.rotation.endings import failed
from monitor.core.rotation.limits import FIRST_PAUSE, LOOK_AGAIN, RETRY, SWEEP_EVERY
from monitor.core.rotation.situation import Act, Situation, Step, Wait


def reach(s: Situation, journal: Journal) -> tuple[Journal, Access] | Wait:
    """The live key where there is one; else a login, charged to the budget before it is sent."""
    if s.accepted:
        return journal, Access.LIVE_KEY
    if s.untold:
        return Wait(s.now + LOOK_AGAIN, "whether the Secret's token is accepted cannot be told, so nobody logs in")
    if s.refused and not s.mendable:
        return Wait(s.now + FIRST_PAUSE, f"the token is {s.status}, so nobody logs in")
    if not s.policy.by_password or s.password is None:
        do = s.no_password or "put a new token there"
        return Wait(s.now + SWEEP_EVERY, f"there is no live key and no password to log in with: {do}")
    if isinstance(s.other_logins, str):
        return Wait(s.now + FIRST_PAUSE, s.other_logins)
    earliest = next_login(journal.logins, s.password, s.now, s.other_logins)
    if earliest > s.now and s.other_logins:
        # Theirs may be under way, and is taken back once it worked.
        earliest = min(earliest, s.now + LOOK_AGAIN)
    if earliest > s.now:
        why = "a login must wait, so that Argo CD locks nobody out"
        known = (journal.logins, *s.other_logins)
        if any(budget.refused == s.password for budget in known):
            why += "; the password was refused, and is tried again when it changes, or an hour after: correct it"
        return Wait(earliest, why)
    return replace(journal, logins=charge(journal.logins, s.now)), Access.LOGIN


def list_or_wait(s: Situation, why: str) -> Step:
    """Asks for the account's keys."""
    if s.journal.retry_at > s.now and s.journal.state is not State.IDLE:
        return Wait(s.journal.retry_at, why)
    account = account_of(s)
    if account is None:
        return Wait(s.now + FIRST_PAUSE, f"{why}; whose key it is cannot be told: set `auth.username`")
    reached = reach(s, s.journal)
    if isinstance(reached, Wait):
        return replace(reached, why=f"{why}; {reached.why}")
    journal, access = reached
    return Act(journal, ListKeys(account, access))


def delete(s: Situation, key_id: str) -> Step:
    """Deletes a key of ours. Never one that the Secret holds, never one that we did not make."""
    if key_id == s.token_id or key_id not in s.journal.owned:
        return Act(failed(s.journal, s.now, f"the key {key_id} is in use or not ours").at_rest(s.now))
    if not s.readable:
        return Wait(s.now + RETRY, "the Secret cannot be read, so nothing is deleted")
    if s.journal.retry_at > s.now and s.journal.state is not State.IDLE:
        return Wait(s.journal.retry_at, s.journal.error)
    account = account_of(s)
    if account is None:
        return Wait(s.now + FIRST_PAUSE, "whose key it is cannot be told, so nothing is deleted: set `auth.username`")
    reached = reach(s, replace(s.journal, attempts=s.journal.attempts + 1))
    if isinstance(reached, Wait):
        return reached
    journal, access = reached
    return Act(journal, Delete(account, key_id, access))


def account_of(s: Situation) -> str | None:
    """Whose keys ours are: the account that they were made on, which the Secret's token may have left since."""
    return s.journal.account or s.account
