"""The reflector against a simulated API: it knows what is there, and after every fault it catches up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from monitor.adapters.kubernetes.reflector import PAGE, Key, Reflector
from monitor.core.watching import SILENCE

from tests.adapters.kubernetes.virtual import NAMESPACE, SECRETS, World, in_virtual_time

TOKEN = Key(NAMESPACE, "token")


def data(found: Mapping[str, Any]) -> dict[str, str]:
    """Keeps the data of a Secret."""
    return dict(found.get("data") or {})


class Following:
    """A running reflector over Secrets, with what it said."""

    def __init__(self, world: World, **options: Any) -> None:
        self.world = world
        self.changes: list[tuple[float, str]] = []
        self.refusals: list[int] = []
        self.lists = 0
        self.reflector: Reflector[dict[str, str]] = Reflector(
            world.api,
            SECRETS,
            options.pop("keep", data),
            lambda: 0.5,
            on_change=lambda key: self.changes.append((world.now, key.name)),
            on_list=self._listed,
            on_refused=lambda answer: self.refusals.append(answer.status),
            **options,
        )

    def _listed(self) -> None:
        self.lists += 1

    @property
    def in_touch(self) -> bool:
        return self.reflector.in_touch(self.world.clock.monotonic())

    @property
    def names(self) -> list[str]:
        return sorted(key.name for key in self.reflector.known)

    @property
    def known(self) -> dict[str, dict[str, str]]:
        return {key.name: kept for key, kept in self.reflector.known.items()}

    def changed(self) -> list[str]:
        """The names that were told as changed since the last look."""
        names = [name for _, name in self.changes]
        self.changes.clear()
        return names


@asynccontextmanager
async def following(world: World, **options: Any) -> AsyncIterator[Following]:
    followed = Following(world, **options)
    task = asyncio.create_task(followed.reflector.run())
    try:
        await world.wait_for(lambda: followed.lists > 0, 60.0)
        await asyncio.sleep(0.1)
        followed.changed()
        yield followed
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()


async def catches_up(world: World, followed: Following, seconds: float) -> None:
    """Makes, changes and deletes Secrets; within so many seconds the reflector knows."""
    world.put("made", token="x")
    world.put("token", token=f"at {world.now}")
    if "gone" in world.secrets():
        world.delete("gone")
    await world.wait_for(lambda: followed.known == world.secrets(), seconds)


def two_secrets(world: World) -> None:
    world.put("token", token="first")
    world.put("gone", token="x")


@in_virtual_time
async def test_it_knows_what_is_there_and_follows_every_change_within_a_round_trip(world: World) -> None:
    two_secrets(world)
    async with following(world) as followed:
        assert followed.names == ["gone", "token"]
        assert followed.in_touch
        began = world.now
        world.put("token", token="second")
        await asyncio.sleep(0.001)
        assert followed.changed() == ["token"]
        assert world.now - began < 0.05
        world.put("made", token="x")
        world.delete("gone")
        await asyncio.sleep(0.001)
        assert followed.changed() == ["made", "gone"]
        assert followed.names == ["made", "token"]


@in_virtual_time
async def test_when_a_change_is_told_it_is_already_known(world: World) -> None:
    two_secrets(world)
    known: list[object] = []
    reflector: Reflector[dict[str, str]] = Reflector(
        world.api,
        SECRETS,
        data,
        lambda: 0.5,
        on_change=lambda key: known.append((reflector.get(key), reflector.in_touch(world.now))),
    )
    task = asyncio.create_task(reflector.run())
    await world.until(5.0)
    known.clear()
    world.put("token", token="second")
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.wait([task])
    assert known == [({"token": "c2Vjb25k"}, True)]


@in_virtual_time
async def test_what_is_not_kept_is_no_change(world: World) -> None:
    two_secrets(world)
    async with following(world) as followed:
        world.label("token", team="a")
        await asyncio.sleep(1.0)
        assert followed.changed() == []


@in_virtual_time
async def test_of_each_object_only_what_the_caller_keeps_stays_in_memory(world: World) -> None:
    world.put("token", token="kept", other="not kept")
    async with following(world, keep=lambda found: {"token": found["data"]["token"]}) as followed:
        assert followed.reflector.get(TOKEN) == {"token": "a2VwdA=="}


@in_virtual_time
async def test_it_asks_for_the_selected_objects_alone(world: World) -> None:
    two_secrets(world)
    world.label("gone", watched="yes")
    async with following(world, label_selector="watched=yes") as followed:
        assert followed.names == ["gone"]
        world.label("gone", watched=None)
        await asyncio.sleep(0.1)
        assert followed.names == []
        world.label("token", watched="yes")
        await asyncio.sleep(0.1)
        assert followed.names == ["token"]


@in_virtual_time
async def test_a_long_collection_is_listed_in_pages(world: World) -> None:
    for number in range(2 * PAGE + 1):
        world.put(f"secret-{number:04d}", token="x")
    async with following(world) as followed:
        assert len(followed.names) == 2 * PAGE + 1
        assert world.state.count("list") == 3


@in_virtual_time
async def test_contents_stay_out_of_the_process_where_metadata_is_enough(world: World) -> None:
    seen: list[Mapping[str, Any]] = []

    def keep(found: Mapping[str, Any]) -> str:
        seen.append(found)
        return str(found["metadata"]["resourceVersion"])

    two_secrets(world)
    async with following(world, keep=keep, metadata_only=True) as followed:
        world.put("token", token="second")
        await asyncio.sleep(0.1)
        assert followed.changed() == ["token"]
    assert len(seen) == 3
    assert not any("data" in found for found in seen)


@in_virtual_time
async def test_in_quiet_times_it_stays_in_touch_by_bookmarks_and_never_lists_again_within_the_hour(
    world: World,
) -> None:
    two_secrets(world)
    async with world.busy(), following(world) as followed:
        for _ in range(50):
            await asyncio.sleep(60.0)
            assert followed.in_touch
        assert followed.lists == 1
        assert followed.changed() == []
        assert world.state.count("watch") < 15


@in_virtual_time
async def test_where_bookmarks_never_come_it_lists_every_ninety_seconds_instead(world: World) -> None:
    """A bookmark tells a newer version only; some clusters know none while nothing is written (etcd without progress)."""
    two_secrets(world)
    async with following(world) as followed:
        began = world.now
        out_of_touch = 0
        while world.now < began + 900.0:
            await asyncio.sleep(1.0)
            out_of_touch += not followed.in_touch
        assert followed.lists == 10
        assert out_of_touch < 15
        assert followed.changed() == []


@in_virtual_time
async def test_after_an_hour_the_collection_is_listed_anew(world: World) -> None:
    two_secrets(world)
    async with world.busy(), following(world) as followed:
        await world.until(3700.0)
        assert followed.lists == 2
        assert followed.changed() == []


def _drop(world: World) -> None:
    assert world.state.drop_watches() == 1


def _silence(world: World) -> None:
    assert world.state.silence_watches() == 1


def _expire(world: World) -> None:
    assert world.state.expire_watches() == 1


def _compact_while_away(world: World) -> None:
    world.state.go_away(20.0)
    world.put("token", token="while away")
    world.state.compact()


def _answer_410(world: World) -> None:
    world.state.gone_as_status = True
    world.state.faults.answer(410, "watch")
    world.state.drop_watches()


def _away(seconds: float) -> Callable[[World], None]:
    return lambda world: world.state.go_away(seconds)


def _throttle(world: World) -> None:
    world.state.faults.answer(429, times=4)
    world.state.drop_watches()


def _fall_over(world: World) -> None:
    world.state.faults.answer(500, times=6)
    world.state.drop_watches()


def _hang(world: World) -> None:
    world.state.faults.lose_requests("watch", times=1, hang=True)
    world.state.drop_watches()


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        pytest.param(_drop, 1.0, id="dropped"),
        pytest.param(_silence, SILENCE + 2, id="silent"),
        pytest.param(_expire, 6.0, id="410-as-an-event"),
        pytest.param(_answer_410, 20.0, id="410-as-a-status"),
        pytest.param(_compact_while_away, 35.0, id="compacted-while-away"),
        pytest.param(_away(600.0), 631.0, id="away-for-ten-minutes"),
        pytest.param(_away(3.0), 6.0, id="away-for-three-seconds"),
        pytest.param(_throttle, 13.0, id="throttled"),
        pytest.param(_fall_over, 50.0, id="error-500"),
        pytest.param(_hang, SILENCE + 5, id="hangs-at-the-watch"),
    ],
)
def test_after_every_fault_it_catches_up_with_what_was_changed_made_and_deleted(
    fault: Callable[[World], None], seconds: float
) -> None:
    @in_virtual_time
    async def story(world: World) -> None:
        two_secrets(world)
        async with following(world) as followed:
            await asyncio.sleep(30.0)
            fault(world)
            await catches_up(world, followed, seconds)
            assert set(followed.changed()) == {"made", "token", "gone"}
            # ... and it is in order again: the next change comes at once.
            await world.wait_for(lambda: followed.in_touch, SILENCE + 1.0)
            world.put("token", token="last")
            await asyncio.sleep(0.1)
            assert followed.changed() == ["token"]

    story()


@in_virtual_time
async def test_while_out_of_touch_it_says_so_and_keeps_what_it_knew(world: World) -> None:
    two_secrets(world)
    async with following(world) as followed:
        world.state.go_away(600.0)
        await asyncio.sleep(0.1)
        assert not followed.in_touch
        assert followed.names == ["gone", "token"]


@in_virtual_time
async def test_a_connection_that_is_dead_without_a_word_is_trusted_for_ninety_seconds_at_most(world: World) -> None:
    two_secrets(world)
    async with following(world) as followed:
        world.state.silence_watches()
        began = world.now
        world.state.faults.refuse(times=None)
        await world.wait_for(lambda: not followed.in_touch, 200.0)
        assert world.now - began <= SILENCE


@in_virtual_time
async def test_an_api_that_is_away_for_ten_minutes_is_not_hammered(world: World) -> None:
    two_secrets(world)
    async with following(world) as followed:
        world.state.requests.clear()
        world.state.go_away(600.0)
        await asyncio.sleep(600.0)
        assert len(world.state.requests) < 40
        await world.wait_for(lambda: followed.in_touch, 31.0 + SILENCE)


@in_virtual_time
async def test_watches_that_expire_together_do_not_list_together(world: World) -> None:
    two_secrets(world)
    chances = iter([number / 200 for number in range(200)])
    reflectors = [
        Reflector(world.api, SECRETS, data, lambda chance=chance: chance, field_selector="metadata.name=token")
        for chance in chances
    ]
    tasks = [asyncio.create_task(reflector.run()) for reflector in reflectors]
    await world.until(30.0)
    world.state.requests.clear()
    assert world.state.expire_watches() == 200
    await world.until(40.0)
    times = sorted(recorded.at for recorded in world.state.asked("list"))
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert len(times) == 200
    assert max(sum(start <= time < start + 0.5 for time in times) for start in times) <= 25


@in_virtual_time
async def test_a_refused_list_is_told_and_tried_again_when_the_permission_may_have_come(world: World) -> None:
    two_secrets(world)
    world.allow("get")
    followed = Following(world)
    task = asyncio.create_task(followed.reflector.run())
    await world.until(10.0)
    assert followed.refusals == [403]
    assert not followed.in_touch
    world.allow("get,list,watch")
    await world.until(90.0)
    assert followed.in_touch
    assert followed.names == ["gone", "token"]
    task.cancel()
    await asyncio.wait([task])


@in_virtual_time
async def test_a_permission_to_watch_that_is_missing_is_told_too(world: World) -> None:
    two_secrets(world)
    world.allow("get,list")
    async with following(world) as followed:
        assert followed.refusals == [403]
        assert not followed.in_touch


@in_virtual_time
async def test_a_page_of_somebody_else_does_not_make_everything_gone(world: World) -> None:
    two_secrets(world)
    async with following(world) as followed:
        ask = world.api.request

        async def login_page(*_: object, **__: object) -> object:
            return type(await ask("GET", SECRETS))(200, {})

        world.api.request = login_page  # type: ignore[method-assign, assignment]
        world.state.expire_watches()
        await asyncio.sleep(60.0)
        assert followed.names == ["gone", "token"]
        assert followed.changed() == []
        assert not followed.in_touch
        world.api.request = ask  # type: ignore[method-assign]
        await catches_up(world, followed, 40.0)


def test_nothing_of_an_object_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    canary = "canary-5d1f"

    @in_virtual_time
    async def story(world: World) -> None:
        world.put("token", token=canary)
        async with following(world) as followed:
            for fault in (_drop, _expire, _silence):
                fault(world)
                world.put("token", token=canary + str(world.now))
                await world.wait_for(lambda: followed.in_touch, 200.0)
            world.state.go_away(30.0)
            await asyncio.sleep(100.0)

    with caplog.at_level(logging.DEBUG):
        story()
    shown = caplog.text + repr([record.args for record in caplog.records])
    assert canary not in shown
    assert "Y2FuYXJ5" not in shown
