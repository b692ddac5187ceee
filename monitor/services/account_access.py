"""Reaches the account's keys: with the live key, or with a session that a login opened and that is ended after use.

Before a login the journals of all targets with the same server and user are looked at: Argo CD counts their failures
together. Each of them has noted its own attempt before it looks, so that of two at once neither can miss the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor.core.budget import LoginBudget, next_login, take_back
from monitor.core.effects import Access, Delete, Done, Listed, ListKeys, Mint, Minted, Outcome, Refused, Unknown
from monitor.core.journal import JournalError, load
from monitor.core.secret import Secret
from monitor.ports import AccountKeys, Clock, JournalStore


class AccountAccess:
    """The keys of one target's account. `use` says with what, `do` carries an effect out, `close` logs out."""

    def __init__(self, keys: AccountKeys, clock: Clock, siblings: Sequence[JournalStore]) -> None:
        self._keys = keys
        self._clock = clock
        self._siblings = tuple(siblings)
        self._token: Secret | None = None
        self._password: Secret | None = None
        self._logins = LoginBudget()
        self._session: Secret | None = None

    @property
    def logged_in(self) -> bool:
        """Whether there is a session."""
        return self._session is not None

    @property
    def sessions(self) -> tuple[Secret, ...]:
        """The session's token, to be kept out of texts."""
        return (self._session,) if self._session is not None else ()

    def use(self, token: Secret | None, password: Secret | None, logins: LoginBudget) -> None:
        """With what the next effect reaches the account. logins: the budget with this attempt counted."""
        self._token, self._password, self._logins = token, password, logins

    async def do(self, effect: Mint | ListKeys | Delete) -> Outcome:
        """Carries `effect` out."""
        token = self._token
        if effect.access is Access.LOGIN:
            opened = await self._open_session(effect.account)
            if not isinstance(opened, Secret):
                return opened
            token = opened
        if token is None:
            return Refused("there is no token to reach the account with")
        match effect:
            case Mint(account, key_id, expires_in):
                return await self._keys.mint(account, key_id, expires_in, token)
            case ListKeys(account):
                return await self._keys.keys(account, token)
            case Delete(account, key_id):
                return await self._delete(account, key_id, token)

    async def other_logins(self) -> tuple[LoginBudget, ...] | str:
        """The budgets of the siblings; a text says why they are not known, and then nobody logs in."""
        others: list[LoginBudget] = []
        for sibling in self._siblings:
            found = await sibling.read()
            try:
                if isinstance(found, Unknown):
                    raise JournalError(found.why)
                others.append(load(found[0]).logins)
            except JournalError as error:
                return f"the logins of another target with the same user are not known: {error}"
        return tuple(others)

    async def close(self) -> None:
        """Ends the session."""
        session, self._session = self._session, None
        if session is not None:
            await self._keys.logout(session)

    async def _delete(self, account: str, key_id: str, token: Secret) -> Outcome:
        outcome = await self._keys.delete(account, key_id, token)
        if not isinstance(outcome, Done):
            return outcome
        listed = await self._keys.keys(account, token)
        if isinstance(listed, Listed) and any(key.id == key_id for key in listed.keys):
            return Unknown("the key is still listed; it is looked at again")
        return outcome

    async def _open_session(self, username: str) -> Secret | Refused | Unknown:
        if self._session is not None:
            return self._session
        if self._password is None:
            return Refused("there is no password to log in with")
        others = await self.other_logins()
        if isinstance(others, str):
            return Refused(others)
        now = self._clock.now()
        if next_login(take_back(self._logins), self._password.fingerprint(), now, others) > now:
            return Refused("another target with the same user logs in at this moment; this one tries again", busy=True)
        opened = await self._keys.login(username, self._password)
        if not isinstance(opened, Minted):
            return opened
        self._session = opened.token
        return opened.token
