"""`token-monitor config` and `completion`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from monitor.cli.main import run
from monitor.config.load import load

VALUES = """
global:
  integrations:
    argo-cd:
      server:
        svc: argocd-server
        port: 8080
        rootpath: /argocd
        auth:
          type: token
          tokenSecretKeyRef: {name: my-token, key: api-key}
argo-cd: {enabled: false}
"""


def test_codefresh_values_become_a_configuration_that_loads(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(VALUES)
    assert run(["config", "from-codefresh", str(values), "--namespace", "codefresh"]) == 0
    target = load(capsys.readouterr().out).targets[0]
    assert target.address.url == "http://argocd-server:8080/argocd"
    assert str(target.token_source) == "Secret codefresh/my-token, key api-key"


def test_values_that_the_chart_refuses_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(VALUES.replace("type: token", "type: magic"))
    assert run(["config", "from-codefresh", str(values)]) == 3
    assert "password token" in capsys.readouterr().err


def test_a_valid_configuration_is_said_to_be_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "monitor.yaml"
    file.write_text("targets: [{name: a, url: 'https://a.example', auth: {type: token, tokenFile: /t}}]")
    assert run(["config", "validate", str(file)]) == 0
    assert "1 target" in capsys.readouterr().out


def test_every_problem_of_a_configuration_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "monitor.yaml"
    file.write_text("interval: soon\ntargets: [{name: '../x', url: 'file:///', auth: {type: x}}]")
    assert run(["config", "validate", str(file)]) == 3
    error = capsys.readouterr().err
    assert all(path in error for path in ("interval", "targets[0].name", "targets[0].url", "targets[0].auth.type"))


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["targets"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert run(["completion", shell]) == 0
    assert "token-monitor" in capsys.readouterr().out
