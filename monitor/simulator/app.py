"""The simulated server behind a real socket: plain or TLS, on a port of its own, stopped without leftovers.

All decisions are in `api` and `faults`; here a request becomes a value, a delay is waited for, and a connection that
is to be refused is cut. On a port with TLS, plain HTTP is redirected as the real server does, which takes a look at
the first byte of each connection (`_TLSPort`).
"""

from __future__ import annotations

import asyncio
import socket
import ssl as tls
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from monitor.simulator.api import Request, Response, redirect_to_https
from monitor.simulator.faults import Front
from monitor.simulator.messages import Broken
from monitor.simulator.state import ArgoCDState

Handler = Callable[[Request], Response]
Sleep = Callable[[float], Awaitable[object]]
HANG_SECONDS = 600.0
STOP_SECONDS = 1.0
FIRST_BYTE_SECONDS = 10.0
# net/http, DefaultMaxHeaderBytes: a token of an identity provider has tens of thousands of characters.
MAX_HEADER_BYTES = 1024 * 1024
TLS_HANDSHAKE = b"\x16"


@asynccontextmanager
async def running(
    server: ArgoCDState | Handler,
    host: str = "127.0.0.1",
    port: int = 0,
    ssl: tls.SSLContext | None = None,
    *,
    sleep: Sleep = asyncio.sleep,
) -> AsyncIterator[str]:
    """Serves until the block is left; gives the base URL, without the root path. Port 0 takes a free one."""
    front = Front(server) if isinstance(server, ArgoCDState) else server
    root_path = front.state.root_path if isinstance(front, Front) else ""
    shell = _Shell(front, sleep, ssl is not None, root_path)
    http = web.Server(
        shell.serve,
        handler_cancellation=True,
        access_log=None,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
    )
    runner = web.ServerRunner(http, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    name = f"[{host}]" if ":" in host else host
    try:
        if ssl is None:
            await web.TCPSite(runner, host, port).start()
            yield f"http://{name}:{runner.addresses[0][1]}"
        else:
            async with _TLSPort(host, port, ssl, http) as bound:
                yield f"https://{name}:{bound}"
    finally:
        await runner.cleanup()


class _Shell:
    """Turns a request of aiohttp into a value, and the answer back."""

    __slots__ = ("_handler", "_root_path", "_sleep", "_tls")

    def __init__(self, handler: Handler, sleep: Sleep, tls_port: bool, root_path: str) -> None:
        self._handler, self._sleep, self._tls, self._root_path = handler, sleep, tls_port, root_path

    async def serve(self, message: web.BaseRequest) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in message.headers.items()}
        secure = message.transport is not None and message.transport.get_extra_info("ssl_object") is not None
        request = Request(message.method, message.raw_path, headers, await message.read(), secure)
        answer = self._redirect(request) if self._tls and not secure else self._handler(request)
        if answer.broken is Broken.HANG:
            await self._sleep(HANG_SECONDS)
        if answer.broken is not None:
            if message.transport is not None:
                message.transport.abort()
            return web.Response(status=503)  # goes nowhere: the connection is gone
        if answer.delay > 0:
            await self._sleep(answer.delay)
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    def _redirect(self, request: Request) -> Response:
        return redirect_to_https(request, self._root_path)


class _TLSPort:
    """A listening port that speaks TLS to those who begin a handshake, and plain HTTP to the others."""

    def __init__(self, host: str, port: int, context: tls.SSLContext, http: web.Server) -> None:
        self._listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._listener.setblocking(False)
        self._context = context
        self._http = http
        self._accepting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> int:
        self._accepting = asyncio.create_task(self._accept())
        port: int = self._listener.getsockname()[1]
        return port

    async def __aexit__(self, *_: object) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait({self._accepting})
        self._listener.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as connections:
            while True:
                connection, _ = await loop.sock_accept(self._listener)
                connections.create_task(self._hand_over(connection))

    async def _hand_over(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(FIRST_BYTE_SECONDS):
                first = await _first_byte(connection)
                context = self._context if first == TLS_HANDSHAKE else None
                await loop.connect_accepted_socket(self._http, connection, ssl=context)
        except (OSError, TimeoutError):  # a client that went away or refused our certificate is no fault of ours
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise


async def _first_byte(connection: socket.socket) -> bytes:
    """The first byte, left in place for whoever reads next."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    connection.setblocking(False)
    loop.add_reader(connection, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(connection)
    return connection.recv(1, socket.MSG_PEEK)
