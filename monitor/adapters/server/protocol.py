"""One connection of the server, and who may have one.

aiohttp's own protocol with three changes: an answer counts as sent when the system has taken all of it, a connection
that is given up is gone at once (not when a client cares to read on), and what the parser refuses is answered in our
words, without the software's name and without an echo.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import structlog
from aiohttp import web

from monitor.adapters.server.limits import Limits

log = structlog.get_logger(__name__)

HEADERS: Mapping[str, str] = {
    "Server": "token-monitor",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Seats:
    """The connections there are, `limit` at most. The one that idles longest gives way to a newcomer."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._idle: dict[Connection, None] = {}
        self._working: set[Connection] = set()

    def __len__(self) -> int:
        return len(self._idle) + len(self._working)

    def take(self, connection: Connection) -> None:
        """Seats a newcomer. Where everybody works, it is the newcomer who has to go."""
        self._idle[connection] = None
        if len(self) > self._limit:
            longest = next(iter(self._idle))
            self.leave(longest)
            longest.force_close()

    def leave(self, connection: Connection) -> None:
        """A connection that ends."""
        self._idle.pop(connection, None)
        self._working.discard(connection)

    @contextmanager
    def working(self, connection: Connection) -> Iterator[None]:
        """While a request is answered, its connection does not idle."""
        if connection in self._idle:
            del self._idle[connection]
            self._working.add(connection)
        try:
            yield
        finally:
            if connection in self._working:
                self._working.remove(connection)
                self._idle[connection] = None


class Connection(web.RequestHandler):
    """One client."""

    __slots__ = ("_seats",)

    def __init__(self, manager: web.Server, loop: asyncio.AbstractEventLoop, seats: Seats, **settings: Any) -> None:
        super().__init__(manager, loop=loop, **settings)
        self._seats = seats

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # `drain` then waits until the system has everything: nothing is lost by `abort` after it. Not (0, 0): the
        # TLS protocol of asyncio pauses at `size >= high`, which an empty buffer would meet.
        cast("asyncio.WriteTransport", transport).set_write_buffer_limits(high=1, low=0)
        self._seats.take(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._seats.leave(self)
        super().connection_lost(exc)

    def force_close(self) -> None:
        """Ends the connection now, also when its client does not read."""
        transport = self.transport
        closing = transport is None or transport.is_closing()
        super().force_close()
        if transport is not None and not closing:
            transport.abort()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What cannot be read as a request (400), or went wrong on the way to an answer."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        if status >= 500 and not isinstance(exc, ConnectionError):
            log.error("a request could not be answered", exc_info=exc)
        words = "Bad request." if status < 500 else "Internal error: see the monitor's log."
        response = web.Response(status=status, text=f"{words}\n", headers=HEADERS)
        response.force_close()
        return response


class HttpServer(web.Server):
    """Makes a `Connection` for each client."""

    def __init__(self, handler: Any, limits: Limits) -> None:
        super().__init__(handler)
        self._running = asyncio.get_running_loop()
        self.seats = Seats(limits.connections)
        self._settings = {
            "access_log": None,
            "keepalive_timeout": limits.idle,
            "lingering_time": limits.body,
            "max_line_size": limits.line,
            "max_field_size": limits.field,
            "max_headers": limits.fields,
            "auto_decompress": False,
        }

    def __call__(self) -> Connection:
        return Connection(self, self._running, self.seats, **self._settings)
