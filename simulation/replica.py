"""One replica of the monitor: the real `Daemon` as a process of the simulated loop, started, ended and killed at will."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import TYPE_CHECKING

from monitor.adapters.argocd.connections import Connections
from monitor.config.settings import KubernetesSettings
from monitor.core.report import TargetReport
from monitor.daemon.daemon import Daemon
from monitor.daemon.platform import Platform
from monitor.ports import Clock

from simulation.argocd_way import InMemoryConnections
from simulation.cluster import NAMESPACE, ProcessKubernetes
from simulation.loop import PROCESS, Process, bury
from simulation.machine import Chance, LoopTicker, MachineClock, NoPages

if TYPE_CHECKING:
    from simulation.world import World


class Replica:
    """One place where a process of the monitor runs, and is started again after it ended.

    frozen_until: virtual seconds; stood_still: for how many seconds at most a process here ever did.
    """

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.clock = MachineClock(world.loop)
        self.daemon: Daemon | None = None
        self.up_since = float("inf")
        self.frozen_until = 0.0
        self.stood_still = 0.0
        self._world = world
        self._process: Process | None = None
        self._graves: list[Process] = []
        self._starts = 0
        self._end: asyncio.Event | None = None

    @property
    def up(self) -> bool:
        """Whether a process runs here, and is not stopped."""
        return self._process is not None and self._process.alive and self._world.now >= self.frozen_until

    @property
    def process(self) -> Process | None:
        """The present process, or the last one."""
        return self._process

    @property
    def steps(self) -> int:
        """How many steps the present process took."""
        return self._process.steps if self._process is not None else 0

    def start(self) -> None:
        """A new process, which knows nothing but what is stored; nothing where one runs."""
        if self._process is not None and self._process.alive:
            return
        self._starts += 1
        process = self._process = Process(f"{self.name}{self._starts}")
        process.on_death.append(lambda: self._died(process))
        self._graves.append(process)
        self.up_since = self._world.now
        context = Context()
        context.run(PROCESS.set, process)
        self._world.trace.tell(f"process {process.name} starts")
        task = self._world.loop.create_task(self._live(process), name=process.name, context=context)
        task.add_done_callback(lambda done: self._ended(process, done), context=Context())

    def start_after(self, doomed: Process | None, pause: float) -> None:
        """A new process in the place of one that was killed or told to end; so much after its death where it still runs.

        The step at which it is killed may come long after the deed, a process that stands still hears of its end late,
        and all that while nothing else would start anew what is going to be gone.
        """
        if doomed is not None and doomed.alive:
            doomed.on_death.append(lambda: self._world.outside(pause, self.start))
        else:
            self.start()

    def crash(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()

    def crash_in(self, steps: int) -> None:
        """kill -9 before the step that is so many steps away."""
        if self._process is not None:
            self._process.kill_at = self._process.steps + max(1, steps)

    def freeze(self, seconds: float) -> None:
        """The process stands still."""
        if self._process is not None and self._process.alive:
            self.frozen_until = self._world.now + seconds
            self.stood_still = max(self.stood_still, seconds)
            self._world.loop.freeze(self._process, seconds)

    def end(self) -> None:
        """SIGTERM."""
        if self._end is not None:
            self._end.set()

    def report(self, target: str) -> TargetReport | None:
        """What it tells of a target; None where no process runs."""
        return self.daemon.report(target) if self.daemon is not None and self.up else None

    def bury(self) -> None:
        """The world is over."""
        self.crash()
        for process in self._graves:
            bury(process)

    async def _live(self, process: Process) -> None:
        self._end = asyncio.Event()
        daemon = Daemon(self._world.settings, platform=self._platform(process))
        async with daemon:
            self.daemon = daemon
            await self._end.wait()

    def _ended(self, process: Process, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._world.violate(f"process {process.name} ended with {type(error).__name__}: {error}")
        process.kill()

    def _died(self, process: Process) -> None:
        self._world.trace.tell(f"process {process.name} is gone after {process.steps} steps")
        if self._process is process:
            self.daemon = None
            self.up_since = float("inf")

    def _platform(self, process: Process) -> Platform:
        world = self._world
        chance = Chance(f"{world.seed} {process.name}")

        def kubernetes(settings: KubernetesSettings, clock: Clock) -> ProcessKubernetes:
            del settings
            way = ProcessKubernetes(world, clock)
            process.on_death.append(way.cut)
            return way

        def connections(clock: Clock) -> Connections:
            made = InMemoryConnections(clock, world, process.name)
            process.on_death.append(made.cut)
            process.on_burial.append(made.bury)
            return made

        def ticker(
            clock: Clock, next_due: Callable[[], float | None], dispatch: Callable[[], Awaitable[None]]
        ) -> LoopTicker:
            return LoopTicker(clock, next_due, dispatch, stretch=world.plan.stretch)

        return Platform(
            clock=self.clock,
            chance=chance.fraction,
            token_hex=chance.token_hex,
            host=f"{NAMESPACE}-{self.name}",
            kubernetes=kubernetes,
            own_namespace=lambda _: NAMESPACE,
            connections=connections,
            ticker=ticker,
            pages=NoPages,
        )
