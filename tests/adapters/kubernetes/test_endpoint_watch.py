"""The watch on EndpointSlices: who answers for a Service, as soon as Kubernetes knows, and why that may not be known."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from monitor.adapters.kubernetes.endpoint_watch import BEGINNING, EndpointWatch, Place, WatchedService
from monitor.cluster import NoAnswer
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.services import Pod, publish

from tests.adapters.kubernetes.virtual import NAMESPACE, World, in_virtual_time

GROUP = "discovery.k8s.io"
SERVICE = Place(None, "argocd-server")
A, B, C = (Pod(f"argocd-server-{name}", f"10.0.0.{number}") for number, name in enumerate("abc", 1))


@asynccontextmanager
async def watching(world: World, *places: Place) -> AsyncIterator[EndpointWatch]:
    watch = EndpointWatch(world.api, random.Random(1).random)
    watch.set_wanted(places or (SERVICE,))
    async with watch:
        await asyncio.sleep(1.0)
        yield watch


def names(watch: EndpointWatch, place: Place = SERVICE) -> list[str]:
    return [replica.name.removeprefix("argocd-server-") for replica in watch.look(place, "http", 80).replicas]


def problem(watch: EndpointWatch, place: Place = SERVICE) -> str:
    return watch.look(place, "http", 80).problem


@in_virtual_time
async def test_the_pods_that_serve_are_known_with_their_port(world: World) -> None:
    publish(world.state, NAMESPACE, "argocd-server", [A, B, Pod("argocd-server-c", "10.0.0.3", ready=False)])
    publish(world.state, NAMESPACE, "another", [Pod("another-a", "10.0.9.1")])
    async with watching(world) as watch:
        found = watch.look(SERVICE, "http", 80)
        assert [replica.host for replica in found.replicas] == ["10.0.0.1:8080", "10.0.0.2:8080"]
        assert (found.total, found.problem, watch.service(SERVICE)) == (2, "", f"{NAMESPACE}/argocd-server")


@in_virtual_time
async def test_pods_that_are_replaced_are_known_in_the_moment_in_which_the_event_arrives(world: World) -> None:
    publish(world.state, NAMESPACE, "argocd-server", [A, B])
    async with watching(world) as watch:
        publish(world.state, NAMESPACE, "argocd-server", [Pod(A.name, A.address, terminating=True), B, C])
        await world.wait_for(lambda: names(watch) == ["b", "c"], 0.05)
        publish(world.state, NAMESPACE, "argocd-server", [])
        await world.wait_for(lambda: not names(watch), 0.05)
        assert problem(watch).startswith(f"Service {NAMESPACE}/argocd-server has no ready replica: see that its pods")


@in_virtual_time
async def test_services_of_several_namespaces_are_kept_apart_and_targets_of_one_share_its_watch(world: World) -> None:
    other = Place("other", "argocd-server")
    publish(world.state, NAMESPACE, "argocd-server", [A])
    publish(world.state, "other", "argocd-server", [B])
    async with watching(world, SERVICE, other, SERVICE) as watch:
        assert (names(watch), names(watch, other)) == (["a"], ["b"])
        assert len(world.state.watches) == 2
        watch.set_wanted((other,))
        await asyncio.sleep(0.1)
        assert len(world.state.watches) == 1
        assert names(watch, other) == ["b"]
        assert watch.look(SERVICE, "http", 80).total == 0


@in_virtual_time
async def test_without_permission_nobody_is_asked_and_the_problem_names_the_role(world: World) -> None:
    publish(world.state, NAMESPACE, "argocd-server", [A])
    world.allow("get", "secrets")
    async with watching(world) as watch:
        assert names(watch) == []
        assert "endpointslices" in problem(watch)
        assert "is forbidden" in problem(watch)
        assert problem(watch).endswith(
            "allow list and watch on endpointslices.discovery.k8s.io there, as `token-monitor doctor --rbac` prints it, or"
            " take everyReplica out of the target"
        )
        world.allow("list,watch", "endpointslices", GROUP)
        await world.wait_for(lambda: names(watch) == ["a"], 120.0)
        assert problem(watch) == ""
        world.state.go_away(300.0)
        await asyncio.sleep(200.0)
        assert "is forbidden" not in problem(watch), "what was denied once is no reason any more"
        assert "see that the monitor reaches the Kubernetes API" in problem(watch)


@in_virtual_time
async def test_addresses_of_which_nothing_was_heard_for_long_are_not_asked(world: World) -> None:
    publish(world.state, NAMESPACE, "argocd-server", [A])
    async with world.busy(), watching(world) as watch:
        world.state.go_away(300.0)
        await asyncio.sleep(200.0)
        assert names(watch) == []
        assert "see that the monitor reaches the Kubernetes API" in problem(watch)
        await world.wait_for(lambda: names(watch) == ["a"], 300.0)


@in_virtual_time
async def test_a_watch_on_which_nothing_happens_for_an_hour_is_no_reason_to_stop_asking(world: World) -> None:
    """Nobody writes, so no bookmarks come: the watch is begun anew for its silence, again and again."""
    publish(world.state, NAMESPACE, "argocd-server", [A])
    async with watching(world) as watch:
        for _ in range(3600):
            await asyncio.sleep(1.0)
            assert (names(watch), problem(watch)) == (["a"], "")


@in_virtual_time
async def test_without_a_cluster_the_problem_is_told_after_the_beginning(world: World) -> None:
    async def nowhere() -> str:
        return "no kubeconfig"

    world.api.ready = nowhere  # type: ignore[method-assign]
    async with watching(world) as watch:
        assert problem(watch) == ""
        await asyncio.sleep(BEGINNING)
        assert "are not known, only the Service is asked (no kubeconfig): see that the monitor reaches" in problem(
            watch
        )


@in_virtual_time
async def test_a_watched_service_answers_as_the_port_of_the_services_does(world: World) -> None:
    publish(world.state, NAMESPACE, "argocd-server", [A])
    async with watching(world) as watch:
        service = WatchedService(watch, SERVICE, "https", 443)
        assert service.service == f"{NAMESPACE}/argocd-server"
        assert [replica.host for replica in service.look().replicas] == ["10.0.0.1:8080"]


@in_virtual_time
async def test_a_slice_without_endpoints_or_with_nonsense_is_nothing(world: World) -> None:
    publish(world.state, NAMESPACE, "argocd-server", [A])
    async with watching(world) as watch:
        name = "argocd-server-ipv4-8080"
        kubectl.change(world.state, "endpointslices", NAMESPACE, name, {"endpoints": [], "ports": None})
        await asyncio.sleep(0.1)
        assert names(watch) == []
        assert not isinstance(await world.api.request("GET", "/version"), NoAnswer)


@in_virtual_time
async def test_a_command_waits_until_the_replicas_are_known_or_why_they_are_not(world: World) -> None:
    publish(world.state, NAMESPACE, "argocd-server", [A])
    other = Place("other", "argocd-server")
    world.allow("list,watch", "endpointslices", GROUP)
    watch = EndpointWatch(world.api, random.Random(1).random)
    watch.set_wanted((SERVICE, other))
    async with watch:
        began = world.api.clock.monotonic()
        await watch.first_heard(5.0)
        assert world.api.clock.monotonic() - began < 1.0
        assert names(watch) == ["a"]
        assert "is forbidden" in problem(watch, other)


@in_virtual_time
async def test_a_command_waits_no_longer_than_it_was_told_and_says_why_nothing_is_known(world: World) -> None:
    publish(world.state, NAMESPACE, "argocd-server", [A])
    watch = EndpointWatch(world.api, random.Random(1).random)
    watch.set_wanted((SERVICE,))
    world.state.go_away(300.0)
    async with watch:
        began = world.api.clock.monotonic()
        await watch.first_heard(5.0)
        assert world.api.clock.monotonic() - began == 5.0
        assert "are not known, only the Service is asked: see that the monitor reaches" in problem(watch)


@in_virtual_time
async def test_a_command_without_a_cluster_says_so_at_once(world: World) -> None:
    async def nowhere() -> str:
        return "no kubeconfig"

    world.api.ready = nowhere  # type: ignore[method-assign]
    watch = EndpointWatch(world.api, random.Random(1).random)
    watch.set_wanted((SERVICE,))
    async with watch:
        began = world.api.clock.monotonic()
        await watch.first_heard(5.0)
        assert world.api.clock.monotonic() - began < 1.0
        assert "only the Service is asked (no kubeconfig): see that" in problem(watch)
