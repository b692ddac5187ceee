"""Replicas that share the targets, against a simulated API: every target has an owner, in time, whatever happens."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from monitor.adapters.kubernetes.slots import ADDRESS, Slots
from monitor.core.membership import DURATION, LOOK, PATIENCE
from monitor.core.sharding import Doubt, Everything, Part, Spare, Undecided, share
from monitor.ports import Leadership
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.access import Rule
from structlog.testing import capture_logs

from tests.adapters.kubernetes.virtual import MONITOR, NAMESPACE, World, in_virtual_time

PREFIX = "token-monitor-shard"
GROUP = "coordination.k8s.io"
COUNT = 4
TARGETS = tuple(f"target-{number}" for number in range(40))
# design.md, without what the fleet takes to look at all of them.
AFTER_CRASH, AFTER_STOP = 12.5, 2.1


def replica(world: World, name: str, *, user: str = MONITOR, count: int = COUNT) -> Slots:
    """A replica of its own, over its own way to the API."""
    chance = random.Random(name).random
    changes: list[float] = []
    made = Slots(
        world.way(user),
        NAMESPACE,
        PREFIX,
        count,
        f"monitor-{name}",
        lambda: f"http://10.0.0.{ord(name[0])}:8080",
        world.clock,
        chance,
        lambda: changes.append(world.now),
    )
    made.changes = changes  # type: ignore[attr-defined]
    return made


def crash(each: Slots) -> None:
    """Ends as a killed process: without a word."""
    assert each._task is not None
    each._task.cancel()
    each._task = None


def shares(*replicas: Slots) -> list[frozenset[str]]:
    return [share(each.standing, TARGETS) for each in replicas]


def split(*replicas: Slots) -> bool:
    """Every target has exactly one owner."""
    parts = shares(*replicas)
    return sum(map(len, parts)) == len(TARGETS) == len(frozenset().union(*parts))


def covered(*replicas: Slots) -> bool:
    """Every target has an owner, or several."""
    return len(frozenset().union(*shares(*replicas))) == len(TARGETS)


@asynccontextmanager
async def sharing(world: World, *names: str, **options: Any) -> AsyncIterator[list[Slots]]:
    """Replicas that have shared the targets."""
    replicas = [replica(world, name, **options) for name in names]
    for each in replicas:
        each.start()
    await world.wait_for(lambda: split(*replicas) and all(isinstance(each.standing, Part) for each in replicas), 6.0)
    try:
        yield replicas
    finally:
        world.state.faults.clear()
        world.state.come_back()
        for each in replicas:
            await each.close()


def holders(world: World) -> list[str]:
    found = (kubectl.get(world.state, "leases", NAMESPACE, f"{PREFIX}-{number}") for number in range(COUNT))
    return [str(lease["spec"].get("holderIdentity") or "") for lease in found if lease is not None]


@in_virtual_time
async def test_replicas_that_start_in_the_same_moment_share_within_seconds(world: World) -> None:
    async with sharing(world, "a", "b", "c") as replicas:
        assert sorted(filter(None, holders(world))) == ["monitor-a", "monitor-b", "monitor-c"]
        for each in replicas:
            assert isinstance(each.standing, Part)
            assert len(each.standing.slots) == 3
            assert sorted(identity for identity, _ in each.others().values()) == sorted(
                other._membership.identity for other in replicas if other is not each
            )
        for _ in range(120):
            await asyncio.sleep(1.0)
            assert split(*replicas), "and nothing moves for nothing"


@in_virtual_time
async def test_it_is_a_leadership_as_the_services_want_it(world: World) -> None:
    async with sharing(world, "a") as (a,):
        leadership: Leadership = a
        await world.wait_for(leadership.leads, 6.0)


@in_virtual_time
async def test_a_crashed_replica_is_missed_in_time_and_only_its_share_moves(world: World) -> None:
    for _ in range(5):
        async with sharing(world, "a", "b", "c") as (a, b, c):
            await asyncio.sleep(world.state.random.uniform(5, 15))
            before = shares(b, c)
            crash(a)
            took = await world.wait_for(lambda b=b, c=c: split(b, c), AFTER_CRASH)
            assert took > DURATION - LOOK
            assert all(had <= has for had, has in zip(before, shares(b, c), strict=True))
        await asyncio.sleep(2 * DURATION)


@in_virtual_time
async def test_a_replica_that_stops_in_good_order_is_missed_at_once(world: World) -> None:
    for _ in range(5):
        async with sharing(world, "a", "b", "c") as (a, b, c):
            await asyncio.sleep(world.state.random.uniform(5, 15))
            await a.close()
            await world.wait_for(lambda b=b, c=c: split(b, c), AFTER_STOP)


@in_virtual_time
async def test_one_that_comes_gets_its_share_and_no_target_is_without_an_owner_meanwhile(world: World) -> None:
    async with sharing(world, "a", "b") as (a, b):
        c = replica(world, "c")
        c.start()
        began = world.now
        while not (split(a, b, c) and isinstance(c.standing, Part)):
            assert covered(a, b, c), "twice at worst, never not at all"
            assert world.now - began < 4.0
            await asyncio.sleep(0.01)
        await c.close()
        await world.wait_for(lambda: split(a, b), AFTER_STOP)


@in_virtual_time
async def test_a_restarted_replica_that_takes_the_same_slot_gets_the_same_share(world: World) -> None:
    async with sharing(world, "a", "b", "c", count=3) as (a, b, c):
        before = shares(a, b, c)
        await a.close()
        again = replica(world, "a2", count=3)
        again.start()
        await world.wait_for(lambda: split(again, b, c) and isinstance(again.standing, Part), 6.0)
        assert shares(again, b, c) == before
        await again.close()


@in_virtual_time
async def test_while_the_api_is_away_each_keeps_its_share_and_begins_nothing(world: World) -> None:
    async with sharing(world, "a", "b", "c") as replicas:
        await world.wait_for(lambda: all(each.leads() for each in replicas), 10.0)
        before = shares(*replicas)
        world.state.go_away(600.0)
        await asyncio.sleep(DURATION)
        assert not any(each.leads() for each in replicas)
        for _ in range(650):
            await asyncio.sleep(1.0)
            assert shares(*replicas) == before
        await world.wait_for(lambda: all(each.leads() for each in replicas), 10.0)


@in_virtual_time
async def test_one_that_is_cut_off_checks_on_while_others_take_over_and_then_shares_again(world: World) -> None:
    world.state.access.free("cut off")
    async with sharing(world, "b", "c") as (b, c):
        a = replica(world, "a")
        a.start()
        await world.wait_for(lambda: split(a, b, c) and isinstance(a.standing, Part), 6.0)
        had = share(a.standing, TARGETS)
        request, a._leases._api.request = a._leases._api.request, unreachable  # type: ignore[attr-defined]
        await world.wait_for(lambda: split(b, c), AFTER_CRASH)
        assert share(a.standing, TARGETS) == had, "twice, which does no harm"
        assert not a.leads()
        a._leases._api.request = request  # type: ignore[attr-defined]
        await world.wait_for(lambda: split(a, b, c), 6.0)
        await a.close()


async def unreachable(*args: Any, **options: Any) -> object:
    from monitor.cluster import NoAnswer

    return NoAnswer("no route", sent=False)


@in_virtual_time
async def test_an_answer_that_was_lost_gives_nobody_two_slots_for_long(world: World) -> None:
    async with sharing(world, "a") as (a,):
        b = replica(world, "b")
        world.state.faults.lose_answers(times=3, verb="create")
        b.start()
        await world.wait_for(lambda: split(a, b) and isinstance(b.standing, Part), 10.0)
        await asyncio.sleep(3 * LOOK)
        assert sorted(filter(None, holders(world))) == ["monitor-a", "monitor-b"]
        await b.close()


@in_virtual_time
async def test_more_replicas_than_slots_wait_for_one(world: World) -> None:
    async with sharing(world, "a", "b", count=2) as (a, b):
        c = replica(world, "c", count=2)
        with capture_logs() as logs:
            c.start()
            await world.wait_for(lambda: isinstance(c.standing, Spare), 3.0)
        assert any("kubernetes.shards.slots" in str(line.get("fix")) for line in logs)
        crash(a)
        await world.wait_for(lambda: split(b, c), AFTER_CRASH + LOOK)
        await c.close()


@in_virtual_time
async def test_without_permission_each_checks_everything_and_says_once_what_is_missing(world: World) -> None:
    world.allow("get", "secrets")
    with capture_logs() as logs:
        a = replica(world, "a")
        a.start()
        await world.wait_for(lambda: a.standing == Everything(Doubt.DENIED), 3.0)
        assert a.leads()
        await asyncio.sleep(300.0)
        await a.close()
    told = [line for line in logs if "may not be used" in line["event"]]
    assert len(told) == 1
    assert f"{PREFIX}-0, {PREFIX}-1" in told[0]["fix"]
    assert "resourceNames" in told[0]["fix"]


@in_virtual_time
async def test_permission_by_name_is_enough_where_the_leases_are_there(world: World) -> None:
    names = tuple(f"{PREFIX}-{number}" for number in range(COUNT))
    for name in names:
        metadata = {"name": name, "namespace": NAMESPACE}
        kubectl.put(world.state, {"apiVersion": f"{GROUP}/v1", "kind": "Lease", "metadata": metadata})
    world.state.access.restrict(MONITOR, Rule("get,update", "leases", GROUP, (NAMESPACE,), names))
    async with sharing(world, "a", "b", "c"):
        pass


@in_virtual_time
async def test_when_permission_comes_it_shares(world: World) -> None:
    world.allow("get", "secrets")
    async with sharing(world, "b", user="somebody") as (b,):
        a = replica(world, "a")
        a.start()
        await world.wait_for(lambda: a.standing == Everything(Doubt.DENIED), 3.0)
        world.state.access.free(MONITOR)
        await world.wait_for(lambda: split(a, b), 90.0)
        await a.close()


@in_virtual_time
async def test_without_the_api_at_the_start_it_checks_everything_after_some_seconds(world: World) -> None:
    world.state.go_away(30.0)
    a = replica(world, "a")
    a.start()
    await asyncio.sleep(PATIENCE - 1.0)
    assert a.standing == Undecided()
    await world.wait_for(lambda: a.standing == Everything(Doubt.UNSEEN), 6.0)
    assert not a.leads()
    await world.wait_for(lambda: isinstance(a.standing, Part), 40.0)
    await a.close()


@in_virtual_time
async def test_an_api_without_leases_is_no_permission(world: World) -> None:
    a = replica(world, "a")
    a._leases._api.request = no_such_kind  # type: ignore[method-assign]
    a.start()
    await world.wait_for(lambda: a.standing == Everything(Doubt.DENIED), 3.0)
    crash(a)


async def no_such_kind(*args: Any, **options: Any) -> object:
    from monitor.cluster import Answer

    return Answer(404, {"kind": "Status", "code": 404, "details": {}})


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("http://10.1.2.3:8080", True),
        ("https://[fd00::7]:8443", True),
        ("http://169.254.169.254:80", False),
        ("http://[fe80::1]:8080", False),
        ("http://evil.example:8080", False),
        ("http://10.1.2.3:8080/admin", False),
        ("http://user@10.1.2.3:8080", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_only_an_address_without_anything_around_it_is_asked(address: object, asked: bool) -> None:
    @in_virtual_time
    async def story(world: World) -> None:
        async with sharing(world, "a", "b") as (a, b):
            slot = a._membership.own
            patch = {"metadata": {"annotations": {ADDRESS: address}}}
            b_looked = asyncio.create_task(asyncio.sleep(LOOK))
            crash(a)
            kubectl.change(world.state, "leases", NAMESPACE, f"{PREFIX}-{slot}", patch)
            await b_looked
            assert b.others()[slot][1] == (address if asked else "")  # type: ignore[index]

    story()


@in_virtual_time
async def test_closing_while_the_api_hangs_takes_two_seconds_at_most(world: World) -> None:
    async with sharing(world, "a") as (a,):
        world.state.faults.lose_requests(times=None, hang=True)
        began = world.now
        await a.close()
        assert world.now - began <= 2.1


@in_virtual_time
async def test_what_others_wrote_into_a_lease_stays(world: World) -> None:
    async with sharing(world, "a", count=1):
        kubectl.change(world.state, "leases", NAMESPACE, f"{PREFIX}-0", {"metadata": {"labels": {"team": "a"}}})
        await asyncio.sleep(5.0)
        lease = kubectl.get(world.state, "leases", NAMESPACE, f"{PREFIX}-0")
        assert lease is not None
        assert lease["metadata"]["labels"] == {"team": "a"}
        assert lease["metadata"]["annotations"] == {ADDRESS: "http://10.0.0.97:8080"}
        assert lease["spec"]["leaseDurationSeconds"] == int(DURATION)
