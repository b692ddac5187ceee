"""Who answers for a Service, by its EndpointSlices: on the simulated API, and on a real one that serves them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from monitor.adapters.kubernetes.endpoint_watch import EndpointWatch, Place
from monitor.cluster import Answer
from monitor.core.endpoint_slices import GROUP, PLURAL, SERVICE_LABEL

from tests.contract.kubernetes.conftest import Cluster
from tests.fair_time import fairly

VERSION = f"{GROUP}/v1"


def slice_of(name: str, service: str, *pods: tuple[str, str, bool]) -> dict[str, Any]:
    """A slice as the controller writes it: (name, address, ready) of each pod."""
    return {
        "apiVersion": VERSION,
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {SERVICE_LABEL: service}},
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [address],
                "conditions": {"ready": ready, "serving": ready, "terminating": False},
                "targetRef": {"kind": "Pod", "name": pod, "uid": f"uid-{pod}"},
            }
            for pod, address, ready in pods
        ],
        "ports": [{"name": name, "port": 8080, "protocol": "TCP"} for name in ("http", "https")],
    }


async def put(cluster: Cluster, found: dict[str, Any]) -> None:
    """Makes the slice, or has it be this."""
    where, name = cluster.path(PLURAL, group=VERSION), found["metadata"]["name"]
    answer = await cluster.api.request("POST", where, body=found)
    assert isinstance(answer, Answer)
    if answer.status == 404:
        pytest.skip(f"this API server does not serve {PLURAL}.{GROUP}")
    if answer.status == 409:
        patch = {"endpoints": found["endpoints"]}
        kind = "application/merge-patch+json"
        answer = await cluster.api.request("PATCH", f"{where}/{name}", body=patch, content_type=kind)
        assert isinstance(answer, Answer)
    assert answer.status in (200, 201), answer.message


async def within(seconds: float, condition: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < fairly(seconds)
        await asyncio.sleep(0.01)


async def test_pods_that_come_and_go_are_known_within_a_second(cluster: Cluster) -> None:
    service, other = cluster.unique("tm-service"), cluster.unique("tm-other")
    await put(cluster, slice_of(f"{service}-1", service, ("a", "10.0.0.1", True), ("b", "10.0.0.2", False)))
    await put(cluster, slice_of(f"{other}-1", other, ("z", "10.0.9.9", True)))
    place = Place(cluster.namespace, service)
    watch = EndpointWatch(cluster.api, random.Random(1).random)
    watch.set_wanted([place])

    def names() -> list[str]:
        return [replica.name for replica in watch.look(place, "http", 80).replicas]

    async with watch:
        await within(5.0, lambda: names() == ["a"])
        await put(cluster, slice_of(f"{service}-1", service, ("b", "10.0.0.2", True)))
        await within(1.0, lambda: names() == ["b"])
        await put(cluster, slice_of(f"{service}-2", service, ("b", "10.0.0.2", True), ("c", "10.0.0.3", True)))
        await within(1.0, lambda: names() == ["b", "c"])
        for number in (1, 2):
            where = cluster.path(PLURAL, f"{service}-{number}", VERSION)
            await cluster.api.request("DELETE", where)
        await within(1.0, lambda: names() == [])
        assert "has no ready replica" in watch.look(place, "http", 80).problem
