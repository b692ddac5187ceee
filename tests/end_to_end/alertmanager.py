"""Real Alertmanagers (Debian's prometheus-alertmanager): alone or as a cluster, notifying a receiver in the test.

async with receiver() as heard, alertmanager(tmp_path, "a", heard.url) as first:
    ...
    await until(first.firing, 10)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from tests.end_to_end.programs import HOST, answers, free_port, get, listens, program, started

# The real ones wait for half a minute and more: to group, for each other, for peers that are not there yet.
QUICK_GROUPS = {"group_wait": "1s", "group_interval": "1s", "repeat_interval": "1h"}
QUICK_CLUSTER = (
    "--cluster.gossip-interval=50ms",
    "--cluster.pushpull-interval=500ms",
    "--cluster.settle-timeout=1s",
    "--cluster.reconnect-interval=500ms",
    "--cluster.peer-timeout=2s",
)


@dataclass(frozen=True)
class Notification:
    """What one alert of a notification says. status: firing or resolved."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str]


@dataclass
class Receiver:
    """Where Alertmanagers send their notifications: what would page somebody."""

    url: str = ""
    heard: list[Notification] = field(default_factory=list)

    def of(self, alertname: str) -> list[str]:
        """`firing` and `resolved`, as they came."""
        return [one.status for one in self.heard if one.labels["alertname"] == alertname]

    async def serve(self, message: web.BaseRequest) -> web.StreamResponse:
        for alert in (await message.json())["alerts"]:
            self.heard.append(Notification(alert["status"], alert["labels"], alert["annotations"]))
        return web.Response()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """Listens until the block is left."""
    made = Receiver()
    runner = web.ServerRunner(web.Server(made.serve), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0).start()
        made.url = f"http://{HOST}:{runner.addresses[0][1]}/"
        yield made
    finally:
        await runner.cleanup()


@dataclass(frozen=True)
class Alertmanager:
    """A running instance."""

    url: str
    cluster: str

    async def alerts(self) -> list[dict[str, Any]]:
        """Every alert that it holds as firing."""
        found: list[dict[str, Any]] = await get(f"{self.url}/api/v2/alerts")
        return found

    async def firing(self) -> set[str]:
        """Their names."""
        return {alert["labels"]["alertname"] for alert in await self.alerts()}

    async def peers(self) -> int:
        """How many instances the cluster has, as this one sees it."""
        status = await get(f"{self.url}/api/v2/status")
        return len(status["cluster"].get("peers") or ())


@dataclass(frozen=True)
class Ports:
    """Where an instance will be, so that it can be named before it runs."""

    web: int = field(default_factory=free_port)
    cluster: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.web}"


@asynccontextmanager
async def alertmanager(
    folder: Path,
    name: str,
    notify: str | None = None,
    *,
    ports: Ports | None = None,
    peers: Sequence[str] | None = None,
    arguments: Sequence[str] = (),
    listens_only: bool = False,
    group_by: Sequence[str] = (),
) -> AsyncIterator[Alertmanager]:
    """Runs an instance until the block is left. peers: cluster addresses of others; None: no cluster at all.

    group_by: labels of which each value has notifications of its own.
    listens_only: it is ready when its port is open, since it cannot simply be asked (a password, a certificate).
    """
    binary = program("prometheus-alertmanager", "prometheus-alertmanager")
    ports = ports or Ports()
    home = folder / name
    home.mkdir(exist_ok=True)
    hook = [{"url": notify, "send_resolved": True}] if notify else []
    config = {
        "route": {"receiver": "test", **QUICK_GROUPS, "group_by": list(group_by)},
        "receivers": [{"name": "test", "webhook_configs": hook}],
    }
    (home / "alertmanager.yml").write_text(yaml.safe_dump(config))
    cluster = f"{HOST}:{ports.cluster}"
    command = [
        binary,
        "--config.file=alertmanager.yml",
        "--storage.path=data",
        f"--web.listen-address={HOST}:{ports.web}",
        f"--cluster.listen-address={cluster if peers is not None else ''}",
        *QUICK_CLUSTER,
        *(f"--cluster.peer={peer}" for peer in peers or ()),
        *arguments,
    ]
    ready = (lambda: listens(ports.web)) if listens_only else (lambda: answers(f"{ports.url}/-/ready"))
    async with started(command, home / "log", ready):
        yield Alertmanager(ports.url, cluster)
