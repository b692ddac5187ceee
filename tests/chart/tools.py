"""The tools that `scripts/tools` builds, and the chart rendered with them.

Without a tool a test is skipped with the reason; in CI it fails.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
CHART = ROOT / "charts" / "token-monitor"
TOOLS = Path(os.environ.get("TOKEN_MONITOR_TOOLS", ROOT / "build" / "tools"))
HELMS = ("helm3", "helm4")
RELEASE, NAMESPACE = "token-monitor", "codefresh"
DEADLINE = 60.0
NOWHERE = Path("/nonexistent")

Object = dict[str, Any]
Values = Mapping[str, Any]


def tool(name: str) -> Path:
    """The path of a tool."""
    path = TOOLS / name
    if not path.exists():
        reason = f"there is no {path}: run scripts/tools"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def run(
    name: str, *arguments: str | Path, given: str = "", home: Path = NOWHERE, kubeconfig: Path = NOWHERE
) -> subprocess.CompletedProcess[str]:
    """Runs a tool without a home and a cluster, so that no configuration of whoever runs the tests counts."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": str(kubeconfig)}
    return subprocess.run(
        [tool(name), *map(str, arguments)],
        input=given,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        env=environment,
        cwd=ROOT,
    )


def render(values: Values | None = None, *files: Path, **options: Any) -> list[Object]:
    """The objects that helm makes. helm: `helm3` or `helm4`; namespace, release, kube: of the release."""
    return json.loads(_rendered(json.dumps(values), files, **options))


def refusal(values: Values | None = None, *files: Path, **options: Any) -> str:
    """The words with which helm refuses these values."""
    done = _template(json.dumps(values), files, **options)
    assert done.returncode != 0, "the values were taken"
    return done.stderr


@functools.lru_cache(maxsize=512)
def _rendered(values: str, files: tuple[Path, ...], **options: Any) -> str:
    done = _template(values, files, **options)
    assert done.returncode == 0, done.stderr
    return json.dumps([found for found in yaml.safe_load_all(done.stdout) if found is not None])


def _template(
    values: str,
    files: Iterable[Path],
    helm: str = "helm4",
    namespace: str = NAMESPACE,
    release: str = RELEASE,
    kube: str = "1.34",
) -> subprocess.CompletedProcess[str]:
    given = [argument for file in files for argument in ("-f", file)]
    own = ["-f", "-"] if values != "null" else []
    arguments = ["template", release, CHART, "-n", namespace, "--kube-version", kube, *given, *own]
    return run(helm, *arguments, given=values)
