"""Simulated servers on threads of their own, for commands that run to their end in the test's thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from monitor.adapters.clock import SystemClock
from monitor.simulator.app import running
from monitor.simulator.faults import Front
from monitor.simulator.kubernetes.access import service_account
from monitor.simulator.kubernetes.app import running as kubernetes
from monitor.simulator.kubernetes.app import write_kubeconfig
from monitor.simulator.kubernetes.state import ClusterState
from monitor.simulator.rbac import Role
from monitor.simulator.state import ArgoCDState

DEADLINE = 10.0


@dataclass
class Argo:
    """The server, and what it listens on."""

    state: ArgoCDState
    front: Front
    url: str = ""


@dataclass
class Cluster:
    """A simulated Kubernetes, and the kubeconfig with which the monitor's service account reaches it."""

    state: ClusterState
    kubeconfig: Path

    @property
    def user(self) -> str:
        return service_account(NAMESPACE, "token-monitor")


T = TypeVar("T")
NAMESPACE = "codefresh"


@contextmanager
def on_a_thread(serving: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """Enters `serving` on a thread, and leaves it there when the block is left."""
    found: list[T] = []
    started, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with serving() as value:
            found.append(value)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert started.wait(DEADLINE)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(DEADLINE)
        loop.close()


@pytest.fixture
def argocd() -> Iterator[Argo]:
    state = ArgoCDState(login_seconds=(0.0, 0.0))
    state.set_capabilities("admin", "login", "apiKey")
    state.create_account("ci", password="simulated", role=Role.READONLY)
    server = Argo(state, Front(state))
    with on_a_thread(lambda: running(server.front)) as url:
        server.url = url
        yield server


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    state = ClusterState(SystemClock())
    user = service_account(NAMESPACE, "token-monitor")
    with on_a_thread(lambda: kubernetes(state, {"a bearer token": user})) as url:
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", url, "a bearer token", namespace=NAMESPACE)
        yield Cluster(state, kubeconfig)
