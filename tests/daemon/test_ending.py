"""The end of the process: everything at the same time, within its time, whatever hangs or is broken."""

from __future__ import annotations

import asyncio
import time

import pytest
import structlog
from monitor.adapters.clock import SystemClock
from monitor.adapters.server.errors import ServerError
from monitor.config.settings import HttpSettings, Settings
from monitor.daemon import daemon
from monitor.daemon.daemon import Daemon, _within

# design.md, "Figures to reach".
THREE_SECONDS = 3.0


async def test_the_parts_end_at_the_same_time() -> None:
    began = time.monotonic()
    await _within(60.0, *(asyncio.sleep(0.1) for _ in range(200)))
    assert time.monotonic() - began < 10.0, "one after the other they take twenty seconds"


async def test_a_part_that_hangs_is_left_behind_and_told() -> None:
    with structlog.testing.capture_logs() as logs:
        began = time.monotonic()
        await _within(0.1, asyncio.sleep(3600))
        assert time.monotonic() - began < 30.0
    assert [line["event"] for line in logs] == ["not everything ended in time"]


async def test_a_defect_in_one_part_keeps_no_other_from_ending() -> None:
    ended = []

    async def broken() -> None:
        raise ZeroDivisionError("a defect")

    async def sound() -> None:
        await asyncio.sleep(0.01)
        ended.append(True)

    with structlog.testing.capture_logs() as logs:
        await _within(1.0, broken(), sound())
    assert ended
    assert [line["event"] for line in logs] == ["defect while ending"]


def test_the_times_that_are_given_add_up_to_less_than_three_seconds() -> None:
    assert daemon.ROTATION_GRACE < daemon.GRACE
    assert daemon.GRACE + daemon.CLOSING < THREE_SECONDS - 0.5, "the interpreter ends, too"


async def test_an_address_that_is_taken_is_told_and_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    async with Daemon(Settings((), http=HttpSettings("127.0.0.1", 0))) as first:
        second = Daemon(Settings((), http=HttpSettings("127.0.0.1", first.server.port)))
        with pytest.raises(ServerError, match=str(first.server.port)):
            await second.__aenter__()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


class Later(SystemClock):
    """So much later that no check can have been started."""

    def monotonic(self) -> float:
        return super().monotonic() + daemon.STALLED + 1.0


async def test_it_is_alive_while_checks_are_started() -> None:
    async with Daemon(Settings((), http=HttpSettings("127.0.0.1", 0))) as running:
        assert running._alive() is None
        running._clock = Later()
        assert "stands still" in (running._alive() or "")
        running.fleet.dispatched_at = None
        assert "stands still" in (running._alive() or ""), "also when none was ever started"
