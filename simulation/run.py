"""Runs worlds: one plan, or one seed, to an outcome."""

from __future__ import annotations

import time
from dataclasses import dataclass

from simulation.draw import draw
from simulation.listening import deaf, hearing
from simulation.plan import Plan
from simulation.world import World


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one seed. violation: what did not hold, None when all did. seconds: of CPU; virtual: of its time."""

    seed: int
    violation: str | None
    digest: str
    events: int
    virtual: float
    seconds: float
    healed: bool
    lines: tuple[str, ...] = ()


def play(plan: Plan, seed: int = 0) -> World:
    """One world to its end."""
    world = World(plan, seed)
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
        healed=world.healed_at is not None,
        lines=tuple(world.trace.lines) if world.violation else (),
    )
