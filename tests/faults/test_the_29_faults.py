"""The 29 faults that the product was designed against, one test each by its number (docs/faults.md has the table).

These are about rotations, in virtual time: every call of a port checks the invariants of design.md on the way. Those
about checks, servers and replicas are in `test_the_29_faults_of_servers`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import pytest
from monitor.core.announcement import Reason
from monitor.core.journal import State
from monitor.core.status import Status

from tests.faults.rotations import (
    CREATE,
    DELETE,
    ON_DEMAND,
    PUBLISH,
    RESTART,
    REVOKED,
    befallen,
    calls,
    in_the_world,
    number,
    rotated,
)
from tests.services.rotation_outside import ACCOUNT, DAY, HOUR
from tests.services.rotation_process import LATE, Crash, Lever
from tests.services.rotation_stories import STORIES, policy
from tests.services.rotation_world import World, quietly
from tests.services.test_rotation_causes import BREAK
from tests.services.test_rotation_consumers import Consumer
from tests.services.test_rotations import FakeRotator, Whole, on_a_stage

CRASHES = (Lever.DIE_BEFORE, Lever.DIE_AFTER)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quietly():
        yield


def test_01_a_crash_before_the_create_mints_nothing() -> None:
    world = befallen(REVOKED, CREATE, Lever.DIE_BEFORE)
    assert len(world.used_ids) == 1, "the one that the next process made"
    assert world.deleted == []


@pytest.mark.parametrize("lever", [Lever.LOSE_ANSWER, Lever.DIE_AFTER], ids=["answer lost", "crash"])
def test_02_a_create_whose_answer_is_lost_is_deleted_and_made_under_a_new_id(lever: Lever) -> None:
    world = befallen(REVOKED, CREATE, lever)
    assert len(world.used_ids) == 2, "no id is used twice: the world checks that at each create"
    (lost,) = world.used_ids - {world.token_id()}
    assert world.deleted == [lost]


def test_03_a_create_that_lands_late_is_swept_within_fifteen_minutes() -> None:
    world = befallen(REVOKED, CREATE, Lever.LAND_LATER)
    assert world.ours() == {world.token_id()}
    assert len(world.used_ids) == 2, "it did land"
    assert world.clock.monotonic() <= LATE + 900.0 + 300.0, "noted for 15 minutes, looked at every five"


def test_04_a_crash_between_minted_and_published_publishes_the_same_key() -> None:
    minted, published = number(REVOKED, "write journal"), number(REVOKED, PUBLISH)
    assert minted < number(REVOKED, CREATE) < published
    for place in range(number(REVOKED, CREATE) + 1, published + 1):
        lever = Lever.DIE_AFTER if calls(REVOKED)[place] == "write journal" else Lever.DIE_BEFORE
        world = befallen(REVOKED, place, lever)
        # Until the answer is in the journal, the token is known to nobody.
        assert len(world.used_ids) == (1 if State.MINTED in world.states() and world.deleted == [] else 2)
        assert len(world.published) == 1


def test_05_a_crash_after_publishing_mints_no_second_key() -> None:
    for place in range(number(REVOKED, PUBLISH), len(calls(REVOKED))):
        world = befallen(REVOKED, place, Lever.DIE_AFTER)
        assert (len(world.used_ids), len(world.published)) == (1, 1), calls(REVOKED)[place]


def test_06_a_crash_in_the_rollout_or_the_grace_period_restarts_nobody_twice() -> None:
    begin, end = number(ON_DEMAND, RESTART), number(ON_DEMAND, DELETE)
    for place in range(begin, end):
        world = befallen(ON_DEMAND, place, Lever.DIE_AFTER)
        assert [pod.restarts for pod in world.pods] == [1, 1], calls(ON_DEMAND)[place]
        assert len(world.used_ids) == 2, "the one before and its successor"


@pytest.mark.parametrize("lever", [*CRASHES, Lever.LOSE_REQUEST, Lever.LOSE_ANSWER], ids=lambda lever: lever.name)
def test_07_a_crash_around_the_delete_ends_with_the_key_gone(lever: Lever) -> None:
    world = befallen(ON_DEMAND, DELETE, lever)
    assert set(world.deleted) == world.used_ids - {world.token_id()}, "a key that is gone already is done"
    assert world.live_keys() == {world.token_id()}


def test_08_a_conflict_is_read_again_and_a_persons_working_token_wins() -> None:
    world = befallen(REVOKED, PUBLISH, Lever.INTERFERE)
    assert len(world.used_ids) == 1

    async def tell(world: World) -> None:
        STORIES[REVOKED].prepare(world)
        process = world.start()
        process.at = {number(REVOKED, PUBLISH): lambda: world.hand_made("by-a-person")}
        await process.run(world.clock.monotonic() + HOUR)
        assert world.live_keys() == {world.token_id()} == {"by-a-person"}
        assert world.published == []

    in_the_world(tell)


def test_09_a_secret_that_gitops_puts_back_is_written_twice_and_then_left_and_told() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        world.revert_to(world.secret.value)
        process = await rotated(world, 2 * HOUR, demanded=True)
        assert len(world.published) == 2
        assert process.rotator.report().stood_down.startswith("Argo CD (argocd-controller)")
        assert Reason.STOOD_DOWN in [one.reason for one in world.announced]
        assert world.live_keys() == {"by-hand"}, "the old key is kept, and none is left beside it"
        assert world.in_order()

    in_the_world(tell)


@pytest.mark.parametrize("by_password", [True, False], ids=["password mode", "token mode"])
def test_10_a_deleted_secret_is_missing_and_made_again_only_by_whoever_may(by_password: bool) -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        whole = Whole(world)
        await whole.run(60.0)
        world.secret.remove()
        await whole.run(300.0)
        assert whole.shown[:2] == [Status.VALID, Status.MISSING]
        assert world.in_order() is by_password
        assert len(world.used_ids) == int(by_password)

    in_the_world(tell, policy=policy(by_password=by_password))


def test_11_keys_that_vanish_because_argocd_secret_is_put_back_are_made_ever_more_rarely_and_that_is_told() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        whole = Whole(world)

        async def gitops() -> None:
            while True:
                await asyncio.sleep(180.0)
                for key_id in world.live_keys():
                    world.revoke(key_id)

        reverting = asyncio.create_task(gitops())
        await whole.run(0.2 * DAY)
        reverting.cancel()
        assert len(world.used_ids) <= 13
        report = whole.rotator.report()
        assert report.failing > 0
        assert "argocd-secret" in report.problem
        assert Status.REVOKED in whole.shown
        await whole.run(0.2 * DAY)
        assert world.in_order(), "and when it stops, all is well again"
        assert whole.rotator.report().failing == 0

    in_the_world(tell)


def test_12_a_new_key_that_a_lagging_replica_refuses_is_waited_for_and_the_old_one_kept() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        await asyncio.sleep(60.0)
        consumer = Consumer(world, 5.0)
        consuming = asyncio.create_task(consumer.run())
        await rotated(world, HOUR, demanded=True)
        consuming.cancel()
        assert len(world.used_ids) == 1, "the key is not given up for another one"
        assert world.journal().rotations == 1
        assert consumer.refusals == [], "whichever replica the consumers meet"

    in_the_world(tell, lags=(0.0, 30.0))


def test_13_a_changed_password_costs_one_failed_login_until_it_is_told() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        whole = Whole(world)
        await whole.run(60.0)
        world.change_password("another")
        await whole.run(0.9 * HOUR)
        assert whole.shown == [Status.VALID, Status.PASSWORD_CHANGED]
        assert len(world.failed_logins) == 1
        world.tell_password("another")
        await whole.run(600.0)
        assert world.in_order()
        assert len(world.failed_logins) == 1

    in_the_world(tell)


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        ("the account is disabled", Status.ACCOUNT_DISABLED),
        ("the account is removed", Status.ACCOUNT_MISSING),
        ("the account may have no keys", Status.CAPABILITY_MISSING),
    ],
)
def test_14_what_no_key_mends_has_a_class_of_its_own_and_leads_to_no_key(cause: str, status: Status) -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        whole = Whole(world)
        await whole.run(60.0)
        BREAK[cause](world)
        await whole.run(2 * HOUR)
        assert whole.shown == [Status.VALID, status]
        assert (world.logins, world.used_ids) == (0, set())
        assert "does not mend" in whole.rotator.report().waiting_for

    in_the_world(tell)


def test_15_a_changed_signing_key_costs_one_new_key_a_target_and_a_few_at_once() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        whole = Whole(world)
        await whole.run(60.0)
        world.argocd.change_signing_key()
        await whole.run(600.0)
        assert whole.shown == [Status.VALID, Status.SIGNING_KEY_CHANGED, Status.VALID]
        assert len(world.used_ids) == 1

    in_the_world(tell)
    with on_a_stage() as (stage, run):
        rotators: list[FakeRotator] = stage.rotators(30, lasts=5.0)
        for name in range(30):
            stage.rotations.wake(f"t{name}")
        run(stage.until(120.0))
        assert all(rotator.runs for rotator in rotators)
        assert 1 < stage.most_at_once < 30


def test_16_a_lock_out_by_others_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be told from a wrong password: each further attempt would keep the human locked out."""
    monkeypatch.setattr("tests.services.rotation_outside.MAX_FAILURES", 99)  # not by us

    async def tell(world: World) -> None:
        for _ in range(5):
            world.argocd.gates[0].failed(ACCOUNT, world.clock.true())
        process = await rotated(world, 0.9 * HOUR)
        assert (len(world.failed_logins), world.used_ids) == (1, set())
        assert process.rotator.report().login_failures == 1
        await rotated(world, 1.2 * HOUR)
        assert world.in_order(), "after an hour the password is tried once more"
        assert len(world.failed_logins) == 1

    in_the_world(tell)


def test_23_a_leader_that_lost_its_lease_or_stood_still_begins_nothing_and_its_successor_ends_it() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        world.revoke()
        first = world.start()
        leads = iter([True] * 3 + [False] * 100)
        await first.rotator.advance(leads=lambda: next(leads))
        made = len(first.calls)
        assert world.journal().state is not State.IDLE
        await asyncio.sleep(60.0)
        await first.rotator.advance(leads=lambda: False)
        assert not any(call.startswith(("POST", "DELETE", "write")) for call in first.calls[made:])
        await rotated(world, HOUR)
        assert world.at_rest()
        assert len(world.published) == 1

    async def stands_still(world: World) -> None:
        world.hand_made()
        world.revoke()
        process = world.start()
        write = process.rotator._write

        async def slow(*arguments: object) -> object:
            written = await write(*arguments)  # type: ignore[arg-type]
            await asyncio.sleep(60.0)
            return written

        process.rotator._write = slow  # type: ignore[method-assign,assignment]
        await process.rotator.advance()
        assert (world.logins, world.used_ids) == (0, set()), "what was noted a minute ago is not done any more"
        await rotated(world, 6 * HOUR)
        assert world.at_rest()

    in_the_world(tell)
    in_the_world(stands_still)


@pytest.mark.parametrize("seed", range(5))
def test_24_of_two_leaders_the_compare_and_swap_admits_one(seed: int) -> None:
    chance = random.Random(seed)

    async def tell(world: World) -> None:
        world.hand_made()
        world.revoke()
        both = world.start(), world.start()
        for process in both:
            process.latency = chance.uniform(0.001, 0.05)
        await asyncio.gather(*(process.run(world.clock.monotonic() + HOUR) for process in both))
        assert (len(world.used_ids), len(world.published), world.logins) == (1, 1, 1)
        assert world.at_rest()

    in_the_world(tell)


def test_28_a_crash_loop_with_a_bad_password_stays_within_the_budget() -> None:
    chance = random.Random(28)

    async def tell(world: World) -> None:
        world.tell_password("wrong")
        began = world.clock.monotonic()
        while world.clock.monotonic() - began < DAY:
            try:
                await world.start({chance.randrange(14): Lever.DIE_AFTER}).run(world.clock.monotonic() + 60.0)
            except Crash:
                await asyncio.sleep(chance.choice([10.0, 300.0]))
        assert 1 <= len(world.failed_logins) <= 3, (
            "and 360 s apart, and the human not locked out: the world checks that"
        )

    in_the_world(tell)
