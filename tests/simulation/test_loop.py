"""The loop of the simulation: virtual time, and processes that can be killed and frozen between any two steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

import pytest
from simulation.loop import PROCESS, Process, SimulatedLoop, StandstillError, bury

BEGUN: list[Process] = []


def play(story: Callable[[SimulatedLoop], Coroutine[Any, Any, None]]) -> None:
    loop = SimulatedLoop()
    try:
        loop.run_until_complete(story(loop))
    except StandstillError:
        for waiting in asyncio.all_tasks(loop):
            waiting.cancel()
            loop.run_until_complete(asyncio.wait([waiting]))
        raise
    finally:
        while BEGUN:
            bury(BEGUN.pop())
        loop.close()


def begin(loop: SimulatedLoop, work: Coroutine[Any, Any, None]) -> Process:
    process, context = Process("a"), Context()
    BEGUN.append(process)
    context.run(PROCESS.set, process)
    loop.create_task(work, context=context)
    return process


def test_hours_pass_without_waiting_and_timers_of_one_moment_keep_their_order() -> None:
    heard: list[tuple[float, int]] = []

    async def story(loop: SimulatedLoop) -> None:
        for number in range(3):
            loop.call_later(3600.0, lambda number=number: heard.append((loop.time(), number)))
        await asyncio.sleep(7200.0)

    play(story)
    assert heard == [(3600.0, 0), (3600.0, 1), (3600.0, 2)]


def test_a_killed_process_takes_no_further_step_and_runs_no_cleanup() -> None:
    done: list[str] = []

    async def work() -> None:
        try:
            done.append("begun")
            await asyncio.sleep(1.0)
            done.append("went on")
        finally:
            done.append("cleaned up")

    async def story(loop: SimulatedLoop) -> None:
        process = begin(loop, work())
        await asyncio.sleep(0.5)
        process.kill()
        await asyncio.sleep(10.0)
        assert done == ["begun"]

    play(story)


def test_a_process_can_be_killed_before_any_step_that_is_named() -> None:
    done: list[int] = []

    async def work() -> None:
        for number in range(10):
            done.append(number)
            await asyncio.sleep(0)

    async def story(loop: SimulatedLoop) -> None:
        process = begin(loop, work())
        process.kill_at = 4
        await asyncio.sleep(1.0)
        assert done == [0, 1, 2]
        assert not process.alive

    play(story)


def test_what_a_process_sent_arrives_though_it_is_dead() -> None:
    arrived: list[str] = []

    async def story(loop: SimulatedLoop) -> None:
        async def work() -> None:
            loop.outside(5.0, arrived.append, "a request")

        process = begin(loop, work())
        await asyncio.sleep(1.0)
        process.kill()
        await asyncio.sleep(10.0)

    play(story)
    assert arrived == ["a request"]


def test_a_frozen_process_does_afterwards_what_was_due_meanwhile() -> None:
    done: list[float] = []

    async def story(loop: SimulatedLoop) -> None:
        async def work() -> None:
            await asyncio.sleep(1.0)
            done.append(loop.time())

        process = begin(loop, work())
        await asyncio.sleep(0.5)
        loop.freeze(process, 60.0)
        await asyncio.sleep(100.0)

    play(story)
    assert done == [60.5]


def test_a_world_in_which_nothing_can_happen_is_told_as_such() -> None:
    async def story(loop: SimulatedLoop) -> None:
        await loop.create_future()

    with pytest.raises(StandstillError):
        play(story)


def test_a_process_that_is_killed_while_it_waits_within_a_group_of_tasks_is_buried_without_a_word() -> None:
    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
            await asyncio.sleep(60.0)

    async def story(loop: SimulatedLoop) -> None:
        process = begin(loop, work())
        await asyncio.sleep(1.0)
        process.kill()

    play(story)
