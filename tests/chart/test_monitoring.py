"""Alerts and dashboards in the chart are those of the program, filled in with the values."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from monitor.core.alerts import AlertName, Thresholds
from monitor.core.rules import RuleOptions, groups

from tests.chart.objects import of_kind, one
from tests.chart.scenarios import SCENARIOS
from tests.chart.tools import HELMS, NAMESPACE, ROOT, Object, refusal, render

OWN = f'namespace="{NAMESPACE}",job="token-monitor"'
DAY = 86_400


def rule(helm: str = "helm4", release: str = "token-monitor", **options: Any) -> Object:
    """The PrometheusRule with these options."""
    values = {"prometheusRule": {"enabled": True, **options}}
    return one(render(values, SCENARIOS["token"], helm=helm, release=release), "PrometheusRule")


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize(
    ("values", "options"),
    [
        pytest.param({}, RuleOptions(selector=OWN), id="defaults"),
        pytest.param({"selector": ""}, RuleOptions(), id="every monitor"),
        pytest.param({"selector": 'cluster="a",'}, RuleOptions(selector='cluster="a"'), id="a selector of one's own"),
        pytest.param(
            {"thresholds": {"expiringWarning": "14d", "refusedFor": "90s", "gap": "2h"}},
            RuleOptions(Thresholds(expiring_warning=14 * DAY, refused_for=90, gap=7200), selector=OWN),
            id="thresholds",
        ),
        pytest.param(
            {"runbooks": "https://wiki.example.com/runbooks/"},
            RuleOptions(selector=OWN, runbooks="https://wiki.example.com/runbooks"),
            id="runbooks",
        ),
        pytest.param(
            {"disabled": ["TokenMonitorTokenRefused", "TokenMonitorDown"]},
            RuleOptions(selector=OWN, disabled=frozenset({AlertName.REFUSED, AlertName.DOWN})),
            id="disabled",
        ),
    ],
)
def test_the_rules_are_those_that_the_program_prints(values: dict[str, Any], options: RuleOptions, helm: str) -> None:
    assert said(rule(helm, **values)["spec"]["groups"]) == said(groups(options))


def said(found: Any) -> Any:
    """The groups as JSON has them."""
    return json.loads(json.dumps(found))


def test_every_place_is_filled() -> None:
    assert re.findall(r"<[A-Za-z.]+>", json.dumps(rule())) == []


def test_rules_are_limited_to_the_release_and_its_namespace() -> None:
    expressions = [found["expr"] for group in rule(release="other")["spec"]["groups"] for found in group["rules"]]
    assert all(f'namespace="{NAMESPACE}",job="other-token-monitor"' in expression for expression in expressions)


def test_the_job_of_the_rules_is_the_name_of_the_service_which_the_operator_makes_the_job_of_its_scrapes() -> None:
    objects = render({"serviceMonitor": {"enabled": True}}, SCENARIOS["token"])
    assert "jobLabel" not in one(objects, "ServiceMonitor")["spec"]
    assert f'job="{one(objects, "Service")["metadata"]["name"]}"' in json.dumps(rule()).replace("\\", "")


def test_labels_and_rules_of_ones_own_are_added_and_never_change_the_severity() -> None:
    found = rule(labels={"team": "platform", "severity": "none"}, rules=[{"alert": "Own", "expr": "vector(1)"}])
    alerts = [alert for group in found["spec"]["groups"] for alert in group["rules"]]
    assert alerts[-1] == {"alert": "Own", "expr": "vector(1)"}
    assert all(alert["labels"]["team"] == "platform" for alert in alerts[:-1])
    assert {alert["labels"]["severity"] for alert in alerts[:-1]} == {"critical", "warning", "info"}


def test_no_group_is_left_empty() -> None:
    found = rule(disabled=[name.value for name in AlertName])
    assert not found["spec"]["groups"]


@pytest.mark.parametrize("helm", HELMS)
def test_each_dashboard_is_in_a_configmap_that_the_sidecar_finds(helm: str) -> None:
    values = {"dashboards": {"enabled": True, "namespace": "grafana", "annotations": {"grafana_folder": "Argo CD"}}}
    found = [
        item
        for item in of_kind(render(values, SCENARIOS["token"], helm=helm), "ConfigMap")
        if "dashboard" in item["metadata"]["name"]
    ]
    shipped = {path.name: json.loads(path.read_text("utf-8")) for path in (ROOT / "dashboards").glob("*.json")}
    assert shipped
    assert {name: json.loads(text) for item in found for name, text in item["data"].items()} == shipped
    for item in found:
        assert item["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert item["metadata"]["namespace"] == "grafana"
        assert item["metadata"]["annotations"] == {"grafana_folder": "Argo CD"}
        assert len(json.dumps(item)) < 2**20, "an object of Kubernetes is 1 MiB at most"


def test_a_default_that_an_upgrade_left_out_makes_no_rule_with_a_hole() -> None:
    """`--reuse-values` leaves out what a newer chart has new: Prometheus would refuse the whole file."""
    said = refusal({"prometheusRule": {"enabled": True, "thresholds": {"targetsUnseenFor": None}}}, SCENARIOS["token"])
    assert "targetsUnseenFor" in said
    assert "--reset-then-reuse-values" in said
