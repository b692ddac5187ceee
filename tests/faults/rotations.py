"""A rotation that something happens to at a named call: the stories of `tests/services`, in the words of the fault list."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from tests.services.rotation_process import Lever, Process
from tests.services.rotation_stories import STORIES, check_end, policy, told, undisturbed
from tests.services.rotation_world import World, in_a_world

CREATE, PUBLISH, RESTART, DELETE = "POST /api/v1/account", "write secret", "restart", "DELETE"
REVOKED = "a revoked key"
ON_DEMAND = "a key of ours on demand, with consumers"


@cache
def calls(story: str) -> tuple[str, ...]:
    """Every call of a rotation that nothing happens to."""
    return tuple(undisturbed(STORIES[story]))


def number(story: str, call: str) -> int:
    """The first call of that name."""
    return next(place for place, name in enumerate(calls(story)) if name.startswith(call))


def befallen(story: str, call: str | int, lever: Lever) -> World:
    """The world after a rotation that this happened to at that call: it ended in order all the same."""
    place = call if isinstance(call, int) else number(story, call)
    world, process = told(STORIES[story], {place: lever})
    assert process.pulled, "nothing happened"
    check_end(world, STORIES[story])
    return world


def in_the_world(tell: Callable[[World], Any], **settings: Any) -> World:
    """A story about a target in password mode, unless it says otherwise."""
    return in_a_world(tell, **{"policy": policy(), **settings})


async def rotated(world: World, seconds: float, *, demanded: bool = False) -> Process:
    """One process that runs for so long."""
    process = world.start(demanded=demanded)
    await process.run(world.clock.monotonic() + seconds)
    return process
