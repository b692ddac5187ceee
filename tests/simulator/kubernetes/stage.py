"""A simulated cluster in virtual time, and small words for what tests do with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from monitor.cluster import Answer, Event, NoAnswer
from monitor.simulator.kubernetes.api import SimulatedKubernetes
from monitor.simulator.kubernetes.state import ClusterState
from monitor.simulator.kubernetes.verbs import handle
from monitor.simulator.kubernetes.wire import JSON, Object, Request, Response

from tests.virtual_time import EPOCH, VirtualClock, VirtualLoop, play

NAMESPACE = "argocd"
ADMIN = "admin"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
EVENTS = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
MERGE = "application/merge-patch+json"


class StillClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> float:
        return EPOCH + self.passed

    def monotonic(self) -> float:
        return self.passed


class Desk:
    """Requests answered at once, without faults or time."""

    def __init__(self, user: str = ADMIN, *, seed: int = 0) -> None:
        self.clock = StillClock()
        self.state = ClusterState(self.clock, seed=seed)
        self.user = user

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        agent: str = "tests/1.0",
    ) -> Response:
        raw = b"" if body is None else json.dumps(body).encode()
        answer = handle(
            self.state, Request(self.user, method, path, dict(query or {}), raw, content_type, accept, agent)
        )
        assert isinstance(answer, Response)
        return answer

    def patch(self, path: str, body: object, *, content_type: str = MERGE, manager: str = "") -> Response:
        return self.ask("PATCH", path, body, query={"fieldManager": manager}, content_type=content_type)


class World:
    """A cluster, and a way to it, on a loop whose time is virtual. `heard` collects what watches say, with the time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.clock = VirtualClock(loop)
        self.state = ClusterState(self.clock)
        self.api = SimulatedKubernetes(self.state, ADMIN, self.clock, namespace=NAMESPACE)
        self.heard: list[tuple[float, Event | Answer | NoAnswer]] = []
        self._listening: list[asyncio.Task[None]] = []

    async def listen(
        self, path: str = SECRETS, *, silence: float = 90.0, accept: str = JSON, **query: str
    ) -> asyncio.Task[None]:
        """Watches in the background, from now on unless a version is given."""
        asked = {"resourceVersion": str(self.state.version), **query}
        task = asyncio.create_task(self._listen(path, silence, accept, asked))
        self._listening.append(task)
        await asyncio.sleep(0.001)
        return task

    async def _listen(self, path: str, silence: float, accept: str, query: dict[str, str]) -> None:
        async for item in self.api.watch(path, query=query, silence=silence, accept=accept):
            self.heard.append((round(self.clock.monotonic(), 2), item))

    def types(self) -> list[str]:
        """What was heard, in words: event types, HTTP statuses, `broken: WHY`."""
        return [_word(item) for _, item in self.heard]

    async def close(self) -> None:
        for task in self._listening:
            task.cancel()
        if self._listening:
            await asyncio.wait(self._listening)


def in_virtual_time(story: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    """Runs `story` to its end."""
    play(lambda loop: _tell(loop, story))


def secret(name: str = "token", **data: str) -> Object:
    """A Secret to send; values as base64."""
    return {"metadata": {"name": name}, "data": data or {"token": "b25l"}}


async def _tell(loop: VirtualLoop, story: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    world = World(loop)
    try:
        await story(world)
    finally:
        await world.close()
    assert not world.state.watches


def _word(item: Event | Answer | NoAnswer) -> str:
    if isinstance(item, Event):
        return item.type
    return str(item.status) if isinstance(item, Answer) else f"broken: {item.why}"
