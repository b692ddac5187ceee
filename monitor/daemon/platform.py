"""What a process takes from the machine that it runs on: time, chance, names, ticks, and the ways to the outside.

`THIS_MACHINE` is the real one. A simulation gives another, and runs the same service in virtual time, with chances
that a seed decides and without sockets: nothing else in the service asks the machine for any of these.
"""

from __future__ import annotations

import os
import random
import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from monitor.adapters import open_files
from monitor.adapters.argocd.connections import Connections
from monitor.adapters.clock import SystemClock
from monitor.adapters.kubernetes.connection import KubernetesConnection
from monitor.adapters.kubernetes.own_namespace import own_namespace
from monitor.adapters.peers import HttpPeers
from monitor.adapters.server.routes import Sources
from monitor.adapters.server.server import Server
from monitor.cluster import KubernetesApi
from monitor.config.settings import HttpSettings, KubernetesSettings
from monitor.core.addresses import is_near
from monitor.daemon.ticker import Ticker
from monitor.ports import Clock, Peers


class KubernetesWay(KubernetesApi, Protocol):
    """The way to the Kubernetes API, which somebody closes."""

    async def close(self) -> None:
        """Ends every connection, for good."""
        ...


class Ticks(Protocol):
    """Runs `dispatch` when it is due, and jobs at intervals (`monitor.daemon.ticker`)."""

    def start(self) -> None:
        """Begins to tick."""
        ...

    def every(self, seconds: float, job: Callable[[], Awaitable[None]], name: str) -> None:
        """Runs `job` at an interval, never twice at the same time."""
        ...

    def wake(self) -> None:
        """Plans the next dispatch for what is due first."""
        ...

    def stop(self) -> None:
        """Ends. Jobs that run are cancelled and not waited for."""
        ...


class Pages(Protocol):
    """Serves the monitor's own pages (`monitor.adapters.server.server`)."""

    @property
    def port(self) -> int:
        """The port that is listened on."""
        ...

    async def start(self) -> None:
        """Begins to serve. Raises `ServerError` when that cannot be."""
        ...

    def reload_tls(self) -> bool:
        """Reads the certificate's files again."""
        ...

    async def stop(self, grace: float) -> None:
        """Ends, within about `grace` seconds."""
        ...


def _server(sources: Sources, http: HttpSettings) -> Pages:
    return Server(sources, http.bind, http.port, cert_file=http.cert_file, key_file=http.key_file)


def _connections(clock: Clock) -> Connections:
    return Connections(clock.monotonic, room=open_files.room())


def _distant(clock: Clock) -> Connections:
    return Connections(clock.monotonic, refused=is_near, room=open_files.room())


@dataclass(frozen=True, slots=True)
class Platform:
    """One machine. chance: 0 to 1. token_hex: so many random bytes as text, never the same twice. host: its name.

    connections: to Argo CD servers; distant: to those that may not be on this machine.
    own_namespace: the namespace that the service finds itself in, None where that cannot be told.
    pod_ip: where other replicas reach it; "" where nobody said. peers: the way to them.
    """

    clock: Clock
    chance: Callable[[], float]
    token_hex: Callable[[int], str]
    host: str
    kubernetes: Callable[[KubernetesSettings, Clock], KubernetesWay] = KubernetesConnection
    own_namespace: Callable[[KubernetesSettings], str | None] = own_namespace
    connections: Callable[[Clock], Connections] = _connections
    distant: Callable[[Clock], Connections] = _distant
    ticker: Callable[[Clock, Callable[[], float | None], Callable[[], Awaitable[None]]], Ticks] = Ticker
    pages: Callable[[Sources, HttpSettings], Pages] = _server
    pod_ip: str = ""
    peers: Callable[[], Peers] = HttpPeers


THIS_MACHINE = Platform(
    SystemClock(),
    random.SystemRandom().random,
    secrets.token_hex,
    socket.gethostname(),
    pod_ip=os.environ.get("POD_IP", ""),
)
