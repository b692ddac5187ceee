"""Servers on real sockets that do what a test tells them, byte by byte, and count what arrives.

A test gives a coroutine that serves one connection (`Visit`). Whatever it is doing is cancelled when the block is
left, so a server may well send or wait for ever.
"""

from __future__ import annotations

import asyncio
import fcntl
import ssl
import struct
import termios
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

HOST = "127.0.0.1"
LOGGED_IN = b'{"loggedIn":true,"username":"codefresh","iss":"argocd"}'
REFUSED = b'{"error":"invalid session","code":16,"message":"invalid session"}'
MAX_HEAD = 64 * 1024
PATIENCE = 20.0

Talk = Callable[["Visit"], Awaitable[None]]


def answer(body: bytes = LOGGED_IN, *headers: str, status: str = "200 OK", version: str = "1.1") -> bytes:
    """An honest answer; `headers` come after the two that every answer has."""
    lines = [f"HTTP/{version} {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join((*lines, "", "")).encode() + body


class Visit:
    """One connection of the client, as the server sees it."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server, self._reader, self._writer = server, reader, writer
        self.number = server.connections
        self.last = ""

    async def request(self) -> bool:
        """Waits for the next request, which is noted. False: the client has hung up."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        self.last = head.decode("latin-1")
        self._server.requests.append(self.last)
        return True

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def arrived(self) -> None:
        """Waits until all that was sent is in the buffers of the client's system."""
        connection = self._writer.get_extra_info("socket")
        async with asyncio.timeout(PATIENCE):
            while struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]:
                await asyncio.sleep(0.001)

    def reset(self) -> None:
        """Ends the connection the hard way."""
        self._writer.transport.abort()

    async def hung_up(self) -> None:
        """Waits until the client has closed its side."""
        with suppress(ConnectionError):
            while await self._reader.read(65536):
                pass


class Server:
    """What arrived at one port."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._visits: set[asyncio.Task[None]] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self.port = 0
        self.scheme = "http"
        self.connections = 0
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"{self.scheme}://{HOST}:{self.port}"

    @property
    def open(self) -> int:
        """How many connections are being served now."""
        return len(self._visits)

    async def quiet(self) -> None:
        """Waits until no connection is left."""
        async with asyncio.timeout(PATIENCE):
            await self._quiet.wait()

    async def visited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._visits.add(task)
        self._quiet.clear()
        self.connections += 1
        try:
            with suppress(ConnectionError, asyncio.CancelledError):
                await self._talk(Visit(self, reader, writer))
        finally:
            writer.transport.abort() if writer.is_closing() else writer.close()
            self._visits.discard(task)
            if not self._visits:
                self._quiet.set()

    async def stop(self) -> None:
        visits = list(self._visits)
        for task in visits:
            task.cancel()
        if visits:
            await asyncio.wait(visits, timeout=5)


@asynccontextmanager
async def serving(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server whose connections are served by `talk`, until the block is left."""
    server = Server(talk)
    listening = await asyncio.start_server(server.visited, HOST, 0, ssl=context, limit=MAX_HEAD)
    server.port = listening.sockets[0].getsockname()[1]
    server.scheme = "https" if context else "http"
    try:
        yield server
    finally:
        listening.close()
        await server.stop()
        await listening.wait_closed()


def always(data: bytes) -> Talk:
    """The same bytes for each request; the connection is kept."""

    async def talk(visit: Visit) -> None:
        while await visit.request():
            await visit.send(data)

    return talk


def once(*pieces: bytes) -> Talk:
    """These bytes for the first request, one write each, and the end of the connection."""

    async def talk(visit: Visit) -> None:
        await visit.request()
        for piece in pieces:
            await visit.send(piece)
            await asyncio.sleep(0)

    return talk


def endlessly(start: bytes, piece: bytes) -> Talk:
    """`start`, and then `piece` for as long as the client listens."""

    async def talk(visit: Visit) -> None:
        await visit.request()
        await visit.send(start)
        while True:
            await visit.send(piece)
            await asyncio.sleep(0)

    return talk


async def mute(visit: Visit) -> None:
    """Takes the request and never says anything."""
    await visit.request()
    await visit.hung_up()
