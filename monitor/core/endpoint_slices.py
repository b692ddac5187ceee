"""The pods behind a Service, out of its EndpointSlices (discovery.k8s.io/v1). Objects in, values out.

Only what serves counts: ready, and not on its way out. A pod that has an address of each family is one replica, and so
is one that stands in two slices while Kubernetes moves it (its documentation: "Duplicate endpoints").
The Service itself is not asked for: a slice has the ports of the pods under the names of the Service's ports, and the
`http` and `https` of Argo CD's Service lead to one port of its pods.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from monitor.core.text import printable

GROUP = "discovery.k8s.io"
PLURAL = "endpointslices"
SERVICE_LABEL = "kubernetes.io/service-name"
# The API server takes a thousand endpoints a slice, the controller puts a hundred into one.
MAX_ENDPOINTS = 100
MAX_PORTS = 100
# Of one Service; each is a request a check.
MAX_REPLICAS = 32
MAX_NAME = 253


@dataclass(frozen=True, slots=True)
class Replica:
    """A pod that answers for a Service. name: of the pod; "" where nobody says. address: an IP address."""

    name: str
    address: str
    port: int

    def __str__(self) -> str:
        return self.name or self.address

    @property
    def host(self) -> str:
        """`10.0.0.7:8080`, `[fd00::7]:8080`."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Serving:
    """An endpoint that serves. identity: what tells it from others in all slices."""

    identity: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Slice:
    """What is kept of an EndpointSlice. ports: (name, number)."""

    ports: tuple[tuple[str, int], ...]
    endpoints: tuple[Serving, ...]


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind a Service. replicas: by name, `MAX_REPLICAS` at most. total: how many there are.

    problem: why there are none, or fewer than there should be; in words, "" for nothing.
    """

    replicas: tuple[Replica, ...]
    total: int
    problem: str = ""


def read_slice(found: Mapping[str, Any]) -> Slice | None:
    """What counts of an EndpointSlice; None where nothing does."""
    endpoints, ports = found.get("endpoints"), found.get("ports")
    serving = tuple(one for item in _items(endpoints, MAX_ENDPOINTS) if (one := _serving(item)) is not None)
    numbers = tuple(number for item in _items(ports, MAX_PORTS) if (number := _port(item)) is not None)
    return Slice(numbers, serving) if serving and numbers else None


def behind(slices: Iterable[Slice], scheme: str, port: int) -> Behind:
    """The replicas of a Service that is spoken to with `scheme` (http, https) on its `port`."""
    found: dict[str, Replica] = {}
    unclear: tuple[tuple[str, int], ...] = ()
    for one in slices:
        number = _number(one.ports, scheme, port)
        if number is None:
            unclear = one.ports
            continue
        for endpoint in one.endpoints:
            replica = Replica(endpoint.name, endpoint.address, number)
            known = found.get(endpoint.identity)
            if known is None or _preferred(replica) < _preferred(known):
                found[endpoint.identity] = replica
    replicas = sorted(found.values(), key=lambda replica: (replica.name, replica.address, replica.port))
    problem = ""
    if unclear:
        names = ", ".join(f"{name or 'unnamed'} ({number})" for name, number in unclear[:5])
        problem = (
            f"which port of its pods port {port} leads to cannot be told: {names}; name the Service's port {scheme}"
        )
    return Behind(tuple(replicas[:MAX_REPLICAS]), len(replicas), problem)


def _number(ports: tuple[tuple[str, int], ...], scheme: str, port: int) -> int | None:
    numbers = {number for _, number in ports}
    if len(numbers) == 1:
        return numbers.pop()
    named = [number for name, number in ports if name == scheme]
    if named:
        return named[0]
    return port if port in numbers else None


def _preferred(replica: Replica) -> tuple[bool, str, int]:
    return ":" in replica.address, replica.address, replica.port


def _serving(item: Mapping[str, Any]) -> Serving | None:
    conditions = item.get("conditions")
    said = conditions if isinstance(conditions, Mapping) else {}
    # Not said counts as ready, and as not terminating (API reference of EndpointConditions).
    if said.get("ready") is False or said.get("serving") is False or said.get("terminating") is True:
        return None
    addresses = item.get("addresses")
    address = addresses[0] if isinstance(addresses, list) and addresses else None  # of several only the first counts
    if not isinstance(address, str) or not _is_ip(address):
        return None  # of type FQDN, which no Service with a selector has
    target = item.get("targetRef")
    pod = target if isinstance(target, Mapping) and target.get("kind") == "Pod" else {}
    name, uid = pod.get("name"), pod.get("uid")
    name = printable(name, MAX_NAME) if isinstance(name, str) else ""
    return Serving(uid if isinstance(uid, str) and uid else name or address, name, address)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _port(item: Mapping[str, Any]) -> tuple[str, int] | None:
    name, number = item.get("name"), item.get("port")
    if item.get("protocol") not in (None, "TCP"):
        return None
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 65536:
        return None
    return printable(name, MAX_NAME) if isinstance(name, str) else "", number


def _items(found: object, limit: int) -> Iterable[Mapping[str, Any]]:
    items = found[:limit] if isinstance(found, list) else []
    return (item for item in items if isinstance(item, Mapping))
