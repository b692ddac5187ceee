"""The Roles of the chart: which verbs on which names for each mode, as tables. `test_permissions_at_work` uses them."""

from __future__ import annotations

import pytest
from monitor.config.load import settings_of
from monitor.config.permissions import needed_permissions
from monitor.core.permissions import ServiceAccount, roles

from tests.chart.objects import configuration, of_kind, one, rights
from tests.chart.scenarios import EVERYTHING, PASSWORD, READ, SCENARIOS, TOKEN, values
from tests.chart.tools import NAMESPACE, RELEASE, Values, render


def secret(name: str, *verbs: str) -> set[tuple[str, str, str]]:
    return {("secrets", name, verb) for verb in verbs}


def slots(count: int, name: str = RELEASE) -> set[tuple[str, str, str]]:
    return {
        ("leases.coordination.k8s.io", f"{name}-shard-{number}", verb)
        for number in range(count)
        for verb in ("get", "update")
    }


EVENTS = {("events.events.k8s.io", "*", verb) for verb in ("create", "patch")}
LEASE = {("leases.coordination.k8s.io", RELEASE, verb) for verb in ("get", "update")}
MADE_LEASE = {("leases.coordination.k8s.io", "*", "create")}
JOURNAL = secret("token-monitor-journal-a", "get", "patch")
BY_PASSWORD = (
    secret("argocd-token", *READ, "patch") | secret("argocd-initial-admin-secret", *READ) | JOURNAL | EVENTS | LEASE
)
INSIDE = {
    (resource, name, verb)
    for resource, name in (("configmaps", "argocd-cm"), ("secrets", "argocd-secret"))
    for verb in ("list", "watch")
}
REPLICAS = {("endpointslices.discovery.k8s.io", "*", verb) for verb in ("list", "watch")}
SEEN = {("pods", "*", "list")}
FOUND = {("deployments.apps", "*", "list")}


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        pytest.param(values(TOKEN), secret("my-token", *READ) | EVENTS, id="token mode only reads"),
        pytest.param(
            values(TOKEN, {"config": {"kubernetes": {"events": False}}}),
            secret("my-token", *READ),
            id="token mode without events",
        ),
        pytest.param(
            values(TOKEN, {"replicaCount": 2}), secret("my-token", *READ) | EVENTS | LEASE, id="token mode, replicas"
        ),
        pytest.param(
            values(TOKEN, {"rbac": {"allowCreate": True}}),
            secret("my-token", *READ) | EVENTS,
            id="token mode never creates Secrets",
        ),
        pytest.param(values({"type": "token", "tokenFile": "/t"}), set(), id="a file needs nothing"),
        pytest.param(values({"type": "token", "token": "t"}), set(), id="in clear needs nothing"),
        pytest.param(
            values(TOKEN, renew=True),
            secret("my-token", *READ, "patch") | JOURNAL | EVENTS | LEASE,
            id="renew",
        ),
        pytest.param(values(PASSWORD), BY_PASSWORD, id="password mode"),
        pytest.param(
            values(PASSWORD, {"rbac": {"allowCreate": True}}),
            BY_PASSWORD | secret("*", "create"),
            id="password mode, creating",
        ),
        pytest.param(values(PASSWORD, {"lease": {"create": False}}), BY_PASSWORD | MADE_LEASE, id="the Lease is made"),
        pytest.param(
            values(PASSWORD, {"config": {"kubernetes": {"lease": {"enabled": False}}}}), BY_PASSWORD - LEASE, id="no Lease"
        ),
        pytest.param(
            values({"type": "password", "password": "p"}),
            BY_PASSWORD - secret("argocd-initial-admin-secret", *READ),
            id="password in clear",
        ),
        pytest.param(
            values({**PASSWORD, "passwordSecretKeyRef": {"name": "pw", "key": "p"}, "tokenSecretKeyRef": {"name": "t", "key": "k"}}),
            secret("t", *READ, "patch") | secret("pw", *READ) | JOURNAL | EVENTS | LEASE,
            id="password mode, Secrets of one's own",
        ),
        pytest.param(
            values(PASSWORD, rotation={"enabled": False}),
            secret("argocd-token", *READ) | EVENTS,
            id="password mode, only watching",
        ),
        pytest.param(
            values(PASSWORD, consumers={"preset": "codefresh"}), BY_PASSWORD | SEEN | FOUND, id="consumers of codefresh"
        ),
        pytest.param(
            values(PASSWORD, consumers={"preset": "codefresh", "restartConsumers": True}),
            BY_PASSWORD | SEEN | FOUND | {("deployments.apps", "cap-app-proxy", "patch")},
            id="consumers of codefresh, restarted",
        ),
        pytest.param(
            values(
                TOKEN,
                renew=True,
                consumers={
                    "restartConsumers": True,
                    "workloads": [
                        {"name": "portal"},
                        {"kind": "StatefulSet", "selector": "app=x"},
                        {"kind": "DaemonSet", "name": "agent", "live": True},
                    ],
                },
            ),
            secret("my-token", *READ, "patch")
            | JOURNAL
            | EVENTS
            | LEASE
            | SEEN
            | {("deployments.apps", "portal", verb) for verb in ("get", "patch")}
            | {("statefulsets.apps", "*", verb) for verb in ("list", "patch")},
            id="workloads",
        ),
        pytest.param(
            values(TOKEN, watchArgoCD={}),
            secret("my-token", *READ) | EVENTS | INSIDE,
            id="inside of Argo CD, by name and without get",
        ),
        pytest.param(
            values(TOKEN, everyReplica=True),
            secret("my-token", *READ) | EVENTS | REPLICAS,
            id="every replica, of any name",
        ),
        pytest.param(
            values(TOKEN, everyReplica=False), secret("my-token", *READ) | EVENTS, id="every replica, which is not wanted"
        ),
        pytest.param(
            values({"type": "token", "tokenFile": "/t"}, {"config": {"discovery": {"kubernetes": {"namespaces": [NAMESPACE]}}}}),
            {("configmaps", "*", verb) for verb in ("list", "watch")} | EVENTS,
            id="discovery in ConfigMaps",
        ),
        pytest.param(
            values(
                {"type": "token", "tokenFile": "/t"},
                {
                    "config": {
                        "kubernetes": {"events": False},
                        "discovery": {"kubernetes": {"namespaces": [NAMESPACE], "kinds": ["Secret"], "allowRotation": True}},
                    }
                },
            ),
            {("secrets", "*", verb) for verb in ("list", "watch")} | LEASE,
            id="discovery in Secrets, with rotation",
        ),
        pytest.param(values(PASSWORD, {"rbac": {"create": False}}), set(), id="no roles"),
        pytest.param(
            values(PASSWORD, {"shards": {"enabled": True}, "replicaCount": 3}), BY_PASSWORD - LEASE | slots(4), id="shards"
        ),
        pytest.param(
            values(PASSWORD, {"shards": {"enabled": True}, "replicaCount": 4, "lease": {"create": False}}),
            BY_PASSWORD - LEASE | slots(8) | MADE_LEASE,
            id="shards, the Leases are made",
        ),
        pytest.param(
            values(
                {"type": "token", "tokenFile": "/t"},
                {"config": {"kubernetes": {"shards": {"enabled": True, "slots": 2}, "lease": {"name": "x"}}}},
            ),
            slots(2, "x"),
            id="shards without any Secret, told by the configuration",
        ),
    ],
)  # fmt: skip
def test_the_verbs_on_each_name_are_these(given: Values, rows: set[tuple[str, str, str]]) -> None:
    found = rights(render(given))
    assert {namespace for namespace, *_ in found} <= {NAMESPACE}
    assert {(resource, name, verb) for _, resource, name, verb in found} == rows


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "existing"])
def test_the_roles_are_what_the_program_says_that_it_needs(name: str) -> None:
    """`token-monitor doctor --rbac` prints from the same table."""
    objects = render(None, SCENARIOS[name])
    everything = SCENARIOS[name] == EVERYTHING
    settings = settings_of(configuration(objects, "argocd-tokens" if everything else RELEASE))
    needed = [
        permission
        for permission in needed_permissions(settings)
        if "create" not in permission.verbs or permission.resource == "events" or everything
    ]
    assert rights(objects) == rights(roles(needed, ServiceAccount(NAMESPACE, RELEASE)))


def test_targets_in_several_namespaces_have_a_role_in_each_for_the_one_service_account() -> None:
    objects = render(None, SCENARIOS["namespaces"])
    assert {role["metadata"]["namespace"] for role in of_kind(objects, "Role")} == {"shared", "team-two", "leases"}
    for binding in of_kind(objects, "RoleBinding"):
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": RELEASE, "namespace": NAMESPACE}]
        # In somebody else's namespace the name says whose it is.
        assert binding["roleRef"]["name"] == binding["metadata"]["name"] == f"{NAMESPACE}:{RELEASE}"
    assert one(objects, "Lease")["metadata"] | {"labels": None} == {
        "name": "monitors",
        "namespace": "leases",
        "labels": None,
    }
    assert one(objects, "Secret")["metadata"]["namespace"] == "team-two"


@pytest.mark.parametrize(
    ("server", "namespace"),
    [
        ({"svc": "argocd-server"}, NAMESPACE),
        ({"svc": "argocd-server.argocd"}, "argocd"),
        ({"svc": "argocd-server.argocd.svc.cluster.local."}, "argocd"),
        ({"url": "https://argocd-server"}, NAMESPACE),
        ({"url": "https://argocd-server.argocd.svc"}, "argocd"),
        ({"url": "https://argocd-server.argocd.svc.cluster.local:8443/argocd"}, "argocd"),
    ],
)
def test_replicas_are_looked_for_where_argo_cd_s_service_is(server: dict[str, str], namespace: str) -> None:
    given = values({"type": "token", "tokenFile": "/t"}, everyReplica=True)
    given["targets"][0]["server"] = server
    objects = render(given)
    assert {place for place, *_ in rights(objects)} == {namespace}
    needed = needed_permissions(settings_of(configuration(objects)))
    assert rights(objects) == rights(roles(needed, ServiceAccount(NAMESPACE, RELEASE)))


def test_the_service_account_is_the_one_of_the_pods() -> None:
    for name, account in (("password", RELEASE), ("existing", "monitor"), ("everything", "monitor")):
        objects = render(None, SCENARIOS[name])
        assert one(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == account
        assert all(binding["subjects"][0]["name"] == account for binding in of_kind(objects, "RoleBinding"))
        assert {found["metadata"]["name"] for found in of_kind(objects, "ServiceAccount")} == (
            {account} - {"monitor"} if name == "existing" else {account}
        )
