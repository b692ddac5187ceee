"""Drives a fleet in virtual time.

`FakeArgoCD` puts a simulated server behind the port without sockets; its levers break it at will.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from monitor.adapters.argocd.client import request_path
from monitor.core.model import Answer, Expectation, Fault, FaultKind, Reply
from monitor.core.questions import Question
from monitor.core.secret import Secret
from monitor.ports import Credential
from monitor.services.checker import Checked, Checker
from monitor.services.fleet import Fleet, Target
from monitor.simulator.api import Request, handle
from monitor.simulator.rbac import Role
from monitor.simulator.state import ArgoCDState

from tests.virtual_time import VirtualClock, VirtualLoop, play


def in_virtual_time(story: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    """Runs `story` to its end."""
    play(lambda loop: _tell(loop, story))


async def _tell(loop: VirtualLoop, story: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    world = World(loop)
    try:
        await story(world)
    finally:
        await world.close()


class Source:
    """A credential that can change."""

    where = "the test"

    def __init__(self, token: str) -> None:
        self.credential = Credential(Secret(token))

    async def read(self, *, ask: bool = False) -> Credential:
        return self.credential


class FakeArgoCD:
    """The port, over the simulator's answers. `fault`, `hang` and `answer` break it. replica: who answers, None: any."""

    def __init__(self, state: ArgoCDState, replica: int | None = None) -> None:
        self.state = state
        self.replica = replica
        self.asked: list[tuple[float, str]] = []
        self.fresh: list[bool] = []
        self.fault: FaultKind | None = None
        self.hang = 0.0
        self.answer: Reply | None = None

    async def ask(self, question: Question, token: Secret, *, fresh: bool = False) -> Answer:
        path = request_path(question)
        self.asked.append((asyncio.get_running_loop().time(), path))
        self.fresh.append(fresh)
        await asyncio.sleep(self.hang)
        if self.fault is not None:
            return Fault(self.fault)
        if self.answer is not None:
            return self.answer
        request = Request("GET", path, {"authorization": f"Bearer {token.reveal()}"})
        got = handle(self.state, request, self.replica)
        return Reply(got.status, got.body, got.headers.get("content-type", ""))


class World:
    """A fleet with its driver. `log` has (time, target, status shown) of each finished check."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.clock = VirtualClock(loop)
        self.argocd = ArgoCDState(clock=self.clock.now, login_seconds=(0.0, 0.0))
        self.argocd.create_account("ci", role=Role.READONLY)
        self.fleet = Fleet(self.clock, lambda: 0.5, self, self._earlier)
        self.servers: dict[str, FakeArgoCD] = {}
        self.sources: dict[str, Source] = {}
        self.starts: list[tuple[float, str]] = []
        self.lateness: list[float] = []
        self.shown: list[tuple[float, str, str]] = []
        self._paused_until = 0.0
        self._wake = asyncio.Event()
        self._driver = asyncio.create_task(self._drive())

    def target(
        self, name: str, *, interval: float = 15.0, expected: Expectation | None = None, token: str | None = None
    ) -> Target:
        """A target on its own server, with `token` or a live key of the account ci."""
        server = self.servers.setdefault(name, FakeArgoCD(self.argocd))
        if name not in self.sources:
            self.sources[name] = Source(token or self.argocd.mint_key("ci", name))
        expected = expected or Expectation(account="ci")
        checker = Checker(server, self.sources[name], expected, self.clock)
        return Target(name, f"https://{name}.example", expected, interval, 300.0, 10.0, checker, settings=interval)

    def status(self, name: str) -> str:
        report = self.fleet.report(name)
        assert report is not None
        return report.verdict.status.value

    def statuses(self, name: str) -> list[str]:
        """What was shown of a target, without repetitions."""
        seen = [status for _, target, status in self.shown if target == name]
        return [status for index, status in enumerate(seen) if index == 0 or seen[index - 1] != status]

    def checked(self, name: str, checked: Checked, lateness: float) -> None:
        """The fleet's listener."""
        self.lateness.append(lateness)
        now = self.clock.monotonic()
        self.starts.append((now - checked.verdict.duration, name))
        self.shown.append((now, name, self.status(name)))

    def pause_until(self, time: float) -> None:
        """Nobody drives the fleet before that time, as if the process stood still."""
        self._paused_until = time
        self._wake.set()

    async def until(self, time: float) -> None:
        await asyncio.sleep(time - self.clock.monotonic())

    async def close(self) -> None:
        self._driver.cancel()
        await asyncio.wait([self._driver])
        await self.fleet.close(1.0)

    def _earlier(self) -> None:
        self._wake.set()

    async def _drive(self) -> None:
        while True:
            self._wake.clear()
            due = self.fleet.next_due()
            # A step that a float can hold: a smaller one would never arrive.
            now = self.clock.monotonic()
            pause = 1.0 if due is None else max(1e-6, due - now, self._paused_until - now)
            try:
                # Not `wait_for`: on Python 3.11 it forgets a cancellation that comes together with the event.
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                await self.fleet.dispatch()
