"""A stage for the page: a server whose targets and clock a test moves, and a browser that looks at it."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from monitor.adapters.server.limits import Limits
from monitor.adapters.server.routes import Sources
from monitor.adapters.server.server import Server
from monitor.core.report import TargetReport

from tests.page import chromium, samples
from tests.page.chromium import Tab

HOST = "127.0.0.1"
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
RUNBOOKS = "https://runbooks.example.com/token-monitor"


class Stage:
    """What the server shows; a test changes it."""

    def __init__(self) -> None:
        self.targets: list[TargetReport] = samples.thirty()
        self.now = samples.NOW
        self.ill: str | None = None
        self.limits = Limits()
        self.server: Server | None = None
        # Bound all the time, and never listening: nobody else gets the port while the server has stopped.
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind((HOST, 0))
        self.port: int = self._held.getsockname()[1]

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}/"

    async def start(self) -> None:
        """Serves; again on the same port after a `stop`."""
        self.server = Server(self._sources(), HOST, self.port, limits=self.limits)
        await self.server.start()

    async def stop(self) -> None:
        """Stops to serve."""
        server, self.server = self.server, None
        if server is not None:
            await server.stop(0.1)

    async def close(self) -> None:
        """The end of the test."""
        await self.stop()
        self._held.close()

    def _sources(self) -> Sources:
        return Sources(
            reports=lambda: iter(self.targets),
            report=lambda name: next((found for found in self.targets if found.name == name), None),
            metrics=_metrics,
            alive=lambda: self.ill,
            ready=lambda: True,
            now=lambda: self.now,
            version="0.1.0",
            runbooks=RUNBOOKS,
        )


async def _metrics() -> bytes:
    return b"tokenmonitor_targets 1.0\n"


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Served from the start."""
    stage = Stage()
    await stage.start()
    yield stage
    await stage.close()


@pytest.fixture(scope="session")
def devtools() -> Iterator[str]:
    """A browser for all tests of this process."""
    path = chromium.program()
    if path is None:
        reason = "Chromium is missing: install chromium (apt-get install chromium)"
        assert os.environ.get("CI") != "true", reason
        pytest.skip(reason)
    with chromium.running(path) as address:
        yield address


OpenTab = Callable[..., Awaitable[Tab]]


@pytest.fixture
async def new_tab(devtools: str) -> AsyncIterator[OpenTab]:
    """Opens tabs. A test fails when one of them complained about something that it had not `forgiven`."""
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(chromium.connected(devtools))
        tabs: list[Tab] = []

        async def make(*, javascript: bool = True) -> Tab:
            tab = await stack.enter_async_context(browser.tab(javascript=javascript))
            tabs.append(tab)
            await tab.look()
            return tab

        yield make
        for tab in tabs:
            assert [said for said in tab.complaints if not any(word in said for word in tab.forgiven)] == []


@pytest.fixture
async def tab(new_tab: OpenTab) -> Tab:
    """One tab, wide and light."""
    return await new_tab()
