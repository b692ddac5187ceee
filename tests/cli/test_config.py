"""`token-monitor config` and `completion`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from monitor.adapters.kubernetes import own_namespace as own_namespace
from monitor.cli.main import run
from monitor.config.load import load
from monitor.simulator.kubernetes.app import write_kubeconfig

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


def test_problems_are_json_for_those_who_asked_for_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "monitor.yaml"
    file.write_text(
        "interval: soon\ntargets: [{name: a, url: 'https://a.example', auth: {type: token, tokenFile: /t}}]"
    )
    assert run(["config", "validate", str(file), "--output", "json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert (told["valid"], [one["path"] for one in told["problems"]]) == (False, ["interval"])
    assert set(told["problems"][0]) == {"path", "what", "instead", "line", "column"}


def test_a_pipeline_can_validate_without_the_certificates(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "monitor.yaml"
    file.write_text(
        "targets: [{name: a, url: 'https://a.example', tls: {caFile: /nowhere/ca.pem},"
        " auth: {type: token, tokenFile: /t}}]"
    )
    assert run(["config", "validate", str(file)]) == 3
    assert f'{file}: targets[0].tls.caFile: "/nowhere/ca.pem" does not exist' in capsys.readouterr().err
    assert run(["config", "validate", str(file), "--without-files"]) == 0


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["targets"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert run(["completion", shell]) == 0
    assert "token-monitor" in capsys.readouterr().out


def test_a_secret_that_two_rotations_share_is_refused_by_the_namespace_of_the_kubeconfig(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:9", "x", namespace="codefresh")
    file = tmp_path / "monitor.yaml"
    target = "url: 'https://a.example', auth: {type: password}"
    file.write_text(
        f"kubernetes: {{kubeconfig: {kubeconfig}}}\n"
        f"targets: [{{name: a, namespace: codefresh, {target}}}, {{name: b, {target}}}]"
    )
    for command in (["config", "validate", str(file)], ["doctor", "--config", str(file)]):
        assert run(command) == 3
        assert 'the key of "b" is kept in Secret argocd-token, key token, like that of "a"' in capsys.readouterr().err
    assert run(["doctor", "--config", str(file), "--service-account", "elsewhere/monitor", "--rbac"]) == 0


def test_what_kubectl_goes_by_on_this_machine_makes_no_configuration_wrong(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:9", "x", namespace="codefresh")
    monkeypatch.setattr(own_namespace, "KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    file = tmp_path / "monitor.yaml"
    target = "url: 'https://a.example', auth: {type: password}"
    file.write_text(f"targets: [{{name: a, namespace: codefresh, {target}}}, {{name: b, {target}}}]")
    assert run(["config", "validate", str(file)]) == 0, "it may be for a monitor in another namespace"
    assert run(["doctor", "--config", str(file)]) == 3, "which would go by that kubeconfig now"
    assert 'the key of "b" is kept in Secret argocd-token' in capsys.readouterr().err
