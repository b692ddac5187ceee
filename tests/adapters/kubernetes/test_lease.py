"""The Lease election against a simulated API: one leads, a successor is there in time, and never two at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from monitor.adapters.kubernetes.lease import LeaseElection
from monitor.adapters.kubernetes.lease_object import CALL_DEADLINE
from monitor.core.election import LEASE_DURATION, RENEW_DEADLINE
from monitor.ports import Leadership
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.access import Rule, service_account
from structlog.testing import capture_logs

from tests.adapters.kubernetes.virtual import MONITOR, NAMESPACE, World, in_virtual_time

LEASE = "token-monitor"
GROUP = "coordination.k8s.io"
PATH = f"/apis/{GROUP}/v1/namespaces/{NAMESPACE}/leases"


def election_of(world: World, name: str, user: str = MONITOR, namespace: str | None = NAMESPACE) -> LeaseElection:
    """A candidate of its own, over its own way to the API."""
    chance = random.Random(name).random
    return LeaseElection(world.way(user), namespace, LEASE, f"monitor-{name}", world.clock, chance)


def crash(candidate: LeaseElection) -> None:
    """Ends as a killed process: without a word."""
    assert candidate._task is not None
    candidate._task.cancel()
    candidate._task = None


def lease(world: World) -> dict[str, Any]:
    found = kubectl.get(world.state, "leases", NAMESPACE, LEASE)
    assert found is not None
    return found["spec"]


async def never_two(world: World, *candidates: LeaseElection) -> None:
    """Looks at each moment in which anything can change."""
    while True:
        leaders = [candidate for candidate in candidates if candidate.leads()]
        assert len(leaders) <= 1, f"{len(leaders)} lead at {world.now}"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def electing(world: World, *names: str) -> AsyncIterator[list[LeaseElection]]:
    """Candidates that are watched all the time; the first has begun to lead."""
    candidates = [election_of(world, name) for name in names]
    guard = asyncio.create_task(never_two(world, *candidates))
    for candidate in candidates:
        candidate.start()
        await asyncio.sleep(0.5)
    assert [candidate.leads() for candidate in candidates] == [True] + [False] * (len(names) - 1)
    try:
        yield candidates
    finally:
        world.state.faults.clear()
        world.state.come_back()
        for candidate in candidates:
            await candidate.close()
        if guard.done():
            guard.result()
        guard.cancel()
        await asyncio.wait([guard])


@in_virtual_time
async def test_a_single_replica_leads_at_once_and_goes_on(world: World) -> None:
    async with electing(world, "a") as (a,):
        for _ in range(600):
            await asyncio.sleep(1.0)
            assert a.leads()
        assert a.holder == "monitor-a"
        assert lease(world)["acquireTime"] < lease(world)["renewTime"]
        assert lease(world)["leaseTransitions"] == 0


@in_virtual_time
async def test_it_is_a_leadership_as_the_services_want_it(world: World) -> None:
    leadership: Leadership = election_of(world, "a")
    assert not leadership.leads()


@in_virtual_time
async def test_before_it_starts_and_after_it_closed_nobody_leads(world: World) -> None:
    a = election_of(world, "a")
    assert not a.leads()
    async with a:
        await asyncio.sleep(1.0)
        assert a.leads()
    assert not a.leads()


@in_virtual_time
async def test_two_replicas_that_start_in_the_same_moment_agree(world: World) -> None:
    candidates = [election_of(world, name) for name in "abc"]
    guard = asyncio.create_task(never_two(world, *candidates))
    for candidate in candidates:
        candidate.start()
    await asyncio.sleep(3.0)
    assert sum(candidate.leads() for candidate in candidates) == 1
    for candidate in candidates:
        await candidate.close()
    guard.cancel()
    await asyncio.wait([guard])
    assert guard.cancelled()


@in_virtual_time
async def test_after_a_graceful_stop_another_leads_within_three_seconds(world: World) -> None:
    for _ in range(5):
        async with electing(world, "a", "b") as (a, b):
            await asyncio.sleep(world.state.random.uniform(5, 15))
            began = world.now
            await a.close()
            await world.wait_for(b.leads, 3.0 - (world.now - began))


@in_virtual_time
async def test_after_a_crash_another_leads_within_twenty_seconds(world: World) -> None:
    for _ in range(5):
        async with electing(world, "a", "b") as (a, b):
            await asyncio.sleep(world.state.random.uniform(5, 15))
            crash(a)
            took = await world.wait_for(b.leads, 20.0)
            assert took > RENEW_DEADLINE, "not before the other one has stopped"


@in_virtual_time
async def test_a_successor_counts_one_more_transition_and_keeps_what_others_wrote(world: World) -> None:
    async with electing(world, "a", "b") as (a, b):
        kubectl.change(world.state, "leases", NAMESPACE, LEASE, {"metadata": {"labels": {"team": "a"}}})
        await asyncio.sleep(5.0)
        await a.close()
        await world.wait_for(b.leads, 3.0)
        found = kubectl.get(world.state, "leases", NAMESPACE, LEASE)
        assert found is not None
        assert found["metadata"]["labels"] == {"team": "a"}
        assert lease(world)["leaseTransitions"] == 1
        assert lease(world)["holderIdentity"] == "monitor-b"
        assert lease(world)["leaseDurationSeconds"] == LEASE_DURATION


@in_virtual_time
async def test_the_replica_that_leaves_takes_its_name_out_and_no_other(world: World) -> None:
    async with electing(world, "a", "b") as (a, b):
        await b.close()
        await asyncio.sleep(1.0)
        assert lease(world)["holderIdentity"] == "monitor-a"
        assert a.leads()
        await a.close()
        assert not lease(world).get("holderIdentity")


@in_virtual_time
async def test_a_stop_while_the_api_hangs_takes_two_seconds_at_most_and_leads_no_longer_at_once(world: World) -> None:
    async with electing(world, "a") as (a,):
        world.state.faults.lose_requests(times=None, hang=True)
        began = world.now
        stopping = asyncio.create_task(a.close())
        await asyncio.sleep(0)
        assert not a.leads()
        await stopping
        assert world.now - began <= 2.0


# --- What the network does ----------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_connection_that_fails_does_not_end_the_election(world: World) -> None:
    async with electing(world, "a") as (a,):
        world.state.go_away(120.0)
        await asyncio.sleep(RENEW_DEADLINE + 0.1)
        assert not a.leads()
        await world.wait_for(a.leads, 120.0)


@in_virtual_time
async def test_a_fault_that_is_shorter_than_the_deadline_costs_nothing(world: World) -> None:
    async with electing(world, "a", "b") as (a, _):
        for _ in range(5):
            await asyncio.sleep(15.0)
            world.state.go_away(5.0)
            for _ in range(60):
                await asyncio.sleep(0.1)
                assert a.leads()


@in_virtual_time
async def test_a_call_that_hangs_proves_nothing_and_ends_leading_in_time(world: World) -> None:
    async with electing(world, "a") as (a,):
        renewed = world.now
        world.state.faults.lose_requests(times=None, hang=True)
        took = await world.wait_for(lambda: not a.leads(), 60.0)
        assert world.now - renewed <= RENEW_DEADLINE + 0.02
        assert took <= RENEW_DEADLINE + 0.02


@in_virtual_time
async def test_a_call_hangs_for_three_seconds_at_most(world: World) -> None:
    async with electing(world, "a") as (a,):
        world.state.faults.lose_requests("update", times=1, hang=True)
        world.state.requests.clear()
        await asyncio.sleep(CALL_DEADLINE + 2.0 + 1.0)
        assert [recorded.verb for recorded in world.state.requests][:3] == ["update", "get", "update"]
        assert a.leads()


@in_virtual_time
async def test_an_update_whose_answer_was_lost_is_read_before_anything_is_concluded(world: World) -> None:
    async with electing(world, "a", "b") as (a, b):
        for hang in (False, True):
            world.state.faults.lose_answers("update", times=1, hang=hang)
            for _ in range(120):
                await asyncio.sleep(0.1)
                assert a.leads()
                assert not b.leads()
        assert lease(world)["leaseTransitions"] == 0


@in_virtual_time
async def test_a_creation_whose_answer_was_lost_is_found_to_be_ones_own(world: World) -> None:
    world.state.faults.lose_answers("create", times=1)
    a = election_of(world, "a")
    async with a:
        await world.wait_for(a.leads, 2.0)
        assert world.state.count("create") == 1


@in_virtual_time
async def test_a_takeover_that_arrives_after_it_was_given_up_makes_no_second_leader(world: World) -> None:
    async with electing(world, "a", "b", "c") as (a, b, c):
        crash(a)
        await asyncio.sleep(LEASE_DURATION - 2.0)
        world.state.faults.delay_requests(CALL_DEADLINE + 4.0, "update", times=1)
        await world.wait_for(lambda: b.leads() or c.leads(), 20.0)
        await asyncio.sleep(60.0)
        assert b.leads() != c.leads()


@in_virtual_time
async def test_each_answer_comes_late_and_still_nobody_leads_too_long(world: World) -> None:
    async with electing(world, "a", "b"):
        world.state.faults.delay_answers(2.5, times=None)
        await asyncio.sleep(120.0)
        world.state.faults.clear()
        world.state.faults.delay_answers(3.5, times=None)  # later than the deadline of a call: nothing is ever known
        await asyncio.sleep(120.0)


@in_virtual_time
async def test_a_partition_of_the_leader_alone_changes_the_leader_without_an_overlap(world: World) -> None:
    theirs = service_account(NAMESPACE, "other")
    a, b = election_of(world, "a"), election_of(world, "b", theirs)
    guard = asyncio.create_task(never_two(world, a, b))
    async with a, b:
        await asyncio.sleep(2.0)
        leader, other, user = (a, b, MONITOR) if a.leads() else (b, a, theirs)
        world.state.faults.refuse(user=user, times=None)
        await world.wait_for(other.leads, 20.0)
        assert not leader.leads()
        world.state.faults.clear()
        await asyncio.sleep(60.0)
        assert other.leads()
    guard.cancel()
    await asyncio.wait([guard])
    assert guard.cancelled()


@pytest.mark.parametrize("seed", range(4))
def test_whatever_befalls_the_calls_two_never_lead(seed: int) -> None:
    """Twenty seeded minutes of trouble: lost and late calls, conflicts, outages, crashes and restarts."""

    @in_virtual_time
    async def story(world: World) -> None:
        chance = random.Random(seed)
        faults = world.state.faults
        candidates = [election_of(world, name) for name in "abc"]
        guard = asyncio.create_task(never_two(world, *candidates))
        for candidate in candidates:
            candidate.start()
        led = 0
        for _ in range(120):
            if guard.done():
                break
            match chance.randrange(8):
                case 0:
                    faults.lose_answers(times=chance.randrange(4), hang=chance.random() < 0.5)
                case 1:
                    faults.delay_requests(chance.uniform(0, 12), times=chance.randrange(3))
                case 2:
                    faults.delay_answers(chance.uniform(0, 6), times=chance.randrange(3))
                case 3:
                    faults.answer(chance.choice([409, 429, 500, 503]), times=chance.randrange(3))
                case 4:
                    world.state.go_away(chance.uniform(0, 20))
                case 5:
                    kubectl.delete(world.state, "leases", NAMESPACE, LEASE)
                    # Somebody's hand on the Lease is no part of the promise: the old leader has to see it first.
                    for candidate in candidates:
                        await candidate.close()
                        candidate._closing = False
                        candidate.start()
                case _:
                    faults.clear()
                    world.clock.offset = chance.uniform(-1e6, 1e6)
            await asyncio.sleep(10.0)
            led += any(candidate.leads() for candidate in candidates)
        faults.clear()
        world.state.come_back()
        for candidate in candidates:
            await candidate.close()
        guard.cancel()
        await asyncio.wait([guard])
        assert guard.cancelled(), guard.exception()
        assert led > 40

    story()


# --- Clocks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "offset", [-86_400.0, 86_400.0, -3600.0 * 24 * 365 * 20], ids=["back", "forth", "decades-back"]
)
def test_a_clock_that_jumps_changes_nothing(offset: float) -> None:
    @in_virtual_time
    async def story(world: World) -> None:
        async with electing(world, "a", "b") as (a, b):
            world.clock.offset = offset
            for _ in range(60):
                await asyncio.sleep(1.0)
                assert a.leads()
                assert not b.leads()

    story()


@in_virtual_time
async def test_a_time_of_day_that_stands_still_is_still_a_sign_of_life(world: World) -> None:
    async with electing(world, "a", "b") as (a, b):
        stopped = world.clock.now()
        world.clock.now = lambda: stopped  # type: ignore[method-assign]
        for _ in range(60):
            await asyncio.sleep(1.0)
            assert a.leads()
            assert not b.leads()


# --- Permissions --------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_without_permission_each_replica_does_the_work_and_says_once_what_to_grant(world: World) -> None:
    world.allow("get")
    a, b = election_of(world, "a"), election_of(world, "b")
    with capture_logs() as logs:
        async with a, b:
            await asyncio.sleep(600.0)
            assert a.leads()
            assert b.leads()
    assert not a.leads(), "a replica that has ended does no work"
    warnings = [line for line in logs if line["log_level"] == "warning"]
    assert len(warnings) == 2, "one a replica"
    assert "the verb create on leases (coordination.k8s.io)" in warnings[0]["fix"]
    assert f"get, update with resourceNames [{LEASE}]" in warnings[0]["fix"]


@in_virtual_time
async def test_with_the_permission_that_is_told_one_leads(world: World) -> None:
    world.allow("get")
    a, b = election_of(world, "a"), election_of(world, "b")
    async with a, b:
        await asyncio.sleep(1.0)
        named = Rule("get,update", "leases", GROUP, (NAMESPACE,), (LEASE,))
        world.state.access.restrict(MONITOR, named, Rule("create", "leases", GROUP, (NAMESPACE,)))
        await asyncio.sleep(150.0)
        assert a.leads() != b.leads()


@in_virtual_time
async def test_a_lease_that_exists_needs_no_permission_to_create(world: World) -> None:
    kubectl.put(
        world.state,
        {"apiVersion": f"{GROUP}/v1", "kind": "Lease", "metadata": {"name": LEASE, "namespace": NAMESPACE}, "spec": {}},
    )
    world.allow("get,update", "leases", GROUP, names=(LEASE,))
    async with electing(world, "a"):
        pass


@in_virtual_time
async def test_permission_to_look_alone_makes_nobody_waver(world: World) -> None:
    world.allow("get", "leases", GROUP)
    a = election_of(world, "a")
    async with a:
        await asyncio.sleep(1.0)
        for _ in range(2_000):
            await asyncio.sleep(0.05)
            assert a.leads()


@in_virtual_time
async def test_the_namespace_of_the_pod_is_taken_where_none_is_given(world: World) -> None:
    a = election_of(world, "a", namespace=None)
    async with a:
        await asyncio.sleep(1.0)
        assert lease(world)["holderIdentity"] == "monitor-a"


@in_virtual_time
async def test_something_that_is_no_lease_makes_nobody_lead(world: World) -> None:
    a = election_of(world, "a")
    ask = a._leases._api.request

    async def login_page(*args: Any, **options: Any) -> object:
        return type(await ask(*args, **options))(200, {})

    a._leases._api.request = login_page  # type: ignore[method-assign, assignment]
    async with a:
        for _ in range(100):
            await asyncio.sleep(0.1)
            assert not a.leads()
