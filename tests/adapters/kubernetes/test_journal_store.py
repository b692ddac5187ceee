"""The journal's Secret: written by compare-and-swap, named after its target, and told nobody."""

from __future__ import annotations

import pytest
from monitor.adapters.kubernetes.journal_store import KubernetesJournalStore
from monitor.core.effects import Conflict, Refused, Unknown
from monitor.core.journal import Journal, dump, load
from monitor.core.secret import Secret
from monitor.simulator.kubernetes.access import Rule

from tests.adapters.kubernetes.stage import NAMESPACE, Stage, encode

NAME = "token-monitor-journal-production"
PATH = f"/api/v1/namespaces/{NAMESPACE}/secrets/{NAME}"
CANARY = "canary-pending-token-canary"


@pytest.fixture
def store(stage: Stage) -> KubernetesJournalStore:
    return KubernetesJournalStore(stage.api, NAMESPACE, NAME)


async def test_there_is_no_journal_before_the_first_write(store: KubernetesJournalStore) -> None:
    assert await store.read() == ("", None)


async def test_a_journal_comes_back_as_it_was_written(stage: Stage, store: KubernetesJournalStore) -> None:
    journal = Journal(key_id="tm-1", token=Secret("pending"), error="«ü»")
    version = await store.write(dump(journal), None)
    found = await store.read()
    assert isinstance(found, tuple)
    assert load(found[0]) == journal
    assert found[1] == version == stage.secret(NAME)["metadata"]["resourceVersion"]


async def test_a_secret_that_was_made_empty_beforehand_is_a_journal_at_rest(
    stage: Stage, store: KubernetesJournalStore
) -> None:
    await stage.put(NAME, {})
    found = await store.read()
    assert isinstance(found, tuple)
    assert found == ("", stage.secret(NAME)["metadata"]["resourceVersion"])
    assert isinstance(await store.write("{}", found[1]), str)


async def test_get_and_patch_by_name_are_all_that_an_existing_journal_needs(
    stage: Stage, store: KubernetesJournalStore
) -> None:
    await stage.put(NAME, {})
    stage.allow(Rule("get,patch", "secrets", names=(NAME,)))
    found = await store.read()
    assert isinstance(found, tuple)
    assert isinstance(await store.write("{}", found[1]), str)


async def test_what_another_replica_wrote_is_not_overwritten(stage: Stage, store: KubernetesJournalStore) -> None:
    version = await store.write("one", None)
    assert isinstance(version, str)
    await KubernetesJournalStore(stage.api, NAMESPACE, NAME).write("two", version)
    assert await store.write("three", version) == Conflict()
    assert await store.write("three", None) == Conflict()
    assert stage.value(NAME, "journal") == "two"


async def test_a_journal_that_was_deleted_meanwhile_is_looked_at_again(
    stage: Stage, store: KubernetesJournalStore
) -> None:
    version = await store.write("one", None)
    assert isinstance(version, str)
    await stage.by_hand("DELETE", PATH[1:])
    assert await store.write("two", version) == Conflict()
    assert await store.read() == ("", None)


async def test_a_lost_answer_is_an_unknown_outcome(stage: Stage, store: KubernetesJournalStore) -> None:
    version = await store.write("one", None)
    assert isinstance(version, str)
    stage.state.faults.lose_answers("patch", PATH)
    assert isinstance(await store.write("two", version), Unknown)
    assert stage.value(NAME, "journal") == "two"


async def test_what_was_never_sent_is_refused(stage: Stage, store: KubernetesJournalStore) -> None:
    stage.state.faults.refuse("create")
    assert isinstance(await store.write("one", None), Refused)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_journal_that_cannot_be_read_is_never_taken_for_an_empty_one(
    stage: Stage, store: KubernetesJournalStore, status: int
) -> None:
    await store.write("one", None)
    stage.state.faults.answer(status, "get", PATH)
    assert isinstance(await store.read(), Unknown)
    stage.state.go_away(60)
    assert isinstance(await store.read(), Unknown)


async def test_without_permission_the_fix_names_verb_and_secret(stage: Stage, store: KubernetesJournalStore) -> None:
    version = await store.write("one", None)
    assert isinstance(version, str)
    stage.allow()
    unread = await store.read()
    assert isinstance(unread, Unknown)
    assert f"the verb get on secrets, resourceNames [{NAME}]" in unread.why
    unwritten = await store.write("two", version)
    assert isinstance(unwritten, Refused)
    assert f"the verb patch on secrets, resourceNames [{NAME}]" in unwritten.why
    unmade = await store.write("two", None)
    assert isinstance(unmade, Refused)
    assert "the verb create on secrets" in unmade.why


async def test_a_damaged_journal_is_told_by_whoever_reads_it(stage: Stage, store: KubernetesJournalStore) -> None:
    await stage.by_hand(
        "POST",
        f"api/v1/namespaces/{NAMESPACE}/secrets",
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME}, "data": {"journal": "/w=="}},
    )
    found = await store.read()
    assert isinstance(found, tuple)
    assert found[0] == "\ufffd"


async def test_the_pending_token_is_shown_nowhere(stage: Stage, store: KubernetesJournalStore) -> None:
    text = dump(Journal(key_id="tm-1", token=Secret(CANARY)))
    written = await store.write(text, None)
    refused = await store.write(text, "stale")
    found = await store._secret.read()
    shown = f"{store!r} {written!r} {refused!r} {found!r}"
    assert CANARY not in shown
    assert encode(text)[:40] not in shown
