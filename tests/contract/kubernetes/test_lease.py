"""What the election stands on, held against the simulated API and a real one: compare-and-swap, and the hand-over."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from monitor.adapters.clock import SystemClock
from monitor.adapters.kubernetes.lease import LeaseElection
from monitor.cluster import Answer

from tests.contract.kubernetes.conftest import Cluster
from tests.fair_time import fairly

GROUP = "coordination.k8s.io/v1"


def candidate(cluster: Cluster, lease: str, name: str) -> LeaseElection:
    return LeaseElection(cluster.api, cluster.namespace, lease, name, SystemClock(), random.Random(name).random)


# An API server that was idle may answer 429 for some seconds, until its storage is ready.
AT_FIRST = 20.0


async def leads_within(election: LeaseElection, seconds: float) -> float:
    began = time.monotonic()
    while not election.leads():
        assert time.monotonic() - began < fairly(seconds), f"does not lead within {seconds} s"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


async def read(cluster: Cluster, lease: str) -> dict[str, Any]:
    answer = await cluster.api.request("GET", cluster.path("leases", lease, GROUP))
    assert isinstance(answer, Answer)
    assert answer.status == 200, answer.message
    return dict(answer.body)


def renewed(spec: Mapping[str, Any]) -> bool:
    return str(spec["renewTime"]) > str(spec["acquireTime"])


@asynccontextmanager
async def two(cluster: Cluster, lease: str) -> AsyncIterator[tuple[LeaseElection, LeaseElection]]:
    """The first leads, the second stands by."""
    first, second = candidate(cluster, lease, "first"), candidate(cluster, lease, "second")
    async with first:
        await leads_within(first, AT_FIRST)
        async with second:
            yield first, second


async def test_one_of_two_leads_and_its_name_stands_in_the_lease(cluster: Cluster) -> None:
    lease = cluster.unique()
    async with two(cluster, lease) as (first, second):
        async with asyncio.timeout(AT_FIRST):
            while not renewed(spec := (await read(cluster, lease))["spec"]) or second.holder is None:
                await asyncio.sleep(0.1)
        assert (first.leads(), second.leads()) == (True, False)
        assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == ("first", 15)
        assert second.holder == "first"


async def test_of_many_who_begin_at_once_exactly_one_leads(cluster: Cluster) -> None:
    lease = cluster.unique()
    candidates = [candidate(cluster, lease, f"candidate-{number}") for number in range(8)]
    for each in candidates:
        each.start()
    async with asyncio.timeout(AT_FIRST):
        while not all(each.holder for each in candidates):
            await asyncio.sleep(0.01)
    leaders = sum(each.leads() for each in candidates)
    for each in candidates:
        await each.close()
    assert leaders == 1


async def test_a_graceful_stop_hands_over_within_three_seconds(cluster: Cluster) -> None:
    lease = cluster.unique()
    async with two(cluster, lease) as (first, second):
        began = time.monotonic()
        await first.close()
        assert not first.leads()
        await leads_within(second, 3.0)
        assert time.monotonic() - began < fairly(3.0), "what the first one took is a part of it"
        assert (await read(cluster, lease))["spec"]["leaseTransitions"] == 1


async def test_the_last_one_leaves_a_lease_without_a_holder(cluster: Cluster) -> None:
    lease = cluster.unique()
    async with candidate(cluster, lease, "first") as first:
        await leads_within(first, AT_FIRST)
    assert not (await read(cluster, lease))["spec"].get("holderIdentity")


async def test_a_write_over_another_version_is_a_conflict_also_where_the_lease_was_deleted(cluster: Cluster) -> None:
    lease = cluster.unique()
    body = {"apiVersion": GROUP, "kind": "Lease", "metadata": {"name": lease}, "spec": {"holderIdentity": "a"}}
    made = await cluster.api.request("POST", cluster.path("leases", "", GROUP), body=body)
    assert isinstance(made, Answer)
    assert made.status == 201
    path = cluster.path("leases", lease, GROUP)

    async def status(method: str, path: str, body: object | None = None) -> int:
        answer = await cluster.api.request(method, path, body=body)
        assert isinstance(answer, Answer)
        return answer.status

    assert await status("POST", cluster.path("leases", "", GROUP), body) == 409
    changed = {**made.body, "spec": {"holderIdentity": "b"}}
    assert await status("PUT", path, changed) == 200
    assert await status("PUT", path, changed) == 409
    assert await status("DELETE", path) == 200
    assert await status("PUT", path, changed) in (404, 409)
    assert await status("GET", path) == 404


@pytest.mark.slow
async def test_after_a_crash_another_leads_within_twenty_seconds(cluster: Cluster) -> None:
    lease = cluster.unique()
    async with two(cluster, lease) as (first, second):
        assert first._task is not None
        first._task.cancel()
        first._task = None  # as a killed process: nothing is handed over
        took = await leads_within(second, 20.0)
        assert took > 10.0
        assert not first.leads()
