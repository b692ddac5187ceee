"""The whole service with an Argo CD of three replicas behind a Service: from EndpointSlices to the pages."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from monitor.config import address
from monitor.config.address import ServiceName
from monitor.config.settings import InFile, KubernetesSettings, TargetSettings
from monitor.core import replicas
from monitor.core.replicas import Said
from monitor.core.status import Status
from monitor.simulator import app as argocd_app
from monitor.simulator.faults import Fault, Front
from monitor.simulator.kubernetes.access import Rule
from monitor.simulator.kubernetes.services import Pod, publish

from tests.behaviour.service import NAMESPACE, TARGET, Outside, Service, outside, service, until

SERVICE = "argocd-server"


@dataclass
class Pods:
    """The replicas of Argo CD, each at an address of its own."""

    world: Outside
    fronts: list[Front]
    ports: list[int]

    def publish(self, *replicas: int) -> None:
        """These are ready, and no others."""
        pods = [Pod(f"{SERVICE}-{number}", "127.0.0.1", self.ports[number]) for number in replicas]
        publish(self.world.cluster, NAMESPACE, SERVICE, pods)

    def target(self) -> TargetSettings:
        return self.world.target(service=ServiceName(SERVICE, NAMESPACE), interval=0.2)


@asynccontextmanager
async def three_replicas(folder: Path) -> AsyncIterator[Pods]:
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(outside(folder, replica_lags=(0.0, 0.0, 0.0)))
        fronts = [Front(world.argocd, replica=number) for number in range(3)]
        urls = [await stack.enter_async_context(argocd_app.running(front)) for front in fronts]
        pods = Pods(world, fronts, [address.of_url(url).port for url in urls])
        pods.publish(0, 1, 2)
        world.put_token(world.new_token("tm-1"))
        yield pods


def said(running: Service) -> tuple[int, int, int]:
    found = running.report().replicas
    return (0, 0, 0) if found is None else tuple(found.count(one) for one in Said)  # type: ignore[return-value]


async def test_a_split_is_told_on_every_page_and_is_a_refusal_once_it_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with three_replicas(tmp_path) as pods, service(pods.world.settings(pods.target())) as running:
        await until(lambda: said(running) == (3, 0, 0))
        assert running.status() is Status.VALID
        pods.world.argocd.stick(1)
        pods.world.put_token(pods.world.new_token("tm-2"))
        await until(lambda: said(running) == (2, 1, 0))
        assert running.status() is Status.VALID
        told = await running.told()
        assert f"refused by 1 of 3 replicas of {SERVICE} ({SERVICE}-1)" in told["problem"]
        assert [one["answer"] for one in told["replicas"]["each"]] == ["accepted", "refused", "accepted"]
        assert await running.metric(f'tokenmonitor_server_replicas{{target="{TARGET}",answer="refused"}}') == 1.0
        assert f"2 of 3 accept it, 1 refuses it ({SERVICE}-1)" in (await running.get("/", Accept="text/html"))[1]
        assert (await running.get("/healthz"))[0] == 200
        monkeypatch.setattr(replicas, "STAYS", 0.1)  # not before everything is read that a split says until then
        await until(lambda: running.status() is Status.REJECTED)
        status, text = await running.get("/healthz")
        assert status == 503
        assert f"`kubectl -n {NAMESPACE} delete pod {SERVICE}-1`" in text
        pods.world.argocd.unstick(1)
        await until(lambda: running.status() is Status.VALID)


async def test_pods_that_are_replaced_are_known_within_a_second_and_the_silent_one_refuses_nothing(
    tmp_path: Path,
) -> None:
    async with three_replicas(tmp_path) as pods, service(pods.world.settings(pods.target())) as running:
        await until(lambda: said(running) == (3, 0, 0))
        pods.fronts[2].fault = Fault.UNAVAILABLE
        await until(lambda: said(running) == (2, 0, 1))
        assert running.status() is Status.VALID
        pods.publish(0, 1)
        await until(lambda: said(running) == (2, 0, 0), 1.5)


async def test_a_revocation_that_all_replicas_know_is_refused_at_once(tmp_path: Path) -> None:
    async with three_replicas(tmp_path) as pods, service(pods.world.settings(pods.target())) as running:
        await until(lambda: said(running) == (3, 0, 0))
        pods.world.argocd.revoke_key("codefresh", "tm-1")
        await until(lambda: running.status() is Status.REVOKED, 3.0)
        assert said(running) == (0, 3, 0)


async def test_without_the_permission_the_check_goes_on_and_the_problem_is_told(tmp_path: Path) -> None:
    async with three_replicas(tmp_path) as pods:
        pods.world.cluster.access.restrict("one", Rule("*", "secrets,events", "", (NAMESPACE,)))
        async with service(pods.world.settings(pods.target())) as running:
            await until(lambda: running.status() is Status.VALID)
            await until(lambda: "endpointslices" in running.report().problem)
            assert "only the Service is asked" in (await running.told())["problem"]
            assert said(running) == (0, 0, 0)


async def test_without_a_cluster_the_check_goes_on(tmp_path: Path) -> None:
    async with three_replicas(tmp_path) as pods:
        file = tmp_path / "token"
        file.write_text(pods.world.token() or "")
        target = replace(pods.target(), token_source=InFile(str(file)))
        settings = pods.world.settings(target)
        nowhere = KubernetesSettings(str(tmp_path / "no-such-kubeconfig"), namespace=NAMESPACE)
        async with service(replace(settings, kubernetes=nowhere)) as running:
            await until(lambda: running.status() is Status.VALID)
            assert said(running) == (0, 0, 0)
            text = json.dumps(await running.told())
            assert pods.world.token() not in text
