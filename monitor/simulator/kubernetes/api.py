"""The simulated API behind the protocol of `monitor.cluster`, without a socket: for tests and simulations.

Its words for what the network does are those of the real connection.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from monitor.cluster import Answer, Event, NoAnswer
from monitor.ports import Clock
from monitor.simulator.kubernetes.front import Broken, Front, Later, lines
from monitor.simulator.kubernetes.state import ClusterState
from monitor.simulator.kubernetes.watches import Watch
from monitor.simulator.kubernetes.wire import JSON, Request, Response

DEADLINE = 10.0
USER_AGENT = "token-monitor/simulated"


class SimulatedKubernetes:
    """A `KubernetesApi` of one user. latency, later: see `Front`. user_agent: the manager where a request names none."""

    def __init__(
        self,
        state: ClusterState,
        user: str,
        clock: Clock,
        *,
        namespace: str = "default",
        deadline: float = DEADLINE,
        latency: Callable[[], float] = lambda: 0.0,
        user_agent: str = USER_AGENT,
        later: Later | None = None,
    ) -> None:
        self.state = state
        self.problem: str | None = None  # why there is no configuration: a lever
        self._front = Front(state, latency, later)
        self._user = user
        self._clock = clock
        self._namespace = namespace
        self._deadline = deadline
        self._user_agent = user_agent

    @property
    def namespace(self) -> str:
        """The namespace of the pod."""
        return self._namespace

    @property
    def clock(self) -> Clock:
        """The clock that deadlines go by."""
        return self._clock

    async def ready(self) -> str | None:
        """Why there is no configuration, if so."""
        return self.problem

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        deadline: float | None = None,
    ) -> Answer | NoAnswer:
        """One call."""
        if self.problem is not None:
            return NoAnswer(self.problem, sent=False)
        seconds = self._deadline if deadline is None else deadline
        raw = b"" if body is None else json.dumps(body).encode()
        request = Request(self._user, method, path, dict(query or {}), raw, content_type, accept, self._user_agent)
        try:
            async with asyncio.timeout(seconds):
                outcome = await self._ask(request)
        except TimeoutError:
            return NoAnswer(f"the Kubernetes API did not answer within {seconds:g} s")
        if isinstance(outcome, Watch):
            outcome.close()
            return NoAnswer("a watch was asked for as a request: call watch() for it")
        return _answer(outcome) if isinstance(outcome, Response) else _no_answer(outcome)

    async def watch(
        self, path: str, *, query: Mapping[str, str], silence: float, accept: str = JSON
    ) -> AsyncIterator[Event | Answer | NoAnswer]:
        """The events of a watch."""
        if self.problem is not None:
            yield NoAnswer(self.problem, sent=False)
            return
        asked = {**query, "watch": "true"}
        request = Request(self._user, "GET", path, asked, b"", JSON, accept, self._user_agent)
        try:
            async with asyncio.timeout(self._deadline):
                opened = await self._ask(request)
        except TimeoutError:
            yield NoAnswer(f"the Kubernetes API did not begin the watch within {self._deadline:g} s")
            return
        if not isinstance(opened, Watch):
            yield _answer(opened) if isinstance(opened, Response) else _no_answer(opened)
            return
        try:
            async with aclosing(lines(opened, silence)) as stream:
                async for line in stream:
                    yield Event(str(line["type"]), _copy(line["object"]))
        except TimeoutError:
            yield NoAnswer(f"nothing was heard of the watch for {silence:.0f} s")
            return
        if opened.broken:
            yield NoAnswer("the watch broke: ClientPayloadError")

    async def _ask(self, request: Request) -> Response | Watch | Broken:
        outcome = await self._front.ask(request)
        if outcome is Broken.SILENT:
            await asyncio.Event().wait()
        return outcome


def _answer(response: Response) -> Answer:
    return Answer(response.status, _copy(response.body))


def _no_answer(broken: Broken) -> NoAnswer:
    if broken is Broken.REFUSED:
        return NoAnswer("the Kubernetes API cannot be reached: Connection refused", sent=False)
    return NoAnswer("the Kubernetes API cannot be reached: ServerDisconnectedError")


def _copy(value: Any) -> Any:
    # As over the wire: what a client does with its copy stays with the client. (Through JSON it takes twice as long.)
    if isinstance(value, dict):
        return {name: _copy(each) for name, each in value.items()}
    return [_copy(each) for each in value] if isinstance(value, list | tuple) else value
