"""How long nobody leads: after a crash (SIGKILL) and after a graceful stop (SIGTERM) of the replica that led.

Pairs of replicas, each pair with a Lease of its own on the simulated Kubernetes API.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.fleet.outside import BEARER, NAMESPACE
from bench.fleet.processes import Helper, Monitor, helper, monitor

LEADS = "this replica leads"
LOOK = 0.05
GIVEN_UP = 60.0
# A moment in the life of the Lease, which is renewed every two seconds.
ANY_MOMENT = 2.0
# Processes that start at the same time.
AT_ONCE = 3
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Failovers:
    """Seconds in which nobody led."""

    crashes: Sequence[float]
    stops: Sequence[float]


async def measure(crashes: int, stops: int, folder: Path, say: Say) -> Failovers:
    """So many pairs of each kind, all at the same time."""
    async with AsyncExitStack() as stack:
        outside = await stack.enter_async_context(helper("bench.fleet.outside", "--folder", str(folder)))
        room = asyncio.Semaphore(AT_ONCE)
        kinds = [signal.SIGKILL] * crashes + [signal.SIGTERM] * stops
        found = await asyncio.gather(
            *(_pair(outside, folder, f"pair-{index}", kind, room) for index, kind in enumerate(kinds))
        )
    say(f"{crashes} leaders killed, {stops} stopped")
    return Failovers(found[:crashes], found[crashes:])


async def _pair(outside: Helper, folder: Path, name: str, kind: signal.Signals, room: asyncio.Semaphore) -> float:
    async with AsyncExitStack() as stack:
        both: list[Monitor] = []
        for one in ("a", "b"):
            async with room:
                running = monitor(_configuration(outside, name), folder, f"{name}-{one}")
                both.append(await stack.enter_async_context(running))
        await _until(lambda: any(map(_leads, both)))
        leader, other = both if _leads(both[0]) else reversed(both)
        await asyncio.sleep(random.uniform(ANY_MOMENT, 2 * ANY_MOMENT))
        began = time.monotonic()
        leader.signal(kind)
        await _until(lambda: _leads(other))
        return time.monotonic() - began


def _configuration(outside: Helper, name: str) -> dict[str, Any]:
    return {
        "http": {"port": 0},
        "log": {"format": "json"},
        "kubernetes": {
            "kubeconfig": outside.said["kubeconfig"],
            "namespace": NAMESPACE,
            "lease": {"enabled": True, "name": name},
        },
        "targets": [
            {"name": "argocd", "url": outside.said["argocd"], "auth": {"type": "token", "token": BEARER}},
        ],
    }


def _leads(running: Monitor) -> bool:
    return any(line.get("event") == LEADS for line in running.lines())


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(GIVEN_UP):
        while not condition():
            await asyncio.sleep(LOOK)
