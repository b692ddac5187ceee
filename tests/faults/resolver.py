"""A name server of our own, on a real UDP port, that answers, refuses, fails or keeps silent as a test tells it.

The system's resolver asks it where a process has another /etc/resolv.conf; a mount namespace gives it one, which needs
root (or a container that may): `resolving` skips the test where that is not so.
"""

from __future__ import annotations

import asyncio
import enum
import shutil
import socket
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

ADDRESS = "127.0.0.153"
PORT = 53
A, NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 1, 0x8180, 0x8182, 0x8183


class Mood(enum.Enum):
    """What it does."""

    ANSWER = "the address 127.0.0.1"
    FAIL = "SERVFAIL"
    DENY = "NXDOMAIN"
    SILENT = "nothing"


class NameServer(asyncio.DatagramProtocol):
    """mood: what it does now. asked: how many questions came."""

    def __init__(self) -> None:
        self.mood = Mood.ANSWER
        self.asked = 0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1
        if self.mood is Mood.SILENT or self._transport is None:
            return
        end = data.index(b"\0", 12) + 5
        question = data[12:end]
        kind = struct.unpack(">H", question[-4:-2])[0]
        flags = {Mood.FAIL: SERVER_FAILURE, Mood.DENY: NO_SUCH_NAME}.get(self.mood, NO_ERROR)
        answers = int(flags == NO_ERROR and kind == A)
        record = struct.pack(">HHHIH", 0xC00C, A, 1, 0, 4) + socket.inet_aton("127.0.0.1")
        head = data[:2] + struct.pack(">HHHHH", flags, 1, answers, 0, 0)
        self._transport.sendto(head + question + record * answers, addr)


@asynccontextmanager
async def resolving(folder: Path) -> AsyncIterator[tuple[NameServer, tuple[str, ...]]]:
    """The name server, and the command that makes a process ask it and nobody else."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("a process may not have its own /etc/resolv.conf here: that needs root")
    file = folder / "resolv.conf"
    file.write_text(f"nameserver {ADDRESS}\noptions timeout:1 attempts:1\n")
    command = f'mount --bind {file} /etc/resolv.conf && exec "$@"'
    try:
        transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
            NameServer, local_addr=(ADDRESS, PORT)
        )
    except OSError:
        pytest.skip(f"port {PORT} of {ADDRESS} cannot be had here: that needs root")
    try:
        yield server, ("unshare", "-m", "sh", "-c", command, "sh")
    finally:
        transport.close()
