"""Writes the rule files that are made from the table of alerts; `make docs` runs it.

A test fails when a file differs from what this would write.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from monitor.core.rules import rule_file

ROOT = Path(__file__).parent.parent

# File below the root of the repository -> what makes its text.
FILES: dict[str, Callable[[], str]] = {"dashboards/prometheus-rules.yaml": rule_file}

if __name__ == "__main__":
    for name, make in FILES.items():
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(make())
