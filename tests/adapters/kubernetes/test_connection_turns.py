"""Many reads of an API that takes its time: each has its turn, and what cannot wait goes past them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from monitor.adapters.clock import SystemClock
from monitor.adapters.kubernetes.connection import KubernetesConnection
from monitor.cluster import Answer, NoAnswer
from monitor.config.settings import KubernetesSettings
from monitor.simulator.kubernetes import app, kubectl
from monitor.simulator.kubernetes.state import ClusterState

from tests.fair_time import fairly

BEARER = "bearer-of-the-monitor-5a1e"
SECRETS = "/api/v1/namespaces/codefresh/secrets"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/codefresh/leases"


@asynccontextmanager
async def asked(folder: Path, deadline: float, places: int) -> AsyncIterator[tuple[ClusterState, KubernetesConnection]]:
    """An API with a Secret, and a way to it."""
    cluster = ClusterState(SystemClock())
    kubectl.put_secret(cluster, "codefresh", "token", {"token": "of a target"})
    async with app.running(cluster, {BEARER: "monitor"}) as url:
        kubeconfig = app.write_kubeconfig(folder / "kubeconfig", url, BEARER)
        settings = KubernetesSettings(kubeconfig=str(kubeconfig))
        connection = KubernetesConnection(settings, SystemClock(), deadline=deadline, places=places)
        yield cluster, connection
        await connection.close()


async def test_a_deadline_begins_when_a_read_is_sent(tmp_path: Path) -> None:
    deadline = fairly(1.0)
    async with asked(tmp_path, deadline, places=2) as (cluster, connection):
        cluster.faults.delay_answers(0.05, times=None)
        many = 2 * (round(deadline / 0.05) + 5)
        began = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*(connection.request("GET", f"{SECRETS}/token") for _ in range(many)))
        assert asyncio.get_running_loop().time() - began > deadline
        assert {answer.status for answer in answers if isinstance(answer, Answer)} == {200}
        assert not any(isinstance(answer, NoAnswer) for answer in answers)


async def test_the_deadline_of_a_watch_begins_when_it_is_sent_and_one_that_runs_has_no_place(tmp_path: Path) -> None:
    deadline = fairly(1.0)
    async with asked(tmp_path, deadline, places=2) as (cluster, connection):
        cluster.faults.delay_requests(0.05, "watch", times=None)

        async def watched() -> object:
            async with aclosing(connection.watch(SECRETS, query={}, silence=60.0)) as events:
                heard = await anext(events)
                await asyncio.sleep(10.0)
                return heard

        watches = [asyncio.create_task(watched()) for _ in range(2 * (round(deadline / 0.05) + 5))]
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(fairly(10.0)):
            while len(cluster.watches) < len(watches):
                await asyncio.sleep(0.01)
        assert asyncio.get_running_loop().time() - began > deadline
        assert not any(watch.done() for watch in watches)
        for watch in watches:
            watch.cancel()
        await asyncio.wait(watches)


async def test_an_api_that_hangs_is_given_up_by_all_reads_at_the_same_time(tmp_path: Path) -> None:
    async with asked(tmp_path, 0.2, places=1) as (cluster, connection):
        cluster.faults.lose_requests(times=None, hang=True)
        began = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*(connection.request("GET", f"{SECRETS}/token") for _ in range(20)))
        assert asyncio.get_running_loop().time() - began < fairly(1.0)
        assert {answer.why for answer in answers if isinstance(answer, NoAnswer)} == {
            "the Kubernetes API did not answer within 0.2 s"
        }


async def test_what_changes_something_and_what_has_a_deadline_of_its_own_go_past_those_that_wait(
    tmp_path: Path,
) -> None:
    async with asked(tmp_path, 60.0, places=1) as (cluster, connection):
        cluster.faults.lose_requests("get", f"{SECRETS}/*", times=None, hang=True)
        waiting = [asyncio.create_task(connection.request("GET", f"{SECRETS}/token")) for _ in range(3)]
        await asyncio.sleep(0)
        async with asyncio.timeout(fairly(10.0)):
            lease = await connection.request("GET", f"{LEASES}/token-monitor", deadline=30.0)
            written = await connection.request(
                "POST", SECRETS, body={"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "journal"}}
            )
        assert isinstance(lease, Answer)
        assert lease.status == 404
        assert isinstance(written, Answer)
        assert written.status == 201
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
