"""What every test of the server shares: reports made by hand, and a server on a port of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from monitor.adapters.server.limits import Limits
from monitor.adapters.server.routes import Sources
from monitor.adapters.server.server import Server
from monitor.core.model import Mode, Verdict
from monitor.core.report import TargetReport
from monitor.core.status import Status

NOW = 1_795_000_000.0
HOST = "127.0.0.1"


def verdict(status: Status = Status.VALID, **changes: object) -> Verdict:
    facts: dict[str, object] = {
        "cause": f"cause of {status.value}",
        "remedy": f"remedy of {status.value}",
        "account": "codefresh",
        "token_id": "tm-1",
        "checked_at": NOW - 5,
        "duration": 0.01,
    }
    return Verdict(status, **(facts | changes))  # type: ignore[arg-type]


def report(name: str = "production", status: Status = Status.VALID, **changes: object) -> TargetReport:
    shown = verdict(status)
    facts: dict[str, object] = {
        "server": "https://argocd.example.com",
        "mode": Mode.TOKEN,
        "where": "Secret codefresh/argocd-token, key token",
        "interval": 15.0,
        "timeout": 10.0,
        "verdict": shown,
        "since": NOW - 3600,
        "told": verdict() if shown.accepted is None and status is not Status.PENDING else shown,
    }
    if status is Status.PENDING:
        facts["told"] = None
    return TargetReport(name, **(facts | changes))  # type: ignore[arg-type]


class World:
    """What the server shows; a test changes it."""

    def __init__(self) -> None:
        self.targets = [report()]
        self.ill: str | None = None
        self.is_ready = True
        self.metrics: Callable[[], Awaitable[bytes]] = self._metrics

    async def _metrics(self) -> bytes:
        return b"tokenmonitor_targets 1.0\n"

    def sources(self) -> Sources:
        return Sources(
            reports=lambda: iter(self.targets),
            report=lambda name: next((r for r in self.targets if r.name == name), None),
            metrics=lambda: self.metrics(),
            alive=lambda: self.ill,
            ready=lambda: self.is_ready,
            now=lambda: NOW,
            version="1.2.3",
        )


@pytest.fixture
def world() -> World:
    return World()


Serve = Callable[..., Awaitable[Server]]


@pytest.fixture
async def serve(world: World) -> AsyncIterator[Serve]:
    """Starts a server on a free port; it ends with the test."""
    async with AsyncExitStack() as stack:

        async def start(limits: Limits | None = None, **files: str) -> Server:
            server = Server(world.sources(), HOST, 0, limits=limits, **files)
            await server.start()
            stack.push_async_callback(server.stop, 0.1)
            return server

        yield start
