"""The network between one process and Argo CD, in memory, below aiohttp: connections are pairs of callbacks.

All of the client is real: the adapters, aiohttp's pool and its parser. Only what would be a socket is a `Line`, which
carries bytes to a small HTTP server in front of the simulated Argo CD and back. A line belongs to one replica of Argo CD
for its life, as behind a Service of Kubernetes, and a restart ends it; not every client is told of that. A line to a pod's
own address leads there, past every proxy (`argocd_pods`). What was sent arrives, whoever waits for the answer.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Protocol, cast

import aiohttp
from aiohttp import ClientRequest
from aiohttp.client_proto import ResponseHandler
from aiohttp.tracing import Trace
from monitor.adapters.argocd.connections import Connections
from monitor.ports import Clock
from monitor.simulator.messages import Broken, Request, Response

from simulation.argocd_pods import Door
from simulation.weather import BY_A_PROXY, Kind, Side, Spell

END_OF_HEAD = b"\r\n\r\n"


class ArgoCDNetwork(Protocol):
    """What is behind the client: the world."""

    @property
    def now(self) -> float:
        """Virtual seconds."""
        ...

    def latency(self) -> float:
        """Of one way, drawn anew each time."""
        ...

    def weather_at(self, side: Side, what: str, sender: str, address: str) -> Spell | None:
        """What befalls this request. address: of the pod that it is for; "" where it is for the Service."""
        ...

    def connecting_is_hit(self) -> Kind | None:
        """What befalls a connection that is being made."""
        ...

    def pick_replica(self, address: str) -> int | Door:
        """Who takes a new connection: to that pod, "" for any that the Service leads to."""
        ...

    def opened(self, line: Line) -> None:
        """A connection is open until its replica is restarted."""
        ...

    def restarts(self, replica: int | Door) -> int:
        """How often that replica of Argo CD was restarted: connections from before are dead."""
        ...

    def serve(self, request: Request, line: Line, sent: float, proxy: Kind | None) -> Response:
        """The request arrives."""
        ...

    def outside(self, delay: float, do: Callable[..., object], *arguments: object) -> object:
        """Does something in so many seconds, whoever died meanwhile."""
        ...


class InMemoryConnections(Connections):
    """The real connections, whose connectors make lines instead of sockets. `cut` ends all of them."""

    def __init__(self, clock: Clock, network: ArgoCDNetwork, sender: str) -> None:
        super().__init__(clock.monotonic)
        self._network = network
        self._sender = sender
        self._lines: list[Line] = []
        self._sessions: list[aiohttp.ClientSession] = []

    def cut(self) -> None:
        """The process is gone, and with it its ends of all lines."""
        for line in self._lines:
            line.forget()

    def bury(self) -> None:
        """The world is over: aiohttp is not to complain of what a dead process could not close."""
        for session in self._sessions:
            connector: Any = session.connector
            session.detach()
            if connector is not None:
                connector._close()  # noqa: SLF001 - `close` wants to be waited for
        self._sessions.clear()

    def _session(self, *, keep: bool) -> aiohttp.ClientSession:
        session = super()._session(keep=keep)
        self._sessions = [open_ for open_ in self._sessions if not open_.closed] + [session]
        cast("Any", session.connector)._create_connection = self._connect  # noqa: SLF001 - instead of a socket
        return session

    async def _connect(
        self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        del traces, timeout
        network = self._network
        hit = network.connecting_is_hit()
        await asyncio.sleep(2 * network.latency())
        key = req.connection_key
        address = key.host if key.host[0].isdecimal() else ""
        if hit is Kind.DNS and not address:
            raise aiohttp.ClientConnectorDNSError(key, socket.gaierror(socket.EAI_AGAIN, "try again"))
        replica = network.pick_replica(address)
        if replica is Door.SHUT or hit is Kind.REFUSED:
            raise aiohttp.ClientConnectorError(key, ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"))
        if replica is Door.SILENT:
            await asyncio.get_running_loop().create_future()  # until whoever waits has enough of it
        protocol = ResponseHandler(asyncio.get_running_loop())
        line = Line(network, protocol, replica, self._sender, address)
        self._lines = [open_ for open_ in self._lines if not open_.is_closing()]
        self._lines.append(line)
        network.opened(line)
        protocol.connection_made(line)
        return protocol


class Line(asyncio.Transport):
    """One connection: the client's end, and the server behind it, which answers one request at a time.

    replica: who answers on it. sender: whose it is. address: of the pod that it was made to; "" for the Service.
    """

    def __init__(
        self, network: ArgoCDNetwork, protocol: ResponseHandler, replica: int | Door, sender: str, address: str
    ) -> None:
        super().__init__()
        self.replica = replica
        self.sender = sender
        self.address = address
        self._restarts = network.restarts(replica)
        self._network = network
        self._protocol: ResponseHandler | None = protocol
        self._received = b""
        self._closing = False

    # --- the client's end ------------------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """The client sends."""
        if self._closing:
            return
        self._received += bytes(data)
        request = self._request()
        if request is not None:
            self._send(request)

    def writelines(self, list_of_data: Any) -> None:
        """The same in pieces."""
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        """Whether it is at its end."""
        return self._closing

    def close(self) -> None:
        """The client ends it."""
        self._lose(None)

    def abort(self) -> None:
        """The client ends it at once."""
        self._lose(None)

    def forget(self) -> None:
        """The client is dead."""
        self._closing, self._protocol = True, None

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0

    def pause_reading(self) -> None:
        """Answers are short."""

    def resume_reading(self) -> None:
        """Answers are short."""

    # --- the way there and back ------------------------------------------------------------------------------------------

    def ended_by_the_server(self) -> None:
        """The server closes it in good order."""
        self._network.outside(self._network.latency(), self._lose, None)

    def _send(self, request: Request) -> None:
        network = self._network
        spell = network.weather_at(Side.ARGOCD, f"{request.method} {request.target}", self.sender, self.address)
        kind = spell.kind if spell is not None else None
        if self._is_dead() or kind is Kind.LOST_REQUEST:
            network.outside(2 * network.latency(), self._lose, ConnectionResetError(errno.ECONNRESET, "reset by peer"))
        elif kind is not Kind.HANG:
            late = spell.seconds if spell is not None and kind is Kind.LATE_REQUEST else 0.0
            network.outside(network.latency() + late, self._arrive, request, network.now, spell)

    def _arrive(self, request: Request, sent: float, spell: Spell | None) -> None:
        network, kind = self._network, spell.kind if spell is not None else None
        if self._is_dead():
            self._lose(ConnectionResetError(errno.ECONNRESET, "reset by peer"))
            return
        answer = network.serve(request, self, sent, kind if kind in BY_A_PROXY else None)
        if kind is Kind.ERROR_AFTER:
            answer = Response(500, {"content-type": "text/plain"}, b"timeout while saving settings")
        if answer.broken is Broken.HANG or kind is Kind.SILENT_ANSWER:
            return
        late = spell.seconds if spell is not None and kind is Kind.LATE_ANSWER else 0.0
        network.outside(answer.delay + late + network.latency(), self._deliver, answer, kind)

    def _deliver(self, answer: Response, kind: Kind | None) -> None:
        lost = answer.broken is not None or kind is Kind.LOST_ANSWER or self._is_dead()
        if self._protocol is None:
            return
        if not lost:
            raw = _raw(answer)
            self._protocol.data_received(raw[: len(raw) - len(answer.body) // 2] if kind is Kind.CUT_ANSWER else raw)
        if lost or kind is Kind.CUT_ANSWER:
            self._lose(None)

    def _is_dead(self) -> bool:
        """Whether the other end is gone."""
        return self._restarts != self._network.restarts(self.replica)

    def _lose(self, error: Exception | None) -> None:
        self._closing = True
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            asyncio.get_running_loop().call_soon(protocol.connection_lost, error)

    def _request(self) -> Request | None:
        """The request, once all of it was sent."""
        head, found, rest = self._received.partition(END_OF_HEAD)
        if not found:
            return None
        method, target, headers = _head(head)
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return None
        self._received = rest[length:]
        return Request(method, target, headers, rest[:length])


@lru_cache(maxsize=256)  # checks send the same one again and again
def _head(head: bytes) -> tuple[str, str, Mapping[str, str]]:
    """Method, target and header of a request."""
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines)
    method, target, _ = first.split(" ", 2)
    return method, target, MappingProxyType({name.strip().lower(): value.strip() for name, _, value in fields})


def _raw(answer: Response) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} -", *(f"{name}: {value}" for name, value in answer.headers.items())]
    lines.append(f"content-length: {len(answer.body)}")
    return "\r\n".join(lines).encode("latin-1", "replace") + END_OF_HEAD + answer.body
