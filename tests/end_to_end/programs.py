"""Real programs beside a test: started on free ports of loopback, waited for with deadlines, and ended with the test."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

HOST = "127.0.0.1"
STARTS_WITHIN = 60.0
ENDS_WITHIN = 5.0
PACE = 0.1
# Below those that a system gives to whoever asks for any port (Linux: from 32768).
PORTS = range(20_000, 32_000)
_given: set[int] = set()


def program(name: str, package: str) -> str:
    """The path of a program. Skips the test where it is not installed, and fails it in CI."""
    found = shutil.which(name)
    if found is None:
        said = f"{name} is missing: install {package} (apt-get install {package})"
        assert os.environ.get("CI") != "true", said
        pytest.skip(said)
    return found


def free_port() -> int:
    """A port that is free at this moment, for TCP and UDP.

    A program takes it a moment later; until then the tests beside this one, which let the system choose, must not get it.
    """
    for port in random.sample([port for port in PORTS if port not in _given], 100):
        with suppress(OSError), socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind((HOST, port))
            udp.bind((HOST, port))
            _given.add(port)
            return port
    raise AssertionError(f"no port of {PORTS} is free")


@asynccontextmanager
async def started(command: Sequence[str], log: Path, ready: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
    """Runs a program until the block is left. What it says goes to `log`, whose end is shown when it does not start."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output, cwd=log.parent)
    try:
        try:
            await until(ready, STARTS_WITHIN, alive=lambda: process.returncode is None)
        except AssertionError as error:
            raise AssertionError(f"{command[0]} did not start: {log.read_text()[-2000:]}") from error
        yield
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(ENDS_WITHIN):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def until(
    condition: Callable[[], Awaitable[object]], seconds: float, *, alive: Callable[[], bool] = lambda: True
) -> None:
    """Waits until the condition holds, and fails after so many seconds with what it saw last.

    A program that is too busy to answer one look is looked at again.
    """
    seen: object = None
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while alive():
                try:
                    seen = await condition()
                except (aiohttp.ClientError, TimeoutError) as error:
                    seen = error
                else:
                    if seen:
                        return
                await asyncio.sleep(PACE)
    raise AssertionError(f"not within {seconds} s; the last thing seen was {seen!r}")


async def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url, timeout=aiohttp.ClientTimeout(2)) as response:
            return response.status == 200
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


async def listens(port: int) -> bool:
    """Whether a connection to the port is taken."""
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True


async def get(url: str, query: dict[str, str] | None = None) -> Any:
    """The JSON that a GET yields. The test fails for any other answer."""
    deadline = aiohttp.ClientTimeout(5)
    async with aiohttp.ClientSession() as session, session.get(url, params=query, timeout=deadline) as response:
        text = await response.text()
        assert response.status == 200, f"{url}: {response.status} {text[:500]}"
        return json.loads(text)
