"""Whom the monitor tells by itself: what the program gets of these sections, what is warned of, which files are read."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from monitor.config.files import check_files
from monitor.config.load import load_file, settings_of
from monitor.config.problems import ConfigurationError
from monitor.config.settings import (
    AlertmanagerSettings,
    AlertSettings,
    HeartbeatSettings,
    InClear,
    InFile,
    Settings,
    TlsSettings,
)
from monitor.config.telling import Thresholds as Section
from monitor.config.warnings import warnings_of
from monitor.core.alerts import Thresholds
from monitor.core.rules import chart_values
from monitor.core.secret import Secret

GOOD = Path(__file__).parent / "good"
TARGET = {"name": "a", "url": "https://a.example.com", "auth": {"type": "token", "tokenFile": "/t"}}
AM = {"urls": ["https://am.example.com"]}
ADDRESS = "https://hc-ping.com/6b0d3a5e"


def settings(**sections: Any) -> Settings:
    return settings_of({"targets": [TARGET], **sections})


def test_by_default_nobody_is_told() -> None:
    found = settings()
    assert (found.alertmanager, found.heartbeat, found.alerts) == (None, None, AlertSettings())


def test_everything_that_can_be_said_is_resolved() -> None:
    found = load_file(GOOD / "telling.yaml")
    assert found.alerts.thresholds == Thresholds(
        refused_for=60, expiring_warning=14 * 86_400, expiring_critical=2 * 86_400, gap=600, down_for=300
    )
    assert found.alerts.runbooks == "https://runbooks.example.com/token-monitor"
    assert found.alertmanager == AlertmanagerSettings(
        urls=("https://alertmanager-0.example.com:9093/am", "https://alertmanager-1.example.com:9093/am"),
        labels=(("cluster", "eu-1"), ("namespace", ""), ("team_2", "platform")),
        username="monitor",
        password_file="/run/alertmanager/password",
        tls=TlsSettings(server_name="alertmanager.example.com"),
        resend_interval=30,
        timeout=5,
    )
    assert found.heartbeat == HeartbeatSettings(InFile("/run/heartbeat/url"), "POST", 300, 3)


def test_what_is_left_out_has_its_default() -> None:
    found = load_file(GOOD / "telling-little.yaml")
    assert found.alerts == AlertSettings()
    assert found.alertmanager == AlertmanagerSettings(("http://127.0.0.1:9093",))
    assert found.heartbeat == HeartbeatSettings(InClear(Secret("https://hc-ping.com/6b0d3a5e-hunter2?rid=1")))


def test_the_thresholds_are_those_of_the_rules_under_the_names_of_the_chart() -> None:
    assert {field.alias for field in Section.model_fields.values()} == set(chart_values())
    assert Thresholds(**Section().whole_seconds) == Thresholds()
    assert set(Section.model_fields) == {field.name for field in fields(Thresholds)}


def test_a_part_of_a_second_counts_as_a_whole_one() -> None:
    assert settings(alerts={"thresholds": {"refusedFor": 1.2}}).alerts.thresholds.refused_for == 2


def test_the_address_of_the_heartbeat_is_shown_nowhere() -> None:
    found = settings(heartbeat={"url": ADDRESS})
    assert "6b0d3a5e" not in repr(found)
    with pytest.raises(ConfigurationError) as caught:
        settings(heartbeat={"url": f"{ADDRESS}\n", "nonsense": 1})
    assert "6b0d3a5e" not in str(caught.value)


@pytest.mark.parametrize(
    "labels",
    [
        {"0a": "x"}, {"": "x"}, {"a-b": "x"}, {"__meta": "x"}, {"a" * 64: "x"}, {"alertname": "x"}, {"target": "x"},
        {"a": 1}, {"a": None}, {"a": ["x"]}, {"a": "x" * 201}, {"a": "x\ny"}, {"a": "${HOME}"}, {1: "x"}, ["a"], "a",
        {f"l{n}": "x" for n in range(21)},
    ],
)  # fmt: skip
def test_what_is_no_label_is_refused(labels: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(alertmanager={**AM, "labels": labels})
    (problem,) = caught.value.problems
    assert problem.path == "alertmanager.labels"


@pytest.mark.parametrize(
    ("section", "paths"),
    [
        ({"urls": ["http://am.example.com"]}, []),
        ({**AM, "bearerTokenFile": "/t"}, []),
        ({"urls": ["http://am", "http://localhost:9093"], "bearerTokenFile": "/t"}, []),
        ({"urls": ["https://a", "http://am.example.com"], "bearerTokenFile": "/t"}, ["alertmanager.urls[1]"]),
        (
            {"urls": ["http://10.0.0.1:9093"], "basicAuth": {"username": "a", "passwordFile": "/p"}},
            ["alertmanager.urls[0]"],
        ),
        ({**AM, "tls": {"insecure": True}}, ["alertmanager.tls.insecure"]),
    ],
)
def test_what_is_warned_of(section: dict[str, Any], paths: list[str]) -> None:
    notices = warnings_of(settings(alertmanager=section))
    assert [notice.path for notice in notices] == paths
    assert all(notice.what and notice.instead for notice in notices)


def test_certificates_must_be_there_and_credentials_may_come_later() -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_files(
            settings(
                alertmanager={**AM, "bearerTokenFile": "/nowhere/t", "tls": {"caFile": "/nowhere/ca"}},
                heartbeat={"urlFile": "/nowhere/url", "tls": {"caFile": "/nowhere/other"}},
            )
        )
    assert [problem.path for problem in caught.value.problems] == ["alertmanager.tls.caFile", "heartbeat.tls.caFile"]
