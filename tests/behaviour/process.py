"""`token-monitor run` as a process of its own, to be ended and killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

# No promises: what never comes shall end the test.
STARTS_WITHIN = 120.0
ENDS_WITHIN = 60.0


class Monitor:
    """A running process. log: the file with what it wrote to standard error."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def url(self) -> str:
        """Where its pages are."""
        lines = (json.loads(line) for line in self.log.splitlines() if '"monitoring"' in line)
        return str(next(lines)["http"])

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    async def terminate(self) -> tuple[int, float]:
        """SIGTERM; the exit code, and after how many seconds it came."""
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(ENDS_WITHIN):
            code = await self._process.wait()
        return code, time.monotonic() - began

    async def kill(self) -> None:
        """SIGKILL: it gets no chance to do anything more."""
        if self.running:
            self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def monitor(
    configuration: Mapping[str, Any], folder: Path, name: str = "monitor", before: Sequence[str] = ()
) -> AsyncIterator[Monitor]:
    """The process, once it monitors; killed at the end where it still runs. before: a command that becomes it."""
    file, log = folder / f"{name}.yaml", folder / f"{name}.log"
    file.write_text(yaml.safe_dump(dict(configuration)))
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *before,
            sys.executable,
            "-m",
            "monitor",
            "run",
            "--config",
            str(file),
            stderr=errors,
            env=environment(),
        )
    started = Monitor(process, log)
    try:
        async with asyncio.timeout(STARTS_WITHIN):
            while '"monitoring"' not in started.log:
                assert started.running, f"it did not start: {started.log[-2000:]}"
                await asyncio.sleep(0.02)
        yield started
    finally:
        await started.kill()


def environment() -> dict[str, str]:
    """Without what would send it elsewhere; with every warning of Python's shown."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TOKEN_MONITOR", "KUBECONFIG"))}
    return {**kept, "PYTHONWARNINGS": "always", "PYTHONASYNCIODEBUG": "0"}
