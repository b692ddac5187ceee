"""The rules of the mixins' style guide and of pint, which cannot be had here, on every rule and every query in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import promql_parser as promql
import pytest
from monitor.config.durations import parse
from monitor.config.model import Document
from monitor.core.alerts import ALERTS, OF_MONITOR, OF_TARGET, AlertName, Severity, Thresholds, camel, identity
from monitor.core.journal import State
from monitor.core.metric_table import METRICS, PREFIX, Type
from monitor.core.model import Expectation
from monitor.core.report import STOOD_DOWN
from monitor.core.rules import URGENT_INTERVAL, RuleOptions, chart_file, groups
from monitor.core.status import Kind, Status

RULES: list[Any] = [rule for group in groups() for rule in group["rules"]]
BY_NAME = {metric.full_name: metric for metric in METRICS}
# What the scrape adds, and what may be asked of it: the rest (job, instance, pod) differs between replicas.
PLACE = set(OF_MONITOR)
KNOWN_VALUES = {"status": {status.value for status in Status}, "state": {*(state.value for state in State), STOOD_DOWN}}
# Prometheus scrapes once a minute unless told otherwise.
LONGEST_SCRAPE_INTERVAL = 60.0


@dataclass(frozen=True)
class Found:
    """A selector within an expression. around: names of the functions and aggregations around it, outermost first."""

    name: str
    matchers: tuple[tuple[str, str], ...]
    around: tuple[str, ...]
    kept: tuple[str, ...] | None


def selectors(expression: Any, around: tuple[str, ...] = (), kept: tuple[str, ...] | None = None) -> Iterator[Found]:
    """Every selector. kept: the labels that the outermost aggregation around it keeps, None without one."""
    match expression:
        case promql.VectorSelector():
            matchers = tuple((m.name, m.value) for m in expression.matchers.matchers)
            yield Found(expression.name, matchers, around, kept)
        case promql.MatrixSelector():
            yield from selectors(expression.vector_selector, around, kept)
        case promql.AggregateExpr():
            labels = tuple(expression.modifier.labels) if expression.modifier else ()
            yield from selectors(expression.expr, (*around, str(expression.op)), labels if kept is None else kept)
        case promql.Call():
            for argument in expression.args:
                yield from selectors(argument, (*around, expression.func.name), kept)
        case promql.BinaryExpr():
            yield from selectors(expression.lhs, around, kept)
            yield from selectors(expression.rhs, around, kept)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            yield from selectors(expression.expr, around, kept)
        case promql.NumberLiteral() | promql.StringLiteral():
            return
        case _:
            raise AssertionError(f"not looked into: {expression!r}")


def queries(rule: Any) -> list[str]:
    """What the description asks Prometheus."""
    asked = re.findall(r"printf `([^`]+)` \$at \| query", rule["annotations"]["description"])
    return [query.replace("%s", 'target="a",namespace="b",cluster=""') for query in asked]


def named(rule: Any) -> str:
    return f"{rule['alert']}-{rule['labels']['severity']}"


every_rule = pytest.mark.parametrize("rule", RULES, ids=named)
every_expression = pytest.mark.parametrize(
    "expression", [text for rule in RULES for text in (rule["expr"], *queries(rule))]
)


def test_every_alert_is_declared_once() -> None:
    assert [alert.name for alert in ALERTS] == list(AlertName)


@every_rule
def test_a_rule_has_all_that_a_person_and_a_router_need(rule: Any) -> None:
    assert re.fullmatch(r"TokenMonitor([A-Z][a-z]+)+", rule["alert"])
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"].endswith(f"/{rule['alert']}.md")
    assert rule["labels"] == {"severity": rule["labels"]["severity"]}
    assert rule["labels"]["severity"] in list(Severity)
    assert parse(rule["for"]) is not None
    assert set(rule) - {"keep_firing_for"} == {"alert", "expr", "for", "labels", "annotations"}


@every_rule
def test_a_summary_is_one_sentence_that_is_always_the_same(rule: Any) -> None:
    summary = rule["annotations"]["summary"]
    assert re.fullmatch(r"[A-Z][^.{}]+\.", summary)
    assert len({other["annotations"]["summary"] for other in RULES if other["alert"] == rule["alert"]}) == 1


@every_rule
def test_a_description_asks_only_for_labels_that_the_alert_has(rule: Any) -> None:
    description = rule["annotations"]["description"]
    used = set(re.findall(r"\$labels\.(\w+)", description))
    kept = {found.kept for found in selectors(promql.parse(rule["expr"]))}
    assert all(used <= set(labels or ()) for labels in kept)
    assert description.count("{{") == description.count("}}")


@every_expression
def test_every_metric_exists_with_the_labels_that_are_asked_for(expression: str) -> None:
    for found in selectors(promql.parse(expression)):
        assert found.name.startswith(PREFIX)
        labels = {*BY_NAME[found.name].labels, *PLACE}
        assert {name for name, _ in found.matchers} <= labels
        assert set(found.kept or ()) <= labels


@every_expression
def test_every_status_and_state_that_is_asked_for_exists(expression: str) -> None:
    for found in selectors(promql.parse(expression)):
        for name, value in found.matchers:
            assert name not in KNOWN_VALUES or set(value.split("|")) <= KNOWN_VALUES[name]


@every_rule
def test_what_differs_between_replicas_and_restarts_is_not_part_of_an_alert(rule: Any) -> None:
    for found in selectors(promql.parse(rule["expr"])):
        if "absent" not in found.around:
            assert found.kept in (OF_TARGET, OF_MONITOR)


@every_expression
def test_counters_are_asked_for_their_increase_and_nothing_else_is(expression: str) -> None:
    for found in selectors(promql.parse(expression)):
        counts = {"rate", "increase", "irate"} & set(found.around)
        assert bool(counts) is (BY_NAME[found.name].type is Type.COUNTER)


@every_expression
def test_nothing_fragile_is_used(expression: str) -> None:
    around = {name for found in selectors(promql.parse(expression)) for name in found.around}
    assert not around & {"topk", "bottomk", "count_values", "quantile", "irate", "idelta", "deriv", "changes"}
    assert not re.search(r'\b(job|instance|pod)\b|=~?""', expression.replace('cluster=""', ""))


@every_rule
def test_an_absence_lasts_for_two_scrapes_before_it_counts(rule: Any) -> None:
    absent = any("absent" in found.around for found in selectors(promql.parse(rule["expr"])))
    if absent:
        assert (parse(rule["for"]) or 0) >= 2 * LONGEST_SCRAPE_INTERVAL
        # With a comparison, absent() would lose the labels of its selector.
        assert re.fullmatch(r"absent\(\w+\)", rule["expr"])


def test_every_alert_but_the_absence_is_held_through_a_restart() -> None:
    assert [alert.name for alert in ALERTS if alert.kept is None] == [AlertName.DOWN]


def test_an_alert_of_two_severities_changes_over_in_one_evaluation() -> None:
    """What one rule holds on for must be what the other one waits for, or there is a gap, or two pages."""
    for alert in ALERTS:
        assert len(alert.variants) == 1 or alert.held == alert.kept


def test_the_severities_are_those_that_are_promised() -> None:
    promised = {
        "TokenMonitorTokenRefused": ["critical"],
        "TokenMonitorTokenExpiring": ["warning", "critical"],
        "TokenMonitorTokenNotVerified": ["warning"],
        "TokenMonitorTokenNeedsAttention": ["warning"],
        "TokenMonitorRotationFailing": ["warning", "critical"],
        "TokenMonitorStoodDown": ["warning"],
        "TokenMonitorAnonymousAccess": ["info"],
        "TokenMonitorConfigRejected": ["warning"],
        "TokenMonitorTargetsUnseen": ["warning"],
        "TokenMonitorDown": ["critical"],
    }
    assert {alert.name: [variant.severity for variant in alert.variants] for alert in ALERTS} == promised


def test_every_status_that_is_not_valid_has_an_alert() -> None:
    """By its class: refused (and missing) by `token_accepted`, cannot tell by its age, the rest by name."""
    by_name = {
        status
        for rule in RULES
        for found in selectors(promql.parse(rule["expr"]))
        for name, value in found.matchers
        if name == "status"
        for status in value.split("|")
    }
    attention = {status for status in Status if status.kind is Kind.ATTENTION}
    assert by_name == attention - {Status.EXPIRING}


def test_the_thresholds_go_with_the_defaults_of_the_configuration() -> None:
    thresholds = Thresholds()
    interval = Document.model_fields["interval"].default
    timeout = Document.model_fields["timeout"].default
    assert thresholds.expiring_warning == Document.model_fields["expiring_within"].default
    assert thresholds.expiring_warning == Expectation().expiring_within
    assert thresholds.not_verified_for >= 3 * interval + timeout
    assert thresholds.refused_for >= 2 * interval
    assert thresholds.refused_for >= 2 * (parse(URGENT_INTERVAL) or 0)
    assert thresholds.settle >= interval + timeout


@pytest.mark.parametrize("threshold", [field.name for field in fields(Thresholds)])
def test_every_threshold_changes_some_rule(threshold: str) -> None:
    default = getattr(Thresholds(), threshold)
    # Somewhat longer or shorter, whatever does not contradict the others.
    changed = default - 1 if threshold in ("down_for", "expiring_critical") else default + 1
    assert groups(RuleOptions(Thresholds(**{threshold: changed}))) != groups()
    assert f"<{camel(threshold)}" in chart_file()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"refused_for": 0}, "refusedFor must be at least one second; give a longer time"),
        (
            {"expiring_critical": 7 * 86_400},
            "expiringCritical must be shorter than expiringWarning; change one of them",
        ),
        ({"gap": 240}, "downFor must be shorter than gap; change one of them"),
    ],
)
def test_thresholds_that_contradict_each_other_are_refused(changes: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        Thresholds(**changes)


def test_a_threshold_may_be_as_short_as_a_second() -> None:
    assert Thresholds(
        **{**dict.fromkeys((field.name for field in fields(Thresholds)), 1), "expiring_warning": 2, "gap": 2}
    )


def test_the_labels_of_an_alert_are_few_and_known() -> None:
    """The direct way to Alertmanager sends the same: every test of these rules compares them with what fires."""
    assert identity(AlertName.REFUSED, Severity.CRITICAL, "production", {"namespace": "codefresh"}) == {
        "alertname": "TokenMonitorTokenRefused",
        "severity": "critical",
        "namespace": "codefresh",
        "target": "production",
    }
    assert "target" not in identity(AlertName.DOWN, Severity.CRITICAL, None)
