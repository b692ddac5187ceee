"""The sections that say where targets are found and where Argo CD is watched: what the program gets, and what they need."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from monitor.config.address import ServiceName
from monitor.config.found import read_target
from monitor.config.load import load, load_file, settings_of
from monitor.config.permissions import needed_permissions, permissions_of, shared_permissions
from monitor.config.settings import DiscoverySettings, InstallationSettings, KubernetesDiscoverySettings, Settings
from monitor.config.warnings import warnings_of
from monitor.core.discovery import KEYS, LABEL, ON, Found, Origin
from monitor.core.permissions import ServiceAccount, roles
from monitor.core.secret import Secret

GOOD = Path(__file__).parent / "good"
DOCS = Path(__file__).parent.parent.parent / "docs"
TARGET = {"name": "a", "url": "https://a.example.com", "auth": {"type": "token", "tokenFile": "/t"}}


def settings(*targets: dict[str, Any], **sections: Any) -> Settings:
    return settings_of({"targets": list(targets), **sections})


def test_everything_that_can_be_said_is_resolved() -> None:
    found = load_file(GOOD / "discovery.yaml")
    assert found.discovery == DiscoverySettings(
        KubernetesDiscoverySettings(
            ("team-a", "team-b"),
            ("ConfigMap", "Secret"),
            ("argocd.example.com", "*.apps.example.com"),
            allow_rotation=True,
        ),
        "/etc/token-monitor/targets.d",
    )
    assert [target.installation for target in found.targets] == [
        InstallationSettings("argocd"),
        InstallationSettings("argo"),
    ]


def test_by_default_nothing_is_discovered_and_no_argo_cd_watched() -> None:
    found = settings(TARGET)
    assert (found.discovery, found.targets[0].installation) == (None, None)


def test_where_targets_are_discovered_the_file_needs_none() -> None:
    for targets in ("", "targets:\n", "targets: []\n"):
        found = load(f"discovery: {{directory: /etc/targets}}\n{targets}")
        assert (found.targets, found.discovery) == ((), DiscoverySettings(directory="/etc/targets"))


def test_by_default_config_maps_are_looked_for_that_may_name_any_server_and_rotate_nothing() -> None:
    found = settings(discovery={"kubernetes": {"namespaces": ["a"]}})
    assert found.discovery is not None
    assert found.discovery.kubernetes == KubernetesDiscoverySettings(("a",), ("ConfigMap",), (), allow_rotation=False)


@pytest.mark.parametrize(
    ("target", "namespace"),
    [
        ({"server": {"svc": "argocd-server.argocd"}}, "argocd"),
        ({"server": {"svc": "argocd-server.argocd.svc.cluster.local"}}, "argocd"),
        ({"server": {"svc": "argocd-server"}}, "codefresh"),
        ({"server": {"svc": "argocd-server"}, "namespace": "portal"}, "portal"),
        ({"url": "https://argocd.example.com"}, "codefresh"),
        ({"server": {"svc": "argocd-server.argocd"}, "watchArgoCD": {"namespace": "said"}}, "said"),
    ],
)
def test_the_namespace_of_argo_cd_follows_from_the_service_or_is_that_of_the_secrets(
    target: dict[str, Any], namespace: str
) -> None:
    found = settings(
        {"name": "a", "auth": TARGET["auth"], "watchArgoCD": {}, **target}, kubernetes={"namespace": "codefresh"}
    )
    assert found.targets[0].installation == InstallationSettings(namespace)


@pytest.mark.parametrize(
    ("server", "service"),
    [
        ({"svc": "argocd-server"}, ServiceName("argocd-server")),
        ({"svc": "argocd-server.argocd", "port": 8080}, ServiceName("argocd-server", "argocd")),
        ({"svc": "argocd-server.argocd.svc.cluster.local."}, ServiceName("argocd-server", "argocd")),
        ({"url": "https://argocd-server"}, ServiceName("argocd-server")),
        ({"url": "https://argocd-server.argocd.svc:8443/argocd"}, ServiceName("argocd-server", "argocd")),
        ({"url": "https://argocd-server.argocd.svc.cluster.local"}, ServiceName("argocd-server", "argocd")),
    ],
)
def test_the_service_whose_replicas_are_asked_is_the_one_of_the_address(
    server: dict[str, Any], service: ServiceName
) -> None:
    target = {"name": "a", "auth": TARGET["auth"], "server": server}
    assert settings({**target, "everyReplica": True}).targets[0].service == service
    assert settings(target).targets[0].service is None, "only where it is wanted"


def test_without_servers_the_owner_is_warned() -> None:
    where = {"kubernetes": {"namespaces": ["a"]}}
    assert [notice.path for notice in warnings_of(settings(discovery=where))] == ["discovery.kubernetes.servers"]
    where["kubernetes"]["servers"] = ["argocd.example.com"]
    assert warnings_of(settings(discovery=where)) == ()
    assert warnings_of(settings(discovery={"directory": "/t"}, stateDir="/s")) == (), "its files may be rotated"


def test_the_examples_of_the_documentation_are_right() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", (DOCS / "discovery.md").read_text(), re.DOTALL)
    section, object_, watched = (yaml.safe_load(example) for example in examples)
    found = settings(**section)
    assert found.discovery is not None
    assert found.discovery.kubernetes is not None
    text = Secret(object_["data"][KEYS[0]])
    assert object_["metadata"]["labels"] == {LABEL: ON}
    name, namespace = object_["metadata"]["name"], object_["metadata"]["namespace"]
    with_servers = replace(found.discovery.kubernetes, servers=("*.team-a.svc",))
    found = replace(found, discovery=replace(found.discovery, kubernetes=with_servers))
    target = read_target(Found(Origin("ConfigMap", namespace, name), text, name=name), found)
    assert (target.name, target.address.url) == ("portal", "http://argocd-server.team-a.svc")
    given = {**watched["targets"][0], "auth": TARGET["auth"]}
    assert settings(given).targets[0].installation == InstallationSettings("argocd")


# --- Permissions ------------------------------------------------------------------------------------------------------


def rows(some: Settings) -> set[tuple[str | None, str, str, str | None, bool]]:
    return {
        (one.namespace, ",".join(one.verbs), one.full_resource, one.name, one.optional)
        for one in needed_permissions(some)
    }


def test_to_ask_every_replica_takes_the_endpoint_slices_of_a_namespace_and_is_optional() -> None:
    some = [{**TARGET, "name": name, "url": "https://argocd-server.argocd.svc", "everyReplica": True} for name in "ab"]
    assert rows(settings(*some)) == {("argocd", "list,watch", "endpointslices.discovery.k8s.io", None, True)}


def test_to_watch_argo_cd_takes_its_two_objects_by_name_and_is_optional() -> None:
    found = settings({**TARGET, "watchArgoCD": {"namespace": "argocd"}})
    assert rows(found) == {
        ("argocd", "list,watch", "configmaps", "argocd-cm", True),
        ("argocd", "list,watch", "secrets", "argocd-secret", True),
    }
    assert set(permissions_of(found.targets[0], found)) == set(needed_permissions(found))


def test_targets_of_one_argo_cd_need_it_once() -> None:
    some = [{**TARGET, "name": name, "watchArgoCD": {"namespace": "argocd"}} for name in ("a", "b", "c")]
    assert len(needed_permissions(settings(*some))) == 2


def test_to_find_config_maps_takes_all_of_a_namespace_and_no_secret_beside() -> None:
    found = settings(discovery={"kubernetes": {"namespaces": ["team-a", "team-b"]}})
    assert rows(found) == {
        (namespace, *row)
        for namespace in ("team-a", "team-b")
        for row in (
            ("list,watch", "configmaps", None, False),
            ("create,patch", "events.events.k8s.io", None, True),
        )
    }
    assert set(shared_permissions(found)) == set(needed_permissions(found))


def test_to_find_secrets_opens_all_of_a_namespace_and_that_is_said() -> None:
    found = settings(
        discovery={"kubernetes": {"namespaces": ["team-a"], "kinds": ["Secret"]}}, kubernetes={"events": False}
    )
    assert rows(found) == {("team-a", "list,watch", "secrets", None, False)}
    (one,) = needed_permissions(found)
    assert "all of the namespace can be read then" in one.why
    role, _ = roles(needed_permissions(found), ServiceAccount("ops", "token-monitor"))
    assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "watch"]}]


def test_a_directory_needs_nothing_of_kubernetes() -> None:
    assert rows(settings(discovery={"directory": "/t"})) == set()


def test_replicas_that_rotate_discovered_targets_agree_on_one_of_them() -> None:
    found = settings(
        discovery={"kubernetes": {"namespaces": ["a"], "allowRotation": True}}, kubernetes={"events": False}
    )
    assert (None, "get,update", "leases.coordination.k8s.io", "token-monitor", True) in rows(found)
