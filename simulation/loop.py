"""An event loop in virtual time that knows which process each step belongs to, and can kill a process between two steps.

Nothing waits: where nobody has anything to do, the clock jumps to the next timer. Steps run in the order in which they
were asked for, timers of the same moment too, so that a run is the same each time. A killed process takes no further
step: no `finally` and no `except` of its code runs, as after `kill -9`.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar
from math import inf
from typing import Any

# Cancelled timers are thrown out when there are so many of them.
MAX_CANCELLED = 500
MAX_TASKS_KEPT = 256


class Process:
    """One process of the monitor: alive until it is killed or has ended. kill_at: the step before which it is killed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.steps = 0
        self.kill_at: int | None = None
        self.on_death: list[Callable[[], object]] = []
        self.on_burial: list[Callable[[], None]] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.paused = False
        self.waiting: list[asyncio.Handle] = []

    def kill(self) -> None:
        """Ends it at once: what it had begun stays as it is."""
        if self.alive:
            self.alive = False
            for told in self.on_death:
                told()

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Keeps a task of it: one that nobody refers to would be ended by the garbage collector, and run its `finally`."""
        if len(self.tasks) >= MAX_TASKS_KEPT:
            self.tasks = [kept for kept in self.tasks if not kept.done()]
        self.tasks.append(task)


PROCESS: ContextVar[Process] = ContextVar("process")


class StandstillError(Exception):
    """Everybody waits, and nothing is going to happen."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """The loop of one world, from the begin of a seed to its end."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._order = 0
        self._cancelled = 0
        self._outside = Context()
        self.set_task_factory(_make_task)

    def time(self) -> float:
        """Virtual seconds since the begin."""
        return self.now

    def outside(self, delay: float, do: Callable[..., object], *arguments: object) -> asyncio.TimerHandle:
        """Does something in so many seconds, in no process: what is on its way arrives, whoever died meanwhile."""
        return self.call_at(self.now + delay, do, *arguments, context=self._outside)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """The next step of a task."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """The same: there are no threads."""
        return self.call_soon(callback, *args, context=context)

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """A step in so many seconds."""
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """A step at that time."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._order += 1
        heapq.heappush(self._timers, (when, self._order, handle))
        handle._scheduled = True  # type: ignore[attr-defined]  # noqa: SLF001 - as the loop of asyncio does
        return handle

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Threads would be chance; what they were to do is done now, and known a step later."""
        del executor
        future = self.create_future()

        def do() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(func(*args))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is for whoever waits
                future.set_exception(error)

        self.call_soon(do)
        return future

    def freeze(self, process: Process, seconds: float) -> None:
        """Stops a process as SIGSTOP, or a machine without CPU, does; what came meanwhile is done afterwards."""
        process.paused = True

        def go_on() -> None:
            process.paused = False
            waiting, process.waiting = process.waiting, []
            self._ready.extend(waiting)

        self.outside(seconds, go_on)

    # --- what BaseEventLoop calls ----------------------------------------------------------------------------------------

    def _run_once(self) -> None:
        # One round after the other: the way through `run_forever` would be a good part of a long run.
        ready = self._ready
        while not self._stopping:  # type: ignore[attr-defined]
            if self._timers and (not ready or self._timers[0][0] <= self.now):
                self._take_due(inf if not ready else self.now)
            if not ready:
                raise StandstillError("everybody waits, and nothing is going to happen")
            for _ in range(len(ready)):
                step = ready.popleft()
                if not step.cancelled() and self._may_run(step):
                    step._run()  # noqa: SLF001

    def _take_due(self, until: float) -> None:
        """The timers up to then are steps now. inf: those of the next moment in which there is one, which comes now."""
        timers = self._timers
        while timers and timers[0][0] <= until:
            at, _, handle = heapq.heappop(timers)
            handle._scheduled = False  # type: ignore[attr-defined]  # noqa: SLF001
            if handle.cancelled():
                self._cancelled -= 1
                continue
            if until == inf:
                self.now = until = max(self.now, at)
            self._ready.append(handle)

    def _may_run(self, step: asyncio.Handle) -> bool:
        process = step._context.get(PROCESS)  # type: ignore[attr-defined]  # noqa: SLF001
        if process is None:
            return True
        if not process.alive:
            return False
        if process.paused:
            process.waiting.append(step)
            return False
        process.steps += 1
        if process.steps == process.kill_at:
            process.kill()
            return False
        return True

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        del handle
        self._cancelled += 1
        if self._cancelled > MAX_CANCELLED and self._cancelled * 2 > len(self._timers):
            self._timers = [timer for timer in self._timers if not timer[2].cancelled()]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def _write_to_self(self) -> None:
        """Nobody waits in a selector."""

    def _process_events(self, event_list: object) -> None:
        """There are none."""

    def _asyncgen_finalizer_hook(self, agen: object) -> None:
        """A generator that nobody refers to is forgotten: when the garbage is collected is chance."""


def _make_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any] | Generator[Any, None, Any], **options: Any
) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
    context: Context | None = options.get("context")
    process = PROCESS.get(None) if context is None else context.get(PROCESS)
    if process is not None:
        process.adopt(task)
    return task


def bury(process: Process) -> None:
    """Forgets what a dead process left behind, once the world is over and nothing of it can do harm any more."""
    for task in process.tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - it is pending on purpose
        coroutine = task.get_coro()
        try:
            if not task.done():
                coroutine.close()
        except RuntimeError:
            pass  # its `finally` wanted to wait for something
        except BaseExceptionGroup as ended:  # a TaskGroup tells of its end that way
            if ended.split(GeneratorExit)[1] is not None:
                raise
    process.tasks.clear()
    process.waiting.clear()
    for told in process.on_burial:
        told()
