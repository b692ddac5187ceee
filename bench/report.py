"""Results as a table for people and as JSON, with the machine that they were measured on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.results import Figure, Results

SIGN = {True: "kept", False: "MISSED", None: ""}


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "cpu": model or platform.processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def write_json(name: str, results: Results, about: dict[str, Any], folder: Path) -> Path:
    """`FOLDER/NAME.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    content = {
        "bench": name,
        "title": results.title,
        "machine": about,
        "figures": [figure.to_json() for figure in results.figures],
        "notes": list(results.notes),
        "details": results.details,
    }
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


def show(results: Results) -> None:
    """The table on standard output."""
    table = Table(title=results.title, title_justify="left")
    table.add_column("figure")
    table.add_column("regime")
    for column in ("median", "spread", "promised"):
        table.add_column(column, justify="right")
    table.add_column("")
    for figure in results.figures:
        table.add_row(
            figure.name,
            figure.regime,
            f"{figure.value:,.{figure.digits}f} {figure.unit}".rstrip(),
            f"±{figure.spread:.0%}" if len(figure.values) > 1 else "",
            _promise(figure),
            SIGN[figure.holds],
        )
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)
    for note in results.notes:
        console.print(f"  {note}", markup=False, highlight=False)


def _promise(figure: Figure) -> str:
    parts = []
    if figure.at_most is not None:
        parts.append(f"≤ {figure.at_most:,.{figure.digits}f}")
    if figure.at_least is not None:
        parts.append(f"≥ {figure.at_least:,.{figure.digits}f}")
    return " ".join(parts)
