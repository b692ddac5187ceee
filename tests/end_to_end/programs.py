"""Real programs beside a test: started on free ports of loopback, waited for with deadlines, and ended with the test."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

HOST = "127.0.0.1"
STARTS_WITHIN = 30.0
ENDS_WITHIN = 5.0
PACE = 0.1


def program(name: str, package: str) -> str:
    """The path of a program. Skips the test where it is not installed, and fails it in CI."""
    found = shutil.which(name)
    if found is None:
        said = f"{name} is missing: install {package} (apt-get install {package})"
        assert os.environ.get("CI") != "true", said
        pytest.skip(said)
    return found


def free_port() -> int:
    """A port that is free at this moment, for TCP and UDP."""
    with socket.socket() as tcp:
        tcp.bind((HOST, 0))
        port: int = tcp.getsockname()[1]
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            udp.bind((HOST, port))
    return port


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
    """Waits until the condition holds, and fails after so many seconds with what it saw last."""
    seen: object = None
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while alive():
                seen = await condition()
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
