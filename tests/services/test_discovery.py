"""Targets that are found: added, changed, removed, broken and mended, and never to the harm of another one."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import pytest
from monitor.config.load import settings_of
from monitor.config.settings import Settings
from monitor.core.discovery import Found, Origin
from monitor.core.secret import Secret
from monitor.services import discovery
from monitor.services.discovery import SLICE, Discovery
from structlog.testing import capture_logs

from tests.virtual_time import VirtualClock, VirtualLoop, play

CANARY = "hunter2"
PLAIN = "server: {url: https://argocd.example.com}\nauth: {type: token, tokenSecretKeyRef: {name: t, key: token}}\n"
BROKEN = f"server: x\nauth: {{type: token, token: {CANARY}}}\n"


class Place:
    """A source as the tests fill it."""

    def __init__(self, kind: str = "ConfigMap", namespace: str = "team-a") -> None:
        self.kind, self.namespace = kind, namespace
        self.origin = Origin(f"{kind}s", namespace, "*")
        self.version = 0
        self.problem = ""
        self.objects: dict[str, Found] = {}
        self.looks = 0

    def put(self, name: str, text: str = PLAIN, **more: Any) -> None:
        """Makes an object, or changes it."""
        origin = Origin(self.kind, self.namespace, name)
        self.objects[name] = Found(origin, Secret(text), name=name, **more)
        self.version += 1

    def delete(self, name: str) -> None:
        del self.objects[name]
        self.version += 1

    def fail(self, problem: str) -> None:
        self.problem = problem
        self.version += 1

    def found(self) -> Iterable[Found]:
        return self.objects.values()

    async def look(self) -> None:
        self.looks += 1


class Stage:
    """A configuration with the targets `main` and `other`, two places, and what was counted."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.clock = VirtualClock(loop)
        self.a, self.b = Place(), Place("Secret", "team-b")
        self.counts: dict[str, int] = {}
        self.discovery = Discovery(settings(), (self.a, self.b), self.clock, self)

    def discovery_errors(self, source: str, count: int) -> None:
        self.counts[source] = count

    async def refresh(self) -> bool:
        """As if driven once a second."""
        await asyncio.sleep(Discovery.INTERVAL)
        return await self.discovery.refresh()

    @property
    def names(self) -> list[str]:
        return [target.name for target in self.discovery.targets]

    @property
    def troubles(self) -> list[str]:
        return [str(trouble) for trouble in self.discovery.troubles]

    def interval(self, name: str) -> float:
        return next(target.interval for target in self.discovery.targets if target.name == name)


def settings(**sections: Any) -> Settings:
    target = {"name": "main", "url": "https://a.example.com", "auth": {"type": "token", "tokenFile": "/t"}}
    where = {"kubernetes": {"namespaces": ["team-a", "team-b"], "kinds": ["ConfigMap", "Secret"]}}
    return settings_of({"targets": [target, {**target, "name": "other"}], "discovery": where, **sections})


def told(story: Callable[[Stage], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def test() -> None:
        play(lambda loop: story(Stage(loop)))

    test.__doc__, test.__name__ = story.__doc__, story.__name__
    return test


@told
async def test_targets_come_change_and_go(stage: Stage) -> None:
    assert stage.names == ["main", "other"]
    assert not await stage.refresh()
    stage.a.put("portal")
    stage.b.put("ci")
    assert await stage.refresh()
    assert stage.names == ["main", "other", "ci", "portal"], "those of the file first"
    stage.a.put("portal", f"{PLAIN}interval: 1m\n")
    assert await stage.refresh()
    assert stage.interval("portal") == 60.0
    stage.a.delete("portal")
    assert await stage.refresh()
    assert stage.names == ["main", "other", "ci"]
    assert stage.troubles == []
    assert not await stage.refresh(), "and nothing is done while nothing changes"


@told
async def test_an_object_that_changes_without_its_target_changes_nothing(stage: Stage) -> None:
    stage.a.put("portal")
    await stage.refresh()
    before = stage.discovery.targets
    stage.a.put("portal", f"# another comment\n{PLAIN}")
    assert not await stage.refresh()
    assert stage.discovery.targets == before


@told
async def test_a_broken_target_is_told_by_name_and_harms_no_other(stage: Stage) -> None:
    stage.a.put("good")
    stage.a.put("broken", BROKEN)
    stage.b.put("fine")
    with capture_logs() as logs:
        assert await stage.refresh()
    assert stage.names == ["main", "other", "fine", "good"]
    (trouble,) = stage.troubles
    assert trouble.startswith("ConfigMap team-a/broken: server")
    (line,) = logs
    assert (line["log_level"], line["origin"], line["former_version_goes_on"]) == (
        "warning",
        "ConfigMap team-a/broken",
        False,
    )
    assert stage.counts == {"ConfigMaps team-a/*": 1, "Secrets team-b/*": 0}
    assert CANARY not in trouble + str(logs)


@told
async def test_a_target_that_breaks_goes_on_as_it_was_and_that_is_said_until_it_is_mended(stage: Stage) -> None:
    stage.a.put("portal", f"{PLAIN}interval: 1m\n")
    await stage.refresh()
    stage.a.put("portal", BROKEN)
    with capture_logs() as logs:
        assert not await stage.refresh()
    assert stage.interval("portal") == 60.0
    assert stage.discovery.trouble_of("portal").endswith("(target portal goes on as it was before)")
    assert stage.counts["ConfigMaps team-a/*"] == 1
    assert [line["former_version_goes_on"] for line in logs] == [True]
    stage.a.put("portal", "{")
    await stage.refresh()
    assert stage.interval("portal") == 60.0, "also when it breaks in another way"
    stage.a.put("portal", f"{PLAIN}interval: 2m\n")
    with capture_logs() as logs:
        assert await stage.refresh()
    assert (stage.interval("portal"), stage.discovery.trouble_of("portal")) == (120.0, "")
    assert [line["event"] for line in logs] == ["problems of discovered targets are over"]
    assert stage.counts["ConfigMaps team-a/*"] == 0


@told
async def test_a_broken_target_that_is_deleted_goes_with_its_former_version(stage: Stage) -> None:
    stage.a.put("portal")
    await stage.refresh()
    stage.a.put("portal", BROKEN)
    await stage.refresh()
    stage.a.delete("portal")
    assert await stage.refresh()
    assert (stage.names, stage.troubles) == (["main", "other"], [])
    stage.a.put("portal", BROKEN)
    await stage.refresh()
    assert stage.names == ["main", "other"], "what comes back broken has no former version"


@told
async def test_a_name_of_the_configuration_file_stays_its_own(stage: Stage) -> None:
    stage.a.put("x", f"name: main\n{PLAIN}")
    assert not await stage.refresh()
    assert stage.troubles == [
        "ConfigMap team-a/x: its name main is that of a target in the configuration file; give it another name"
    ]
    assert str(stage.discovery.targets[0].address.url) == "https://a.example.com"


@told
async def test_nobody_takes_over_the_name_of_another_one(stage: Stage) -> None:
    stage.b.put("victim", f"name: portal\n{PLAIN}", since="2026-02")
    await stage.refresh()
    stage.a.put("thief", f"name: portal\n{PLAIN}interval: 1h\n", since="2026-01")
    assert not await stage.refresh()
    assert stage.troubles == [
        "ConfigMap team-a/thief: its name portal is that of a target in Secret team-b/victim; give it another name"
    ]
    stage.b.put("victim", BROKEN)
    assert not await stage.refresh(), "not even while the other one is broken"
    stage.b.delete("victim")
    assert await stage.refresh()
    assert stage.interval("portal") == 3600.0


@told
async def test_a_place_that_cannot_be_looked_at_is_told_and_what_was_found_there_goes_on(stage: Stage) -> None:
    stage.a.put("portal")
    await stage.refresh()
    stage.a.fail("may not be looked for; allow list and watch")
    assert not await stage.refresh()
    assert stage.troubles == ["ConfigMaps team-a/*: may not be looked for; allow list and watch"]
    assert stage.counts["ConfigMaps team-a/*"] == 1
    assert "portal" in stage.names
    stage.a.fail("")
    await stage.refresh()
    assert (stage.troubles, stage.counts["ConfigMaps team-a/*"]) == ([], 0)


@told
async def test_of_two_rotations_of_one_token_the_first_goes_on(stage: Stage) -> None:
    text = "url: https://argocd.example.com\nauth: {type: password}\n"
    stage.discovery.reconfigured(
        settings(discovery={"kubernetes": {"namespaces": ["team-a", "team-b"], "allowRotation": True}})
    )
    stage.a.put("first", text)
    stage.a.put("second", text)
    await stage.refresh()
    assert stage.names == ["main", "other", "first"]
    (trouble,) = stage.troubles
    assert trouble.startswith("ConfigMap team-a/second: its key is kept where that of another target is")
    stage.a.put("a-newcomer", text)
    await stage.refresh()
    assert stage.names == ["main", "other", "first"], "whose rotation runs goes on, whatever the newcomer is called"
    stage.a.delete("first")
    await stage.refresh()
    assert stage.names == ["main", "other", "a-newcomer"]


@told
async def test_a_rotation_of_a_secret_in_the_monitors_own_namespace_is_no_second_one_there(stage: Stage) -> None:
    text = "url: https://argocd.example.com\nauth: {type: password}\n"
    target = {"name": "main", "url": "https://a.example.com", "auth": {"type": "password"}}
    where = {
        "kubernetes": {"namespaces": ["team-a", "team-b"], "kinds": ["ConfigMap", "Secret"], "allowRotation": True}
    }
    found = settings_of({"targets": [target], "discovery": where})
    stage.discovery = Discovery(found, (stage.a, stage.b), stage.clock, stage, lambda _: "team-b")
    stage.a.put("first", text)
    stage.b.put("second", text)
    await stage.refresh()
    assert stage.names == ["main", "first"]
    (trouble,) = stage.troubles
    assert trouble.startswith("Secret team-b/second: its key is kept where that of another target is")


@told
async def test_of_two_new_rotations_of_one_token_the_older_object_goes_on(stage: Stage) -> None:
    text = "url: https://argocd.example.com\nauth: {type: password}\n"
    where = {"kubernetes": {"namespaces": ["team-a", "team-b"], "allowRotation": True}}
    stage.discovery.reconfigured(settings(discovery=where))
    stage.a.put("a-newcomer", text, since="2026-11-02T00:00:00Z")
    stage.a.put("b-older", text, since="2026-11-01T00:00:00Z")
    await stage.refresh()
    assert stage.names == ["main", "other", "b-older"]


# --- A new configuration ----------------------------------------------------------------------------------------------


@told
async def test_a_new_configuration_keeps_what_was_found_and_reads_it_anew(stage: Stage) -> None:
    stage.a.put("portal")
    await stage.refresh()
    stage.discovery.reconfigured(settings(interval="40s"))
    assert stage.names == ["main", "other", "portal"], "no target is gone for a moment"
    assert (stage.interval("main"), stage.interval("portal")) == (40.0, 15.0)
    assert await stage.refresh()
    assert stage.interval("portal") == 40.0


@told
async def test_what_a_new_configuration_no_longer_allows_does_not_go_on_as_it_was(stage: Stage) -> None:
    stage.a.put("portal")
    await stage.refresh()
    where = {"kubernetes": {"namespaces": ["team-a"], "servers": ["only.example.com"]}}
    stage.discovery.reconfigured(settings(discovery=where))
    assert await stage.refresh()
    assert stage.names == ["main", "other"]
    assert "discovery.kubernetes.servers" in stage.troubles[0]


@told
async def test_a_target_that_broke_goes_on_under_a_new_configuration_as_far_as_that_allows_it(stage: Stage) -> None:
    stage.a.put("portal")
    await stage.refresh()
    stage.a.put("portal", BROKEN)
    await stage.refresh()
    stage.discovery.reconfigured(settings(interval="40s"))
    await stage.refresh()
    assert stage.names == ["main", "other", "portal"]
    assert stage.interval("portal") == 40.0, "read anew as well"
    assert "goes on as it was before" in stage.troubles[0]
    stage.a.put("portal", f"{BROKEN}\n")
    await stage.refresh()
    assert stage.names == ["main", "other", "portal"], "broken in another way, after the reload"
    where = {"kubernetes": {"namespaces": ["team-a"], "servers": ["only.example.com"]}}
    stage.discovery.reconfigured(settings(discovery=where))
    await stage.refresh()
    assert stage.names == ["main", "other"]


@told
async def test_a_new_configuration_that_names_a_found_target_has_the_name_from_that_moment(stage: Stage) -> None:
    stage.a.put("portal")
    await stage.refresh()
    target = {"name": "portal", "url": "https://a.example.com", "auth": {"type": "token", "tokenFile": "/t"}}
    stage.discovery.reconfigured(settings(targets=[target]))
    assert stage.names == ["portal"]
    assert stage.discovery.targets[0].address.url == "https://a.example.com"


@told
async def test_a_new_configuration_in_the_middle_of_reading_is_not_lost(stage: Stage) -> None:
    for number in range(3 * SLICE):
        stage.a.put(f"t{number}")
    refresh = asyncio.create_task(stage.refresh())
    await asyncio.sleep(Discovery.INTERVAL)
    await asyncio.sleep(0)
    assert not refresh.done()
    stage.discovery.reconfigured(settings(interval="40s"))
    await refresh
    await stage.refresh()
    assert {target.interval for target in stage.discovery.targets} == {40.0}


@told
async def test_a_new_configuration_is_read_against_once(stage: Stage) -> None:
    stage.a.put("portal")
    stage.discovery.reconfigured(settings(interval="40s"))
    assert await stage.refresh()
    read = stage.discovery._read
    assert not await stage.refresh()
    assert stage.discovery._read is read, "nothing is done while nothing changes"


# --- Many, and hostile ------------------------------------------------------------------------------------------------


@told
async def test_of_many_broken_ones_a_few_are_logged_and_all_are_counted(stage: Stage) -> None:
    for number in range(500):
        stage.a.put(f"t{number}", BROKEN)
    with capture_logs() as logs:
        await stage.refresh()
    assert len(logs) == discovery.MAX_LINES + 1
    assert logs[-1]["count"] == 500 - discovery.MAX_LINES
    assert stage.counts["ConfigMaps team-a/*"] == len(stage.troubles) == 500


@told
async def test_two_thousand_are_read_in_slices_between_which_others_get_their_turn(stage: Stage) -> None:
    for number in range(2000):
        stage.a.put(f"t{number}")
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(others())
    assert await stage.discovery.refresh()
    task.cancel()
    await asyncio.wait([task])
    assert len(stage.names) == 2002
    assert turns >= 2000 / SLICE - 1
    read: list[str] = []
    original = discovery.read_target
    try:
        discovery.read_target = lambda found, settings: (  # type: ignore[assignment]
            read.append(found.origin.name) or original(found, settings)  # type: ignore[func-returns-value]
        )
        stage.a.put("t7", f"{PLAIN}interval: 1m\n")
        assert await stage.refresh()
    finally:
        discovery.read_target = original
    assert read == ["t7"], "what did not change is not read again"


def test_two_thousand_take_little_memory() -> None:
    @told
    async def story(stage: Stage) -> None:
        for number in range(2000):
            stage.a.put(f"t{number}", f"{PLAIN}requiredPermissions: [applications/get/*/*]\n")
        tracemalloc.start()
        try:
            await stage.discovery.refresh()
            took, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert took / 2000 < 3000, f"{took / 2000:.0f} bytes a target"

    story()


@told
async def test_a_defect_in_reading_one_target_is_told_and_harms_no_other(stage: Stage) -> None:
    stage.a.put("good")
    stage.a.put("odd", f"{PLAIN}interval: 1m\n")
    original = discovery.read_target

    def broken(found: Found, settings: Settings) -> Any:
        if found.origin.name == "odd":
            raise ZeroDivisionError(CANARY)
        return original(found, settings)

    discovery.read_target = broken
    try:
        with capture_logs() as logs:
            await stage.refresh()
    finally:
        discovery.read_target = original
    assert stage.names == ["main", "other", "good"]
    assert "a defect of the monitor" in stage.troubles[0]
    assert CANARY not in str(logs)


@told
async def test_changes_that_never_end_do_not_take_the_process_for_themselves(stage: Stage) -> None:
    """A choice that takes long is followed by a rest; here it takes half a second."""
    stage.a.put("portal")
    original = stage.discovery._choose
    choices: list[float] = []

    def slow() -> None:
        choices.append(stage.clock.monotonic())
        asyncio.get_running_loop().now += 0.5  # type: ignore[attr-defined]
        original()

    stage.discovery._choose = slow  # type: ignore[method-assign]
    for number in range(100):
        stage.a.put("portal", f"{PLAIN}interval: {number + 1}m\n")
        await stage.refresh()
    assert 5 <= len(choices) <= 12
    await asyncio.sleep(discovery.LONGEST_REST)
    await stage.refresh()
    assert stage.interval("portal") == 6000.0, "and the last change is not lost"


@pytest.mark.parametrize("place", ["a", "b"])
def test_every_place_has_its_number_from_the_start(place: str) -> None:
    @told
    async def story(stage: Stage) -> None:
        assert stage.counts[str(getattr(stage, place).origin)] == 0

    story()
