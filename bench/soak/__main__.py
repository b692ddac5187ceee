"""`python -m bench.soak --minutes 60`: the real service among everything that befalls it; memory and files stay flat.

The service is a process of its own, with targets in password and token mode, over sockets and TLS, against simulated
servers that go away and come back. Status 1 when a line is not flat, when a token is not in order at the end, when keys
are left over, or when the log speaks of a defect. Writes build/bench/soak.json and soak.svg.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiohttp
from monitor.core.claims import read_claims

from bench.fleet.processes import Monitor, monitor
from bench.report import machine, show, write_json
from bench.results import Figure, Results
from bench.soak.counted import FILE
from bench.soak.disturbances import Disturbances
from bench.soak.plot import draw
from bench.soak.samples import Sample, after_warm_up, collect, grouped, growth, median_of
from bench.soak.world import IN_FILE, IN_SECRET, OTHERS, World, world

REST = 8.0
# So often whoever waits is told how it goes.
TOLD_EVERY = 60.0
# At rest is what most of so many last samples say.
LAST = 6
QUIET_WITHIN = 300.0
# Of the whole window after the warm-up, whatever its length.
MEMORY_GROWS = 3.0
# Under load each target may keep a connection more or less at any moment; what stays at rest is judged below.
FILES_GROW = 25.0
TASKS_GROW = THREADS_GROW = 4.0
FILES_MORE_AT_REST = 6
TASKS_MORE_AT_REST = 4
UNCLEAN = ("Traceback", "was destroyed", "never awaited", "Unclosed", "ResourceWarning", '"level": "critical"')


class Soak:
    """One run."""

    def __init__(self, minutes: float, folder: Path) -> None:
        self._seconds = minutes * 60
        self._folder = folder
        self._counted = folder / "counted"
        self.samples: list[Sample] = []
        self.problems: list[str] = []
        self.facts: dict[str, Any] = {}

    async def run(self) -> None:
        """From the start of everything to its end."""
        os.environ[FILE] = str(self._counted)
        async with world(self._folder) as outside:
            configuration = outside.configuration()
            async with monitor(configuration, self._folder, module="bench.soak.counted") as running:
                await self._soak(outside, running)
                self._judge_log(running)

    async def _soak(self, outside: World, running: Monitor) -> None:
        file = self._folder / "monitor.yaml"
        disturbances = Disturbances(outside, running.url, file, lambda: in_order(outside, running.url))
        await self._quiet(outside, running)
        began = time.monotonic()
        sampling = asyncio.create_task(collect(running.pid, self._counted, began, self.samples))
        await asyncio.sleep(REST)
        before = median_of(self.samples[-LAST:])
        disturbing = asyncio.create_task(disturbances.run())
        telling = asyncio.create_task(self._tell(disturbances))
        await asyncio.wait({sampling, disturbing}, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
        if disturbing.done() or sampling.done():
            self.problems.append(f"it ended early: {disturbing if disturbing.done() else sampling}")
        disturbing.cancel()
        telling.cancel()
        await asyncio.wait({disturbing, telling})
        end = time.monotonic() - began
        await self._restored(outside, file)
        await self._quiet(outside, running)
        await asyncio.sleep(REST)
        after = median_of(self.samples[-LAST:])
        sampling.cancel()
        await asyncio.wait({sampling})
        told = await status(running.url)
        self.facts = {
            "minutes": self._seconds / 60,
            "disturbances": dict(disturbances.done),
            "not in order in time": disturbances.waited,
            "rotations": {target["target"]: target["rotation"]["rotations"] for target in told if target["rotation"]},
            "at rest before": asdict(before),
            "at rest after": asdict(after),
        }
        self.samples = [sample for sample in self.samples if sample.at <= end]

    async def _tell(self, disturbances: Disturbances) -> None:
        while True:
            await asyncio.sleep(TOLD_EVERY)
            now = self.samples[-1]
            print(
                f"  {now.at / 60:.0f} of {self._seconds / 60:g} minutes: {now.rss:.0f} MiB, {now.files} files,"
                f" {now.tasks} tasks; {disturbances.done.total()} disturbances, {len(self.problems)} problems",
                file=sys.stderr,
                flush=True,
            )

    async def _restored(self, outside: World, file: Path) -> None:
        """Everything is there again, whatever was under way."""
        outside.front.fault = None
        await outside.close_all()
        await outside.open()
        outside.reload(file)

    async def _quiet(self, outside: World, running: Monitor) -> None:
        try:
            async with asyncio.timeout(QUIET_WITHIN):
                while True:
                    if await in_order(outside, running.url):
                        return
                    await asyncio.sleep(0.5)
        except TimeoutError:
            told = [(target["target"], target["status"], target["cause"]) for target in await status(running.url)]
            left = {account: outside.keys(account) for account in (IN_SECRET, IN_FILE)}
            self.problems.append(f"not in order within {QUIET_WITHIN:.0f} s: {told} keys {left}")

    def _judge_log(self, running: Monitor) -> None:
        text = (self._folder / "monitor.log").read_text()
        self.problems += [f"the log speaks of it: {word}" for word in UNCLEAN if word in text]
        levels: dict[str, int] = {}
        for line in running.lines():
            levels[str(line.get("level"))] = levels.get(str(line.get("level")), 0) + 1
        self.facts["log lines"] = levels
        if not running.running:
            self.problems.append("the process has ended")

    def results(self) -> Results:
        """What was found."""
        window = grouped(after_warm_up(self.samples))
        before, after = self.facts["at rest before"], self.facts["at rest after"]
        regime = f"{len(window)} samples after the warm-up"
        cpu = (self.samples[-1].cpu - self.samples[0].cpu) / (self.samples[-1].at - self.samples[0].at)
        figures = [
            Figure("memory grows by", "MiB", [growth(window, lambda s: s.rss)], regime, at_most=MEMORY_GROWS, digits=2),
            Figure("open files grow by", "", [growth(window, lambda s: s.files)], regime, at_most=FILES_GROW),
            Figure("tasks grow by", "", [growth(window, lambda s: s.tasks)], regime, at_most=TASKS_GROW),
            Figure("threads grow by", "", [growth(window, lambda s: s.threads)], regime, at_most=THREADS_GROW),
            Figure(
                "more files at rest", "", [after["files"] - before["files"]], "at the end", at_most=FILES_MORE_AT_REST
            ),
            Figure(
                "more tasks at rest", "", [after["tasks"] - before["tasks"]], "at the end", at_most=TASKS_MORE_AT_REST
            ),
            Figure("problems", "", [len(self.problems)], at_most=0, digits=0),
            Figure("memory", "MiB", [sample.rss for sample in window], "the whole time"),
            Figure("CPU", "of a core", [cpu], "the whole time", digits=3),
        ]
        notes = [*self.problems, str(self.facts["disturbances"]), f"rotations: {self.facts['rotations']}"]
        details = {**self.facts, "samples": [asdict(sample) for sample in grouped(self.samples)]}
        return Results(f"Soak of {self._seconds / 60:g} minutes, {OTHERS + 3} targets", figures, notes, details)


async def in_order(outside: World, url: str) -> bool:
    """Every token is accepted, and no key of the monitor is left beside those in use."""
    for account in (IN_SECRET, IN_FILE):
        token = outside.token(account)
        if token is None or outside.keys(account) != {read_claims(token).token_id}:
            return False
    told = await status(url)
    rests = all(target["rotation"] is None or target["rotation"]["state"] == "idle" for target in told)
    return bool(told) and rests and all(target["status"] == "valid" for target in told)


async def status(url: str) -> list[dict[str, Any]]:
    """What /status says; nothing where it does not answer."""
    timeout = aiohttp.ClientTimeout(total=10)
    with suppress(aiohttp.ClientError, TimeoutError):
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{url}/status") as answer:
            targets: list[dict[str, Any]] = (await answer.json(content_type=None))["targets"]
            return targets
    return []


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="The real service, for long.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    arguments = parser.parse_args()
    about = machine()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        soak = Soak(arguments.minutes, Path(folder))
        try:
            asyncio.run(soak.run())
        finally:
            log = Path(folder) / "monitor.log"
            if log.exists():
                (arguments.folder / "soak.log").write_bytes(log.read_bytes())
    results = soak.results()
    show(results)
    drawn = grouped(soak.samples)
    warm = after_warm_up(soak.samples)[0].at
    draw(drawn, warm, f"{results.title}; {about['at'][:10]}, commit {about['commit']}", arguments.folder / "soak.svg")
    print(f"  {write_json('soak', results, about, arguments.folder)} {arguments.folder / 'soak.svg'}")
    return 1 if any(figure.holds is False for figure in results.figures) else 0


if __name__ == "__main__":
    sys.exit(main())
