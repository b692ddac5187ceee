"""One login for `doctor --login`, within the budget that the rotation keeps: charged in the journal before it is sent.

A failed login counts for Argo CD's lock-out, which locks the human out, too; so doctor spends from the same three a
day as the monitor, and does not try where the monitor would not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monitor.core.answers import read_account
from monitor.core.budget import LoginBudget, charge, give_back, next_login, refuse, take_back
from monitor.core.doctor_account import LoginFacts
from monitor.core.effects import Minted, Refused
from monitor.core.journal import Journal, JournalError, dump, load
from monitor.core.model import Account
from monitor.core.moments import span
from monitor.core.questions import Question, Topic
from monitor.core.secret import Secret
from monitor.ports import AccountKeys, ArgoCD, Clock, CredentialSource, JournalStore
from monitor.services.checker import redact


class LoginTrial:
    """Tries the password of one target.

    by: who writes the journal, unlike any other writer. siblings: journals of further targets with the same server and
    user, whose logins Argo CD counts together.
    """

    def __init__(
        self,
        username: str,
        password: CredentialSource,
        journals: JournalStore,
        keys: AccountKeys,
        argocd: ArgoCD,
        clock: Clock,
        by: str,
        siblings: Sequence[JournalStore] = (),
    ) -> None:
        self._username = username
        self._password = password
        self._journals = journals
        self._keys = keys
        self._argocd = argocd
        self._clock = clock
        self._by = by
        self._siblings = tuple(siblings)

    async def attempt(self) -> tuple[LoginFacts, Account | None]:
        """Logs in and out once. Also gives the account's page, as the session sees it."""
        credential = await self._password.read(ask=True)
        if credential.token is None or not credential.readable:
            return LoginFacts(None, f"not tried: {credential.problem or 'there is no password'}"), None
        password = Secret(credential.token.reveal().strip("\r\n"))
        charged = await self._charge(password.fingerprint())
        if isinstance(charged, LoginFacts):
            return charged, None
        opened = await self._keys.login(self._username, password)
        await self._settle(*charged, opened, password.fingerprint())
        if isinstance(opened, Minted):
            page = await self._argocd.ask(Question(Topic.ACCOUNT, account=self._username), opened.token)
            await self._keys.logout(opened.token)
            return LoginFacts(True), read_account(page)
        refused = isinstance(opened, Refused) and opened.login
        # A server may echo what it was sent.
        return LoginFacts(False if refused else None, redact(opened.why, password.reveal())), None

    async def _charge(self, fingerprint: str) -> tuple[Journal, str] | LoginFacts:
        """Counts the login as failed before it is sent: whoever crashes in between has counted it."""
        found = await self._read(self._journals)
        others = [await self._read(sibling) for sibling in self._siblings]
        unread = [one for one in (found, *others) if isinstance(one, str)]
        if unread or isinstance(found, str):
            return LoginFacts(None, f"not tried: nobody knows how many logins failed: {unread[0]}")
        journal, version = found
        now = self._clock.now()
        budgets: list[LoginBudget] = [one[0].logins for one in others if not isinstance(one, str)]
        earliest = next_login(journal.logins, fingerprint, now, budgets)
        if earliest > now:
            return LoginFacts(
                None, f"not tried: a login must wait {span(earliest - now)}, so that nobody is locked out"
            )
        charged = replace(journal, logins=charge(journal.logins, now), epoch=journal.epoch + 1, by=self._by)
        written = await self._journals.write(dump(charged), version)
        if not isinstance(written, str):
            why = getattr(written, "why", "a monitor is at work on it")
            return LoginFacts(None, f"not tried: the login could not be charged to the journal: {why}")
        return charged, written

    async def _read(self, journals: JournalStore) -> tuple[Journal, str | None] | str:
        """A journal and its version, or why it cannot be read."""
        found = await journals.read()
        if not isinstance(found, tuple):
            return found.why
        try:
            return load(found[0]), found[1]
        except JournalError as error:
            return str(error)

    async def _settle(self, journal: Journal, version: str, opened: object, fingerprint: str) -> None:
        """Notes what came of it. Where somebody else wrote the journal meanwhile, the charge stays: that is the safe side."""
        if isinstance(opened, Minted):
            logins = give_back(journal.logins)
        elif isinstance(opened, Refused):
            now = self._clock.now()
            logins = refuse(journal.logins, fingerprint, now) if opened.login else take_back(journal.logins)
        else:
            return
        await self._journals.write(dump(replace(journal, logins=logins, epoch=journal.epoch + 1)), version)
