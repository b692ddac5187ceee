"""The heartbeat says with its absence that the monitor does not work: it must not beat without reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from monitor.services.heartbeat import Heart
from structlog.testing import capture_logs

from tests.virtual_time import VirtualClock, VirtualLoop, play

TICK = 5.0
INTERVAL = 60.0


class World:
    """An uptime service, and a heart that ticks. problem: what the service answers; sick: why the monitor does not work."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.clock = VirtualClock(loop)
        self.beats: list[float] = []
        self.problem: str | None = None
        self.defect: Exception | None = None
        self.sick: str | None = None
        self.hang = 0.0
        self.heart = Heart(self.clock, self, lambda: self.sick, INTERVAL)
        self.ticking = asyncio.create_task(self._tick())

    async def beat(self) -> str | None:
        self.beats.append(self.clock.monotonic())
        await asyncio.sleep(self.hang)
        if self.defect is not None:
            raise self.defect
        return self.problem

    async def stop(self) -> None:
        self.ticking.cancel()
        await asyncio.wait([self.ticking])
        await self.heart.close(0.5)

    async def _tick(self) -> None:
        while True:
            await self.heart.tick()
            await asyncio.sleep(TICK)


def tell(story: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    async def whole(loop: VirtualLoop) -> None:
        world = World(loop)
        try:
            await story(world)
        finally:
            await world.stop()

    play(whole)


def test_it_beats_at_its_interval_from_one_interval_on() -> None:
    """A monitor that falls over every half a minute never beats."""

    async def story(world: World) -> None:
        await asyncio.sleep(59)
        assert not world.beats
        await asyncio.sleep(242)
        assert world.beats == [60, 120, 180, 240, 300]

    tell(story)


def test_it_stands_still_while_the_monitor_does_not_work() -> None:
    async def story(world: World) -> None:
        await asyncio.sleep(61)
        world.sick = "the scheduler stands still"
        with capture_logs() as logs:
            await asyncio.sleep(3600)
        assert world.beats == [60]
        (line,) = logs
        assert "the scheduler stands still" in line["problem"]
        world.sick = None
        with capture_logs() as logs:
            await asyncio.sleep(TICK)
        assert len(world.beats) == 2
        assert [line["event"] for line in logs] == ["heartbeat again"]

    tell(story)


def test_a_beat_that_was_not_heard_is_repeated_soon_and_said_once() -> None:
    async def story(world: World) -> None:
        world.problem = "the uptime service answered 500: check heartbeat.url"
        with capture_logs() as logs:
            await asyncio.sleep(301)
        assert world.beats == [60, 65, 75, 95, 135, 195, 255]
        assert [line["event"] for line in logs] == ["no heartbeat"]
        world.problem = None
        await asyncio.sleep(74)
        assert world.beats[-1] == 315
        await asyncio.sleep(1)
        assert world.beats[-1] == 375

    tell(story)


def test_a_slow_service_is_asked_once_at_a_time() -> None:
    async def story(world: World) -> None:
        world.hang = 150
        await asyncio.sleep(301)
        assert world.beats == [60, 210]

    tell(story)


@pytest.mark.parametrize("hang", [0.0, 1e6])
def test_after_the_end_it_stands_still(hang: float) -> None:
    async def story(world: World) -> None:
        world.hang = hang
        await asyncio.sleep(61)
        await world.stop()
        assert world.clock.monotonic() < 62
        await asyncio.sleep(300)
        await world.heart.tick()
        assert world.beats == [60]

    tell(story)


def test_a_defect_does_not_show_the_address_and_does_not_end_it() -> None:
    async def story(world: World) -> None:
        world.defect = ValueError("https://hc-ping.com/secret")
        with capture_logs() as logs:
            await asyncio.sleep(61)
        assert "ValueError" in str(logs)
        assert "secret" not in str(logs)
        world.defect = None
        await asyncio.sleep(TICK)
        assert len(world.beats) == 2

    tell(story)
