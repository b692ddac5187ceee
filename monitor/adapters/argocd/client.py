"""The Argo CD API over aiohttp: one question, one bounded answer, whatever the server does.

Redirects are not followed (the token would go along), cookies are not kept, bodies and headers are bounded, and one
deadline covers the whole of it, from when the question has its place among those that the server is asked. What an
answer means is the core's to say (`monitor.core.classify`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import aiohttp
from aiohttp.hdrs import CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER
from aiohttp.http import HttpProcessingError
from yarl import URL

from monitor.adapters.argocd.connections import Connections, UnaskedBytesError, note_reuse, was_reused
from monitor.adapters.argocd.exchange import Destination, bounded, exchange, head_of
from monitor.adapters.argocd.faults import OUT_OF_FILES, to_fault
from monitor.adapters.argocd.tls import UNUSABLE, TlsContexts, Trust, unusable_fault
from monitor.core.model import Answer, Fault, FaultKind, Reply
from monitor.core.questions import Question, Topic
from monitor.core.secret import Secret
from monitor.ports import Clock

MAX_BODY = 64 * 1024
# An account lists every key ever made (52 bytes each, recording many-keys).
MAX_ACCOUNT_BODY = 1024 * 1024
MAX_RETRY_AFTER = 900.0
# Reuse must hide nothing: each target goes through names, handshake and certificate every
# five minutes (design.md). A little less, since a check may start late.
LONGEST_REUSE = 295.0
USERINFO = "/api/v1/session/userinfo"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one Argo CD server is. `base` has no trailing slash and includes the root path; `timeout` in seconds.

    host: the Host header, where `base` has the address of one of several servers behind a name.
    """

    base: str
    trust: Trust = field(default_factory=Trust)
    server_name: str | None = None
    timeout: float = 10.0
    host: str | None = None

    @property
    def origin(self) -> str:
        """scheme://host:port"""
        return str(URL(self.base).origin())


def request_path(question: Question) -> str:
    """Where a question is put, below the root path."""
    if question.permission is not None:
        return f"/api/v1/account/can-i/{_can_i_path(question.permission)}"
    if question.account is not None:
        return f"/api/v1/account/{quote(question.account, safe='')}"
    return USERINFO


def _can_i_path(permission: str) -> str:
    """A permission as the end of a path that Go's router does not clean away, by a redirect: `https://`, `.` and `..`."""
    parts = [
        part.replace(".", "%2E") if part in (".", "..") else quote(part, safe="*") for part in permission.split("/")
    ]
    return "/".join(parts).replace("//", "%2F%2F")


class ArgoCDClient:
    """One server, over the connections and TLS contexts of the process."""

    __slots__ = (
        "_asked_at",
        "_clock",
        "_connections",
        "_contexts",
        "_destination",
        "_endpoint",
        "_fresh_at",
        "_head",
        "_origin",
        "_places",
        "_tls",
        "_userinfo",
    )

    def __init__(self, endpoint: Endpoint, connections: Connections, contexts: TlsContexts, clock: Clock) -> None:
        self._endpoint = endpoint
        self._connections = connections
        self._contexts = contexts
        self._clock = clock
        self._origin = endpoint.origin
        self._places = connections.places(endpoint.base)
        self._tls = endpoint.base.lower().startswith("https:")
        self._userinfo = URL(endpoint.base + USERINFO, encoded=True)
        self._head = head_of(self._userinfo, endpoint.host)
        self._destination = Destination(self._userinfo, False, endpoint.server_name)
        # Monotonic: the last question, and the last that went over a new connection.
        self._asked_at: float | None = None
        self._fresh_at: float | None = None

    async def ask(self, question: Question, token: Secret, *, fresh: bool = False) -> Answer:
        """Puts one question, when it has its place. Never raises for what the server or the network does."""
        limit = MAX_ACCOUNT_BODY if question.topic is Topic.ACCOUNT else MAX_BODY
        timeout = self._endpoint.timeout
        try:
            # A check that was begun ends before another begins, and a refusal is looked at again before all others.
            await self._places.take(timeout, ahead=fresh or question.topic is not Topic.USERINFO)
        except TimeoutError as error:
            return to_fault(error)
        answered = False
        try:
            async with asyncio.timeout(timeout):
                answer = await self._get(question, token, limit, fresh=fresh)
                # Whoever has no certificate of its own to use has sent nothing.
                answered = isinstance(answer, Reply) or answer.kind is FaultKind.TOO_LARGE
                return answer
        except (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError, UnicodeError) as error:
            return to_fault(error)
        finally:
            self._places.give_back(answered=answered)

    async def _get(self, question: Question, token: Secret, limit: int, *, fresh: bool) -> Answer:
        try:
            context = self._contexts.get(self._endpoint.trust) if self._tls else False
        except UNUSABLE as error:
            if isinstance(error, OSError) and error.errno in OUT_OF_FILES:
                raise
            return unusable_fault(self._endpoint.trust, error)
        if context is not self._destination.ssl:
            self._destination = Destination(self._userinfo, context, self._endpoint.server_name)
        head = self._head if question.topic is Topic.USERINFO else head_of(self._url(question), self._endpoint.host)
        if not fresh and not self._reused_long_enough():
            try:
                async with self._connections.kept(self._origin) as session:
                    return await self._send(session, head, token, limit)
            except UnaskedBytesError:
                pass  # nothing was asked yet
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                # A kept connection may have died unseen; a new one decides. Reading twice changes nothing there.
                if not was_reused():
                    raise
        return await self._send(self._connections.fresh(), head, token, limit)

    def _reused_long_enough(self) -> bool:
        """Whether the next question, as far away as the last one, would come too late to be the first on a new connection.

        Connections are renewed often enough for usual intervals; this is for longer ones, and for targets that find
        what others of the same server renewed.
        """
        now = self._clock.monotonic()
        pause, self._asked_at = now - (self._asked_at or now), now
        if self._fresh_at is None:
            self._fresh_at = now
        return now + pause - self._fresh_at > LONGEST_REUSE

    async def _send(self, session: aiohttp.ClientSession, head: str, token: Secret, limit: int) -> Answer:
        connector = session.connector
        if connector is None:
            raise aiohttp.ClientConnectionError("the connections are closed")
        note_reuse(False)
        got = await exchange(connector, self._destination, head, token.reveal(), limit, last=connector.force_close)
        if not was_reused():
            self._fresh_at = self._clock.monotonic()
        if got.body is None:
            return Fault(FaultKind.TOO_LARGE, f"more than {limit} bytes")
        headers = got.headers
        return Reply(
            status=got.status,
            body=got.body,
            content_type=headers.get(CONTENT_TYPE, "")[:100].lower(),
            location=headers.get(LOCATION, "")[:300],
            retry_after=self._retry_after(value) if (value := headers.get(RETRY_AFTER)) else None,
            fresh_connection=not was_reused(),
        )

    def _url(self, question: Question) -> URL:
        return URL(self._endpoint.base + request_path(question), encoded=True)

    def _retry_after(self, value: str) -> float | None:
        """Seconds from a number or an HTTP date (RFC 9110), 15 minutes at most."""
        value = value.strip()
        if value.isascii() and value.isdigit():
            return min(float(value), MAX_RETRY_AFTER)
        try:
            date = parsedate_to_datetime(value)
            # A zone of -0000 gives a date without a zone: UTC (RFC 5322), not this machine's.
            wait = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - self._clock.now()
        except (ValueError, OverflowError):
            return None
        return min(max(wait, 0.0), MAX_RETRY_AFTER)


async def bounded_body(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """The whole body, or None (and a closed connection) when it is longer than `limit`."""
    body = await bounded(response.content, response.headers.get(CONTENT_LENGTH, ""), limit)
    if body is None:
        response.close()
    return body
