"""A connection that is closed while somebody waits for an answer: they get none, and nothing else happens."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from monitor.adapters.clock import SystemClock
from monitor.adapters.kubernetes.connection import KubernetesConnection
from monitor.cluster import NoAnswer
from monitor.config.settings import KubernetesSettings
from monitor.simulator.kubernetes.app import running, write_kubeconfig
from monitor.simulator.kubernetes.state import ClusterState


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_who_waits_while_it_is_closed_gets_no_answer_and_nothing_is_sent_again(
    method: str, tmp_path: Path
) -> None:
    state = ClusterState(SystemClock())
    async with running(state, {"token": "monitor"}) as url:
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", url, "token")
        connection = KubernetesConnection(KubernetesSettings(kubeconfig=str(kubeconfig)), SystemClock())
        state.faults.lose_requests(times=None, hang=True)
        waiting = asyncio.create_task(connection.request(method, "/api/v1/namespaces/a/secrets/x", body={}))
        async with asyncio.timeout(5.0):
            while not state.count():
                await asyncio.sleep(0.01)
        await connection.close()
        answer = await waiting
        assert isinstance(answer, NoAnswer)
        assert answer.sent
        assert state.count() == 1
