"""The cost of a check as one ratio that a busy machine hardly moves, to notice when a change doubles it.

CPU time instead of seconds, against a bare aiohttp GET of the same moment, saturated; of several rounds in turn the
cheapest of each counts, since noise only ever adds.
"""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.check.bench_cpu import Stage, interleaved
from bench.check.regimes import Regime

# Measured on 2 cores that were three to six times overloaded: 0.81 to 0.83, and with each check done twice 1.53 to 1.60.
LIMIT = 1.15
ROUNDS = 6
CHECKS = 1000


@dataclass(frozen=True, slots=True)
class Cost:
    """What a check costs, in bare GETs: as it is, and with all its work done twice."""

    once: float
    twice: float


async def measure() -> Cost:
    """Both, side by side."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stage = await Stage.set_up(stack, folder, blackbox=False)
        found = await interleaved(
            {
                "once": lambda: stage.product("http", Regime.SATURATED, CHECKS),
                "bare": lambda: stage.bare("http", Regime.SATURATED, CHECKS),
                "twice": lambda: stage.product("http", Regime.SATURATED, CHECKS, twice=True),
            },
            ROUNDS,
        )
    best = {name: min(one.cpu for one in rounds) for name, rounds in found.items()}
    return Cost(best["once"] / best["bare"], best["twice"] / best["bare"])
