"""What the dashboards have in common around their panels: variables, links to each other, and the grid."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as model
from monitor.core.metric_table import PREFIX

from scripts.grafana.panels import DATASOURCE, AnyPanel

TAGS = ("token-monitor", "argocd")
OVERVIEW, TARGET = "token-monitor-overview", "token-monitor-target"

# What links take along: which monitor is looked at. The target goes its own way, as one dashboard has many and one one.
_CARRIED = "&".join(f"${{{name}:queryparam}}" for name in ("datasource", "cluster", "namespace", "job", "instance"))
_TO_TARGET = f"/d/{TARGET}?{_CARRIED}&${{__url_time_range}}&var-target="
# From a cell of a table, and from a bar of a timeline.
FROM_CELL, FROM_BAR = f"{_TO_TARGET}${{__data.fields.Target}}", f"{_TO_TARGET}${{__field.labels.target}}"


@dataclass(frozen=True, slots=True)
class Section:
    """A row of the dashboard with its panels, from left to right. folded: its panels are asked for when it is opened."""

    title: str
    panels: Sequence[AnyPanel]
    folded: bool = False


def made(
    uid: str,
    title: str,
    description: str,
    target: dashboard.QueryVariable,
    link: model.DashboardLink,
    *,
    sections: Sequence[Section],
) -> model.Dashboard:
    """A dashboard. Its panels have numbers in the order of their appearance."""
    board = dashboard.Dashboard(title).uid(uid).description(description).tags(list(TAGS)).readonly()
    board = board.time("now-6h", "now").refresh("30s").tooltip(model.DashboardCursorSync.CROSSHAIR)
    board = board.variables([*_variables(), target]).annotations([_annotations()])
    for section in sections:
        board = _with_section(board, section)
    result = board.build()
    result.links = [link]
    return _numbered(result)


def text_of(board: model.Dashboard) -> str:
    """The dashboard as a file: sorted and indented, so that a change shows as what it is."""
    return json.dumps(board, cls=JSONEncoder, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def many_targets() -> dashboard.QueryVariable:
    """The targets to look at, all of them at first."""
    return _all_of(_variable("target", "Target", "token_status", "cluster", "namespace", "job", "instance"), ".+")


def one_target() -> dashboard.QueryVariable:
    """The target to look at."""
    return _variable("target", "Target", "token_status", "cluster", "namespace", "job", "instance")


def link_to(uid: str, title: str, tooltip: str) -> model.DashboardLink:
    """A link to another dashboard that takes the variables and the time range along."""
    url = f"/d/{uid}?{_CARRIED}"
    kind = model.DashboardLinkType.LINK
    return model.DashboardLink(title, kind, "dashboard", tooltip, url, tags=[], keep_time=True)


def _variables() -> list[dashboard.DatasourceVariable | dashboard.QueryVariable]:
    """Which monitor. Where Prometheus adds no cluster or namespace, these stay at All, which fits their absence."""
    return [
        dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        _all_of(_variable("cluster", "Cluster", "build_info"), ".*"),
        _all_of(_variable("namespace", "Namespace", "build_info", "cluster"), ".*"),
        _all_of(_variable("job", "Job", "build_info", "cluster", "namespace"), ".+"),
        _all_of(_variable("instance", "Instance", "build_info", "cluster", "namespace", "job"), ".+"),
    ]


def _variable(label: str, title: str, metric: str, *chosen: str) -> dashboard.QueryVariable:
    """The values that a label has among what was chosen before. Asked for anew when the time range changes."""
    matchers = ",".join(f'{name}=~"${name}"' for name in chosen)
    query = (
        f"label_values({PREFIX}{metric}{{{matchers}}}, {label})"
        if chosen
        else f"label_values({PREFIX}{metric}, {label})"
    )
    variable = dashboard.QueryVariable(label).label(title).datasource(DATASOURCE).query(query).definition(query)
    return variable.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)


def _all_of(variable: dashboard.QueryVariable, everything: str) -> dashboard.QueryVariable:
    """Several may be chosen. everything: the regular expression of All."""
    every = model.VariableOption(selected=True, text=["All"], value=["$__all"])
    return variable.multi(True).include_all(True).all_value(everything).current(every)


def _annotations() -> dashboard.AnnotationQuery:
    """Grafana's own notes, which every dashboard has."""
    grafana = common.DataSourceRef(type_val="grafana", uid="-- Grafana --")
    query = dashboard.AnnotationQuery().name("Annotations & Alerts").datasource(grafana).type("dashboard")
    return query.built_in(1).enable(True).hide(True).icon_color("rgba(0, 211, 255, 1)")


def _with_section(board: dashboard.Dashboard, section: Section) -> dashboard.Dashboard:
    row = dashboard.Row(section.title).collapsed(section.folded)
    if section.folded:
        for panel in section.panels:
            row = row.with_panel(panel)
        return board.with_row(row)
    board = board.with_row(row)
    for panel in section.panels:
        board = board.with_panel(panel)
    return board


def _numbered(board: model.Dashboard) -> model.Dashboard:
    number = 0
    for panel in board.panels or []:
        inner = panel.panels if isinstance(panel, model.RowPanel) else []
        for one in (panel, *inner):
            number += 1
            one.id_val = number
    return board
