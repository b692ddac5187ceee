"""Whatever a Kubernetes API answers, what works on it answers as its port says, and a watch goes on.

The API here is one whose every answer is bent. Nothing of it may end an adapter, and no value of a Secret may stand in
what is told or logged.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import structlog
from hypothesis import given
from hypothesis import strategies as st
from monitor.adapters.kubernetes.argocd_watch import ArgoCDWatch
from monitor.adapters.kubernetes.connection import _event, _object
from monitor.adapters.kubernetes.consumers import CODEFRESH, KubernetesConsumers, Workload
from monitor.adapters.kubernetes.credential_store import KubernetesCredentialStore
from monitor.adapters.kubernetes.events import KubernetesAnnouncer
from monitor.adapters.kubernetes.journal_store import KubernetesJournalStore
from monitor.adapters.kubernetes.lease import LeaseElection
from monitor.adapters.kubernetes.secret_watch import SecretWatch
from monitor.adapters.kubernetes.secrets import KubernetesSecretSource, SecretReader
from monitor.adapters.kubernetes.target_objects import Room, TargetObjects
from monitor.cluster import Answer, Event, KubernetesApi, NoAnswer
from monitor.core.announcement import Announcement, Reason
from monitor.core.discovery import KEYS, LABEL
from monitor.core.doctor_kubernetes import Holds
from monitor.core.effects import Conflict, Consumers, Done, Refused, Unknown
from monitor.core.permissions import Permission
from monitor.core.secret import Secret
from monitor.services.cluster_facts import ClusterFacts

from tests.hostile.bending import bend, bent, bent_bytes, examples
from tests.virtual_time import VirtualClock, VirtualLoop, play

CANARY = "canary-of-a-token-3f20"
ENCODED = base64.b64encode(CANARY.encode()).decode()
seeds = st.integers(0, 2**32)
REFUSALS = (400, 401, 403, 404, 405, 406, 409, 410, 422, 429, 500, 999)
AT = "2026-11-18T11:07:40Z"


def metadata(name: str, **more: Any) -> dict[str, Any]:
    managed = {"manager": "helm", "operation": "Update", "time": AT, "fieldsV1": {"f:data": {"f:token": {}}}}
    return {"name": name, "namespace": "a", "uid": "u", "resourceVersion": "7", "creationTimestamp": AT, "labels": {}, "managedFields": [managed], **more}  # fmt: skip


SECRET = {
    "kind": "Secret",
    "apiVersion": "v1",
    "metadata": metadata("t"),
    "data": {"token": ENCODED, "journal": ""},
    "type": "Opaque",
}
SETTINGS = {
    "kind": "ConfigMap",
    "metadata": metadata("argocd-cm"),
    "data": {"accounts.ci": "apiKey", "admin.enabled": "true"},
}
FOUND = {
    "kind": "ConfigMap",
    "metadata": metadata("prod", labels={LABEL: "true"}),
    "data": {KEYS[0]: "url: https://a.example.com"},
}
FOUND_SECRET = {**FOUND, "kind": "Secret", "data": {KEYS[0]: base64.b64encode(b"url: https://a.example.com").decode()}}
WORKLOAD = {
    "kind": "Deployment",
    "metadata": metadata("portal"),
    "spec": {
        "selector": {
            "matchLabels": {"app": "x"},
            "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}],
        },
        "template": {"metadata": {"annotations": {"tokenmonitor.io/key-id": "tm-1"}}},
        "updateStrategy": {"type": "RollingUpdate"},
    },
    "status": {"replicas": 1},
}
POD = {
    "kind": "Pod",
    "metadata": metadata(
        "portal-1", ownerReferences=[{"controller": True, "kind": "ReplicaSet", "name": "portal-5f"}], annotations={}
    ),
    "spec": {"nodeName": "n"},
    "status": {
        "phase": "Running",
        "startTime": AT,
        "containerStatuses": [
            {"state": {"running": {"startedAt": AT}}},
            {"state": {"waiting": {"reason": "ContainerCreating"}}},
        ],
    },
}
LEASE = {
    "kind": "Lease",
    "metadata": metadata("token-monitor"),
    "spec": {
        "holderIdentity": "other",
        "leaseDurationSeconds": 15,
        "acquireTime": AT,
        "renewTime": AT,
        "leaseTransitions": 3,
    },
}
STATUS = {
    "kind": "Status",
    "status": "Failure",
    "reason": "Forbidden",
    "message": "secrets t is forbidden",
    "code": 403,
    "details": {"retryAfterSeconds": 5},
}
REVIEW = {"kind": "SelfSubjectAccessReview", "status": {"allowed": True}}


def listed(*items: Any, kind: str = "List") -> dict[str, Any]:
    return {"kind": kind, "metadata": {"resourceVersion": "7", "continue": ""}, "items": list(items)}


SOUND = {
    "secrets": listed(SECRET, FOUND_SECRET), "configmaps": listed(SETTINGS, FOUND), "deployments": listed(WORKLOAD), "statefulsets": listed(WORKLOAD),
    "pods": listed(POD, POD), "leases": LEASE, "events": {"kind": "Event", "metadata": metadata("e")},
    "selfsubjectaccessreviews": REVIEW, "": STATUS,
}  # fmt: skip
ONE = {
    "secrets": SECRET,
    "configmaps": SETTINGS,
    "deployments": WORKLOAD,
    "statefulsets": WORKLOAD,
    "leases": LEASE,
    "events": SOUND["events"],
}


class BentApi:
    """Answers each call with what should come, bent by chance: a seed that fails is told, and does the same again."""

    namespace = "a"

    def __init__(self, seed: int, clock: VirtualClock) -> None:
        self._random = random.Random(seed)
        self.clock = clock
        self.calls = 0

    async def ready(self) -> str | None:
        return None

    async def request(self, method: str, path: str, *, body: object | None = None, **_: Any) -> Answer | NoAnswer:
        await asyncio.sleep(0.01)
        json.dumps(body)  # the real one sends it
        self.calls += 1
        if self.calls > 40:
            return NoAnswer("enough")
        match self._random.randrange(10):
            case 0:
                return NoAnswer("gone", sent=self._random.random() < 0.5, too_large=self._random.random() < 0.5)
            case 1:
                # An admission webhook quotes what it was sent.
                quoted = f"cannot take {json.dumps(body)}" if body is not None else "secrets t is forbidden"
                return self._answer(self._random.choice(REFUSALS), {**STATUS, "message": quoted})
            case _:
                return self._answer(201 if method == "POST" else 200, _sound(path))

    async def watch(self, path: str, **_: Any) -> AsyncIterator[Event | Answer | NoAnswer]:
        for _ in range(self._random.randrange(4)):
            await asyncio.sleep(2.0)
            kind = self._random.choice(["ADDED", "MODIFIED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR", "", "NEW"])
            found = STATUS if kind == "ERROR" else self._random.choice(_sound(path).get("items", [{}]))
            changed = bend(found, self._random.randint)
            if isinstance(changed, dict):
                yield Event(kind, changed)
        await asyncio.sleep(2.0)
        if self._random.random() < 0.5:
            yield self._answer(410, STATUS)

    def _answer(self, status: int, sound: Any) -> Answer:
        body = bend(sound, self._random.randint)
        return Answer(status, body if isinstance(body, dict) else {})


def _sound(path: str) -> Any:
    for plural, whole in SOUND.items():
        if plural and f"/{plural}/" in path:
            return ONE[plural]
        if plural and path.endswith(f"/{plural}"):
            return whole
    return STATUS


def with_bent_api(seed: int, story: Callable[[KubernetesApi, VirtualClock], Awaitable[None]]) -> None:
    """Plays in virtual time what is done with such an API; nothing that is logged quotes the Secret."""

    async def tell(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop)
        with structlog.testing.capture_logs() as logged:
            await story(BentApi(seed, clock), clock)
        assert not any("defect" in entry["event"] for entry in logged), logged
        assert CANARY not in repr(logged)
        assert ENCODED not in repr(logged)

    play(tell)


def is_told(why: str) -> None:
    assert CANARY not in why
    assert ENCODED not in why
    assert len(why) < 3000


@given(seeds)
@examples(100)
def test_the_stores_of_token_and_journal(seed: int) -> None:
    async def story(api: KubernetesApi, clock: VirtualClock) -> None:
        store, journal = KubernetesCredentialStore(api, "a", "t", "token"), KubernetesJournalStore(api, None, "j")
        source = KubernetesSecretSource(SecretReader(api), "a", "t", "token")
        stored = await store.read()
        is_told(stored.problem)
        is_told((await source.read()).problem)
        for outcome in (
            await store.write(Secret(CANARY), stored.version),
            await journal.read(),
            await journal.write(CANARY, stored.version),
        ):
            assert isinstance(outcome, Done | Conflict | Refused | Unknown | tuple | str)
            if isinstance(outcome, Refused | Unknown):
                is_told(outcome.why)

    with_bent_api(seed, story)


@given(seeds)
@examples(100)
def test_consumers_and_their_pods(seed: int) -> None:
    async def story(api: KubernetesApi, clock: VirtualClock) -> None:
        workloads = (Workload("Deployment", "portal"), Workload("StatefulSet", selector="app=x"), CODEFRESH[0])
        consumers = KubernetesConsumers(api, "a", workloads)
        assert isinstance(await consumers.restart("tm-2"), Done | Refused | Unknown)
        assert isinstance(await consumers.look("tm-2", clock.now()), Consumers | Unknown)
        assert len(await consumers.present()) >= 1

    with_bent_api(seed, story)


@given(seeds)
@examples(60)
def test_facts_for_doctor(seed: int) -> None:
    async def story(api: KubernetesApi, clock: VirtualClock) -> None:
        facts = ClusterFacts(api, None)
        await facts.secret("a", "t", "token", Holds.TOKEN, made=False, rotated=True)
        await facts.review(Permission("a", "", "secrets", ("get", "patch"), "t", "why"))

    with_bent_api(seed, story)


@given(seeds)
@examples(60)
def test_events(seed: int) -> None:
    async def story(api: KubernetesApi, clock: VirtualClock) -> None:
        announcer = KubernetesAnnouncer(api, "a", "t", clock, instance="host")
        for _ in range(4):
            await announcer.announce(Announcement("prod", Reason.TOKEN_REFUSED, "note"))
            await asyncio.sleep(100.0)

    with_bent_api(seed, story)


@given(seeds)
@examples(80)
def test_the_lease(seed: int) -> None:
    async def story(api: KubernetesApi, clock: VirtualClock) -> None:
        election = LeaseElection(api, "a", "token-monitor", "me", clock, lambda: 0.5)
        async with election:
            for _ in range(6):
                await asyncio.sleep(10.0)
                assert election.holder is None or len(election.holder) <= 100
                election.leads()

    with_bent_api(seed, story)


@given(seeds, st.sampled_from(["ConfigMap", "Secret"]))
@examples(80)
def test_watches(seed: int, kind: str) -> None:
    async def story(api: KubernetesApi, clock: VirtualClock) -> None:
        secrets = SecretWatch(api, lambda *_: None, lambda: 0.5)
        inside = ArgoCDWatch(api, lambda *_: None, lambda: 0.5)
        targets = TargetObjects(api, kind, "a", Room(), lambda: 0.5)
        secrets.set_wanted([("a", "t", "token")])
        inside.set_wanted(["a"])
        secrets.start()
        inside.start()
        targets.start()
        try:
            for _ in range(6):
                await asyncio.sleep(20.0)
                sight = secrets.look(("a", "t"))
                if sight is not None and sight.data is not None:
                    with contextlib.suppress(ValueError):
                        sight.data.value("token")
                await targets.look()
                is_told(targets.problem)
                assert CANARY not in repr(list(targets.found()))
        finally:
            await secrets.close()
            await inside.close()
            await targets.close()

    with_bent_api(seed, story)


@given(bent({"type": "MODIFIED", "object": SECRET}).map(lambda value: json.dumps(value).encode()) | bent_bytes(json.dumps({"type": "ADDED", "object": SECRET}).encode()))  # fmt: skip
@examples(100)
def test_lines_of_a_watch(line: bytes) -> None:
    event = _event(line)
    assert isinstance(event, Event | NoAnswer)
    assert CANARY not in repr(event)
    assert ENCODED not in repr(event)
    _object(line)


def test_the_api_of_these_tests_can_be_sound() -> None:
    """What is not bent is understood, so that the rest means something."""
    assert isinstance(_event(json.dumps({"type": "ADDED", "object": copy.deepcopy(SECRET)}).encode()), Event)
