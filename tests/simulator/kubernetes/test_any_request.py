"""Whatever is sent, the simulator answers as an API server would, and keeps nothing that breaks it later."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from monitor.simulator.kubernetes.patches import merge
from monitor.simulator.kubernetes.resources import RESOURCES, Resource
from monitor.simulator.kubernetes.verbs import handle
from monitor.simulator.kubernetes.watches import Watch
from monitor.simulator.kubernetes.wire import Object, Request, Response

from tests.simulator.kubernetes.stage import NAMESPACE, Desk

STATUSES = {200, 201, 400, 403, 404, 405, 406, 409, 410, 415, 422, 500, 504}
JSON, MERGE = "application/json", "application/merge-patch+json"
STRATEGIC, OPERATIONS = "application/strategic-merge-patch+json", "application/json-patch+json"
TIME = "2026-01-02T03:04:05.123456Z"
REGARDING = {"namespace": NAMESPACE, "name": "x"}
LABELS = {"a": "b"}
WORKLOAD: Object = {"spec": {"selector": {"matchLabels": LABELS}, "template": {"metadata": {"labels": LABELS}}}}
# What each resource needs to be taken; the fuzz is laid over it.
NEEDED: dict[str, Object] = {
    "secrets": {"data": {"token": "YQ=="}},
    "leases": {"spec": {"holderIdentity": "a", "renewTime": TIME, "leaseDurationSeconds": 15}},
    "events": {"eventTime": TIME, "reportingInstance": "i", "action": "A", "reason": "R", "type": "Normal"},
    **dict.fromkeys(("deployments", "statefulsets", "daemonsets", "replicasets"), WORKLOAD),
}
REPORTER = {
    "": {"reportingComponent": "r", "involvedObject": REGARDING},
    "events.k8s.io": {"reportingController": "r", "regarding": REGARDING},
}

words = st.sampled_from(["x", "y", "", "token", "name", "a=b", "1000", "1001", "é"]) | st.text(max_size=8)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
# Often nothing odd at all, so that much is taken and the next request meets it.
odd_metadata = st.fixed_dictionaries(
    {},
    optional={
        "labels": st.dictionaries(words, words, max_size=2) | values,
        "annotations": values,
        "resourceVersion": st.sampled_from(["", "1001", "1002", "zz"]),
        "finalizers": st.lists(words, max_size=2) | values,
        "managedFields": values,
        "ownerReferences": values,
    },
)
odd = st.just({}) | st.fixed_dictionaries(
    {},
    optional={
        "metadata": odd_metadata,
        "data": st.dictionaries(words, st.sampled_from(["YQ==", "", "!"]), max_size=2) | values,
        "spec": st.fixed_dictionaries({}, optional={"selector": values, "template": values, "replicas": values})
        | values,
        "status": values,
        "type": values,
        "immutable": values,
        "regarding": values,
        "series": values,
        "eventTime": values,
    },
)
pointers = st.sampled_from(
    ["/metadata/labels/a", "/data/x", "/metadata", "", "/spec/template", "/metadata/finalizers/-"]
)
operations = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "remove", "replace", "test", "move", "copy", "?"]), "path": pointers | words},
        optional={"value": values, "from": pointers},
    ),
    max_size=3,
)
queries = st.just({}) | st.dictionaries(
    st.sampled_from(
        ["watch", "fieldSelector", "labelSelector", "limit", "continue", "resourceVersion", "timeoutSeconds", "dryRun"]
    ),
    words | st.just("true"),
    max_size=2,
)
steps = st.one_of(
    st.tuples(st.just("POST"), st.just(""), odd, st.just(JSON), queries),
    st.tuples(st.just("PUT"), st.sampled_from(["/x", "/x/status"]), odd, st.just(JSON), queries),
    st.tuples(
        st.just("PATCH"), st.sampled_from(["/x", "/x/status"]), odd, st.sampled_from([MERGE, STRATEGIC]), queries
    ),
    st.tuples(st.just("PATCH"), st.just("/x"), operations | values, st.just(OPERATIONS), queries),
    st.tuples(st.just("PATCH"), st.just("/x"), values, st.sampled_from([MERGE, STRATEGIC, OPERATIONS]), queries),
    st.tuples(
        st.sampled_from(["GET", "DELETE", "OPTIONS"]),
        st.sampled_from(["", "/x", "/x/y/z"]),
        odd,
        st.just(JSON),
        queries,
    ),
)


def whole(resource: Resource, body: Any) -> Any:
    """An object that would be taken, with the odd over it."""
    needed = {**NEEDED.get(resource.plural, {}), **(REPORTER[resource.group] if resource.plural == "events" else {})}
    return merge({**needed, "metadata": {"name": "x"}}, body)


@settings(max_examples=250, deadline=None)
@given(resource=st.sampled_from(RESOURCES), sent=st.lists(steps, min_size=1, max_size=8))
def test_no_request_makes_it_fail_and_every_list_can_still_be_read(resource: Resource, sent: list[Any]) -> None:
    desk = Desk()
    path = resource.path(NAMESPACE)
    for method, rest, body, content_type, query in [("POST", "", {}, JSON, {}), *sent]:
        body = whole(resource, body) if method in ("POST", "PUT") else body
        raw = json.dumps(body).encode()
        answer = handle(desk.state, Request("admin", method, f"{path}{rest}", query, raw, content_type))
        if isinstance(answer, Watch):
            answer.take()
            answer.close()
        else:
            assert answer.status in STATUSES
            json.dumps(answer.body)
    for each in RESOURCES:
        listed = handle(desk.state, Request("admin", "GET", each.path(NAMESPACE)))
        assert isinstance(listed, Response)
        assert listed.status == 200


def test_what_the_fuzz_is_laid_over_is_taken() -> None:
    for resource in RESOURCES:
        assert Desk().ask("POST", resource.path(NAMESPACE), whole(resource, {})).status == 201


@settings(max_examples=100, deadline=None)
@given(
    path=st.text(max_size=30),
    raw=st.binary(max_size=30),
    accept=st.text(max_size=30),
    method=st.sampled_from(["GET", "POST"]),
)
def test_no_path_body_or_header_makes_it_fail(path: str, raw: bytes, accept: str, method: str) -> None:
    desk = Desk()
    for prefix in ("/", "/api/v1/", "/apis/apps/v1/namespaces/", f"/api/v1/namespaces/{NAMESPACE}/secrets/"):
        answer = handle(desk.state, Request("admin", method, prefix + path, {}, raw, JSON, accept))
        assert isinstance(answer, Response)
        assert answer.status in STATUSES
