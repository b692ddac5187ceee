"""Events about the consumers' Secret: to be found, true, and never a flood."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
import structlog
from monitor.adapters.kubernetes.events import (
    EVENTS_AN_HOUR,
    MAX_SERIES,
    QUIET_REFUSED,
    SERIES_LASTS,
    SERIES_PAUSE,
    KubernetesAnnouncer,
)
from monitor.cluster import NoAnswer
from monitor.core.announcement import Announcement, Reason
from monitor.simulator.kubernetes.access import Rule

from tests.adapters.kubernetes.stage import MONITOR, NAMESPACE, Stage

NAME = "argocd-token"
REFUSED = Announcement("production", Reason.TOKEN_REFUSED, "revoked: the key is not in the account's list")


@pytest.fixture
async def announcer(stage: Stage) -> KubernetesAnnouncer:
    await stage.put(NAME, {"token": "abc"})
    return KubernetesAnnouncer(stage.api, NAMESPACE, NAME, stage.clock, instance="monitor-0")


async def events(stage: Stage) -> list[Mapping[str, Any]]:
    """As `kubectl events` reads them."""
    body = await stage.by_hand("GET", f"apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events")
    return list(body["items"])


async def test_an_event_tells_what_happened_to_which_secret(stage: Stage, announcer: KubernetesAnnouncer) -> None:
    stage.clock.passed = 0.25
    await announcer.announce(REFUSED)
    (event,) = await events(stage)
    assert event["reason"] == "TokenRefused"
    assert event["type"] == "Warning"
    assert event["action"] == "Check"
    assert event["note"] == "production: revoked: the key is not in the account's list"
    assert event["reportingController"] == "tokenmonitor.io/token-monitor"
    assert event["reportingInstance"] == "monitor-0"
    assert event["eventTime"].endswith(".250000Z")
    assert event["metadata"]["labels"] == {"tokenmonitor.io/target": "production"}
    assert event["regarding"] == {
        "apiVersion": "v1",
        "kind": "Secret",
        "name": NAME,
        "namespace": NAMESPACE,
        "uid": stage.secret(NAME)["metadata"]["uid"],
    }


@pytest.mark.parametrize("reason", list(Reason))
async def test_every_reason_makes_an_event_that_the_api_takes(
    stage: Stage, announcer: KubernetesAnnouncer, reason: Reason
) -> None:
    await announcer.announce(Announcement("production", reason, "so it is"))
    (event,) = await events(stage)
    assert event["reason"] == reason.value
    assert event["type"] == ("Warning" if reason.warns else "Normal")


async def test_the_secret_itself_is_not_fetched_for_an_event(stage: Stage, announcer: KubernetesAnnouncer) -> None:
    asked: list[str] = []
    request = stage.api.request

    async def listening(method: str, path: str, **named: Any) -> Any:
        answer = await request(method, path, **named)
        asked.append(f"{method} {answer.body.get('data')}")
        return answer

    stage.api.request = listening  # type: ignore[method-assign]
    await announcer.announce(REFUSED)
    assert asked[0] == "GET None"


async def test_without_sight_of_the_secret_the_event_is_made_all_the_same(
    stage: Stage, announcer: KubernetesAnnouncer
) -> None:
    stage.allow(Rule("create,patch", "events", "events.k8s.io"))
    await announcer.announce(REFUSED)
    (event,) = await events(stage)
    assert "uid" not in event["regarding"]


async def test_the_same_again_is_counted_on_the_same_event(stage: Stage, announcer: KubernetesAnnouncer) -> None:
    for _ in range(3):
        await announcer.announce(REFUSED)
        stage.clock.passed += SERIES_PAUSE
    (event,) = await events(stage)
    assert event["series"]["count"] == 3
    assert event["series"]["lastObservedTime"] > event["eventTime"]


async def test_a_series_is_written_once_a_minute_and_counts_what_came_in_between(
    stage: Stage, announcer: KubernetesAnnouncer
) -> None:
    for _ in range(100):
        await announcer.announce(REFUSED)
        stage.clock.passed += 0.1
    stage.clock.passed += SERIES_PAUSE
    await announcer.announce(REFUSED)
    (event,) = await events(stage)
    assert event["series"]["count"] == 101
    assert stage.state.count("patch", user=MONITOR) == 1


async def test_what_happens_again_after_ten_quiet_minutes_is_a_new_event(
    stage: Stage, announcer: KubernetesAnnouncer
) -> None:
    await announcer.announce(REFUSED)
    stage.clock.passed += SERIES_LASTS
    await announcer.announce(REFUSED)
    assert len(await events(stage)) == 2


async def test_another_reason_note_or_target_is_another_event(stage: Stage, announcer: KubernetesAnnouncer) -> None:
    await announcer.announce(REFUSED)
    await announcer.announce(Announcement("production", Reason.TOKEN_ACCEPTED, "accepted again"))
    await announcer.announce(Announcement("production", Reason.TOKEN_REFUSED, "account_disabled: the account is off"))
    await announcer.announce(Announcement("staging", Reason.TOKEN_REFUSED, REFUSED.note))
    assert len(await events(stage)) == 4


async def test_an_event_that_expired_meanwhile_is_made_again(stage: Stage, announcer: KubernetesAnnouncer) -> None:
    await announcer.announce(REFUSED)
    (event,) = await events(stage)
    await stage.by_hand("DELETE", f"apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events/{event['metadata']['name']}")
    stage.clock.passed += SERIES_PAUSE
    await announcer.announce(REFUSED)
    (again,) = await events(stage)
    assert again["metadata"]["name"] != event["metadata"]["name"]


async def test_a_target_in_turmoil_makes_so_many_events_an_hour_and_the_rest_is_counted(
    stage: Stage, announcer: KubernetesAnnouncer
) -> None:
    for number in range(EVENTS_AN_HOUR + 7):
        await announcer.announce(Announcement("production", Reason.ROTATION_FAILED, f"attempt {number}"))
    assert len(await events(stage)) == EVENTS_AN_HOUR
    assert announcer.left_out("production") == 7
    await announcer.announce(Announcement("staging", Reason.ROTATION_FAILED, "another target has its own share"))
    assert len(await events(stage)) == EVENTS_AN_HOUR + 1
    stage.clock.passed += 3600
    await announcer.announce(REFUSED)
    assert len(await events(stage)) == EVENTS_AN_HOUR + 2


async def test_what_is_remembered_is_bounded(stage: Stage, announcer: KubernetesAnnouncer) -> None:
    for number in range(MAX_SERIES + 20):
        await announcer.announce(Announcement(f"target-{number}", Reason.TOKEN_REFUSED, "revoked"))
    assert len(announcer._series) <= MAX_SERIES
    assert len(announcer._rates) <= MAX_SERIES


async def test_two_events_of_the_same_moment_have_different_names(stage: Stage, announcer: KubernetesAnnouncer) -> None:
    other = KubernetesAnnouncer(stage.api, NAMESPACE, NAME, stage.clock)
    await asyncio.gather(announcer.announce(REFUSED), other.announce(REFUSED))
    assert len(await events(stage)) == 2


@pytest.mark.parametrize("note", ["x" * 5000, "ü" * 5000, "line one\nline two\x1b[31m", ""])
async def test_a_note_is_bounded_and_one_line(stage: Stage, announcer: KubernetesAnnouncer, note: str) -> None:
    await announcer.announce(Announcement("production", Reason.TOKEN_REFUSED, note))
    (event,) = await events(stage)
    assert len(event["note"].encode()) <= 1024
    assert event["note"].isprintable()


@pytest.mark.parametrize("name", ["a" * 253, "a" * 199 + ".b", "a.b-c"])
async def test_any_secret_can_have_events(stage: Stage, name: str) -> None:
    await stage.put(name, {"token": "abc"})
    await KubernetesAnnouncer(stage.api, NAMESPACE, name, stage.clock, instance="ü" * 200).announce(REFUSED)
    assert len(await events(stage)) == 1


async def test_a_target_whose_name_is_no_label_has_events_without_one(
    stage: Stage, announcer: KubernetesAnnouncer
) -> None:
    await announcer.announce(Announcement("a b/c", Reason.TOKEN_REFUSED, "revoked"))
    (event,) = await events(stage)
    assert not event["metadata"].get("labels")


# --- nothing depends on them ---------------------------------------------------------------------------------------


async def test_a_missing_permission_is_told_once_with_the_fix_and_then_there_is_quiet(
    stage: Stage, announcer: KubernetesAnnouncer
) -> None:
    stage.allow()
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            await announcer.announce(REFUSED)
            stage.clock.passed += 1
        asked = stage.state.count("create", user=MONITOR)
        stage.clock.passed += QUIET_REFUSED
        await announcer.announce(REFUSED)
    assert [line["log_level"] for line in logs] == ["warning"]
    assert "the verb create on events.events.k8s.io" in logs[0]["why"]
    assert asked == 1
    assert stage.state.count("create", user=MONITOR) == 2


async def test_events_come_back_when_the_permission_does(stage: Stage, announcer: KubernetesAnnouncer) -> None:
    stage.allow()
    await announcer.announce(REFUSED)
    stage.state.access.free(MONITOR)
    stage.clock.passed += QUIET_REFUSED
    await announcer.announce(REFUSED)
    assert len(await events(stage)) == 1


@pytest.mark.parametrize("status", [404, 409, 422, 429, 500, 503])
async def test_no_answer_of_the_api_raises(stage: Stage, announcer: KubernetesAnnouncer, status: int) -> None:
    stage.state.faults.answer(status, times=None)
    with structlog.testing.capture_logs() as logs:
        await announcer.announce(REFUSED)
    assert len(logs) == 1


async def test_an_api_that_is_away_or_not_configured_is_told_once(stage: Stage, announcer: KubernetesAnnouncer) -> None:
    stage.state.go_away(3600)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await announcer.announce(REFUSED)
            stage.clock.passed += 60
    assert len(logs) == 1
    stage.api.problem = "no kubeconfig"
    await KubernetesAnnouncer(stage.api, None, NAME, stage.clock).announce(REFUSED)


async def test_an_api_that_never_answers_keeps_nobody_waiting(
    stage: Stage, announcer: KubernetesAnnouncer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any, **__: Any) -> NoAnswer:
        await asyncio.Event().wait()
        return NoAnswer("never")

    monkeypatch.setattr(stage.api, "request", never)
    monkeypatch.setattr("monitor.adapters.kubernetes.events.DEADLINE", 0.01)
    with structlog.testing.capture_logs() as logs:
        await asyncio.gather(*(announcer.announce(REFUSED) for _ in range(3)))
    assert len(logs) == 1


async def test_create_and_patch_of_events_are_all_that_is_needed(stage: Stage, announcer: KubernetesAnnouncer) -> None:
    stage.allow(Rule("get", "secrets", names=(NAME,)), Rule("create,patch", "events", "events.k8s.io", (NAMESPACE,)))
    await announcer.announce(REFUSED)
    stage.clock.passed += SERIES_PAUSE
    await announcer.announce(REFUSED)
    (event,) = await events(stage)
    assert event["series"]["count"] == 2
    assert event["regarding"]["uid"]
