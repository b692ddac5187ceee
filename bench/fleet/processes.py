"""Processes under measurement: the monitor and the stub, started, looked at from outside, and ended.

What is read of a process comes from /proc and from its own pages; nothing is put into it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

STARTS_WITHIN = 120.0
ENDS_WITHIN = 10.0
PAGE_WITHIN = 60.0
MAX_LINE = 8 * 1024 * 1024
LOOK = 0.02
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """A process at one moment. Memory in MiB, cpu in seconds since its start."""

    rss: float
    peak: float
    cpu: float
    files: int


def usage_of(pid: int) -> Usage:
    """What /proc says about a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    sizes = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.startswith("Vm")}
    # After the name in brackets, which may hold anything: the state is field 3.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    cpu = (int(fields[11]) + int(fields[12])) / TICKS
    try:
        files = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - ten thousand names, and no paths
    except PermissionError:  # the monitor keeps its memory to itself, and this along with it: root only
        files = 0
    return Usage(int(sizes["VmRSS"]) / 1024, int(sizes["VmHWM"]) / 1024, cpu, files)


class Monitor:
    """A running `token-monitor run`. began: when it was started (monotonic). log: the file of its standard error."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path, began: float) -> None:
        self._process = process
        self._log = log
        self._session: aiohttp.ClientSession | None = None
        self.began = began
        self.url = ""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    def lines(self) -> list[dict[str, Any]]:
        """What it logged."""
        found = []
        for line in self._log.read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def usage(self) -> Usage:
        return usage_of(self.pid)

    async def get(self, path: str) -> bytes:
        """One of its pages, over a connection that is kept."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        async with self._session.get(self.url + path, timeout=aiohttp.ClientTimeout(total=PAGE_WITHIN)) as response:
            if path == "/metrics":
                response.raise_for_status()
            return await response.read()

    async def started(self) -> None:
        """Waits until it says that it monitors."""
        async with asyncio.timeout(STARTS_WITHIN):
            while True:
                for line in self.lines():
                    if line.get("event") == "monitoring":
                        self.url = str(line["http"])
                        return
                if not self.running:
                    raise RuntimeError(f"the monitor did not start: {self._log.read_text()[-2000:]}")
                await asyncio.sleep(LOOK)

    def signal(self, number: signal.Signals) -> None:
        """SIGTERM, or SIGKILL."""
        self._process.send_signal(number)

    async def end(self) -> None:
        """Ends it, whatever it does."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self.running:
            self._process.terminate()
            try:
                async with asyncio.timeout(ENDS_WITHIN):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def monitor(
    configuration: Mapping[str, Any], folder: Path, name: str = "monitor", module: str = "monitor"
) -> AsyncIterator[Monitor]:
    """The process, once it monitors; ended at the end. module: what Python runs, with the command line of the product."""
    file, log = folder / f"{name}.yaml", folder / f"{name}.log"
    file.write_text(yaml.dump(dict(configuration), Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)))
    began = time.monotonic()
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, "run", "--config", str(file), stderr=errors, env=environment()
        )
    running = Monitor(process, log, began)
    try:
        await running.started()
        yield running
    finally:
        await running.end()


def environment() -> dict[str, str]:
    """Without what would send it elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("TOKEN_MONITOR", "KUBECONFIG"))}


class Helper:
    """A process of the bench's own. said: the line of JSON with which it began."""

    def __init__(self, process: asyncio.subprocess.Process, said: Mapping[str, Any]) -> None:
        self._process = process
        self.said = said

    async def ask(self, **command: Any) -> dict[str, Any]:
        """A command, as a line of JSON; what it answered."""
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the process has no pipes")
        process.stdin.write(json.dumps(command).encode() + b"\n")
        async with asyncio.timeout(ENDS_WITHIN):
            return dict(json.loads(await process.stdout.readline()))


@asynccontextmanager
async def helper(module: str, *arguments: str) -> AsyncIterator[Helper]:
    """A process of the bench's own: prints one line of JSON once it serves, ends when its standard input does."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=MAX_LINE,
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process has no pipes")
    try:
        async with asyncio.timeout(STARTS_WITHIN):
            said = json.loads(await process.stdout.readline())
        yield Helper(process, said)
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(ENDS_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
