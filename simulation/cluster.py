"""The cluster of one world: the Secrets, the workload that uses the token, and one process's way to the API."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from monitor.cluster import Answer, NoAnswer
from monitor.core.journal import Journal, JournalError, load
from monitor.ports import Clock
from monitor.simulator.kubernetes import controllers, kubectl
from monitor.simulator.kubernetes.access import Rule, service_account
from monitor.simulator.kubernetes.api import SimulatedKubernetes
from monitor.simulator.kubernetes.faults import Plan
from monitor.simulator.kubernetes.front import Broken
from monitor.simulator.kubernetes.state import ClusterState, Key
from monitor.simulator.kubernetes.watches import Watch
from monitor.simulator.kubernetes.wire import JSON, Attributes, Object, Request, Response

from simulation.leases import Leases

if TYPE_CHECKING:
    from simulation.world import World

NAMESPACE = "codefresh"
TARGET = "production"
TOKEN = ("argocd-token", "token")
PASSWORD = ("argocd-initial-admin-secret", "password")
JOURNAL = (f"token-monitor-journal-{TARGET}", "journal")
WORKLOAD = "cap-app-proxy"
GOES_ON = 50.0
USER = service_account(NAMESPACE, "token-monitor")


class ProcessKubernetes(SimulatedKubernetes):
    """The API as one process of the monitor reaches it. What it sent arrives, also when the process is gone."""

    def __init__(self, world: World, clock: Clock) -> None:
        super().__init__(
            world.cluster.state, USER, clock, namespace=NAMESPACE, latency=world.latency, later=world.outside
        )
        self._opened: list[Watch] = []
        self._world = world

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
        """One call; those about Leases by the short way."""
        if "/leases" not in path:
            return await super().request(
                method, path, query=query, body=body, content_type=content_type, accept=accept, deadline=deadline
            )
        world, seconds = self._world, 10.0 if deadline is None else deadline
        plan = world.cluster.plan_for_lease(method, path)
        held = body if isinstance(body, Mapping) else None
        try:
            async with asyncio.timeout(seconds):
                return await world.cluster.leases.request(method, path, held, plan, world.latency, world.outside)
        except TimeoutError:
            return NoAnswer(f"the Kubernetes API did not answer within {seconds:g} s")

    async def close(self) -> None:
        """The process ends."""
        self.cut()

    def cut(self) -> None:
        """Its connections are gone."""
        for watch in self._opened:
            watch.close()

    async def _ask(self, request: Request) -> Response | Watch | Broken:
        outcome = await super()._ask(request)
        if isinstance(outcome, Watch):
            self._opened = [watch for watch in self._opened if watch in self.state.watches] + [outcome]
        return outcome


class _Told(ClusterState):
    """A state that tells of each write in the moment in which it is done."""

    def __init__(self, world: World) -> None:
        super().__init__(world.clock, seed=world.seed)
        self._world = world

    def write(self, key: Key, after: Object | None) -> Object | None:
        """One write of anybody."""
        written = super().write(key, after)
        if key.plural == "secrets":
            self._world.invariants.something_changed()
        return written


class Cluster:
    """What the API holds, and what people do there."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.state = _Told(world)
        self.state.faults.decide = self._decide
        self.leases = Leases()
        self._journal: tuple[str | None, Journal | None] = (None, None)

    def prepare(self) -> None:
        """The password, the workload, and what the monitor may do."""
        plan = self._world.plan
        if plan.by_password:
            self.write(PASSWORD, self._world.password, "argocd-server")
        if "env" in plan.consumers:
            kubectl.put(self.state, controllers.deployment(WORKLOAD, NAMESPACE, replicas=2))
            self.roll()
        if not plan.watched:
            secrets = (TOKEN[0], PASSWORD[0], JOURNAL[0])
            self.state.access.restrict(
                USER,
                Rule("get,update,patch", "secrets", names=secrets),
                Rule("create", "secrets"),
                Rule("get,list,watch,patch", "deployments", "apps"),
                Rule("get,list", "pods"),
                Rule("*", "leases", "coordination.k8s.io"),
                Rule("*", "events", "events.k8s.io"),
                Rule("list,watch", "endpointslices", "discovery.k8s.io"),
                Rule("list,watch", "configmaps,secrets", names=("argocd-cm", "argocd-secret")),
            )

    def read(self, place: tuple[str, str]) -> str | None:
        """A value of a Secret, as it is this moment."""
        return kubectl.value(self.state, NAMESPACE, *place)

    def write(self, place: tuple[str, str], value: str, manager: str) -> None:
        """Somebody writes one value of a Secret, which is made if there is none."""
        name, key = place
        if kubectl.get(self.state, "secrets", NAMESPACE, name) is None:
            kubectl.put_secret(self.state, NAMESPACE, name, {key: value}, manager=manager)
        else:
            kubectl.set_value(self.state, NAMESPACE, name, key, value, manager=manager)

    def delete(self, name: str) -> None:
        """Somebody deletes a Secret."""
        kubectl.delete(self.state, "secrets", NAMESPACE, name)

    def journal(self) -> Journal | None:
        """The journal as it is stored; None where there is none, or it cannot be read."""
        text = self.read(JOURNAL)
        if text != self._journal[0]:
            try:
                self._journal = (text, load(text or ""))
            except JournalError:
                self._journal = (text, None)
        return self._journal[1]

    def goes_on(self) -> None:
        """Others write something else: what is watched hears by a bookmark that the connection lives."""
        self.state.version += 1
        self._world.outside(GOES_ON, self.goes_on)

    def pods(self) -> list[str]:
        """The names of the workload's pods."""
        found = controllers.pods_of(self.state, NAMESPACE, WORKLOAD)
        return [str(pod["metadata"]["name"]) for pod in found]

    def template_version(self) -> str:
        """Changes with the pod template of the workload."""
        found = kubectl.get(self.state, "deployments", NAMESPACE, WORKLOAD)
        return "" if found is None else str(found["metadata"].get("generation", ""))

    def roll(self) -> None:
        """The workload's controller makes the pods of the present template."""
        controllers.roll(self.state, NAMESPACE, WORKLOAD)

    def _decide(self, asked: Attributes) -> Plan | None:
        world = self._world
        world.trace.tell(f"kubernetes {asked.verb} {asked.resource}/{asked.name}")
        plan = world.weather.plan(world.now, asked)
        if plan is not None:
            world.trace.tell(f"kubernetes {asked.verb} {asked.resource}/{asked.name} is hit")
        return plan

    def plan_for_lease(self, method: str, path: str) -> Plan | None:
        """What befalls a request about a Lease. Renewals would drown everything else in the trace."""
        if self.state.away:
            return Plan(refused=True)
        verb = {"GET": "get", "POST": "create", "PUT": "update"}.get(method, method.lower())
        return self._world.weather.plan(self._world.now, Attributes(USER, verb, path, resource="leases"))
