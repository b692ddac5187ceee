"""How long nobody leads when the replica that led ends, and how long the targets of a shard that ends stay unchecked."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from pathlib import Path

from bench.fleet import shards
from bench.fleet.failover import measure
from bench.results import Figure, Options, Results

# design.md, "Figures to reach".
CRASH_WITHIN = 20.0
STOP_WITHIN = 3.0
# Of the fleet that is shared.
TARGETS = 300


def run(options: Options) -> Results:
    """Pairs of replicas, at the same time."""
    return asyncio.run(_run(options))


async def _run(options: Options) -> Results:
    pairs = 1 if options.short else 5
    with tempfile.TemporaryDirectory() as folder:
        found = await measure(pairs, pairs, Path(folder), say)
        killed = await shards.measure(TARGETS, signal.SIGKILL, Path(folder), say)
        stopped = await shards.measure(TARGETS, signal.SIGTERM, Path(folder), say)
    return Results(
        title="Failover: until another replica leads",
        figures=[
            Figure("after a crash, slowest", "s", [max(found.crashes)], "SIGKILL", CRASH_WITHIN),
            Figure("after a graceful stop, slowest", "s", [max(found.stops)], "SIGTERM", STOP_WITHIN, digits=2),
            Figure("target unchecked beyond its interval, longest", "s", [killed[-1]], "shards, SIGKILL", CRASH_WITHIN),
            Figure(
                "target unchecked beyond its interval, longest",
                "s",
                [stopped[-1]],
                "shards, SIGTERM",
                STOP_WITHIN,
                digits=2,
            ),
        ],
        notes=[
            f"{pairs} pairs of replicas each, every pair with a Lease of its own.",
            f"shards: one of {shards.REPLICAS} ends that share {TARGETS} targets, checked every {shards.INTERVAL} s.",
        ],
        details={
            "crashes": list(found.crashes),
            "stops": list(found.stops),
            "shard_killed": killed,
            "shard_stopped": stopped,
        },
    )


def say(words: str) -> None:
    """Progress, for whoever waits."""
    print(f"  … {words}", flush=True)
