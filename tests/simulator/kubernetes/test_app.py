"""The simulated API behind a socket: users by their tokens, streams, broken connections, a clean stop."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from monitor.adapters.clock import SystemClock
from monitor.adapters.kubernetes.connection import KubernetesConnection
from monitor.cluster import Answer, Event, NoAnswer
from monitor.config.settings import KubernetesSettings
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.access import service_account
from monitor.simulator.kubernetes.app import MAX_BODY, running, write_kubeconfig
from monitor.simulator.kubernetes.state import ClusterState

from tests.simulator.kubernetes.stage import NAMESPACE, SECRETS, secret

MONITOR = service_account(NAMESPACE, "token-monitor")


@dataclass
class Served:
    state: ClusterState
    client: aiohttp.ClientSession
    api: KubernetesConnection
    kubeconfig: Path


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    clock = SystemClock()
    state = ClusterState(clock)
    async with running(state, {"good": MONITOR}) as url:
        kubeconfig = write_kubeconfig(tmp_path / "config", url, "good", namespace=NAMESPACE)
        api = KubernetesConnection(KubernetesSettings(kubeconfig=str(kubeconfig)), clock)
        async with aiohttp.ClientSession(url) as client:
            yield Served(state, client, api, kubeconfig)
        await api.close()


async def test_the_token_names_the_user(served: Served) -> None:
    assert isinstance(await served.api.request("GET", f"{SECRETS}/x"), Answer)
    assert served.state.requests[-1].user == MONITOR
    async with served.client.get(SECRETS, headers={"Authorization": "Bearer bad"}) as answer:
        assert (answer.status, (await answer.json())["message"]) == (401, "Unauthorized")
    async with served.client.get(SECRETS) as answer:
        assert answer.status == 403
        assert 'User "system:anonymous" cannot list' in (await answer.json())["message"]


async def test_the_kubeconfig_leads_there_and_is_for_its_owner_alone(served: Served) -> None:
    assert await served.api.ready() is None
    assert served.api.namespace == NAMESPACE
    assert stat.S_IMODE(served.kubeconfig.stat().st_mode) == 0o600


async def test_query_and_patch_go_through(served: Served) -> None:
    made = await served.api.request("POST", SECRETS, body=secret("x y".replace(" ", "-")), query={"fieldManager": "me"})
    assert isinstance(made, Answer)
    assert made.body["metadata"]["managedFields"][0]["manager"] == "me"
    query = {"fieldSelector": "metadata.name=x-y", "labelSelector": "a notin (b, c)"}
    found = await served.api.request("GET", SECRETS, query=query)
    assert isinstance(found, Answer)
    assert [each["metadata"]["name"] for each in found.body["items"]] == ["x-y"]


async def test_a_watch_is_a_stream_of_lines_that_begins_at_once(served: Served) -> None:
    headers = {"Authorization": "Bearer good"}
    async with served.client.get(SECRETS, params={"watch": "true"}, headers=headers) as answer:
        assert (answer.status, answer.headers["transfer-encoding"]) == (200, "chunked")
        kubectl.put_secret(served.state, NAMESPACE, "x", {"token": "one"})
        kubectl.put_secret(served.state, NAMESPACE, "x", {"token": "two"})
        lines = [json.loads(await answer.content.readline()) for _ in range(2)]
    assert [line["type"] for line in lines] == ["ADDED", "MODIFIED"]
    async with asyncio.timeout(30):
        while served.state.watches:
            await asyncio.sleep(0.01)


async def test_a_watch_ends_in_good_order_or_breaks_and_the_client_can_tell(served: Served) -> None:
    heard = [item async for item in served.api.watch(SECRETS, query={"timeoutSeconds": "1"}, silence=5)]
    assert heard == []

    async def cut() -> None:
        while not served.state.watches:
            await asyncio.sleep(0.01)
        kubectl.put_secret(served.state, NAMESPACE, "x", {})
        await came.wait()
        served.state.drop_watches()

    came = asyncio.Event()
    cutting = asyncio.create_task(cut())
    heard = []
    async for item in served.api.watch(SECRETS, query={}, silence=30):
        heard.append(item)
        came.set()
    await cutting
    assert isinstance(heard[0], Event)
    assert isinstance(heard[-1], NoAnswer)
    assert len(heard) == 2


async def test_faults_reach_the_client_as_broken_connections_and_statuses(served: Served) -> None:
    served.state.faults.lose_answers("create")
    lost = await served.api.request("POST", SECRETS, body=secret("x"))
    assert isinstance(lost, NoAnswer)
    assert lost.sent
    assert kubectl.get(served.state, "secrets", NAMESPACE, "x") is not None
    served.state.faults.answer(429)
    async with served.client.get(SECRETS, headers={"Authorization": "Bearer good"}) as answer:
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    served.state.faults.lose_requests(hang=True)
    assert isinstance(await served.api.request("GET", SECRETS, deadline=0.2), NoAnswer)
    served.state.go_away(60)
    assert isinstance(await served.api.request("GET", SECRETS), NoAnswer)
    served.state.come_back()
    assert isinstance(await served.api.request("GET", SECRETS), Answer)


async def test_a_body_without_end_is_not_read_to_its_end(served: Served) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY // 65536 + 2):
            yield b" " * 65536

    headers = {"Authorization": "Bearer good"}
    try:
        async with served.client.post(SECRETS, data=endless(), headers=headers) as answer:
            assert answer.status == 413
    except aiohttp.ClientError:
        pass  # cut before all was sent


async def test_it_stops_with_watches_open_and_requests_hanging() -> None:
    state = ClusterState(SystemClock())
    async with aiohttp.ClientSession() as client:
        async with running(state, {"good": "admin"}) as url:
            headers = {"Authorization": "Bearer good"}
            state.faults.lose_requests("get", hang=True)
            hanging = asyncio.create_task(client.get(f"{url}{SECRETS}/x", headers=headers))
            watch = await client.get(f"{url}{SECRETS}", params={"watch": "1"}, headers=headers)
            await asyncio.sleep(0.05)
        with pytest.raises(aiohttp.ClientError):
            await hanging
        watch.close()
    assert state.watches == ()
