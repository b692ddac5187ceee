"""A simulated cluster in virtual time, and the hand that changes Secrets in it as people do."""

from __future__ import annotations

import asyncio
import base64
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.access import Rule, service_account
from monitor.simulator.kubernetes.api import SimulatedKubernetes
from monitor.simulator.kubernetes.state import ClusterState

from tests.virtual_time import VirtualClock, VirtualLoop, play

NAMESPACE = "argocd"
MONITOR = service_account(NAMESPACE, "token-monitor")
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"


class World:
    """One cluster. `api` is the monitor's way to it. What hands do in it is seen by watches in the same moment."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.clock = VirtualClock(loop)
        self.state = ClusterState(self.clock, seed=1)
        self.api = self.way()

    @property
    def now(self) -> float:
        """Virtual seconds since the start."""
        return self.loop.now

    def way(self, user: str = MONITOR, latency: float = 0.01) -> SimulatedKubernetes:
        """Another way to the API. latency: seconds of a round trip."""
        return SimulatedKubernetes(self.state, user, self.clock, namespace=NAMESPACE, latency=lambda: latency / 2)

    def allow(self, verbs: str, resources: str = "secrets", group: str = "", *, names: tuple[str, ...] = ()) -> None:
        """Restricts the monitor to this."""
        self.state.access.restrict(MONITOR, Rule(verbs, resources, group, (NAMESPACE,), names))

    def put(self, name: str, **data: str) -> None:
        """Makes a Secret, or gives it this data and no other."""
        kubectl.put(
            self.state,
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": NAMESPACE},
                "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
            },
        )

    def label(self, name: str, **labels: str | None) -> None:
        """Sets labels, or takes them away."""
        kubectl.change(self.state, "secrets", NAMESPACE, name, {"metadata": {"labels": labels}})

    def delete(self, name: str) -> None:
        """Deletes a Secret."""
        assert kubectl.delete(self.state, "secrets", NAMESPACE, name)

    def secrets(self) -> dict[str, dict[str, str]]:
        """Name and data of each Secret."""
        found = self.state.all("", "secrets", NAMESPACE)
        return {secret["metadata"]["name"]: dict(secret.get("data") or {}) for secret in found}

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Somebody writes something else now and then, as in every real cluster: without that there are no bookmarks."""

        async def beat() -> None:
            found = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "elsewhere", "namespace": "other"}}
            while True:
                kubectl.put(self.state, {**found, "data": {"now": str(self.now)}})
                await asyncio.sleep(10.0)

        task = asyncio.create_task(beat())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled(), task.exception()

    async def until(self, time: float) -> None:
        """Lets time pass until then."""
        assert time >= self.now
        await asyncio.sleep(time - self.now)

    async def wait_for(self, what: Callable[[], bool], seconds: float) -> float:
        """Waits until `what` holds; how long that took."""
        began = self.now
        while not what():
            assert self.now - began <= seconds, f"did not come within {seconds} s"
            await asyncio.sleep(0.01)
        return self.now - began


def in_virtual_time(story: Callable[[World], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """A test that is played in virtual time."""

    async def tell(loop: VirtualLoop) -> None:
        world = World(loop)
        await story(world)
        await asyncio.sleep(0)
        assert not world.state.watches, "watches that nobody closed"

    def test() -> None:
        play(tell)

    functools.update_wrapper(test, story)
    del test.__wrapped__  # type: ignore[attr-defined] # pytest would look for a fixture of the parameter's name
    return test
