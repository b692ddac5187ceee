"""The network between one process and Argo CD, in memory, below the real client.

What aiohttp would give or raise is given and raised here, so that the adapters (`ArgoCDClient`, `ArgoCDKeys`) run as
they are. A connection belongs to one replica of Argo CD for its life, as behind a Service of Kubernetes, and a restart
of Argo CD ends it. What was sent arrives, whoever waits for the answer.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, cast

import aiohttp
from aiohttp.client_reqrep import ConnectionKey
from monitor.adapters.argocd.connections import Connections
from monitor.ports import Clock
from monitor.simulator.messages import Broken, Request, Response
from multidict import CIMultiDict
from yarl import URL

from simulation.weather import BY_A_PROXY, Kind, Side, Spell

_KEY = ConnectionKey("argocd.invalid", 80, False, True, None, None, None)
FOREVER = 1e6


class ArgoCDNetwork(Protocol):
    """What is behind the client: the world."""

    @property
    def now(self) -> float:
        """Virtual seconds."""
        ...

    def latency(self) -> float:
        """Of one way, drawn anew each time."""
        ...

    def weather_at(self, side: Side, what: str) -> Spell | None:
        """What befalls this request."""
        ...

    def pick_replica(self) -> int | None:
        """Who takes a new connection; None while nothing listens."""
        ...

    def restarts(self) -> int:
        """How often Argo CD was restarted: connections from before are dead."""
        ...

    def serve(self, request: Request, replica: int, sender: str, sent: float, proxy: Kind | None) -> Response:
        """The request arrives."""
        ...

    def outside(self, delay: float, do: Callable[..., object], *arguments: object) -> object:
        """Does something in so many seconds, whoever died meanwhile."""
        ...


class InMemoryConnections(Connections):
    """The real book-keeping of sessions, over sessions that are memory."""

    def __init__(self, clock: Clock, network: ArgoCDNetwork, sender: str) -> None:
        super().__init__(clock.monotonic)
        self._network = network
        self._sender = sender

    def _session(self, *, keep: bool) -> aiohttp.ClientSession:
        return cast("aiohttp.ClientSession", _Session(self._network, self._sender, keep=keep))


class _Content:
    """The body of an answer. cut: it breaks off."""

    def __init__(self, body: bytes, *, cut: bool) -> None:
        self._body = body
        self._cut = cut

    async def readany(self) -> bytes:
        body, self._body = self._body, b""
        if not body and self._cut:
            raise aiohttp.ClientPayloadError("the answer was cut")
        return body


class _Response:
    """An answer as the adapters use it."""

    def __init__(self, answer: Response, *, cut: bool) -> None:
        body = answer.body[: len(answer.body) // 2] if cut else answer.body
        self.status = answer.status
        self.headers = CIMultiDict(answer.headers)
        self.content_length = len(answer.body)
        self.content = _Content(body, cut=cut)

    def close(self) -> None:
        """The connection goes with it."""


@dataclass(slots=True)
class _Line:
    """A connection that is kept."""

    replica: int
    restarts: int


class _Session:
    """`aiohttp.ClientSession`, as far as the adapters use it."""

    def __init__(self, network: ArgoCDNetwork, sender: str, *, keep: bool) -> None:
        self._network = network
        self._sender = sender
        self._keep = keep
        self._idle: list[_Line] = []
        self._closed = False

    def get(
        self, url: URL, *, headers: Mapping[str, str], trace_request_ctx: dict[str, bool] | None = None, **_: object
    ) -> _Exchange:
        return _Exchange(self, "GET", url, headers, b"", trace_request_ctx)

    def request(
        self, method: str, url: URL, *, headers: Mapping[str, str], data: bytes | None = None, **_: object
    ) -> _Exchange:
        return _Exchange(self, method, url, headers, data or b"", None)

    async def close(self) -> None:
        self._closed = True
        self._idle.clear()

    async def exchange(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes, trace: dict[str, bool] | None
    ) -> _Response:
        """One request and its answer."""
        network = self._network
        if self._closed:
            raise aiohttp.ClientConnectionError("Session is closed")
        spell = network.weather_at(Side.ARGOCD, f"{method} {url.raw_path}")
        kind = spell.kind if spell is not None else None
        if kind is Kind.DNS:
            await asyncio.sleep(network.latency())
            raise aiohttp.ClientConnectorDNSError(_KEY, socket.gaierror(socket.EAI_AGAIN, "try again"))
        line = await self._connect(trace, refused=kind is Kind.REFUSED)
        if line.restarts != network.restarts():
            await asyncio.sleep(network.latency())
            raise aiohttp.ServerDisconnectedError
        lowered = {name.lower(): value for name, value in headers.items()}
        request = Request(method, url.raw_path_qs, lowered, body)
        answer = await self._answer(request, line, spell)
        if self._keep and not self._closed:
            self._idle.append(line)
        return _Response(answer, cut=kind is Kind.CUT_ANSWER)

    async def _connect(self, trace: dict[str, bool] | None, *, refused: bool) -> _Line:
        network = self._network
        if self._idle and not refused:
            if trace is not None:
                trace["reused"] = True
            return self._idle.pop()
        await asyncio.sleep(network.latency())
        replica = network.pick_replica()
        if replica is None or refused:
            raise aiohttp.ClientConnectorError(_KEY, ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"))
        return _Line(replica, network.restarts())

    async def _answer(self, request: Request, line: _Line, spell: Spell | None) -> Response:
        network, sent = self._network, self._network.now
        kind = spell.kind if spell is not None else None
        seconds = spell.seconds if spell is not None else 0.0
        answered: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def deliver(answer: Response) -> None:
            if answered.done():
                return
            if answer.broken is Broken.HANG:
                return
            if answer.broken is not None or kind is Kind.LOST_ANSWER or line.restarts != network.restarts():
                answered.set_exception(aiohttp.ServerDisconnectedError())
            else:
                answered.set_result(answer)

        def arrive() -> None:
            if line.restarts != network.restarts():
                deliver(Response(0, broken=Broken.REFUSED))
                return
            proxy = kind if kind in BY_A_PROXY else None
            answer = network.serve(request, line.replica, self._sender, sent, proxy)
            if kind is Kind.ERROR_AFTER:
                answer = Response(500, {"content-type": "text/plain"}, b"timeout while saving settings")
            if kind is not Kind.SILENT_ANSWER:
                late = seconds if kind is Kind.LATE_ANSWER else 0.0
                network.outside(answer.delay + late + network.latency(), deliver, answer)

        if kind is Kind.LOST_REQUEST:
            network.outside(network.latency(), deliver, Response(0, broken=Broken.REFUSED))
        elif kind is not Kind.HANG:
            network.outside(network.latency() + (seconds if kind is Kind.LATE_REQUEST else 0.0), arrive)
        return await answered


class _Exchange:
    """`async with session.get(...) as response`."""

    __slots__ = ("_body", "_headers", "_method", "_session", "_trace", "_url")

    def __init__(
        self,
        session: _Session,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes,
        trace: dict[str, bool] | None,
    ) -> None:
        self._session = session
        self._method, self._url, self._headers, self._body, self._trace = method, url, headers, body, trace

    async def __aenter__(self) -> _Response:
        return await self._session.exchange(self._method, self._url, self._headers, self._body, self._trace)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
