"""The values files that the chart is tried with: one of each mode and option, and those of Codefresh's runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.chart.tools import CHART, Values

CI = sorted((CHART / "ci").glob("*-values.yaml"))
RUNTIMES = sorted((Path(__file__).parent / "runtimes").glob("*.yaml"))
SCENARIOS = {
    **{file.stem.removesuffix("-values"): file for file in CI},
    **{f"runtime-{file.stem}": file for file in RUNTIMES},
}
EVERYTHING = CHART / "ci" / "everything-values.yaml"


# Targets for tables, in each mode.
TOKEN = {"type": "token", "username": "ci", "tokenSecretKeyRef": {"name": "my-token", "key": "token"}}
PASSWORD = {"type": "password"}
READ = ("get", "list", "watch")


def values(auth: dict[str, Any], more: Values | None = None, **of_target: Any) -> dict[str, Any]:
    """Values with one target."""
    target = {"name": "a", "server": {"svc": "argocd-server"}, "auth": auth, **of_target}
    return {"targets": [target], **(more or {})}
