"""Permissions: what RBAC lets through, in which words it refuses, and what it tells those who ask beforehand."""

from __future__ import annotations

import pytest
from monitor.simulator.kubernetes.access import ANONYMOUS, Rule, service_account
from monitor.simulator.kubernetes.verbs import handle
from monitor.simulator.kubernetes.watches import Watch
from monitor.simulator.kubernetes.wire import Request

from tests.simulator.kubernetes.stage import DEPLOYMENTS, LEASES, NAMESPACE, SECRETS, Desk, secret

MONITOR = service_account(NAMESPACE, "token-monitor")
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
NAMED = Rule("get,list,watch,update,patch", "secrets", namespaces=(NAMESPACE,), names=("argocd-token",), title="tm")


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.ask("POST", SECRETS, secret("argocd-token"))
    desk.user = MONITOR
    return desk


def test_who_is_not_restricted_may_do_everything(desk: Desk) -> None:
    assert desk.ask("DELETE", f"{SECRETS}/argocd-token").status == 200


def test_a_refusal_says_who_may_not_do_what_and_where(desk: Desk) -> None:
    desk.state.access.restrict(MONITOR)
    refused = desk.ask("GET", f"{SECRETS}/argocd-token")
    assert refused.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'secrets "argocd-token" is forbidden: User "system:serviceaccount:argocd:token-monitor" cannot get'
        ' resource "secrets" in API group "" in the namespace "argocd"',
        "reason": "Forbidden",
        "details": {"name": "argocd-token", "kind": "secrets"},
        "code": 403,
    }


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        (
            "GET",
            SECRETS,
            'secrets is forbidden: User "{}" cannot list resource "secrets" in API group "" in the namespace',
        ),
        ("GET", "/api/v1/secrets", 'cannot list resource "secrets" in API group "" at the cluster scope'),
        ("POST", SECRETS, 'secrets is forbidden: User "{}" cannot create resource "secrets"'),
        (
            "PUT",
            f"{LEASES}/x",
            'leases.coordination.k8s.io "x" is forbidden: User "{}" cannot update resource "leases"',
        ),
        ("PATCH", f"{DEPLOYMENTS}/x/status", 'cannot patch resource "deployments/status" in API group "apps"'),
        ("DELETE", SECRETS, 'cannot deletecollection resource "secrets"'),
        ("GET", "/nosuch", 'forbidden: User "{}" cannot get path "/nosuch"'),
    ],
)
def test_refusals_name_the_verb_and_the_resource(desk: Desk, method: str, path: str, words: str) -> None:
    desk.state.access.restrict(MONITOR)
    refused = desk.ask(method, path, {})
    assert refused.status == 403
    assert words.format(MONITOR) in refused.body["message"]


def test_a_rule_for_one_name_lets_that_name_through_and_no_other(desk: Desk) -> None:
    desk.state.access.restrict(MONITOR, NAMED)
    assert desk.ask("GET", f"{SECRETS}/argocd-token").status == 200
    assert desk.ask("GET", f"{SECRETS}/other").status == 403
    assert desk.ask("GET", "/api/v1/namespaces/other/secrets/argocd-token").status == 403
    assert desk.ask("DELETE", f"{SECRETS}/argocd-token").status == 403


def test_a_rule_for_one_name_lets_lists_and_watches_through_only_where_they_select_it(desk: Desk) -> None:
    desk.state.access.restrict(MONITOR, NAMED)
    chosen = {"fieldSelector": "metadata.name=argocd-token"}
    assert desk.ask("GET", SECRETS).status == 403
    assert desk.ask("GET", SECRETS, query=chosen).status == 200
    assert desk.ask("GET", SECRETS, query={"fieldSelector": "metadata.name=other"}).status == 403
    assert desk.ask("GET", SECRETS, query={"watch": "true"}).status == 403
    watch = handle(desk.state, Request(MONITOR, "GET", SECRETS, {**chosen, "watch": "true"}))
    assert isinstance(watch, Watch)


def test_a_creation_cannot_be_allowed_by_name_because_its_name_is_not_known_yet(desk: Desk) -> None:
    desk.state.access.restrict(MONITOR, Rule("create", "secrets", names=("mine",)))
    assert desk.ask("POST", SECRETS, secret("mine")).status == 403
    desk.state.access.restrict(MONITOR, Rule("create", "secrets"))
    assert desk.ask("POST", SECRETS, secret("mine")).status == 201


def test_a_lease_that_a_put_would_create_needs_the_permission_to_create(desk: Desk) -> None:
    desk.state.access.restrict(MONITOR, Rule("update", "leases", group="coordination.k8s.io"))
    refused = desk.ask("PUT", f"{LEASES}/leader", {"metadata": {"name": "leader"}})
    assert (refused.status, "cannot create resource" in refused.body["message"]) == (403, True)
    desk.state.access.add(MONITOR, Rule("create", "leases", group="coordination.k8s.io"))
    assert desk.ask("PUT", f"{LEASES}/leader", {"metadata": {"name": "leader"}}).status == 201


def test_a_permission_for_the_object_is_none_for_its_status(desk: Desk) -> None:
    rule = Rule("patch", "deployments", group="apps")
    desk.state.access.restrict(MONITOR, rule)
    assert desk.patch(f"{DEPLOYMENTS}/x", {}).status == 404
    assert desk.patch(f"{DEPLOYMENTS}/x/status", {}).status == 403
    desk.state.access.add(MONITOR, Rule("patch", "*/status", group="*"))
    assert desk.patch(f"{DEPLOYMENTS}/x/status", {}).status == 404


def test_permissions_that_are_given_back_count_at_once(desk: Desk) -> None:
    desk.state.access.restrict(MONITOR)
    assert desk.ask("GET", SECRETS).status == 403
    desk.state.access.free(MONITOR)
    assert desk.ask("GET", SECRETS).status == 200


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ({"verb": "get", "resource": "secrets", "namespace": NAMESPACE, "name": "argocd-token"}, True),
        ({"verb": "get", "resource": "secrets", "namespace": NAMESPACE, "name": "other"}, False),
        ({"verb": "get", "resource": "secrets", "namespace": NAMESPACE}, False),
        ({"verb": "create", "resource": "secrets", "namespace": NAMESPACE, "name": "argocd-token"}, False),
        ({"verb": "get", "resource": "secrets", "name": "argocd-token"}, False),
        ({"verb": "patch", "group": "apps", "resource": "deployments", "namespace": NAMESPACE}, False),
    ],
)
def test_a_review_of_ones_own_access_goes_by_the_same_rules(desk: Desk, asked: dict[str, str], allowed: bool) -> None:
    desk.state.access.restrict(MONITOR, NAMED)
    answer = desk.ask("POST", REVIEWS, {"spec": {"resourceAttributes": asked}})
    assert answer.status == 201
    assert answer.body["status"]["allowed"] is allowed
    if allowed:
        words = f'RBAC: allowed by RoleBinding "tm/{NAMESPACE}" of Role "tm" to ServiceAccount "token-monitor/argocd"'
        assert answer.body["status"]["reason"] == words


def test_everybody_may_ask_and_look_at_the_version_and_health(desk: Desk) -> None:
    desk.state.access.restrict(MONITOR)
    assert desk.ask("POST", REVIEWS, {"spec": {"nonResourceAttributes": {"verb": "get", "path": "/version"}}}).body[
        "status"
    ] == {"allowed": True}
    assert desk.ask("GET", "/version").body["major"] == "1"
    assert desk.ask("GET", "/readyz").text == "ok"


def test_who_brings_no_token_is_anonymous_and_may_do_nothing(desk: Desk) -> None:
    desk.user = ANONYMOUS
    assert 'User "system:anonymous" cannot get' in desk.ask("GET", f"{SECRETS}/argocd-token").body["message"]
