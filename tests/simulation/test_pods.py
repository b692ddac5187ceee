"""Worlds in which each replica of Argo CD is asked at its own address: pods, the EndpointSlice, and who answers where."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from monitor.core.endpoint_slices import behind, read_slice
from monitor.simulator.messages import Request
from simulation.argocd_pods import NAMESPACE, Door, by_a_stranger
from simulation.listening import deaf
from simulation.plan import Moment, Plan
from simulation.run import play
from simulation.weather import Kind, Side, Spell
from simulation.world import World

TWO = Plan(every_replica=True, lags=(0.0, 0.0), starts_with="a live token", elected=False, active=400.0)


@contextmanager
def world_of_two() -> Iterator[World]:
    world = World(TWO)
    world.cluster.prepare()
    world.pods.prepare()
    try:
        yield world
    finally:
        with deaf():
            world.bury()


def listed(world: World) -> list[str]:
    slices = map(read_slice, world.cluster.state.all("discovery.k8s.io", "endpointslices", NAMESPACE))
    return [replica.address for replica in behind(filter(None, slices), "http", 80).replicas]


def pass_time(world: World, seconds: float) -> None:
    world.loop.now += seconds
    world.pods.publish()


def test_each_replica_has_an_address_in_the_slice_and_answers_there() -> None:
    with world_of_two() as world:
        addresses = listed(world)
        assert [world.pods.at(address) for address in addresses] == [0, 1]
        assert all(world.pods.is_listed(address) for address in addresses)


def test_a_pod_that_is_replaced_is_in_the_slice_until_that_is_noticed_and_never_answers_again() -> None:
    with world_of_two() as world:
        (old, other), lives = listed(world), world.restarts(0)
        world.replace_pod(0, 60.0)
        assert listed(world) == [old, other]
        assert isinstance(world.pods.at(old), Door)
        assert world.restarts(0) > lives  # what was connected is dead
        pass_time(world, 60.0)
        assert world.pods.lost_at == {old: 60.0}
        assert [world.pods.at(address) for address in listed(world)] == [0, 1]


def test_a_pod_that_is_not_ready_is_out_of_the_slice_and_answers_whoever_asks() -> None:
    with world_of_two() as world:
        address = listed(world)[1]
        world.pods.unready(1, 20.0)
        assert not world.pods.is_listed(address)
        assert world.pods.at(address) == 1
        assert world.pods.orderly_since == float("inf")
        pass_time(world, 20.0)
        assert world.pods.is_listed(address)
        assert world.pods.orderly_since == 20.0


def test_a_stranger_never_accepts_a_token() -> None:
    request = Request("GET", "/api/v1/session/userinfo", {"authorization": "Bearer x"}, b"")
    assert by_a_stranger("10.0.0.2", request).body == b"{}"
    assert by_a_stranger("10.0.0.4", request).status == 404


@pytest.mark.parametrize("spells", [(), (Spell(Side.ARGOCD, Kind.LATE_ANSWER, chance=0.2, seconds=0.5),)])
def test_a_replica_that_hears_of_no_revocation_is_told_after_two_minutes_and_the_key_is_replaced_once_it_did(
    spells: tuple[Spell, ...],
) -> None:
    told: list[float] = []
    moments = (Moment(60.0, "stick_pod", (1.0, 250.0)), Moment(65.0, "revoke"))
    world = play(
        replace(TWO, moments=moments, spells=spells),
        prepare=lambda world: world.trace.when("log *status=rejected*", lambda: told.append(world.now)),
    )
    assert world.violation is None, "\n".join(world.trace.lines)
    assert world.healed_at is not None
    assert 185.0 <= told[0] < 220.0
    assert min(world.invariants.minted.values()) > 310.0


def test_a_token_that_all_refuse_before_a_few_accept_it_may_be_shown_as_refused() -> None:
    moments = (Moment(60.0, "stick_pod", (0.0, 300.0)), Moment(80.0, "put_own_token"))
    world = play(replace(TWO, lags=(0.0, 8.0, 2.0), moments=moments))
    assert world.violation is None, "\n".join(world.trace.lines)


def test_no_slice_is_written_where_the_target_has_not_the_option() -> None:
    world = World(Plan())
    world.cluster.prepare()
    world.pods.prepare()
    assert list(world.cluster.state.all("discovery.k8s.io", "endpointslices", NAMESPACE)) == []
    with deaf():
        world.bury()
