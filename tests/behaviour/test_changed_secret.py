"""A changed Secret is judged within a second: in token mode and in password mode, with a watch; else at the next check."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest
from monitor.core import schedule
from monitor.core.status import Status
from monitor.simulator.kubernetes.access import Rule

from tests.behaviour.service import NAMESPACE, PASSWORD, PASSWORD_SECRET, SECRET, Outside, Service, service, until
from tests.fair_time import fairly

# design.md, "Figures to reach".
AT_ONCE = 1.0
CHANGES = 20
# Far from every check that would come by itself.
SELDOM = 60.0


async def settled(running: Service, world: Outside) -> None:
    """The first verdict is there, and the Secrets are watched."""
    await until(lambda: running.status() is not Status.PENDING)
    watch = running.daemon._shared.watch
    assert watch is not None
    await until(lambda: watch.count().in_touch == watch.count().wanted > 0)


async def times_of_changes(running: Service, world: Outside) -> list[float]:
    """After how many seconds each of many new tokens is judged."""
    times = []
    for number in range(CHANGES):
        world.put_token(world.new_token(f"by-hand-{number}"))
        times.append(await until(lambda: running.report().verdict.token_id == world.key_in_use()))
        assert running.status() is Status.VALID
    return times


def most(times: list[float]) -> float:
    """The 99th percentile."""
    return sorted(times)[math.ceil(0.99 * len(times)) - 1]


async def test_in_token_mode_a_new_token_is_judged_within_a_second(world: Outside) -> None:
    world.put_token(world.new_token())
    async with service(world.settings(world.target(interval=SELDOM))) as running:
        await settled(running, world)
        assert most(await times_of_changes(running, world)) < fairly(AT_ONCE)
        assert world.cluster.count("get", f"*/secrets/{SECRET}") <= 1, "and nobody polls"


async def test_in_password_mode_a_new_token_of_somebody_is_judged_within_a_second_and_adopted(world: Outside) -> None:
    world.put_token(world.new_token())
    async with service(world.settings(world.password_target(interval=SELDOM))) as running:
        await settled(running, world)
        assert most(await times_of_changes(running, world)) < fairly(AT_ONCE)
        await until(lambda: world.journal().get("current") == world.key_in_use())
        assert world.journal()["owned"] == []
        assert len(world.keys()) == CHANGES + 1, "keys of others are theirs"


async def test_a_token_that_is_refused_is_told_within_a_second_its_second_look_included(
    world: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change counts as the reason of the refusal: the second look does not wait as it does without one."""
    monkeypatch.setattr(schedule, "CONFIRMATION_DELAY", SELDOM)
    good = world.new_token()
    world.put_token(good)
    async with service(world.settings(world.target(interval=SELDOM))) as running:
        await settled(running, world)
        for bad, status in (("garbage", Status.MALFORMED), ("", Status.MISSING)):
            world.put_token(bad)
            assert await until(lambda status=status: running.status() is status) < fairly(AT_ONCE)
            world.put_token(good)
            assert await until(lambda: running.status() is Status.VALID) < fairly(AT_ONCE)


async def test_a_secret_that_is_deleted_and_made_again_is_followed(world: Outside) -> None:
    world.put_token(world.new_token())
    async with service(world.settings(world.target(interval=SELDOM))) as running:
        await settled(running, world)
        world.delete_secret()
        assert await until(lambda: running.status() is Status.MISSING) < fairly(AT_ONCE)
        assert (await running.get("/healthz"))[0] == 503
        world.put_token(world.new_token())
        assert await until(lambda: running.status() is Status.VALID) < fairly(AT_ONCE)
        assert (await running.get("/healthz"))[0] == 200


async def test_a_secret_that_is_replaced_at_once_is_never_called_missing(world: Outside) -> None:
    """As Codefresh's app-proxy re-creates it."""
    world.put_token(world.new_token())
    async with service(world.settings(world.target(interval=SELDOM))) as running:
        await settled(running, world)
        for _ in range(5):
            token = world.new_token()
            world.delete_secret()
            world.put_token(token)
            await until(lambda: running.report().verdict.token_id == world.key_in_use())
        verdicts = set(running.report().history)
        assert running.status() is Status.VALID
        assert len(verdicts) == 1, "and no check found anything else"


async def at_rest(running: Service) -> str:
    """The first key is in use, the rotation has nothing to do, and the second in which the key was made is over."""
    await until(lambda: running.status() is Status.VALID and running.rotation().rotations == 1)
    verdict = running.report().verdict
    assert verdict.token_id is not None
    assert verdict.issued_at is not None
    made = verdict.issued_at
    await until(lambda: time.time() >= made + 1)
    return verdict.token_id


async def test_a_changed_password_makes_another_key_at_once(world: Outside) -> None:
    async with service(world.settings(world.password_target(interval=SELDOM))) as running:
        first = await at_rest(running)
        world.change_password("the second password")
        world.tell_password("the second password")
        await until(lambda: running.status() is Status.PASSWORD_CHANGED, AT_ONCE)
        await until(lambda: running.status() is Status.VALID and world.key_in_use() != first, 3.0)
        assert running.rotation().login_failures == 0


async def test_a_password_that_comes_wakes_the_rotation(world: Outside) -> None:
    world.delete_secret(PASSWORD_SECRET)
    async with service(world.settings(world.password_target(interval=SELDOM))) as running:
        await until(lambda: "no password" in running.rotation().waiting_for)
        world.tell_password(PASSWORD)
        await until(lambda: running.status() is Status.VALID, 3.0)
        assert running.rotation().live_keys == 1


async def test_without_the_right_to_watch_a_change_is_seen_at_the_next_check(world: Outside) -> None:
    world.cluster.access.restrict("one", Rule("get", "secrets", namespaces=(NAMESPACE,), names=(SECRET,)))
    world.put_token(world.new_token())
    interval = 1.5
    settings = world.settings(world.target(interval=interval))
    async with service(replace(settings, kubernetes=replace(settings.kubernetes, events=False))) as running:
        await until(lambda: running.status() is Status.VALID)
        for _ in range(2):
            world.put_token(world.new_token())
            took = await until(lambda: running.report().verdict.token_id == world.key_in_use())
            assert took < interval + fairly(AT_ONCE)
        assert running.report().problem == ""
        assert world.cluster.count("watch") == 0
