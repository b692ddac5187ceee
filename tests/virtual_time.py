"""An event loop whose clock jumps to the next timer instead of waiting: hours pass in milliseconds, and repeatably."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

EPOCH = 1_795_000_000.0


class _Selector(selectors.DefaultSelector):
    """Does not wait: moves the loop's clock instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits, and nothing is going to happen")
        if timeout > 0:
            self.loop.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time passes only when there is nothing to do."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = _Selector()
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        return self.now


class VirtualClock:
    """The loop's time as a `Clock`. `offset` moves the time of day alone."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.offset = 0.0

    def now(self) -> float:
        return EPOCH + self._loop.now + self.offset

    def monotonic(self) -> float:
        return self._loop.now


def play(story: Callable[[VirtualLoop], Coroutine[Any, Any, None]]) -> None:
    """Runs a story to its end, which has to leave no task behind."""
    loop = VirtualLoop()
    try:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(_play(story, loop))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def _play(story: Callable[[VirtualLoop], Coroutine[Any, Any, None]], loop: VirtualLoop) -> None:
    await story(loop)
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert not left, f"tasks that nobody ended: {left}"
