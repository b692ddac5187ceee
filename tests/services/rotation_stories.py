"""Rotations of each kind, to be disturbed at each of their calls: how each begins, and how long it may take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.core.journal import State, dump
from monitor.core.model import Expectation
from monitor.core.policy import Policy

from tests.services.rotation_outside import ACCOUNT, DAY, HOUR, Place, Pod
from tests.services.rotation_process import Lever, Process
from tests.services.rotation_world import World, in_a_world

GRACE = 60.0


@dataclass(frozen=True)
class Story:
    """One kind of rotation. ended: what holds at the end beside that all is at rest. over: when it may be looked at."""

    prepare: Callable[[World], None]
    settings: Mapping[str, Any] = field(default_factory=dict)
    demanded: bool = False
    ended: Callable[[World], bool] = lambda world: True
    over: Callable[[World], bool] | None = None
    longest: float = 6 * HOUR


def policy(**changes: Any) -> Policy:
    return Policy(**{"account": ACCOUNT, "by_password": True, "grace": GRACE, "longest_wait": 300.0, **changes})


def _nothing(world: World) -> None:
    del world


def _revoked(world: World) -> None:
    world.hand_made()
    world.revoke()


def _rotated_before(world: World) -> None:
    """A key of ours is in use, as after an earlier rotation; two pods read it at their start."""
    key_id = f"tm-{world.nonce()}"
    world.used_ids.add(key_id)
    world.secret.put(world.argocd.mint_key(ACCOUNT, key_id), "token-monitor")
    journal = World.journal(world)
    owned = journal.owning(key_id).at_rest(world.clock.now() - DAY, account=ACCOUNT, current=key_id)
    world.journal_place = Place(dump(owned), 1, "token-monitor")
    for name in ("app-proxy-1", "app-proxy-2"):
        world.pods.append(Pod(name, world.secret.value, world.clock.now() - DAY))


def _left_over(world: World) -> None:
    """Besides, a key of ours that nobody uses."""
    _rotated_before(world)
    key_id = f"tm-{world.nonce()}"
    world.used_ids.add(key_id)
    world.argocd.mint_key(ACCOUNT, key_id)
    world.journal_place.put(dump(world.journal().owning(key_id)), "token-monitor")


def _ending(world: World) -> None:
    world.hand_made(expires_in=int(4 * HOUR))
    world.loop.now += 3 * HOUR


STORIES: dict[str, Story] = {
    "the first key": Story(_nothing, {"policy": policy()}),
    "a revoked key": Story(_revoked, {"policy": policy()}),
    "an ending key without a password": Story(
        _ending,
        {"policy": policy(by_password=False, account=None), "expected": Expectation(expiring_within=HOUR)},
        ended=lambda world: "by-hand" in world.live_keys() and world.token_id() != "by-hand",
        longest=0.9 * HOUR,
    ),
    "a key of ours on demand, with consumers": Story(
        _rotated_before,
        {"policy": policy(restart_consumers=True, watch_consumers=True)},
        demanded=True,
        ended=lambda world: all(pod.token == world.secret.value for pod in world.pods),
        over=lambda world: world.journal().rotations == 1,
        longest=0.5 * HOUR,  # a wish that was not noted before the process ended is gone with it
    ),
    "a fire drill": Story(
        _rotated_before,
        {"policy": policy(drill_every=7 * DAY)},
        ended=lambda world: world.journal().drilled_at is not None and not world.published,
    ),
    "a key that is left over": Story(_left_over, {"policy": policy()}, ended=lambda world: not world.published),
}


def undisturbed(story: Story) -> list[str]:
    """The names of all calls of this rotation when nothing goes wrong."""
    _, process = told(story)
    return process.calls


def told(story: Story, *levers: Mapping[int, Lever]) -> tuple[World, Process]:
    """Tells it with these levers of the first process, the second one and so on, to its end."""
    processes: list[Process] = []

    async def tell(world: World) -> None:
        story.prepare(world)
        over = story.over or story.ended
        process = await world.run(story.longest, *levers, demanded=story.demanded, over=lambda: over(world))
        processes.append(process)

    world = in_a_world(tell, **story.settings)
    return world, processes[0]


def check_end(world: World, story: Story) -> None:
    """The Secret holds an accepted key, and nothing is left over."""
    journal = world.journal()
    assert journal.state is State.IDLE
    assert world.in_order(), "the Secret's token is refused"
    assert world.at_rest(), f"left over: {world.ours()} {journal}"
    assert story.ended(world)
