"""What a world hears of the log, and whose it is."""

from __future__ import annotations

import asyncio
import gc

from simulation.plan import Plan
from simulation.run import play
from simulation.world import World

QUIET = Plan(active=20.0)


def forget_a_task(loop: asyncio.AbstractEventLoop) -> None:
    """A task that waits for something which nobody holds: it is there until the garbage is collected."""

    async def wait() -> None:
        await loop.create_future()

    loop.create_task(wait())


def test_what_others_in_the_process_forgot_is_no_violation_when_it_is_collected_meanwhile() -> None:
    other = asyncio.new_event_loop()
    forget_a_task(other)
    other.run_until_complete(asyncio.sleep(0))
    other.close()
    world = play(QUIET, prepare=lambda world: world.outside(10.0, gc.collect))
    assert world.violation is None


def test_what_the_world_itself_forgot_is_one() -> None:
    def prepare(world: World) -> None:
        world.outside(5.0, forget_a_task, world.loop)
        world.outside(10.0, gc.collect)

    violation = play(QUIET, prepare=prepare).violation
    assert violation is not None
    assert "Task was destroyed but it is pending" in violation
