"""Kept connections, bounded in number and in age.

A handshake costs more than the rest of a check, so connections are kept. Reuse must hide nothing, so no connection
serves longer than `max_age`: the sessions that hold them are replaced in turn, which makes every target go through
DNS, the handshake and the certificate again. A few sessions share the targets by server, so that the renewals of a
large fleet do not fall on one moment. A further session keeps nothing: it proves things on fresh connections.

Each address is looked at when it is connected to, whatever name it was resolved from: some get no credential of ours.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet, WeakValueDictionary
from zlib import crc32

import aiohttp
from aiohttp.base_protocol import BaseProtocol
from aiohttp.connector import AddrInfoType, Connection
from aiohttp.tracing import Trace

from monitor.adapters.argocd.exchange import MAX_HEADER_BYTES, MAX_HEADERS, NO_TIMEOUT
from monitor.adapters.argocd.faults import ForbiddenAddressError
from monitor.adapters.names import Names
from monitor.adapters.open_files import Room
from monitor.adapters.places import Places
from monitor.core.addresses import is_metadata

# Below 5 minutes by more than the longest usual interval (design.md: a fresh connection every 5 minutes).
MAX_AGE = 230.0
# So many that closing one of them, with all that it kept, holds up nobody: of 10,000 servers 156, in 15 ms with TLS.
SLOTS = 64
MAX_CONNECTIONS = 1024
# So many questions at once that a server which answers at all answers hundreds a second; and no more, since a server
# that is slow becomes slower with more.
PLACES = 32
TOO_SLOW = "see why argocd-server answers slowly (its CPU, its Redis), or give its targets a longer `interval`"
# Of one host there is no bound beside: questions wait for their place before, with no deadline that passes meanwhile.
NO_LIMIT = 0


class UnaskedBytesError(aiohttp.ClientConnectionError):
    """Something came in on a connection before anything was asked on it. Nothing was sent."""


# Whether the last connection that was given to this task had served before. In the context of the task, since what
# aiohttp offers for it (tracing) costs a tenth of a check.
_REUSED: ContextVar[bool] = ContextVar("reused", default=False)


def was_reused() -> bool:
    """Whether the connection of the request that this task made last had served another one before."""
    return _REUSED.get()


def note_reuse(reused: bool) -> None:
    """For whoever gives out connections: whether the one of this task had served another request before."""
    _REUSED.set(reused)


class Generation:
    """One session and the requests that it is serving. Closed when it is retired and the last of them is done."""

    __slots__ = ("_end", "born", "origins", "serving", "session")

    def __init__(self, session: aiohttp.ClientSession, born: float, end: Callable[[], Awaitable[None] | None]) -> None:
        self.session = session
        self.born = born
        self.origins: set[str] = set()
        self.serving = 0
        self._end = end

    async def __aenter__(self) -> aiohttp.ClientSession:
        self.serving += 1
        return self.session

    async def __aexit__(self, *failure: object) -> None:
        self.serving -= 1
        ending = self._end()
        if ending is not None:
            await ending


class Connections:
    """Connections of the process to Argo CD servers. `monotonic` gives seconds. refused: IP addresses to stay away from.

    room: for how many servers connections are kept; one that finds none gets a new connection for each request.
    places: how many questions are put to one server at once.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        max_age: float = MAX_AGE,
        slots: int = SLOTS,
        refused: Callable[[str], bool] = is_metadata,
        room: Room | None = None,
        places: int = PLACES,
    ) -> None:
        self._monotonic = monotonic
        self._each = places
        self._room = room or Room(sys.maxsize)
        self._refused = refused
        self._max_age = max_age
        self._slots: list[Generation | None] = [None] * slots
        self._fresh: aiohttp.ClientSession | None = None
        self._names = Names(monotonic)
        self._retired: set[Generation] = set()
        self._places: WeakValueDictionary[str, Places] = WeakValueDictionary()
        self._closed = False

    def places(self, base: str) -> Places:
        """The places for questions to one server, for all who ask it. To be held by whoever asks.

        base: with the root path, since one host may stand before several servers: one that is dead keeps no other waiting.
        """
        found = self._places.get(base)
        if found is None:
            found = self._places[base] = Places(self._monotonic, self._each, base, TOO_SLOW)
        return found

    def kept(self, origin: str) -> AbstractAsyncContextManager[aiohttp.ClientSession]:
        """A session that may already hold a connection to `origin` (scheme://host:port)."""
        self._refuse_when_closed()
        index = crc32(origin.encode()) % len(self._slots)
        generation = self._slots[index]
        now = self._monotonic()
        if generation is None or now - generation.born >= self._max_age:
            # The first generation of each slot lives shorter, so that the slots take turns from then on.
            born = now
            if generation is None:
                born -= self._max_age * index / (2 * len(self._slots))
            else:
                self._retired.add(generation)
            generation = self._slots[index] = Generation(self._session(keep=True), born, self._served)
        if origin not in generation.origins:
            if not self._room.take():
                return nullcontext(self.fresh())
            generation.origins.add(origin)
        return generation

    def fresh(self) -> aiohttp.ClientSession:
        """A session that makes a new connection for each request and keeps none."""
        self._refuse_when_closed()
        if self._fresh is None:
            self._fresh = self._session(keep=False)
        return self._fresh

    async def close(self) -> None:
        """Ends every connection, for good: whoever asks for a session afterwards gets a connection error."""
        self._closed = True
        generations = [generation for generation in (*self._slots, *self._retired) if generation is not None]
        self._room.give_back(sum(len(generation.origins) for generation in generations))
        sessions = [generation.session for generation in generations]
        if self._fresh is not None:
            sessions.append(self._fresh)
        self._slots = [None] * len(self._slots)
        self._retired.clear()
        self._fresh = None
        for session in sessions:
            await session.close()
        await self._names.close()

    def _served(self) -> Awaitable[None] | None:
        return self._close_idle() if self._retired else None

    async def _close_idle(self) -> None:
        for generation in [retired for retired in self._retired if not retired.serving]:
            self._retired.discard(generation)
            self._room.give_back(len(generation.origins))
            await generation.session.close()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise aiohttp.ClientConnectionError("the connections are closed")

    def _socket(self, found: AddrInfoType) -> socket.socket:
        """The socket for one address that the name stands for, right before it is connected."""
        family, kind, protocol, _, address = found
        if self._refused(str(address[0])):
            # The same words for each of several: aiohttp then raises this error, and not a summary.
            raise ForbiddenAddressError(errno.EACCES, "an address to which no token is sent")
        return socket.socket(family, kind, protocol)

    def _session(self, *, keep: bool) -> aiohttp.ClientSession:
        connector = (
            # Idle for longer than any age that we keep: the age decides, not the idle time.
            _SilentUntilAsked(
                limit=MAX_CONNECTIONS,
                limit_per_host=NO_LIMIT,
                resolver=self._names,
                ttl_dns_cache=10,
                keepalive_timeout=self._max_age,
                socket_factory=self._socket,
            )
            if keep
            else aiohttp.TCPConnector(
                limit=MAX_CONNECTIONS,
                limit_per_host=NO_LIMIT,
                resolver=self._names,
                ttl_dns_cache=10,
                force_close=True,
                socket_factory=self._socket,
            )
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity", "Accept": "application/json", "User-Agent": "token-monitor"},
            timeout=NO_TIMEOUT,  # the deadline is around the whole request, retry included
            auto_decompress=False,
            trust_env=False,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
        )
        # aiohttp repeats a GET or DELETE by itself, also on a connection that was new; what is repeated is the caller's
        # to say. There is no public switch (its own test client sets the same); a test counts what arrives.
        session._retry_connection = False  # noqa: SLF001
        return session


class _SilentUntilAsked(aiohttp.TCPConnector):
    """Gives no connection on which bytes are waiting: the next request would take them for its answer.

    A server that says too much once would otherwise answer each question with the previous answer, which may be
    about another token.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._served: WeakSet[BaseProtocol] = WeakSet()

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        note_reuse(False)
        connection = await super().connect(req, traces, timeout)
        protocol = connection.protocol
        if protocol is None or protocol.should_close:
            connection.close()
            raise UnaskedBytesError
        if protocol in self._served:
            note_reuse(True)
        else:
            self._served.add(protocol)
        return connection
