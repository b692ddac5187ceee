"""The dashboards as they are checked in, and their parts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from scripts.dashboards import DASHBOARDS, DIRECTORY

# File -> the dashboard that users import.
BOARDS: dict[str, Any] = {name: json.loads((DIRECTORY / name).read_text(encoding="utf-8")) for name in DASHBOARDS}
ASKING = ("stat", "state-timeline", "table", "timeseries")


def everything(board: Any) -> Iterator[Any]:
    """Rows and panels, also those within folded rows, from top to bottom."""
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", ())


def panels(board: Any) -> list[Any]:
    """All that is not a row."""
    return [panel for panel in everything(board) if panel["type"] != "row"]


def variables(board: Any) -> dict[str, Any]:
    """The variables by name."""
    return {variable["name"]: variable for variable in board["templating"]["list"]}


# (name of the panel for a test's id, dashboard, panel), and the same for each query.
PANELS = [(f"{name}: {panel['title']}", board, panel) for name, board in BOARDS.items() for panel in panels(board)]
QUERIES = [
    (f"{name} {query['refId']}", query["expr"]) for name, _, panel in PANELS for query in panel.get("targets", ())
]
