"""How long nobody leads when the replica that led is killed, and when it is stopped."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from bench.fleet.failover import measure
from bench.results import Figure, Options, Results

# design.md, "Figures to reach".
CRASH_WITHIN = 20.0
STOP_WITHIN = 3.0


def run(options: Options) -> Results:
    """Pairs of replicas, at the same time."""
    return asyncio.run(_run(options))


async def _run(options: Options) -> Results:
    pairs = 1 if options.short else 5
    with tempfile.TemporaryDirectory() as folder:
        found = await measure(pairs, pairs, Path(folder), lambda words: print(f"  … {words}", flush=True))
    return Results(
        title="Failover: until another replica leads",
        figures=[
            Figure("after a crash, slowest", "s", [max(found.crashes)], "SIGKILL", CRASH_WITHIN),
            Figure("after a graceful stop, slowest", "s", [max(found.stops)], "SIGTERM", STOP_WITHIN, digits=2),
        ],
        notes=[f"{pairs} pairs of replicas each, every pair with a Lease of its own."],
        details={"crashes": list(found.crashes), "stops": list(found.stops)},
    )
