"""Those who use the token: refused never, restarted only on request, and waited for before the old key goes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest
from monitor.core.announcement import Reason
from monitor.core.journal import State

from tests.services.rotation_outside import DAY, HOUR
from tests.services.rotation_process import Process
from tests.services.rotation_stories import STORIES, policy
from tests.services.rotation_world import World, in_a_world, quietly

ON_DEMAND = STORIES["a key of ours on demand, with consumers"]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quietly():
        yield


class Consumer:
    """Calls Argo CD with the Secret's token, which it reads anew every few seconds."""

    def __init__(self, world: World, reads_every: float) -> None:
        self.world = world
        self.reads_every = reads_every
        self.calls = 0
        self.refusals: list[float] = []

    async def run(self) -> None:
        token, read_at = None, float("-inf")
        for number in range(10_000_000):
            now = self.world.clock.monotonic()
            if now - read_at >= self.reads_every:
                token, read_at = self.world.secret.value, now
            self.calls += 1
            if not self.world.accepts(token, replica=number % len(self.world.lags)):
                self.refusals.append(now)
            await asyncio.sleep(0.7)


async def ten_rotations(world: World, consumers: Sequence[Consumer], process: Process) -> None:
    tasks = [asyncio.create_task(consumer.run()) for consumer in consumers]
    for number in range(1, 11):
        process.rotator.demand()
        for _ in range(200):
            await process.run(world.clock.monotonic() + 10.0)
            if world.journal().rotations == number:
                break
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert world.journal().rotations == 10
    assert world.at_rest()


@pytest.mark.parametrize("sticky", [False, True], ids=["all replicas", "the monitor always meets the quick one"])
@pytest.mark.parametrize("lags", [(0.0,), (0.0, 14.0), (0.0, 4.0, 14.0)], ids=["one replica", "14 s", "three replicas"])
def test_a_consumer_is_never_refused_throughout_ten_rotations(lags: Sequence[float], sticky: bool) -> None:
    async def tell(world: World) -> None:
        world.sticky = sticky
        world.hand_made()
        await asyncio.sleep(20.0)
        consumers = [Consumer(world, reads_every) for reads_every in (0.0, 5.0, 50.0)]
        await ten_rotations(world, consumers, world.start())
        for consumer in consumers:
            assert consumer.calls > 1000
            assert consumer.refusals == []

    in_a_world(tell, policy=policy(), lags=lags)


def test_a_consumer_of_a_revoked_key_is_served_again_within_seconds_and_stays_so() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        world.revoke()
        consumer = Consumer(world, 0.0)
        task = asyncio.create_task(consumer.run())
        await world.run(HOUR)
        task.cancel()
        assert consumer.refusals
        assert max(consumer.refusals) < 5.0

    in_a_world(tell, policy=policy())


def test_a_replica_that_lags_while_a_key_is_needed_makes_no_second_key() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        world.revoke()
        await asyncio.sleep(20.0)
        process = world.start()
        world.sticky = True  # the quick one made the key, and the other one hears of it late

        def lagging_replica_from_now_on() -> None:
            if "write secret" in process.calls and not world.next_replicas:
                world.next_replicas = [1] * 24

        process.at = dict.fromkeys(range(40, 80), lagging_replica_from_now_on)
        await process.run(world.clock.monotonic() + HOUR)
        assert world.at_rest()
        assert len(world.used_ids) == 1
        assert world.journal().rotations == 1

    in_a_world(tell, policy=policy(), lags=(0.0, 14.0))


def test_consumers_are_restarted_once_and_the_old_key_goes_when_all_run_with_the_new_one() -> None:
    async def tell(world: World) -> None:
        ON_DEMAND.prepare(world)
        started = [pod.started for pod in world.pods]
        process = await world.run(HOUR, demanded=True, over=lambda: world.journal().rotations == 1)
        assert process.calls.count("restart") == 1
        assert all(pod.started > before for pod, before in zip(world.pods, started, strict=True))
        assert [one.reason for one in world.announced] == [Reason.TOKEN_ROTATED]

    in_a_world(tell, **ON_DEMAND.settings)


def test_without_the_wish_nobody_is_restarted() -> None:
    async def tell(world: World) -> None:
        ON_DEMAND.prepare(world)
        process = await world.run(HOUR, demanded=True)
        assert "restart" not in process.calls
        assert "look" in process.calls

    in_a_world(tell, policy=policy(watch_consumers=True))


def test_who_still_runs_with_the_old_key_is_shown_from_the_start_told_and_waited_for() -> None:
    async def tell(world: World) -> None:
        ON_DEMAND.prepare(world)
        old = world.token_id()
        process = world.start(demanded=True)
        await process.run(world.clock.monotonic() + 40.0)
        assert world.journal().state is State.GRACE
        assert process.rotator.report().old_consumers == ("app-proxy-1", "app-proxy-2")
        assert Reason.OLD_KEY_IN_USE not in [one.reason for one in world.announced]
        await process.run(world.clock.monotonic() + 120.0)
        assert [one.reason for one in world.announced][-1] is Reason.OLD_KEY_IN_USE
        assert "app-proxy-1, app-proxy-2" in world.announced[-1].note
        assert old in world.live_keys()
        world.pods[0].restart_at = world.pods[1].restart_at = world.clock.now()
        await process.run(world.clock.monotonic() + 60.0)
        assert process.rotator.report().old_consumers == ()
        assert old not in world.live_keys()

    in_a_world(tell, policy=policy(watch_consumers=True))


def test_after_the_longest_wait_the_old_key_goes_and_that_is_told() -> None:
    async def tell(world: World) -> None:
        ON_DEMAND.prepare(world)
        old = world.token_id()
        await world.run(HOUR, demanded=True, over=lambda: world.journal().rotations == 1)
        assert old not in world.live_keys()
        reasons = [one.reason for one in world.announced]
        assert reasons == [Reason.TOKEN_ROTATED, Reason.OLD_KEY_IN_USE, Reason.OLD_KEY_IN_USE]
        assert "deleted now" in world.announced[-1].note

    in_a_world(tell, policy=policy(watch_consumers=True))


def test_a_monitor_that_was_away_over_the_longest_wait_tells_first_and_deletes_later() -> None:
    async def tell(world: World) -> None:
        ON_DEMAND.prepare(world)
        old = world.token_id()
        await world.run(30.0, demanded=True)
        assert world.journal().state is State.GRACE
        await asyncio.sleep(DAY)
        process = world.start()
        await process.run(world.clock.monotonic() + 20.0)
        assert old in world.live_keys()
        assert world.announced[-1].reason is Reason.OLD_KEY_IN_USE
        await process.run(world.clock.monotonic() + 200.0)
        assert old not in world.live_keys()

    in_a_world(tell, policy=policy(watch_consumers=True))


def test_without_permission_to_see_pods_the_grace_period_alone_decides() -> None:
    async def tell(world: World) -> None:
        ON_DEMAND.prepare(world)
        world.pods_visible = False
        old = world.token_id()
        process = world.start(demanded=True)
        await process.run(world.clock.monotonic() + 60.0)
        assert old in world.live_keys()
        await process.run(world.clock.monotonic() + 60.0)
        assert old not in world.live_keys()

    in_a_world(tell, policy=policy(watch_consumers=True))


def test_consumers_that_may_not_be_restarted_are_told_with_what_to_do() -> None:
    async def tell(world: World) -> None:
        ON_DEMAND.prepare(world)
        world.may_restart = False
        process = world.start(demanded=True)
        await process.run(world.clock.monotonic() + 100.0)
        report = process.rotator.report()
        assert report.problem == "not permitted: give the verb patch on deployments"
        assert report.old_consumers == ("app-proxy-1", "app-proxy-2")
        assert report.failures["restart_consumers"] == 1

    in_a_world(tell, **ON_DEMAND.settings)


@pytest.mark.parametrize("lost", [1, 4, 20])
def test_restarts_whose_answers_are_lost_restart_nobody_twice_and_hold_nothing_up(lost: int) -> None:
    """A pod counts as new from the write of the Secret on, not from when the last restart was seen done."""

    async def tell(world: World) -> None:
        ON_DEMAND.prepare(world)
        process = world.start(demanded=True)
        process.losing["restart"] = lost
        await process.run(world.clock.monotonic() + 200.0)
        assert world.journal().rotations == 1
        assert [pod.restarts for pod in world.pods] == [1, 1]
        assert process.calls.count("restart") == min(lost + 1, 6)

    in_a_world(tell, **ON_DEMAND.settings)


def test_a_replaced_key_that_is_not_ours_is_left_alone_and_named_with_the_command() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        process = await world.run(HOUR, demanded=True, over=lambda: world.journal().rotations == 1)
        assert "by-hand" in world.live_keys()
        report = process.rotator.report()
        assert report.left_alone == "by-hand"
        assert report.left_alone_command == "`argocd account delete-token --account ci by-hand`"
        assert report.left_alone_command in world.announced[-1].note
        assert report.live_keys == 1

    in_a_world(tell, policy=policy())
