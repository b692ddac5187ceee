"""A simulated Argo CD on a thread of its own, for commands that run to their end in the test's thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from monitor.simulator.app import running
from monitor.simulator.faults import Front
from monitor.simulator.rbac import Role
from monitor.simulator.state import ArgoCDState

DEADLINE = 10.0


@dataclass
class Argo:
    """The server, and what it listens on."""

    state: ArgoCDState
    front: Front
    url: str = ""


@pytest.fixture
def argocd() -> Iterator[Argo]:
    state = ArgoCDState(login_seconds=(0.0, 0.0))
    state.set_capabilities("admin", "login", "apiKey")
    state.create_account("ci", password="simulated", role=Role.READONLY)
    server = Argo(state, Front(state))
    started, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with running(server.front) as url:
            server.url = url
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert started.wait(DEADLINE)
    yield server
    loop.call_soon_threadsafe(stop.set)
    thread.join(DEADLINE)
    loop.close()
