"""What the server refuses to store. Each refusal is held against a real API in tests/contract/kubernetes, too."""

from __future__ import annotations

import base64

import pytest
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.verbs import handle
from monitor.simulator.kubernetes.wire import Object, Request, Response

from tests.simulator.kubernetes.stage import DEPLOYMENTS, EVENTS, LEASES, NAMESPACE, SECRETS, Desk, secret

TIME = "2026-01-02T03:04:05.123456Z"
EVENT: Object = {
    "metadata": {"name": "e"},
    "eventTime": TIME,
    "reportingController": "token-monitor",
    "reportingInstance": "pod-1",
    "action": "Check",
    "reason": "Refused",
    "type": "Warning",
    "note": "the token is refused",
    "regarding": {"kind": "Secret", "namespace": NAMESPACE, "name": "argocd-token"},
}


@pytest.fixture
def desk() -> Desk:
    return Desk()


def messages(desk: Desk, path: str, body: Object) -> tuple[int, str]:
    answer = desk.ask("POST", path, body)
    return answer.status, str(answer.body.get("message", ""))


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        (SECRETS, secret(token="no base64!"), 400, "illegal base64 data at input byte 2"),
        (SECRETS, {"metadata": {"name": "x"}, "data": {"a": 1}}, 400, "cannot unmarshal number"),
        (SECRETS, {"metadata": {"name": "x", "annotations": {"a": 1}}}, 400, "ObjectMeta.metadata.annotations"),
        (SECRETS, {"metadata": {"name": "x", "labels": {"a": True}}}, 400, "cannot unmarshal bool"),
        (SECRETS, {"metadata": "x"}, 400, "ObjectMeta"),
        (SECRETS, {"metadata": {"name": "x"}, "data": []}, 400, "Secret.data"),
        (SECRETS, {"metadata": {}}, 422, "metadata.name: Required value: name or generateName is required"),
        (SECRETS, {"metadata": {"name": "Bad_Name"}}, 422, "a lowercase RFC 1123 subdomain must consist of"),
        (SECRETS, {"metadata": {"name": "x" * 300}}, 422, "must be no more than 253"),
        (SECRETS, {"metadata": {"name": "x", "labels": {"a": "b c"}}}, 422, "a valid label must be an empty string"),
        (SECRETS, {"metadata": {"name": "x", "labels": {"a": "b" * 64}}}, 422, "must be no more than 63"),
        (SECRETS, {"metadata": {"name": "x", "annotations": {"a": "b" * 270_000}}}, 422, "more than 262144 bytes"),
        (SECRETS, {"metadata": {"name": "x"}, "data": {"a b": "YQ=="}}, 422, "a valid config key must consist of"),
        (SECRETS, {"metadata": {"name": "x"}, "data": {"a": "YWFh" * 360_000}}, 422, "more than 1048576 bytes"),
        (SECRETS, {"metadata": {"name": "x"}, "type": "kubernetes.io/tls"}, 422, "data[tls.crt]: Required value"),
        (SECRETS, {"metadata": {"name": "x", "namespace": "other"}}, 400, "does not match the namespace sent"),
        (SECRETS, {"metadata": {"name": "x", "resourceVersion": "1"}}, 500, "resourceVersion should not be set"),
        (LEASES, {"metadata": {"name": "x"}, "spec": {"renewTime": "2026-01-02T03:04:05Z"}}, 400, 'as ".000000"'),
        (LEASES, {"metadata": {"name": "x"}, "spec": {"renewTime": 5}}, 400, "cannot unmarshal number"),
        (LEASES, {"metadata": {"name": "x"}, "spec": {"leaseDurationSeconds": "15"}}, 400, "of type int32"),
        (LEASES, {"metadata": {"name": "x"}, "spec": {"leaseDurationSeconds": 0}}, 422, "must be greater than 0"),
        (
            LEASES,
            {"metadata": {"name": "x"}, "spec": {"leaseTransitions": -1}},
            422,
            "must be greater than or equal to 0",
        ),
        (EVENTS, {**EVENT, "eventTime": "2026-01-02T03:04:05Z"}, 400, "cannot parse"),
        (EVENTS, {**EVENT, "eventTime": None}, 422, "eventTime: Required value"),
        (EVENTS, {**EVENT, "action": ""}, 422, "action: Required value"),
        (EVENTS, {**EVENT, "note": "n" * 1025}, 422, 'message: Invalid value: "": can have at most 1024 characters'),
        (EVENTS, {**EVENT, "note": "\u00e9" * 600}, 422, "can have at most 1024 characters"),
        (EVENTS, {**EVENT, "type": "Bad"}, 422, "has invalid value: Bad"),
        (EVENTS, {**EVENT, "regarding": {}}, 422, "does not match event.namespace"),
        (EVENTS, {**EVENT, "series": {"count": 1, "lastObservedTime": TIME}}, 422, "should be at least 2"),
        (EVENTS, {**EVENT, "deprecatedCount": 2}, 422, 'count: Invalid value: "": needs to be unset'),
        (DEPLOYMENTS, {"metadata": {"name": "x"}, "spec": {}}, 422, "spec.selector: Required value"),
        (
            DEPLOYMENTS,
            {"metadata": {"name": "x"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {}}},
            422,
            "`selector` does not match template `labels`",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_is_not_well_formed_is_refused(desk: Desk, path: str, body: Object, status: int, words: str) -> None:
    got, message = messages(desk, path, body)
    assert got == status
    assert words in message
    assert desk.state.version == 1000


def test_several_problems_are_told_together(desk: Desk) -> None:
    body = {"metadata": {"name": "x"}, "spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1}}
    answer = desk.ask("POST", LEASES, body).body
    assert answer["message"] == (
        'Lease.coordination.k8s.io "x" is invalid: [spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0,'
        " spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0]"
    )
    assert [cause["field"] for cause in answer["details"]["causes"]] == [
        "spec.leaseDurationSeconds",
        "spec.leaseTransitions",
    ]


def test_plain_values_become_data(desk: Desk) -> None:
    made = desk.ask("POST", SECRETS, {"metadata": {"name": "x"}, "stringData": {"token": "plain"}}).body
    assert base64.b64decode(made["data"]["token"]) == b"plain"
    assert "stringData" not in made


def test_the_type_of_a_secret_stays_and_an_immutable_one_stays_whole(desk: Desk) -> None:
    kubectl.put_secret(desk.state, NAMESPACE, "x", {"token": "one"}, immutable=True)
    path = f"{SECRETS}/x"
    for patch in ({"type": "a/b"}, {"data": {"token": "dHdv"}}, {"immutable": False}, {"data": {"new": "dHdv"}}):
        assert desk.patch(path, patch).status == 422
    assert desk.patch(path, {"metadata": {"labels": {"a": "b"}}}).status == 200
    assert kubectl.value(desk.state, NAMESPACE, "x", "token") == "one"


def test_the_real_thing_tells_a_secrets_values_in_the_refusal_of_a_merge_patch_and_so_does_this_one(desk: Desk) -> None:
    desk.ask("POST", SECRETS, secret("x", token="c2VjcmV0"))
    refused = desk.patch(f"{SECRETS}/x", {"data": {"other": "no base64!"}})
    assert refused.status == 422
    assert "c2VjcmV0" in refused.body["message"]


def test_an_event_is_the_same_object_in_both_groups_in_other_words(desk: Desk) -> None:
    assert desk.ask("POST", EVENTS, EVENT).status == 201
    core = desk.ask("GET", f"/api/v1/namespaces/{NAMESPACE}/events/e").body
    assert (core["apiVersion"], core["message"]) == ("v1", EVENT["note"])
    assert (core["involvedObject"], core["reportingComponent"]) == (EVENT["regarding"], "token-monitor")
    new = desk.ask("GET", f"{EVENTS}/e").body
    assert (new["apiVersion"], new["note"], new["deprecatedSource"]) == ("events.k8s.io/v1", EVENT["note"], {})
    found = desk.ask("GET", EVENTS, query={"fieldSelector": "regarding.name=argocd-token,reason=Refused"}).body
    assert len(found["items"]) == 1


def test_of_an_event_only_its_series_may_change(desk: Desk) -> None:
    desk.ask("POST", EVENTS, EVENT)
    again = {"series": {"count": 2, "lastObservedTime": TIME}}
    assert desk.patch(f"{EVENTS}/e", again).body["series"] == again["series"]
    assert "field is immutable" in desk.patch(f"{EVENTS}/e", {"note": "other"}).body["message"]


@pytest.mark.parametrize(
    ("content_type", "status"), [("application/json", 415), ("application/apply-patch+yaml", 415), ("", 415)]
)
def test_a_patch_of_another_kind_is_refused(desk: Desk, content_type: str, status: int) -> None:
    desk.ask("POST", SECRETS, secret("x"))
    assert desk.patch(f"{SECRETS}/x", {}, content_type=content_type).status == status


def test_a_body_that_is_no_json_is_refused(desk: Desk) -> None:
    answer = handle(desk.state, Request("admin", "POST", SECRETS, body=b'{"metadata":'))
    assert isinstance(answer, Response)
    assert answer.status == 400
