"""Runs worlds: one plan, or one seed, to an outcome."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from simulation.draw import draw
from simulation.listening import deaf, hearing
from simulation.plan import Plan
from simulation.world import World

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one seed. violation: what did not hold, None when all did. seconds: of CPU; virtual: of its time."""

    seed: int
    violation: str | None
    digest: str
    events: int
    virtual: float
    seconds: float
    lines: tuple[str, ...] = ()


Prepare = Callable[[World], object]


def play(plan: Plan, seed: int = 0, prepare: Prepare | None = None) -> World:
    """One world to its end. prepare: what a scenario sets up beside the plan, such as `world.trace.when(...)`."""
    world = World(plan, seed)
    if prepare is not None:
        prepare(world)
    with hearing(world) as ear:
        world.play()
        ear.check()
    with deaf():
        world.bury()
    return world


def run(seed: int, plan: Plan | None = None) -> Outcome:
    """One seed. The lines of its trace are kept where something did not hold."""
    began = time.process_time()
    world = play(plan or draw(seed), seed)
    return Outcome(
        seed=seed,
        violation=world.violation,
        digest=world.trace.digest,
        events=world.trace.count,
        virtual=world.now,
        seconds=time.process_time() - began,
        lines=tuple(world.trace.lines) if world.violation else (),
    )


def months(days: float) -> Plan:
    """A quiet world for so many days: weekly keys, monthly fire drills, and everybody looks more seldom."""
    return Plan(
        interval=120.0,
        account_interval=3600.0,
        elected=False,
        expires_in=int(7 * DAY),
        drill_every=30 * DAY,
        grace=600.0,
        consumers=("mounted",),
        active=days * DAY,
        stretch=60.0,
    )
