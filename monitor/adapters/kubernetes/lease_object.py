"""A Lease of Kubernetes as the election and the slots of shards read and write it.

What stands in its spec is for people and as a sign of life; who holds it is decided by `core/election` and
`core/membership`, which compare it and never understand its times. Everything else in it stays as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.adapters.kubernetes.calls import seconds
from monitor.cluster import Answer, KubernetesApi, NoAnswer
from monitor.core import election
from monitor.core.election import Record
from monitor.ports import Clock

# Three calls fit between a renewal and the end of leading.
CALL_DEADLINE = 3.0
LONGEST_LEASE = 3600.0
RELEASE_DEADLINE = 2.0
# The API says so, or does not know Leases.
DENIED = frozenset({403, 404, 405})


class Leases:
    """Leases of one namespace (None: the connection's own), over one way to the API. Every call has a deadline of 3 s."""

    def __init__(self, api: KubernetesApi, namespace: str | None, clock: Clock) -> None:
        self._api = api
        self._namespace = namespace
        self._clock = clock
        self._stamped = datetime.fromtimestamp(0, UTC)

    async def call(self, method: str, name: str, body: object | None = None) -> Answer | NoAnswer:
        """One call about the Lease `name`; about all of them, where it is empty."""
        try:
            async with asyncio.timeout(CALL_DEADLINE):
                if self._namespace is None and (problem := await self._api.ready()) is not None:
                    return NoAnswer(problem, sent=False)
                namespace = self._namespace or self._api.namespace
                path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
                path = f"{path}/{name}" if name else path
                return await self._api.request(method, path, body=body, deadline=CALL_DEADLINE)
        except TimeoutError:
            return NoAnswer(f"no answer within {CALL_DEADLINE:g} s")

    def held(self, lease: Mapping[str, Any], name: str, identity: str, duration: float) -> dict[str, Any]:
        """The Lease (empty: there is none yet) as `identity` writes it."""
        now = self._stamp()
        spec = lease.get("spec") or {}
        ours = spec.get("holderIdentity") == identity
        transitions = spec.get("leaseTransitions")
        before = transitions if isinstance(transitions, int) else 0
        changed = {
            "holderIdentity": identity,
            "leaseDurationSeconds": int(duration),
            "acquireTime": spec.get("acquireTime", now) if ours else now,
            "renewTime": now,
            "leaseTransitions": before if ours or not spec else before + 1,
        }
        return with_spec(lease, name, changed)

    def released(self, lease: Mapping[str, Any], name: str) -> dict[str, Any]:
        """The Lease without a holder."""
        return with_spec(lease, name, {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": self._stamp()})

    def _stamp(self) -> str:
        """The time of day, for people and as a sign of life: two are never equal, also where the clock stands still."""
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        self._stamped = now if now != self._stamped else self._stamped + timedelta(microseconds=1)
        return self._stamped.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def end_and_release(task: asyncio.Task[None], release: Callable[[], Awaitable[None]]) -> bool:
    """Ends what renews Leases, and then gives them up. Whether that was done; it takes two seconds at most."""
    task.cancel()
    await asyncio.wait([task])
    try:
        async with asyncio.timeout(RELEASE_DEADLINE):
            await release()
    except TimeoutError:
        return False
    return True


def record_of(answer: Answer | NoAnswer) -> Record | None:
    """The Lease of an answer; None where it holds none."""
    if isinstance(answer, NoAnswer) or answer.status not in (200, 201):
        return None
    metadata, spec = answer.body.get("metadata"), answer.body.get("spec") or {}
    version = metadata.get("resourceVersion") if isinstance(metadata, Mapping) else None
    if not isinstance(version, str) or not version or not isinstance(spec, Mapping):
        return None
    duration = seconds(spec.get("leaseDurationSeconds"), LONGEST_LEASE)
    return Record(
        holder=str(spec.get("holderIdentity") or ""),
        version=version,
        duration=election.LEASE_DURATION if duration is None else duration,
        term=tuple(str(spec.get(name)) for name in ("acquireTime", "renewTime", "leaseTransitions")),
    )


def with_spec(lease: Mapping[str, Any], name: str, changed: Mapping[str, Any]) -> dict[str, Any]:
    """The Lease with these in its spec, everything else as it was."""
    metadata = {"name": name, **(lease.get("metadata") or {})}
    metadata.pop("managedFields", None)
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {**(lease.get("spec") or {}), **changed},
    }
