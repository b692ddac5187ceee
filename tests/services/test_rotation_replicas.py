"""Two monitors at once on one target: the journal's compare-and-swap decides, and no harm is done."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import pytest
from monitor.core.journal import Journal, State, dump

from tests.services.rotation_outside import ACCOUNT, HOUR, Place
from tests.services.rotation_process import Crash, Lever
from tests.services.rotation_stories import GRACE, STORIES, policy
from tests.services.rotation_world import World, in_a_world, quietly


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quietly():
        yield


async def together(world: World, seconds: float, chance: random.Random, levers: dict[int, Lever] | None = None) -> None:
    """Two monitors that were started at about the same time; the first one is given the levers."""
    processes = [world.start(levers), world.start()]
    end = world.clock.monotonic() + seconds

    async def one(number: int) -> None:
        processes[number].latency = chance.uniform(0.001, 0.05)
        await asyncio.sleep(chance.choice([0.0, 0.0, 0.02, 0.3]))
        while True:
            try:
                await processes[number].run(end)
                return
            except (Crash, asyncio.CancelledError):
                processes[number] = world.start()

    await asyncio.gather(one(0), one(1))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", ["the first key", "a revoked key", "an ending key without a password", "a fire drill"])
def test_one_key_is_published_none_is_left_over_and_none_is_deleted_that_is_in_use(name: str, seed: int) -> None:
    story, chance = STORIES[name], random.Random(seed)

    async def tell(world: World) -> None:
        story.prepare(world)
        await together(world, min(story.longest, HOUR), chance)
        assert len(world.published) == (0 if name == "a fire drill" else 1)
        assert world.at_rest(), world.journal()
        assert story.ended(world)
        assert world.failed_logins == []

    in_a_world(tell, **story.settings)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_to_one_of_them_the_other_one_ends_the_rotation(seed: int) -> None:
    chance = random.Random(seed)
    story = STORIES[chance.choice(list(STORIES))]
    levers = {chance.randrange(80): chance.choice(list(Lever)) for _ in range(3)}

    async def tell(world: World) -> None:
        story.prepare(world)
        await together(world, min(story.longest, HOUR), chance, levers)
        assert world.at_rest(), (levers, world.journal())

    in_a_world(tell, **story.settings)


def test_the_loser_of_a_race_makes_no_key_and_does_not_log_in() -> None:
    async def tell(world: World) -> None:
        await together(world, HOUR, random.Random(1))
        assert len(world.used_ids) == 1
        assert world.logins == 1

    in_a_world(tell, policy=policy(grace=GRACE))


def test_a_write_whose_request_was_lost_is_not_taken_for_the_same_one_of_another_replica() -> None:
    """Two replicas in step, about to note the same login at the same instant: only one of them may send it."""

    async def tell(world: World) -> None:
        world.tell_password("wrong")
        key_id = f"tm-{world.nonce()}"
        lost = Journal(
            state=State.INTENT, key_id=key_id, account=ACCOUNT, owned=(key_id,), entered_at=world.clock.now()
        )
        world.journal_place = Place(dump(lost), 1)
        first, second = world.start({3: Lever.LOSE_REQUEST}), world.start()
        end = world.clock.monotonic() + 300.0
        await asyncio.gather(first.run(end), second.run(end))
        assert first.pulled == ["the request is lost: write journal"]
        assert len(world.failed_logins) == 1

    in_a_world(tell, policy=policy())


def test_a_monitor_that_leads_no_more_begins_nothing_further() -> None:
    async def tell(world: World) -> None:
        process = world.start()
        leads = iter([True] * 3 + [False] * 100)
        again = await process.rotator.advance(leads=lambda: next(leads))
        assert 0.0 < again - world.clock.now() <= 10.0, "it may lead again soon"
        assert process.rotator.report().waiting_for == "another replica of the monitor leads"
        stood = world.journal()
        assert stood.state is not State.IDLE
        await process.rotator.advance(leads=lambda: False)
        assert world.journal() == stood
        await world.run(HOUR)
        assert world.at_rest()

    in_a_world(tell, policy=policy())


def test_a_process_that_was_stopped_after_its_note_does_nothing_late() -> None:
    """SIGSTOP, a suspended machine: another one may have taken over in the meantime."""

    async def tell(world: World) -> None:
        world.hand_made()
        world.revoke()
        process = world.start()
        write = process.rotator._write

        async def slow(*args: object) -> object:
            written = await write(*args)  # type: ignore[arg-type]
            await asyncio.sleep(11.0)
            return written

        process.rotator._write = slow  # type: ignore[method-assign,assignment]
        await process.rotator.advance()
        assert (world.logins, world.used_ids) == (0, set())
        await world.run(6 * HOUR)
        assert world.at_rest()

    in_a_world(tell, policy=policy())
