"""One Kubernetes API for contract tests: the simulated one over HTTP, and a real one where the environment names it.

Names come from `cluster.unique`, so that tests on a shared real namespace do not meet, and what bears one is deleted
afterwards.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from monitor.adapters.clock import SystemClock
from monitor.adapters.kubernetes.connection import KubernetesConnection
from monitor.cluster import Answer
from monitor.config.settings import KubernetesSettings
from monitor.simulator.kubernetes.app import running, write_kubeconfig
from monitor.simulator.kubernetes.state import ClusterState

KUBECONFIG = os.environ.get("TOKEN_MONITOR_TEST_KUBECONFIG", "")
NAMESPACE = os.environ.get("TOKEN_MONITOR_TEST_NAMESPACE", "default")
ADMIN, ADMIN_TOKEN = "admin", "token-of-the-admin"
CLEANED = (
    "/api/v1/namespaces/{}/secrets",
    "/api/v1/namespaces/{}/configmaps",
    "/api/v1/namespaces/{}/events",
    "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
    "/apis/apps/v1/namespaces/{}/deployments",
    "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
)


@dataclass(slots=True)
class Cluster:
    """An API server. state: of the simulated one, for its levers."""

    api: KubernetesConnection
    namespace: str
    real: bool
    kubeconfig: Path
    state: ClusterState | None = None
    names: list[str] = field(default_factory=list)

    def unique(self, prefix: str = "tm-test") -> str:
        """A name that nobody else uses."""
        self.names.append(f"{prefix}-{secrets.token_hex(5)}")
        return self.names[-1]

    def path(self, plural: str, name: str = "", group: str = "") -> str:
        """Where that is found in the namespace of the tests."""
        root = f"/apis/{group}" if group else "/api/v1"
        return f"{root}/namespaces/{self.namespace}/{plural}{f'/{name}' if name else ''}"

    async def clean(self) -> None:
        """Deletes what the tests made. An event that is named after an object goes with it."""
        for place in CLEANED if self.names else ():
            listed = await self.api.request("GET", place.format(self.namespace))
            items = listed.body.get("items", []) if isinstance(listed, Answer) and listed.status == 200 else []
            for item in items:
                name = item["metadata"]["name"]
                if name.startswith(tuple(self.names)):
                    await self.api.request("DELETE", f"{place.format(self.namespace)}/{name}")


@pytest.fixture(params=["simulated", "real"])
async def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cluster]:
    """The API server to hold to the contract."""
    clock = SystemClock()
    if request.param == "real":
        if not KUBECONFIG:
            pytest.skip("TOKEN_MONITOR_TEST_KUBECONFIG names no real API server")
        api = KubernetesConnection(KubernetesSettings(kubeconfig=KUBECONFIG), clock)
        real = Cluster(api, NAMESPACE, True, Path(KUBECONFIG))
        try:
            yield real
            await real.clean()
        finally:
            await api.close()
        return
    state = ClusterState(clock)
    async with running(state, {ADMIN_TOKEN: ADMIN}) as url:
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", url, ADMIN_TOKEN, namespace=NAMESPACE)
        api = KubernetesConnection(KubernetesSettings(kubeconfig=str(kubeconfig)), clock)
        try:
            yield Cluster(api, NAMESPACE, False, kubeconfig, state)
        finally:
            await api.close()
