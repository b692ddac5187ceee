"""A fleet that takes targets over: it goes on with what was known, is never late, and floods nobody."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from monitor.core.report import TargetReport
from monitor.core.schedule import aligned, next_due, phase_of, taken_over_due
from monitor.core.sharding import SPREAD_AFTER_CRASH, SPREAD_AFTER_RELEASE, STILL_WATCHED, TakeOver
from monitor.core.status import Status

from tests.services.fleet_driver import World, in_virtual_time

CRASH = TakeOver(12.5, SPREAD_AFTER_CRASH)
RELEASE = TakeOver(2.5, SPREAD_AFTER_RELEASE)


async def known_to_another(world: World, *names: str) -> dict[str, TargetReport]:
    """What a replica that checked these for a while has to tell of them."""
    world.fleet.align()
    world.fleet.set_targets([world.target(name) for name in names])
    await world.until(60.0)
    return {report.name: report for report in world.fleet.reports()}


def test_what_was_known_is_shown_until_the_first_check_of_its_own() -> None:
    async def story(world: World) -> None:
        known = await known_to_another(world, "a")
        world.fleet.set_targets([])
        await world.until(70.0)
        world.fleet.set_targets([world.target("a")], known, CRASH)
        report = world.fleet.report("a")
        assert report is not None
        assert report.verdict == known["a"].verdict
        assert report.since == known["a"].since
        assert report.history == known["a"].history
        assert world.fleet.sight("a") is None, "a rotation waits for a check of this replica"
        await world.until(90.0)
        report = world.fleet.report("a")
        assert report is not None
        assert report.since == known["a"].since, "nothing changed"
        assert report.verdict.checked_at > known["a"].verdict.checked_at

    in_virtual_time(story)


def test_a_refusal_that_it_finds_is_looked_at_twice_as_ever() -> None:
    async def story(world: World) -> None:
        known = await known_to_another(world, "a")
        world.fleet.set_targets([])
        world.argocd.revoke_key("ci", "a")
        begun = len(world.shown)
        world.fleet.set_targets([world.target("a")], known, CRASH)
        await world.until(world.clock.monotonic() + 30.0)
        assert [status for _, _, status in world.shown[begun:]][:2] == ["valid", "revoked"]

    in_virtual_time(story)


@pytest.mark.parametrize(
    "changed",
    [
        {"server": "https://another.example"},
        {"verdict": None},
    ],
    ids=["of another server", "never checked"],
)
def test_what_does_not_hold_here_is_not_taken_over(changed: dict[str, object]) -> None:
    async def story(world: World) -> None:
        known = await known_to_another(world, "a")
        if changed.get("verdict", ...) is None:
            changed["verdict"] = replace(known["a"].verdict, status=Status.PENDING)
        world.fleet.set_targets([])
        began = world.clock.monotonic()
        world.fleet.set_targets([world.target("a")], {"a": replace(known["a"], **changed)}, STILL_WATCHED)  # type: ignore[arg-type]
        assert world.status("a") == "pending"
        await world.until(began + 1.0)
        assert world.status("a") == "valid", "it is looked at soon"

    in_virtual_time(story)


def test_targets_of_a_replica_that_is_gone_are_looked_at_in_time_also_where_it_told_nothing_of_them() -> None:
    async def story(world: World) -> None:
        key, names = world.argocd.mint_key("ci", "shared"), [f"t{number}" for number in range(400)]
        taken = TakeOver(unwatched=12.5, spread=0.5)
        world.fleet.set_targets([world.target(name, token=key) for name in names], None, taken)
        await world.until(1.0)
        assert {world.status(name) for name in names} == {"valid"}

    in_virtual_time(story)


def test_all_replicas_have_the_same_turns_whatever_their_clocks_began_with() -> None:
    for uptime in (0.0, 12_345.678, 9e6):
        rhythm = aligned(15.0, phase_of("production"), 1_795_000_000.0 - uptime)
        turn = next_due(rhythm, uptime + 100.0) - uptime
        assert turn == pytest.approx(next_due(aligned(15.0, phase_of("production"), 1_795_000_000.0), 100.0), abs=1e-5)


@pytest.mark.parametrize("taken", [CRASH, RELEASE])
@pytest.mark.parametrize("interval", [1.0, 5.0, 15.0, 300.0])
def test_no_target_is_unchecked_for_longer_than_the_interval_and_the_promise(taken: TakeOver, interval: float) -> None:
    """The old replica checked in its turns until it was gone; here the new one goes on after `unwatched` seconds."""
    promise = 20.0 if taken is CRASH else 3.5
    for number in range(500):
        rhythm = aligned(interval, phase_of(f"target-{number}"), 1_795_000_000.0)
        now = 1_000.0 + number
        gone_at = now - taken.unwatched
        last = rhythm.phase * interval + (gone_at - rhythm.phase * interval) // interval * interval
        due = taken_over_due(rhythm, now, taken.unwatched, taken.spread)
        assert now <= due
        assert due - last <= interval + promise


@pytest.mark.parametrize(("taken", "most"), [(CRASH, 260), (RELEASE, 260), (STILL_WATCHED, 120)])
def test_a_take_over_of_a_thousand_targets_floods_nobody(taken: TakeOver, most: int) -> None:
    now, spread = 1_000.0, min(1_000 / 200, taken.spread)
    rhythms = [aligned(15.0, phase_of(f"target-{number}"), 1_795_000_000.0) for number in range(1_000)]
    due = sorted(taken_over_due(rhythm, now, taken.unwatched, spread) for rhythm in rhythms)
    seconds = Counter(int((at - now) / 0.5) for at in due)
    assert max(seconds.values()) * 2 <= most, "checks in a second"
    assert due[-1] <= now + 15.0
