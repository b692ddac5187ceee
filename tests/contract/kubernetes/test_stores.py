"""One suite for every store: Secrets (simulated, kmock's, of a real API) and files. The compare-and-swap above all."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from monitor.adapters.file_stores import FileCredentialStore, FileJournalStore
from monitor.adapters.kubernetes.credential_store import KubernetesCredentialStore
from monitor.adapters.kubernetes.journal_store import KubernetesJournalStore
from monitor.cluster import MERGE_PATCH, Answer, KubernetesApi
from monitor.core.effects import Conflict, Done, Refused
from monitor.core.secret import Secret
from monitor.ports import CredentialStore, JournalStore

from tests.contract.kubernetes.conftest import Cluster
from tests.contract.kubernetes.emulated import NAMESPACE, emulated


@dataclass(frozen=True, slots=True)
class Place:
    """Where the stores of one test are. Each call gives another store over the same Secret or file."""

    credentials: Callable[[], CredentialStore]
    journals: Callable[[], JournalStore]


async def version_of(store: CredentialStore) -> str | None:
    return (await store.read()).version


async def text_of(store: JournalStore) -> tuple[str, str | None]:
    found = await store.read()
    assert isinstance(found, tuple)
    return found


class Stores:
    """What every store promises."""

    async def test_what_was_never_written_is_not_there_and_has_no_version(self, place: Place) -> None:
        stored = await place.credentials().read()
        assert (stored.token, stored.version, stored.readable) == (None, None, True)
        assert await text_of(place.journals()) == ("", None)

    async def test_what_is_written_first_is_made_and_read_back(self, place: Place) -> None:
        store = place.credentials()
        assert await store.write(Secret("first"), None) == Done()
        stored = await place.credentials().read()
        assert stored.token == Secret("first")
        assert stored.version is not None

    async def test_a_token_is_replaced_where_nobody_else_wrote(self, place: Place) -> None:
        store = place.credentials()
        await store.write(Secret("first"), None)
        assert await store.write(Secret("second"), await version_of(store)) == Done()
        assert (await store.read()).token == Secret("second")

    async def test_what_is_there_is_never_overwritten_as_if_it_were_not(self, place: Place) -> None:
        await place.credentials().write(Secret("theirs"), None)
        assert await place.credentials().write(Secret("ours"), None) == Conflict()
        assert (await place.credentials().read()).token == Secret("theirs")

    async def test_a_write_over_another_version_changes_nothing(self, place: Place) -> None:
        store = place.credentials()
        await store.write(Secret("first"), None)
        version = await version_of(store)
        await place.credentials().write(Secret("theirs"), version)
        assert await store.write(Secret("ours"), version) == Conflict()
        assert (await store.read()).token == Secret("theirs")

    async def test_of_two_writers_at_once_exactly_one_wins(self, place: Place) -> None:
        first, second = place.credentials(), place.credentials()
        await first.write(Secret("old"), None)
        version = await version_of(first)
        outcomes = await asyncio.gather(first.write(Secret("a"), version), second.write(Secret("b"), version))
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "Done"]
        assert (await first.read()).token == (Secret("a") if outcomes[0] == Done() else Secret("b"))

    async def test_of_two_who_make_it_at_once_exactly_one_wins(self, place: Place) -> None:
        outcomes = await asyncio.gather(*(place.credentials().write(Secret(value), None) for value in ("a", "b")))
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "Done"]

    async def test_a_journal_is_kept_from_write_to_write(self, place: Place) -> None:
        store = place.journals()
        first = await store.write('{"state": "idle"}', None)
        assert await text_of(place.journals()) == ('{"state": "idle"}', first)
        assert isinstance(first, str)
        second = await store.write('{"state": "intent", "error": "ü → ?"}', first)
        assert second != first
        assert await text_of(place.journals()) == ('{"state": "intent", "error": "ü → ?"}', second)

    async def test_a_journal_that_another_replica_wrote_is_not_overwritten(self, place: Place) -> None:
        first = await place.journals().write("one", None)
        assert isinstance(first, str)
        second = await place.journals().write("two", first)
        assert await place.journals().write("three", first) == Conflict()
        assert await place.journals().write("three", None) == Conflict()
        assert await text_of(place.journals()) == ("two", second)

    async def test_of_two_replicas_that_write_the_journal_at_once_exactly_one_wins(self, place: Place) -> None:
        version = await place.journals().write("start", None)
        assert isinstance(version, str)
        outcomes = await asyncio.gather(*(place.journals().write(text, version) for text in ("a", "b", "c")))
        assert [type(outcome) for outcome in outcomes].count(Conflict) == 2

    async def test_a_long_journal_is_kept_whole(self, place: Place) -> None:
        text = "x" * 100_000
        version = await place.journals().write(text, None)
        assert await text_of(place.journals()) == (text, version)

    async def test_no_store_shows_the_token(self, place: Place) -> None:
        store, canary = place.credentials(), f"canary-{secrets.token_hex(8)}"
        await store.write(Secret(canary), None)
        shown = f"{store!r} {await store.read()!r} {await store.write(Secret(canary), 'stale')!r}"
        assert canary not in shown


def in_secrets(api: KubernetesApi, namespace: str | None, token: str, journal: str) -> Place:
    return Place(
        lambda: KubernetesCredentialStore(api, namespace, token, "token"),
        lambda: KubernetesJournalStore(api, namespace, journal),
    )


class Secretly:
    """A Secret of somebody else, with more in it than the token."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._name = name

    def store(self) -> KubernetesCredentialStore:
        return KubernetesCredentialStore(self._cluster.api, self._cluster.namespace, self._name, "token")

    async def make(self) -> None:
        metadata = {"name": self._name, "labels": {"team": "a"}, "annotations": {"note": "keep"}}
        data = {"token": encode("old"), "username": encode("admin")}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "example.com/token", "data": data}
        await self._call("POST", self._cluster.path("secrets"), body, "kubectl-create", "application/json")

    async def patch(self, patch: Mapping[str, Any], *, manager: str) -> None:
        await self._call("PATCH", self._cluster.path("secrets", self._name), patch, manager, MERGE_PATCH)

    async def body(self) -> Mapping[str, Any]:
        answer = await self._cluster.api.request("GET", self._cluster.path("secrets", self._name))
        assert isinstance(answer, Answer)
        return answer.body

    async def _call(self, method: str, path: str, body: object, manager: str, content_type: str) -> None:
        query = {"fieldManager": manager}
        answer = await self._cluster.api.request(method, path, query=query, body=body, content_type=content_type)
        assert isinstance(answer, Answer)
        assert answer.status in (200, 201), answer.message


def encode(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


class TestSecrets(Stores):
    """Of the simulator over HTTP, and of a real API where one is named."""

    @pytest.fixture
    def place(self, cluster: Cluster) -> Place:
        return in_secrets(cluster.api, cluster.namespace, cluster.unique("token"), cluster.unique("journal"))

    @pytest.fixture
    async def theirs(self, cluster: Cluster) -> Secretly:
        theirs = Secretly(cluster, cluster.unique("token"))
        await theirs.make()
        return theirs

    async def test_all_that_is_not_the_token_stays_as_it_is(self, theirs: Secretly) -> None:
        before = await theirs.body()
        store = theirs.store()
        assert await store.write(Secret("new"), await version_of(store)) == Done()
        after = await theirs.body()
        assert after["data"] == {**before["data"], "token": encode("new")}
        assert after["type"] == before["type"]
        for part in ("labels", "annotations", "uid", "creationTimestamp"):
            assert after["metadata"][part] == before["metadata"][part]

    async def test_whoever_wrote_the_token_last_is_named(self, theirs: Secretly) -> None:
        store = theirs.store()
        assert str((await store.read()).writer).startswith("kubectl (kubectl-create, ")
        await store.write(Secret("ours"), await version_of(store))
        assert str((await store.read()).writer).startswith("token-monitor (")
        await theirs.patch({"data": {"username": encode("somebody")}}, manager="helm")
        assert str((await store.read()).writer).startswith("token-monitor (")
        await theirs.patch({"data": {"token": encode("theirs")}}, manager="argocd-controller")
        assert str((await store.read()).writer).startswith("Argo CD (argocd-controller, ")

    async def test_an_immutable_secret_is_told_as_such(self, theirs: Secretly) -> None:
        await theirs.patch({"immutable": True}, manager="kubectl-edit")
        store = theirs.store()
        outcome = await store.write(Secret("new"), await version_of(store))
        assert isinstance(outcome, Refused)
        assert "is immutable: delete it" in outcome.why

    async def test_a_namespace_that_does_not_exist_is_no_place_for_a_secret(self, cluster: Cluster) -> None:
        if not cluster.real:
            pytest.skip("every namespace of the simulator exists")
        store = KubernetesCredentialStore(cluster.api, cluster.unique("nowhere"), "argocd-token", "token")
        assert (await store.read()).token is None
        assert isinstance(await store.write(Secret("new"), None), Refused)


class TestSecretsOfKmock(Stores):
    """Of kmock's emulator."""

    @pytest.fixture
    async def place(self, tmp_path: Path) -> AsyncIterator[Place]:
        async with emulated(tmp_path) as api:
            yield in_secrets(api, NAMESPACE, "argocd-token", "token-monitor-journal-production")


class TestFiles(Stores):
    """Of a directory."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Place(
            lambda: FileCredentialStore(tmp_path / "token"),
            lambda: FileJournalStore(tmp_path / "token-monitor-journal-production"),
        )
