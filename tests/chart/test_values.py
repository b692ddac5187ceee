"""The chart's values: each is described, unknown and wrong ones are refused by name, and what is made of them is fresh."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from monitor.core.alerts import AlertName
from monitor.core.rules import chart_values
from scripts.chart import files, leftovers
from scripts.chart_schema import RUNTIME_KEYS
from scripts.chart_values import entries, undescribed

from tests.chart.objects import configuration, of_kind, one, texts
from tests.chart.scenarios import SCENARIOS
from tests.chart.tools import CHART, HELMS, ROOT, refusal, render

VALUES = (CHART / "values.yaml").read_text("utf-8")
TARGET: dict[str, Any] = {
    "name": "a",
    "server": {"svc": "argocd-server"},
    "auth": {"type": "token", "tokenSecretKeyRef": {"name": "t", "key": "token"}},
}


def with_target(**changes: Any) -> dict[str, Any]:
    """Values with one target, and what is wrong with it."""
    return {"targets": [{**TARGET, **changes}]}


def with_values(**more: Any) -> dict[str, Any]:
    """Values with a good target, and something wrong beside it."""
    return {"targets": [TARGET], **more}


@pytest.mark.parametrize("path", [path for path, _ in files()], ids=lambda path: path.name)
def test_what_is_made_is_up_to_date(path: Path) -> None:
    assert path.read_text("utf-8") == dict(files())[path], "run `make chart`"


def test_no_copy_is_left_of_a_dashboard_that_is_gone() -> None:
    assert leftovers() == []


def test_every_value_is_described_with_a_full_sentence_and_its_default() -> None:
    assert undescribed(VALUES) == []
    found = entries(VALUES)
    assert len(found) > 90
    assert [entry.name for entry in found if not entry.description.endswith(".")] == []
    readme = (CHART / "README.md").read_text("utf-8")
    assert all(f"| `{entry.name}` |" in readme for entry in found)


def test_yaml_of_the_chart_is_clean() -> None:
    rules = "{extends: default, rules: {line-length: {max: 130}, document-start: disable, braces: disable, brackets: disable, comments: {min-spaces-from-content: 1}, truthy: disable, comments-indentation: disable}}"
    where = [CHART / "Chart.yaml", CHART / "values.yaml", *sorted((CHART / "ci").glob("*.yaml"))]
    done = _yamllint(rules, where)
    assert done == "", done


def _yamllint(rules: str, where: list[Path]) -> str:
    from yamllint import linter
    from yamllint.config import YamlLintConfig

    config = YamlLintConfig(rules)
    return "\n".join(
        f"{path.relative_to(ROOT)}:{problem}"
        for path in where
        for problem in linter.run(path.read_text("utf-8"), config, str(path))
    )


def test_the_thresholds_of_the_alerts_are_those_of_the_program() -> None:
    assert yaml.safe_load(VALUES)["prometheusRule"]["thresholds"] == chart_values()


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param(with_values(replicas=2), ["additional properties 'replicas' not allowed"], id="unknown, at the top"),
        pytest.param(with_values(image={"tagg": "1"}), ["/image", "'tagg'"], id="unknown, below"),
        pytest.param(with_values(replicaCount="2"), ["/replicaCount", "want integer"], id="a text for a number"),
        pytest.param(with_values(image={"tag": 1.0}), ["/image/tag", "want string"], id="a number for a text"),
        pytest.param(with_values(image={"digest": "abc"}), ["/image/digest"], id="digest"),
        pytest.param(with_values(image={"pullPolicy": "Sometimes"}), ["/image/pullPolicy", "'Always'"], id="one of a list"),
        pytest.param(with_values(service={"port": 0}), ["/service/port"], id="port"),
        pytest.param(with_values(rbac={"allowCreate": "yes"}), ["/rbac/allowCreate", "want boolean"], id="a truth"),
        pytest.param(with_values(terminationGracePeriodSeconds=1), ["/terminationGracePeriodSeconds"], id="too short"),
        pytest.param(with_values(config={"intervall": "5s"}), ["/config", "'intervall'"], id="unknown, of the configuration"),
        pytest.param(with_values(config={"interval": "often"}), ["/config/interval"], id="duration"),
        pytest.param(with_values(config={"targets": []}), ["/config", "'targets'"], id="targets elsewhere"),
        pytest.param(with_values(config={"kubernetes": {"kubeconfig": "/x"}}), ["/config/kubernetes", "'kubeconfig'"], id="kubeconfig"),
        pytest.param(with_values(config={"alertmanager": {}}), ["/config/alertmanager", "'urls'"], id="lacking"),
        pytest.param(with_target(tokenn="x"), ["/targets/0", "'tokenn'"], id="unknown, of a target"),
        pytest.param(with_target(name="A_B"), ["/targets/0/name"], id="name of a target"),
        pytest.param(with_target(name="x" * 64), ["/targets/0/name"], id="long name of a target"),
        pytest.param({"targets": [{"name": "a"}]}, ["/targets/0", "'auth'"], id="no credential"),
        pytest.param(with_target(auth={"type": "Token"}), ["/targets/0/auth"], id="mode"),
        pytest.param(with_target(auth={"type": "token"}), ["/targets/0/auth", "tokenSecretKeyRef"], id="no token"),
        pytest.param(with_target(server={}), ["/targets/0"], id="no address"),
        pytest.param(with_target(url="argocd.example.com"), ["/targets/0"], id="address"),
        pytest.param(with_values(codefresh={"namespace": "A"}), ["/codefresh/namespace"], id="namespace"),
        pytest.param(with_values(codefresh={"target": {"x": 1}}), ["/codefresh/target", "'x'"], id="unknown, of the runtime's target"),
        pytest.param(with_values(prometheusRule={"disabled": ["Nope"]}), ["/prometheusRule/disabled/0"], id="name of an alert"),
        pytest.param(with_values(prometheusRule={"thresholds": {"gap": "soon"}}), ["/prometheusRule/thresholds/gap"], id="threshold"),
        pytest.param(with_values(prometheusRule={"thresholds": {"gaps": "5m"}}), ["/prometheusRule/thresholds", "'gaps'"], id="unknown threshold"),
        pytest.param(
            with_values(prometheusRule={"enabled": True, "thresholds": {"gap": "4m"}}),
            ["prometheusRule.thresholds.downFor must be shorter than gap; change one of them"],
            id="thresholds that contradict each other",
        ),
        pytest.param(
            with_values(prometheusRule={"enabled": True, "thresholds": {"expiringCritical": "7d"}}),
            ["prometheusRule.thresholds.expiringCritical must be shorter than expiringWarning"],
            id="a page before the warning",
        ),
        pytest.param(
            with_values(prometheusRule={"enabled": True, "thresholds": {"settle": "0s"}}),
            ["prometheusRule.thresholds.settle must be at least one second"],
            id="no time at all",
        ),
        pytest.param(
            with_values(podDisruptionBudget={"enabled": True, "minAvailable": 1, "maxUnavailable": 1}),
            ["podDisruptionBudget: minAvailable and maxUnavailable are both given"],
            id="two budgets",
        ),
        pytest.param(
            with_values(serviceAccount={"create": False}), ["serviceAccount.name: give the name"], id="no service account"
        ),
        pytest.param(
            with_values(extraVolumeMounts=[{"name": "x", "mountPath": "/x", "subPath": "y"}]),
            ["extraVolumeMounts[0].subPath: what is mounted by it never changes again; mount the directory"],
            id="subPath",
        ),
        pytest.param(with_values(extraVolumeMounts=[{"name": "x"}]), ["/extraVolumeMounts/0", "mountPath"], id="half a mount"),
        pytest.param(
            with_target(auth={"type": "token", "token": "t", "username": "ci"}, renew=True),
            ["/targets/0/auth/token"],
            id="renewing what is in clear",
        ),
        pytest.param(
            with_target(auth={"type": "password", "token": "t"}),
            ['auth.token of "a" is in clear and not used in password mode; remove it'],
            id="in clear and not used",
        ),
        pytest.param(
            with_target(auth={"type": "password", "tokenFile": "/x"}),
            ['the key of "a" is replaced, and auth.tokenFile is a file of a pod, which ends with it; use tokenSecretKeyRef'],
            id="a key in a file",
        ),
        pytest.param(
            {"targets": [
                {**TARGET, "auth": {"type": "password"}},
                {**TARGET, "auth": {"type": "password"}, "name": "b", "namespace": "codefresh"},
            ]},
            ['the key of "b" is kept in Secret codefresh/argocd-token, key token, like that of "a"', "auth.tokenSecretKeyRef"],
            id="two rotations of one key",
        ),
        pytest.param(with_values(files={"secrets": ["x", "x"]}), ["/files/secrets"], id="a Secret mounted twice"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_its_name(values: dict[str, Any], words: list[str], helm: str) -> None:
    said = refusal(values, helm=helm)
    assert all(word in said for word in words), said


def test_keys_of_a_runtime_are_let_through_by_name_and_others_are_not() -> None:
    taken = {key: {"anything": ["at", "all"]} for key in RUNTIME_KEYS if key not in ("argo-cd", "app-proxy")}
    found = configuration(
        render({**taken, "argo-cd": {"enabled": False}, "app-proxy": {}, "global": {"x": 1}, "targets": [TARGET]})
    )
    assert [target["name"] for target in found["targets"]] == ["codefresh", "a"]
    for key in ("argocd", "Global", "appproxy"):
        assert f"'{key}'" in refusal({**with_values(), key: {}})


def test_a_parent_chart_may_switch_it_on() -> None:
    assert render({**with_values(), "enabled": True, "global": None})


def test_defaults_in_the_schema_s_documents_are_not_values() -> None:
    """What the program takes as a default stays out, so that the ConfigMap says only what somebody wrote."""
    assert configuration(render(with_values())) == {
        "http": {"bind": "0.0.0.0", "port": 8080},
        "log": {"format": "json", "level": "info"},
        "kubernetes": {"lease": {"enabled": False, "name": "token-monitor"}},
        "targets": [TARGET],
    }


# --------------------------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize("helm", HELMS)
def test_credentials_in_clear_are_in_a_secret_and_nowhere_else(helm: str) -> None:
    objects = render(None, SCENARIOS["clear"], helm=helm)
    (credentials,) = (item for item in of_kind(objects, "Secret") if item["metadata"]["name"].endswith("-credentials"))
    assert set(credentials["data"]) == {"production.token", "staging.password", "heartbeat-url"}
    elsewhere = " ".join(text for item in objects if item is not credentials for text in texts(item))
    for secret in ("secret-token", "secret-password", "secret-of-the-heartbeat", *credentials["data"].values()):
        assert secret not in elsewhere
    read = configuration(objects)
    production, staging = read["targets"]
    assert production["auth"] == {"type": "token", "tokenFile": "/etc/token-monitor/credentials/production.token"}
    assert staging["auth"] == {"type": "password", "passwordFile": "/etc/token-monitor/credentials/staging.password"}
    assert read["heartbeat"] == {"urlFile": "/etc/token-monitor/credentials/heartbeat-url"}


def test_a_changed_credential_in_clear_does_not_restart_the_monitor_which_reads_the_file_again() -> None:
    def template(token: str) -> Any:
        objects = render({"targets": [{**TARGET, "auth": {"type": "token", "token": token}}]})
        return one(objects, "Deployment")["spec"]["template"]

    assert template("one") == template("other")


def test_a_credential_in_clear_wins_over_a_reference_as_in_the_program() -> None:
    auth = {"type": "token", "token": "t", "tokenSecretKeyRef": {"name": "x", "key": "y"}}
    (target,) = configuration(render({"targets": [{**TARGET, "auth": auth}]}))["targets"]
    assert set(target["auth"]) == {"type", "tokenFile"}


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_secret_is_made_for_the_consumers_of_a_token(name: str) -> None:
    """The Secret that consumers read belongs to them: an upgrade or uninstall must never touch it."""
    made = {item["metadata"]["name"] for item in of_kind(render(None, SCENARIOS[name]), "Secret")}
    assert all(secret.startswith("token-monitor-journal-") or secret.endswith("-credentials") for secret in made)


def test_the_schema_is_of_a_draft_that_every_helm_reads() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema["additionalProperties"] is False
    assert "$defs" not in schema
    names = schema["properties"]["prometheusRule"]["properties"]["disabled"]["items"]["enum"]
    assert names == [name.value for name in AlertName]
