"""Worlds in which Argo CD's own ConfigMap and Secret are watched: when they are written, and what follows at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from monitor.core.argocd_objects import Part
from monitor.simulator.kubernetes import kubectl
from simulation.argocd_objects import NAMESPACE
from simulation.bugs import BUGS
from simulation.listening import deaf
from simulation.plan import Moment, Plan
from simulation.run import play
from simulation.world import World

WATCHED = Plan(watch_argocd=True, interval=30.0, starts_with="a live token", elected=False, active=300.0)


@contextmanager
def world_that_is_watched() -> Iterator[World]:
    world = World(WATCHED)
    world.cluster.prepare()
    world.objects.prepare()
    world.people.prepare()
    try:
        yield world
    finally:
        with deaf():
            world.bury()


def versions(world: World) -> list[str]:
    found = (
        kubectl.get(world.cluster.state, plural, NAMESPACE, part.value)
        for plural, part in (("configmaps", Part.SETTINGS), ("secrets", Part.KEYS))
    )
    return [one["metadata"]["resourceVersion"] for one in found if one is not None]


def test_a_key_that_is_deleted_is_a_write_of_the_secret_alone() -> None:
    with world_that_is_watched() as world:
        settings, keys = versions(world)
        world.people.revoke()
        after = versions(world)
        assert after[0] == settings
        assert after[1] != keys


def test_an_account_that_is_disabled_is_a_write_of_the_settings_alone() -> None:
    with world_that_is_watched() as world:
        settings, keys = versions(world)
        world.argocd.disable_account("ci")
        after = versions(world)
        assert after[0] != settings
        assert after[1] == keys


def test_what_is_as_it_was_is_no_change() -> None:
    with world_that_is_watched() as world:
        before, changed_at = versions(world), world.objects.changed_at
        world.loop.now += 5.0
        world.objects.write()
        assert (versions(world), world.objects.changed_at) == (before, changed_at)


def test_a_revocation_is_told_at_once_and_a_monitor_that_sleeps_through_it_is_found() -> None:
    told: list[float] = []
    for at in (99.0, 107.0):
        world = play(
            replace(WATCHED, moments=(Moment(at, "revoke"),)),
            prepare=lambda world: world.trace.when("log *status=revoked*", lambda: told.append(world.now)),
        )
        assert world.violation is None, "\n".join(world.trace.lines)
        assert told.pop() < at + 2.0
    with BUGS["sleep through changes"].let_in():
        found = [play(replace(WATCHED, moments=(Moment(at, "revoke"),))).violation for at in (99.0, 107.0)]
    assert any("that it watches for" in (one or "") for one in found)


def test_nothing_is_written_where_the_target_has_not_the_option() -> None:
    world = World(Plan())
    world.cluster.prepare()
    world.objects.prepare()
    world.argocd.disable_account("ci")
    assert versions(world) == []
    with deaf():
        world.bury()
