"""Panels of the dashboards: one function a kind, so that all of a kind look and behave alike.

Every panel has a title, a description and a unit or value mappings. Colours are those of the status page, and never
stand alone: a word or a name says the same. What the foundation SDK leaves open and Grafana then guesses (data source,
letters of queries, legends, the reducer of a stat) is set here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from grafana_foundation_sdk.builders import common as building
from grafana_foundation_sdk.builders import dashboard, prometheus, stat, statetimeline, table, text, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode
from monitor.core.page import Standing
from monitor.core.report import STOOD_DOWN
from monitor.core.status import Kind, Status

from scripts.grafana.queries import FAILING, IDLE, ROTATION_CODES, STATUS_CODES

DATASOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")

# The bars of the status page (`page.css`, in the light): legible on light and on dark. A test compares them.
REFUSED, UNKNOWN, ATTENTION, ACCEPTED = "#d1372b", "#8c66cc", "#b27700", "#4c9b6c"
MOVING, PLAIN = "#3a79b8", "#87909c"
COLOURS = {Kind.REFUSED: REFUSED, Kind.UNKNOWN: UNKNOWN, Kind.ATTENTION: ATTENTION, Kind.ACCEPTED: ACCEPTED}
# Worst first, in the words of the status page.
WORDS = {
    Kind.REFUSED: Standing.REFUSED.words().capitalize(),
    Kind.UNKNOWN: Standing.UNKNOWN.words().capitalize(),
    Kind.ATTENTION: Standing.ATTENTION.words().capitalize(),
    Kind.ACCEPTED: Standing.ACCEPTED.words().capitalize(),
}
# Shades for the reasons of one class, which a legend tells apart.
SHADES = ("#8c66cc", "#5d7fc9", "#b5699f", "#6b6f86", "#a98d5b")

Panel = TypeVar("Panel", stat.Panel, statetimeline.Panel, table.Panel, timeseries.Panel)
AnyPanel = stat.Panel | statetimeline.Panel | table.Panel | text.Panel | timeseries.Panel
# From this value on, this colour; the first from None.
Steps = Sequence[tuple[float | None, str]]


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel. legend: what its series are called; may hold `{{label}}`."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. name: the label, or the letter of the query that its value comes from. width: pixels.

    missing: what a cell without a value says.
    """

    name: str
    title: str
    width: int | None = None
    unit: str | None = None
    decimals: int | None = None
    missing: str = "-"
    mappings: Sequence[model.ValueMapping] = ()
    steps: Steps = ()
    link: str | None = None


# What the scrape adds; empty where it adds nothing.
WHERE = (Column("namespace", "Namespace", 130), Column("cluster", "Cluster", 110))


def number(
    title: str,
    description: str,
    query: Query,
    *,
    unit: str = "none",
    steps: Steps = ((None, PLAIN),),
    mappings: Sequence[model.ValueMapping] = (),
    decimals: int | None = None,
    missing: str = "no data",
    span: int = 4,
    height: int = 4,
) -> stat.Panel:
    """One number, or one word, of this moment. missing: what is said where there is none."""
    panel = _dressed(stat.Panel(), title, description, (query,), instant=True).unit(unit).no_value(missing)
    panel = panel.thresholds(_thresholds(steps)).span(span).height(height)
    panel = panel.reduce_options(building.ReduceDataOptions().calcs(["lastNotNull"]))
    panel = panel.graph_mode(common.BigValueGraphMode.NONE)
    if decimals is not None:
        panel = panel.decimals(decimals)
    if mappings:
        panel = panel.mappings(list(mappings)).color_mode(common.BigValueColorMode.BACKGROUND_SOLID)
    return panel


def lines(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    colours: Mapping[str, str] | None = None,
    stacked: bool = False,
    bars: bool = False,
    steps: Steps = (),
    missing: str = "no data",
    interval: str | None = None,
    span: int = 12,
    height: int = 8,
) -> timeseries.Panel:
    """Values over time. colours: by the name of a series. steps: limits that are drawn as dashed lines."""
    panel = _dressed(timeseries.Panel(), title, description, queries).unit(unit).no_value(missing)
    panel = panel.span(span).height(height).min(0).line_width(1)
    panel = panel.legend(_legend()).tooltip(_tooltip())
    if stacked or bars:
        panel = panel.stacking(building.StackingConfig().mode(common.StackingMode.NORMAL).group("A")).fill_opacity(70)
    if bars:
        panel = panel.draw_style(common.GraphDrawStyle.BARS)
    if steps:
        dashed = building.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(_thresholds(steps)).thresholds_style(dashed)
    if interval:
        panel = panel.interval(interval)
    for name, colour in (colours or {}).items():
        panel = panel.override_by_name(name, [_fixed(colour)])
    return panel


def timeline(
    title: str,
    description: str,
    query: Query,
    mappings: Sequence[model.ValueMapping],
    *,
    link: str | None = None,
    missing: str = "no data",
    span: int = 24,
    height: int = 9,
) -> statetimeline.Panel:
    """One bar a series, whose pieces are named and coloured by `mappings`."""
    panel = _dressed(statetimeline.Panel(), title, description, (query,)).unit("none").no_value(missing)
    panel = panel.mappings(list(mappings)).span(span).height(height)
    panel = panel.show_value(common.VisibilityMode.AUTO).merge_values(True).row_height(0.8).per_page(20)
    panel = panel.legend(building.VizLegendOptions().show_legend(False)).tooltip(_tooltip())
    panel = panel.color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    if link:
        panel = panel.override_by_regexp(".*", [_link(link)])
    return panel


def rows(
    title: str,
    description: str,
    queries: Sequence[Query],
    columns: Sequence[Column],
    *,
    by: str,
    descending: bool = True,
    hidden: Sequence[str] = (),
    needs: str | None = None,
    missing: str = "no data",
    span: int = 24,
    height: int = 9,
) -> table.Panel:
    """A row a target of this moment; the values of several queries are put side by side where all labels agree.

    by: the column that sorts. hidden: fields that are no columns. needs: a column without which a row is left out.
    """
    panel = _dressed(table.Panel(), title, description, queries, instant=True, frame=PromQueryFormat.TABLE)
    panel = panel.unit("none").no_value(missing).span(span).height(height).show_header(True)
    panel = panel.sort_by([building.TableSortByFieldState().display_name(by).desc(descending)])
    for step in _transformations(columns, len(queries), hidden, needs):
        panel = panel.with_transformation(step)
    for column in columns:
        if properties := _properties(column):
            panel = panel.override_by_name(column.title, properties)
    return panel


def words(title: str, description: str, content: str, *, span: int = 24, height: int = 8) -> text.Panel:
    """A text in Markdown."""
    return text.Panel().title(title).description(description).content(content).span(span).height(height)


def status_mappings() -> list[model.ValueMapping]:
    """The numbers of `queries.status_code` as the names of the statuses, in the colour of their class."""
    return named({STATUS_CODES[status]: (status.value, COLOURS[status.kind]) for status in Status})


def rotation_mappings() -> list[model.ValueMapping]:
    """The numbers of `queries.rotation_code` as words."""
    special = {IDLE: ACCEPTED, FAILING: ATTENTION, STOOD_DOWN: ATTENTION}
    return named(
        {code: (state.replace("_", " "), special.get(state, MOVING)) for state, code in ROTATION_CODES.items()}
    )


def named(meanings: Mapping[int, tuple[str, str]]) -> list[model.ValueMapping]:
    """For each number its word and its colour."""
    return [
        model.ValueMap(
            {
                str(code): model.ValueMappingResult(text=word, color=colour, index=place)
                for place, (code, (word, colour)) in enumerate(meanings.items())
            }
        )
    ]


def none_or(colour: str) -> Steps:
    """Plain for zero, and this colour from one on."""
    return ((None, PLAIN), (1, colour))


def _dressed(
    panel: Panel,
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    instant: bool = False,
    frame: PromQueryFormat = PromQueryFormat.TIME_SERIES,
) -> Panel:
    panel = panel.title(title).description(description).datasource(DATASOURCE)
    for place, query in enumerate(queries):
        asked = prometheus.Dataquery().datasource(DATASOURCE).ref_id(_letter(place)).expr(query.expression)
        asked = (asked.instant() if instant else asked.range()).format(frame).editor_mode(QueryEditorMode.CODE)
        panel = panel.with_target(asked.legend_format(query.legend) if query.legend else asked)
    return panel


def _letter(place: int) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[place]


def _field(name: str, queries: int) -> str:
    """How the Prometheus data source calls the field: of several tables, each value has the letter of its query."""
    if not name.isupper():
        return name
    return f"Value #{name}" if queries > 1 else "Value"


def _transformations(
    columns: Sequence[Column], queries: int, hidden: Sequence[str], needs: str | None
) -> Iterator[model.DataTransformerConfig]:
    """Side by side, then in order and with titles, then without the rows that are not wanted."""
    if queries > 1:
        yield model.DataTransformerConfig(id_val="merge", options={})
    fields = [(_field(column.name, queries), column.title) for column in columns]
    if queries > 1:  # the name of the first query's value while no other query has rows
        fields += [(_field("A", 1), column.title) for column in columns if column.name == "A"]
    titles = [column.title for column in columns]
    options: dict[str, object] = {
        "excludeByName": dict.fromkeys(("Time", *hidden), True),
        "includeByName": {},
        "indexByName": {name: titles.index(title) for name, title in fields},
        "renameByName": dict(fields),
    }
    yield model.DataTransformerConfig(id_val="organize", options=options)
    if needs:
        known = {"fieldName": needs, "config": {"id": "isNotNull", "options": {}}}
        options = {"filters": [known], "match": "all", "type": "include"}
        yield model.DataTransformerConfig(id_val="filterByValue", options=options)


def _properties(column: Column) -> list[model.DynamicConfigValue]:
    found: dict[str, object] = {}
    if column.width is not None:
        found["custom.width"] = column.width
    if column.unit is not None:
        found["unit"] = column.unit
    if column.decimals is not None:
        found["decimals"] = column.decimals
    if column.name.isupper():
        found["noValue"] = column.missing
    if column.mappings:
        found["mappings"] = list(column.mappings)
    if column.steps:
        found["thresholds"] = _thresholds(column.steps).build()
        found["color"] = {"mode": "thresholds"}
    if column.mappings or column.steps:
        found["custom.cellOptions"] = {"type": "color-background", "mode": "basic"}
    made = [model.DynamicConfigValue(id_val=name, value=value) for name, value in found.items()]
    return [*made, _link(column.link)] if column.link is not None else made


def _link(url: str) -> model.DynamicConfigValue:
    return model.DynamicConfigValue(id_val="links", value=[{"title": "Look at this target", "url": url}])


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    made = [model.Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def _fixed(colour: str) -> model.DynamicConfigValue:
    return model.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})


def _legend() -> building.VizLegendOptions:
    legend = building.VizLegendOptions().show_legend(True)
    return legend.display_mode(common.LegendDisplayMode.LIST).placement(common.LegendPlacement.BOTTOM)


def _tooltip() -> building.VizTooltipOptions:
    return building.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
