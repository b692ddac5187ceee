"""Debian's blackbox_exporter, probing with the same token, body check and CA. Its driver's cost does not count."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
from pathlib import Path
from types import TracebackType
from urllib.parse import urlencode

import aiohttp

from bench.check.regimes import IN_FLIGHT, Regime, run

PROGRAM = "prometheus-blackbox-exporter"
START = 10.0
SUCCESS = b"\nprobe_success 1\n"


class Blackbox:
    """The exporter as a process. `async with` ends it."""

    def __init__(self, ca_file: str, token: str, folder: Path) -> None:
        self._folder = folder
        # A JSON text is a YAML text as well.
        self._module = {
            "prober": "http",
            "timeout": "10s",
            "http": {
                "method": "GET",
                "preferred_ip_protocol": "ip4",
                "follow_redirects": False,
                "headers": {"Accept": "application/json"},
                "authorization": {"credentials": token},
                "fail_if_body_not_matches_regexp": ['"loggedIn":true'],
                "tls_config": {"ca_file": ca_file},
            },
        }
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None
        self._address = ""

    async def __aenter__(self) -> Blackbox:
        program = shutil.which(PROGRAM)
        if program is None:
            raise RuntimeError(f"{PROGRAM} is not installed: `make bench` installs it (as root)")
        file = self._folder / "blackbox.yaml"
        file.write_text(json.dumps({"modules": {"check": self._module}}))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._address = f"http://127.0.0.1:{port}"
        self._process = await asyncio.create_subprocess_exec(
            program,
            f"--config.file={file}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=IN_FLIGHT * 4, keepalive_timeout=300),
            headers={"Accept-Encoding": "identity"},  # compressing its page would cost it more
        )
        async with asyncio.timeout(START):
            while not await self._listens():
                await asyncio.sleep(0.05)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def round(self, url: str, regime: Regime, checks: int) -> dict[str, float]:
        """CPU seconds and good probes of one round."""
        session, process = self._session, self._process
        if session is None or process is None:
            raise RuntimeError("the exporter was not started")
        probe = f"{self._address}/probe?{urlencode({'module': 'check', 'target': url})}"

        async def one() -> bool:
            async with session.get(probe) as got:
                return got.status == 200 and SUCCESS in await got.read()

        before = _cpu_of(process.pid)
        good = await run(regime, checks, one)
        return {"cpu": _cpu_of(process.pid) - before, "checks": checks, "good": good}

    async def _listens(self) -> bool:
        if self._session is None:
            return False
        try:
            async with self._session.get(f"{self._address}/-/healthy") as got:
                return got.status == 200
        except aiohttp.ClientConnectionError:
            return False


def _cpu_of(pid: int) -> float:
    """User and system time of a process (proc(5), fields 14 and 15), in ticks of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
