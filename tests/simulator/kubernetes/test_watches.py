"""What a watch tells, when it says that it is alive, and each way in which it ends. In virtual time."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from monitor.cluster import Event, NoAnswer
from monitor.simulator.kubernetes import kubectl

from tests.simulator.kubernetes.stage import NAMESPACE, SECRETS, World, in_virtual_time


def put(world: World, name: str = "token", value: str = "one", **labels: str) -> None:
    kubectl.put_secret(world.state, NAMESPACE, name, {"token": value}, labels=labels)


def test_a_watch_tells_each_change_after_its_version_in_order() -> None:
    async def story(world: World) -> None:
        put(world)
        version = str(world.state.version)
        put(world, value="two")
        await world.listen(resourceVersion=version, fieldSelector="metadata.name=token")
        put(world, name="other")
        put(world, value="three")
        kubectl.delete(world.state, "secrets", NAMESPACE, "token")
        await asyncio.sleep(1)
        assert world.types() == ["MODIFIED", "MODIFIED", "DELETED"]
        versions = [int(event.object["metadata"]["resourceVersion"]) for _, event in world.heard]
        assert versions == sorted(versions)
        assert versions[-1] == world.state.version

    in_virtual_time(story)


def test_a_change_is_heard_at_once() -> None:
    async def story(world: World) -> None:
        await world.listen()
        await asyncio.sleep(10)
        put(world)
        await asyncio.sleep(10)
        assert [time for time, _ in world.heard] == [10.0]

    in_virtual_time(story)


def test_what_changes_while_the_last_line_is_looked_at_is_heard_too() -> None:
    async def story(world: World) -> None:
        put(world, value="one")
        heard: list[float] = []
        async with asyncio.timeout(100), aclosing(world.api.watch(SECRETS, query={}, silence=50)) as events:
            async for event in events:
                heard.append(world.clock.monotonic())
                if not isinstance(event, Event):
                    break
                if len(heard) == 1:
                    await asyncio.sleep(5)
                    put(world, value="two")
                    await asyncio.sleep(1)
        assert heard == [0.0, 6.0, 56.0]

    in_virtual_time(story)


@pytest.mark.parametrize("version", ["", "0"])
def test_a_watch_without_a_version_begins_with_what_is_there(version: str) -> None:
    async def story(world: World) -> None:
        put(world)
        put(world, name="other")
        await world.listen(resourceVersion=version)
        put(world, value="two")
        await asyncio.sleep(1)
        assert world.types() == ["ADDED", "ADDED", "MODIFIED"]

    in_virtual_time(story)


def test_an_object_that_begins_or_ceases_to_fit_is_added_or_deleted() -> None:
    async def story(world: World) -> None:
        put(world)
        await world.listen(labelSelector="watched=yes")
        put(world, watched="yes")
        put(world, value="two", watched="yes")
        put(world, value="three", watched="no")
        put(world, value="four", watched="no")
        await asyncio.sleep(1)
        assert world.types() == ["ADDED", "MODIFIED", "DELETED"]
        left = world.heard[-1][1]
        assert isinstance(left, Event)
        assert left.object["metadata"]["labels"] == {"watched": "yes"}  # as it was when it still fitted

    in_virtual_time(story)


def test_a_watch_of_a_namespace_hears_nothing_of_others() -> None:
    async def story(world: World) -> None:
        await world.listen()
        kubectl.put_secret(world.state, "other", "token", {})
        await asyncio.sleep(1)
        assert world.types() == []

    in_virtual_time(story)


def test_a_bookmark_comes_each_minute_and_two_seconds_before_the_end_to_those_who_ask() -> None:
    async def story(world: World) -> None:
        await world.listen(allowWatchBookmarks="true", timeoutSeconds="150")
        await world.listen(timeoutSeconds="150")
        kubectl.put_secret(world.state, "elsewhere", "token", {})
        await asyncio.sleep(200)
        assert [(time, item.type) for time, item in world.heard if isinstance(item, Event)] == [
            (60.0, "BOOKMARK"),
            (120.0, "BOOKMARK"),
            (148.0, "BOOKMARK"),
        ]
        assert world.heard[0][1].object["metadata"] == {"resourceVersion": str(world.state.version)}  # type: ignore[union-attr]

    in_virtual_time(story)


def test_a_bookmark_carries_the_version_up_to_which_everything_was_told() -> None:
    async def story(world: World) -> None:
        await world.listen(allowWatchBookmarks="true", fieldSelector="metadata.name=token")
        put(world, name="other")
        await asyncio.sleep(61)
        bookmark = world.heard[-1][1]
        assert isinstance(bookmark, Event)
        assert bookmark.object["metadata"]["resourceVersion"] == str(world.state.version)
        world.state.compact()
        world.heard.clear()
        await world.listen(resourceVersion=bookmark.object["metadata"]["resourceVersion"])
        put(world)
        await asyncio.sleep(1)
        assert set(world.types()) == {"ADDED"}

    in_virtual_time(story)


def test_a_watch_ends_in_good_order_when_its_time_is_up() -> None:
    async def story(world: World) -> None:
        task = await world.listen(timeoutSeconds="30", silence=100.0)
        await asyncio.sleep(29.9)
        assert not task.done()
        await asyncio.sleep(0.2)
        assert task.done()
        assert world.types() == []

    in_virtual_time(story)


def test_a_watch_without_a_time_of_its_own_ends_after_half_an_hour_to_an_hour() -> None:
    async def story(world: World) -> None:
        task = await world.listen(silence=float("inf"))
        await asyncio.sleep(1799)
        assert not task.done()
        await asyncio.sleep(1802)
        assert task.done()

    in_virtual_time(story)


def test_a_watch_from_a_compacted_version_gets_410_inside_the_stream() -> None:
    async def story(world: World) -> None:
        old = str(world.state.version)
        put(world)
        world.state.compact()
        await world.listen(resourceVersion=old)
        await asyncio.sleep(1)
        assert world.types() == ["ERROR"]
        error = world.heard[0][1]
        assert isinstance(error, Event)
        assert (error.object["code"], error.object["reason"]) == (410, "Expired")
        assert error.object["message"] == "too old resource version: 1000 (1001)"

    in_virtual_time(story)


def test_a_watch_from_a_compacted_version_can_get_410_as_its_status() -> None:
    async def story(world: World) -> None:
        old = str(world.state.version)
        put(world)
        world.state.compact()
        world.state.gone_as_status = True
        await world.listen(resourceVersion=old)
        assert world.types() == ["410"]

    in_virtual_time(story)


def test_an_open_watch_can_expire() -> None:
    async def story(world: World) -> None:
        task = await world.listen()
        put(world)
        assert world.state.expire_watches() == 1
        await asyncio.sleep(0.1)
        assert world.types() == ["ADDED", "ERROR"]
        assert task.done()

    in_virtual_time(story)


def test_a_silent_watch_hears_nothing_until_the_clients_patience_ends() -> None:
    async def story(world: World) -> None:
        await world.listen(allowWatchBookmarks="true", timeoutSeconds="50", silence=75.0)
        world.state.silence_watches(SECRETS)
        put(world)
        await asyncio.sleep(100)
        assert world.heard == [(75.0, NoAnswer("nothing was heard of the watch for 75 s"))]

    in_virtual_time(story)


def test_a_watch_can_be_silent_from_its_start() -> None:
    async def story(world: World) -> None:
        world.state.faults.silent_watches()
        await world.listen(resourceVersion="", silence=30.0)
        await world.listen(resourceVersion="", silence=30.0)
        put(world)
        await asyncio.sleep(31)
        assert sorted(world.types()) == ["ADDED", *["broken: nothing was heard of the watch for 30 s"] * 2]

    in_virtual_time(story)


def test_bookmarks_are_a_sign_of_life_where_something_was_written_since_the_watch_began() -> None:
    async def story(world: World) -> None:
        task = await world.listen(allowWatchBookmarks="true", timeoutSeconds="600", silence=75.0)
        kubectl.put_secret(world.state, "elsewhere", "token", {})
        await asyncio.sleep(590)
        assert not task.done()

    in_virtual_time(story)


def test_what_a_watch_catches_up_with_brings_no_bookmark_either() -> None:
    async def story(world: World) -> None:
        version = str(world.state.version)
        put(world)
        await world.listen(resourceVersion=version, allowWatchBookmarks="true", timeoutSeconds="600", silence=500.0)
        await asyncio.sleep(200)
        assert world.types() == ["ADDED"]

    in_virtual_time(story)


def test_in_a_cluster_where_nothing_is_written_no_bookmark_comes_though_the_watch_is_well() -> None:
    async def story(world: World) -> None:
        await world.listen(allowWatchBookmarks="true", timeoutSeconds="600", silence=500.0)
        await asyncio.sleep(490)
        assert world.types() == []
        put(world)
        await asyncio.sleep(1)
        assert world.types() == ["ADDED"]

    in_virtual_time(story)


def test_a_dropped_watch_says_that_it_broke() -> None:
    async def story(world: World) -> None:
        await world.listen()
        await asyncio.sleep(5)
        assert world.state.drop_watches("/nosuch") == 0
        assert world.state.drop_watches() == 1
        await asyncio.sleep(1)
        assert world.types() == ["broken: the watch broke: ClientPayloadError"]

    in_virtual_time(story)


def test_a_watch_can_be_set_to_break_after_a_while() -> None:
    async def story(world: World) -> None:
        world.state.faults.dropped_watches(20.0)
        await world.listen()
        put(world)
        await asyncio.sleep(30)
        assert [(time, type(item).__name__) for time, item in world.heard] == [(0.0, "Event"), (20.0, "NoAnswer")]

    in_virtual_time(story)


def test_a_watch_that_nobody_listens_to_any_more_is_closed() -> None:
    async def story(world: World) -> None:
        task = await world.listen()
        assert len(world.state.watches) == 1
        task.cancel()
        await asyncio.wait([task])
        assert world.state.watches == ()

    in_virtual_time(story)


def test_who_replays_a_watch_has_what_a_list_shows() -> None:
    async def story(world: World) -> None:
        await world.listen(resourceVersion="")
        for step in range(200):
            name = f"s-{world.state.random.randrange(8)}"
            if world.state.random.random() < 0.3:
                kubectl.delete(world.state, "secrets", NAMESPACE, name)
            else:
                put(world, name=name, value=str(step))
            await asyncio.sleep(0.01)
        known = {}
        for _, event in world.heard:
            assert isinstance(event, Event)
            name = event.object["metadata"]["name"]
            assert (name in known) is (event.type != "ADDED")
            known[name] = event.object
            if event.type == "DELETED":
                del known[name]
        assert known == {each["metadata"]["name"]: each for each in world.state.all("", "secrets", NAMESPACE)}

    in_virtual_time(story)
