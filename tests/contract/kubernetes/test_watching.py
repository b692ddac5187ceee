"""What watches stand on, held against the simulated API and a real one: versions, selectors, 410, bookmarks, ends."""

from __future__ import annotations

import asyncio
import base64
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from monitor.adapters.kubernetes.reflector import Key, Reflector
from monitor.adapters.kubernetes.secret_watch import SecretWatch, WatchedCount
from monitor.adapters.kubernetes.secrets import KubernetesSecretSource, SecretReader
from monitor.cluster import MERGE_PATCH, Answer, Event, NoAnswer
from monitor.core.watching import SILENCE

from tests.contract.kubernetes.conftest import Cluster
from tests.fair_time import fairly

# What design.md promises for a changed Secret, the check included.
AT_ONCE = 1.0


async def put(cluster: Cluster, name: str, **data: str) -> str:
    """Makes a Secret or replaces its data. Returns its version."""
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}
    answer = await cluster.api.request("PUT", cluster.path("secrets", name), body=body)
    if isinstance(answer, Answer) and answer.status == 404:
        answer = await cluster.api.request("POST", cluster.path("secrets"), body=body)
    return version_of(answer)


async def label(cluster: Cluster, name: str) -> str:
    body = {"metadata": {"labels": {"team": "a"}, "annotations": {"note": "x"}}}
    return version_of(
        await cluster.api.request("PATCH", cluster.path("secrets", name), body=body, content_type=MERGE_PATCH)
    )


async def delete(cluster: Cluster, name: str) -> None:
    answer = await cluster.api.request("DELETE", cluster.path("secrets", name))
    assert isinstance(answer, Answer)
    assert answer.status == 200


def version_of(answer: Answer | NoAnswer) -> str:
    assert isinstance(answer, Answer), answer
    assert answer.status in (200, 201), answer.message
    return str(answer.body["metadata"]["resourceVersion"])


async def comes(what: Callable[[], bool], seconds: float = AT_ONCE) -> float:
    """Waits until `what` holds; after how many seconds that was."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < fairly(seconds), f"did not come within {seconds} s"
        await asyncio.sleep(0.005)
    return time.monotonic() - began


def data(found: Any) -> dict[str, str]:
    return dict(found.get("data") or {})


class Following:
    """A reflector of one Secret, with what it told."""

    def __init__(self, cluster: Cluster, name: str, **options: Any) -> None:
        self.key = Key(cluster.namespace, name)
        self.changes: list[Key] = []
        self.lists = 0
        self.reflector: Reflector[Any] = Reflector(
            cluster.api,
            cluster.path("secrets"),
            options.pop("keep", data),
            lambda: 0.1,
            field_selector=f"metadata.name={name}",
            on_change=self.changes.append,
            on_list=self._listed,
            **options,
        )

    def _listed(self) -> None:
        self.lists += 1

    @property
    def kept(self) -> Any:
        return self.reflector.get(self.key)


@asynccontextmanager
async def following(cluster: Cluster, name: str, **options: Any) -> AsyncIterator[Following]:
    followed = Following(cluster, name, **options)
    task = asyncio.create_task(followed.reflector.run())
    try:
        await comes(lambda: followed.lists > 0, 10.0)
        followed.changes.clear()
        yield followed
    finally:
        task.cancel()
        await asyncio.wait([task])


async def items_of(cluster: Cluster, name: str, version: str, seconds: int) -> list[Event | Answer | NoAnswer]:
    query = {
        "fieldSelector": f"metadata.name={name}",
        "resourceVersion": version,
        "timeoutSeconds": str(seconds),
        "allowWatchBookmarks": "true",
    }
    return [item async for item in cluster.api.watch(cluster.path("secrets"), query=query, silence=30.0)]


async def test_a_secret_that_is_made_changed_and_deleted_is_followed_at_once(cluster: Cluster) -> None:
    name, other = cluster.unique(), cluster.unique()
    async with following(cluster, name) as followed:
        assert followed.kept is None
        await put(cluster, name, token="first")
        await comes(lambda: followed.kept == {"token": "Zmlyc3Q="})
        await put(cluster, other, token="x")
        await put(cluster, name, token="second")
        await comes(lambda: followed.kept == {"token": "c2Vjb25k"})
        await delete(cluster, name)
        await comes(lambda: followed.kept is None)
        assert followed.changes == [followed.key] * 3, "and nothing of the other one"
        assert followed.lists == 1


async def test_what_was_there_before_is_listed(cluster: Cluster) -> None:
    name = cluster.unique()
    await put(cluster, name, token="first")
    async with following(cluster, name) as followed:
        assert followed.kept == {"token": "Zmlyc3Q="}


async def test_a_watch_goes_on_from_a_version_and_tells_what_came_since(cluster: Cluster) -> None:
    name = cluster.unique()
    first = await put(cluster, name, token="first")
    versions = [await put(cluster, name, token=value) for value in ("second", "third")]
    items = await items_of(cluster, name, first, 1)
    events = [item for item in items if isinstance(item, Event) and item.type != "BOOKMARK"]
    assert [event.type for event in events] == ["MODIFIED", "MODIFIED"]
    assert [event.object["metadata"]["resourceVersion"] for event in events] == versions
    assert all(isinstance(item, Event) for item in items), "ended in good order by timeoutSeconds"


async def test_a_version_that_is_gone_is_a_410_in_one_way_or_the_other(cluster: Cluster) -> None:
    name = cluster.unique()
    await put(cluster, name, token="first")
    if cluster.state is not None:
        cluster.state.compact()
    items = await items_of(cluster, name, "1", 5)
    assert len(items) == 1
    (item,) = items
    code = item.object.get("code") if isinstance(item, Event) else getattr(item, "status", None)
    assert code == 410


async def test_after_a_410_the_reflector_lists_anew_and_catches_up(cluster: Cluster) -> None:
    name = cluster.unique()
    await put(cluster, name, token="first")
    if cluster.state is not None:
        cluster.state.compact()
    followed = Following(cluster, name)
    # As if it had been away since the first day.
    followed.reflector._state = type(followed.reflector._state)(version="1", connected=True)
    task = asyncio.create_task(followed.reflector.run())
    try:
        await comes(lambda: followed.kept == {"token": "Zmlyc3Q="}, 8.0)
        assert followed.reflector.in_touch(cluster.api.clock.monotonic())
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_metadata_alone_holds_no_data(cluster: Cluster) -> None:
    name = cluster.unique()
    await put(cluster, name, token="canary")
    seen: list[dict[str, Any]] = []

    def keep(found: Any) -> str:
        seen.append(dict(found))
        return str(found["metadata"]["resourceVersion"])

    async with following(cluster, name, keep=keep, metadata_only=True) as followed:
        version = await put(cluster, name, token="canary-2")
        await comes(lambda: followed.kept == version)
    assert len(seen) >= 2
    assert not any("data" in found for found in seen)


async def test_a_changed_token_is_told_and_read_without_a_request_within_a_second(cluster: Cluster) -> None:
    name = cluster.unique()
    await put(cluster, name, token="first", other="x")
    told: list[float] = []
    watch = SecretWatch(cluster.api, lambda *_: told.append(time.monotonic()), random.Random(1).random)
    watch.set_wanted([(cluster.namespace, name, "token")])
    source = KubernetesSecretSource(SecretReader(cluster.api, watch), cluster.namespace, name, "token")
    async with watch:
        await comes(lambda: watch.count() == WatchedCount(1, 1), 10.0)
        took = []
        for number in range(20):
            began = time.monotonic()
            await put(cluster, name, token=f"value-{number}", other="x")
            await comes(lambda number=number: len(told) == number + 1)
            took.append(told[-1] - began)
            credential = await source.read()
            assert credential.token is not None
            assert credential.token.reveal() == f"value-{number}"
        assert max(took) < fairly(AT_ONCE)
        await label(cluster, name)
        await put(cluster, name, token="value-19", other="another")
        await put(cluster, name, token="the last", other="another")
        # What is told comes in the order of the changes: the last one has come, and none of those between.
        await comes(lambda: len(told) > 20)
        credential = await source.read()
        assert credential.token is not None
        assert (credential.token.reveal(), len(told)) == ("the last", 21), "labels and other keys are no change"


async def test_a_kept_watch_is_found_dead_and_begun_anew_after_a_restart_of_the_connection(cluster: Cluster) -> None:
    if cluster.state is None:
        pytest.skip("a real API server is not restarted by a test")
    name = cluster.unique()
    await put(cluster, name, token="first")
    async with following(cluster, name) as followed:
        # The list is there; the watch is opened a moment later.
        await comes(lambda state=cluster.state: state.drop_watches() == 1)
        await put(cluster, name, token="second")
        await comes(lambda: followed.kept == {"token": "c2Vjb25k"}, 3.0)
        assert followed.lists == 1, "it went on from where it was"


@pytest.mark.slow
async def test_a_quiet_watch_is_kept_alive_by_bookmarks_within_the_silence_that_is_allowed(cluster: Cluster) -> None:
    """Takes as long as a real API server lets pass between bookmarks: more than a minute."""
    if not cluster.real:
        pytest.skip("the simulated API sends no bookmark while nothing is written: test_api shows that")
    name = cluster.unique()
    version = await put(cluster, name, token="first")
    query = {
        "fieldSelector": f"metadata.name={name}",
        "resourceVersion": version,
        "timeoutSeconds": "300",
        "allowWatchBookmarks": "true",
    }
    events = cluster.api.watch(cluster.path("secrets"), query=query, silence=SILENCE)
    first = asyncio.ensure_future(anext(events))
    await asyncio.sleep(1.0)
    # On an API server for tests nothing at all may be written for minutes; a bookmark tells of what others wrote.
    await put(cluster, cluster.unique(), token="of others")
    item = await first
    await events.aclose()
    assert isinstance(item, Event), item
    assert item.type == "BOOKMARK"
