"""Prometheus' own tool: it plays input series, evaluates the rules every `STEP` seconds, and compares what fires."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from monitor.core.alerts import ALERTS, RUNBOOKS, AlertName, Severity, identity
from monitor.core.rules import RuleOptions, groups

from tests.rules.world import FOREVER, MINUTE, STEP, Monitor, series

HERE = {"namespace": "codefresh"}


@dataclass(frozen=True)
class Fires:
    """An alert that is expected to fire from `since` until (not at) `until`, in seconds. place: its other labels."""

    name: AlertName
    severity: Severity
    since: float
    until: float = FOREVER
    target: str | None = "production"
    place: tuple[tuple[str, str], ...] = tuple(HERE.items())

    def labels(self) -> dict[str, str]:
        """All labels but `alertname`, which promtool adds: those that the direct way to Alertmanager sends."""
        labels = identity(self.name, self.severity, self.target, dict(self.place))
        return {label: value for label, value in labels.items() if label != "alertname"}


def promtool(*arguments: str) -> tuple[int, str]:
    """Runs promtool; its exit code and all that it said. Skips where it is not installed, except in CI."""
    found = shutil.which("promtool")
    if found is None:
        assert os.environ.get("CI") != "true", "promtool is missing: install prometheus (apt-get install prometheus)"
        pytest.skip("promtool is not installed")
    done = subprocess.run([found, *arguments], capture_output=True, timeout=120, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


def assert_fires(
    where: Path,
    monitors: Sequence[Monitor],
    *expected: Fires,
    minutes: float = 30,
    options: RuleOptions | None = None,
) -> None:
    """Asserts that exactly the expected alerts fire, of all that there are, at every evaluation of the story."""
    until = minutes * MINUTE
    checks = [
        {
            "eval_time": f"{step * STEP}s",
            "alertname": name.value,
            "exp_alerts": [
                {"exp_labels": fires.labels()}
                for fires in expected
                if fires.name is name and fires.since <= step * STEP < fires.until
            ],
        }
        for step in range(int(until // STEP) + 1)
        for name in AlertName
    ]
    _run(where, _without_words(options), monitors, until, checks)


def assert_says(
    where: Path, monitors: Sequence[Monitor], said: Sequence[tuple[Fires, str]], options: RuleOptions | None = None
) -> None:
    """Asserts the annotations of every alert of the (one) name that fires at (the one) `since`, by its description."""
    first = said[0][0]
    expected = [
        {
            "exp_labels": fires.labels(),
            "exp_annotations": {
                "summary": next(alert.summary for alert in ALERTS if alert.name is fires.name),
                "description": description,
                "runbook_url": f"{RUNBOOKS}/{fires.name}.md",
            },
        }
        for fires, description in said
    ]
    check = {"eval_time": f"{first.since:g}s", "alertname": first.name.value, "exp_alerts": expected}
    _run(where, groups(options), monitors, first.since, [check])


def _without_words(options: RuleOptions | None) -> list[Any]:
    """What an alert says is another test's matter; promtool would have each case repeat it."""
    found: list[Any] = groups(options)
    for group in found:
        for rule in group["rules"]:
            del rule["annotations"]
    return found


def _run(where: Path, rules: Any, monitors: Sequence[Monitor], until: float, checks: Any) -> None:
    (where / "rules.yaml").write_text(json.dumps({"groups": rules}))  # JSON is YAML, and written ten times as fast
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": f"{STEP}s",
        "tests": [{"interval": f"{STEP}s", "input_series": series(monitors, until), "alert_rule_test": checks}],
    }
    (where / "test.yaml").write_text(json.dumps(test))
    code, said = promtool("test", "rules", str(where / "test.yaml"))
    assert code == 0, said
