"""Writes what is made in `charts/token-monitor`: its schema, its README, and copies of the alert rules and dashboards.

`make chart` runs it; a test fails when a file differs from what this would write. The copies are there because a packaged
chart holds only its own files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from monitor.core.rules import chart_file

from scripts.chart_docs import readme
from scripts.chart_schema import values_schema
from scripts.chart_values import CHART, entries

DASHBOARDS = Path(__file__).parent.parent / "dashboards"


def files() -> Iterator[tuple[Path, str]]:
    """Each made file and its text."""
    found = entries((CHART / "values.yaml").read_text("utf-8"))
    yield CHART / "values.schema.json", values_schema(found)
    yield CHART / "README.md", readme(found)
    yield CHART / "files" / "rules.yaml", chart_file()
    for dashboard in sorted(DASHBOARDS.glob("*.json")):
        yield CHART / "files" / "dashboards" / dashboard.name, dashboard.read_text("utf-8")


def leftovers() -> list[Path]:
    """Copies of dashboards that are no longer there."""
    made = {path for path, _ in files()}
    return [path for path in (CHART / "files" / "dashboards").glob("*") if path not in made]


if __name__ == "__main__":
    for path, text in files():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    for path in leftovers():
        path.unlink()
