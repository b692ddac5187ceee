"""10,000 targets that are refused at once: every Alertmanager is told of each, in bounded requests, without drowning anything."""

from __future__ import annotations

import json
import math
import tracemalloc
from collections import Counter
from dataclasses import replace

import pytest
from monitor.adapters.alertmanager import _posted
from monitor.core import delivery
from monitor.core.alerts import AlertName
from monitor.core.delivery import MAX_BATCH, MAX_ROUND
from monitor.core.status import Status
from monitor.services import notifier
from monitor.services.notifier import MAX_LOGGED, TICK
from structlog.testing import capture_logs

from tests.core import alert_samples as given
from tests.core.alert_samples import report
from tests.services.test_notifier import MINUTE, World, story
from tests.virtual_time import VirtualLoop, play

MANY = 10_000
HELD = float(given.USUAL.refused_for)
# Alertmanager takes 10 MiB and more; proxies before it often take 1 MB.
LARGEST_BODY = 100_000
# What an alert costs in memory while it fires: its phase, and what each Alertmanager was told.
LARGEST_ALERT = 2_000


def targets(many: int, status: Status = Status.REVOKED) -> list[str]:
    return [f"target-{number:05}" for number in range(many)]


def have(world: World, status: Status, many: int = MANY) -> None:
    for name in targets(many):
        world.have(replace(report(status), name=name))


def refused(world: World) -> int:
    return Counter(name for name, _ in world.alertmanager.firing)[AlertName.REFUSED.removeprefix("TokenMonitor")]


@story()
async def test_all_are_told_in_bounded_requests_within_one_pass_and_once_a_minute(world: World) -> None:
    have(world, Status.REVOKED)
    world.start()
    await world.pass_by(HELD + TICK)
    told = world.alertmanager
    assert len(told.firing) == MANY
    assert max(len(alerts) for _, alerts in told.requests) == MAX_BATCH
    assert len(told.requests) == math.ceil(MANY / MAX_BATCH)
    assert {moment for moment, _ in told.requests} == {told.requests[0][0]}, "one pass"
    largest = max(len(json.dumps([_posted(alert) for alert in alerts])) for _, alerts in told.requests[::40])
    assert largest <= LARGEST_BODY
    await world.pass_by(MINUTE)
    assert len(told.requests) == 2 * math.ceil(MANY / MAX_BATCH), "once a minute"
    assert told.paged == MANY, "each once"


@story()
async def test_what_begins_to_fire_while_they_are_told_again_waits_for_a_few_requests_only(world: World) -> None:
    world.start()
    have(world, Status.REVOKED, 5000)
    await world.pass_by(HELD + TICK)
    world.alertmanager.hang = 0.5
    await world.pass_by(MINUTE)
    world.alertmanager.requests.clear()
    # It is refused for long enough, and comes from another replica.
    late = replace(report(Status.REVOKED), name="late", since=world.clock.now() - HELD)
    world.targets["late"] = late
    await world.pass_by(TICK + (MAX_ROUND / MAX_BATCH + 2) * world.alertmanager.hang)
    assert ("TokenRefused", "late") in world.alertmanager.firing
    assert 0 < len(world.alertmanager.requests) < 5000 / MAX_BATCH / 2, "still at it"


@story()
async def test_an_alertmanager_that_takes_its_time_calls_none_of_many_over_before_it_is_told_again(
    world: World,
) -> None:
    many = 2500
    have(world, Status.REVOKED, many)
    world.alertmanager.hang = 8.0
    assert many / MAX_BATCH * world.alertmanager.hang > 5 * MINUTE, "longer than four intervals for one round"
    world.start()
    for _ in range(20):
        await world.pass_by(2 * MINUTE)
    assert len(world.alertmanager.firing) == many
    assert world.alertmanager.paged == many, "each once"


@story()
async def test_the_log_has_a_part_of_them_and_how_many_there_are(world: World) -> None:
    some = MAX_LOGGED + 150
    have(world, Status.REVOKED, some)
    with capture_logs() as logs:
        world.start()
        await world.pass_by(HELD + TICK)
        have(world, Status.VALID, some)
        await world.pass_by(given.USUAL.gap + TICK)
    for word, level in (("fires", "warning"), ("is over", "info")):
        assert len([line for line in logs if line["event"] == f"alert {word}"]) == MAX_LOGGED
        (rest,) = [line for line in logs if line["event"] == f"alert {word}, of many targets at once"]
        assert rest["alerts"] == some - MAX_LOGGED
        assert rest["log_level"] == level


def test_they_are_looked_through_once_for_many_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking through all of them for each request took four seconds of CPU a minute, with 20,000 alerts."""
    looked: list[int] = []

    def due(*arguments: object) -> object:
        found = delivery.due(*arguments)  # type: ignore[arg-type]
        looked.append(len(found))
        return found

    monkeypatch.setattr(notifier, "due", due)

    @story()
    async def whole(world: World) -> None:
        have(world, Status.REVOKED, 5000)
        world.start()
        await world.pass_by(HELD + TICK)

    whole()
    assert sum(looked) >= 5000
    assert len([found for found in looked if found > MAX_BATCH]) <= math.ceil(5000 / MAX_ROUND)


def test_memory_grows_by_what_they_are_and_not_by_what_is_told_again() -> None:
    many = 500

    async def whole(loop: VirtualLoop) -> None:
        world = World(loop)
        have(world, Status.VALID, many)
        world.start()
        await world.pass_by(TICK)
        tracemalloc.start()
        try:
            have(world, Status.REVOKED, many)
            await world.pass_by(HELD + MINUTE)
            world.alertmanager.requests.clear()
            fired = tracemalloc.get_traced_memory()[0]
            for _ in range(3):
                await world.pass_by(MINUTE)
                world.alertmanager.requests.clear()
            later = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
            await world.stop()
        # What the fake keeps, and the report, are in it.
        assert fired < many * 4 * LARGEST_ALERT
        assert later < fired + many * LARGEST_ALERT / 4

    play(whole)
