"""The dashboards as files: what the code makes, and what Grafana and its sidecar take."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from monitor.core.journal import State
from monitor.core.page import Standing
from monitor.core.report import STOOD_DOWN
from monitor.core.status import Kind, Status
from scripts.dashboards import DASHBOARDS, DIRECTORY
from scripts.grafana.frame import text_of
from scripts.grafana.overview import overview
from scripts.grafana.panels import COLOURS, WORDS, rotation_mappings, status_mappings
from scripts.grafana.queries import FAILING, MOST_DRAWN, NEEDS_SOMEBODY, ROTATION_CODES, STATUS_CODES, own
from scripts.grafana.target import target

from tests.dashboards.files import ASKING, BOARDS, PANELS, everything, panels, variables

ROOT = Path(__file__).parent.parent.parent
every_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
every_panel = pytest.mark.parametrize(
    ("board", "panel"), [(board, panel) for _, board, panel in PANELS], ids=[name for name, _, _ in PANELS]
)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_is_what_the_code_makes(name: str) -> None:
    assert (DIRECTORY / name).read_text(encoding="utf-8") == DASHBOARDS[name](), "run `make docs`"


@every_board
def test_a_dashboard_has_what_grafana_needs_to_load_it_again_and_again(board: Any) -> None:
    # A number of its own (`id`) would overwrite, or be refused by, another Grafana; the uid makes it the same one.
    assert "id" not in board
    assert re.fullmatch(r"[a-z0-9-]{1,40}", board["uid"])
    assert board["title"].startswith("Token Monitor / ")
    assert board["description"].endswith(".")
    assert "token-monitor" in board["tags"]
    assert board["editable"] is False
    # 36 is the first with objects for data sources; 42 the last of the classic format.
    assert 36 <= board["schemaVersion"] <= 42
    assert board["time"] == {"from": "now-6h", "to": "now"}
    assert board["annotations"]["list"][0]["builtIn"] == 1


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_fits_into_a_configmap_that_argo_cd_applies(name: str) -> None:
    """`kubectl apply` keeps a copy in an annotation, and all annotations together may have 256 KiB."""
    assert len(json.dumps((DIRECTORY / name).read_text(encoding="utf-8"))) < 200_000


def test_no_two_dashboards_are_one() -> None:
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS)


@pytest.mark.parametrize(("name", "make"), [("overview.json", overview), ("target.json", target)])
def test_nothing_is_lost_when_the_foundation_sdk_reads_a_dashboard(name: str, make: Any) -> None:
    read = type(make()).from_json(BOARDS[name])
    assert json.loads(text_of(read)) == BOARDS[name]


@every_board
def test_every_panel_has_its_own_number_and_title(board: Any) -> None:
    numbers = [panel["id"] for panel in everything(board)]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    titles = [panel["title"] for panel in panels(board)]
    assert len(set(titles)) == len(titles)


@every_board
def test_no_panel_lies_upon_another_or_beyond_the_grid(board: Any) -> None:
    places = [(panel["title"], panel["gridPos"]) for panel in everything(board)]
    for title, place in places:
        assert place["w"] >= 2, title
        assert place["h"] >= 1, title
        assert 0 <= place["x"] <= 24 - place["w"], title
    for (one, a), (other, b) in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        apart = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or apart, f"{one} and {other}"


@every_board
def test_the_lines_of_the_grid_are_full(board: Any) -> None:
    lines: dict[int, int] = {}
    for panel in everything(board):
        lines[panel["gridPos"]["y"]] = lines.get(panel["gridPos"]["y"], 0) + panel["gridPos"]["w"]
    assert set(lines.values()) == {24}


@every_board
def test_only_a_folded_row_keeps_its_panels_within(board: Any) -> None:
    for panel in board["panels"]:
        if panel["type"] == "row":
            assert panel["collapsed"] is bool(panel["panels"])


@every_panel
def test_a_panel_says_what_it_shows(board: Any, panel: Any) -> None:
    assert panel["type"] in {*ASKING, "text"}
    assert re.fullmatch(r"[A-Z][\w ,]+", panel["title"])
    assert re.fullmatch(r"[A-Z].{20,}\.", panel["description"])


@every_panel
def test_a_panel_without_data_claims_nothing(board: Any, panel: Any) -> None:
    """The monitor may be gone: that is no reason for anything like "every token is accepted"."""
    if panel["type"] in ASKING:
        assert re.search(r"^no data$|\bknown\b", panel["fieldConfig"]["defaults"]["noValue"])


@every_panel
def test_a_cell_without_a_value_says_so_itself(board: Any, panel: Any) -> None:
    """Grafana would put there what is said of a table without rows."""
    if panel["type"] != "table":
        return
    (organized,) = [step["options"] for step in panel["transformations"] if step["id"] == "organize"]
    values = {title for name, title in organized["renameByName"].items() if name.startswith("Value")}
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] in values:
            said = {change["id"]: change["value"] for change in override["properties"]}["noValue"]
            assert 0 < len(said) < 10
            values.remove(override["matcher"]["options"])
    assert not values


@every_board
def test_the_dashboards_lead_to_each_other_and_take_along_what_was_chosen(board: Any) -> None:
    other = next(one for one in BOARDS.values() if one is not board)
    (link,) = board["links"]
    assert link["url"].startswith(f"/d/{other['uid']}?")
    assert link["keepTime"] is True
    for name in set(variables(board)) - {"target"}:
        assert f"${{{name}:queryparam}}" in link["url"]


def test_every_name_of_a_target_leads_to_its_dashboard() -> None:
    (overview, target) = BOARDS["overview.json"], BOARDS["target.json"]
    leads = set()
    for panel in panels(overview):
        for override in panel.get("fieldConfig", {}).get("overrides", ()):
            for change in override["properties"]:
                if change["id"] == "links":
                    (link,) = change["value"]
                    assert link["url"].startswith(f"/d/{target['uid']}?")
                    assert "&var-target=${__" in link["url"]
                    leads.add(panel["title"])
    assert leads == {
        "Who needs somebody, and why",
        "Statuses",
        "Tokens by expiry",
        "Rotations",
        "Anonymous access",
        "Replicas of Argo CD by answer",
    }


def test_the_colours_are_those_of_the_status_page() -> None:
    page = (ROOT / "monitor/adapters/server/assets/page.css").read_text()
    for kind, standing in (
        (Kind.REFUSED, Standing.REFUSED),
        (Kind.UNKNOWN, Standing.UNKNOWN),
        (Kind.ATTENTION, Standing.ATTENTION),
        (Kind.ACCEPTED, Standing.ACCEPTED),
    ):
        light = re.search(rf"--bar-{standing}: (#[0-9a-f]{{6}});", page)
        assert light is not None
        assert COLOURS[kind] == light[1]
        assert WORDS[kind].lower() == standing.words()


def test_every_status_has_a_number_with_its_name_and_the_colour_of_its_class() -> None:
    (mapping,) = status_mappings()
    shown = {code: (result.text, result.color) for code, result in mapping.options.items()}  # type: ignore[union-attr]
    assert shown == {str(STATUS_CODES[status]): (status.value, COLOURS[status.kind]) for status in Status}
    assert len(shown) == len(Status)


def test_worse_statuses_have_higher_numbers() -> None:
    order = [Kind.ACCEPTED, Kind.ATTENTION, Kind.UNKNOWN, Kind.REFUSED]
    by_number = sorted(Status, key=STATUS_CODES.__getitem__)
    assert [status.kind for status in by_number] == sorted((status.kind for status in Status), key=order.index)
    assert [status for status in Status if STATUS_CODES[status] <= NEEDS_SOMEBODY] == [Status.VALID]


def test_every_state_of_a_rotation_has_a_number_with_a_word() -> None:
    assert set(ROTATION_CODES) == {*State, STOOD_DOWN, FAILING}
    (mapping,) = rotation_mappings()
    assert set(mapping.options) == {str(code) for code in ROTATION_CODES.values()}  # type: ignore[arg-type]
    assert sorted(ROTATION_CODES, key=ROTATION_CODES.__getitem__)[-2:] == [FAILING, STOOD_DOWN]


def test_a_dashboard_cannot_ask_for_a_metric_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="token_color is not declared"):
        own("token_color")


def test_the_document_names_every_dashboard_and_every_variable() -> None:
    said = (ROOT / "docs/dashboards.md").read_text()
    for name, board in BOARDS.items():
        assert f"| `{name}` | `{board['uid']}` |" in said
        for variable in variables(board).values():
            assert variable["label"] in said
    assert f"more than {MOST_DRAWN} targets" in said


def test_the_table_of_statuses_names_every_one() -> None:
    (text,) = [panel for panel in panels(BOARDS["overview.json"]) if panel["type"] == "text"]
    assert set(re.findall(r"\| `(\w+)` \|", text["options"]["content"])) == set(Status)
