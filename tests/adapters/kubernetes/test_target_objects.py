"""Targets in labelled objects: what is seen of them, what is not, and what happens when the API does."""

from __future__ import annotations

import asyncio
import base64
import random
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from monitor.adapters.kubernetes.following import RETRY_CONFIGURATION
from monitor.adapters.kubernetes.reflector import PAGE
from monitor.adapters.kubernetes.target_objects import PATIENCE, Room, TargetObjects
from monitor.cluster import Answer, NoAnswer
from monitor.core.discovery import KEYS, LABEL, MAX_BYTES, Found
from monitor.core.watching import LONGEST_DENIED_PAUSE
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.api import SimulatedKubernetes

from tests.adapters.kubernetes.virtual import MONITOR, NAMESPACE, World, in_virtual_time

TEXT = "server: {svc: argocd-server}\nauth: {type: token, tokenSecretKeyRef: {name: t, key: token}}\n"
CANARY = "canary-3f20"


def put(
    world: World,
    name: str,
    text: str = TEXT,
    *,
    kind: str = "ConfigMap",
    key: str = KEYS[0],
    label: str | None = "true",
    namespace: str = NAMESPACE,
    **more: str,
) -> None:
    """Makes a labelled object, or replaces it."""
    data = {key: text, **more}
    if kind == "Secret":
        data = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    if label is not None:
        metadata["labels"] = {LABEL: label}
    kubectl.put(world.state, {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data})


def delete(world: World, name: str, kind: str = "ConfigMap") -> None:
    assert kubectl.delete(world.state, f"{kind.lower()}s", NAMESPACE, name)


def found(objects: TargetObjects) -> dict[str, Found]:
    return {one.origin.name: one for one in objects.found()}


def texts(objects: TargetObjects) -> dict[str, str | None]:
    return {name: one.text.reveal() if one.text else None for name, one in found(objects).items()}


@asynccontextmanager
async def looking(
    world: World, kind: str = "ConfigMap", *, room: Room | None = None, api: SimulatedKubernetes | None = None
) -> AsyncIterator[TargetObjects]:
    objects = TargetObjects(api or world.api, kind, NAMESPACE, room or Room(), random.Random(1).random)
    objects.start()
    try:
        await asyncio.sleep(1.0)
        yield objects
    finally:
        await objects.close()


async def problem(objects: TargetObjects) -> str:
    await objects.look()
    return objects.problem


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_labelled_objects_come_change_and_go_within_a_second(kind: str) -> None:
    @in_virtual_time
    async def story(world: World) -> None:
        put(world, "portal", kind=kind)
        put(world, "not-labelled", kind=kind, label=None)
        put(world, "elsewhere", kind=kind, namespace="other")
        async with looking(world, kind) as objects:
            assert texts(objects) == {"portal": TEXT}
            version = objects.version
            put(world, "ci", "x", kind=kind)
            put(world, "portal", "y", kind=kind)
            await asyncio.sleep(0.1)
            assert texts(objects) == {"portal": "y", "ci": "x"}
            assert objects.version > version
            delete(world, "ci", kind)
            put(world, "portal", "y", kind=kind, label=None)
            await asyncio.sleep(0.1)
            assert texts(objects) == {}, "deleted, and no longer labelled"
            assert await problem(objects) == ""

    story()


@in_virtual_time
async def test_the_label_turns_it_on_and_off_or_names_it(world: World) -> None:
    for name, label in (("a", "true"), ("b", "false"), ("c", "named"), ("d", "")):
        put(world, name, label=label)
    async with looking(world) as objects:
        seen = {name: (one.name, one.binding) for name, one in found(objects).items()}
    assert seen == {"a": ("a", False), "c": ("named", True), "d": ("d", False)}


@in_virtual_time
async def test_only_the_key_that_is_needed_is_kept(world: World) -> None:
    put(world, "portal", kind="Secret", token=CANARY, other="x" * 100_000)
    async with looking(world, "Secret") as objects:
        assert texts(objects) == {"portal": TEXT}
        version = objects.version
        put(world, "portal", kind="Secret", token=f"{CANARY}-2", other="y")
        await asyncio.sleep(0.1)
        assert objects.version == version, "another token in it is no other target"
        assert CANARY not in repr(objects._known)


@in_virtual_time
async def test_what_holds_no_target_is_told_by_name(world: World) -> None:
    put(world, "none", key="other.yaml")
    put(world, "both", **{KEYS[1]: TEXT})
    put(world, "other-key", key=KEYS[1])
    put(world, "large", "x" * (MAX_BYTES + 1))
    put(world, "just-fits", "x" * MAX_BYTES)
    put(world, "umlauts", "ä" * (MAX_BYTES // 2 + 1))
    kubectl.put(
        world.state,
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "empty", "namespace": NAMESPACE, "labels": {LABEL: "true"}}},
    )  # fmt: skip
    async with looking(world) as objects:
        seen = {name: one.problem for name, one in found(objects).items()}
    too_large = f"its key target.yaml has more than {MAX_BYTES} bytes; write one target and nothing else"
    assert seen == {
        "none": "has no key target.yaml; write one target below it, or take the label away",
        "both": "has both keys target.yaml and target; keep one",
        "other-key": "",
        "large": too_large,
        "just-fits": "",
        "umlauts": too_large,
        "empty": "has no key target.yaml; write one target below it, or take the label away",
    }


@in_virtual_time
async def test_a_secret_that_holds_no_text_is_told_without_what_it_holds(world: World) -> None:
    for name, raw in (("binary", b"\xff\xfe" + CANARY.encode()), ("large", b"x" * (MAX_BYTES + 3))):
        metadata = {"name": name, "namespace": NAMESPACE, "labels": {LABEL: "true"}}
        data = {KEYS[0]: base64.b64encode(raw).decode()}
        kubectl.put(world.state, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
    async with looking(world, "Secret") as objects:
        assert "not text in UTF-8" in found(objects)["binary"].problem
        assert f"more than {MAX_BYTES} bytes" in found(objects)["large"].problem
        assert CANARY not in repr(found(objects))


# --- What the API does ------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_after_a_410_and_an_outage_it_catches_up_and_nothing_is_gone_meanwhile(world: World) -> None:
    put(world, "portal")
    put(world, "gone")
    async with world.busy(), looking(world) as objects:
        world.state.compact()
        world.state.expire_watches()
        put(world, "made")
        await asyncio.sleep(10.0)
        assert set(texts(objects)) == {"portal", "gone", "made"}
        world.state.go_away(3 * PATIENCE)
        await asyncio.sleep(1.0)
        delete(world, "gone")
        put(world, "late")
        for _ in range(int(2 * PATIENCE)):
            await asyncio.sleep(1.0)
            said = await problem(objects)
            assert set(texts(objects)) == {"portal", "gone", "made"}, "what cannot be seen is not taken for gone"
        assert said.startswith("cannot be seen at present, and what was found before goes on")
        await asyncio.sleep(3 * PATIENCE)
        assert set(texts(objects)) == {"portal", "made", "late"}
        assert await problem(objects) == ""


@in_virtual_time
async def test_a_restart_of_the_api_is_no_problem_to_tell(world: World) -> None:
    put(world, "portal")
    async with world.busy(), looking(world) as objects:
        world.state.go_away(30.0)
        for _ in range(100):
            await asyncio.sleep(1.0)
            assert await problem(objects) == ""


@in_virtual_time
async def test_without_a_way_to_the_api_that_is_told_at_once_and_nobody_waits_for_it(world: World) -> None:
    put(world, "portal")
    world.api.problem = "no way to the Kubernetes API: there is none; give kubernetes.kubeconfig"
    async with looking(world) as objects:
        assert objects.looked.is_set()
        assert await problem(objects) == f"cannot be looked for: {world.api.problem}"
        world.api.problem = None
        await asyncio.sleep(RETRY_CONFIGURATION)
        assert await problem(objects) == ""
        assert set(texts(objects)) == {"portal"}


@in_virtual_time
async def test_what_is_not_allowed_is_told_with_what_to_do_until_it_is(world: World) -> None:
    put(world, "portal")
    world.allow("get", "configmaps")
    async with looking(world) as objects:
        version = objects.version
        said = await problem(objects)
        assert said.startswith("may not be looked for (configmaps is forbidden")
        assert said.endswith(
            "; allow list and watch on configmaps in namespace argocd, which cannot be limited to names"
        )
        assert objects.version > version
        world.state.access.free(MONITOR)
        await asyncio.sleep(LONGEST_DENIED_PAUSE)
        assert await problem(objects) == ""
        assert set(texts(objects)) == {"portal"}
        world.allow("get", "configmaps")
        world.state.drop_watches()
        await asyncio.sleep(60.0)
        assert (await problem(objects)).startswith("may not be looked for")
        assert set(texts(objects)) == {"portal"}, "who takes a right away takes no target away"


@in_virtual_time
async def test_names_alone_are_not_enough_to_be_allowed(world: World) -> None:
    """A list by label has no name that RBAC could go by: it takes the whole namespace."""
    put(world, "portal")
    world.allow("get,list,watch", "configmaps", names=("portal",))
    async with looking(world) as objects:
        assert "cannot be limited to names" in await problem(objects)


class Narrow(SimulatedKubernetes):
    """An API whose answers are too large with more than so many objects."""

    most = 3

    async def request(self, method: str, path: str, **options: Any) -> Answer | NoAnswer:
        query = options.get("query") or {}
        if int(query.get("limit", "0")) > self.most:
            return NoAnswer("an answer of the Kubernetes API is larger than 4 MiB", too_large=True)
        return await super().request(method, path, **options)


@in_virtual_time
async def test_large_objects_are_listed_in_smaller_pages(world: World) -> None:
    for number in range(20):
        put(world, f"t{number:02d}")
    api = Narrow(world.state, MONITOR, world.clock, namespace=NAMESPACE, latency=lambda: 0.005)
    assert Narrow.most < PAGE
    async with looking(world, api=api) as objects:
        assert len(texts(objects)) == 20
        assert world.state.count("list") == 20, "one by one, once it is known that even a few are too large"


@in_virtual_time
async def test_objects_that_are_too_large_by_themselves_are_told_of_as_a_whole(world: World) -> None:
    put(world, "portal")
    api = Narrow(world.state, MONITOR, world.clock, namespace=NAMESPACE, latency=lambda: 0.005)
    api.most = 0
    async with looking(world, api=api) as objects:
        assert await problem(objects) == ""
        await asyncio.sleep(PATIENCE)
        assert "objects of megabytes" in await problem(objects)


# --- Many -------------------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_there_is_room_for_so_many_and_that_there_are_more_is_told(world: World) -> None:
    for number in range(10):
        put(world, f"t{number}")
    room = Room(8)
    async with looking(world, room=room) as objects:
        assert len(texts(objects)) == 8
        assert "are more, with the label, than are looked at" in await problem(objects)
        async with looking(world, "Secret", room=room) as others:
            put(world, "late", kind="Secret")
            await asyncio.sleep(0.1)
            assert texts(others) == {}, "the room is one for all places"
            for number in range(5):
                delete(world, f"t{number}")
            world.state.compact()
            world.state.expire_watches()
            await asyncio.sleep(10.0)
            assert set(texts(objects)) == {f"t{number}" for number in range(5, 10)}
            assert await problem(objects) == ""
            assert set(texts(others)) == {"late"}


@in_virtual_time
async def test_room_is_given_back_however_objects_go(world: World) -> None:
    room = Room(3)
    async with looking(world, room=room) as objects:
        for round_ in range(10):
            for number in range(3):
                put(world, f"t{round_}-{number}")
            await asyncio.sleep(0.1)
            assert len(texts(objects)) == 3
            if round_ % 2:
                world.state.drop_watches()
                world.state.compact()
            for number in range(3):
                delete(world, f"t{round_}-{number}")
            await asyncio.sleep(10.0)
            assert texts(objects) == {}
        assert await problem(objects) == ""


@in_virtual_time
async def test_a_list_that_broke_off_takes_no_room_for_good(world: World) -> None:
    for number in range(PAGE + 50):
        put(world, f"t{number:04d}")
    world.state.faults.answer(500, "list", times=1, skip=1)
    objects = TargetObjects(world.api, "ConfigMap", NAMESPACE, Room(PAGE + 50), lambda: 0.0)
    objects.start()
    await asyncio.sleep(0.1)
    assert texts(objects) == {}, "the second page did not come"
    for number in range(PAGE + 50):
        delete(world, f"t{number:04d}")
        put(world, f"new-{number:04d}")
    await asyncio.sleep(5.0)
    # Those of the first page are taken for kept until a whole list says otherwise; the next one has all the room.
    world.state.compact()
    world.state.expire_watches()
    await asyncio.sleep(30.0)
    assert len(texts(objects)) == PAGE + 50
    await objects.close()


def test_two_thousand_take_little_memory_whatever_else_their_objects_hold() -> None:
    @in_virtual_time
    async def story(world: World) -> None:
        for number in range(2000):
            put(world, f"t{number:04d}", notes="x" * 2000)
        tracemalloc.start()
        try:
            async with looking(world) as objects:
                await asyncio.sleep(5.0)
                assert len(list(objects.found())) == 2000
                took, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert took / 2000 < 1500, f"{took / 2000:.0f} bytes an object"

    story()
