"""The image and the workflow that publishes it: linted, and their own commands run as far as that goes without containers."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from monitor import __version__

from tests.chart.tools import CHART, ROOT, tool
from tests.chart.tools import run as run_tool

CONTAINERFILE = ROOT / "Containerfile"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
# What GitHub lets a workflow read that is no secret of anybody's making.
OWN_TOKEN = "secrets.GITHUB_TOKEN"


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Containerfile with their arguments, continued lines joined."""
    lines = [line for line in CONTAINERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, from its FROM on."""
    found: list[list[tuple[str, str]]] = []
    for instruction in instructions():
        if instruction[0] == "FROM":
            found.append([])
        if found:
            found[-1].append(instruction)
    return found


def test_hadolint_finds_nothing() -> None:
    command = [Path(sys.executable).parent / "hadolint", "--no-fail", "--format", "json", CONTAINERFILE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == []


def test_the_result_has_only_what_was_installed_and_runs_as_nobody_in_particular() -> None:
    build, result = stages()
    words = dict(result)
    assert words["COPY"] == "--from=build /opt/token-monitor /opt/token-monitor"
    assert [word for word, _ in result].count("COPY") == 1
    user, _, group = words["USER"].partition(":")
    pod = yaml.safe_load((CHART / "values.yaml").read_text())["podSecurityContext"]
    assert (int(user), int(group)) == (pod["runAsUser"], pod["runAsGroup"])
    assert int(user) > 0
    assert json.loads(words["ENTRYPOINT"]) == ["token-monitor"], "no shell"
    assert f"VERSION={__version__}" in [rest for word, rest in result if word == "ARG"]
    assert "org.opencontainers.image.licenses" in words["LABEL"]
    assert build[0][1] == "${PYTHON} AS build"
    assert result[0][1] == "${PYTHON}"


def test_everything_that_is_installed_has_a_hash() -> None:
    installs = [
        command
        for word, rest in instructions()
        if word == "RUN"
        for command in rest.split("&&")
        if " install " in command
    ]
    assert len(installs) == 3
    for command in installs:
        assert "--require-hashes" in command or "--no-deps --no-index" in command, command
    for name in ("base.txt", "build.txt"):
        text = (ROOT / "requirements" / name).read_text()
        pins = re.findall(r"(?m)^[\w-]+==\S+.*?(?=^[\w-]+==|\Z)", text, re.DOTALL)
        assert pins
        assert all("--hash=sha256:" in pin for pin in pins)
        assert "://" not in text


def in_context(path: str) -> bool:
    """Whether `.dockerignore` lets this path into the build."""
    taken = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.lstrip("!")
        above = [path, *map(str, Path(path).parents)]
        if any(fnmatch.fnmatch(part, pattern.replace("**/", "*")) for part in above if part != "."):
            taken = line.startswith("!")
    return taken


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    copied = [part for word, rest in stages()[0] if word == "COPY" for part in rest.split()[:-1]]
    assert copied
    for path in copied:
        assert (ROOT / path).exists(), path
        assert in_context(path), path
    assert in_context("monitor/cli/main.py")
    for path in (
        ".git/config",
        "build/tools/helm3",
        "tests/conftest.py",
        "monitor/__pycache__/x.pyc",
        ".venv/bin/python",
    ):
        assert not in_context(path), path


@pytest.mark.slow
@pytest.mark.long
def test_the_commands_of_the_build_make_a_program_that_runs_with_the_pinned_packages_only(tmp_path: Path) -> None:
    """Each RUN and COPY as it stands, with a fresh interpreter for the base image and folders of this test for its own."""
    base, context, result = tmp_path / "base", tmp_path / "source", tmp_path / "opt"
    subprocess.run([sys.executable, "-m", "venv", base], check=True, timeout=120)
    context.mkdir()
    build, final = stages()
    for word, rest in build:
        if word == "COPY":
            *sources, target = rest.split()
            copy(sources, context / target)
        elif word == "RUN":
            execute(rest, base, context, result, tmp_path)
    program = result / "bin" / "token-monitor"
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=True, env={})
    assert shown.stdout == f"token-monitor {__version__}\n"
    subprocess.run([program, "config", "schema"], capture_output=True, timeout=60, check=True, env={})
    listed = 'import importlib.metadata as m; print(*(f\'{d.name.lower().replace("_", "-")}=={d.version}\' for d in m.distributions()))'
    installed = set(subprocess.check_output([result / "bin" / "python", "-c", listed], text=True).split())
    pinned = set(re.findall(r"(?m)^([\w.-]+==[\w.]+)", (ROOT / "requirements" / "base.txt").read_text()))
    assert installed - pinned == {f"token-monitor=={__version__}"}
    assert not any(name.startswith(("pip==", "setuptools==", "hatchling==")) for name in installed)
    files = {path.relative_to(ROOT / "monitor") for path in (ROOT / "monitor").rglob("*") if path.is_file()}
    (package,) = result.glob("lib/python*/site-packages/monitor")
    assert {path for path in files if path.suffix != ".pyc"} <= {
        path.relative_to(package) for path in package.rglob("*")
    }
    for word, rest in final:
        if word == "RUN":
            execute(rest, base, context, result, tmp_path)
    assert not list(base.glob("lib/python*/site-packages/pip"))


def copy(sources: list[str], target: Path) -> None:
    for source in sources:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.mkdir(exist_ok=True)
            shutil.copy(ROOT / source, target)


def execute(commands: str, base: Path, context: Path, result: Path, folder: Path) -> None:
    commands = commands.replace("/opt/token-monitor", str(result)).replace("/wheels", str(folder / "wheels"))
    environment = {"PATH": f"{base / 'bin'}:{os.environ['PATH']}", "HOME": os.environ.get("HOME", str(folder))}
    environment |= {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "HTTP", "http"))
    }
    done = subprocess.run(
        ["sh", "-ec", commands], cwd=context, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode and os.environ.get("CI") != "true" and "retrying" in done.stderr.lower():
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stdout + done.stderr


# ------------------------------------------------------------------------------------------------------- the workflow


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actionlint_finds_nothing(path: Path) -> None:
    done = run_tool("actionlint", "-shellcheck=", "-pyflakes=", path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_holds_no_secret_and_each_job_may_only_what_it_says(path: Path) -> None:
    text = path.read_text()
    workflow: dict[str, Any] = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    assert set(re.findall(r"secrets\.\w+", text)) <= {OWN_TOKEN}
    for job in workflow["jobs"].values():
        assert job["permissions"]["contents"] == "read"
        assert job["timeout-minutes"]
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"]), "a tag can be moved"
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
            # What is written into a script could be a script: values come by the environment.
            assert "${{" not in step.get("run", "")
    assert all(re.search(r"# v[0-9.]+$", line) for line in text.splitlines() if " uses: " in line)


def steps(job: str) -> list[dict[str, Any]]:
    (release,) = (path for path in WORKFLOWS if path.name == "release.yaml")
    found: list[dict[str, Any]] = yaml.safe_load(release.read_text())["jobs"][job]["steps"]
    return found


def test_the_image_is_published_with_an_sbom_and_provenance_and_signed_by_its_digest() -> None:
    (build,) = (step["with"] for step in steps("image") if step.get("id") == "build")
    assert build["sbom"] is True
    assert build["provenance"] == "mode=max"
    assert build["file"] == "Containerfile"
    arguments = {line.partition("=")[0] for line in build["build-args"].splitlines()}
    assert arguments == {rest.partition("=")[0] for word, rest in instructions() if word == "ARG"}
    signed = " ".join(step["run"] for step in steps("image") if "cosign sign" in step.get("run", ""))
    assert '"$IMAGE@$DIGEST"' in signed


def test_the_packaged_chart_names_the_published_image_by_its_digest(tmp_path: Path) -> None:
    """The step of the workflow itself, in a copy of the chart."""
    (script,) = (step["run"] for step in steps("chart") if step.get("name", "").startswith("The chart names"))
    shutil.copytree(CHART, tmp_path / "charts" / "token-monitor")
    (tmp_path / "build" / "tools").mkdir(parents=True)
    (tmp_path / "build" / "tools" / "helm4").symlink_to(tool("helm4"))
    digest = f"sha256:{'a' * 64}"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "REGISTRY": "registry.example.com/team",
        "DIGEST": digest,
    }
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, env=environment, capture_output=True, check=True, timeout=60)
    (package,) = (tmp_path / "dist").glob("*.tgz")
    assert package.name == f"token-monitor-{__version__}.tgz"
    values = CHART / "ci" / "token-values.yaml"
    done = run_tool("helm4", "template", "token-monitor", package, "-f", values)
    assert done.returncode == 0, done.stderr
    assert f'image: "registry.example.com/team/token-monitor@{digest}"' in done.stdout
    with tarfile.open(package) as archive:
        names = archive.getnames()
        chart = archive.extractfile("token-monitor/Chart.yaml")
        assert chart is not None
        assert b"token-monitor.example/token-monitor:" not in chart.read()
    assert "token-monitor/files/rules.yaml" in names
    assert not any(name.startswith("token-monitor/ci/") for name in names)


def test_the_tag_of_a_release_is_compared_with_the_version() -> None:
    (script,) = (step["run"] for step in steps("test") if "version" in step.get("name", ""))
    for tag, code in ((f"v{__version__}", 0), ("v9.9.9", 1)):
        environment = {"PATH": os.environ["PATH"], "GITHUB_REF_NAME": tag}
        assert (
            subprocess.run(["bash", "-c", script], cwd=ROOT, env=environment, check=False, timeout=60).returncode
            == code
        )
