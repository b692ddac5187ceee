"""`token-monitor doctor`: exit codes, JSON, the RBAC that it prints, and what it leaves alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from monitor.cli.main import run
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.access import Rule

from tests.cli.conftest import NAMESPACE, Argo, Cluster

Out = pytest.CaptureFixture[str]
Write = Callable[..., Path]
TOKEN = "{type: token, username: ci, tokenSecretKeyRef: {name: my-token, key: token}}"
PASSWORD = "{type: password, username: ci, passwordSecretKeyRef: {name: pw, key: password}}"


@pytest.fixture
def write(argocd: Argo, cluster: Cluster, tmp_path: Path) -> Write:
    """Writes the configuration of targets, each as (name, auth, more keys)."""

    def written(*targets: tuple[str, str, str]) -> Path:
        lines = [
            f"  - {{name: {name}, url: '{argocd.url}', auth: {auth}, rotation: {{expiresIn: 90d}}{more}}}"
            if "password" in auth
            else f"  - {{name: {name}, url: '{argocd.url}', auth: {auth}{more}}}"
            for name, auth, more in targets
        ]
        config = tmp_path / "monitor.yaml"
        config.write_text("\n".join((f"kubernetes: {{kubeconfig: '{cluster.kubeconfig}'}}", "targets:", *lines)))
        return config

    return written


@pytest.fixture
def healthy(argocd: Argo, cluster: Cluster) -> None:
    """A cluster and an Argo CD in which everything is as it should be."""
    token = argocd.state.mint_key("ci", "k1")
    kubectl.put_secret(cluster.state, NAMESPACE, "my-token", {"token": token})
    kubectl.put_secret(cluster.state, NAMESPACE, "argocd-token", {"token": token})
    kubectl.put_secret(cluster.state, NAMESPACE, "pw", {"password": "simulated"})
    kubectl.put_secret(cluster.state, NAMESPACE, "token-monitor-journal-a", {}, manager="token-monitor")


def doctor(config: Path, *arguments: str) -> int:
    return run(["doctor", "--config", str(config), *arguments])


def found(capsys: Out) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def findings(told: dict[str, Any]) -> list[dict[str, str]]:
    return [finding for target in told["targets"] for finding in target["findings"]]


@pytest.mark.usefixtures("healthy")
def test_when_all_is_well_it_says_what_was_looked_at_and_exits_0(write: Write, capsys: Out) -> None:
    assert doctor(write(("a", PASSWORD, ""))) == 0
    captured = capsys.readouterr()
    for words in (
        "ok    address        Argo CD: version v3.6.0+simulated",
        "ok    secrets        Secret codefresh/argocd-token (token): has the key token",
        "ok    permissions    get, patch secrets/token-monitor-journal-a in codefresh",
        "ok    argocd         account ci: enabled, with apiKey, login; 1 key",
        "ok    argocd         keys of others: 1 that the monitor did not make, and never deletes: k1 (the present token, made",
        "→ delete those that nobody uses: `argocd account delete-token --account ci ID`",
        "ok    writers        other writers of Secret codefresh/argocd-token: none",
        "--login tries it",
        "The permissions above are those of whoever ran this.",
    ):
        assert words in captured.out
    assert captured.out.splitlines()[-1].endswith(" ok")
    assert captured.err == ""
    assert "\x1b" not in captured.out


@pytest.mark.usefixtures("healthy")
def test_something_to_look_at_exits_1(write: Write, capsys: Out) -> None:
    config = write(("a", PASSWORD, ", requiredPermissions: [projects/update/*]"))
    assert doctor(config, "--output", "json") == 1
    told = found(capsys)
    assert told["result"] == "warn"
    assert {one["level"] for one in findings(told)} == {"ok", "warn"}
    assert all(one["fix"] for one in findings(told) if one["level"] != "ok")


@pytest.mark.usefixtures("healthy")
def test_something_that_fails_exits_2_with_the_fix(write: Write, argocd: Argo, capsys: Out) -> None:
    argocd.state.disable_account("ci")
    assert doctor(write(("a", TOKEN, ""))) == 2
    out = capsys.readouterr().out
    assert "FAIL  argocd         token: account_disabled: account ci is disabled" in out
    assert '→ Set `accounts.ci.enabled: "true"` in ConfigMap argocd-cm' in out
    assert out.splitlines()[-1].endswith("1 failed")


@pytest.mark.usefixtures("healthy")
def test_what_cannot_be_told_exits_3(write: Write, cluster: Cluster, capsys: Out) -> None:
    cluster.state.faults.answer(500, "create", "*selfsubjectaccessreviews*", times=None)
    assert doctor(write(("a", TOKEN, ""))) == 3
    assert "could not be told" in capsys.readouterr().out


@pytest.mark.usefixtures("healthy")
def test_json_has_every_finding_and_the_roles(write: Write, capsys: Out) -> None:
    assert doctor(write(("a", PASSWORD, ""), ("b", TOKEN, "")), "--output", "json") == 0
    told = found(capsys)
    assert (told["result"], [target["target"] for target in told["targets"]]) == ("ok", [None, "a", "b"])
    assert set(findings(told)[0]) == {"level", "area", "what", "cause", "fix"}
    assert [manifest["kind"] for manifest in told["rbac"]] == ["Role", "RoleBinding"]


@pytest.mark.usefixtures("healthy")
def test_only_the_named_targets_are_looked_at(write: Write, capsys: Out) -> None:
    config = write(("a", PASSWORD, ""), ("b", TOKEN, ""))
    assert doctor(config, "--target", "b", "--output", "json") == 0
    told = found(capsys)
    assert [target["target"] for target in told["targets"]] == ["b"]
    assert "argocd-token" not in json.dumps(told)
    assert doctor(config, "--target", "c") == 3


def as_rules(manifests: list[dict[str, Any]]) -> list[Rule]:
    return [
        Rule(
            ",".join(rule["verbs"]),
            ",".join(rule["resources"]),
            rule["apiGroups"][0],
            (manifest["metadata"]["namespace"],),
            tuple(rule.get("resourceNames", ())),
        )
        for manifest in manifests
        if manifest["kind"] == "Role"
        for rule in manifest["rules"]
    ]


@pytest.mark.usefixtures("healthy")
def test_the_roles_that_are_printed_are_enough_and_name_everything(write: Write, cluster: Cluster, capsys: Out) -> None:
    config = write(("a", PASSWORD, ", consumers: {preset: codefresh, restartConsumers: true}"))
    assert doctor(config, "--rbac") == 0
    printed = capsys.readouterr().out
    assert "#   kubectl create secret generic token-monitor-journal-a -n codefresh" in printed
    manifests = list(yaml.safe_load_all(printed))
    assert [one["kind"] for one in manifests] == ["Role", "RoleBinding"]
    assert manifests[1]["subjects"] == [{"kind": "ServiceAccount", "name": "token-monitor", "namespace": NAMESPACE}]
    secrets = [rule for rule in manifests[0]["rules"] if rule["resources"] == ["secrets"]]
    assert all(rule["resourceNames"] for rule in secrets)
    assert "create" not in {verb for rule in secrets for verb in rule["verbs"]}
    cluster.state.access.restrict(cluster.user, *as_rules(manifests))
    assert doctor(config) == 0


@pytest.mark.usefixtures("healthy")
def test_a_right_that_lacks_is_named_and_the_roles_are_printed_with_it(
    write: Write, cluster: Cluster, capsys: Out
) -> None:
    config = write(("a", TOKEN, ""))
    assert doctor(config, "--rbac") == 0
    rules = as_rules(list(yaml.safe_load_all(capsys.readouterr().out)))
    cluster.state.access.restrict(cluster.user, *(rule for rule in rules if rule.resources != "secrets"))
    assert doctor(config) == 2
    out = capsys.readouterr().out
    assert "FAIL  permissions    get secrets/my-token in codefresh: whoever runs doctor may not get" in out
    assert "kind: Role\n" in out
    assert "resourceNames: [my-token]" in out


def test_with_create_secrets_may_be_made_under_any_name(write: Write, capsys: Out) -> None:
    assert doctor(write(("a", PASSWORD, "")), "--rbac", "--with-create") == 0
    printed = capsys.readouterr().out
    assert "kubectl create secret" not in printed
    role = next(yaml.safe_load_all(printed))
    assert {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]} in role["rules"]


def test_the_roles_are_for_the_service_account_that_was_named(write: Write, capsys: Out) -> None:
    assert doctor(write(("a", TOKEN, "")), "--rbac", "--service-account", "ops/watcher") == 0
    manifests = list(yaml.safe_load_all(capsys.readouterr().out))
    assert {one["metadata"]["namespace"] for one in manifests} == {"ops"}
    assert manifests[1]["subjects"] == [{"kind": "ServiceAccount", "name": "watcher", "namespace": "ops"}]


def test_roles_can_be_printed_without_a_cluster(tmp_path: Path, capsys: Out) -> None:
    config = tmp_path / "monitor.yaml"
    target = f"{{name: a, url: 'https://a.example', auth: {TOKEN}}}"
    config.write_text(f"kubernetes: {{namespace: argocd, kubeconfig: /does/not/exist}}\ntargets: [{target}]")
    assert doctor(config, "--rbac") == 0
    assert "namespace: argocd" in capsys.readouterr().out
    config.write_text(f"kubernetes: {{kubeconfig: /does/not/exist}}\ntargets: [{target}]")
    assert doctor(config, "--rbac") == 3
    assert "--service-account NAMESPACE/NAME" in capsys.readouterr().err
    config.write_text("targets: [{name: a, url: 'https://a.example', auth: {type: token, tokenFile: /t}}]")
    assert doctor(config, "--rbac", "--service-account", "ops/watcher") == 0
    assert capsys.readouterr().out.startswith("# Nothing is needed")


def test_without_kubernetes_files_are_looked_at_and_certificates_that_are_missing_are_findings(
    argocd: Argo, tmp_path: Path, capsys: Out
) -> None:
    token = tmp_path / "token"
    token.write_text(argocd.state.mint_key("ci", "k1"))
    token.chmod(0o600)
    config = tmp_path / "monitor.yaml"
    auth = f"{{type: token, tokenFile: '{token}'}}"
    config.write_text(f"targets: [{{name: a, url: '{argocd.url}', auth: {auth}}}]")
    assert doctor(config) == 0
    out = capsys.readouterr().out
    assert f"ok    files          token file {token}: mode 600" in out
    assert "The permissions above" not in out
    config.write_text(f"targets: [{{name: a, url: '{argocd.url}', auth: {auth}, tls: {{caFile: /does/not/exist}}}}]")
    assert doctor(config, "--output", "json") == 2
    assert {"targets[0].tls.caFile"} <= {one["what"] for one in findings(found(capsys)) if one["level"] == "fail"}


@pytest.mark.usefixtures("healthy")
def test_a_login_is_only_tried_when_asked_for_and_is_charged_to_the_journal(
    write: Write, cluster: Cluster, capsys: Out
) -> None:
    config = write(("a", PASSWORD, ""))
    before = cluster.state.version
    assert doctor(config) == 0
    assert cluster.state.version == before, "nothing was written"
    capsys.readouterr()
    assert doctor(config, "--login") == 0
    assert "login as ci: accepted; the session was ended again" in capsys.readouterr().out
    assert cluster.state.version == before + 2, "charged, and given back"


@pytest.mark.usefixtures("healthy")
def test_two_targets_of_one_user_share_the_budget_of_logins(write: Write, cluster: Cluster, capsys: Out) -> None:
    kubectl.put_secret(cluster.state, NAMESPACE, "pw", {"password": "wrong"})
    kubectl.put_secret(cluster.state, "other", "pw", {"password": "wrong as well"})
    config = write(("a", PASSWORD, ""), ("b", PASSWORD, ", namespace: other"))
    assert doctor(config, "--login", "--target", "a") == 2
    capsys.readouterr()
    assert doctor(config, "--login", "--target", "b") in (2, 3)
    assert "a login must wait" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "/does/not/exist.yaml"], "cannot be read"),
        (["--config", "x", "--service-account", "monitor"], "NAMESPACE/NAME"),
        (["--config", "x", "--service-account", "a/b/c"], "NAMESPACE/NAME"),
        ([], "--config"),
    ],
)
def test_a_usage_error_exits_3_and_says_what_to_write(
    arguments: list[str], words: str, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOKEN_MONITOR_CONFIG", raising=False)
    assert run(["doctor", *arguments]) == 3
    assert words in capsys.readouterr().err


@pytest.mark.usefixtures("healthy")
def test_no_output_shows_a_credential(write: Write, argocd: Argo, cluster: Cluster, capsys: Out) -> None:
    kubectl.put_secret(cluster.state, NAMESPACE, "pw", {"password": "hunter2"})
    argocd.state.revoke_key("ci", "k1")
    doctor(write(("a", PASSWORD, "")), "--login")
    doctor(write(("a", PASSWORD, "")), "--output", "json")
    shown = "".join(capsys.readouterr())
    assert "hunter2" not in shown
    assert "eyJ" not in shown
