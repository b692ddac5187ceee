"""What the monitor stands on of a Kubernetes API, asserted of the simulated one over HTTP and of a real one.

Words are compared in full where the monitor shows or reads them. `TOKEN_MONITOR_TEST_KUBECONFIG` names a real API.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from monitor.cluster import MERGE_PATCH, STRATEGIC_PATCH, Answer, Event, NoAnswer
from monitor.simulator.kubernetes.ownership import last_writer

from tests.contract.kubernetes.conftest import Cluster
from tests.fair_time import fairly

JSON_PATCH = "application/json-patch+json"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
LEASES, EVENTS = "coordination.k8s.io/v1", "events.k8s.io/v1"
TIME = "2026-01-02T03:04:05.123456Z"
ONE, TWO, THREE = "b25l", "dHdv", "dGhyZWU="


async def ask(cluster: Cluster, method: str, path: str, body: object = None, **more: Any) -> Answer:
    answer = await cluster.api.request(method, path, body=body, **more)
    assert isinstance(answer, Answer), answer
    return answer


async def make_secret(cluster: Cluster, manager: str = "alice", **data: str) -> tuple[str, dict[str, Any]]:
    """Its path, and itself."""
    name = cluster.unique()
    body = {"metadata": {"name": name, "labels": {"kept": "yes"}}, "data": data or {"token": ONE, "other": TWO}}
    made = await ask(cluster, "POST", cluster.path("secrets"), body, query={"fieldManager": manager})
    assert made.status == 201
    return cluster.path("secrets", name), dict(made.body)


async def patch(cluster: Cluster, path: str, body: object, kind: str = MERGE_PATCH, manager: str = "bob") -> Answer:
    return await ask(cluster, "PATCH", path, body, content_type=kind, query={"fieldManager": manager})


def refusal(answer: Answer) -> tuple[int, str, str]:
    return answer.status, str(answer.body.get("reason", "")), str(answer.body["message"])


@asynccontextmanager
async def listening(
    cluster: Cluster, path: str, accept: str = "application/json", **query: str
) -> AsyncIterator[list[Any]]:
    """What a watch says meanwhile, and in the end a moment more."""
    heard: list[Any] = []

    async def listen() -> None:
        async for item in cluster.api.watch(path, query=query, silence=8.0, accept=accept):
            heard.append(item)  # noqa: PERF401 - each is looked at as it comes

    task = asyncio.create_task(listen())
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(heard: list[Any], count: int) -> None:
    async with asyncio.timeout(30.0):
        while len(heard) < count:
            await asyncio.sleep(0.01)


# --- reading and writing -------------------------------------------------------------------------------------------


async def test_what_is_not_there_is_told_with_its_name(cluster: Cluster) -> None:
    name = cluster.unique()
    path = cluster.path("secrets", name)
    bodies: dict[str, object] = {"GET": None, "PUT": {"metadata": {"name": name}}, "DELETE": None}
    for method, body in bodies.items():
        answer = await ask(cluster, method, path, body)
        assert refusal(answer) == (404, "NotFound", f'secrets "{name}" not found')
        assert answer.body["details"] == {"name": name, "kind": "secrets"}
    assert (await patch(cluster, path, {"data": {}})).status == 404
    lease = await ask(cluster, "GET", cluster.path("leases", name, LEASES))
    assert refusal(lease) == (404, "NotFound", f'leases.coordination.k8s.io "{name}" not found')
    assert lease.body["details"] == {"name": name, "group": "coordination.k8s.io", "kind": "leases"}


async def test_what_is_there_cannot_be_made_again(cluster: Cluster) -> None:
    _, made = await make_secret(cluster)
    name = made["metadata"]["name"]
    again = await ask(cluster, "POST", cluster.path("secrets"), {"metadata": {"name": name}})
    assert refusal(again) == (409, "AlreadyExists", f'secrets "{name}" already exists')


async def test_a_replacement_of_an_older_version_is_a_conflict(cluster: Cluster) -> None:
    path, made = await make_secret(cluster)
    assert (await ask(cluster, "PUT", path, {**made, "data": {"token": TWO}})).status == 200
    lost = await ask(cluster, "PUT", path, {**made, "data": {"token": THREE}})
    assert refusal(lost) == (
        409,
        "Conflict",
        f'Operation cannot be fulfilled on secrets "{made["metadata"]["name"]}": the object has been modified; please'
        " apply your changes to the latest version and try again",
    )
    assert (await ask(cluster, "GET", path)).body["data"] == {"token": TWO}


async def test_a_merge_patch_with_a_version_swaps_or_conflicts_and_keeps_everything_else(cluster: Cluster) -> None:
    path, made = await make_secret(cluster)
    swap = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"token": TWO}}
    won = await patch(cluster, path, swap)
    assert (won.status, won.body["data"]) == (200, {"token": TWO, "other": TWO})
    assert won.body["metadata"]["labels"]["kept"] == "yes"
    assert won.body["type"] == "Opaque"
    lost = await patch(cluster, path, {**swap, "data": {"token": THREE}})
    assert refusal(lost)[:2] == (409, "Conflict")


async def test_of_several_swaps_at_once_one_wins(cluster: Cluster) -> None:
    path, made = await make_secret(cluster)
    version = made["metadata"]["resourceVersion"]
    swaps = [{"metadata": {"resourceVersion": version}, "data": {"token": value}} for value in (TWO, THREE, "Zm91cg==")]
    answers = await asyncio.gather(*(patch(cluster, path, swap) for swap in swaps))
    assert sorted(answer.status for answer in answers) == [200, 409, 409]


async def test_a_write_that_changes_nothing_keeps_version_and_writers(cluster: Cluster) -> None:
    path, _ = await make_secret(cluster)
    # kcp writes an annotation of its own at the first change, whatever that is.
    made = await patch(cluster, path, {"data": {"token": TWO}})
    same = await patch(cluster, path, {"data": {"token": TWO}}, manager="somebody")
    assert same.body["metadata"] == made.body["metadata"]


async def test_null_takes_a_key_away(cluster: Cluster) -> None:
    path, _ = await make_secret(cluster)
    assert (await patch(cluster, path, {"data": {"other": None}})).body["data"] == {"token": ONE}


async def test_another_object_of_the_same_name_is_told_from_the_first(cluster: Cluster) -> None:
    path, made = await make_secret(cluster)
    foreign = {"metadata": {"name": made["metadata"]["name"], "uid": "00000000-0000-0000-0000-000000000000"}}
    answer = await ask(cluster, "PUT", path, foreign)
    assert refusal(answer)[:2] == (409, "Conflict")
    assert "Precondition failed: UID in precondition" in answer.body["message"]


async def test_a_json_patch_can_test_before_it_writes_and_does_not_say_what_failed(cluster: Cluster) -> None:
    path, _ = await make_secret(cluster)
    swap = [
        {"op": "test", "path": "/data/token", "value": ONE},
        {"op": "replace", "path": "/data/token", "value": TWO},
    ]
    assert (await patch(cluster, path, swap, JSON_PATCH)).body["data"]["token"] == TWO
    again = await patch(cluster, path, swap, JSON_PATCH)
    assert refusal(again) == (422, "Invalid", "the server rejected our request due to an error in our request")


async def test_a_strategic_patch_adds_annotations(cluster: Cluster) -> None:
    path, _ = await make_secret(cluster)
    after = await patch(cluster, path, {"metadata": {"annotations": {"tm/key": "1"}}}, STRATEGIC_PATCH)
    assert after.body["metadata"]["annotations"]["tm/key"] == "1"
    assert after.body["metadata"]["labels"] == {"kept": "yes"}


async def test_a_deletion_says_what_went_and_can_insist_on_a_version(cluster: Cluster) -> None:
    path, made = await make_secret(cluster)
    name, uid = made["metadata"]["name"], made["metadata"]["uid"]
    kept = await ask(cluster, "DELETE", path, {"preconditions": {"resourceVersion": "1"}})
    assert refusal(kept)[:2] == (409, "Conflict")
    assert "the ResourceVersion in the precondition (1) does not match the ResourceVersion in record" in kept.message
    gone = await ask(cluster, "DELETE", path)
    assert gone.body["status"] == "Success"
    assert gone.body["details"] == {"name": name, "kind": "secrets", "uid": uid}
    assert (await ask(cluster, "GET", path)).status == 404


async def test_it_is_known_who_wrote_a_key_last(cluster: Cluster) -> None:
    path, _ = await make_secret(cluster)
    after = (await patch(cluster, path, {"data": {"token": TWO}}, manager="bob")).body
    assert (last_writer(after, "data", "token"), last_writer(after, "data", "other")) == ("bob", "alice")
    entry = next(each for each in after["metadata"]["managedFields"] if each["manager"] == "bob")
    assert entry["fieldsV1"] == {"f:data": {"f:token": {}}}
    assert (entry["operation"], entry["fieldsType"], entry["apiVersion"]) == ("Update", "FieldsV1", "v1")


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        (
            {"data": {"token": "no base64!"}},
            400,
            'Secret in version "v1" cannot be handled as a Secret: illegal base64',
        ),
        ({"data": {"a b": ONE}}, 422, 'data[a b]: Invalid value: "a b": a valid config key must consist of'),
        ({"metadata": {"labels": {"a": "b c"}}}, 422, 'metadata.labels: Invalid value: "b c": a valid label must be'),
        ({"metadata": {"annotations": {"a": 1}}}, 400, "of type string"),
        ({"metadata": {"resourceVersion": "1"}}, 500, "resourceVersion should not be set on objects to be created"),
        ({"metadata": {"namespace": "elsewhere"}}, 400, "does not match the namespace sent on the request"),
        ({"kind": "ConfigMap", "apiVersion": "v1"}, 400, 'ConfigMap in version "v1" cannot be handled as a Secret'),
    ],
)
async def test_a_secret_that_is_not_well_formed_is_refused(
    cluster: Cluster, changed: dict[str, Any], status: int, words: str
) -> None:
    metadata = {"name": cluster.unique(), **changed.get("metadata", {})}
    answer = await ask(cluster, "POST", cluster.path("secrets"), {**changed, "metadata": metadata})
    assert answer.status == status
    assert words in answer.body["message"]


async def test_names_are_checked(cluster: Cluster) -> None:
    nameless = await ask(cluster, "POST", cluster.path("secrets"), {"metadata": {}})
    told = 'Secret "" is invalid: metadata.name: Required value: name or generateName is required'
    assert refusal(nameless) == (422, "Invalid", told)
    odd = await ask(cluster, "POST", cluster.path("secrets"), {"metadata": {"name": "Bad_Name"}})
    assert odd.body["message"].startswith(
        'Secret "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must'
    )


async def test_the_type_of_a_secret_cannot_change_nor_anything_of_an_immutable_one(cluster: Cluster) -> None:
    path, made = await make_secret(cluster)
    name = made["metadata"]["name"]
    changed = await patch(cluster, path, {"type": "a/b"})
    assert refusal(changed) == (
        422,
        "Invalid",
        f'Secret "{name}" is invalid: type: Invalid value: "a/b": field is immutable',
    )
    assert (await patch(cluster, path, {"immutable": True})).status == 200
    frozen = await patch(cluster, path, {"data": {"token": TWO}})
    words = "data: Forbidden: field is immutable when `immutable` is set"
    assert refusal(frozen) == (422, "Invalid", f'Secret "{name}" is invalid: {words}')
    assert (await patch(cluster, path, {"immutable": None})).status == 422
    assert (await patch(cluster, path, {"metadata": {"labels": {"still": "possible"}}})).status == 200


async def test_a_refused_merge_patch_is_told_with_every_value_of_the_secret(cluster: Cluster) -> None:
    """Why no message of a 422 may ever be shown."""
    path, _ = await make_secret(cluster)
    refused = await patch(cluster, path, {"data": {"other": "no base64!"}})
    assert refusal(refused)[:2] == (422, "Invalid")
    assert ONE in refused.body["message"]


async def test_a_body_of_another_type_is_refused(cluster: Cluster) -> None:
    path, _ = await make_secret(cluster)
    assert refusal(await patch(cluster, path, {}, "application/json"))[:2] == (415, "UnsupportedMediaType")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"fieldSelector": "spec.foo=bar"}, "field label not supported: spec.foo"),
        ({"labelSelector": "a b"}, "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ({"labelSelector": "=x"}, "found '=', expected: !, identifier, or 'end of string'"),
    ],
)
async def test_a_selector_that_cannot_be_read_is_refused(cluster: Cluster, query: dict[str, str], words: str) -> None:
    assert refusal(await ask(cluster, "GET", cluster.path("secrets"), query=query)) == (400, "BadRequest", words)


async def test_what_is_not_served_is_not_found(cluster: Cluster) -> None:
    unknown = await ask(cluster, "GET", cluster.path("nosuchthings"))
    assert refusal(unknown) == (404, "NotFound", "the server could not find the requested resource")
    assert (await ask(cluster, "GET", "/apis/nosuch.example/v1/things")).status == 404


# --- leases and events ---------------------------------------------------------------------------------------------


async def test_a_lease_is_made_by_put_and_then_replaced_only_with_its_version(cluster: Cluster) -> None:
    name = cluster.unique()
    path = cluster.path("leases", name, LEASES)
    spec = {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": TIME}
    made = await ask(cluster, "PUT", path, {"metadata": {"name": name}, "spec": spec})
    assert (made.status, made.body["spec"]) == (201, spec)
    blind = await ask(cluster, "PUT", path, {"metadata": {"name": name}, "spec": spec})
    assert refusal(blind) == (
        422,
        "Invalid",
        f'leases.coordination.k8s.io "{name}" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified'
        " for an update",
    )
    taken = {**made.body, "spec": {**spec, "holderIdentity": "b"}}
    assert (await ask(cluster, "PUT", path, taken)).status == 200
    assert (await ask(cluster, "PUT", path, taken)).status == 409


@pytest.mark.parametrize("time", ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123Z", "2026-01-02T03:04:05.123456789Z"])
async def test_the_times_of_a_lease_have_six_digits_of_a_second(cluster: Cluster, time: str) -> None:
    body = {"metadata": {"name": cluster.unique()}, "spec": {"renewTime": time}}
    answer = await ask(cluster, "POST", cluster.path("leases", group=LEASES), body)
    assert refusal(answer)[:2] == (400, "BadRequest")
    words = f'parsing time "{time}" as "2006-01-02T15:04:05.000000Z07:00": cannot parse'
    assert words in answer.body["message"]


async def test_a_lease_lasts_more_than_no_time(cluster: Cluster) -> None:
    name = cluster.unique()
    body = {"metadata": {"name": name}, "spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1}}
    answer = await ask(cluster, "POST", cluster.path("leases", group=LEASES), body)
    assert refusal(answer) == (
        422,
        "Invalid",
        f'Lease.coordination.k8s.io "{name}" is invalid: [spec.leaseDurationSeconds: Invalid value: 0: must be greater'
        " than 0, spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0]",
    )


def event(cluster: Cluster, name: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "eventTime": TIME,
        "reportingController": "token-monitor",
        "reportingInstance": "pod-1",
        "action": "Check",
        "reason": "Refused",
        "type": "Warning",
        "note": "the token is refused",
        "regarding": {"kind": "Secret", "namespace": cluster.namespace, "name": name},
    }


async def test_an_event_is_shown_by_both_groups_and_only_its_series_changes(cluster: Cluster) -> None:
    name = cluster.unique()
    path = cluster.path("events", name, EVENTS)
    made = await ask(cluster, "POST", cluster.path("events", group=EVENTS), event(cluster, name))
    assert (made.status, made.body["note"]) == (201, "the token is refused")
    core = await ask(cluster, "GET", cluster.path("events", name))
    assert (core.body["message"], core.body["involvedObject"]["name"]) == ("the token is refused", name)
    series = {"series": {"count": 2, "lastObservedTime": TIME}}
    assert (await patch(cluster, path, series)).body["series"] == series["series"]
    fixed = await patch(cluster, path, {"note": "other"})
    assert fixed.body["message"] == f'Event "{name}" is invalid: message: Invalid value: "other": field is immutable'
    chosen = {"fieldSelector": f"regarding.name={name},reason=Refused"}
    listed = await ask(cluster, "GET", cluster.path("events", group=EVENTS), query=chosen)
    assert [each["metadata"]["name"] for each in listed.body["items"]] == [name]


async def test_an_event_without_what_it_needs_is_refused(cluster: Cluster) -> None:
    bare = await ask(cluster, "POST", cluster.path("events", group=EVENTS), {"metadata": {"name": cluster.unique()}})
    assert {cause["field"] for cause in bare.body["details"]["causes"]} >= {"eventTime", "type"}
    name = cluster.unique()
    bad = {**event(cluster, name), "note": "n" * 1025, "action": "", "regarding": {}, "type": "Odd"}
    refused = await ask(cluster, "POST", cluster.path("events", group=EVENTS), bad)
    assert {cause["field"] for cause in refused.body["details"]["causes"]} >= {"message", "action", "type"}


# --- metadata alone ------------------------------------------------------------------------------------------------


async def test_metadata_alone_holds_no_value(cluster: Cluster) -> None:
    path, made = await make_secret(cluster)
    one = await ask(cluster, "GET", path, accept=METADATA)
    assert sorted(one.body) == ["apiVersion", "kind", "metadata"]
    assert one.body["kind"] == "PartialObjectMetadata"
    chosen = {"fieldSelector": f"metadata.name={made['metadata']['name']}"}
    many = await ask(cluster, "GET", cluster.path("secrets"), accept=METADATA_LIST, query=chosen)
    assert many.body["kind"] == "PartialObjectMetadataList"
    assert [sorted(item) for item in many.body["items"]] == [["apiVersion", "kind", "metadata"]]
    wrong = await ask(cluster, "GET", cluster.path("secrets"), accept=METADATA, query=chosen)
    assert refusal(wrong) == (
        406,
        "NotAcceptable",
        "you requested PartialObjectMetadata, but the requested object is a list (*core.SecretList)",
    )


# --- watching ------------------------------------------------------------------------------------------------------


async def test_a_list_and_the_watch_after_it_miss_nothing(cluster: Cluster) -> None:
    path, made = await make_secret(cluster)
    other, _ = await make_secret(cluster)
    chosen = {"fieldSelector": f"metadata.name={made['metadata']['name']}"}
    listed = await ask(cluster, "GET", cluster.path("secrets"), query=chosen)
    assert [item["data"]["token"] for item in listed.body["items"]] == [ONE]
    await patch(cluster, path, {"data": {"token": TWO}})
    version = listed.body["metadata"]["resourceVersion"]
    async with listening(cluster, cluster.path("secrets"), resourceVersion=version, **chosen) as heard:
        await until(heard, 1)
        await patch(cluster, other, {"data": {"token": TWO}})
        await patch(cluster, path, {"data": {"token": THREE}})
        await until(heard, 2)
        await ask(cluster, "DELETE", path)
        await until(heard, 3)
    assert [item.type for item in heard] == ["MODIFIED", "MODIFIED", "DELETED"]
    assert [item.object["data"]["token"] for item in heard] == [TWO, THREE, THREE]
    versions = [int(item.object["metadata"]["resourceVersion"]) for item in heard]
    assert sorted(set(versions)) == versions


async def test_a_watch_of_metadata_tells_no_value(cluster: Cluster) -> None:
    path, made = await make_secret(cluster)
    chosen = {"fieldSelector": f"metadata.name={made['metadata']['name']}"}
    async with listening(cluster, cluster.path("secrets"), METADATA, **chosen) as heard:
        await until(heard, 1)
        await patch(cluster, path, {"data": {"token": TWO}})
        await until(heard, 2)
    assert [item.type for item in heard] == ["ADDED", "MODIFIED"]
    assert all(sorted(item.object) == ["apiVersion", "kind", "metadata"] for item in heard)


async def test_a_watch_ends_in_good_order_when_its_time_is_up(cluster: Cluster) -> None:
    _, made = await make_secret(cluster)
    version = made["metadata"]["resourceVersion"]
    query = {"timeoutSeconds": "1", "resourceVersion": version, "fieldSelector": "metadata.name=nosuch"}
    started = cluster.api.clock.monotonic()
    assert [item async for item in cluster.api.watch(cluster.path("secrets"), query=query, silence=8.0)] == []
    assert 0.9 <= cluster.api.clock.monotonic() - started < fairly(6.0)


async def test_a_bookmark_comes_before_the_end_and_leads_on(cluster: Cluster) -> None:
    path, made = await make_secret(cluster)
    chosen = {"fieldSelector": f"metadata.name={made['metadata']['name']}", "allowWatchBookmarks": "true"}
    query = {**chosen, "timeoutSeconds": "5", "resourceVersion": made["metadata"]["resourceVersion"]}
    async with listening(cluster, cluster.path("secrets"), **query) as heard:
        await asyncio.sleep(1.0)  # what is written while the watch opens belongs to its beginning
        await patch(cluster, path, {"data": {"token": THREE}})
        await until(heard, 2)
    assert [item.type for item in heard] == ["MODIFIED", "BOOKMARK"]
    bookmark = heard[-1].object
    assert (bookmark["kind"], "data" in bookmark) == ("Secret", False)
    await patch(cluster, path, {"data": {"token": TWO}})
    resumed = {**chosen, "resourceVersion": bookmark["metadata"]["resourceVersion"]}
    async with listening(cluster, cluster.path("secrets"), **resumed) as later:
        await until(later, 1)
    assert (later[0].type, later[0].object["data"]["token"]) == ("MODIFIED", TWO)


async def test_a_watch_that_is_as_new_as_the_api_gets_no_bookmark(cluster: Cluster) -> None:
    """Why silence is no proof that a watch is dead. A real API where others write meanwhile shows nothing of it."""
    _, made = await make_secret(cluster)
    version = made["metadata"]["resourceVersion"]
    chosen = {"fieldSelector": f"metadata.name={made['metadata']['name']}", "allowWatchBookmarks": "true"}
    query = {**chosen, "timeoutSeconds": "4", "resourceVersion": version}
    heard = [item async for item in cluster.api.watch(cluster.path("secrets"), query=query, silence=8.0)]
    if cluster.real and heard:
        assert all(
            item.type == "BOOKMARK" and int(item.object["metadata"]["resourceVersion"]) > int(version) for item in heard
        )
        pytest.skip("others wrote to this API server meanwhile")
    assert heard == []


async def test_a_watch_from_a_version_that_is_gone_says_so_where_versions_go(cluster: Cluster) -> None:
    _, made = await make_secret(cluster)
    name = made["metadata"]["name"]
    if cluster.state is not None:
        cluster.state.compact()
    query = {"resourceVersion": "1", "fieldSelector": f"metadata.name={name}"}
    async with listening(cluster, cluster.path("secrets"), **query) as heard:
        await until(heard, 1)
    first = heard[0]
    if cluster.real and isinstance(first, Event) and first.type == "ADDED":
        pytest.skip("this API server still knows its first version")
    assert not isinstance(first, NoAnswer)
    status = first.object if isinstance(first, Event) else first.body
    assert (status["code"], status["reason"]) == (410, "Expired")


# --- permissions ---------------------------------------------------------------------------------------------------


async def test_one_can_ask_what_one_may_do(cluster: Cluster) -> None:
    asked = {"verb": "get", "resource": "secrets", "namespace": cluster.namespace, "name": "argocd-token"}
    body = {"spec": {"resourceAttributes": asked}}
    answer = await ask(cluster, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    assert (answer.status, answer.body["status"]["allowed"]) == (201, True)
    assert answer.body["status"]["reason"]
    empty = await ask(cluster, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"spec": {}})
    assert refusal(empty)[:2] == (422, "Invalid")
