"""APScheduler ticks when something is due, is not led astray by a clock that is set, and ends without a word."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from monitor.daemon import ticker
from monitor.daemon.ticker import Ticker

from tests.behaviour.service import PATIENCE, until

SOON = 0.5


@asynccontextmanager
async def beside() -> AsyncIterator[list[float]]:
    """How late plain timers are meanwhile, one every 3 ms: nothing on this machine can be more on time than that."""
    late: list[float] = []

    async def look() -> None:
        due = time.monotonic()
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            while due <= now:
                late.append(now - due)
                due += 0.003

    looking = asyncio.create_task(look())
    try:
        yield late
    finally:
        looking.cancel()
        await asyncio.wait([looking])


def nine_of_ten(late: list[float]) -> float:
    """How late most of them are at most: one of ten comes late where the machine is slow, and not most of them."""
    return sorted(late)[len(late) * 9 // 10]


class Clock:
    """The clock of the machine, which somebody sets."""

    def __init__(self) -> None:
        self.set_by = 0.0

    def now(self) -> float:
        return time.time() + self.set_by

    def monotonic(self) -> float:
        return time.monotonic()


class Work:
    """Is due at a time, and notes when it was done."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.due: float | None = None
        self.done: list[float] = []

    def next_due(self) -> float | None:
        return self.due

    async def dispatch(self) -> None:
        self.done.append(self.clock.monotonic())
        if self.due is not None and self.due <= self.clock.monotonic():
            self.due = None


async def test_what_becomes_due_earlier_is_done_then() -> None:
    clock = Clock()
    work = Work(clock)
    ticking = Ticker(clock, work.next_due, work.dispatch)
    ticking.start()
    try:
        await until(lambda: work.done)
        work.done.clear()
        work.due = clock.monotonic() + 0.1
        ticking.wake()
        await until(lambda: work.due is None, SOON)
    finally:
        ticking.stop()


async def test_what_falls_due_in_quick_succession_waits_for_no_safety_interval() -> None:
    clock = Clock()
    work = Work(clock)
    late: list[float] = []

    async def dispatch() -> None:
        now = clock.monotonic()
        while work.due is not None and work.due <= now:
            late.append(now - work.due)
            work.due += 0.0017

    ticking = Ticker(clock, work.next_due, dispatch)
    work.due = clock.monotonic()
    ticking.start()
    async with beside() as plain:
        try:
            await until(lambda: len(late) >= 500)
        finally:
            ticking.stop()
    assert nine_of_ten(late) < 0.1 + 2 * nine_of_ten(plain)


async def test_it_looks_once_a_second_also_when_nobody_wakes_it() -> None:
    clock = Clock()
    work = Work(clock)
    ticking = Ticker(clock, work.next_due, work.dispatch)
    ticking.start()
    try:
        await until(lambda: len(work.done) >= 2, 2 * ticker.SAFETY_INTERVAL + SOON)
    finally:
        ticking.stop()


class Dense(Work):
    """A large fleet: one is due every 3 ms. `done` has how late each was."""

    def __init__(self, clock: Clock, count: int) -> None:
        super().__init__(clock)
        self.left = [clock.monotonic() + 0.1 + 0.003 * number for number in range(count)]

    def next_due(self) -> float | None:
        return self.left[0] if self.left else None

    async def dispatch(self) -> None:
        now = self.clock.monotonic()
        while self.left and self.left[0] <= now:
            self.done.append(now - self.left.pop(0))


async def test_a_large_fleet_is_served_on_time_by_one_run_a_second(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    work = Dense(clock, 700)
    ticking = Ticker(clock, work.next_due, work.dispatch)
    with caplog.at_level(logging.INFO, "apscheduler"):
        began = clock.monotonic()
        ticking.start()
        async with beside() as plain:
            try:
                await until(lambda: not work.left)
            finally:
                ticking.stop()
        took = clock.monotonic() - began
    runs = [record for record in caplog.records if "executed successfully" in record.getMessage()]
    assert len(runs) <= took / ticker.SAFETY_INTERVAL + 3
    assert nine_of_ten(work.done) <= 0.05 + 2 * nine_of_ten(plain)


async def test_many_wakes_put_nothing_off() -> None:
    clock = Clock()
    work = Work(clock)
    ticking = Ticker(clock, work.next_due, work.dispatch)
    ticking.start()
    try:
        await until(lambda: work.done)
        for _ in range(100):
            work.due = clock.monotonic()
            ticking.wake()
            await asyncio.sleep(0.002)
        assert len(work.done) >= 5
    finally:
        ticking.stop()


async def test_after_the_clock_was_set_everything_is_planned_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker, "HEARTBEAT", 0.05)
    clock = Clock()
    work = Work(clock)
    ticking = Ticker(clock, work.next_due, work.dispatch)
    ran: list[float] = []

    async def job() -> None:
        ran.append(clock.monotonic())

    ticking.start()
    ticking.every(3600.0, job, "seldom")
    try:
        clock.set_by = -7200.0
        await until(lambda: ran, SOON)
    finally:
        ticking.stop()


async def test_a_job_that_runs_at_the_end_is_cancelled_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    work = Work(clock)
    ticking = Ticker(clock, work.next_due, work.dispatch)
    begun, ended = asyncio.Event(), asyncio.Event()

    async def job() -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    ticking.start()
    ticking.every(0.05, job, "long")
    with caplog.at_level(logging.WARNING):
        await asyncio.wait_for(begun.wait(), PATIENCE)
        ticking.stop()
        await asyncio.wait_for(ended.wait(), PATIENCE)
        await asyncio.sleep(0)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_job_that_is_cancelled_before_it_began_is_no_failure_either(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    work = Work(clock)
    ticking = Ticker(clock, work.next_due, work.dispatch)
    ticking.start()
    work.due = clock.monotonic()
    ticking.wake()
    ticking.stop()  # which APScheduler does a moment later
    ticking._scheduler._process_jobs()
    await asyncio.sleep(0.02)
    assert work.done == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
