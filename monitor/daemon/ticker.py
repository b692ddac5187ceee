"""APScheduler, which ticks; what is due is decided by `monitor.core.schedule`.

One job calls the fleet's `dispatch` at the time that the fleet names; others look at files at an interval.
APScheduler plans by the wall clock: when that is set back, its next run would lie hours ahead. So a heartbeat on
the event loop's own clock compares the two, and plans everything anew after a jump.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from monitor.ports import Clock

log = structlog.get_logger(__name__)

DISPATCH = "dispatch"
# Even if nobody wakes it, the fleet is looked at this often.
SAFETY_INTERVAL = 1.0
# What falls due within this time is started together: of ten thousand targets one is due every 3 ms.
GRAIN = 0.01
# A run of APScheduler costs as much as ten starts, so it goes on while more falls due this soon: one run a second in a
# large fleet. It is also the longest that something waits which became due while a run sleeps.
SOON = 0.02
# A run that plans the next one is not yet over for APScheduler when that begins, which would let it pass and wait for
# the safety interval. Each goes on for the safety interval at most, and only one at a time does.
RUNS_AT_ONCE = 3
HEARTBEAT = 2.0
JUMP = 1.0


class _NotTheEnd(logging.Filter):
    """APScheduler calls a job that is cancelled before it began a failure of that job; jobs are cancelled at the end only."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


_NOT_THE_END = _NotTheEnd()  # once: a filter that is there already is not added again


class Ticker:
    """Runs `dispatch` when `next_due` (monotonic seconds, or None) says so."""

    def __init__(
        self, clock: Clock, next_due: Callable[[], float | None], dispatch: Callable[[], Awaitable[None]]
    ) -> None:
        self._clock = clock
        self._next_due = next_due
        self._dispatch = dispatch
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self._heartbeat: asyncio.TimerHandle | None = None
        self._offset = 0.0
        self._ending = False
        self._serving = False
        self._ran_at = self._planned_at = -math.inf  # monotonic

    def start(self) -> None:
        """Begins to tick."""
        logging.getLogger("apscheduler.executors.default").addFilter(_NOT_THE_END)
        self._scheduler.add_job(
            partial(self._run_job, self._run),
            "interval",
            seconds=SAFETY_INTERVAL,
            id=DISPATCH,
            max_instances=RUNS_AT_ONCE,
        )
        self._scheduler.start()
        self._offset = self._clock.now() - self._clock.monotonic()
        self._beat()
        self.wake()

    def every(self, seconds: float, job: Callable[[], Awaitable[None]], name: str) -> None:
        """Runs `job` at an interval, never twice at the same time."""
        self._scheduler.add_job(partial(self._run_job, job), "interval", seconds=seconds, id=name)

    def wake(self) -> None:
        """Plans the next dispatch for what is due first. Call it when something became due earlier."""
        if not self._scheduler.running or self._serving:
            return  # a run that goes on looks again within SOON
        now, due = self._clock.monotonic(), self._next_due()
        pause = SAFETY_INTERVAL if due is None else min(max(due, self._ran_at + GRAIN, now) - now, SAFETY_INTERVAL)
        if now < self._planned_at <= now + pause:
            return  # a run is planned already that comes soon enough: many wakes must not put it off
        self._planned_at = now + pause
        self._scheduler.modify_job(DISPATCH, next_run_time=datetime.now(UTC) + timedelta(seconds=pause))

    def stop(self) -> None:
        """Ends. Jobs that run are cancelled and not waited for."""
        self._ending = True
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def _run(self) -> None:
        """Dispatches, and goes on for a while where more falls due soon."""
        began = self._ran_at = self._clock.monotonic()
        self._planned_at = -math.inf
        if self._serving:
            await self._dispatch()
            return
        self._serving = True
        try:
            while True:
                pause = await self._dispatched()
                if pause > SOON or self._ran_at - began >= SAFETY_INTERVAL:
                    break
                await asyncio.sleep(max(pause, GRAIN))
        finally:
            self._serving = False
        self.wake()

    async def _dispatched(self) -> float:
        """Dispatches; how many seconds later the next is due."""
        self._ran_at = self._clock.monotonic()
        await self._dispatch()
        due = self._next_due()
        return math.inf if due is None else due - self._clock.monotonic()

    async def _run_job(self, job: Callable[[], Awaitable[None]]) -> None:
        try:
            await job()
        except asyncio.CancelledError:
            if not self._ending:  # APScheduler would log the end of the process as the failure of a job
                raise

    def _beat(self) -> None:
        offset = self._clock.now() - self._clock.monotonic()
        if abs(offset - self._offset) > JUMP:
            log.warning("the clock of this machine jumped", seconds=round(offset - self._offset, 1))
            for job in self._scheduler.get_jobs():
                job.modify(next_run_time=datetime.now(UTC))
        self._offset = offset
        self._heartbeat = asyncio.get_running_loop().call_later(HEARTBEAT, self._beat)
