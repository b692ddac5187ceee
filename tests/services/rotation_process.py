"""One process of the monitor with all its ports. It can die at any call, and answers and requests can be lost.

Every call of a port passes through `Process.call`; after each that changes something the invariants are checked, so
that every test of a rotation is a test of all of them.
"""

from __future__ import annotations

import asyncio
import enum
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Literal, TypeVar
from urllib.parse import unquote

from monitor.adapters.argocd.client import MAX_BODY, request_path
from monitor.adapters.argocd.keys import ArgoCDKeys
from monitor.core.announcement import Announcement
from monitor.core.effects import Conflict, Consumers, Done, Refused, Unknown
from monitor.core.model import Answer, Fault, FaultKind, Reply
from monitor.core.questions import Question
from monitor.core.secret import Secret
from monitor.ports import Credential, Stored
from monitor.services.checker import Checker
from monitor.services.rotation_facts import Sight
from monitor.services.rotator import Rotator

from tests.services.rotation_outside import PASSWORD, Outside, Place

LATENCY = 0.01
LATE = 45.0
CHANGING = ("POST", "DELETE", "write secret", "restart")
T = TypeVar("T")


class Crash(BaseException):
    """The process is gone: nothing of it runs any more."""


class Lever(enum.Enum):
    """What happens at one call."""

    DIE_BEFORE = "the process dies before it"
    DIE_AFTER = "the process dies after it, before the answer"
    CANCEL_BEFORE = "the process is asked to end before it"
    CANCEL_AFTER = "the process is asked to end after it"
    LOSE_REQUEST = "the request is lost"
    LOSE_ANSWER = "the answer is lost"
    LAND_LATER = "the answer is lost, and the request lands when nobody waits for it any more"
    INTERFERE = "another writer gets in between"


class Process:
    """One process of the monitor. `calls` has the names of all port calls so far."""

    def __init__(self, world: Outside, levers: dict[int, Lever], *, demanded: bool = False) -> None:
        self.world = world
        self.latency = LATENCY
        self.levers = levers
        self.calls: list[str] = []
        self.pulled: list[str] = []
        self.at: dict[int, Callable[[], object]] = {}  # what somebody does just before that call
        self.losing: Counter[str] = Counter()  # answers to the next calls of that name
        self.dead = False
        self.sight: Callable[[], Sight] | None = None
        ports = Ports(self)
        self.rotator = Rotator(
            "production",
            world.policy,
            world.clock,
            Checker(ports, ports, world.expected, world.clock),
            SimulatedKeys(self),
            SecretStore(self),
            Journals(self, world.journal_place),
            PasswordSource(self) if world.policy.by_password else None,
            Workloads(self) if world.pods else None,
            world.nonce,
            Announcements(self),
            [Journals(self, sibling) for sibling in world.siblings],
        )
        if demanded:
            self.rotator.demand()

    async def run(self, end: float, over: Callable[[], bool] = lambda: False, *, checks: bool = True) -> None:
        """Goes on until `end` (monotonic), or until it is over and at rest."""
        clock = self.world.clock
        while clock.monotonic() < end:
            until = await self.rotator.advance(self.sight() if self.sight else None)
            if checks:
                self.look()
            if over() and self.world.at_rest() and self.rotator.waiting_for == "":
                return
            pause = min(max(until - clock.now(), 0.05), 300.0, end - clock.monotonic() + 0.001)
            await asyncio.sleep(pause)

    def look(self) -> None:
        """What people are told holds no token and no password."""
        told = f"{self.rotator.report()} {self.world.announced} {self.rotator.waiting_for}"
        secrets = [self.world.secret.value, self.world.password.value, *self.world.published]
        for secret in filter(None, secrets):
            assert secret not in told, "a secret is shown"
        journal = self.world.journal()
        assert PASSWORD not in (self.world.journal_place.value or "")
        assert len(self.world.journal_place.value or "") < 8000
        assert journal.error.isprintable()

    async def call(self, name: str, do: Callable[[], T], lost: Callable[[], T]) -> T:
        """One call of a port."""
        if self.dead:
            raise Crash
        self.at.pop(len(self.calls), lambda: None)()
        lever = self.levers.get(len(self.calls))
        if self.losing[name] > 0:
            self.losing[name] -= 1
            lever = Lever.LOSE_ANSWER
        self.calls.append(name)
        if lever is not None:
            self.pulled.append(f"{lever.value}: {name}")
        if lever is Lever.DIE_BEFORE:
            self.dead = True
            raise Crash
        if lever is Lever.CANCEL_BEFORE:
            raise asyncio.CancelledError
        await asyncio.sleep(self.latency)
        if lever is Lever.LOSE_REQUEST:
            return lost()
        if lever is Lever.LAND_LATER:
            self.world.loop.call_later(LATE, self.world.land, do)
            return lost()
        if lever is Lever.INTERFERE:
            self.interfere(name)
        changes = name.startswith(CHANGING)
        before = changes and self.world.in_order()
        answer = do()
        if changes:
            assert self.world.in_order() or not before, f"{name} broke the Secret's token"
            self.world.check()
        if self.world.reverter is not None:
            self.world.reverter()
        if lever is Lever.DIE_AFTER:
            self.dead = True
            raise Crash
        if lever is Lever.CANCEL_AFTER:
            raise asyncio.CancelledError
        return lost() if lever is Lever.LOSE_ANSWER else answer

    def interfere(self, name: str) -> None:
        """Somebody else writes the very thing at this very moment, without changing what counts."""
        if name == "write secret" and self.world.secret.version:
            self.world.secret.put(self.world.secret.value, "kubectl (kubectl-annotate)")
        if name == "write journal" and self.world.journal_place.version:
            self.world.journal_place.put(self.world.journal_place.value, "another replica")


class Ports:
    """Argo CD as the checks ask it, and the source of the token as they read it."""

    where = "the Secret"

    def __init__(self, process: Process) -> None:
        self._process = process

    async def ask(self, question: Question, token: Secret, *, fresh: bool = False) -> Answer:
        del fresh
        world, path = self._process.world, request_path(question)
        return await self._process.call(
            f"ask {path}", lambda: world.ask("GET", path, token), lambda: Fault(FaultKind.TIMEOUT)
        )

    async def read(self, *, ask: bool = False) -> Credential:
        value = self._process.world.secret.value
        return Credential(Secret(value) if value is not None else None)


class SimulatedKeys(ArgoCDKeys):
    """The adapter's own understanding of the answers, over the simulator instead of a socket."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def _send(  # type: ignore[override]
        self,
        method: Literal["GET", "POST", "DELETE"],
        path: str,
        *,
        token: Secret | None = None,
        cookie: str | None = None,
        body: Mapping[str, object] | None = None,
        limit: int = MAX_BODY,
        deadline: float | None = None,
    ) -> Reply | Refused | Unknown:
        del limit, deadline
        world = self._process.world

        def do() -> Reply | Refused | Unknown:
            _before(world, method, path, body)
            answer = world.ask(method, path, token, body, cookie)
            if isinstance(answer, Fault):
                return Refused(f"no connection: {answer.kind}")
            if path == "/api/v1/session":
                world.logins += 1
                if answer.status != 200:
                    world.failed_logins.append(world.clock.true())
            return answer

        def lost() -> Reply | Refused | Unknown:
            return Unknown("the answer was lost: timeout")

        return await self._process.call(f"{method} {path}", do, lost)


class SecretStore:
    """The consumers' Secret."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def read(self) -> Stored:
        world = self._process.world
        unreadable = Stored(None, None, readable=False, problem="the Kubernetes API did not answer")

        def do() -> Stored:
            if world.kubernetes_away or world.secret_unreadable:
                return unreadable
            place = world.secret
            token = Secret(place.value) if place.value is not None else None
            return Stored(token, str(place.version) if place.version else None, writer=place.writer)

        return await self._process.call("read secret", do, lambda: unreadable)

    async def write(self, token: Secret, version: str | None) -> Done | Conflict | Refused | Unknown:
        world = self._process.world

        def do() -> Done | Conflict | Refused | Unknown:
            if world.kubernetes_away:
                return Unknown("the Kubernetes API did not answer")
            world.before_publish(token.reveal())
            if world.secret.swap(token.reveal(), version, "token-monitor") is None:
                return Conflict()
            assert world.in_order() or world.late, "a token is published that Argo CD refuses"
            world.published.append(token.reveal())
            if world.undone_before_it_is_read_back and world.reverter is not None:
                world.reverter()
            return Done() if world.secret.value == token.reveal() else Conflict()

        return await self._process.call("write secret", do, lambda: Unknown("the Kubernetes API did not answer"))


class Journals:
    """A journal."""

    def __init__(self, process: Process, place: Place) -> None:
        self._process = process
        self._place = place

    async def read(self) -> tuple[str, str | None] | Unknown:
        world, place = self._process.world, self._place

        def do() -> tuple[str, str | None] | Unknown:
            if world.kubernetes_away:
                return Unknown("the Kubernetes API did not answer")
            return place.value or "", str(place.version) if place.version else None

        return await self._process.call("read journal", do, lambda: Unknown("the Kubernetes API did not answer"))

    async def write(self, text: str, version: str | None) -> str | Conflict | Refused | Unknown:
        world, place = self._process.world, self._place

        def do() -> str | Conflict | Refused | Unknown:
            if world.kubernetes_away:
                return Unknown("the Kubernetes API did not answer")
            return place.swap(text, version, "token-monitor") or Conflict()

        return await self._process.call("write journal", do, lambda: Unknown("the Kubernetes API did not answer"))


class PasswordSource:
    """The Secret with the password. A watch that is behind knows the first one; who asks learns the present one."""

    where = "the password's Secret"

    def __init__(self, process: Process) -> None:
        self._process = process

    async def read(self, *, ask: bool = False) -> Credential:
        world = self._process.world

        def do() -> Credential:
            value = world.password.value if ask else PASSWORD
            return Credential(Secret(value) if value is not None else None, readable=not world.kubernetes_away)

        return await self._process.call("read password", do, _remembered)


class Workloads:
    """The consumers' pods: a restart takes 20 s, and a pod reads the token at its start."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def restart(self, key_id: str) -> Done | Refused | Unknown:
        world = self._process.world

        def do() -> Done | Refused | Unknown:
            if not world.may_restart:
                return Refused("not permitted: give the verb patch on deployments")
            for pod in world.pods:
                if pod.annotation != key_id:
                    pod.annotation, pod.restart_at = key_id, world.clock.true() + 20.0
            return Done()

        return await self._process.call("restart", do, lambda: Unknown("the Kubernetes API did not answer"))

    async def look(self, key_id: str, since: float) -> Consumers | Unknown:
        world = self._process.world

        def do() -> Consumers | Unknown:
            world.restart_due()
            if not world.pods_visible:
                return Consumers(None)
            return Consumers(tuple(pod.name for pod in world.pods if pod.started <= since))

        return await self._process.call("look", do, lambda: Unknown("the Kubernetes API did not answer"))


class Announcements:
    """Events beside the Secret."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def announce(self, announcement: Announcement) -> None:
        def nothing() -> None:
            return None

        await self._process.call("announce", lambda: self._process.world.announced.append(announcement), nothing)


def _remembered() -> Credential:
    return Credential(Secret(PASSWORD), "no answer; the value read before is still used", readable=False)


def _before(world: Outside, method: str, path: str, body: Mapping[str, object] | None) -> None:
    if method == "POST" and path.endswith("/token") and body is not None:
        world.before_mint(str(body["id"]))
    if method == "DELETE":
        key_id = unquote(path.rsplit("/", 1)[1])
        world.before_delete(key_id)
        world.deleted.append(key_id)
    if path == "/api/v1/session":
        world.before_login()
