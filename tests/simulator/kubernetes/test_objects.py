"""What the server keeps, fills in, counts and compares. Words and shapes of refusals: tests/contract/kubernetes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.controllers import deployment
from monitor.simulator.kubernetes.ownership import last_writer
from monitor.simulator.kubernetes.state import HISTORY
from monitor.simulator.kubernetes.wire import Object

from tests.simulator.kubernetes.stage import DEPLOYMENTS, LEASES, MERGE, NAMESPACE, SECRETS, Desk, secret
from tests.virtual_time import EPOCH

STRATEGIC = "application/strategic-merge-patch+json"


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_versions_count_up_over_all_objects_and_never_for_one_alone(desk: Desk) -> None:
    first = desk.ask("POST", SECRETS, secret("one")).body["metadata"]["resourceVersion"]
    second = desk.ask("POST", LEASES, {"metadata": {"name": "two"}}).body["metadata"]["resourceVersion"]
    third = desk.patch(f"{SECRETS}/one", {"data": {"token": "dHdv"}}).body["metadata"]["resourceVersion"]
    assert int(first) < int(second) < int(third)


def test_a_write_that_changes_nothing_makes_no_new_version_and_no_new_writer(desk: Desk) -> None:
    before = desk.ask("POST", SECRETS, secret()).body
    desk.clock.passed = 100
    assert desk.patch(f"{SECRETS}/token", {"data": {"token": "b25l"}}, manager="somebody").body == before
    assert desk.ask("PUT", f"{SECRETS}/token", before).body == before
    assert desk.state.version == int(before["metadata"]["resourceVersion"])


def test_of_two_writers_with_the_same_version_one_wins_and_the_other_is_told(desk: Desk) -> None:
    read = desk.ask("POST", SECRETS, secret()).body
    assert desk.ask("PUT", f"{SECRETS}/token", {**read, "data": {"token": "dHdv"}}).status == 200
    lost = desk.ask("PUT", f"{SECRETS}/token", {**read, "data": {"token": "dGhyZWU="}})
    assert (lost.status, lost.body["reason"]) == (409, "Conflict")
    assert kubectl.value(desk.state, NAMESPACE, "token", "token") == "two"


def test_a_merge_patch_with_a_version_is_a_compare_and_swap_that_keeps_the_rest(desk: Desk) -> None:
    kubectl.put_secret(desk.state, NAMESPACE, "token", {"token": "one", "other": "kept"}, labels={"a": "b"})
    read = desk.ask("GET", f"{SECRETS}/token").body
    swap = {"metadata": {"resourceVersion": read["metadata"]["resourceVersion"]}, "data": {"token": "dHdv"}}
    assert desk.patch(f"{SECRETS}/token", swap).status == 200
    assert desk.patch(f"{SECRETS}/token", {**swap, "data": {"token": "dGhyZWU="}}).status == 409
    kept = desk.ask("GET", f"{SECRETS}/token").body
    assert kept["data"] == {"token": "dHdv", "other": "a2VwdA=="}
    assert kept["metadata"]["labels"] == {"a": "b"}
    assert kept["type"] == "Opaque"


def test_the_server_fills_in_who_when_and_an_id_and_lets_nobody_change_them(desk: Desk) -> None:
    desk.clock.passed = 5
    made = desk.ask("POST", SECRETS, {"metadata": {"name": "token", "uid": "mine", "generation": 7}}).body["metadata"]
    assert made["creationTimestamp"] == datetime.fromtimestamp(EPOCH + 5, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert made["uid"] != "mine"
    assert "generation" not in made
    changed = {"metadata": {"name": "token", "creationTimestamp": "2001-01-01T00:00:00Z", "labels": {"a": "b"}}}
    after = desk.ask("PUT", f"{SECRETS}/token", changed).body["metadata"]
    assert (after["uid"], after["creationTimestamp"]) == (made["uid"], made["creationTimestamp"])


def test_the_same_name_made_anew_is_another_object(desk: Desk) -> None:
    first = desk.ask("POST", SECRETS, secret()).body["metadata"]
    assert desk.ask("DELETE", f"{SECRETS}/token").body["details"]["uid"] == first["uid"]
    second = desk.ask("POST", SECRETS, secret()).body["metadata"]
    assert second["uid"] != first["uid"]
    old = {"metadata": {"name": "token", "uid": first["uid"]}}
    assert desk.ask("PUT", f"{SECRETS}/token", old).status == 409


def test_names_are_generated_where_they_are_asked_for(desk: Desk) -> None:
    names = {
        desk.ask("POST", SECRETS, {"metadata": {"generateName": "tm-"}}).body["metadata"]["name"] for _ in range(20)
    }
    assert len(names) == 20
    assert all(name.startswith("tm-") and len(name) == 8 for name in names)


def test_the_same_seed_makes_the_same_cluster() -> None:
    def run(seed: int) -> list[Object]:
        desk = Desk(seed=seed)
        return [desk.ask("POST", SECRETS, {"metadata": {"generateName": "tm-"}}).body for _ in range(5)]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_a_dry_run_answers_and_writes_nothing(desk: Desk) -> None:
    assert desk.ask("POST", SECRETS, secret(), query={"dryRun": "All"}).status == 201
    assert desk.ask("GET", f"{SECRETS}/token").status == 404
    desk.ask("POST", SECRETS, secret())
    assert desk.ask("DELETE", f"{SECRETS}/token", query={"dryRun": "All"}).status == 200
    assert desk.ask("GET", f"{SECRETS}/token").status == 200


def test_a_finalizer_holds_a_deleted_object_until_it_is_taken_off(desk: Desk) -> None:
    desk.ask("POST", SECRETS, {"metadata": {"name": "token", "finalizers": ["example.com/hold"]}})
    marked = desk.ask("DELETE", f"{SECRETS}/token").body
    assert marked["metadata"]["deletionTimestamp"]
    assert desk.ask("GET", f"{SECRETS}/token").status == 200
    assert desk.patch(f"{SECRETS}/token", {"metadata": {"finalizers": None}}).status == 200
    assert desk.ask("GET", f"{SECRETS}/token").status == 404


# --- who wrote it --------------------------------------------------------------------------------------------------


def test_it_is_known_who_wrote_a_key_last_though_others_wrote_others(desk: Desk) -> None:
    desk.ask("POST", SECRETS, secret("token", token="b25l", other="b25l"), query={"fieldManager": "alice"})
    desk.clock.passed = 60
    desk.patch(f"{SECRETS}/token", {"data": {"token": "dHdv"}}, manager="bob")
    desk.patch(f"{SECRETS}/token", {"metadata": {"labels": {"x": "y"}}}, manager="carol")
    written = desk.ask("GET", f"{SECRETS}/token").body
    assert last_writer(written, "data", "token") == "bob"
    assert last_writer(written, "data", "other") == "alice"
    assert last_writer(written, "metadata", "labels", "x") == "carol"
    times = {entry["manager"]: entry["time"] for entry in written["metadata"]["managedFields"]}
    assert times["alice"] < times["bob"]
    assert last_writer(written, "data", "nosuch") is None


def test_a_replacement_with_the_same_value_leaves_the_writer_as_it_was(desk: Desk) -> None:
    read = desk.ask("POST", SECRETS, secret("token", token="b25l", other="b25l"), query={"fieldManager": "alice"}).body
    replaced = {**read, "data": {"token": "b25l", "other": "dHdv"}}
    after = desk.ask("PUT", f"{SECRETS}/token", replaced, query={"fieldManager": "bob"}).body
    assert (last_writer(after, "data", "token"), last_writer(after, "data", "other")) == ("alice", "bob")


def test_a_key_that_goes_belongs_to_nobody(desk: Desk) -> None:
    desk.ask("POST", SECRETS, secret("token", token="b25l", other="b25l"), query={"fieldManager": "alice"})
    after = desk.patch(f"{SECRETS}/token", {"data": {"token": None}}, manager="bob").body
    assert last_writer(after, "data", "token") is None
    assert [entry["manager"] for entry in after["metadata"]["managedFields"]] == ["alice"]


@pytest.mark.parametrize(
    ("field_manager", "agent", "manager"),
    [
        ("external-secrets", "x/1", "external-secrets"),
        ("", "kubectl/v1.33.0 (linux/amd64)", "kubectl"),
        ("", "Python/3.11 aiohttp/3.14", "Python"),
        ("", "", "unknown"),
    ],
)
def test_the_manager_is_who_it_says_or_else_the_program(
    desk: Desk, field_manager: str, agent: str, manager: str
) -> None:
    made = desk.ask("POST", SECRETS, secret(), query={"fieldManager": field_manager}, agent=agent).body
    assert last_writer(made, "data", "token") == manager


# --- generations ---------------------------------------------------------------------------------------------------


def test_a_deployment_counts_changes_of_its_spec_and_not_of_its_labels_or_status(desk: Desk) -> None:
    kubectl.put(desk.state, deployment("web", NAMESPACE))
    path = f"{DEPLOYMENTS}/web"

    def generation(body: Object, place: str = path) -> int:
        return int(desk.patch(place, body, content_type=STRATEGIC).body["metadata"]["generation"])

    assert generation({"metadata": {"labels": {"a": "b"}}}) == 1
    assert generation({"spec": {"template": {"metadata": {"annotations": {"token-monitor/key": "tm-1"}}}}}) == 2
    assert generation({"spec": {"template": {"metadata": {"annotations": {"token-monitor/key": "tm-1"}}}}}) == 2
    assert generation({"status": {"replicas": 3}}, f"{path}/status") == 2
    assert generation({"metadata": {"annotations": {"own": "counts too"}}}) == 3


def test_a_status_is_written_through_its_own_path_only(desk: Desk) -> None:
    kubectl.put(desk.state, deployment("web", NAMESPACE))
    path = f"{DEPLOYMENTS}/web"
    assert desk.patch(path, {"status": {"replicas": 3}}).body["status"] == {}
    after = desk.patch(f"{path}/status", {"status": {"replicas": 3}, "spec": {"replicas": 9}}).body
    assert (after["status"], after["spec"]["replicas"]) == ({"replicas": 3}, 1)
    assert desk.patch(f"{SECRETS}/token/status", {}).status == 404


# --- lists and history ---------------------------------------------------------------------------------------------


def test_a_list_chooses_by_name_and_labels(desk: Desk) -> None:
    for name, labels in {"one": {"app": "a"}, "two": {"app": "b", "x": "1"}, "three": {}}.items():
        desk.ask("POST", SECRETS, {"metadata": {"name": name, "labels": labels}})

    def names(**query: str) -> list[str]:
        return [each["metadata"]["name"] for each in desk.ask("GET", SECRETS, query=query).body["items"]]

    assert names() == ["one", "three", "two"]
    assert names(fieldSelector="metadata.name=two") == ["two"]
    assert names(fieldSelector="metadata.name!=two") == ["one", "three"]
    assert names(labelSelector="app=a") == names(labelSelector="app == a") == ["one"]
    assert names(labelSelector="app!=a") == ["three", "two"]
    assert names(labelSelector="app in (a, b),x") == ["two"]
    assert names(labelSelector="app notin (a)") == ["three", "two"]
    assert names(labelSelector="!app") == ["three"]
    assert names(labelSelector="app", fieldSelector="metadata.name=one") == ["one"]


def test_a_list_can_span_namespaces(desk: Desk) -> None:
    kubectl.put_secret(desk.state, "a", "x", {})
    kubectl.put_secret(desk.state, "b", "x", {})
    found = desk.ask("GET", "/api/v1/secrets").body["items"]
    assert [each["metadata"]["namespace"] for each in found] == ["a", "b"]


def test_pages_of_a_list_are_of_one_version_whatever_is_written_in_between(desk: Desk) -> None:
    for name in "abcde":
        desk.ask("POST", SECRETS, secret(name))
    first = desk.ask("GET", SECRETS, query={"limit": "2"}).body
    assert first["metadata"]["remainingItemCount"] == 3
    desk.ask("DELETE", f"{SECRETS}/d")
    desk.ask("POST", SECRETS, secret("cc"))
    rest = desk.ask("GET", SECRETS, query={"limit": "9", "continue": first["metadata"]["continue"]}).body
    assert [each["metadata"]["name"] for each in rest["items"]] == ["c", "d", "e"]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    desk.state.compact()
    late = desk.ask("GET", SECRETS, query={"continue": first["metadata"]["continue"]})
    assert (late.status, late.body["reason"]) == (410, "Expired")


def test_a_list_can_be_had_as_of_an_old_version_until_it_is_compacted(desk: Desk) -> None:
    old = desk.ask("POST", SECRETS, secret("a")).body["metadata"]["resourceVersion"]
    desk.ask("DELETE", f"{SECRETS}/a")
    query = {"resourceVersion": old, "resourceVersionMatch": "Exact"}
    assert [each["metadata"]["name"] for each in desk.ask("GET", SECRETS, query=query).body["items"]] == ["a"]
    desk.state.compact()
    assert desk.ask("GET", SECRETS, query=query).status == 410


def test_a_version_of_the_future_is_not_answered_with_something_older(desk: Desk) -> None:
    answer = desk.ask("GET", SECRETS, query={"resourceVersion": str(desk.state.version + 1)})
    assert (answer.status, answer.body["details"]["causes"][0]["reason"]) == (504, "ResourceVersionTooLarge")


def test_history_is_bounded(desk: Desk) -> None:
    for number in range(HISTORY + 50):
        kubectl.put_secret(desk.state, NAMESPACE, "token", {"token": str(number)})
    assert len(list(desk.state.changes_since(0))) == HISTORY
    assert desk.state.compacted > 1000


def test_what_a_client_does_with_an_answer_stays_with_the_client(desk: Desk) -> None:
    sent = secret()
    desk.ask("POST", SECRETS, sent)
    sent["data"]["token"] = "Y2hhbmdlZA=="
    assert kubectl.value(desk.state, NAMESPACE, "token", "token") == "one"
    assert desk.patch(f"{SECRETS}/token", {"data": {"x": "eA=="}}, content_type=MERGE).status == 200


# --- JSON and strategic patches ------------------------------------------------------------------------------------


def test_a_json_patch_that_tests_the_version_is_a_compare_and_swap(desk: Desk) -> None:
    version = desk.ask("POST", SECRETS, secret()).body["metadata"]["resourceVersion"]
    swap = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version},
        {"op": "replace", "path": "/data/token", "value": "dHdv"},
    ]
    kind = "application/json-patch+json"
    assert desk.patch(f"{SECRETS}/token", swap, content_type=kind).status == 200
    again = desk.patch(f"{SECRETS}/token", swap, content_type=kind)
    assert (again.status, again.body["reason"]) == (422, "Invalid")


@pytest.mark.parametrize(
    ("operation", "labels"),
    [
        ({"op": "add", "path": "/metadata/labels/x~1y", "value": "1"}, {"a": "b", "x/y": "1"}),
        ({"op": "remove", "path": "/metadata/labels/a"}, {}),
        ({"op": "move", "from": "/metadata/labels/a", "path": "/metadata/labels/c"}, {"c": "b"}),
        ({"op": "copy", "from": "/metadata/labels/a", "path": "/metadata/labels/c"}, {"a": "b", "c": "b"}),
        ({"op": "remove", "path": "/metadata/labels/nosuch"}, None),
        ({"op": "add", "path": "/nosuch/x", "value": "1"}, None),
        ({"op": "test", "path": "/metadata/labels/a", "value": "c"}, None),
        ({"op": "odd", "path": "/metadata/labels/a"}, None),
    ],
)
def test_json_patches(desk: Desk, operation: Object, labels: Object | None) -> None:
    desk.ask("POST", SECRETS, {"metadata": {"name": "token", "labels": {"a": "b"}}})
    answer = desk.patch(f"{SECRETS}/token", [operation], content_type="application/json-patch+json")
    if labels is None:
        assert answer.status == 422
    else:
        assert answer.body["metadata"].get("labels", {}) == labels


def test_a_strategic_patch_merges_containers_by_name_and_environment_by_name(desk: Desk) -> None:
    kubectl.put(
        desk.state, deployment("web", NAMESPACE, env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}])
    )
    patch = {
        "spec": {
            "template": {
                "spec": {
                    "containers": [
                        {"name": "web", "env": [{"name": "B", "value": "3"}, {"name": "A", "$patch": "delete"}]},
                        {"name": "side", "image": "x"},
                    ]
                }
            }
        }
    }
    after = desk.patch(f"{DEPLOYMENTS}/web", patch, content_type=STRATEGIC).body
    first, second = after["spec"]["template"]["spec"]["containers"]
    assert first["env"] == [{"name": "B", "value": "3"}]
    assert (first["image"], second["name"]) == ("registry.invalid/consumer:1", "side")
