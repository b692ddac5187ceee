"""The watch on Argo CD's own objects: what is a change, what is none, and that no content of argocd-secret comes here."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from monitor.adapters.kubernetes.argocd_watch import ArgoCDWatch
from monitor.adapters.kubernetes.following import RETRY_CONFIGURATION
from monitor.adapters.kubernetes.reflector import METADATA, METADATA_LIST, Reflector
from monitor.cluster import Answer, Event, NoAnswer
from monitor.core.argocd_objects import Part
from monitor.core.watching import LONGEST_DENIED_PAUSE
from monitor.ports import Clock
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.access import Rule
from structlog.testing import capture_logs

from tests.adapters.kubernetes.virtual import MONITOR, NAMESPACE, SECRETS, World, in_virtual_time

CANARY = "canary-7b1e"
SETTINGS, KEYS = (NAMESPACE, Part.SETTINGS), (NAMESPACE, Part.KEYS)


def settings(world: World, **entries: str) -> None:
    """Makes argocd-cm, or gives it these entries and no others; `__` in a name stands for a dot."""
    data = {name.replace("__", "."): value for name, value in entries.items()}
    found = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": NAMESPACE}}
    kubectl.put(world.state, {**found, "data": data})


def installed(world: World) -> None:
    settings(world, accounts__ci="apiKey", url="https://a")
    world.put("argocd-secret", admin__password=CANARY)


class Scene:
    def __init__(self, world: World, *wanted: str | None) -> None:
        self.changes: list[tuple[float, tuple[str | None, Part]]] = []
        self.world = world
        self.watch = ArgoCDWatch(world.api, self._changed, random.Random(1).random)
        self.watch.set_wanted(wanted)

    def _changed(self, namespace: str | None, part: Part) -> None:
        self.changes.append((self.world.now, (namespace, part)))

    def changed(self) -> list[tuple[str | None, Part]]:
        """What was told since the last look."""
        told = [place for _, place in self.changes]
        self.changes.clear()
        return told


@asynccontextmanager
async def watching(world: World, *wanted: str | None) -> AsyncIterator[Scene]:
    scene = Scene(world, *(wanted or (NAMESPACE,)))
    async with scene.watch:
        await asyncio.sleep(1.0)
        yield scene


@in_virtual_time
async def test_a_change_is_told_in_the_moment_in_which_the_event_arrives(world: World) -> None:
    installed(world)
    async with watching(world) as scene:
        assert scene.changed() == [], "what is seen first is no change"
        assert scene.watch.in_touch(NAMESPACE)
        began = world.now
        world.put("argocd-secret", admin__password="another")
        for _ in range(3):
            await asyncio.sleep(0)
        assert scene.changes == [(began, KEYS)]
        scene.changed()
        settings(world, accounts__ci="apiKey", accounts__ci__enabled="false", url="https://a")
        await asyncio.sleep(0.01)
        assert scene.changed() == [SETTINGS]


@in_virtual_time
async def test_what_decides_about_no_token_is_no_change(world: World) -> None:
    installed(world)
    async with watching(world) as scene:
        settings(world, accounts__ci="apiKey", url="https://other", dex__config="connectors: []")
        kubectl.change(world.state, "configmaps", NAMESPACE, "argocd-cm", {"metadata": {"labels": {"team": "a"}}})
        world.put("another-secret", token="x")
        await asyncio.sleep(1.0)
        assert scene.changed() == []


@in_virtual_time
async def test_objects_that_are_made_and_deleted_are_changes(world: World) -> None:
    async with watching(world) as scene:
        installed(world)
        await asyncio.sleep(0.1)
        assert set(scene.changed()) == {SETTINGS, KEYS}
        world.delete("argocd-secret")
        await asyncio.sleep(0.1)
        assert scene.changed() == [KEYS]
        world.put("argocd-secret", admin__password=CANARY)
        await asyncio.sleep(0.1)
        assert scene.changed() == [KEYS], "another one, though it holds the same"


@in_virtual_time
async def test_what_changed_while_nothing_could_be_heard_is_told_afterwards(world: World) -> None:
    installed(world)
    async with world.busy(), watching(world) as scene:
        world.state.go_away(20.0)
        world.put("argocd-secret", admin__password="another")
        await asyncio.sleep(10.0)
        assert scene.changed() == []
        assert not scene.watch.in_touch(NAMESPACE)
        await world.wait_for(lambda: scene.watch.in_touch(NAMESPACE), 120.0)
        assert scene.changed() == [KEYS]


@in_virtual_time
async def test_after_a_410_a_change_is_told_and_none_is_none(world: World) -> None:
    installed(world)
    async with watching(world) as scene:
        world.state.expire_watches()
        await asyncio.sleep(10.0)
        assert scene.watch.in_touch(NAMESPACE)
        assert scene.changed() == []
        world.state.compact()
        world.state.expire_watches()
        settings(world, accounts__ci="login")
        await asyncio.sleep(10.0)
        assert scene.changed() == [SETTINGS]


@in_virtual_time
async def test_by_name_is_all_that_it_needs_to_be_allowed(world: World) -> None:
    installed(world)
    world.state.access.restrict(
        MONITOR,
        Rule("list,watch", "configmaps", "", (NAMESPACE,), ("argocd-cm",)),
        Rule("list,watch", "secrets", "", (NAMESPACE,), ("argocd-secret",)),
    )
    async with watching(world) as scene:
        assert scene.watch.in_touch(NAMESPACE)
        world.put("argocd-secret", admin__password="another")
        await asyncio.sleep(0.1)
        assert scene.changed() == [KEYS]
    assert {one.verb for one in world.state.asked(user=MONITOR)} == {"list", "watch"}, "nothing is got"


@in_virtual_time
async def test_without_a_way_to_the_api_that_is_told_once_an_object(world: World) -> None:
    installed(world)
    world.api.problem = "no way to the Kubernetes API: there is none; give kubernetes.kubeconfig"
    with capture_logs() as logs:
        async with watching(world) as scene:
            await asyncio.sleep(3 * RETRY_CONFIGURATION)
            warnings = [line for line in logs if line["log_level"] == "warning"]
            assert [line["problem"] for line in warnings] == [world.api.problem] * 2
            assert all("take watchArgoCD out of the target" in line["fix"] for line in warnings)
            world.api.problem = None
            await asyncio.sleep(RETRY_CONFIGURATION + 1.0)
            assert scene.watch.in_touch(NAMESPACE)


@in_virtual_time
async def test_what_is_not_allowed_is_told_once_with_what_to_do_and_the_other_object_is_watched(world: World) -> None:
    installed(world)
    allowed = Rule("list,watch", "configmaps", "", (NAMESPACE,), ("argocd-cm",))
    world.state.access.restrict(MONITOR, allowed)
    with capture_logs() as logs:
        async with watching(world) as scene:
            await asyncio.sleep(3 * LONGEST_DENIED_PAUSE)
            assert not scene.watch.in_touch(NAMESPACE)
            settings(world, accounts__ci="login")
            await asyncio.sleep(0.1)
            assert scene.changed() == [SETTINGS]
            (warning,) = [line for line in logs if line["log_level"] == "warning"]
            assert warning["event"].startswith("Secret argocd-secret of Argo CD may not be watched")
            assert "resourceNames [argocd-secret]" in warning["fix"]
            assert "doctor --rbac" in warning["fix"]
            world.state.access.free(MONITOR)
            await world.wait_for(lambda: scene.watch.in_touch(NAMESPACE), LONGEST_DENIED_PAUSE)
            world.state.access.restrict(MONITOR, allowed)
            world.state.drop_watches()
            await asyncio.sleep(60.0)
            assert len([line for line in logs if line["log_level"] == "warning"]) == 2, "mended and broken again"


@in_virtual_time
async def test_installations_come_and_go_and_the_others_are_not_disturbed(world: World) -> None:
    installed(world)
    async with watching(world, None, "other") as scene:
        assert scene.watch.in_touch(None), "the monitor's own namespace"
        lists = world.state.count("list")
        scene.watch.set_wanted([None, "third"])
        await asyncio.sleep(1.0)
        assert world.state.count("list") == lists + 2
        assert not scene.watch.in_touch("other")
        assert len(world.state.watches) == 4
        world.put("argocd-secret", admin__password="another")
        await asyncio.sleep(0.1)
        assert scene.changed() == [(None, Part.KEYS)]


@in_virtual_time
async def test_a_thousand_installations_are_two_tasks_each_that_begin_spread(world: World) -> None:
    names = [f"argocd-{number}" for number in range(1000)]
    async with watching(world, *names) as scene:
        await world.wait_for(lambda: all(map(scene.watch.in_touch, names)), 15.0)
        times = [recorded.at for recorded in world.state.asked("list")]
        assert len(times) == 2000
        busiest = max(sum(start <= time < start + 1.0 for time in times) for start in times[:: len(times) // 50])
        assert busiest < 300
        ours = [task for task in asyncio.all_tasks() if task.get_name().startswith("watch argocd-")]
        assert len(ours) == 2000


# --- Contents never come here -----------------------------------------------------------------------------------------


class Recording:
    """The way to the API, that remembers what was asked for and what came; `heedless`: as one that ignores Accept."""

    def __init__(self, world: World, *, heedless: bool = False) -> None:
        self._world = world
        self._heedless = heedless
        self.accepted: list[tuple[str, str]] = []
        self.came: list[object] = []

    @property
    def namespace(self) -> str:
        return NAMESPACE

    @property
    def clock(self) -> Clock:
        return self._world.clock

    async def ready(self) -> str | None:
        return None

    async def request(self, method: str, path: str, **options: Any) -> Answer | NoAnswer:
        self.accepted.append((path, options["accept"]))
        if self._heedless:
            options["accept"] = "application/json"
        answer = await self._world.api.request(method, path, **options)
        self.came.append(answer.body if isinstance(answer, Answer) else None)
        return answer

    async def watch(self, path: str, *, accept: str = "", **options: Any) -> AsyncIterator[Event | Answer | NoAnswer]:
        self.accepted.append((path, accept))
        accept = "application/json" if self._heedless else accept
        async for item in self._world.api.watch(path, accept=accept, **options):
            self.came.append(item.object if isinstance(item, Event) else None)
            yield item


@in_virtual_time
async def test_of_argocd_secret_the_metadata_alone_is_asked_for_and_comes(world: World) -> None:
    installed(world)
    api = Recording(world)
    async with ArgoCDWatch(api, lambda *_: None, lambda: 0.5) as watch:
        watch.set_wanted([NAMESPACE])
        await asyncio.sleep(1.0)
        world.put("argocd-secret", admin__password=f"{CANARY}-2")
        await asyncio.sleep(1.0)
        assert watch.in_touch(NAMESPACE)
    assert {accept for path, accept in api.accepted if path == SECRETS} == {METADATA_LIST, METADATA}
    secrets = [came for came in api.came if "argocd-secret" in str(came)]
    assert len(secrets) >= 2
    assert not any("'data'" in str(came) for came in secrets)


@pytest.mark.parametrize("at_once", [True, False], ids=["from the first list", "from a watch"])
def test_a_server_that_sends_the_contents_all_the_same_is_refused_and_nothing_is_kept(
    at_once: bool, caplog: pytest.LogCaptureFixture
) -> None:
    @in_virtual_time
    async def story(world: World) -> None:
        installed(world)
        api = Recording(world, heedless=at_once)
        told: list[object] = []
        kept: list[Mapping[str, Any]] = []
        reflector: Reflector[Mapping[str, Any]] = Reflector(
            api,
            SECRETS,
            lambda found: kept.append(found) or found,  # type: ignore[func-returns-value]
            lambda: 0.5,
            metadata_only=True,
            on_refused=lambda answer: told.append((answer.status, answer.message)),
        )
        tasks = [asyncio.create_task(reflector.run())]
        async with ArgoCDWatch(api, lambda *place: told.append(place), lambda: 0.5) as watch:
            watch.set_wanted([NAMESPACE])
            await asyncio.sleep(1.0)
            api._heedless = True
            world.put("argocd-secret", admin__password=f"{CANARY}-2")
            world.state.drop_watches()
            await asyncio.sleep(5.0)
            world.put("argocd-secret", admin__password=f"{CANARY}-3")
            await asyncio.sleep(5.0)
            assert not watch.in_touch(NAMESPACE)
            asked = len(api.accepted)
            await asyncio.sleep(30.0)
            assert len([path for path, _ in api.accepted[asked:] if path == SECRETS]) == 0, "it is not asked again soon"
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert (406, "whole objects were sent where the metadata alone was asked for") in told
        assert not any("data" in found for found in kept)
        assert not (at_once and kept), "not even their names"
        assert "'data'" not in str(dict(reflector.known))

    structlog.configure(logger_factory=structlog.stdlib.LoggerFactory())
    try:
        with caplog.at_level(logging.DEBUG):
            story()
    finally:
        structlog.reset_defaults()
    assert "may not be watched" in caplog.text
    assert CANARY not in caplog.text
    assert "Y2FuYXJ5" not in caplog.text


@in_virtual_time
async def test_contents_in_what_calls_itself_metadata_are_dropped_unseen(world: World) -> None:
    installed(world)
    kept: list[Mapping[str, Any]] = []

    class Liar(Recording):
        async def request(self, method: str, path: str, **options: Any) -> Answer | NoAnswer:
            answer = await super().request(method, path, **options)
            assert isinstance(answer, Answer)
            items = [{**item, "data": {"admin.password": CANARY}} for item in answer.body["items"]]
            return Answer(200, {**answer.body, "items": items})

    reflector: Reflector[str] = Reflector(
        Liar(world),
        SECRETS,
        lambda found: kept.append(found) or "x",
        lambda: 0.5,
        metadata_only=True,  # type: ignore[func-returns-value]
    )
    task = asyncio.create_task(reflector.run())
    await asyncio.sleep(1.0)
    task.cancel()
    await asyncio.wait([task])
    assert [set(found) for found in kept] == [{"metadata"}]
