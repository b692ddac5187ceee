"""Writes the Grafana dashboards, `dashboards/*.json`; `make docs` runs it (`python -m scripts.dashboards`).

A test fails when a file differs from what this would write.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scripts.grafana.frame import text_of
from scripts.grafana.overview import overview
from scripts.grafana.target import target

DIRECTORY = Path(__file__).parent.parent / "dashboards"

# File -> what makes its text.
DASHBOARDS: dict[str, Callable[[], str]] = {
    "overview.json": lambda: text_of(overview()),
    "target.json": lambda: text_of(target()),
}

if __name__ == "__main__":
    DIRECTORY.mkdir(exist_ok=True)
    for name, make in DASHBOARDS.items():
        (DIRECTORY / name).write_text(make(), encoding="utf-8")
