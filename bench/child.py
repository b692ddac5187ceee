"""A part of a bench in a process of its own, so that its CPU time is its own: one JSON line in, one JSON line out.

The parent makes a `Child` of a module; the module calls `serve` with a function that answers each line.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

LINE = 1024 * 1024
DEADLINE = 300.0
ENDING = 5.0


def cpu_seconds() -> float:
    """What this process has used so far, all threads, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Child:
    """A running process. `async with` ends it."""

    def __init__(self, module: str, config: dict[str, Any]) -> None:
        self._module = module
        self._config = config
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Child:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", self._module, json.dumps(self._config), stdin=pipe, stdout=pipe, limit=LINE
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            async with asyncio.timeout(ENDING):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    @property
    def pid(self) -> int:
        """Its process id."""
        if self._process is None:
            raise RuntimeError(f"{self._module} was not started")
        return self._process.pid

    async def ask(self, command: dict[str, Any]) -> dict[str, Any]:
        """Its answer to one command. Raises RuntimeError when it has ended, TimeoutError when it does not answer."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError(f"{self._module} was not started")
        process.stdin.write(json.dumps(command).encode() + b"\n")
        async with asyncio.timeout(DEADLINE):
            line = await process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._module} ended before it answered {command}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def config() -> dict[str, Any]:
    """What the parent gave to this child."""
    found: dict[str, Any] = json.loads(sys.argv[1])
    return found


async def serve(answer: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> None:
    """Answers commands until the parent closes the pipe."""
    reader = asyncio.StreamReader(limit=LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps(await answer(json.loads(line))), flush=True)
