"""Kept connections, bounded in number and in age.

A handshake costs more than the rest of a check, so connections are kept. Reuse must hide nothing, so no connection
serves longer than `max_age`: the sessions that hold them are replaced in turn, which makes every target go through
DNS, the handshake and the certificate again. A few sessions share the targets by server, so that the renewals of a
large fleet do not fall on one moment. A further session keeps nothing: it proves things on fresh connections.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from zlib import crc32

import aiohttp

# Below 5 minutes by more than the longest usual interval (design.md: a fresh connection every 5 minutes).
MAX_AGE = 230.0
SLOTS = 8
MAX_HEADERS = 100
MAX_HEADER_BYTES = 8190
MAX_CONNECTIONS = 1024
MAX_CONNECTIONS_PER_HOST = 32


class Generation:
    """One session and the requests that it is serving. Closed when it is retired and the last of them is done."""

    __slots__ = ("born", "retired", "serving", "session")

    def __init__(self, session: aiohttp.ClientSession, born: float) -> None:
        self.session = session
        self.born = born
        self.serving = 0
        self.retired = False


class Connections:
    """All connections of the process to Argo CD servers. `monotonic` gives seconds."""

    def __init__(self, monotonic: Callable[[], float], *, max_age: float = MAX_AGE, slots: int = SLOTS) -> None:
        self._monotonic = monotonic
        self._max_age = max_age
        self._slots: list[Generation | None] = [None] * slots
        self._fresh: aiohttp.ClientSession | None = None
        self._retired: set[Generation] = set()

    @asynccontextmanager
    async def kept(self, origin: str) -> AsyncIterator[aiohttp.ClientSession]:
        """A session that may already hold a connection to `origin` (scheme://host:port)."""
        index = crc32(origin.encode()) % len(self._slots)
        generation = self._slots[index]
        now = self._monotonic()
        if generation is None or now - generation.born >= self._max_age:
            old = generation
            # The first generation of each slot lives shorter, so that the slots take turns from then on.
            born = now if old is not None else now - self._max_age * index / (2 * len(self._slots))
            generation = self._slots[index] = Generation(self._session(keep=True), born)
            generation.serving += 1
            if old is not None:
                await self._retire(old)
        else:
            generation.serving += 1
        try:
            yield generation.session
        finally:
            generation.serving -= 1
            if generation.retired and generation.serving == 0:
                self._retired.discard(generation)
                await generation.session.close()

    def fresh(self) -> aiohttp.ClientSession:
        """A session that makes a new connection for each request and keeps none."""
        if self._fresh is None:
            self._fresh = self._session(keep=False)
        return self._fresh

    async def close(self) -> None:
        """Ends every connection."""
        for generation in (*self._slots, *self._retired):
            if generation is not None:
                await generation.session.close()
        if self._fresh is not None:
            await self._fresh.close()
        self._slots = [None] * len(self._slots)
        self._retired.clear()
        self._fresh = None

    async def _retire(self, generation: Generation) -> None:
        if generation.serving:
            generation.retired = True
            self._retired.add(generation)
        else:
            await generation.session.close()

    def _session(self, *, keep: bool) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        connector = (
            # Idle for longer than any age that we keep: the age decides, not the idle time.
            aiohttp.TCPConnector(
                limit=MAX_CONNECTIONS,
                limit_per_host=MAX_CONNECTIONS_PER_HOST,
                ttl_dns_cache=10,
                keepalive_timeout=self._max_age,
            )
            if keep
            else aiohttp.TCPConnector(
                limit=MAX_CONNECTIONS, limit_per_host=MAX_CONNECTIONS_PER_HOST, ttl_dns_cache=10, force_close=True
            )
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity", "Accept": "application/json", "User-Agent": "token-monitor"},
            timeout=aiohttp.ClientTimeout(total=None),  # the deadline is around the whole request, retry included
            auto_decompress=False,
            trust_env=False,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
            trace_configs=[trace],
        )


async def _note_reuse(
    session: aiohttp.ClientSession,
    context: Any,  # made by the trace factory of aiohttp
    params: aiohttp.TraceConnectionReuseconnParams,
) -> None:
    if isinstance(context.trace_request_ctx, dict):
        context.trace_request_ctx["reused"] = True
