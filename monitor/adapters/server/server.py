"""Listens, hands each request to the routes, sends the pages, and ends in time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import HttpVersion10, web

from monitor.adapters.server import pages
from monitor.adapters.server.errors import cannot_listen
from monitor.adapters.server.limits import Limits
from monitor.adapters.server.pages import Page
from monitor.adapters.server.protocol import HEADERS, Connection, HttpServer
from monitor.adapters.server.routes import Asked, Routes, Sources
from monitor.adapters.server.tls import ServerTls
from monitor.core.page import PARAMETERS

CHUNK = 256 * 1024


class Server:
    """The monitor's HTTP server. cert_file, key_file: for https; both or none."""

    def __init__(
        self,
        sources: Sources,
        host: str = "127.0.0.1",
        port: int = 8080,
        *,
        cert_file: str | None = None,
        key_file: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._limits = limits or Limits()
        self._routes = Routes(sources, self._limits)
        self._files = (cert_file, key_file) if cert_file is not None and key_file is not None else None
        self._tls: ServerTls | None = None
        self._http: HttpServer | None = None
        self._listener: asyncio.AbstractServer | None = None

    @property
    def port(self) -> int:
        """The port that is listened on; the one that was chosen when 0 was asked for."""
        sockets = getattr(self._listener, "sockets", ())
        return int(sockets[0].getsockname()[1]) if sockets else self._port

    async def start(self) -> None:
        """Begins to serve. Raises ServerError (ListenError, TlsFilesError) when that cannot be."""
        self._tls = ServerTls(*self._files) if self._files else None
        http = HttpServer(self._handle, self._limits)
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                http,
                self._host,
                self._port,
                ssl=self._tls.listening if self._tls else None,
                ssl_handshake_timeout=self._limits.tls_handshake if self._tls else None,
                ssl_shutdown_timeout=self._limits.body if self._tls else None,
                backlog=self._limits.backlog,
            )
        except OSError as error:
            raise cannot_listen(self._host, self._port, error) from error
        self._http = http

    def reload_tls(self) -> bool:
        """Reads the certificate's files again. True: a new one is in use. Raises TlsFilesError; the old one stays."""
        return self._tls.reload() if self._tls else False

    async def stop(self, grace: float) -> None:
        """Ends: nothing new is taken, answers under way have `grace` seconds, then their connections are cut."""
        listener, http = self._listener, self._http
        self._listener = self._http = None
        if listener is None or http is None:
            return
        listener.close()
        http.pre_shutdown()
        # aiohttp spends this time twice, and takes 0 for "forever".
        await http.shutdown(max(grace / 2, 0.05))
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await listener.wait_closed()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        if not isinstance(connection, Connection) or self._http is None:
            raise ConnectionResetError("the server ends")
        with self._http.seats.working(connection):
            if request.version < HttpVersion10:
                page = pages.text(400, "Bad request.")  # HTTP/0.9 has no headers, and so none that protect a page
            else:
                page = await self._routes.answer(_asked(request))
            try:
                async with asyncio.timeout(self._limits.request):
                    return await _send(request, page)
            except TimeoutError:
                connection.force_close()
                raise ConnectionResetError("the client does not read") from None


def _asked(request: web.BaseRequest) -> Asked:
    return Asked(
        method=request.method,
        path=request.path,
        targets=request.query.getall("target", []),
        verbose="verbose" in request.query,
        accept=request.headers.get("Accept", ""),
        encodings=request.headers.get("Accept-Encoding", ""),
        known=request.headers.get("If-None-Match", ""),
        given={name: request.query[name] for name in PARAMETERS if name in request.query},
    )


async def _send(request: web.BaseRequest, page: Page) -> web.StreamResponse:
    """Sends a page in pieces: a slow client holds one piece, and a long answer is never copied as a whole."""
    response = web.StreamResponse(status=page.status, headers={**HEADERS, **page.headers})
    response.headers["Content-Type"] = page.content_type
    response.content_length = len(page.body)
    await response.prepare(request)
    if request.method == "HEAD":
        await response.write_eof()
    elif len(page.body) <= CHUNK:
        await response.write_eof(page.body)
    else:
        for start in range(0, len(page.body), CHUNK):
            await response.write(page.body[start : start + CHUNK])
        await response.write_eof()
    return response
