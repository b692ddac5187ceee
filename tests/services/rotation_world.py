"""A world in virtual time for rotations: what is outside, and processes of the monitor that come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog

from tests.services.rotation_outside import Outside
from tests.services.rotation_process import Crash, Lever, Process
from tests.virtual_time import virtual_loop


class World(Outside):
    """Outside and the processes of the monitor."""

    def start(self, levers: Mapping[int, Lever] | None = None, *, demanded: bool = False) -> Process:
        """A new process of the monitor, which knows nothing but what is stored."""
        return Process(self, dict(levers or {}), demanded=demanded)

    async def start_and_run(self, seconds: float) -> Process:
        """A new process, run for so long."""
        process = self.start()
        await process.run(self.clock.monotonic() + seconds, checks=False)
        return process

    async def run(
        self,
        seconds: float,
        *levers: Mapping[int, Lever],
        demanded: bool = False,
        over: Callable[[], bool] = lambda: False,
        restart_after: float = 2.0,
    ) -> Process:
        """Runs the monitor for so long, or until it is `over` and at rest, started again whenever it dies.

        levers: those of the first process, of the second one, and so on. Returns the first.
        """
        end = self.clock.monotonic() + seconds
        pending = list(levers)
        process = first = self.start(pending.pop(0) if pending else {}, demanded=demanded)
        while True:
            try:
                await process.run(end, over)
                return first
            except (Crash, asyncio.CancelledError):
                await asyncio.sleep(restart_after)
                process = self.start(pending.pop(0) if pending else {})


def in_a_world(story: Callable[[World], Any], **settings: Any) -> World:
    """Tells a story from its begin to its end, in a world of its own."""
    with virtual_loop() as loop:
        world = World(loop, **settings)
        loop.run_until_complete(story(world))
        assert not world.violations
    return world


@contextmanager
def quietly() -> Iterator[None]:
    """No log lines: thousands of rotations run."""
    before = structlog.get_config()
    structlog.configure(processors=[_drop])
    try:
        yield
    finally:
        structlog.configure(**before)


def _drop(_logger: object, _name: str, _event: dict[str, Any]) -> dict[str, Any]:
    raise structlog.DropEvent
