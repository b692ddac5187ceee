"""Every values file, with helm 3 and helm 4: what comes out is well-formed, fits together, and is what the monitor takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
import trustme
import yaml
from monitor import __version__
from monitor.cli.main import cli, run
from monitor.config.load import settings_of
from monitor.daemon.daemon import AT_START
from pydantic.alias_generators import to_camel

from tests.chart.objects import configuration, container, of_kind, one, pod_template, texts
from tests.chart.scenarios import EVERYTHING, SCENARIOS
from tests.chart.schemas import VERSIONS, faults
from tests.chart.tools import CHART, HELMS, NAMESPACE, RELEASE, Object, render
from tests.chart.tools import run as tool

PREFIX = "/etc/token-monitor"
every_scenario = pytest.mark.parametrize("file", SCENARIOS.values(), ids=SCENARIOS)


def release_of(file: Path) -> str:
    """The name of the ConfigMap and the like."""
    return "argocd-tokens" if file == EVERYTHING else RELEASE


@every_scenario
@pytest.mark.parametrize("helm", HELMS)
def test_lint_finds_nothing(file: Path, helm: str) -> None:
    done = tool(helm, "lint", "--strict", "--kube-version", "1.34", CHART, "-f", file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("helm", HELMS)
def test_lint_finds_nothing_without_values(helm: str) -> None:
    done = tool(helm, "lint", "--strict", "--kube-version", "1.34", CHART)
    assert done.returncode == 0, done.stdout + done.stderr


@every_scenario
def test_both_helms_make_the_same(file: Path) -> None:
    assert by_name(render(None, file, helm="helm3")) == by_name(render(None, file, helm="helm4"))


def by_name(objects: list[Object]) -> dict[tuple[str, str, str], Object]:
    """Objects by what identifies them; none may be there twice."""
    found = {(item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]): item for item in objects}
    assert len(found) == len(objects)
    return found


@every_scenario
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_object(file: Path, version: str) -> None:
    objects = render(None, file)
    if version == "1.25":  # the policy of evictions came later; who sets it has a newer one
        for budget in of_kind(objects, "PodDisruptionBudget"):
            del budget["spec"]["unhealthyPodEvictionPolicy"]
    assert [(item["kind"], found) for item in objects if (found := faults(item, version))] == []


def test_what_kubernetes_would_refuse_is_found() -> None:
    service = one(render(None, SCENARIOS["token"]), "Service")
    service["spec"]["ports"][0]["portt"] = 1
    service["metadata"]["labels"]["a b"] = 1
    assert [found.partition(":")[0] for found in faults(service, "1.34")] == [
        "metadata/labels/a b",
        "spec/ports/0",
        "label a b",
    ]
    monitor = one(render(None, EVERYTHING), "ServiceMonitor")
    monitor["spec"]["endpoints"][0]["intervall"] = "15s"
    assert "intervall" in str(faults(monitor, "1.34"))


@every_scenario
def test_every_object_says_its_namespace_and_whose_it_is(file: Path) -> None:
    for item in render(None, file):
        assert item["metadata"]["namespace"], item["metadata"]["name"]
        if item["metadata"]["name"] in ("argocd-tokens-more", "another"):
            continue  # extraObjects
        labels = item["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == RELEASE
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels["app.kubernetes.io/component"]
        assert labels.get("team") == ("platform" if file == EVERYTHING else None)


@every_scenario
def test_nothing_is_made_for_the_whole_cluster(file: Path) -> None:
    kinds = {item["kind"] for item in render(None, file)}
    assert kinds <= {
        "ConfigMap", "Deployment", "Lease", "NetworkPolicy", "Pod", "PodDisruptionBudget", "PrometheusRule", "Role",
        "RoleBinding", "Secret", "Service", "ServiceAccount", "ServiceMonitor",
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------ the configuration


@every_scenario
def test_the_configuration_is_accepted_by_the_monitor(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read = configuration(render(None, file), release_of(file))
    config = tmp_path / "monitor.yaml"
    config.write_text(yaml.safe_dump(read).replace(PREFIX, str(tmp_path)))
    authority = trustme.CA()
    for text in texts(read):
        if text.endswith(".crt"):
            place = Path(text.replace(PREFIX, str(tmp_path)))
            place.parent.mkdir(parents=True, exist_ok=True)
            authority.cert_pem.write_to_path(place)
    assert run(["config", "validate", str(config)]) == 0, capsys.readouterr().err


@every_scenario
def test_files_that_the_configuration_names_are_mounted_as_directories_and_never_by_subpath(file: Path) -> None:
    objects = render(None, file)
    mounts = container(objects)["volumeMounts"]
    assert not any({"subPath", "subPathExpr"} & mount.keys() for mount in mounts)
    places = {mount["mountPath"]: mount for mount in mounts}
    named = [text for text in texts(configuration(objects, release_of(file))) if text.startswith("/etc/")]
    assert all(text in places or str(Path(text).parent) in places for text in named)
    volumes = {volume["name"] for volume in pod_template(objects)["spec"]["volumes"]}
    assert volumes == {mount["name"] for mount in mounts}
    assert all(mount["readOnly"] for place, mount in places.items() if place.startswith("/etc/"))


def test_the_pages_are_reachable_from_outside_the_pod_and_logs_are_json() -> None:
    settings = settings_of(configuration(render(None, SCENARIOS["token"])))
    assert (settings.http.bind, settings.http.port) == ("0.0.0.0", 8080)
    assert settings.log.format == "json"


def test_the_sections_that_roll_the_pods_are_those_that_the_program_reads_at_its_start_only() -> None:
    text = (CHART / "templates" / "_configuration.tpl").read_text()
    (picked,) = re.findall(r'pick \(.*?\) ((?:"\w+" ?)+)\| toJson', text)
    assert re.findall(r"\w+", picked) == [to_camel(name) for name in AT_START]
    said = re.search(r"change of (`http`.*?) restarts", (CHART / "values.yaml").read_text().replace("\n#", ""))
    assert said is not None
    assert re.findall(r"`(\w+)`", said[1]) == [to_camel(name) for name in AT_START]


def test_only_what_a_reload_would_not_do_rolls_the_pods() -> None:
    def template(**values: Any) -> Object:
        target = {"name": "a", "server": {"svc": "a"}, "auth": {"type": "password"}}
        return pod_template(render({"targets": [target], **values}))

    before = template()
    for changed in (
        {"config": {"interval": "20s"}},
        {"config": {"expiringWithin": "14d"}},
        {"targets": [{"name": "b", "server": {"svc": "b"}, "auth": {"type": "password", "username": "ci"}}]},
    ):
        assert template(**changed) == before, changed
    for changed in (
        {"http": {"bind": "::"}},
        {"log": {"level": "debug"}},
        {"kubernetes": {"events": False}},
        {"kubernetes": {"lease": {"name": "x"}}},
        {"alertmanager": {"urls": ["http://a"]}},
        {"alertmanager": {"urls": ["http://a"], "resendInterval": "2m"}},
        {"heartbeat": {"urlFile": "/x"}},
        {"alerts": {"thresholds": {"settle": "2m"}}},
        {"discovery": {"directory": "/x"}},
    ):
        assert template(config=changed)["metadata"]["annotations"] != before["metadata"]["annotations"], changed


# ------------------------------------------------------------------------------------------------------- the pods


@every_scenario
def test_the_command_lines_are_ones_that_the_program_has(file: Path) -> None:
    objects = render(None, file)
    pods = [pod_template(objects)["spec"], *(pod["spec"] for pod in of_kind(objects, "Pod"))]
    for pod in pods:
        (found,) = pod["containers"]
        assert "command" not in found, "the image has it"
        name, *arguments = found["args"]
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        context = command.make_context(name, list(arguments))
        assert context.params["config_file"] == f"{PREFIX}/config/token-monitor.yaml"
        mounted = {mount["name"]: mount["mountPath"] for mount in found["volumeMounts"]}
        assert mounted["config"] == f"{PREFIX}/config"
        # So that commands in the pod need no --config.
        assert {"name": "TOKEN_MONITOR_CONFIG", "value": f"{PREFIX}/config/token-monitor.yaml"} in found["env"]


def test_the_test_hook_checks_with_the_image_the_rights_and_the_configuration_of_the_monitor() -> None:
    objects = render(None, SCENARIOS["password"])
    pod, monitor = one(objects, "Pod"), pod_template(objects)["spec"]
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    (check,), (serving,) = pod["spec"]["containers"], monitor["containers"]
    assert check["args"][0] == "check"
    for key in ("image", "securityContext", "volumeMounts"):
        assert check[key] == serving[key]
    for key in ("serviceAccountName", "securityContext", "volumes", "automountServiceAccountToken"):
        assert pod["spec"][key] == monitor[key]
    assert pod["spec"]["restartPolicy"] == "Never"


@every_scenario
def test_pods_keep_to_the_restricted_standard(file: Path) -> None:
    objects = render(None, file)
    for pod in [pod_template(objects)["spec"], *(found["spec"] for found in of_kind(objects, "Pod"))]:
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        assert all({"configMap", "secret", "emptyDir"} & volume.keys() for volume in pod["volumes"])
        for found in pod["containers"]:
            security = found["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert security["readOnlyRootFilesystem"] is True
            assert found["resources"]["requests"]
            assert found["resources"]["limits"]["memory"]
            assert not any("hostPort" in port for port in found.get("ports", ()))


def test_a_project_of_openshift_chooses_the_user() -> None:
    security = pod_template(render(None, EVERYTHING))["spec"]["securityContext"]
    assert security == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        "fsGroupChangePolicy": "OnRootMismatch",
    }


def test_files_of_secrets_are_readable_by_the_user_and_nobody_else() -> None:
    spec = pod_template(render(None, SCENARIOS["clear"]))["spec"]
    (secret,) = (volume["secret"] for volume in spec["volumes"] if "secret" in volume)
    assert secret["defaultMode"] == 0o440
    assert (
        spec["securityContext"]["fsGroup"]
        == spec["securityContext"]["runAsGroup"]
        == spec["securityContext"]["runAsUser"]
    )


def test_probes_ask_named_ports_and_a_refused_token_never_fails_them() -> None:
    found = container(render(None, SCENARIOS["token"]))
    paths = {name: found[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    assert all(found[name]["httpGet"]["port"] == "http" for name in paths)
    assert found["ports"] == [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]


def test_pages_over_https_are_probed_and_scraped_over_https() -> None:
    tls = {"certFile": f"{PREFIX}/secrets/serving/tls.crt", "keyFile": f"{PREFIX}/secrets/serving/tls.key"}
    values = {"config": {"http": {"tls": tls}}, "files": {"secrets": ["serving"]}, "serviceMonitor": {"enabled": True}}
    objects = render(values, SCENARIOS["token"])
    assert container(objects)["livenessProbe"]["httpGet"]["scheme"] == "HTTPS"
    assert one(objects, "ServiceMonitor")["spec"]["endpoints"][0]["scheme"] == "https"
    assert one(objects, "Service")["spec"]["ports"][0]["appProtocol"] == "https"


def test_a_token_of_the_service_account_is_there_only_where_the_kubernetes_api_is_used() -> None:
    for name, expected in (("token", True), ("password", True), ("files", False)):
        objects = render(None, SCENARIOS[name])
        assert pod_template(objects)["spec"]["automountServiceAccountToken"] is expected
        assert one(objects, "ServiceAccount")["automountServiceAccountToken"] is False


def test_the_image_is_named_by_digest_before_tag_and_by_the_version_of_the_chart_else() -> None:
    assert container(render(None, SCENARIOS["token"]))["image"] == f"token-monitor.example/token-monitor:{__version__}"
    assert container(render(None, EVERYTHING))["image"] == "mirror.example/tools/token-monitor:0.1.0"
    image = container(render(None, SCENARIOS["existing"]))["image"]
    assert image == f"mirror.example/token-monitor@sha256:{'0' * 64}"


def test_the_chart_has_the_version_of_the_program() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == __version__
    (image,) = yaml.safe_load(chart["annotations"]["artifacthub.io/images"])
    assert image["image"] == container(render(None, SCENARIOS["token"]))["image"]


# ------------------------------------------------------------------------------------------------------ selectors


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Whether a selector's matchLabels are among the labels."""
    return selector.items() <= labels.items()


@every_scenario
def test_selectors_match_the_monitor_s_pods_and_not_the_test_s(file: Path) -> None:
    objects = render(None, file)
    monitor = pod_template(objects)["metadata"]["labels"]
    selectors = [
        one(objects, "Service")["spec"]["selector"],
        one(objects, "Deployment")["spec"]["selector"]["matchLabels"],
    ]
    selectors += [found["spec"]["selector"]["matchLabels"] for found in of_kind(objects, "PodDisruptionBudget")]
    selectors += [
        found["labelSelector"]["matchLabels"]
        for found in pod_template(objects)["spec"].get("topologySpreadConstraints", ())
    ]
    for selector in selectors:
        assert selects(selector, monitor)
        assert not any(selects(selector, pod["metadata"]["labels"]) for pod in of_kind(objects, "Pod"))


def test_labels_of_ones_own_never_change_what_is_selected() -> None:
    values = {
        "commonLabels": {"app.kubernetes.io/instance": "x", "app.kubernetes.io/component": "x"},
        "podLabels": {"app.kubernetes.io/name": "x"},
    }
    plain, labelled = render(None, SCENARIOS["token"]), render(values, SCENARIOS["token"])
    for key in ("app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"):
        assert pod_template(labelled)["metadata"]["labels"][key] == pod_template(plain)["metadata"]["labels"][key]
    assert one(labelled, "Service")["spec"] == one(plain, "Service")["spec"]


def test_what_the_operator_looks_for_is_there() -> None:
    objects = render(None, EVERYTHING)
    monitor, service = one(objects, "ServiceMonitor"), one(objects, "Service")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["metadata"]["namespace"] == "monitoring"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": [NAMESPACE]}
    assert selects(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"])
    assert [endpoint["port"] for endpoint in monitor["spec"]["endpoints"]] == [service["spec"]["ports"][0]["name"]]
    assert one(objects, "PrometheusRule")["metadata"]["labels"]["release"] == "prometheus"


@pytest.mark.parametrize("release", ["token-monitor", "tm", "my-token-monitor", "a" * 53, "with.dot"])
def test_long_and_short_names_of_releases_make_names_that_kubernetes_takes(release: str) -> None:
    objects = render(None, EVERYTHING, release=release) + render(None, SCENARIOS["clear"], release=release)
    assert [(item["kind"], found) for item in objects if (found := faults(item, "1.34"))] == []


def test_two_releases_in_one_namespace_do_not_meet() -> None:
    def names(release: str) -> set[tuple[str, str]]:
        target = {"name": release, "server": {"svc": "a"}, "auth": {"type": "password"}}
        objects = render({"targets": [target], "dashboards": {"enabled": True}}, release=release)
        return {(item["kind"], item["metadata"]["name"]) for item in objects}

    assert not names("one") & names("two")
