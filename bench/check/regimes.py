"""Two regimes of load, which differ two to five times in what a check costs: under saturation wake-ups serve many.

Saturated: 16 checks are always in flight. Paced: one starts every 3 ms, 333 a second.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable

IN_FLIGHT = 16
RATE = 333.0
MARGIN = 30.0

# One check; True when it found what it had to find.
One = Callable[[], Awaitable[bool]]


class Regime(enum.StrEnum):
    """How the checks come."""

    SATURATED = "saturated"
    PACED = "paced"

    @property
    def words(self) -> str:
        """For the table."""
        return "saturated, 16 in flight" if self is Regime.SATURATED else "paced, 333/s"


async def run(regime: Regime, checks: int, one: One) -> int:
    """Does `checks` checks; how many of them were good."""
    if regime is Regime.SATURATED:
        return await _saturated(checks, one)
    return await _paced(checks, one)


async def _saturated(checks: int, one: One) -> int:
    left = checks

    async def worker() -> int:
        nonlocal left
        good = 0
        while left > 0:
            left -= 1
            good += await one()
        return good

    return sum(await asyncio.gather(*(worker() for _ in range(IN_FLIGHT))))


async def _paced(checks: int, one: One) -> int:
    loop = asyncio.get_running_loop()
    start = loop.time()
    tasks: list[asyncio.Task[bool]] = []

    async def check() -> bool:
        return await one()

    for number in range(checks):
        pause = start + number / RATE - loop.time()
        if pause > 0:
            await asyncio.sleep(pause)
        tasks.append(asyncio.create_task(check()))
    done, _ = await asyncio.wait(tasks, timeout=MARGIN)
    return sum(task.result() for task in done)
