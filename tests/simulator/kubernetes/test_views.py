"""Metadata without the values: what is asked for by Accept."""

from __future__ import annotations

import asyncio

import pytest

from tests.simulator.kubernetes.stage import SECRETS, Desk, World, in_virtual_time, secret

ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
MANY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.ask("POST", SECRETS, secret("x"))
    return desk


def test_metadata_alone_holds_no_value(desk: Desk) -> None:
    got = desk.ask("GET", f"{SECRETS}/x", accept=ONE).body
    assert sorted(got) == ["apiVersion", "kind", "metadata"]
    assert (got["kind"], got["metadata"]["name"]) == ("PartialObjectMetadata", "x")


def test_a_list_of_metadata_holds_no_values(desk: Desk) -> None:
    got = desk.ask("GET", SECRETS, accept=MANY).body
    assert got["kind"] == "PartialObjectMetadataList"
    assert [sorted(item) for item in got["items"]] == [["apiVersion", "kind", "metadata"]]


def test_a_write_can_be_answered_with_metadata(desk: Desk) -> None:
    assert "data" not in desk.ask("POST", SECRETS, secret("y"), accept=ONE).body


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        (SECRETS, ONE, 406),
        (f"{SECRETS}/x", MANY, 406),
        (SECRETS, "text/html", 406),
        (SECRETS, "application/json;as=Table;g=meta.k8s.io;v=v1", 406),
        (SECRETS, "application/json;as=Table;g=meta.k8s.io;v=v1, application/json", 200),
        (SECRETS, "*/*", 200),
    ],
)
def test_what_cannot_be_given_is_refused_unless_another_form_will_do(
    desk: Desk, path: str, accept: str, status: int
) -> None:
    assert desk.ask("GET", path, accept=accept).status == status


def test_the_items_of_a_plain_list_come_without_kind(desk: Desk) -> None:
    got = desk.ask("GET", SECRETS).body
    assert got["kind"] == "SecretList"
    assert "kind" not in got["items"][0]


def test_a_watch_of_metadata_tells_no_value() -> None:
    async def story(world: World) -> None:
        await world.listen(accept=ONE, allowWatchBookmarks="true")
        await world.api.request("POST", SECRETS, body=secret("x"))
        await world.api.request("DELETE", f"{SECRETS}/x")
        await asyncio.sleep(61)
        assert world.types() == ["ADDED", "DELETED", "BOOKMARK"]
        for _, event in world.heard:
            assert event.object["kind"] == "PartialObjectMetadata"
            assert "data" not in event.object

    in_virtual_time(story)
