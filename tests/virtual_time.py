"""An event loop whose clock jumps to the next timer instead of waiting: hours pass in milliseconds, and repeatably."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
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


@contextmanager
def virtual_loop() -> Iterator[VirtualLoop]:
    """A loop of its own, the current one meanwhile. Tasks that are left when the block is left end with it.

    One that went on waiting would end when the garbage is collected, in the middle of another test.
    """
    loop = VirtualLoop()
    try:
        asyncio.set_event_loop(loop)
        yield loop
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


def play(story: Callable[[VirtualLoop], Coroutine[Any, Any, None]]) -> None:
    """Runs a story to its end, which has to leave no task behind."""
    with virtual_loop() as loop:
        loop.run_until_complete(story(loop))
        left = asyncio.all_tasks(loop)
        assert not left, f"tasks that nobody ended: {left}"
