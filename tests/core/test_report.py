"""What the outside is told, key by key: a contract (design.md)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from monitor.core.claims import MAX_EPOCH
from monitor.core.endpoint_slices import Replica
from monitor.core.model import Mode, Verdict
from monitor.core.replicas import ReplicasReport, Said, Voice
from monitor.core.report import TargetReport, check_json, health_json, health_line, rfc3339, status_json
from monitor.core.status import Status

AT = 1_795_000_000.0
KEYS = "target server account status accepted cause remedy token_id issued_at expires_at checked_at duration_seconds"


def verdict(status: Status = Status.VALID, at: float = AT) -> Verdict:
    return Verdict(status, "some cause", "Do this.", "ci", "tm-1", AT - 60.5, AT + 86_400, None, None, at, 0.012345)


def report(
    status: Status = Status.VALID, told_at: float | None = AT, problem: str = "", name: str = "prod"
) -> TargetReport:
    shown = verdict(status)
    told = None if told_at is None else verdict(status if status.accepted is not None else Status.VALID, told_at)
    return TargetReport(name, "https://cd", Mode.TOKEN, "Secret a/b, key c", 30.0, 10.0, shown, AT - 5, told, problem)


def test_the_json_of_a_check_has_exactly_the_keys_of_the_contract_in_their_order() -> None:
    found = check_json("prod", "https://cd", verdict())
    assert list(found) == KEYS.split()
    assert found == {
        "target": "prod",
        "server": "https://cd",
        "account": "ci",
        "status": "valid",
        "accepted": True,
        "cause": "some cause",
        "remedy": "Do this.",
        "token_id": "tm-1",
        "issued_at": rfc3339(AT - 60.5),
        "expires_at": rfc3339(AT + 86_400),
        "checked_at": rfc3339(AT),
        "duration_seconds": 0.0123,
    }


def test_what_is_not_known_is_null() -> None:
    found = check_json("prod", "https://cd", Verdict(Status.UNREACHABLE, "c", "r"))
    unknown = ["account", "accepted", "token_id", "issued_at", "expires_at", "checked_at"]
    assert [key for key, value in found.items() if value is None] == unknown


@pytest.mark.parametrize("status", Status)
def test_every_status_is_plain_json(status: Status) -> None:
    assert json.loads(json.dumps(check_json("prod", "s", verdict(status))))["status"] == status.value
    assert json.loads(json.dumps(status_json(report(status), AT)))["accepted"] is status.accepted
    json.dumps(health_json([report(status)], AT, "1.0"))


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (None, None),
        (0.0, "1970-01-01T00:00:00Z"),
        (1_795_486_812.0, "2026-11-24T02:20:12Z"),
        (1_795_486_812.999, "2026-11-24T02:20:12Z"),
        (float(MAX_EPOCH), "9999-12-31T23:59:59Z"),
    ],
)
def test_times_are_rfc_3339_in_utc(moment: float | None, text: str | None) -> None:
    assert rfc3339(moment) == text


def test_status_json_is_the_check_and_what_is_known_over_time() -> None:
    found = status_json(report(), AT)
    assert list(found)[:12] == KEYS.split()
    assert list(found)[12:] == [
        "since", "verified_at", "fresh", "healthy", "mode", "credential", "problem", "anonymous_access",
        "interval_seconds", "checks", "rotation", "replicas",
    ]  # fmt: skip
    assert (found["since"], found["problem"], found["mode"]) == (rfc3339(AT - 5), None, "token")


def test_status_json_has_each_replica_where_they_are_asked() -> None:
    assert status_json(report(), AT)["replicas"] is None
    voices = (
        Voice(Replica("argocd-server-a", "10.0.0.1", 8080), Said.ACCEPTED),
        Voice(Replica("", "fd00::1", 8080), Said.UNKNOWN, "no answer"),
    )
    found = status_json(replace(report(), replicas=ReplicasReport("argocd/argocd-server", voices, 2, AT, True)), AT)
    assert found["replicas"] == {
        "service": "argocd/argocd-server",
        "ready": 2,
        "accepted": 1,
        "refused": 0,
        "unknown": 1,
        "split_since": rfc3339(AT),
        "split_stays": True,
        "problem": None,
        "each": [
            {"name": "argocd-server-a", "address": "10.0.0.1:8080", "answer": "accepted", "why": None},
            {"name": None, "address": "[fd00::1]:8080", "answer": "unknown", "why": "no answer"},
        ],
    }


@pytest.mark.parametrize(
    ("age", "fresh"),
    [(0.0, True), (100.0, True), (100.1, False), (-5.0, True)],
    ids=["now", "edge", "over", "clock put back"],
)
def test_a_verdict_is_fresh_for_three_intervals_and_a_deadline(age: float, fresh: bool) -> None:
    assert report().fresh(AT + age) is fresh
    assert report().healthy(AT + age) is fresh


def test_without_an_answer_ever_nothing_is_fresh() -> None:
    assert not report(Status.PENDING, told_at=None).fresh(AT)
    assert not report(Status.VALID, told_at=None).healthy(AT)


@pytest.mark.parametrize("status", Status)
def test_healthy_is_what_is_accepted_now(status: Status) -> None:
    """A token that was accepted a minute ago and cannot be told now is not healthy, however fresh."""
    assert report(status).healthy(AT) is (status.accepted is True)


def test_the_line_for_whoever_is_on_call_has_status_since_cause_and_remedy() -> None:
    assert health_line(report(Status.REVOKED), AT) == f"prod revoked since {rfc3339(AT - 5)}: some cause. Do this."


def test_a_valid_token_needs_no_remedy_and_an_old_verdict_says_so() -> None:
    assert health_line(report(), AT) == f"prod valid since {rfc3339(AT - 5)}: some cause."
    assert f"Not checked since {rfc3339(AT)}" in health_line(report(), AT + 1_000)


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.VALID])
def test_every_other_status_comes_with_its_remedy(status: Status) -> None:
    assert "Do this." in health_line(report(status), AT)


def test_the_line_stays_one_bounded_line_whatever_the_problem_of_the_source() -> None:
    line = health_line(report(problem="403\nprod valid since now\x1b[2J\u202e" + "x" * 5_000), AT)
    assert line.isprintable()
    assert "403\\nprod" in line
    assert len(line) < 600


@pytest.mark.parametrize(
    ("found", "level"),
    [
        (report(), "pass"),
        (report(Status.EXPIRING), "warn"),
        (report(Status.WRONG_ACCOUNT), "warn"),
        (report(problem="the Secret cannot be read"), "warn"),
        (report(Status.REVOKED), "fail"),
        (report(Status.UNREACHABLE), "fail"),
        (report(Status.PENDING, told_at=None), "fail"),
        (report(told_at=AT - 1_000), "fail"),
    ],
    ids=["valid", "expiring", "wrong account", "old value in use", "revoked", "cannot tell", "pending", "stale"],
)
def test_the_levels_of_the_health_answer(found: TargetReport, level: str) -> None:
    answer = health_json([found], AT, "1.2.3")
    assert (answer["status"], answer["version"]) == (level, "1.2.3")
    checks = answer["checks"]
    assert isinstance(checks, dict)
    (check,) = checks["prod:token"]
    assert (check["status"], check["observedValue"]) == (level, found.verdict.status.value)
    assert bool(check["output"]) is (level != "pass")


def test_the_worst_target_gives_the_level_of_all() -> None:
    good, warned, failed = report(), report(Status.EXPIRING, name="b"), report(Status.REVOKED, name="c")
    assert health_json([], AT, "1")["status"] == "pass"
    assert health_json([warned, good], AT, "1")["status"] == "warn"
    assert health_json([failed, warned, replace(good, name="d")], AT, "1")["status"] == "fail"
