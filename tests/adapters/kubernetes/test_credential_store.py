"""The consumers' Secret: one key is replaced where nobody else wrote, and all the rest stays."""

from __future__ import annotations

from typing import Any

import pytest
from monitor.adapters.kubernetes.credential_store import KubernetesCredentialStore, last_writer
from monitor.cluster import Answer
from monitor.core.effects import Conflict, Done, Refused, Unknown
from monitor.core.secret import Secret
from monitor.simulator.kubernetes.access import Rule

from tests.adapters.kubernetes.stage import NAMESPACE, Stage, encode

NAME = "argocd-token"
PATH = f"/api/v1/namespaces/{NAMESPACE}/secrets/{NAME}"
LIKE_A_SECRET = Answer(200, {"kind": "ConfigMap", "metadata": {"resourceVersion": "1"}, "data": {"token": "YWJj"}})
CANARY = "eyJhbGciOiJIUzI1NiJ9.canary-payload-canary-payload.canary-signature"


@pytest.fixture
def store(stage: Stage) -> KubernetesCredentialStore:
    return KubernetesCredentialStore(stage.api, NAMESPACE, NAME, "token")


async def test_a_secret_that_is_not_there_is_told_with_the_command_that_makes_it(
    store: KubernetesCredentialStore,
) -> None:
    stored = await store.read()
    assert (stored.token, stored.version, stored.readable) == (None, None, True)
    assert f"kubectl create secret generic {NAME} -n {NAMESPACE}" in stored.problem


async def test_the_present_value_is_read_with_its_version(stage: Stage, store: KubernetesCredentialStore) -> None:
    await stage.put(NAME, {"token": "abc"})
    stored = await store.read()
    assert stored.token == Secret("abc")
    assert stored.version == stage.secret(NAME)["metadata"]["resourceVersion"]


async def test_every_read_asks_the_api_itself(stage: Stage, store: KubernetesCredentialStore) -> None:
    await stage.put(NAME, {"token": "abc"})
    await store.read()
    await stage.overwrite(NAME, "token", "def")
    assert (await store.read()).token == Secret("def")


@pytest.mark.parametrize("data", [{}, {"other": "x"}, {"token": ""}])
async def test_a_secret_without_a_value_can_be_written_over(
    stage: Stage, store: KubernetesCredentialStore, data: dict[str, str]
) -> None:
    await stage.put(NAME, data)
    stored = await store.read()
    assert stored.token is None
    assert stored.problem
    assert await store.write(Secret("abc"), stored.version) == Done()
    assert stage.value(NAME, "token") == "abc"


async def test_a_secret_that_is_not_there_is_made_plainly_and_with_our_label(
    stage: Stage, store: KubernetesCredentialStore
) -> None:
    assert await store.write(Secret("abc"), None) == Done()
    made = stage.secret(NAME)
    assert made["type"] == "Opaque"
    assert made["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "token-monitor"}
    assert made["data"] == {"token": encode("abc")}


async def test_a_secret_that_somebody_made_meanwhile_is_a_conflict(
    stage: Stage, store: KubernetesCredentialStore
) -> None:
    await stage.put(NAME, {"token": "theirs"})
    assert await store.write(Secret("ours"), None) == Conflict()
    assert stage.value(NAME, "token") == "theirs"


async def test_all_that_is_not_the_token_stays_as_it_is(stage: Stage, store: KubernetesCredentialStore) -> None:
    metadata = {
        "labels": {"team": "a", "codefresh.io/internal": "true"},
        "annotations": {"note": "keep"},
        "finalizers": ["example.com/keep"],
    }
    await stage.put(NAME, {"token": "old", "username": "admin"}, type="example.com/token", metadata=metadata)
    before = stage.secret(NAME)
    assert await store.write(Secret("new"), (await store.read()).version) == Done()
    after = stage.secret(NAME)
    assert after["data"] == {"token": encode("new"), "username": encode("admin")}
    assert after["type"] == "example.com/token"
    for part in ("labels", "annotations", "finalizers", "uid", "creationTimestamp"):
        assert after["metadata"][part] == before["metadata"][part]


async def test_a_write_over_a_version_that_is_past_changes_nothing(
    stage: Stage, store: KubernetesCredentialStore
) -> None:
    await stage.put(NAME, {"token": "old"})
    version = (await store.read()).version
    await stage.overwrite(NAME, "unrelated", "x")
    assert await store.write(Secret("new"), version) == Conflict()
    assert stage.value(NAME, "token") == "old"


async def test_a_secret_that_was_deleted_meanwhile_is_a_conflict_and_is_not_made_again(
    stage: Stage, store: KubernetesCredentialStore
) -> None:
    await stage.put(NAME, {"token": "old"})
    version = (await store.read()).version
    await stage.by_hand("DELETE", PATH[1:])
    assert await store.write(Secret("new"), version) == Conflict()
    assert not stage.has(NAME)


async def test_the_token_counts_as_written_only_when_it_was_read_back(
    stage: Stage, store: KubernetesCredentialStore
) -> None:
    await stage.put(NAME, {"token": "old"})
    version = (await store.read()).version
    stage.state.faults.lose_requests("get", PATH)
    outcome = await store.write(Secret("new"), version)
    assert isinstance(outcome, Unknown)
    assert "read back" in outcome.why


async def test_a_token_that_reads_back_otherwise_was_changed_by_somebody(
    stage: Stage, store: KubernetesCredentialStore
) -> None:
    await stage.put(NAME, {"token": "old"})
    version = (await store.read()).version
    stage.state.faults.stale_reads(1, "get", PATH)
    assert await store.write(Secret("new"), version) == Conflict()


async def test_a_lost_answer_is_neither_done_nor_refused(stage: Stage, store: KubernetesCredentialStore) -> None:
    await stage.put(NAME, {"token": "old"})
    version = (await store.read()).version
    stage.state.faults.lose_answers("patch", PATH)
    assert isinstance(await store.write(Secret("new"), version), Unknown)
    assert stage.value(NAME, "token") == "new"
    stage.state.faults.lose_requests("patch", PATH)
    assert isinstance(await store.write(Secret("newer"), (await store.read()).version), Unknown)
    assert stage.value(NAME, "token") == "new"


async def test_a_lost_answer_to_the_making_is_neither_done_nor_refused(
    stage: Stage, store: KubernetesCredentialStore
) -> None:
    stage.state.faults.lose_answers("create")
    assert isinstance(await store.write(Secret("new"), None), Unknown)
    assert stage.value(NAME, "token") == "new"


async def test_what_was_never_sent_is_refused(stage: Stage, store: KubernetesCredentialStore) -> None:
    await stage.put(NAME, {"token": "old"})
    version = (await store.read()).version
    stage.state.faults.refuse("patch", PATH)
    assert isinstance(await store.write(Secret("new"), version), Refused)
    assert stage.value(NAME, "token") == "old"


@pytest.mark.parametrize("status", [408, 500, 503, 504])
async def test_a_fault_of_the_server_is_an_unknown_outcome(
    stage: Stage, store: KubernetesCredentialStore, status: int
) -> None:
    await stage.put(NAME, {"token": "old"})
    version = (await store.read()).version
    stage.state.faults.answer(status, "patch", PATH, effect=True)
    assert isinstance(await store.write(Secret("new"), version), Unknown)


async def test_an_overloaded_server_has_done_nothing(stage: Stage, store: KubernetesCredentialStore) -> None:
    await stage.put(NAME, {"token": "old"})
    version = (await store.read()).version
    stage.state.faults.answer(429, "patch", PATH)
    assert isinstance(await store.write(Secret("new"), version), Refused)


async def test_a_server_that_is_away_leaves_the_secret_unread(stage: Stage, store: KubernetesCredentialStore) -> None:
    await stage.put(NAME, {"token": "old"})
    stage.state.go_away(60)
    stored = await store.read()
    assert (stored.token, stored.version, stored.readable) == (None, None, False)
    assert stored.problem


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_fault_never_looks_like_a_secret_that_is_gone(
    stage: Stage, store: KubernetesCredentialStore, status: int
) -> None:
    await stage.put(NAME, {"token": "old"})
    stage.state.faults.answer(status, "get", PATH)
    assert not (await store.read()).readable


@pytest.mark.parametrize(
    "answer", [Answer(404, {}), Answer(200, {}), Answer(200, {"kind": "Status"}), Answer(302, {}), LIKE_A_SECRET]
)
async def test_the_page_of_a_proxy_never_looks_like_a_secret_that_is_gone(
    stage: Stage, store: KubernetesCredentialStore, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    async def behind_a_proxy(*_: Any, **__: Any) -> Answer:
        return answer

    monkeypatch.setattr(stage.api, "request", behind_a_proxy)
    stored = await store.read()
    assert not stored.readable
    assert stored.problem


# --- permissions and other refusals, with the fix ------------------------------------------------------------------


async def test_without_permission_to_read_the_fix_names_verb_and_secret(
    stage: Stage, store: KubernetesCredentialStore
) -> None:
    await stage.put(NAME, {"token": "old"})
    stage.allow()
    stored = await store.read()
    assert not stored.readable
    assert f"the verb get on secrets, resourceNames [{NAME}]" in stored.problem


async def test_without_permission_to_write_the_fix_names_verb_and_secret(
    stage: Stage, store: KubernetesCredentialStore
) -> None:
    await stage.put(NAME, {"token": "old"})
    stage.allow(Rule("get", "secrets", names=(NAME,)))
    outcome = await store.write(Secret("new"), (await store.read()).version)
    assert isinstance(outcome, Refused)
    assert f"the verb patch on secrets, resourceNames [{NAME}]" in outcome.why
    assert stage.value(NAME, "token") == "old"


async def test_without_permission_to_make_it_the_fix_is_the_verb_or_the_command(
    stage: Stage, store: KubernetesCredentialStore
) -> None:
    stage.allow(Rule("get,patch", "secrets", names=(NAME,)))
    outcome = await store.write(Secret("new"), None)
    assert isinstance(outcome, Refused)
    assert "the verb create on secrets" in outcome.why
    assert f"kubectl create secret generic {NAME} -n {NAMESPACE}" in outcome.why


async def test_get_and_patch_by_name_are_all_that_an_existing_secret_needs(
    stage: Stage, store: KubernetesCredentialStore
) -> None:
    await stage.put(NAME, {"token": "old"})
    stage.allow(Rule("get,patch", "secrets", names=(NAME,)))
    assert await store.write(Secret("new"), (await store.read()).version) == Done()


async def test_an_immutable_secret_is_told_as_such(stage: Stage, store: KubernetesCredentialStore) -> None:
    await stage.put(NAME, {"token": "old"}, immutable=True)
    outcome = await store.write(Secret("new"), (await store.read()).version)
    assert isinstance(outcome, Refused)
    assert "is immutable: delete it" in outcome.why


def refusing(stage: Stage, monkeypatch: pytest.MonkeyPatch, status: int, message: str) -> None:
    """The API answers writes so."""
    asked = stage.api.request

    async def request(method: str, *args: Any, **named: Any) -> Any:
        if method == "GET":
            return await asked(method, *args, **named)
        return Answer(status, {"kind": "Status", "message": message})

    monkeypatch.setattr(stage.api, "request", request)


async def test_an_admission_policy_is_told_as_a_policy_and_not_as_a_missing_verb(
    stage: Stage, store: KubernetesCredentialStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(stage, monkeypatch, 403, 'admission webhook "validate.example" denied the request: team label required')
    outcome = await store.write(Secret("new"), "1")
    assert isinstance(outcome, Refused)
    assert "team label required" in outcome.why
    assert "verb" not in outcome.why


@pytest.mark.parametrize("status", [400, 403, 422, 500])
@pytest.mark.parametrize("quote", [CANARY, encode(CANARY), f"found in #10 byte of ...|{encode(CANARY)[20:60]}|..."])
async def test_an_answer_that_quotes_the_token_is_not_passed_on(
    stage: Stage, store: KubernetesCredentialStore, monkeypatch: pytest.MonkeyPatch, status: int, quote: str
) -> None:
    refusing(stage, monkeypatch, status, f"denied: data.token={quote}")
    outcome = await store.write(Secret(CANARY), "1")
    assert isinstance(outcome, Refused | Unknown)
    shown = repr(outcome)
    assert "canary" not in shown
    assert encode(CANARY)[20:40] not in shown


async def test_nothing_that_is_shown_holds_the_token(stage: Stage, store: KubernetesCredentialStore) -> None:
    await stage.put(NAME, {"token": CANARY})
    found = await store._secret.read()
    shown = f"{store!r} {await store.read()!r} {found!r} {vars(store)!r}"
    assert CANARY not in shown
    assert encode(CANARY) not in shown


# --- who wrote it --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manager", "words"),
    [
        ("argocd-controller", "Argo CD ("),
        ("argocd-application-controller", "Argo CD ("),
        ("externalsecrets.external-secrets.io/argocd-token", "External Secrets ("),
        ("cap-app-proxy", "Codefresh app-proxy ("),
        ("kubectl-edit", "kubectl ("),
        ("homegrown", "homegrown ("),
    ],
)
async def test_another_writer_is_named_with_the_time(
    stage: Stage, store: KubernetesCredentialStore, manager: str, words: str
) -> None:
    await store.write(Secret("ours"), None)
    stage.clock.passed = 60
    await stage.overwrite(NAME, "token", "theirs", manager=manager)
    writer = (await store.read()).writer
    assert writer is not None
    assert writer.startswith(words)
    assert stage.state.timestamp() in writer


async def test_our_own_write_is_known_as_ours(stage: Stage, store: KubernetesCredentialStore) -> None:
    await stage.put(NAME, {"token": "theirs"}, manager="argocd-controller")
    assert str((await store.read()).writer).startswith("Argo CD")
    await store.write(Secret("ours"), (await store.read()).version)
    assert str((await store.read()).writer).startswith("token-monitor")


async def test_whoever_writes_beside_the_token_is_not_its_writer(
    stage: Stage, store: KubernetesCredentialStore
) -> None:
    await store.write(Secret("ours"), None)
    stage.clock.passed = 60
    await stage.overwrite(NAME, "username", "admin", manager="argocd-controller")
    assert str((await store.read()).writer).startswith("token-monitor")


def entry(manager: str, time: str, key: str = "token", **more: Any) -> dict[str, Any]:
    return {"manager": manager, "time": time, "fieldsV1": {"f:data": {".": {}, f"f:{key}": {}}}, **more}


def test_of_several_owners_the_one_that_wrote_last_is_named() -> None:
    fields = [
        entry("argocd-controller", "2026-08-20T10:00:02Z"),
        entry("token-monitor", "2026-08-20T10:00:01Z"),
        entry("helm", "2026-08-20T10:00:03Z", key="other"),
    ]
    assert str(last_writer({"managedFields": fields}, "token")).startswith("Argo CD")


@pytest.mark.parametrize("fields", [None, "x", [], [None], [{"manager": "helm"}], [{"fieldsV1": {"f:data": "x"}}]])
def test_odd_or_absent_notes_of_writers_name_nobody(fields: object) -> None:
    assert last_writer({"managedFields": fields}, "token") is None


async def test_the_connections_own_namespace_is_used_where_none_is_given(stage: Stage) -> None:
    await stage.put(NAME, {"token": "abc"})
    assert (await KubernetesCredentialStore(stage.api, None, NAME, "token").read()).token == Secret("abc")


async def test_a_namespace_that_is_being_deleted_is_no_matter_of_permissions(
    stage: Stage, store: KubernetesCredentialStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a Kubernetes API answered: a 403 like that of RBAC, told apart by its cause."""
    message = (
        f'secrets "{NAME}" is forbidden: unable to create new content in namespace a because it is being terminated'
    )
    cause = {
        "reason": "NamespaceTerminating",
        "message": "namespace a is being terminated",
        "field": "metadata.namespace",
    }
    body = {"kind": "Status", "message": message, "reason": "Forbidden", "details": {"causes": [cause]}, "code": 403}

    async def terminating(*_: Any, **__: Any) -> Answer:
        return Answer(403, body)

    monkeypatch.setattr(stage.api, "request", terminating)
    outcome = await store.write(Secret("abc"), None)
    assert isinstance(outcome, Refused)
    assert "the namespace is being deleted" in outcome.why
    assert "kubectl create secret" not in outcome.why
