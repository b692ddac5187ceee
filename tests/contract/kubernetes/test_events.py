"""Events that a real API takes: its rules for events.k8s.io/v1 are strict, and what was written once cannot change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from monitor.adapters.clock import SystemClock
from monitor.adapters.kubernetes import events
from monitor.adapters.kubernetes.events import KubernetesAnnouncer
from monitor.cluster import Answer
from monitor.core.announcement import Announcement, Reason

from tests.contract.kubernetes.conftest import Cluster

REFUSED = Announcement("production", Reason.TOKEN_REFUSED, "revoked: the key is not in the account's list")


class Watched:
    """A Secret of its own for one test, and the Events about it."""

    def __init__(self, cluster: Cluster) -> None:
        self.api = cluster.api
        self.namespace = cluster.namespace
        self.name = cluster.unique("events")
        self.uid = ""

    def announcer(self) -> KubernetesAnnouncer:
        return KubernetesAnnouncer(self.api, self.namespace, self.name, SystemClock(), instance="contract")

    async def make(self) -> None:
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": self.name}}
        answer = await self.api.request("POST", f"/api/v1/namespaces/{self.namespace}/secrets", body=body)
        assert isinstance(answer, Answer)
        assert answer.status == 201
        self.uid = answer.body["metadata"]["uid"]

    async def events(self) -> list[Mapping[str, Any]]:
        answer = await self.api.request("GET", f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events")
        assert isinstance(answer, Answer)
        assert answer.status == 200
        return [event for event in answer.body["items"] if event["regarding"].get("name") == self.name]


@pytest.fixture
async def watched(cluster: Cluster) -> Watched:
    watched = Watched(cluster)
    await watched.make()
    return watched


@pytest.mark.parametrize("reason", list(Reason))
async def test_every_reason_makes_an_event_about_the_secret(watched: Watched, reason: Reason) -> None:
    await watched.announcer().announce(Announcement("production", reason, "so it is"))
    (event,) = await watched.events()
    assert event["reason"] == reason.value
    assert event["type"] == ("Warning" if reason.warns else "Normal")
    assert event["note"] == "production: so it is"
    assert event["regarding"]["uid"] == watched.uid
    assert event["eventTime"]


async def test_the_same_again_counts_up_on_the_same_event(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SERIES_PAUSE", 0.0)
    announcer = watched.announcer()
    for _ in range(3):
        await announcer.announce(REFUSED)
    (event,) = await watched.events()
    assert event["series"]["count"] == 3


async def test_an_event_that_is_gone_is_made_again(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SERIES_PAUSE", 0.0)
    announcer = watched.announcer()
    await announcer.announce(REFUSED)
    (event,) = await watched.events()
    path = f"/apis/events.k8s.io/v1/namespaces/{watched.namespace}/events/{event['metadata']['name']}"
    await watched.api.request("DELETE", path)
    await announcer.announce(REFUSED)
    (again,) = await watched.events()
    assert again["metadata"]["uid"] != event["metadata"]["uid"]


async def test_the_longest_note_fits(watched: Watched) -> None:
    await watched.announcer().announce(Announcement("production", Reason.STOOD_DOWN, "ü" * 3000))
    (event,) = await watched.events()
    assert len(event["note"].encode()) <= 1024
