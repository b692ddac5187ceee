"""The rules of Grafana's dashboard-linter and of pint, which cannot be had here, on every variable, panel and query."""

from __future__ import annotations

import re
from typing import Any

import pytest
from grafana_foundation_sdk.models import units
from monitor.core.alerts import OF_TARGET
from monitor.core.journal import State
from monitor.core.metric_table import METRICS, PREFIX, Metric, Type
from monitor.core.report import EFFECTS_THAT_FAIL, STOOD_DOWN
from monitor.core.status import Kind, Status

from tests.dashboards.files import ASKING, BOARDS, PANELS, QUERIES, variables
from tests.dashboards.promql import EVERYTHING, Selector, interpolated, selectors

PLACE = {"cluster", "namespace", "job", "instance"}
BY_NAME = {metric.full_name: metric for metric in METRICS}
# What prometheus_client tells of every process.
OF_PROCESS = {"process_cpu_seconds_total": Type.COUNTER, "process_resident_memory_bytes": Type.GAUGE}
KNOWN_VALUES = {
    "status": {status.value for status in Status},
    "state": {*(state.value for state in State), STOOD_DOWN},
    "reason": {*(status.value for status in Status if status.kind is Kind.UNKNOWN), *EFFECTS_THAT_FAIL},
}
UNITS = {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")}

every_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
asking = [(name, panel) for name, _, panel in PANELS if panel["type"] in ASKING]
every_panel = pytest.mark.parametrize("panel", [panel for _, panel in asking], ids=[name for name, _ in asking])
every_query = pytest.mark.parametrize("expression", [text for _, text in QUERIES], ids=[name for name, _ in QUERIES])


def metric_of(selector: Selector) -> Metric | None:
    """The declaration behind a selector, also of the parts of a histogram; None for one of every process."""
    for suffix in ("", "_bucket", "_count", "_sum"):
        declared = BY_NAME.get(selector.name.removesuffix(suffix)) if selector.name.endswith(suffix) else None
        if declared is not None and (not suffix or declared.type is Type.HISTOGRAM):
            return declared
    assert selector.name in OF_PROCESS, f"{selector.name} does not exist"
    return None


def labels_of(selector: Selector) -> set[str]:
    metric = metric_of(selector)
    return {*(metric.labels if metric else ()), *(["le"] if selector.name.endswith("_bucket") else []), *PLACE}


def is_about_targets(selector: Selector) -> bool:
    metric = metric_of(selector)
    return metric is not None and "target" in metric.labels


@every_board
def test_there_is_one_variable_for_the_data_source(board: Any) -> None:
    sources = [variable for variable in variables(board).values() if variable["type"] == "datasource"]
    assert [(s["name"], s["label"], s["query"]) for s in sources] == [("datasource", "Data source", "prometheus")]


@every_board
@pytest.mark.parametrize(("name", "everything"), [(name, EVERYTHING[name]) for name in sorted(PLACE)])
def test_several_monitors_may_be_chosen_or_all(board: Any, name: str, everything: str) -> None:
    variable = variables(board)[name]
    assert variable["label"] == name.capitalize()
    assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, everything)


def test_the_overview_shows_many_targets_and_the_other_one() -> None:
    many, one = (variables(BOARDS[name])["target"] for name in ("overview.json", "target.json"))
    assert (many["multi"], many["includeAll"], many["allValue"]) == (True, True, ".+")
    assert (one["multi"], one["includeAll"]) == (False, False)


@every_board
def test_the_values_of_variables_are_asked_for_anew_and_exist(board: Any) -> None:
    for name, variable in variables(board).items():
        if variable["type"] == "datasource":
            continue
        assert variable["type"] == "query"
        assert variable["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert variable["refresh"] == 2
        asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
        assert asked is not None
        assert variable["definition"] == variable["query"]
        (selector,) = selectors(asked[1])
        assert asked[2] == name
        assert {name, *selector.matchers} <= labels_of(selector)


@every_board
def test_a_variable_offers_what_is_left_by_those_before_it(board: Any) -> None:
    assert list(variables(board)) == ["datasource", "cluster", "namespace", "job", "instance", "target"]
    before: set[str] = set()
    for name, variable in variables(board).items():
        if name != "datasource":
            assert set(re.findall(r"\$(\w+)", variable["query"])) == before
            before.add(name)


@every_panel
def test_a_panel_asks_the_chosen_data_source(panel: Any) -> None:
    asked = [panel, *panel["targets"]]
    assert {(one["datasource"]["type"], one["datasource"]["uid"]) for one in asked} == {("prometheus", "${datasource}")}


@every_panel
def test_a_panel_asks_something_and_each_query_has_a_letter(panel: Any) -> None:
    letters = [query["refId"] for query in panel["targets"]]
    assert letters == list("ABCDEFGH"[: len(letters)])
    assert letters


@every_panel
def test_a_moment_is_asked_for_as_such_and_a_course_as_such(panel: Any) -> None:
    moment = panel["type"] in ("stat", "table")
    for query in panel["targets"]:
        assert (query["instant"], query["range"]) == (moment, not moment)
        assert query["format"] == ("table" if panel["type"] == "table" else "time_series")
        assert ("$__range" in query["expr"]) <= (moment or panel["type"] == "state-timeline")


@every_panel
def test_a_value_has_a_unit_or_words(panel: Any) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    changes = [change for override in panel["fieldConfig"]["overrides"] for change in override["properties"]]
    used = [defaults["unit"], *(change["value"] for change in changes if change["id"] == "unit")]
    assert set(used) <= UNITS
    if panel["type"] == "state-timeline":
        assert defaults["mappings"]


@every_panel
def test_a_stat_says_which_value_it_shows(panel: Any) -> None:
    if panel["type"] == "stat":
        assert panel["options"]["reduceOptions"]["calcs"] == ["lastNotNull"]


@every_panel
def test_several_series_have_names(panel: Any) -> None:
    if panel["type"] in ("timeseries", "state-timeline"):
        assert all(query.get("legendFormat") for query in panel["targets"])
        assert panel["options"]["legend"]["showLegend"] is (panel["type"] == "timeseries")


@every_query
def test_every_metric_exists_with_the_labels_that_are_asked_for(expression: str) -> None:
    found = selectors(expression)
    assert found
    for selector in found:
        assert selector.name.startswith((PREFIX, "process_"))
        assert set(selector.matchers) <= labels_of(selector)
        for aggregation in selector.aggregations:
            assert set(aggregation.labels or ()) <= labels_of(selector)


@every_query
def test_every_name_of_a_series_and_every_joined_label_exists(expression: str) -> None:
    labels = {label for metric in METRICS for label in metric.labels} | PLACE
    for listed in re.findall(r"\b(?:on|ignoring|group_left) \(([^)]*)\)", expression):
        assert {name.strip() for name in listed.split(",")} <= labels | {""}


@every_query
def test_every_value_that_is_asked_for_exists(expression: str) -> None:
    for selector in selectors(expression):
        for label, (_, value) in selector.matchers.items():
            assert label not in KNOWN_VALUES or set(value.split("|")) <= KNOWN_VALUES[label]


@every_query
def test_every_selector_is_limited_by_what_was_chosen(expression: str) -> None:
    for raw in re.findall(r"\w+\{([^}]*)\}", expression.replace("{{", "").replace("}}", "")):
        assert raw.startswith('cluster=~"$cluster",namespace=~"$namespace",job=~"$job",instance=~"$instance"')
    for selector in selectors(expression):
        assert ("target" in selector.matchers) is is_about_targets(selector)


@every_query
def test_a_second_replica_counts_nothing_twice(expression: str) -> None:
    """What is told of a target is told by every replica: one is taken before anything is added up or joined."""
    for selector in selectors(expression):
        if is_about_targets(selector):
            first = selector.aggregations[0]
            assert first.name == "max"
            assert set(OF_TARGET) <= set(first.labels or ())
            assert not {"job", "instance"} & set(first.labels or ())


@every_query
def test_functions_fit_the_types_of_metrics(expression: str) -> None:
    for selector in selectors(expression):
        metric = metric_of(selector)
        type_ = metric.type if metric else OF_PROCESS[selector.name]
        counts = {"rate", "increase"} & set(selector.functions)
        assert bool(counts) is (type_ in (Type.COUNTER, Type.HISTOGRAM))
        if counts:
            assert selector.functions[0] in counts  # before anything is aggregated, or resets would go unseen
        if selector.name.endswith("_bucket"):
            assert selector.functions == ("rate", "sum", "histogram_quantile")
            assert selector.aggregations[0].labels == ("le",)


@every_query
def test_rates_go_with_the_interval_of_the_panel(expression: str) -> None:
    for function, window in re.findall(r"(\w+)\([^()]*\[([^\]]+)\]", expression):
        allowed = {"rate": {"$__rate_interval"}, "increase": {"$__rate_interval", "$__range"}}
        assert window in allowed.get(function, {"$__range"})


@every_query
def test_nothing_fragile_is_used(expression: str) -> None:
    around = {name for selector in selectors(expression) for name in selector.functions}
    assert not around & {"irate", "idelta", "deriv", "delta", "changes", "absent", "quantile", "count_values"}
    assert not re.search(r'=~?""', expression)


@every_query
def test_no_variable_is_unknown(expression: str) -> None:
    assert "$" not in interpolated(expression)
