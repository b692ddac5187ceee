"""Permissions become Roles with names only, one a namespace, that allow what is needed and no more."""

from __future__ import annotations

from typing import Any

from monitor.core.permissions import CORE, Permission, ServiceAccount, in_namespace, roles

MONITOR = ServiceAccount("ops", "token-monitor")


def secret(namespace: str | None, name: str | None, *verbs: str, optional: bool = False) -> Permission:
    return Permission(namespace, CORE, "secrets", verbs, name, "a reason", optional)


def rules(*permissions: Permission, namespace: str = "ops") -> list[dict[str, Any]]:
    (role,) = (
        found
        for found in roles(permissions, MONITOR)
        if found["kind"] == "Role" and found["metadata"]["namespace"] == namespace
    )
    found: list[dict[str, Any]] = role["rules"]
    return found


def test_verbs_on_the_same_object_share_a_rule_and_so_do_objects_with_the_same_verbs() -> None:
    found = rules(
        secret(None, "b", "get"),
        secret("ops", "a", "get"),
        secret(None, "a", "watch", "list"),
        secret(None, "b", "list", "watch"),
        secret(None, "c", "patch"),
    )
    assert found == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a", "b"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["c"], "verbs": ["patch"]},
    ]


def test_a_rule_without_a_name_never_takes_in_one_with_a_name() -> None:
    found = rules(secret(None, None, "get"), secret(None, "a", "get"))
    assert [rule.get("resourceNames") for rule in found] == [None, ["a"]]


def test_creating_is_not_limited_to_a_name_as_rbac_could_not_do_that() -> None:
    (rule,) = rules(secret(None, "a", "create"))
    assert rule == {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}


def test_each_namespace_has_a_role_and_a_binding_to_the_one_service_account() -> None:
    found = roles([secret("argocd", "a", "get"), secret(None, "b", "get")], MONITOR)
    assert [(one["kind"], one["metadata"]["namespace"]) for one in found] == [
        ("Role", "argocd"),
        ("RoleBinding", "argocd"),
        ("Role", "ops"),
        ("RoleBinding", "ops"),
    ]
    binding = found[1]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "token-monitor", "namespace": "ops"}]
    assert binding["roleRef"]["name"] == found[0]["metadata"]["name"] == "token-monitor"


def test_nothing_is_granted_in_the_whole_cluster() -> None:
    kinds = {one["kind"] for one in roles([secret(None, "a", "get")], MONITOR)}
    assert kinds == {"Role", "RoleBinding"}
    assert roles([], MONITOR) == ()


def test_what_several_targets_need_is_there_once() -> None:
    found = in_namespace(
        [secret(None, "a", "get"), secret("ops", "a", "get"), secret("ops", "a", "patch"), secret("ops", None, "get")],
        "ops",
    )
    assert [(one.namespace, one.name, one.verbs) for one in found] == [
        ("ops", "a", ("get",)),
        ("ops", "a", ("patch",)),
        ("ops", None, ("get",)),
    ]


def test_a_permission_reads_as_kubectl_takes_it() -> None:
    lease = Permission("ops", "coordination.k8s.io", "leases", ("get", "update"), "token-monitor", "x")
    assert str(lease) == "get, update leases.coordination.k8s.io/token-monitor in ops"
    assert str(secret(None, None, "list")) == "list secrets"
