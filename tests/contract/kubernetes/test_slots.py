"""What shards stand on, held against the simulated API and a real one: slots by compare-and-swap, and the hand-over."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from monitor.adapters.clock import SystemClock
from monitor.adapters.kubernetes.slots import ADDRESS, Slots
from monitor.cluster import Answer
from monitor.core.membership import DURATION
from monitor.core.sharding import Part, Standing

from tests.contract.kubernetes.conftest import Cluster
from tests.fair_time import fairly

GROUP = "coordination.k8s.io/v1"
# An API server that was idle may answer 429 for some seconds, until its storage is ready.
AT_FIRST = 20.0
# design.md, without what the fleet takes to look at all targets.
AFTER_STOP = 2.1


def replica(cluster: Cluster, prefix: str, name: str) -> Slots:
    chance = random.Random(name).random
    address = f"http://10.0.0.{ord(name)}:8080"
    clock = SystemClock()
    return Slots(cluster.api, cluster.namespace, prefix, 3, name, lambda: address, clock, chance, lambda: None)


async def until(condition: Callable[[], bool], seconds: float) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < fairly(seconds), f"not within {seconds} s"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


def among(count: int, *replicas: Slots) -> bool:
    """Each has a slot of its own, and sees as many."""
    standings: list[Standing] = [each.standing for each in replicas]
    parts = [standing for standing in standings if isinstance(standing, Part) and len(standing.slots) == count]
    return len(parts) == len({part.own for part in parts}) == len(replicas)


async def test_three_that_start_together_have_a_slot_each_and_one_that_goes_is_seen_at_once(cluster: Cluster) -> None:
    prefix = cluster.unique()
    a, b, c = (replica(cluster, prefix, name) for name in "abc")
    for each in (a, b, c):
        each.start()
    await until(lambda: among(3, a, b, c), AT_FIRST)
    own = a.standing.own if isinstance(a.standing, Part) else -1
    assert b.others()[own] == ("a", "http://10.0.0.97:8080")
    answer = await cluster.api.request("GET", cluster.path("leases", f"{prefix}-{own}", GROUP))
    assert isinstance(answer, Answer)
    assert answer.body["spec"]["holderIdentity"] == "a"
    assert answer.body["spec"]["leaseDurationSeconds"] == DURATION
    assert answer.body["metadata"]["annotations"][ADDRESS] == "http://10.0.0.97:8080"
    await a.close()
    await until(lambda: among(2, b, c), AFTER_STOP)
    again = replica(cluster, prefix, "d")
    again.start()
    await until(lambda: among(3, again, b, c), AT_FIRST)
    assert isinstance(again.standing, Part)
    assert again.standing.own == own, "the one that is free"
    for each in (again, b, c):
        await each.close()


async def test_one_that_was_killed_is_missed_when_its_time_is_over(cluster: Cluster) -> None:
    prefix = cluster.unique()
    a, b = replica(cluster, prefix, "a"), replica(cluster, prefix, "b")
    for each in (a, b):
        each.start()
    await until(lambda: among(2, a, b), AT_FIRST)
    assert a._task is not None
    a._task.cancel()
    took = await until(lambda: among(1, b), DURATION + 2.5)
    assert took > DURATION - 2.5
    await b.close()
