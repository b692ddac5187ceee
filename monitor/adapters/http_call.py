"""One request to somebody other than Argo CD: bounded, within one deadline, over a connection made for it.

Redirects are not followed (a credential or a secret address would go along), cookies are not kept, no proxy is taken
from the environment, and nothing is repeated. Certificates are read again when their files change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from ssl import SSLContext
from typing import Literal

import aiohttp
import structlog
from yarl import URL

from monitor.adapters.argocd.client import bounded_body
from monitor.adapters.argocd.faults import to_fault
from monitor.adapters.argocd.tls import FIX, NEW_CERTIFICATES, UNUSABLE, TlsContexts, Trust, unusable_fault
from monitor.adapters.clock import SystemClock
from monitor.adapters.files import FileWatch
from monitor.adapters.names import Names
from monitor.core.model import Answer, Fault, FaultKind, Reply

log = structlog.get_logger(__name__)

MAX_BODY = 64 * 1024
MAX_HEADER_BYTES = 8190
MAX_CONNECTIONS = 32

Method = Literal["GET", "HEAD", "POST"]


class HttpCaller:
    """Makes requests to servers that are trusted in the same way. timeout: seconds for the whole of a request."""

    def __init__(self, trust: Trust, server_name: str | None, timeout: float) -> None:
        self._trust = trust
        self._server_name = server_name
        self._timeout = timeout
        self._contexts = TlsContexts()
        self._files = FileWatch(lambda: trust.files)
        self._session: aiohttp.ClientSession | None = None
        self._names = Names(SystemClock().monotonic)
        self._closed = False

    async def call(
        self,
        method: Method,
        url: URL,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limit: int = MAX_BODY,
    ) -> Answer:
        """The answer, of `limit` bytes at most. Never raises for what the server or the network does."""
        try:
            context = self._context() if url.scheme == "https" else None
        except UNUSABLE as error:
            return unusable_fault(self._trust, error)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._send(method, url, headers, body, limit, context)
        except (aiohttp.ClientError, OSError, TimeoutError, UnicodeError) as error:
            return to_fault(error)

    async def close(self) -> None:
        """Ends every connection, for good."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
        await self._names.close()

    async def _send(
        self,
        method: Method,
        url: URL,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        limit: int,
        context: SSLContext | None,
    ) -> Answer:
        async with self._open().request(
            method,
            url,
            headers=headers,
            data=body,
            allow_redirects=False,
            ssl=context or True,
            server_hostname=self._server_name if context else None,
        ) as response:
            read = await bounded_body(response, limit)
            if read is None:
                return Fault(FaultKind.TOO_LARGE, f"more than {limit} bytes")
            content_type = response.headers.get("Content-Type", "")[:100].lower()
            return Reply(response.status, read, content_type)

    def _context(self) -> SSLContext:
        if self._files.changed():
            problem = self._contexts.refresh(self._trust)
            if problem is not None:
                log.error(NEW_CERTIFICATES, problem=problem, fix=FIX)
        return self._contexts.get(self._trust)

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise aiohttp.ClientConnectionError("the connections are closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, force_close=True, resolver=self._names),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept-Encoding": "identity", "Accept": "application/json", "User-Agent": "token-monitor"},
                timeout=aiohttp.ClientTimeout(total=None),  # the deadline is around the whole request
                auto_decompress=False,
                trust_env=False,
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
            )
            # aiohttp repeats a GET by itself; there is no public switch (see `argocd.connections`).
            self._session._retry_connection = False  # noqa: SLF001
        return self._session
