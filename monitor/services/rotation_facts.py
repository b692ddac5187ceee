"""Gathers what a rotation is decided by: the token in the Secret and its verdict, the password, other logins, the clock.

It only looks. The core takes the facts as a `Situation`; what the effects need besides comes with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from monitor.core.claims import read_claims
from monitor.core.credential import Unsendable, inspect
from monitor.core.journal import Journal, State
from monitor.core.model import Key, Verdict
from monitor.core.policy import Policy, owner
from monitor.core.rotation.situation import Situation
from monitor.core.secret import Secret
from monitor.core.status import Kind, Status
from monitor.core.text import printable
from monitor.ports import Clock, Credential, CredentialSource, CredentialStore, Stored
from monitor.services.account_access import AccountAccess
from monitor.services.checker import Checker

# A verdict of the regular checks counts for this long; the rotation looks for itself otherwise.
VERDICT_LASTS = 60.0
# A refusal counts when it is seen this often in a row, each time over fresh connections: replicas of Argo CD lag.
LOOKS = 3
# A clock that was set is noticed while this process looks at least this often.
REMEMBERED = 700.0
MAX_PROBLEM = 400

Nonces = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Sight:
    """What the regular checks know: the verdict, and the fingerprint of the token that it is about.

    verdict: None while they are looking a second time.
    """

    verdict: Verdict | None
    fingerprint: str | None


@dataclass(frozen=True, slots=True)
class Gathered:
    """The facts of one moment as the core takes them, and what the effects need."""

    situation: Situation
    stored: Stored
    password: Secret | None


class RotationFacts:
    """The facts of one target's rotation. password: where it is kept; None where nobody may log in."""

    def __init__(
        self,
        policy: Policy,
        clock: Clock,
        checker: Checker,
        store: CredentialStore,
        password: CredentialSource | None,
        access: AccountAccess,
        nonces: Nonces,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._checker = checker
        self._store = store
        self._password = password
        self._access = access
        self._nonces = nonces
        self._looked: tuple[float, float] | None = None

    async def gather(
        self, journal: Journal, sight: Sight | None, listed: tuple[Key, ...] | None, *, demanded: bool
    ) -> Gathered:
        """What is so now. listed: the keys of the account, where they were asked for just now."""
        stored = trimmed(await self._store.read())
        password, no_password = await self._read_password()
        status = await self._status(journal, stored, sight)
        claims = read_claims(stored.token.reveal() if stored.token else "")
        account, unrenewable = owner(self._policy, claims, works=status is not None and status.accepted is True)
        may_log_in = self._policy.by_password and status is not None and status.accepted is False
        situation = Situation(
            now=self._clock.now(),
            journal=journal,
            policy=self._policy,
            token=stored.token,
            token_id=claims.token_id,
            version=stored.version,
            status=status,
            nonce=self._nonces(),
            account=account,
            unrenewable=unrenewable,
            token_account=claims.account if claims.capability == "apiKey" else None,
            readable=stored.readable,
            issued_at=claims.issued_at,
            expires_at=claims.expires_at,
            keys=listed,
            writer=stored.writer,
            password=password.fingerprint() if password else None,
            no_password=no_password,
            other_logins=await self._access.other_logins() if may_log_in else (),
            demanded=demanded,
            leap=self._leap(),
        )
        return Gathered(situation, stored, password)

    async def _read_password(self) -> tuple[Secret | None, str]:
        """The present password, or why there is none. One that is only remembered is not tried: each wrong one counts."""
        if self._password is None:
            return None, ""
        found = await self._password.read(ask=True)
        if not found.readable or found.token is None:
            return None, printable(found.problem, MAX_PROBLEM)
        password = found.token.reveal().strip("\r\n")
        return (
            (Secret(password), "") if password else (None, f"{self._password.where} is empty: put the password there")
        )

    async def _status(self, journal: Journal, stored: Stored, sight: Sight | None) -> Status | None:
        """The verdict on the very token in the Secret; None where it is not known."""
        if not stored.readable:
            return None
        token = inspect(stored.token)
        if sight is not None and journal.state is State.IDLE:
            fingerprint = None if isinstance(token, Unsendable) else token.fingerprint()
            if sight.verdict is None or sight.fingerprint != fingerprint or sight.verdict.status is Status.PENDING:
                return None  # the regular checks will come to this token, with their second look
            if abs(self._clock.now() - sight.verdict.checked_at) <= VERDICT_LASTS:
                return sight.verdict.status
        if isinstance(token, Unsendable):
            return token.status
        return await self._look(token)

    async def _look(self, token: Secret) -> Status | None:
        seen: Status | None = None
        for _ in range(LOOKS):
            seen = (await self._checker.check(full=False, fresh=True, credential=Credential(token))).verdict.status
            if seen.kind is not Kind.REFUSED:
                return seen
        return seen

    def _leap(self) -> float:
        """By how much the clock of the day went further than time itself since the last look.

        After a long pause it is not asked: another replica may have taken that in long ago.
        """
        now, monotonic = self._clock.now(), self._clock.monotonic()
        before, self._looked = self._looked, (now, monotonic)
        if before is None or monotonic - before[1] > REMEMBERED:
            return 0.0
        return (now - before[0]) - (monotonic - before[1])


def trimmed(stored: Stored) -> Stored:
    """Without the white space around the token, as the checks take it; an empty one is none."""
    if stored.token is None:
        return stored
    value = stored.token.reveal().strip()
    return replace(stored, token=Secret(value) if value else None)
