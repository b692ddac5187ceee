"""Something in the middle of a real connection, as a firewall, a load balancer or a dying node is: it can stand still.

`middle` forwards bytes between a client and a real server; its levers reset what is open, hold it up without a word
(half open: nobody is told that the other side is gone), or cut an answer after so many bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

HOST = "127.0.0.1"
PIECE = 65536


class Middle:
    """connections: how many were ever made. cut_after: bytes of an answer that come through on a new connection."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.connections = 0
        self.cut_after: int | None = None
        self.closed = False

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def open(self) -> int:
        """Connections of clients that are open."""
        return len(self._open)

    def reset(self) -> None:
        """Every open connection is reset."""
        for writer in list(self._open):
            writer.transport.abort()

    def hold(self) -> None:
        """Nothing comes through any open connection any more, in either direction, and nobody is told."""
        self._held |= self._open

    async def met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        if self.closed:
            writer.transport.abort()
            self._tasks.discard(task)
            return
        self._open.add(writer)
        server: asyncio.StreamWriter | None = None
        try:
            answers, server = await asyncio.open_connection(HOST, self._to)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, server, writer, None))
                group.create_task(self._carry(answers, writer, writer, self.cut_after))
        except* (ConnectionError, EOFError):
            pass
        except* asyncio.CancelledError:
            pass
        finally:
            self._open.discard(writer)
            self._held.discard(writer)
            writer.transport.abort()
            if server is not None:
                server.transport.abort()
            self._tasks.discard(task)

    async def _carry(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter, client: asyncio.StreamWriter, most: int | None
    ) -> None:
        while piece := await source.read(PIECE):
            while client in self._held:
                await asyncio.sleep(0.02)
            to.write(piece[:most])
            await to.drain()
            if most is not None:
                client.transport.abort()
                break
        raise EOFError

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=5)


@asynccontextmanager
async def middle(url: str) -> AsyncIterator[Middle]:
    """In front of the server at `url`, until the block is left."""
    made = Middle(int(url.rpartition(":")[2]))
    listening = await asyncio.start_server(made.met, HOST, 0)
    made.port = listening.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listening.close()
        await made.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await listening.wait_closed()
