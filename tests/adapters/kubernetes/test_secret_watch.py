"""Watched Secrets: a change is told in the moment in which it is seen, and a token read without a request."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog
from monitor.adapters.kubernetes.following import AFTER_DEFECT
from monitor.adapters.kubernetes.secret_watch import SecretWatch, WatchedCount
from monitor.adapters.kubernetes.secrets import KubernetesSecretSource, SecretReader
from structlog.testing import capture_logs

from tests.adapters.kubernetes.virtual import MONITOR, NAMESPACE, SECRETS, World, in_virtual_time

ONE = f"{SECRETS}/token"
WANTED = [(NAMESPACE, "token", "token")]


class Scene:
    """A watch with a source over it, and what was told."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.changes: list[tuple[float, str]] = []
        self.watch = SecretWatch(world.api, self._changed, random.Random(1).random)
        self.reader = SecretReader(world.api, self.watch)
        self.source = self.reading()

    def _changed(self, namespace: str | None, name: str) -> None:
        self.changes.append((self.world.now, f"{namespace}/{name}"))

    def reading(self, name: str = "token", key: str = "token") -> KubernetesSecretSource:
        return KubernetesSecretSource(self.reader, NAMESPACE, name, key)

    def changed(self) -> list[str]:
        """What was told as changed since the last look."""
        told = [place for _, place in self.changes]
        self.changes.clear()
        return told

    async def value(self, source: KubernetesSecretSource | None = None) -> str | None:
        credential = await (source or self.source).read()
        return credential.token.reveal() if credential.token is not None else None

    def gets(self) -> int:
        return self.world.state.count("get", user=MONITOR)


@asynccontextmanager
async def watching(world: World, wanted: list[tuple[str | None, str, str]] | None = None) -> AsyncIterator[Scene]:
    scene = Scene(world)
    scene.watch.set_wanted(WANTED if wanted is None else wanted)
    async with scene.watch:
        await asyncio.sleep(1.0)
        yield scene


@in_virtual_time
async def test_a_token_is_read_without_a_request_while_the_watch_is_in_touch(world: World) -> None:
    world.put("token", token="first")
    async with world.busy(), watching(world) as scene:
        for _ in range(100):
            assert await scene.value() == "first"
            await asyncio.sleep(15.0)
        assert scene.gets() == 0


@in_virtual_time
async def test_a_changed_secret_is_told_in_the_moment_in_which_the_event_arrives(world: World) -> None:
    world.put("token", token="first")
    async with watching(world) as scene:
        began = world.now
        world.put("token", token="second")
        for _ in range(3):  # turns of the loop: the event is taken from the stream and told; no time passes
            await asyncio.sleep(0)
        assert scene.changes == [(began, f"{NAMESPACE}/token")]
        assert await scene.value() == "second"


@in_virtual_time
async def test_what_is_seen_first_is_no_change(world: World) -> None:
    world.put("token", token="first")
    async with watching(world) as scene:
        assert scene.changed() == []


@in_virtual_time
async def test_a_secret_that_is_deleted_and_made_again_is_told_twice(world: World) -> None:
    world.put("token", token="first")
    async with watching(world) as scene:
        world.delete("token")
        await asyncio.sleep(0.1)
        assert scene.changed() == [f"{NAMESPACE}/token"]
        credential = await scene.source.read()
        assert (credential.token, credential.readable) == (None, True)
        assert "kubectl create secret" in credential.problem
        world.put("token", token="first")
        await asyncio.sleep(0.1)
        assert scene.changed() == [f"{NAMESPACE}/token"]
        assert await scene.value() == "first"


@in_virtual_time
async def test_labels_annotations_and_other_keys_are_no_change(world: World) -> None:
    world.put("token", token="first", other="x")
    async with watching(world) as scene:
        world.label("token", team="a")
        world.put("token", token="first", other="y", third="z")
        await asyncio.sleep(0.1)
        assert scene.changed() == []


@in_virtual_time
async def test_of_a_secret_only_the_wanted_keys_stay_in_memory(world: World) -> None:
    world.put("token", token="first", other="x")
    async with watching(world) as scene:
        sight = scene.watch.look((NAMESPACE, "token"))
        assert sight is not None
        assert sight.data is not None
        assert set(sight.data.values) == {"token"}


@in_virtual_time
async def test_a_key_that_is_missing_is_told_with_the_keys_that_are_there(world: World) -> None:
    world.put("token", tokken="first", other="x")
    async with watching(world) as scene:
        credential = await scene.source.read()
        assert "has no key token (there are: other, tokken)" in credential.problem
        assert scene.gets() == 0


@in_virtual_time
async def test_targets_that_use_two_keys_of_one_secret_share_its_watch(world: World) -> None:
    world.put("token", token="first", password="swordfish")
    async with watching(world, [*WANTED, (NAMESPACE, "token", "password")]) as scene:
        assert len(world.state.watches) == 1
        assert await scene.value() == "first"
        assert await scene.value(scene.reading(key="password")) == "swordfish"


@in_virtual_time
async def test_watches_begin_and_end_with_what_is_wanted_and_the_others_stay(world: World) -> None:
    for name in ("token", "a", "b"):
        world.put(name, token="x")
    async with watching(world, [*WANTED, (NAMESPACE, "a", "token")]) as scene:
        world.state.requests.clear()
        scene.watch.set_wanted([*WANTED, (NAMESPACE, "b", "token")])
        await asyncio.sleep(1.0)
        assert sorted(watch.path for watch in world.state.watches) == [SECRETS, SECRETS]
        assert world.state.count("list") == 1, "the one of b"
        assert scene.watch.look((NAMESPACE, "a")) is None
        assert scene.watch.look((NAMESPACE, "b")) is not None
        assert scene.watch.count() == WatchedCount(wanted=2, in_touch=2)
        world.put("a", token="y")
        world.put("b", token="y")
        await asyncio.sleep(0.1)
        assert scene.changed() == [f"{NAMESPACE}/b"]


@in_virtual_time
async def test_after_close_nothing_runs_and_nothing_is_told(world: World) -> None:
    world.put("token", token="first")
    async with watching(world) as scene:
        pass
    assert not world.state.watches
    world.put("token", token="second")
    await asyncio.sleep(1.0)
    assert scene.changed() == []
    assert await scene.value() == "second", "it is still read by request"


@in_virtual_time
async def test_a_secret_of_no_namespace_is_watched_in_the_monitors_own(world: World) -> None:
    world.put("token", token="first")
    async with watching(world, [(None, "token", "token")]) as scene:
        source = KubernetesSecretSource(scene.reader, None, "token", "token")
        assert await scene.value(source) == "first"
        assert scene.gets() == 0
        world.put("token", token="second")
        await asyncio.sleep(0.1)
        assert scene.changed() == ["None/token"]


@in_virtual_time
async def test_a_configuration_that_comes_later_is_waited_for(world: World) -> None:
    world.put("token", token="first")
    world.api.problem = "no kubeconfig yet"
    async with watching(world, [(None, "token", "token")]) as scene:
        assert scene.watch.count() == WatchedCount(wanted=1, in_touch=0)
        world.api.problem = None
        await asyncio.sleep(20.0)
        assert scene.watch.count() == WatchedCount(wanted=1, in_touch=1)


# --- Without permission, or without the API ---------------------------------------------------------------------------


@in_virtual_time
async def test_without_permission_to_watch_each_check_reads_and_sees_the_change(world: World) -> None:
    world.allow("get", names=("token",))
    world.put("token", token="first")
    async with watching(world) as scene:
        assert await scene.value() == "first"
        world.put("token", token="second")
        await asyncio.sleep(0.1)
        assert scene.changed() == []
        assert await scene.value() == "second"
        assert scene.gets() == 2
        assert scene.changed() == [f"{NAMESPACE}/token"], "whoever else uses it learns it"


@in_virtual_time
async def test_a_missing_permission_is_told_once_with_the_rule_that_would_do(world: World) -> None:
    world.allow("get", names=("token", "other"))
    with capture_logs() as logs:
        async with watching(world, [*WANTED, (NAMESPACE, "other", "token")]):
            await asyncio.sleep(3600.0)
    warnings = [line for line in logs if line["log_level"] == "warning"]
    assert len(warnings) == 1
    assert warnings[0]["namespace"] == NAMESPACE
    assert "verbs get, list, watch on secrets, resourceNames [other, token]" in warnings[0]["fix"]


@in_virtual_time
async def test_the_rule_that_is_told_is_enough(world: World) -> None:
    world.allow("get,list,watch", names=("token",))
    world.put("token", token="first")
    async with watching(world) as scene:
        assert scene.watch.count() == WatchedCount(wanted=1, in_touch=1)


@in_virtual_time
async def test_a_permission_that_comes_is_used_and_one_that_goes_is_told_again(world: World) -> None:
    world.allow("get", names=("token",))
    world.put("token", token="first")
    with capture_logs() as logs:
        async with watching(world) as scene:
            world.allow("get,list,watch", names=("token",))
            await asyncio.sleep(120.0)
            assert scene.watch.look((NAMESPACE, "token")) is not None
            world.allow("get", names=("token",))
            world.state.expire_watches()
            await asyncio.sleep(20.0)
    assert len([line for line in logs if line["log_level"] == "warning"]) == 2


@in_virtual_time
async def test_out_of_touch_the_api_is_asked_and_a_value_that_cannot_be_read_is_told_as_old(world: World) -> None:
    world.put("token", token="first")
    async with watching(world) as scene:
        world.state.go_away(600.0)
        await asyncio.sleep(1.0)
        credential = await scene.source.read()
        assert credential.token is None, "it was never read here: what the watch knew is not taken for the present"
        assert not credential.readable
        world.state.come_back()
        assert await scene.value() == "first"
        world.state.go_away(600.0)
        await asyncio.sleep(1.0)
        credential = await scene.source.read()
        assert (await scene.value(), credential.readable) == ("first", False)
        assert "the value is that of before" in credential.problem


@in_virtual_time
async def test_a_change_while_the_api_was_away_for_ten_minutes_is_told_when_it_is_back(world: World) -> None:
    world.put("token", token="first")
    async with watching(world) as scene:
        world.state.go_away(600.0)
        world.put("token", token="second")
        await asyncio.sleep(600.0)
        assert scene.changed() == []
        await world.wait_for(lambda: scene.changed() == [f"{NAMESPACE}/token"], 31.0)
        assert await scene.value() == "second"


@in_virtual_time
async def test_a_change_that_was_missed_by_a_silent_connection_is_found_after_ninety_seconds(world: World) -> None:
    world.put("token", token="first")
    async with watching(world) as scene:
        world.state.silence_watches()
        world.put("token", token="second")
        await world.wait_for(lambda: scene.changed() == [f"{NAMESPACE}/token"], 92.0)
        assert await scene.value() == "second"


@in_virtual_time
async def test_who_needs_to_be_sure_asks_the_api_itself(world: World) -> None:
    world.put("token", token="first")
    async with watching(world) as scene:
        world.state.silence_watches()
        world.put("token", token="second")
        await asyncio.sleep(1.0)
        assert await scene.value() == "first"
        credential = await scene.source.read(ask=True)
        assert credential.token is not None
        assert credential.token.reveal() == "second"


@in_virtual_time
async def test_a_change_between_the_first_check_and_the_first_list_is_told(world: World) -> None:
    world.put("token", token="first")
    world.state.faults.refuse("list", times=3)
    scene = Scene(world)
    scene.watch.set_wanted(WANTED)
    async with scene.watch:
        assert await scene.value() == "first"
        world.put("token", token="second")
        await asyncio.sleep(10.0)
        assert scene.changed() == [f"{NAMESPACE}/token"]
        assert await scene.value() == "second"


@in_virtual_time
async def test_many_who_ask_at_once_share_one_request(world: World) -> None:
    world.allow("get")
    world.put("token", token="first")
    async with watching(world) as scene:
        values = await asyncio.gather(*(scene.value(scene.reading()) for _ in range(50)))
        assert values == ["first"] * 50
        assert scene.gets() == 1


@in_virtual_time
async def test_a_defect_in_one_watch_is_logged_and_it_begins_anew(world: World) -> None:
    world.put("token", token="first")
    async with watching(world) as scene:
        broken = scene.watch._watched[(NAMESPACE, "token")]
        broken.keys = None  # type: ignore[assignment]
        with capture_logs() as logs:
            world.put("token", token="second")
            await asyncio.sleep(1.0)
        assert [line["log_level"] for line in logs] == ["error"]
        assert scene.watch.look((NAMESPACE, "token")) is None
        broken.keys = frozenset({"token"})
        await asyncio.sleep(AFTER_DEFECT + 1.0)
        assert await scene.value() == "second"
        assert scene.changed() == [f"{NAMESPACE}/token"]


@in_virtual_time
async def test_hundreds_of_watches_begin_spread_and_are_one_task_each(world: World) -> None:
    names = [f"token-{number}" for number in range(300)]
    for name in names:
        world.put(name, token="x")
    async with watching(world, [(NAMESPACE, name, "token") for name in names]) as scene:
        await world.until(2.0)
        assert scene.watch.count() == WatchedCount(wanted=300, in_touch=300)
        times = [recorded.at for recorded in world.state.asked("list")]
        assert max(sum(start <= time < start + 0.1 for time in times) for start in times) < 50
        tasks = [task for task in asyncio.all_tasks() if task.get_name().startswith("watch secret")]
        assert len(tasks) == 300


# --- Nothing is shown -------------------------------------------------------------------------------------------------


def test_nothing_of_a_secret_is_logged_whatever_happens_to_its_watch(caplog: pytest.LogCaptureFixture) -> None:
    canary = "canary-9c41"

    @in_virtual_time
    async def story(world: World) -> None:
        world.put("token", token=canary, other=canary)
        async with watching(world) as scene:
            assert canary not in repr(scene.watch.look((NAMESPACE, "token")))
            for lever in (world.state.drop_watches, world.state.expire_watches, world.state.silence_watches):
                lever()
                world.put("token", token=f"{canary}-{world.now}", other=canary)
                await asyncio.sleep(200.0)
            world.allow("get")
            world.state.drop_watches()
            await asyncio.sleep(200.0)
            scene.watch._watched[(NAMESPACE, "token")].keys = 7  # type: ignore[assignment]
            world.state.access.free(MONITOR)
            await asyncio.sleep(700.0)

    structlog.configure(logger_factory=structlog.stdlib.LoggerFactory())
    try:
        with caplog.at_level(logging.DEBUG):
            story()
    finally:
        structlog.reset_defaults()
    shown = caplog.text + repr([(record.msg, record.args, record.exc_text) for record in caplog.records])
    assert "defect while watching" in shown, "the log is seen here"
    assert canary not in shown
    assert "Y2FuYXJ5" not in shown
