"""When targets are checked: spread, never twice at once, never waiting for a slow one, no storm."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

import pytest
from monitor.core.model import FaultKind, Reply
from monitor.core.secret import Secret
from monitor.ports import Credential
from monitor.services.fleet import MAX_STARTS_PER_DISPATCH

from tests.services.fleet_driver import World, in_virtual_time

INTERVAL = 30.0


def test_a_thousand_targets_are_spread_over_the_interval() -> None:
    async def story(world: World) -> None:
        key = world.argocd.mint_key("ci", "shared")
        world.fleet.set_targets(world.target(f"t{n}", interval=INTERVAL, token=key) for n in range(1000))
        await world.until(3 * INTERVAL)
        steady = [int(at) for at, _ in world.starts if at >= INTERVAL]
        assert len(steady) == pytest.approx(2 * 1000, rel=0.02)
        assert max(Counter(steady).values()) <= 2 * 1000 / INTERVAL
        assert {name for _, name in world.starts} == {f"t{n}" for n in range(1000)}
        assert sorted(world.lateness)[int(0.99 * len(world.lateness))] < 0.05

    in_virtual_time(story)


def test_every_target_is_checked_once_an_interval() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a"), world.target("b")])
        await world.until(1.0 + 10 * 15.0)
        counts = Counter(name for _, name in world.starts)
        assert all(10 <= count <= 12 for count in counts.values())
        gaps = [b - a for (a, _), (b, _) in zip(of("a", world), of("a", world)[1:], strict=False)]
        assert max(gaps) <= 1.1 * 15.0 + 0.01

    in_virtual_time(story)


def test_a_slow_target_delays_nobody_and_is_never_checked_twice_at_once() -> None:
    async def story(world: World) -> None:
        slow = world.target("slow", interval=5.0)
        world.servers["slow"].hang = 9.0
        world.fleet.set_targets([slow, world.target("quick", interval=5.0)])
        await world.until(100.0)
        assert 19 <= len(of("quick", world)) <= 22
        asked = [at for at, _ in world.servers["slow"].asked]
        assert min(b - a for a, b in itertools.pairwise(asked)) >= 9.0 - 1e-9

    in_virtual_time(story)


def test_while_it_cannot_tell_the_pauses_grow_and_recovery_brings_the_rhythm_back() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a", interval=10.0)])
        await world.until(5.0)
        world.servers["a"].fault = FaultKind.TIMEOUT
        await world.until(400.0)
        failing = [at for at, _ in of("a", world) if at > 5.0]
        assert len(failing) <= 14
        assert max(b - a for a, b in itertools.pairwise(failing)) <= 4 * 10.0 * 1.2
        world.servers["a"].fault = None
        await world.until(600.0)
        after = [at for at, _ in of("a", world) if at > 450.0]
        assert len(after) >= 14

    in_virtual_time(story)


def test_a_server_that_asks_to_wait_is_left_alone_that_long() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a", interval=10.0)])
        await world.until(5.0)
        world.servers["a"].answer = Reply(429, b"", retry_after=300.0)
        await world.until(290.0)
        assert len([at for at, _ in of("a", world) if at > 5.0]) == 1

    in_virtual_time(story)


def test_in_the_steady_state_a_check_is_one_request() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a", interval=10.0)])
        await world.until(5.0)
        world.servers["a"].asked.clear()
        await world.until(250.0)
        assert {path for _, path in world.servers["a"].asked} == {"/api/v1/session/userinfo"}
        assert len(world.servers["a"].asked) == len([at for at, _ in of("a", world) if at > 5.0])

    in_virtual_time(story)


def test_a_secret_that_was_written_without_another_token_costs_one_request() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a", interval=100.0)])
        await world.until(20.0)
        asked = world.servers["a"].asked
        asked.clear()
        world.fleet.changed("a")
        await world.until(22.0)
        assert len(asked) == 1

    in_virtual_time(story)


def test_the_account_and_the_control_are_looked_at_every_five_minutes() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a", interval=10.0)])
        await world.until(1000.0)
        reads = [at for at, path in world.servers["a"].asked if path == "/api/v1/account/ci"]
        assert len(reads) == 4
        assert all(300.0 <= b - a <= 312.0 for a, b in itertools.pairwise(reads))

    in_virtual_time(story)


def test_many_targets_that_are_due_at_once_all_get_their_turn_and_the_loop_gets_its_own() -> None:
    async def story(world: World) -> None:
        names = [f"t{n}" for n in range(MAX_STARTS_PER_DISPATCH + 100)]
        world.fleet.set_targets(world.target(name, interval=600.0, token="not a token") for name in names)
        await world.until(10.0)
        world.starts.clear()
        for name in names:
            world.fleet.trigger(name)
        await world.fleet.dispatch()
        running = [task for task in asyncio.all_tasks() if task.get_name().startswith("check ")]
        assert len(running) == MAX_STARTS_PER_DISPATCH
        await world.until(11.0)
        assert {name for _, name in world.starts} == set(names)

    in_virtual_time(story)


def test_lateness_is_the_time_between_due_and_started() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a")])
        await world.until(5.0)
        world.lateness.clear()
        world.pause_until(world.clock.monotonic() + 60.0)
        await world.until(70.0)
        assert 45.0 < world.lateness[0] <= 60.0
        assert max(world.lateness[1:], default=0.0) < 0.05

    in_virtual_time(story)


def test_a_trigger_does_not_disturb_the_rhythm_of_others() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a"), world.target("b")])
        await world.until(31.0)
        world.starts.clear()
        for _ in range(10):
            world.sources["a"].credential = Credential(Secret("not a token"))
            world.fleet.trigger("a")
            await world.until(world.clock.monotonic() + 1.0)
        assert len(of("a", world)) >= 10
        assert len(of("b", world)) <= 1

    in_virtual_time(story)


def test_a_check_that_was_moved_forward_is_not_made_again_at_its_old_time() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a", interval=100.0)])
        await world.until(250.0)
        world.fleet.trigger("a")
        await world.until(1000.0)
        later = [at for at, _ in of("a", world) if at > 251.0]
        assert min(b - a for a, b in itertools.pairwise(later)) == pytest.approx(100.0, abs=0.1)

    in_virtual_time(story)


def test_a_pause_that_was_cut_short_leaves_no_check_behind() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a", interval=100.0)])
        await world.until(50.0)
        world.servers["a"].fault = FaultKind.TIMEOUT
        await world.until(900.0)
        world.servers["a"].fault = None
        world.fleet.trigger("a")
        await world.until(2000.0)
        later = [at for at, _ in of("a", world) if at > 901.0]
        assert min(b - a for a, b in itertools.pairwise(later)) == pytest.approx(100.0, abs=0.1)

    in_virtual_time(story)


def test_nothing_is_planned_without_targets() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([])
        assert world.fleet.next_due() is None
        await world.until(100.0)
        assert world.starts == []

    in_virtual_time(story)


def of(name: str, world: World) -> list[tuple[float, str]]:
    return [(at, found) for at, found in world.starts if found == name]
