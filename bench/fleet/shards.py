"""Three replicas that share a fleet, one of which ends: how much later than usual its targets are checked again."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from bench.fleet.failover import GIVEN_UP
from bench.fleet.load import address
from bench.fleet.outside import NAMESPACE
from bench.fleet.processes import Monitor, helper, monitor
from bench.fleet.tokens import token

REPLICAS = 3
INTERVAL = 15
LOOK = 0.2
_VERIFIED = re.compile(
    rb'^tokenmonitor_token_verified_timestamp_seconds\{target="([^"]+)"\} (\S+)$',
    re.MULTILINE,
)
Say = Callable[[str], None]


async def measure(targets: int, kind: signal.Signals, folder: Path, say: Say) -> list[float]:
    """Of each target of a replica that ends: seconds between its last check there and its first elsewhere, beyond the interval."""
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(helper("bench.fleet.stub"))
        outside = await stack.enter_async_context(helper("bench.fleet.outside", "--folder", str(folder)))
        settings = _configuration(targets, stub.said["http"], outside.said["kubeconfig"])
        replicas = [
            await stack.enter_async_context(monitor(settings, folder, f"shard-{index}")) for index in range(REPLICAS)
        ]
        await _shared(replicas, targets)
        ending, *others = replicas
        lost = await _verified(ending)
        began, wall = time.monotonic(), time.time()
        ending.signal(kind)
        found: dict[str, float] = {}
        while len(found) < len(lost) and time.monotonic() - began < GIVEN_UP:
            for other in others:
                seen = await _verified(other)
                found |= {name: at for name, at in seen.items() if name in lost.keys() - found.keys() and at > wall}
            await asyncio.sleep(LOOK)
        if len(found) < len(lost):
            raise RuntimeError(f"{len(lost) - len(found)} of {len(lost)} targets were not checked again")
        say(
            f"{len(lost)} of {targets} targets moved after {kind.name}, the last after {max(found.values()) - wall:.1f} s"
        )
        return sorted(max(0.0, found[name] - last - INTERVAL) for name, last in lost.items())


def _configuration(targets: int, port: int, kubeconfig: str) -> dict[str, Any]:
    return {
        "interval": INTERVAL,
        "http": {"port": 0},
        "log": {"format": "json"},
        "kubernetes": {"kubeconfig": kubeconfig, "namespace": NAMESPACE, "shards": {"enabled": True}},
        "targets": [
            {
                "name": f"argocd-{number:05d}",
                "url": f"http://{address(number)}:{port}",
                "auth": {"type": "token", "token": token(number)},
            }
            for number in range(targets)
        ],
    }


async def _shared(replicas: list[Monitor], targets: int) -> None:
    """Waits until each target is checked by exactly one of them."""
    async with asyncio.timeout(GIVEN_UP):
        while True:
            shares = [set(await _verified(each)) for each in replicas]
            if all(shares) and sum(map(len, shares)) == targets == len(set().union(*shares)):
                return
            await asyncio.sleep(1.0)


async def _verified(running: Monitor) -> dict[str, float]:
    """When each target of its share was last checked."""
    text = await running.get("/metrics")
    return {name.decode(): float(at) for name, at in _VERIFIED.findall(text)}
