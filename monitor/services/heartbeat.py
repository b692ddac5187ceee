"""Tells an uptime service at an interval that the monitor works, so that its silence says that it does not.

The first beat comes after one interval, not at the start: a monitor that falls over and over again is not alive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from monitor.core.delivery import pause
from monitor.ports import Clock, Heartbeat

log = structlog.get_logger(__name__)


class Heart:
    """Beats while `alive` says that nothing is wrong (it returns what is, in words). interval: seconds."""

    def __init__(self, clock: Clock, heartbeat: Heartbeat, alive: Callable[[], str | None], interval: float) -> None:
        self._clock = clock
        self._heartbeat = heartbeat
        self._alive = alive
        self._interval = interval
        self._due = clock.monotonic() + interval
        self._failures = 0
        self._problem = ""
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def tick(self) -> None:
        """Starts a beat, if one is due and the monitor works."""
        if self._closed or self._task is not None or self._clock.monotonic() < self._due:
            return
        problem = self._alive()
        if problem is None:
            self._task = asyncio.create_task(self._beat(), name="heartbeat")
        else:
            self._tell(f"the monitor does not work, so its heart stands still: {problem}")

    async def close(self, grace: float) -> None:
        """Ends what is under way."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=grace)

    async def _beat(self) -> None:
        now = self._clock.monotonic()
        try:
            problem = await self._heartbeat.beat()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the address may stand in its text, which no log may hold
            problem = f"a defect of the monitor ({type(error).__name__}): report it"
        finally:
            self._task = None
        self._failures = 0 if problem is None else self._failures + 1
        self._due = now + (self._interval if problem is None else pause(self._failures, self._interval))
        self._tell(problem or "")

    def _tell(self, problem: str) -> None:
        if problem == self._problem:
            return
        if problem:
            log.warning("no heartbeat", problem=problem)
        else:
            log.info("heartbeat again")
        self._problem = problem
