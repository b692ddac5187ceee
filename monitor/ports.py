"""What the core needs of the outside world, as small protocols named by what they do.

Adapters implement them (`monitor.adapters`), fakes with behaviour stand in for them in tests, and one contract
test runs on both. Nothing here does anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from monitor.core.alert_texts import Outgoing
from monitor.core.announcement import Announcement
from monitor.core.delivery import Active, Failed, Receipt
from monitor.core.effects import Conflict, Consumers, Done, Listed, Minted, Refused, Unknown
from monitor.core.endpoint_slices import Behind
from monitor.core.exchange import Silent
from monitor.core.model import Answer
from monitor.core.questions import Question
from monitor.core.secret import Secret


class Clock(Protocol):
    """The time of day and time that only goes forward. Sleeping goes through the event loop's own clock."""

    def now(self) -> float:
        """Epoch seconds, UTC. May jump."""
        ...

    def monotonic(self) -> float:
        """Seconds from some start; never goes back."""
        ...


class ArgoCD(Protocol):
    """One Argo CD API server. Every call answers within its deadline and never raises for what the server does."""

    async def ask(self, question: Question, token: Secret, *, fresh: bool = False) -> Answer:
        """Puts one question with `token`. `fresh`: over a connection made for it."""
        ...


class ServiceReplicas(Protocol):
    """The replicas behind one Service. Answers at once, from what is known."""

    @property
    def service(self) -> str:
        """`NAMESPACE/NAME`."""
        ...

    def look(self) -> Behind:
        """Who answers for the Service now; `problem` says why that is not known, and what to do."""
        ...


@dataclass(frozen=True, slots=True)
class Credential:
    """What was read of a target's token.

    token: the value; the last one known where the source could not be read now; None when there is none.
    problem: what is wrong, in words with the remedy: nothing there (Secret, key or value missing), or not readable.
    readable: whether the source itself answered. Not readable and no token means that nothing can be told.
    """

    token: Secret | None
    problem: str = ""
    readable: bool = True


class CredentialSource(Protocol):
    """Where a target's token comes from: a Secret, a file, or the configuration itself."""

    @property
    def where(self) -> str:
        """The place in words, for causes and remedies: `Secret codefresh/argocd-token, key token`."""
        ...

    async def read(self, *, ask: bool = False) -> Credential:
        """The present value. Never raises for what the source holds or fails to.

        ask: of the source itself, also where a watch knows it: a connection that died unseen may be behind.
        """
        ...


class AccountKeys(Protocol):
    """The keys of accounts of one Argo CD server. No call raises for what the server or the network does.

    An answer that may mean either is `Unknown`; the key list decides then (recordings create-token, delete-token).
    """

    async def login(self, username: str, password: Secret) -> Minted | Refused | Unknown:
        """A session token; `Refused(login=True)` when the password was."""
        ...

    async def logout(self, session: Secret) -> None:
        """Ends a session. Best effort: a session ends by itself after 24 h."""
        ...

    async def mint(
        self, account: str, key_id: str, expires_in: int | None, token: Secret
    ) -> Minted | Refused | Unknown:
        """Creates an API key. `expires_in` in seconds, None: never."""
        ...

    async def keys(self, account: str, token: Secret) -> Listed | Refused | Unknown:
        """The account's keys."""
        ...

    async def delete(self, account: str, key_id: str, token: Secret) -> Done | Refused | Unknown:
        """Deletes an API key; one that does not exist is done."""
        ...


@dataclass(frozen=True, slots=True)
class Stored:
    """The consumers' credential as it stands.

    token: None when there is none. version: for compare-and-swap, None when the place itself does not exist.
    readable: False when it could not be looked at; then nothing else holds. writer: who changed it last, if known.
    """

    token: Secret | None
    version: str | None
    readable: bool = True
    problem: str = ""
    writer: str | None = None


class CredentialStore(Protocol):
    """Where the consumers read their token. Everything else in it stays as it is."""

    async def read(self) -> Stored:
        """The present value, read from the source itself. Never raises for what the source does."""
        ...

    async def write(self, token: Secret, version: str | None) -> Done | Conflict | Refused | Unknown:
        """Replaces the token where the version is still `version` (None: it must not exist), and reads it back."""
        ...


class JournalStore(Protocol):
    """Where the rotation's journal is kept, with compare-and-swap."""

    async def read(self) -> tuple[str, str | None] | Unknown:
        """(text, version); text "" and version None when there is none yet."""
        ...

    async def write(self, text: str, version: str | None) -> str | Conflict | Refused | Unknown:
        """Writes where the version is still `version`. Returns the new version."""
        ...


class ConsumerWorkloads(Protocol):
    """The workloads that use the token."""

    async def restart(self, key_id: str) -> Done | Refused | Unknown:
        """Annotates their pod templates with `key_id` (`Journal.mark`); the same one again restarts nobody."""
        ...

    async def look(self, key_id: str, since: float) -> Consumers | Unknown:
        """Who still runs with an older key than the one published at `since` (epoch seconds)."""
        ...


class Announcer(Protocol):
    """Tells those who look at the consumers' Secret what happens to it (Kubernetes Events)."""

    async def announce(self, announcement: Announcement) -> None:
        """Best effort, bounded, aggregated. Never raises, never waits longer than its deadline."""
        ...


class Leadership(Protocol):
    """Which replica rotates. It saves work; safety never depends on it."""

    def leads(self) -> bool:
        """Whether this replica may begin an effect now. Goes by the monotonic clock, without any call."""
        ...


class Peers(Protocol):
    """The other replicas, asked what they see. Every call answers within its deadline and never raises."""

    async def ask(self, origin: str) -> bytes | Silent:
        """What the replica at `origin` (`http://10.0.0.3:8080`) tells: lines as `core.exchange` has them, not yet read."""
        ...

    async def close(self) -> None:
        """Ends, for good."""
        ...


class AlertSink(Protocol):
    """One Alertmanager. Every call answers within its deadline and never raises for what the other side does."""

    @property
    def name(self) -> str:
        """Its address, for metrics and logs; without credentials."""
        ...

    async def tell(self, alerts: Sequence[Outgoing]) -> Receipt:
        """Tells it of these alerts, in one request."""
        ...

    async def active(self) -> Sequence[Active] | Failed:
        """Those of our alerts that it holds as firing: what a process before this one has told it."""
        ...


class Heartbeat(Protocol):
    """An uptime service that raises an alarm when it hears nothing more."""

    async def beat(self) -> str | None:
        """Tells it that the monitor works. Returns what went wrong and what to do, None when it was heard."""
        ...
