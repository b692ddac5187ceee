"""How soon a changed Secret and a revocation are known."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from bench.fleet.bench_fleet import MIB_IN_MB, MOST_MEMORY
from bench.fleet.latency import REVOCATION_INTERVAL, changed_secrets, revocations
from bench.results import Figure, Options, Results

# design.md, "Figures to reach".
SECRET_WITHIN = 1.0
REVOCATION_WITHIN = REVOCATION_INTERVAL + 5.0
WATCHED_WITHIN = 1.0
P99 = 0.99
Found = TypeVar("Found")


def run(options: Options) -> Results:
    """One after the other."""
    return asyncio.run(_run(options))


async def _run(options: Options) -> Results:
    targets, changes = (100, 20) if options.short else (1_000, 150)
    secrets = await _in_folder(lambda folder: changed_secrets(targets, changes, folder, say))
    watched = await _in_folder(lambda folder: revocations(changes, folder, say, watched=True))
    interval = await _in_folder(lambda folder: revocations(changes, folder, say, watched=False))
    return Results(
        title="Detection: from the change outside to the verdict",
        figures=[
            *_figures("changed Secret", f"1 of {targets} watched", secrets.seconds, SECRET_WITHIN),
            Figure("memory", "MB", [secrets.rss * MIB_IN_MB], f"{targets} watched Secrets", MOST_MEMORY[1_000]),
            *_figures("revocation", f"interval {REVOCATION_INTERVAL} s", interval, REVOCATION_WITHIN),
            *_figures("revocation", "watchArgoCD", watched, WATCHED_WITHIN),
        ],
        notes=[
            f"{changes} changes each. Of the changed Secrets every second one holds a token that is refused, which is",
            "judged at a second look, 0.3 s after the first.",
        ],
        details={"secret": secrets.seconds, "revocation_interval": interval, "revocation_watched": watched},
    )


async def _in_folder(what: Callable[[Path], Awaitable[Found]]) -> Found:
    with tempfile.TemporaryDirectory() as folder:
        return await what(Path(folder))


def _figures(name: str, regime: str, found: Sequence[float], within: float) -> list[Figure]:
    ordered = sorted(found)
    return [
        Figure(f"{name}, median", "s", [ordered[len(ordered) // 2]], regime, digits=3),
        Figure(f"{name}, 99 %", "s", [ordered[int(P99 * (len(ordered) - 1))]], regime, within, digits=3),
        Figure(f"{name}, slowest", "s", [ordered[-1]], regime, digits=3),
    ]


def say(words: str) -> None:
    """Progress, for whoever waits."""
    print(f"  … {words}", flush=True)
