"""A simulated cluster with the monitor's service account in it, for the tests of what works on Secrets and workloads."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from monitor.simulator.kubernetes.access import Rule, service_account
from monitor.simulator.kubernetes.api import SimulatedKubernetes
from monitor.simulator.kubernetes.state import ClusterState, Key

NAMESPACE = "codefresh"
MONITOR = service_account(NAMESPACE, "token-monitor")
SOMEBODY = "somebody"
EPOCH = 1_795_000_000.0


class StillClock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> float:
        return EPOCH + self.passed

    def monotonic(self) -> float:
        return self.passed


class Stage:
    """The cluster, the monitor's way to it, and the levers that the tests share."""

    def __init__(self) -> None:
        self.clock = StillClock()
        self.state = ClusterState(self.clock, seed=1)
        # Without the monitor's own user agent: what is noted as ours was said to be, call by call.
        self.api = SimulatedKubernetes(self.state, MONITOR, self.clock, namespace=NAMESPACE, user_agent="aiohttp/3")
        self.others = SimulatedKubernetes(self.state, SOMEBODY, self.clock, namespace=NAMESPACE)

    def allow(self, *rules: Rule) -> None:
        """The monitor may do this and nothing else."""
        self.state.access.restrict(MONITOR, *rules)

    def secret(self, name: str) -> Mapping[str, Any]:
        """The Secret as it is kept."""
        found = self.state.get(Key("", "secrets", NAMESPACE, name))
        assert found is not None
        return found

    def value(self, name: str, key: str) -> str:
        return base64.b64decode(self.secret(name)["data"][key]).decode()

    def has(self, name: str) -> bool:
        return self.state.get(Key("", "secrets", NAMESPACE, name)) is not None

    async def by_hand(
        self,
        method: str,
        path: str,
        body: object | None = None,
        *,
        manager: str = "kubectl-edit",
        content_type: str = "",
    ) -> Mapping[str, Any]:
        """A call of somebody else, under the field manager `manager`."""
        kind = content_type or ("application/merge-patch+json" if method == "PATCH" else "application/json")
        answer = await self.others.request(
            method, f"/{path}", query={"fieldManager": manager}, body=body, content_type=kind
        )
        assert getattr(answer, "status", 0) in (200, 201), answer
        return answer.body  # type: ignore[union-attr]

    async def put(self, name: str, data: Mapping[str, str], *, manager: str = "kubectl-create", **more: Any) -> None:
        """Makes a Secret as somebody else."""
        encoded = {key: encode(value) for key, value in data.items()}
        metadata = {"name": name, **more.pop("metadata", {})}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded, **more}
        await self.by_hand("POST", f"api/v1/namespaces/{NAMESPACE}/secrets", body, manager=manager)

    async def overwrite(self, name: str, key: str, value: str, *, manager: str = "kubectl-edit") -> None:
        """Somebody else writes one key of a Secret."""
        path = f"api/v1/namespaces/{NAMESPACE}/secrets/{name}"
        await self.by_hand("PATCH", path, {"data": {key: encode(value)}}, manager=manager)


def encode(value: str) -> str:
    return base64.b64encode(value.encode()).decode()
