"""A connection that is closed while somebody waits for an answer: they get none, and nothing else happens."""

from __future__ import annotations

import asyncio
import gc
import json
import warnings
from pathlib import Path

import pytest
import yaml
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


async def test_one_that_is_closed_while_its_credentials_are_still_fetched_leaves_nothing_open(tmp_path: Path) -> None:
    """A program of the kubeconfig takes its time, and the monitor is told to end meanwhile."""
    begun, go_on = tmp_path / "begun", tmp_path / "go-on"
    credential = json.dumps(
        {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "t"}}
    )
    script = f"touch {begun}; while [ ! -e {go_on} ]; do sleep 0.02; done; echo '{credential}'"
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:9", "token")
    document = yaml.safe_load(kubeconfig.read_text())
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script]}
    document["users"][0]["user"] = {"exec": command}
    kubeconfig.write_text(yaml.safe_dump(document))
    connection = KubernetesConnection(KubernetesSettings(kubeconfig=str(kubeconfig)), SystemClock(), deadline=60.0)
    waiting = asyncio.create_task(connection.request("GET", "/api/v1/namespaces/a/secrets/x"))
    async with asyncio.timeout(60.0):
        while not begun.exists():
            await asyncio.sleep(0.01)
        await connection.close()
        go_on.touch()
        answer = await waiting
    assert isinstance(answer, NoAnswer)
    assert (answer.sent, "is closed" in answer.why) == (False, True)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        del connection, waiting
        gc.collect()  # a session that nobody closed says so when it is thrown away
    assert [str(one.message) for one in told] == []
