"""A fleet of N targets under a real `token-monitor run`: start, memory, CPU, and how late its checks begin.

Lateness is measured in three regimes: at rest, with /metrics (all series) scraped, and with the pages for people and
programs fetched as well. Each target is a server of its own (an address of 127.0.0.0/8), since ten thousand instances
of Argo CD are ten thousand servers.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
import trustme

from bench.fleet.processes import Monitor, Usage, helper, monitor
from bench.fleet.scrape import Histogram, accepted, histogram, pending
from bench.fleet.tokens import token

INTERVAL = 30
# What the figures of design.md are about.
ON_TIME = 0.05
SERVER_NAME = "argocd.bench.example"
FIRST_WITHIN = 180.0
LOOK = 1.0
# Seconds between two scrapes, and between two looks at the pages.
SCRAPE_EVERY = 5.0
PAGES = ("/status", "/healthz", "/")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Regime:
    """Lateness and CPU over some time. cpu: share of one core. Seconds, MiB."""

    seconds: float
    checks: int
    on_time: float
    p50: float
    p99: float
    worst: float
    cpu: float
    rss: float
    fetches: int = 0
    fetch_seconds: float = 0.0
    fetch_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """One fleet. ready, first_verdicts: seconds from the start of the process. Memory in MiB."""

    targets: int
    https: int
    ready: float
    first_verdicts: float
    first_on_time: float
    rss: float
    peak: float
    files: int
    regimes: dict[str, Regime]


async def measure(
    targets: int,
    folder: Path,
    say: Say,
    *,
    https: int = 0,
    seconds: float = 40.0,
    regimes: Sequence[str] = ("quiet", "scraped", "pages"),
) -> Load:
    """Runs a fleet of so many targets, `https` of them over TLS."""
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(helper("bench.fleet.stub", *_certificate(folder)))
        configuration = fleet(targets, stub.said, folder, https=https)
        running = await stack.enter_async_context(monitor(configuration, folder))
        ready = time.monotonic() - running.began
        first = await _first_verdicts(running)
        text = await running.get("/metrics")
        if accepted(text) != targets:
            why = Counter(
                str(line.get("cause")) for line in running.lines() if line.get("status") not in (None, "valid")
            )
            raise RuntimeError(f"only {accepted(text)} of {targets} tokens are accepted: {why.most_common(3)}")
        lateness = histogram(text, "schedule_lateness_seconds")
        say(f"{targets} targets: ready in {ready:.1f} s, all judged in {first:.1f} s")
        await asyncio.sleep(min(5.0, seconds / 4))
        found: dict[str, Regime] = {}
        for name in regimes:
            found[name] = await _regime(running, seconds, _PATHS[name])
            say(f"{targets} targets, {name}: {describe(found[name])}")
        usage = running.usage()
        rss = found["quiet"].rss if "quiet" in found else usage.rss
        return Load(targets, https, ready, first, lateness.within(ON_TIME), rss, usage.peak, usage.files, found)


_PATHS: Mapping[str, Sequence[str]] = {"quiet": (), "scraped": ("/metrics",), "pages": PAGES}


def fleet(targets: int, stub: Mapping[str, Any], folder: Path, *, https: int = 0) -> dict[str, Any]:
    """The configuration: plain tokens, a server of its own for each, the first `https` of them over TLS."""
    ca = str(folder / "ca.pem")
    found: list[dict[str, Any]] = []
    for number in range(targets):
        secure = number < https
        scheme = "https" if secure else "http"
        one: dict[str, Any] = {
            "name": f"argocd-{number:05d}",
            "url": f"{scheme}://{address(number)}:{stub[scheme]}",
            "auth": {"type": "token", "token": token(number)},
        }
        if secure:
            one["tls"] = {"caFile": ca, "serverName": SERVER_NAME}
        found.append(one)
    return {
        "interval": INTERVAL,
        "http": {"port": 0},
        "log": {"format": "json", "level": "info"},
        "targets": found,
    }


def address(number: int) -> str:
    """An address of this machine for each target."""
    high, low = divmod(number, 250)
    return f"127.{10 + high // 250}.{high % 250}.{low + 1}"


def _certificate(folder: Path) -> tuple[str, ...]:
    authority = trustme.CA()
    issued = authority.issue_cert(SERVER_NAME)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    return "--cert-file", str(folder / "cert.pem"), "--key-file", str(folder / "key.pem")


async def _first_verdicts(running: Monitor) -> float:
    async with asyncio.timeout(FIRST_WITHIN):
        while True:
            try:
                text = await running.get("/metrics")
            except aiohttp.ClientResponseError:
                continue  # busy
            if not pending(text):
                return time.monotonic() - running.began
            await asyncio.sleep(LOOK)


async def _regime(running: Monitor, seconds: float, paths: Sequence[str]) -> Regime:
    before = histogram(await running.get("/metrics"), "schedule_lateness_seconds")
    used, began = running.usage(), time.monotonic()
    fetches: list[tuple[float, int]] = []
    while (left := began + seconds - time.monotonic()) > 0:
        if not paths:
            await asyncio.sleep(left)
            continue
        for path in paths:
            started = time.monotonic()
            body = await running.get(path)
            fetches.append((time.monotonic() - started, len(body)))
        await asyncio.sleep(min(SCRAPE_EVERY, max(0.0, began + seconds - time.monotonic())))
    usage, took = running.usage(), time.monotonic() - began
    lateness = histogram(await running.get("/metrics"), "schedule_lateness_seconds").since(before)
    return _summed(lateness, used, usage, took, fetches)


def _summed(
    lateness: Histogram, before: Usage, after: Usage, took: float, fetches: Sequence[tuple[float, int]]
) -> Regime:
    return Regime(
        seconds=took,
        checks=int(lateness.count),
        on_time=lateness.within(ON_TIME),
        p50=lateness.quantile(0.5),
        p99=lateness.quantile(0.99),
        worst=lateness.quantile(1.0),
        cpu=(after.cpu - before.cpu) / took,
        rss=after.rss,
        fetches=len(fetches),
        fetch_seconds=max((seconds for seconds, _ in fetches), default=0.0),
        fetch_bytes=max((size for _, size in fetches), default=0),
    )


def describe(found: Regime) -> str:
    """One line for people."""
    return (
        f"{found.checks} checks, {found.on_time:.2%} within {ON_TIME * 1000:.0f} ms, median {found.p50 * 1000:.1f} ms,"
        f" p99 {found.p99 * 1000:.1f} ms, worst {found.worst * 1000:.0f} ms, {found.cpu:.1%} of a core,"
        f" {found.rss:.0f} MiB"
        + (f"; slowest answer {found.fetch_seconds:.2f} s, {found.fetch_bytes / 1e6:.1f} MB" if found.fetches else "")
    )


async def _alone() -> None:
    """`python -m bench.fleet.load TARGETS [HTTPS [SECONDS]]`: one fleet, for development."""
    import json
    import sys
    import tempfile

    numbers = [float(word) for word in sys.argv[1:]]
    targets, https, seconds = (int(n) for n in (*numbers, *(1000, 0, 30)[len(numbers) :]))
    with tempfile.TemporaryDirectory() as folder:
        found = await measure(targets, Path(folder), print, https=https, seconds=seconds)
    print(json.dumps(asdict(found), indent=1))


if __name__ == "__main__":
    asyncio.run(_alone())
