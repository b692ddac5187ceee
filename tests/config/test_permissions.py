"""What each kind of configuration needs of Kubernetes, as a table: enough for its work, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from monitor.config.load import settings_of
from monitor.config.permissions import needed_permissions

TOKEN = {"type": "token", "tokenSecretKeyRef": {"name": "my-token", "key": "token"}}
PASSWORD = {"type": "password"}
JOURNAL = "token-monitor-journal-a"

Row = tuple[str, str, str | None]


def needed(auth: dict[str, Any], kubernetes: dict[str, Any] | None = None, **more: Any) -> set[Row]:
    """(verbs, resource, name) of each permission; all in the target's own namespace."""
    target = {"name": "a", "url": "https://a.example.com", "namespace": "codefresh", "auth": auth, **more}
    settings = settings_of({"kubernetes": {"namespace": "codefresh", **(kubernetes or {})}, "targets": [target]})
    found = needed_permissions(settings)
    assert {permission.namespace for permission in found} <= {"codefresh"}
    assert all(permission.why for permission in found)
    return {(",".join(one.verbs), one.full_resource, one.name) for one in found}


EVENTS = ("create,patch", "events.events.k8s.io", None)
WATCHED = {("get", "secrets", "my-token"), ("list,watch", "secrets", "my-token"), EVENTS}
LEASE = {
    ("get,update", "leases.coordination.k8s.io", "token-monitor"),
    ("create", "leases.coordination.k8s.io", "token-monitor"),
}
JOURNALED = {("get,patch", "secrets", JOURNAL), ("create", "secrets", JOURNAL)}
BY_PASSWORD = {
    ("get", "secrets", "argocd-token"),
    ("list,watch", "secrets", "argocd-token"),
    ("patch", "secrets", "argocd-token"),
    ("create", "secrets", "argocd-token"),
    ("get", "secrets", "argocd-initial-admin-secret"),
    ("list,watch", "secrets", "argocd-initial-admin-secret"),
    EVENTS,
    *JOURNALED,
    *LEASE,
}
PODS = ("list", "pods", None)


@pytest.mark.parametrize(
    ("auth", "more", "rows"),
    [
        pytest.param({"type": "token", "tokenFile": "/t"}, {}, set(), id="a file needs nothing"),
        pytest.param({"type": "token", "token": "t"}, {}, set(), id="in clear"),
        pytest.param(TOKEN, {}, WATCHED, id="token mode only reads"),
        pytest.param(TOKEN, {"kubernetes": {"events": False}}, WATCHED - {EVENTS}, id="without events"),
        pytest.param(
            {**TOKEN, "username": "ci"},
            {"renew": True},
            {*WATCHED, ("patch", "secrets", "my-token"), ("create", "secrets", "my-token"), *JOURNALED, *LEASE},
            id="renew",
        ),
        pytest.param(PASSWORD, {}, BY_PASSWORD, id="password mode"),
        pytest.param(
            PASSWORD, {"kubernetes": {"lease": {"enabled": False}}}, BY_PASSWORD - LEASE, id="without a lease"
        ),
        pytest.param(
            PASSWORD,
            {"rotation": {"enabled": False}},
            {("get", "secrets", "argocd-token"), ("list,watch", "secrets", "argocd-token"), EVENTS},
            id="password mode that only watches reads no password",
        ),
        pytest.param({**PASSWORD, "tokenFile": "/t", "passwordFile": "/p"}, {}, set(), id="password mode in files"),
        pytest.param(
            PASSWORD,
            {"consumers": {"preset": "codefresh"}},
            {*BY_PASSWORD, PODS, ("list", "deployments.apps", None)},
            id="codefresh, restarting nobody",
        ),
        pytest.param(
            PASSWORD,
            {"consumers": {"preset": "codefresh", "restartConsumers": True}},
            {
                *BY_PASSWORD,
                PODS,
                ("list", "deployments.apps", None),
                ("patch", "deployments.apps", "cap-app-proxy"),
            },
            id="codefresh, restarting app-proxy alone",
        ),
        pytest.param(
            PASSWORD,
            {
                "consumers": {
                    "restartConsumers": True,
                    "workloads": [
                        {"name": "portal"},
                        {"kind": "StatefulSet", "selector": "app=back"},
                        {"kind": "DaemonSet", "name": "reads-itself", "live": True},
                    ],
                }
            },
            {
                *BY_PASSWORD,
                PODS,
                ("get", "deployments.apps", "portal"),
                ("patch", "deployments.apps", "portal"),
                ("list", "statefulsets.apps", None),
                ("patch", "statefulsets.apps", None),
            },
            id="workloads by name and by label",
        ),
        pytest.param(
            PASSWORD,
            {"consumers": {"workloads": [{"name": "reads-itself", "live": True}]}},
            BY_PASSWORD,
            id="live consumers are left alone",
        ),
    ],
)
def test_what_a_configuration_needs(auth: dict[str, Any], more: dict[str, Any], rows: set[Row]) -> None:
    assert needed(auth, **more) == rows


def test_a_namespace_that_nobody_names_is_the_monitors_own() -> None:
    settings = settings_of({"targets": [{"name": "a", "url": "https://a.example.com", "auth": PASSWORD}]})
    assert {permission.namespace for permission in needed_permissions(settings)} == {None}


def test_the_lease_may_be_elsewhere() -> None:
    target = {"name": "a", "url": "https://a.example.com", "auth": PASSWORD, "namespace": "codefresh"}
    settings = settings_of({"kubernetes": {"lease": {"namespace": "ops", "name": "x"}}, "targets": [target]})
    leases = [one for one in needed_permissions(settings) if one.resource == "leases"]
    assert {(one.namespace, one.name) for one in leases} == {("ops", "x")}


def test_a_journal_of_a_secret_stays_in_its_namespace_and_each_target_has_its_own() -> None:
    targets = [
        {"name": name, "url": "https://a.example.com", "auth": PASSWORD, "namespace": name} for name in ("a", "b")
    ]
    found = {(one.namespace, one.name) for one in needed_permissions(settings_of({"targets": targets}))}
    assert {("a", "token-monitor-journal-a"), ("b", "token-monitor-journal-b")} <= found
    assert not {("a", "token-monitor-journal-b"), ("b", "token-monitor-journal-a")} & found


def test_without_what_is_optional_the_monitor_still_does_its_work() -> None:
    """Reading, writing the key and the journal, and restarts that were asked for are not optional; the rest is."""
    more = {"consumers": {"preset": "codefresh", "restartConsumers": True}}
    target = {"name": "a", "url": "https://a.example.com", "auth": PASSWORD, **more}
    required = {
        (verb, one.name)
        for one in needed_permissions(settings_of({"targets": [target]}))
        if not one.optional
        for verb in one.verbs
    }
    assert required == {
        ("get", "argocd-token"),
        ("patch", "argocd-token"),
        ("get", "argocd-initial-admin-secret"),
        ("get", JOURNAL),
        ("patch", JOURNAL),
        ("patch", "cap-app-proxy"),
    }
