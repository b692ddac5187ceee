"""Workloads of an API: annotated once a key. (A real API without a controller manager starts no pods, so none is
waited for here; `tests/adapters/kubernetes` does.)
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from monitor.adapters.kubernetes.consumers import KubernetesConsumers, Workload
from monitor.cluster import Answer
from monitor.core.effects import Consumers, Done, Refused

from tests.contract.kubernetes.conftest import Cluster

PATIENCE = 10


class Deployed:
    """A Deployment of its own for one test."""

    def __init__(self, cluster: Cluster) -> None:
        self.api = cluster.api
        self.namespace = cluster.namespace
        self.name = cluster.unique("consumer")
        self.path = cluster.path("deployments", group="apps/v1")

    def consumers(self, workload: Workload) -> KubernetesConsumers:
        return KubernetesConsumers(self.api, self.namespace, (workload,))

    async def make(self) -> None:
        labels = {"app": self.name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "none.invalid/i"}]}}
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.name, "labels": labels},
            "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
        }
        answer = await self.api.request("POST", self.path, body=body)
        assert isinstance(answer, Answer)
        if answer.status == 404:
            pytest.skip("this API serves no Deployments")
        assert answer.status == 201, answer.message

    async def read(self) -> Any:
        answer = await self.api.request("GET", f"{self.path}/{self.name}")
        assert isinstance(answer, Answer)
        return answer.body


@pytest.fixture
async def deployed(cluster: Cluster) -> Deployed:
    deployed = Deployed(cluster)
    await deployed.make()
    return deployed


@pytest.mark.parametrize("by", ["name", "selector"])
async def test_a_restart_annotates_the_pod_template_and_the_same_key_again_changes_nothing(
    deployed: Deployed, by: str
) -> None:
    named = Workload("Deployment", deployed.name)
    consumers = deployed.consumers(named if by == "name" else Workload("Deployment", None, f"app={deployed.name}"))
    assert await consumers.restart("tm-1") == Done()
    once = await deployed.read()
    assert once["spec"]["template"]["metadata"]["annotations"] == {"tokenmonitor.io/key-id": "tm-1"}
    assert await consumers.restart("tm-1") == Done()
    again = await deployed.read()
    assert again["metadata"]["generation"] == once["metadata"]["generation"]
    assert again["spec"] == once["spec"]


async def test_a_workload_without_pods_has_nobody_to_wait_for(deployed: Deployed) -> None:
    consumers = deployed.consumers(Workload("Deployment", deployed.name))
    looked = await consumers.look("tm-1", 0.0)
    for _ in range(PATIENCE):
        if looked == Consumers(()):
            break
        # An API whose pods are a custom resource may still be setting up their storage (429).
        await asyncio.sleep(1.0)
        looked = await consumers.look("tm-1", 0.0)
    assert looked == Consumers(())


async def test_a_workload_that_does_not_exist_is_told(deployed: Deployed) -> None:
    outcome = await deployed.consumers(Workload("Deployment", f"{deployed.name}-typo")).restart("tm-1")
    assert isinstance(outcome, Refused)
    assert "does not exist" in outcome.why
