"""Commands with a configuration also know the targets that are found elsewhere, and say what cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from monitor.cli.main import run
from monitor.simulator.kubernetes import kubectl

from tests.cli.conftest import NAMESPACE, Argo, Cluster

Out = pytest.CaptureFixture[str]
Write = Callable[[str], Path]


@pytest.fixture
def write(argocd: Argo, cluster: Cluster, tmp_path: Path) -> Write:
    """Writes a configuration that looks for targets, and what is found: in a directory, or in the cluster."""
    target = f"url: {argocd.url}\nauth: {{type: token, tokenSecretKeyRef: {{name: my-token, key: token}}}}\n"
    kubectl.put_secret(cluster.state, NAMESPACE, "my-token", {"token": argocd.state.mint_key("ci", "k1")})

    def written(where: str) -> Path:
        found = tmp_path / "targets"
        found.mkdir()
        if where == "directory":
            (found / "portal.yaml").write_text(target)
            (found / "broken.yaml").write_text("url: nowhere\n")
            discovery = f"{{directory: {found}}}"
        else:
            label = {"tokenmonitor.io/target": "true"}
            kubectl.put_secret(cluster.state, NAMESPACE, "portal", {"target": target}, labels=label)
            kubectl.put_secret(cluster.state, NAMESPACE, "broken", {"target": "url: nowhere"}, labels=label)
            discovery = f"{{kubernetes: {{namespaces: [{NAMESPACE}], kinds: [Secret], servers: ['127.0.0.1']}}}}"
        config = tmp_path / "monitor.yaml"
        config.write_text(f"kubernetes: {{kubeconfig: '{cluster.kubeconfig}'}}\ndiscovery: {discovery}\n")
        return config

    return written


def test_check_and_status_look_at_a_target_of_the_directory_and_name_the_broken_one(write: Write, capsys: Out) -> None:
    config = str(write("directory"))
    assert run(["check", "--config", config, "--output", "json"]) == 0
    captured = capsys.readouterr()
    assert [one["target"] for one in json.loads(captured.out)] == ["portal"]
    assert "broken.yaml" in captured.err
    assert run(["status", "--config", config, "--target", "portal", "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["status"] == "valid"
    assert run(["check", "--config", config, "--target", "other"]) == 3
    assert "has no target other; it has portal." in capsys.readouterr().err


def test_doctor_examines_a_target_of_the_directory_and_the_broken_one_fails_by_its_name(
    write: Write, capsys: Out
) -> None:
    assert run(["doctor", "--config", str(write("directory")), "--output", "json"]) == 2
    told = json.loads(capsys.readouterr().out)
    common, portal = told["targets"]
    assert portal["target"] == "portal"
    assert {one["level"] for one in portal["findings"] if one["area"] in ("secrets", "argocd")} == {"ok"}
    (broken,) = [one for one in common["findings"] if one["level"] == "fail"]
    assert "broken.yaml" in broken["what"]


def test_doctor_examines_a_target_of_the_cluster_and_the_broken_one_fails_by_its_name(
    write: Write, capsys: Out
) -> None:
    assert run(["doctor", "--config", str(write("cluster")), "--output", "json"]) == 2
    common, portal = json.loads(capsys.readouterr().out)["targets"]
    (broken,) = [one for one in common["findings"] if one["level"] == "fail"]
    assert broken["what"] == f"Secret {NAMESPACE}/broken"
    assert portal["target"] == "portal"
    assert {one["level"] for one in portal["findings"] if one["area"] in ("secrets", "argocd")} == {"ok"}


def test_rotate_knows_a_discovered_target_and_says_why_it_is_not_rotated(write: Write, capsys: Out) -> None:
    assert run(["rotate", "portal", "--config", str(write("directory"))]) == 3
    assert "portal is not rotated" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "status"])
def test_where_no_target_is_found_that_is_said_instead_of_nothing(command: str, tmp_path: Path, capsys: Out) -> None:
    (tmp_path / "targets").mkdir()
    (config := tmp_path / "monitor.yaml").write_text(f"discovery: {{directory: {tmp_path / 'targets'}}}\n")
    assert run([command, "--config", str(config)]) == 3
    assert "none was found where its discovery looks: write one there." in capsys.readouterr().err
