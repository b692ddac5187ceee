"""Logins with a wrong password: at most one failure in 360 s and three in a day, over restarts, replicas and targets.

The world checks the limits, and that the simulator's lock-out never triggers, after each call.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator

import pytest
from monitor.core.budget import LoginBudget, charge, refuse
from monitor.core.journal import Journal, dump
from monitor.core.rotation.endings import failed
from monitor.core.secret import Secret
from monitor.simulator.settings import Capability

from tests.services.rotation_outside import ACCOUNT, DAY, HOUR, PASSWORD, Place
from tests.services.rotation_process import Crash, Lever
from tests.services.rotation_stories import policy
from tests.services.rotation_world import World, in_a_world, quietly

LOGIN = "POST /api/v1/session"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quietly():
        yield


def calls_until_login() -> int:
    """How many calls come before the first login."""
    calls: list[str] = []

    async def tell(world: World) -> None:
        calls.extend((await world.run(10.0)).calls)

    in_a_world(tell, policy=policy())
    return calls.index(LOGIN)


@pytest.mark.parametrize("seed", range(3))
def test_a_crash_loop_of_a_hundred_restarts_with_a_wrong_password_locks_nobody_out(seed: int) -> None:
    chance = random.Random(seed)

    async def tell(world: World) -> None:
        world.tell_password("wrong")
        for _ in range(100):
            process = world.start({chance.randrange(14): Lever.DIE_AFTER})
            try:
                await process.run(world.clock.monotonic() + 60.0)
            except Crash:
                await asyncio.sleep(chance.choice([1.0, 10.0, 300.0]))
        assert 1 <= len(world.failed_logins) <= 3

    in_a_world(tell, policy=policy())


def test_a_login_that_was_not_begun_because_its_note_took_too_long_is_not_counted() -> None:
    """A Kubernetes API that was slow for some minutes would otherwise leave no login for the day."""

    async def tell(world: World) -> None:
        process = world.start()
        real, notes = process.rotator._write, 0

        async def slow(*args: object) -> object:
            nonlocal notes
            notes += 1
            written = await real(*args)  # type: ignore[arg-type]
            await asyncio.sleep(12.0 if world.clock.monotonic() < 300.0 else 0.0)
            return written

        process.rotator._write = slow  # type: ignore[method-assign,assignment]
        await process.run(world.clock.monotonic() + 300.0)
        assert notes > 10
        assert world.logins == 0
        assert world.journal().logins == LoginBudget()
        await process.run(world.clock.monotonic() + HOUR)
        assert world.in_order()

    in_a_world(tell, policy=policy())


@pytest.mark.parametrize("lever", [Lever.DIE_AFTER, Lever.LOSE_ANSWER, Lever.CANCEL_AFTER])
def test_a_process_that_never_sees_the_answer_of_a_login_counts_it_all_the_same(lever: Lever) -> None:
    at = calls_until_login()

    async def tell(world: World) -> None:
        world.tell_password("wrong")
        for _ in range(100):
            try:
                await world.start(dict.fromkeys(range(at - 4, at + 5), lever)).run(world.clock.monotonic() + 90)
            except (Crash, asyncio.CancelledError):
                await asyncio.sleep(1.0)
        await world.run(DAY)

    in_a_world(tell, policy=policy())


def test_a_day_and_a_half_with_a_wrong_password_brings_three_failures_a_day() -> None:
    async def tell(world: World) -> None:
        world.tell_password("wrong")
        process = await world.run(1.5 * DAY)
        assert 4 <= len(world.failed_logins) <= 6
        report = process.rotator.report()
        assert report.login_failures == len(world.failed_logins)
        assert "login" in report.waiting_for or "after a failure" in report.waiting_for

    in_a_world(tell, policy=policy())


def test_a_refused_password_is_tried_again_after_its_secret_changed_and_not_before() -> None:
    async def tell(world: World) -> None:
        world.tell_password("wrong")
        await world.run(0.9 * HOUR)
        assert len(world.failed_logins) == 1
        world.tell_password(PASSWORD)
        await world.run(0.5 * HOUR, over=lambda: True)
        assert len(world.failed_logins) == 1
        assert world.in_order()

    in_a_world(tell, policy=policy())


def test_a_password_with_a_line_end_is_the_same_password() -> None:
    async def tell(world: World) -> None:
        world.tell_password(PASSWORD + "\n")
        await world.run(HOUR, over=lambda: True)
        assert world.failed_logins == []
        assert world.in_order()

    in_a_world(tell, policy=policy())


def test_a_password_that_is_only_remembered_is_not_tried() -> None:
    async def tell(world: World) -> None:
        process = world.start(dict.fromkeys((2, 6, 10, 14), Lever.LOSE_ANSWER))
        await process.rotator.advance()
        assert world.logins == 0
        assert "no password" in process.rotator.report().waiting_for

    in_a_world(tell, policy=policy())


def test_a_right_password_costs_nothing_however_often_it_is_used() -> None:
    async def tell(world: World) -> None:
        for _ in range(6):
            await world.run(HOUR, over=lambda: True)
            world.revoke()
        await world.run(HOUR, over=lambda: True)
        assert world.logins == 7
        assert world.journal().logins.failures == ()
        assert world.in_order()

    in_a_world(tell, policy=policy())


def test_every_session_is_ended_after_use() -> None:
    async def tell(world: World) -> None:
        process = await world.run(HOUR, over=lambda: True)
        assert process.calls.count("POST /auth/logout") == world.logins == 1

    in_a_world(tell, policy=policy())


def test_one_login_serves_for_all_that_is_done_in_one_go() -> None:
    async def tell(world: World) -> None:
        for _ in range(3):
            world.used_ids.add(key_id := f"tm-{world.nonce()}")
            world.argocd.mint_key(ACCOUNT, key_id)
        owned = Journal(account=ACCOUNT, owned=tuple(sorted(world.used_ids)))
        world.journal_place = Place(dump(owned), 1)
        await world.run(60.0)
        assert world.logins == 1
        assert len(world.deleted) >= 1
        assert world.in_order()

    in_a_world(tell, policy=policy())


def test_two_replicas_with_a_wrong_password_stay_within_the_limits() -> None:
    async def tell(world: World) -> None:
        world.tell_password("wrong")
        first, second = world.start(), world.start()
        second.latency = 0.013
        end = world.clock.monotonic() + 1.2 * DAY
        await asyncio.gather(first.run(end), second.run(end))
        assert len(world.failed_logins) <= 6

    in_a_world(tell, policy=policy())


@pytest.mark.parametrize("seed", [0, *(pytest.param(more, marks=pytest.mark.long) for more in range(1, 5))])
def test_targets_with_the_same_user_share_the_limits(seed: int) -> None:
    """Three targets, three journals, one account that Argo CD would lock out."""
    chance = random.Random(seed)

    async def tell(world: World) -> None:
        world.tell_password("wrong")
        places = [Place(), Place(), Place()]
        processes = []
        for place in places:
            world.journal_place = place
            world.siblings = [other for other in places if other is not place]
            process = world.start()
            process.latency = chance.uniform(0.005, 0.05)
            processes.append(process)
        end = world.clock.monotonic() + 1.2 * DAY
        # The journal that a login must be noted in is its own one.
        world.before_login = lambda: None  # type: ignore[method-assign]
        await asyncio.gather(*(process.run(end) for process in processes))
        assert 1 <= len(world.failed_logins) <= 6

    in_a_world(tell, policy=policy())


def test_a_target_whose_sibling_cannot_be_read_does_not_log_in() -> None:
    async def tell(world: World) -> None:
        world.siblings = [Place("damaged", 1)]
        process = await world.run(600.0)
        assert world.logins == 0
        assert "another target with the same user" in process.rotator.report().waiting_for

    in_a_world(tell, policy=policy())


@pytest.mark.parametrize("by", [-HOUR, -30.0, HOUR, DAY])
def test_a_clock_that_is_set_brings_no_login_forward(by: float) -> None:
    async def tell(world: World) -> None:
        world.tell_password("wrong")
        process = world.start()
        await process.run(world.clock.monotonic() + 100.0)
        assert len(world.failed_logins) == 1
        world.clock.wrong_by = by
        world.tell_password("wrong as well")
        await process.run(world.clock.monotonic() + 200.0)
        assert len(world.failed_logins) == 1
        await process.run(world.clock.monotonic() + 2 * HOUR)
        assert len(world.failed_logins) > 1

    in_a_world(tell, policy=policy())


def test_a_disabled_login_is_told_with_what_to_do() -> None:
    async def tell(world: World) -> None:
        world.argocd.set_capabilities(ACCOUNT, Capability.API_KEY)
        process = await world.run(30.0)
        assert "add `login` to `accounts.NAME`" in process.rotator.report().problem

    in_a_world(tell, policy=policy())


def test_the_pauses_between_failed_attempts_grow() -> None:
    pauses = []
    journal = Journal()
    for _ in range(12):
        journal = failed(journal, 0.0, "no")
        pauses.append(journal.retry_at)
    assert pauses[0] == 60.0
    assert pauses[-1] == 6 * HOUR
    assert all(later in (2 * sooner, 6 * HOUR) for sooner, later in itertools.pairwise(pauses))


def test_waiting_for_another_target_is_no_failure_and_ends_when_the_password_is_right() -> None:
    async def tell(world: World) -> None:
        now = world.clock.now()
        refused = refuse(charge(LoginBudget(), now), Secret("wrong").fingerprint(), now)
        world.siblings = [Place(dump(Journal(logins=refused)), 1)]
        world.tell_password("wrong")
        process = await world.run(0.9 * HOUR)
        assert (world.logins, world.journal().failures) == (0, 0)
        assert "the password was refused" in process.rotator.report().waiting_for
        world.tell_password(PASSWORD)
        await world.run(60.0)
        assert world.in_order()

    in_a_world(tell, policy=policy())
