"""The facts of one moment, gathered before anything is decided, and what a decision can be."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.core.budget import LoginBudget
from monitor.core.effects import Effect
from monitor.core.journal import Journal
from monitor.core.model import Key
from monitor.core.policy import Policy, Why
from monitor.core.secret import Secret
from monitor.core.status import Kind, Status


@dataclass(frozen=True, slots=True)
class Situation:
    """All facts of one moment.

    token, token_id, version: what the Secret holds (None: nothing) and its version (None: it does not exist).
    readable: whether the Secret could be read at all. status: the verdict on that very token, None while unknown.
    account: whose keys are made, None when it is not known; unrenewable: why no key follows this token, "" when one can.
    token_account: whose API key the Secret's token says it is, a hint; None when it is none.
    keys: the account's keys as just listed, None when not listed. writer: who last wrote the Secret, in words.
    nonce: fresh randomness for an id, never empty. password: fingerprint of the present one, None when there is none.
    no_password: why there is none and what to do, "" where nothing is known of that.
    other_logins: budgets of further targets with the same server and user; a text says why they are not known.
    leap: by how many seconds the clock of the day went further than time itself since it was last looked at.
    """

    now: float
    journal: Journal
    policy: Policy
    token: Secret | None
    token_id: str | None
    version: str | None
    status: Status | None
    nonce: str
    account: str | None = None
    unrenewable: str = ""
    token_account: str | None = None
    readable: bool = True
    issued_at: float | None = None
    expires_at: float | None = None
    keys: tuple[Key, ...] | None = None
    writer: str | None = None
    password: str | None = None
    no_password: str = ""
    other_logins: tuple[LoginBudget, ...] | str = ()
    demanded: bool = False
    leap: float = 0.0

    @property
    def accepted(self) -> bool:
        """Whether the Secret's token is known to be accepted, as the right account."""
        return self.why.lives

    @property
    def works(self) -> bool:
        """Whether the Secret's token is known to be accepted, be it as another account."""
        return self.status is not None and self.status.accepted is True

    @property
    def refused(self) -> bool:
        """Whether Argo CD itself refused the Secret's token, or there is none."""
        return self.status is not None and self.status.kind is Kind.REFUSED

    @property
    def mendable(self) -> bool:
        """Whether the Secret's token is refused for a cause that a new key mends."""
        return self.status is not None and self.refused and self.status.facts.mended_by_minting

    @property
    def untold(self) -> bool:
        """Whether it cannot be told if the Secret's token is accepted."""
        return self.status is None or self.status.kind is Kind.UNKNOWN

    @property
    def holds_new(self) -> bool:
        """Whether the Secret holds the very token that this rotation made; an id alone is only a claim."""
        return self.token is not None and self.token == self.journal.token

    @property
    def why(self) -> Why:
        """The facts for the policy."""
        return Why(
            self.now, self.policy, self.journal, self.status, self.issued_at, self.expires_at, demanded=self.demanded
        )


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
