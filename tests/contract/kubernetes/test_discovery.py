"""Targets in labelled objects, from a real API server to the metrics: they come, change, break and go with their series."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from monitor.cluster import MERGE_PATCH, Answer
from monitor.config.load import settings_of
from monitor.core.discovery import KEYS, LABEL
from monitor.daemon.discovering import Discovering
from monitor.daemon.platform import THIS_MACHINE
from monitor.daemon.shared import Shared
from monitor.metrics import Metrics
from monitor.services.checker import Checked
from monitor.services.fleet import Fleet
from prometheus_client import CollectorRegistry

from tests.contract.kubernetes.conftest import Cluster
from tests.fair_time import fairly

PLURALS = {"ConfigMap": "configmaps", "Secret": "secrets"}
# Seen within a moment, taken over within the interval of the service.
SOON = 3.0


def text(name: str, *, interval: str = "1h", token: str = "argocd-token") -> str:
    return (
        f"name: {name}\nserver: {{svc: argocd-server}}\ninterval: {interval}\n"
        f"auth: {{type: token, tokenSecretKeyRef: {{name: {token}, key: token}}}}\n"
    )


async def put(cluster: Cluster, kind: str, name: str, value: str, **more: str) -> None:
    """Makes a labelled object, or replaces its data."""
    data = {KEYS[0]: value, **more}
    if kind == "Secret":
        data = {key: base64.b64encode(one.encode()).decode() for key, one in data.items()}
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "labels": {LABEL: "true"}},
        "data": data,
    }
    answer = await cluster.api.request("PUT", cluster.path(PLURALS[kind], name), body=body)
    if isinstance(answer, Answer) and answer.status == 404:
        answer = await cluster.api.request("POST", cluster.path(PLURALS[kind]), body=body)
    assert isinstance(answer, Answer)
    assert answer.status in (200, 201), answer.message


async def label(cluster: Cluster, kind: str, name: str, value: str | None) -> None:
    body = {"metadata": {"labels": {LABEL: value}}}
    answer = await cluster.api.request("PATCH", cluster.path(PLURALS[kind], name), body=body, content_type=MERGE_PATCH)
    assert isinstance(answer, Answer)
    assert answer.status == 200


async def delete(cluster: Cluster, kind: str, name: str) -> None:
    answer = await cluster.api.request("DELETE", cluster.path(PLURALS[kind], name))
    assert isinstance(answer, Answer)
    assert answer.status == 200


class Service:
    """What the daemon does with what is discovered."""

    def __init__(self, shared: Shared, discovering: Discovering, metrics: Metrics) -> None:
        self.discovering = discovering
        self.metrics = metrics
        self.fleet = Fleet(shared.clock, lambda: 0.5, self, lambda: None)
        self._shared = shared
        metrics.attach(self.fleet.reports)

    def checked(self, name: str, checked: Checked, lateness: float) -> None:
        """Nothing is checked here."""

    async def comes(self, what: Callable[[], bool]) -> float:
        began = time.monotonic()
        while not what():
            assert time.monotonic() - began < fairly(SOON), self.discovering.service.troubles
            await asyncio.sleep(0.05)
            if await self.discovering.service.refresh():
                self.fleet.set_targets([self._shared.target(one) for one in self.discovering.service.targets])
        return time.monotonic() - began

    def has(self, name: str) -> bool:
        return self.fleet.report(name) is not None

    def troubles(self, name: str) -> list[str]:
        return [str(one) for one in self.discovering.service.troubles if f"/{name}:" in str(one)]

    async def series(self, name: str) -> int:
        return (await self.metrics.render()).decode().count(f'target="{name}"')


@asynccontextmanager
async def discovering(cluster: Cluster) -> AsyncIterator[Service]:
    settings = settings_of(
        {
            "interval": "30m",
            "kubernetes": {"kubeconfig": str(cluster.kubeconfig), "namespace": cluster.namespace},
            "discovery": {"kubernetes": {"namespaces": [cluster.namespace], "kinds": ["ConfigMap", "Secret"]}},
        }
    )
    async with Shared(settings) as shared:
        metrics = Metrics(CollectorRegistry(), "test")
        found = Discovering(settings, shared.kubernetes, shared.clock, metrics, THIS_MACHINE)
        found.start()
        try:
            yield Service(shared, found, metrics)
        finally:
            await found.close()


@pytest.mark.parametrize("kind", PLURALS)
async def test_a_target_comes_changes_breaks_and_goes_with_its_series(cluster: Cluster, kind: str) -> None:
    name = cluster.unique()
    async with discovering(cluster) as service:
        await put(cluster, kind, name, text(name))
        await service.comes(lambda: service.has(name))
        assert await service.series(name) > 0
        report = service.fleet.report(name)
        assert report is not None
        assert report.server == f"http://argocd-server.{cluster.namespace}.svc"
        assert f"{cluster.namespace}/argocd-token" in report.where

        await put(cluster, kind, name, text(name, interval="2h"))
        await service.comes(lambda: (found := service.fleet.report(name)) is not None and found.interval == 7200)

        await put(cluster, kind, name, "name: [")
        await service.comes(lambda: bool(service.troubles(name)))
        assert service.has(name)
        assert "goes on as it was before" in service.troubles(name)[0]
        rendered = (await service.metrics.render()).decode()
        assert f'tokenmonitor_discovery_errors{{source="{kind}s {cluster.namespace}/*"}}' in rendered

        await delete(cluster, kind, name)
        await service.comes(lambda: not service.has(name))
        assert service.troubles(name) == []
        assert await service.series(name) == 0


async def test_what_was_there_before_is_found_and_a_label_taken_away_ends_it(cluster: Cluster) -> None:
    name, other = cluster.unique(), cluster.unique()
    await put(cluster, "ConfigMap", name, text(name))
    await put(cluster, "ConfigMap", other, text(other))
    await label(cluster, "ConfigMap", other, "false")
    async with discovering(cluster) as service:
        await service.comes(lambda: service.has(name))
        assert not service.has(other)
        await label(cluster, "ConfigMap", other, "true")
        await service.comes(lambda: service.has(other))
        await label(cluster, "ConfigMap", other, None)
        await service.comes(lambda: not service.has(other))
        assert service.has(name)


async def test_a_secret_that_carries_its_own_token_is_read_by_its_target(cluster: Cluster) -> None:
    name = cluster.unique()
    await put(cluster, "Secret", name, text(name, token=name), token="not a token")
    async with discovering(cluster) as service:
        await service.comes(lambda: service.has(name))
        (target,) = [one for one in service.discovering.service.targets if one.name == name]
        credential = await service._shared.assembly.source(target.token_source).read()
        assert credential.token is not None
        assert credential.token.reveal() == "not a token"


async def test_a_broken_one_is_told_by_name_and_harms_no_other(cluster: Cluster) -> None:
    broken, good, far = cluster.unique(), cluster.unique(), cluster.unique()
    async with discovering(cluster) as service:
        await put(cluster, "ConfigMap", broken, text("Not_A_Name"))
        await put(cluster, "ConfigMap", far, f"{text(far)}namespace: kube-system\n")
        await put(cluster, "ConfigMap", good, text(good))
        await service.comes(lambda: service.has(good) and bool(service.troubles(broken) and service.troubles(far)))
        assert not service.has(far)
        assert f"is not {cluster.namespace}, where the target was found" in service.troubles(far)[0]
