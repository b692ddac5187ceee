"""One found target: read as an item of the configuration file, named after its object, and held to its bounds."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from monitor.config.found import MAX_VALUES, in_words, read_target
from monitor.config.load import settings_of
from monitor.config.problems import ConfigurationError
from monitor.config.settings import InFile, InSecret, InstallationSettings, Settings, TargetSettings
from monitor.core.discovery import KEYS, LABEL, SELECTOR, Found, Origin
from monitor.core.secret import Secret

from tests.fair_time import fairly

MAP, SECRET, FILE = (
    Origin("ConfigMap", "team-a", "portal"),
    Origin("Secret", "team-a", "portal"),
    Origin("file", "", "/t"),
)
TOKEN = "auth: {type: token, tokenSecretKeyRef: {name: argocd-token, key: token}}"
PLAIN = f"server: {{svc: argocd-server}}\n{TOKEN}\n"
CANARY = "hunter2"


def settings(**kubernetes: Any) -> Settings:
    where = {"namespaces": ["team-a", "team-b"], **kubernetes}
    return settings_of({"interval": "30s", "discovery": {"kubernetes": where, "directory": "/t"}})


def read(text: str, origin: Origin = MAP, *, binding: bool = False, **kubernetes: Any) -> TargetSettings:
    return read_target(Found(origin, Secret(text), name="portal", binding=binding), settings(**kubernetes))


def problems(text: str, origin: Origin = MAP, *, binding: bool = False, **kubernetes: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(text, origin, binding=binding, **kubernetes)
    assert all(problem.what and problem.instead for problem in caught.value.problems)
    assert CANARY not in in_words(caught.value)
    return [str(problem) for problem in caught.value.problems]


def paths(text: str, origin: Origin = MAP, **kubernetes: Any) -> list[str]:
    return [problem.partition(":")[0].partition(" ")[0] for problem in problems(text, origin, **kubernetes)]


def test_what_it_leaves_out_is_as_in_the_configuration_file() -> None:
    found = read(PLAIN)
    assert (found.interval, found.timeout, found.account_interval) == (30.0, 10.0, 300.0)
    assert found.token_source == InSecret("argocd-token", "token", "team-a")


def test_it_is_named_after_its_object_unless_it_says_otherwise() -> None:
    assert read(PLAIN).name == "portal"
    assert read(f"name: other\n{PLAIN}").name == "other"
    assert read(f"name: ''\n{PLAIN}").name == "portal"
    assert read(f"name: portal\n{PLAIN}", binding=True).name == "portal"


def test_a_name_that_contradicts_the_label_is_told() -> None:
    assert problems(f"name: other\n{PLAIN}", binding=True) == [
        'name (line 1): is not "portal", which the label of its object says; leave it out, or correct the label'
    ]


def test_a_service_without_a_namespace_is_one_of_its_own_namespace_and_not_of_the_monitors() -> None:
    assert read(PLAIN).address.url == "http://argocd-server.team-a.svc"
    assert read(PLAIN.replace("argocd-server", "argocd-server.argocd")).address.url == "http://argocd-server.argocd"
    assert read(PLAIN, FILE).address.url == "http://argocd-server"


@pytest.mark.parametrize("origin", [MAP, SECRET], ids=str)
def test_a_secret_may_carry_the_token_itself(origin: Origin) -> None:
    found = read(PLAIN.replace("argocd-token", "portal"), origin)
    assert found.token_source == InSecret("portal", "token", "team-a")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty; write one target: name, server and auth, without a dash before it"),
        ("- name: a", "must be a mapping, not a list; write one target: name, server and auth, without a dash before it"),
        ("just words", "must be a mapping, not a text; write one target: name, server and auth, without a dash before it"),
        ("a: b: c", "line 1, column 5: is not valid YAML: mapping values are not allowed in this context; "
                    "mend the YAML there, or quote the text"),
        (f"{PLAIN}---\n{PLAIN}", "line 3, column 1: a second document starts here; write one document"),
        (f"{PLAIN}serve: x\n", "serve (line 3): is not a known key; did you mean server?"),
        (TOKEN, "server: has no address; add svc (a Service) or url, like https://argocd.example.com"),
        (f"{PLAIN}interval: 40m\naccountInterval: 20m\n", "accountInterval (line 4): accountInterval (20m) is shorter than "
         "interval (40m); make accountInterval at least as long as interval"),
        (f"name: Foo_Bar\n{PLAIN}", 'name (line 1): "Foo_Bar" is not a name for a target; use 1 to 63 lower-case letters, '
         "digits, - and ., with a letter or a digit first, last and beside each dot"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_as_in_the_configuration_file(text: str, said: str) -> None:
    (problem,) = problems(text)
    assert problem.removeprefix("configuration: ") == said


def test_an_object_without_a_target_says_so() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_target(Found(MAP, problem="has no key target.yaml; write one"), settings())
    assert in_words(caught.value) == "has no key target.yaml; write one"


@pytest.mark.parametrize("service", ["argocd-server", "argocd-server.team-a", "argocd-server.team-b.svc"])
def test_a_target_found_in_kubernetes_may_have_replicas_asked_where_targets_are_looked_for(service: str) -> None:
    assert read(f"server: {{svc: {service}}}\neveryReplica: true\n{TOKEN}").service is not None


@pytest.mark.parametrize("address", ["server: {svc: argocd-server.argocd}", "url: https://argocd-server"])
def test_a_target_found_in_kubernetes_has_replicas_asked_nowhere_else(address: str) -> None:
    assert paths(f"{address}\neveryReplica: true\n{TOKEN}") == ["everyReplica"]


def test_of_many_problems_the_first_few_are_shown_on_one_line() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read("\n".join(f"k{number}: 1" for number in range(30)))
    shown = in_words(caught.value)
    assert "\n" not in shown
    assert shown.endswith("and 27 more problems")


# --- What a target found in Kubernetes may not do ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("auth: {type: token, tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token}", "auth.tokenFile"),
        (f"auth: {{type: token, token: {CANARY}}}", "auth.token"),
        (f"{TOKEN[:-1]}, password: {CANARY}}}", "auth.password"),
        (f"{TOKEN[:-1]}, passwordFile: /etc/shadow}}", "auth.passwordFile"),
        (f"{TOKEN}\ntls: {{caFile: /etc/passwd}}", "tls.caFile"),
        (f"{TOKEN}\nnamespace: kube-system", "namespace"),
        (f"{TOKEN}\nnamespace: team-b", "namespace"),
        (f"{TOKEN}\nwatchArgoCD: {{namespace: kube-system}}", "watchArgoCD.namespace"),
        (f"{TOKEN}\ninterval: 10s", "interval"),
        (f"{TOKEN}\nrenew: true", "rotation"),
        ("auth: {type: password}", "rotation"),
    ],
)
def test_a_target_found_in_kubernetes_is_kept_within_its_bounds(text: str, path: str) -> None:
    for origin in (MAP, SECRET):
        assert paths(f"url: https://argocd.example.com\n{text}", origin) == [path]
    # The directory is its owner's, who writes the configuration file, too.
    read(f"url: https://argocd.example.com\n{text}", FILE)


def test_everything_that_is_out_of_bounds_is_told_at_once() -> None:
    text = "url: http://localhost\nnamespace: x\nrenew: true\nauth: {type: token, tokenFile: /t}\ntls: {caFile: /c}\n"
    assert set(paths(text)) == {"auth.tokenFile", "tls.caFile", "namespace", "rotation", "server"}


@pytest.mark.parametrize(
    "host",
    ["localhost", "a.localhost", "127.0.0.1", "127.8.8.8", "[::1]", "169.254.169.254", "[fe80::1]", "0.0.0.0", "[::]",
     "[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]"],
)  # fmt: skip
def test_it_does_not_point_to_the_monitor_or_its_machine_unless_that_very_host_is_allowed(host: str) -> None:
    for allowed in ([], ["argocd.example.com"], ["*.localhost", "*.0.0.1"]):
        assert paths(f"url: http://{host}:8080\n{TOKEN}", servers=allowed) == ["server"]
    read(f"url: http://{host}:8080\n{TOKEN}", FILE)
    if ":" not in host:
        read(f"url: http://{host}:8080\n{TOKEN}", servers=[host])


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://argocd.example.com", True),
        ("https://argocd.example.com:8443/x", True),
        ("https://ARGOCD.example.com", True),
        ("https://argocd.example.com.", True),
        ("https://a.apps.example.com", True),
        ("https://a.b.apps.example.com", True),
        ("https://apps.example.com", False),
        ("https://evil-apps.example.com", False),
        ("https://argocd.example.com.evil.com", False),
        ("https://example.com", False),
    ],
)
def test_where_servers_are_named_a_target_goes_to_no_other(url: str, fits: bool) -> None:
    servers = ["argocd.example.com", "*.apps.example.com"]
    if fits:
        read(f"url: {url}\n{TOKEN}", servers=servers)
    else:
        (problem,) = problems(f"url: {url}\n{TOKEN}", servers=servers)
        assert "discovery.kubernetes.servers" in problem
    read(f"url: {url}\n{TOKEN}")


def test_a_service_of_its_own_namespace_can_be_allowed() -> None:
    read(PLAIN, servers=["*.team-a.svc"])
    assert paths(PLAIN.replace("argocd-server", "x.team-b.svc"), servers=["*.team-a.svc"]) == ["server"]


def test_rotation_is_allowed_by_the_configuration_alone() -> None:
    found = read("url: https://argocd.example.com\nauth: {type: password}", allowRotation=True)
    assert found.rotation is not None
    assert found.password_source == InSecret("argocd-initial-admin-secret", "password", "team-a")
    assert found.namespace == "team-a", "and with it journal and consumers"
    only_watched = read("url: https://argocd.example.com\nauth: {type: password}\nrotation: {enabled: false}")
    assert only_watched.rotation is None


@pytest.mark.parametrize("namespace", ["team-a", "team-b"])
def test_argo_cd_may_be_watched_where_targets_are_looked_for(namespace: str) -> None:
    found = read(f"{PLAIN}watchArgoCD: {{namespace: {namespace}}}\n")
    assert found.installation == InstallationSettings(namespace)
    assert read(f"{PLAIN}watchArgoCD: {{}}\n").installation == InstallationSettings("team-a")


def test_a_file_may_do_what_the_configuration_file_may() -> None:
    found = read(
        "url: https://a.example.com\nauth: {type: token, tokenFile: /run/token}\nrenew: true\ninterval: 5s", FILE
    )
    assert (found.token_source, found.interval) == (InFile("/run/token"), 5.0)
    assert found.rotation is not None


# --- Bounds -----------------------------------------------------------------------------------------------------------


def test_a_text_that_unfolds_to_very_much_is_refused_in_no_time() -> None:
    bomb = (
        "a: &a [" + ",".join("x" * 10) + "]\nb: &b [" + ",".join(["*a"] * 40) + "]\nc: [" + ",".join(["*b"] * 40) + "]"
    )
    keys = "a: &a {" + ",".join(f"k{number}: 1" for number in range(400)) + "}\nworkloads: [*a, *a]"
    began = time.perf_counter()
    for text in (bomb, keys):
        (problem,) = problems(text)
        assert f"holds more than {MAX_VALUES} values" in problem
    assert time.perf_counter() - began < fairly(1.0)


def test_a_target_with_everything_has_room() -> None:
    permissions = [f"applications/get/project-{number}/*" for number in range(32)]
    workloads = [{"kind": "Deployment", "name": f"w{number}"} for number in range(50)]
    text = f"{PLAIN}renew: true\nconsumers: {{workloads: {workloads}}}\nrequiredPermissions: {permissions}\n"
    assert len(read(text, allowRotation=True).required_permissions) == 32


def test_the_label_is_a_contract() -> None:
    assert (LABEL, KEYS) == ("tokenmonitor.io/target", ("target.yaml", "target"))
    assert SELECTOR == "tokenmonitor.io/target,tokenmonitor.io/target!=false"


def test_a_target_that_did_not_change_is_equal_to_itself() -> None:
    """What the fleet goes by to leave a target alone."""
    assert read(PLAIN) == read(f"# a comment\n{PLAIN}")
    assert read(PLAIN) != replace(read(PLAIN), interval=31.0)
