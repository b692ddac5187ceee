"""Lateness, memory, CPU and start of fleets from 10 to 10,000 targets, with plots of how each grows."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.fleet import plots
from bench.fleet.load import ON_TIME, Load, measure
from bench.results import Figure, Options, Results

# design.md, "Figures to reach". Decimal megabytes there; MB here too.
MOST_MEMORY = {1_000: 125.0, 10_000: 360.0}
FIRST_VERDICTS = 60.0
ON_TIME_PART = 99.0
SMALL = (10, 100, 1_000)
LARGE = 10_000
# More than an interval, so that each target has its turn.
SECONDS = 33.0
# For CI: two fleets, whose difference is what a target costs.
SHORT = (100, 1_100)
SHORT_SECONDS = 3.0
# Three times what is measured: a machine with other things to do does not make a target larger.
MOST_KIB_A_TARGET = 40.0
MIB_IN_MB = 1.048576


def run(options: Options) -> Results:
    """All fleets; in short two small ones."""
    return asyncio.run(_short() if options.short else _full(options))


async def _full(options: Options) -> Results:
    # The small ones need 5 % of a core together, so they run at the same time.
    small = await asyncio.gather(*(_one(targets, regimes=("quiet", "scraped")) for targets in SMALL))
    large = await _one(LARGE)
    secure = await _one(LARGE, https=LARGE)
    loads = (*small, large)
    pictures = plots.draw(loads, options.folder)
    return Results(
        title="A fleet: each target a server of its own, checked every 30 s",
        figures=[figure for load in (*loads, secure) for figure in figures_of(load)],
        notes=[
            "scraped: /metrics with all series every 5 s; pages: /status, /healthz and / every 5 s.",
            "memory: resident, after the first verdicts and a quiet interval; 1 MB is 10⁶ bytes.",
            *(f"plot: {path}" for path in pictures),
        ],
        details={"loads": [asdict(load) for load in (*loads, secure)]},
    )


async def _short() -> Results:
    few, many = [await _one(targets, seconds=SHORT_SECONDS, regimes=("quiet",)) for targets in SHORT]
    each = (many.rss - few.rss) * 1024 / (many.targets - few.targets)
    return Results(
        title="A fleet, in short: what a target adds",
        figures=[
            Figure("memory of a target", "KiB", [each], f"{SHORT[0]} to {SHORT[1]} targets", MOST_KIB_A_TARGET),
            Figure("first verdicts", "s", [many.first_verdicts], f"{SHORT[1]} targets", FIRST_VERDICTS),
        ],
        details={"loads": [asdict(load) for load in (few, many)]},
    )


async def _one(
    targets: int, *, https: int = 0, seconds: float = SECONDS, regimes: Sequence[str] = ("quiet", "scraped", "pages")
) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        return await measure(targets, Path(folder), say, https=https, seconds=seconds, regimes=regimes)


def say(words: str) -> None:
    """Progress, for whoever waits."""
    print(f"  … {words}", flush=True)


def figures_of(load: Load) -> list[Figure]:
    """What is promised of this fleet, and what belongs to it."""
    name = f"{load.targets:,} targets" + (", HTTPS" if load.https else "")
    large = load.targets == LARGE
    promised = large and not load.https
    found = [
        Figure("memory", "MB", [load.rss * MIB_IN_MB], name, None if load.https else MOST_MEMORY.get(load.targets)),
        Figure("first verdicts", "s", [load.first_verdicts], name, FIRST_VERDICTS if large else None),
    ]
    for regime, seen in load.regimes.items():
        found.append(
            Figure(
                f"within {ON_TIME * 1000:.0f} ms of the due time",
                "%",
                [100 * seen.on_time],
                f"{name}, {regime}",
                at_least=ON_TIME_PART if large else None,
                digits=2,
            )
        )
        found.append(Figure("CPU of one core", "%", [100 * seen.cpu], f"{name}, {regime}"))
    if promised:
        scraped = load.regimes["scraped"]
        found.append(Figure("a scrape, at most", "s", [scraped.fetch_seconds], name, digits=2))
        found.append(Figure("a scrape", "MB", [scraped.fetch_bytes / 1e6], name))
    return found
