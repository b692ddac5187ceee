"""The machine under one process of the monitor: its clock (which people set), chance, ticks, and no HTTP server."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from monitor.adapters.server.routes import Sources
from monitor.ports import Clock

from simulation.loop import SimulatedLoop

EPOCH = 1_795_000_000.0
# Jobs that have nothing to do in a world without files and Alertmanagers run so many times more seldom, to save time;
# and the fleet, which says itself when it is due, is looked at unasked this seldom.
SELDOM = {"files": 10.0, "telling": 10.0, "rotations": 2.0}
SAFETY_INTERVAL = 5.0


class TrueClock:
    """The time of the world: Argo CD's and the API's."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop

    def now(self) -> float:
        """Epoch seconds."""
        return EPOCH + self._loop.now

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self._loop.now


class MachineClock(TrueClock):
    """The clock of one machine, wrong by so many seconds."""

    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__(loop)
        self.wrong_by = 0.0

    def now(self) -> float:
        """Epoch seconds, as this machine has them."""
        return super().now() + self.wrong_by


class LoopTicker:
    """`monitor.daemon.ticker.Ticker` by the loop's own timers. stretch: jobs run so many times more seldom."""

    def __init__(
        self,
        clock: Clock,
        next_due: Callable[[], float | None],
        dispatch: Callable[[], Awaitable[None]],
        *,
        stretch: float = 1.0,
    ) -> None:
        self._clock = clock
        self._next_due = next_due
        self._dispatch = dispatch
        self._stretch = stretch
        self._timer: asyncio.TimerHandle | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._started = False

    def start(self) -> None:
        """Begins to tick."""
        self._started = True
        self.wake()

    def every(self, seconds: float, job: Callable[[], Awaitable[None]], name: str) -> None:
        """Runs `job` at an interval, never twice at the same time."""
        loop, pause = asyncio.get_running_loop(), seconds * SELDOM.get(name, 1.0) * self._stretch

        def tick() -> None:
            self._timers[name] = loop.call_later(pause, tick)
            running = self._running.get(name)
            if running is None or running.done():
                self._running[name] = loop.create_task(_run(job), name=name)

        self._timers[name] = loop.call_later(pause, tick)

    def wake(self) -> None:
        """Plans the next dispatch for what is due first."""
        if not self._started:
            return
        if self._timer is not None:
            self._timer.cancel()
        due, longest = self._next_due(), SAFETY_INTERVAL * self._stretch
        pause = longest if due is None else min(max(0.0, due - self._clock.monotonic()), longest)
        self._timer = asyncio.get_running_loop().call_later(pause, self._tick)

    def stop(self) -> None:
        """Ends. Jobs that run are cancelled and not waited for."""
        self._started = False
        for timer in (self._timer, *self._timers.values()):
            if timer is not None:
                timer.cancel()
        for task in self._running.values():
            task.cancel()

    def _tick(self) -> None:
        running = self._running.get("dispatch")
        if running is None or running.done():
            self._running["dispatch"] = asyncio.get_running_loop().create_task(self._run(), name="dispatch")

    async def _run(self) -> None:
        await self._dispatch()
        self.wake()


async def _run(job: Callable[[], Awaitable[None]]) -> None:
    await job()


class NoPages:
    """Nobody looks at the pages."""

    port = 0

    def __init__(self, sources: Sources, http: object) -> None:
        del http
        self.sources = sources

    async def start(self) -> None:
        """Nothing is listened on."""

    def reload_tls(self) -> bool:
        """There is no certificate."""
        return False

    async def stop(self, grace: float) -> None:
        """There is nothing to end."""
        del grace


class Chance:
    """Chance out of a seed, apart for each that asks, so that one more question of one does not change the others."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def fraction(self) -> float:
        """0 to 1."""
        return self._random.random()

    def token_hex(self, count: int) -> str:
        """So many bytes as text."""
        return self._random.randbytes(count).hex()
