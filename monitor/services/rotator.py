"""Carries a rotation out: gather the facts, let the core decide, write the journal, do the effect, take note.

Every effect that changes something is preceded by a write of the journal that only one replica can make: its version
is compared, and its epoch counts up. Whoever loses that race looks again. Nothing here decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from monitor.core.claims import read_claims
from monitor.core.effects import (
    Access,
    Conflict,
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
from monitor.core.journal import Journal, JournalError, State, dump, load
from monitor.core.model import Key, Verdict
from monitor.core.policy import Policy
from monitor.core.rotation import Act, Situation, Wait, decide, learn
from monitor.core.secret import Secret
from monitor.core.status import Status
from monitor.ports import (
    AccountKeys,
    Clock,
    ConsumerWorkloads,
    Credential,
    CredentialSource,
    CredentialStore,
    JournalStore,
    Stored,
)
from monitor.services.checker import Checker

log = structlog.get_logger(__name__)

# A rotation takes about a dozen steps; more in one go means that something turns in circles.
MAX_STEPS = 40
RETRY = 5.0
UNREADABLE = 30.0
# A verdict of the regular checks counts for this long; the rotation looks for itself otherwise.
VERDICT_LASTS = 60.0
# An effect is begun this long after its journal was written at most: a process that was stopped in between does
# nothing late, when another one may have taken over.
LATEST_START = 10.0
# A new key is seen accepted this often, each time over fresh connections: replicas of Argo CD lag.
PROOFS = 3


class Nonces(Protocol):
    """Fresh randomness for ids: URL-safe, never the same twice."""

    def __call__(self) -> str:
        """Ten or more characters of [a-z0-9]."""
        ...


@dataclass(frozen=True, slots=True)
class Sight:
    """What the regular checks know: the verdict, and the fingerprint of the token that it is about."""

    verdict: Verdict
    fingerprint: str | None


class Rotator:
    """Rotates the credential of one target."""

    def __init__(
        self,
        name: str,
        policy: Policy,
        clock: Clock,
        checker: Checker,
        keys: AccountKeys,
        store: CredentialStore,
        journals: JournalStore,
        password: CredentialSource | None,
        consumers: ConsumerWorkloads | None,
        nonces: Nonces,
    ) -> None:
        self.name = name
        self.policy = policy
        self.journal: Journal | None = None
        self.waiting_for = ""
        self.problem = ""
        self._clock = clock
        self._checker = checker
        self._keys = keys
        self._store = store
        self._journals = journals
        self._password = password
        self._consumers = consumers
        self._nonces = nonces
        self._session: Secret | None = None

    async def advance(self, sight: Sight | None = None, *, demanded: bool = False) -> float:
        """Does all that can be done now. Returns when to come back (epoch seconds)."""
        listed: tuple[Key, ...] | None = None
        try:
            for _ in range(MAX_STEPS):
                loaded = await self._load()
                if loaded is None:
                    return self._clock.now() + UNREADABLE
                journal, version = loaded
                situation, stored, password = await self._situation(journal, sight, listed, demanded=demanded)
                step = decide(situation)
                if isinstance(step, Wait):
                    self.waiting_for = step.why
                    return step.until
                demanded = demanded and step.journal.state is State.IDLE
                outcome = await self._act(step, version, stored, password)
                if outcome is None:
                    return self._clock.now() + RETRY
                listed = outcome.keys if isinstance(outcome, Listed) else None
            log.error("a rotation turns in circles", target=self.name)
            return self._clock.now() + UNREADABLE
        finally:
            await self._end_session()

    async def _load(self) -> tuple[Journal, str | None] | None:
        found = await self._journals.read()
        if isinstance(found, Unknown):
            self.problem = f"the journal cannot be read: {found.why}"
            return None
        try:
            self.journal = load(found[0])
        except JournalError as error:
            self.problem = str(error)
            return None
        self.problem = ""
        return self.journal, found[1]

    async def _situation(
        self, journal: Journal, sight: Sight | None, listed: tuple[Key, ...] | None, *, demanded: bool
    ) -> tuple[Situation, Stored, Credential | None]:
        stored = _trimmed(await self._store.read())
        password = await self._password.read() if self._password is not None else None
        status = await self._status(journal, stored, sight)
        claims = read_claims(stored.token.reveal()) if stored.token else None
        return (
            Situation(
                now=self._clock.now(),
                journal=journal,
                policy=self.policy,
                token=stored.token,
                token_id=claims.token_id if claims else None,
                version=stored.version,
                status=status,
                readable=stored.readable,
                issued_at=claims.issued_at if claims else None,
                expires_at=claims.expires_at if claims else None,
                keys=listed,
                writer=stored.writer,
                nonce=self._nonces(),
                password=password.token.fingerprint() if password and password.token else None,
                demanded=demanded,
            ),
            stored,
            password,
        )

    async def _status(self, journal: Journal, stored: Stored, sight: Sight | None) -> Status | None:
        """The verdict on the very token in the Secret; None where it is not known."""
        if not stored.readable:
            return None
        if stored.token is None:
            return Status.MISSING
        if sight is not None and journal.state is State.IDLE:
            if sight.fingerprint != stored.token.fingerprint() or sight.verdict.status is Status.PENDING:
                return None  # the regular checks will come to this token, with their second look
            if abs(self._clock.now() - sight.verdict.checked_at) <= VERDICT_LASTS:
                return sight.verdict.status
        checked = await self._checker.check(full=False, fresh=True, credential=Credential(stored.token))
        return checked.verdict.status

    async def _act(self, step: Act, version: str | None, stored: Stored, password: Credential | None) -> Outcome | None:
        """Journal first, then the effect, then what came of it. None: somebody else was faster, or no answer."""
        journal, effect = step.journal, step.effect
        began = self._clock.monotonic()
        if effect is None or journal != self.journal or _changes_something(effect):
            written = await self._write(journal, version)
            if written is None:
                return None
            journal, version = written
        if effect is None:
            return Done()
        if self._clock.monotonic() - began > LATEST_START:
            return None  # what was to be done is looked at again, as after a crash
        outcome = await self._do(effect, stored, password)
        log.info(
            "rotation",
            target=self.name,
            state=journal.state.value,
            did=type(effect).__name__,
            outcome=type(outcome).__name__,
            why=getattr(outcome, "why", ""),
        )
        used = password.token.fingerprint() if password and password.token else None
        logged_in = self._session is not None
        learned = learn(journal, effect, outcome, self._clock.now(), used, logged_in=logged_in)
        if learned != journal and await self._write(learned, version) is None:
            return None
        return outcome

    async def _write(self, journal: Journal, version: str | None) -> tuple[Journal, str] | None:
        counted = replace(journal, epoch=journal.epoch + 1)
        result = await self._journals.write(dump(counted), version)
        if isinstance(result, str):
            self.journal = counted
            return counted, result
        if not isinstance(result, Conflict):
            self.problem = f"the journal cannot be written: {result.why}"
        return None

    async def _do(self, effect: Effect, stored: Stored, password: Credential | None) -> Outcome:
        match effect:
            case Prove(token):
                return await self._prove(token)
            case Publish(token, version):
                return await self._store.write(token, version)
            case RestartConsumers(key_id):
                return await self._consumers.restart(key_id) if self._consumers else Done()
            case LookAtConsumers(key_id, since):
                return await self._consumers.look(key_id, since) if self._consumers else Unknown("nobody to look at")
            case Delete(key_id):
                # The last moment to see that somebody has put this very key back into the Secret.
                seen = _trimmed(await self._store.read())
                if not seen.readable or (seen.token and read_claims(seen.token.reveal()).token_id == key_id):
                    return Conflict()
                return await self._with_access(effect, stored, password)
            case Mint() | ListKeys():
                return await self._with_access(effect, stored, password)

    async def _with_access(
        self, effect: Mint | ListKeys | Delete, stored: Stored, password: Credential | None
    ) -> Outcome:
        token = stored.token
        if effect.access is Access.LOGIN:
            opened = await self._open_session(password)
            if not isinstance(opened, Secret):
                return opened
            token = opened
        if token is None:
            return Unknown("there is no token to reach the account with")
        account = self.policy.account
        match effect:
            case Mint(key_id, expires_in):
                return await self._keys.mint(account, key_id, expires_in, token)
            case ListKeys():
                return await self._keys.keys(account, token)
            case Delete(key_id):
                return await self._delete(key_id, token)

    async def _delete(self, key_id: str, token: Secret) -> Outcome:
        outcome = await self._keys.delete(self.policy.account, key_id, token)
        if not isinstance(outcome, Done):
            return outcome
        listed = await self._keys.keys(self.policy.account, token)
        if isinstance(listed, Listed) and any(key.id == key_id for key in listed.keys):
            return Unknown("the key is still listed")
        return outcome

    async def _prove(self, token: Secret) -> Outcome:
        """Accepted, as the right account, the control refused. A permission that lacks is the account's, not the key's:

        withholding the key would only let the old one end.
        """
        checked = None
        for _ in range(PROOFS):
            full = checked is None
            checked = await self._checker.check(full=full, fresh=True, last=checked, credential=Credential(token))
            verdict = checked.verdict
            if verdict.accepted is None or (verdict.accepted and full and not checked.proven):
                return Unknown(verdict.cause)
            if not verdict.accepted or verdict.status is Status.WRONG_ACCOUNT:
                return Refused(verdict.cause)
        return Done()

    async def _open_session(self, password: Credential | None) -> Secret | Refused | Unknown:
        if self._session is not None:
            return self._session
        if password is None or password.token is None:
            return Unknown("there is no password")
        opened = await self._keys.login(self.policy.account, Secret(password.token.reveal().strip("\r\n")))
        if not isinstance(opened, Minted):
            return opened
        self._session = opened.token
        return opened.token

    async def _end_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await self._keys.logout(session)


def _trimmed(stored: Stored) -> Stored:
    """Without the white space around the token, as the checks take it; an empty one is none."""
    if stored.token is None:
        return stored
    value = stored.token.reveal().strip()
    return replace(stored, token=Secret(value) if value else None)


def _changes_something(effect: Effect) -> bool:
    return isinstance(effect, Mint | Delete | Publish | RestartConsumers)
