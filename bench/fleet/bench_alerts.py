"""Telling a real Alertmanager of 10,000 targets that are refused at once: the notifier as the service has it, over real sockets.

What is measured is this process: CPU, how long the event loop is held in one go, memory, and the bodies that are sent. Nothing
else runs in it; in the service the checks do, beside it.
"""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog
from monitor.adapters.alertmanager import AlertmanagerSink
from monitor.adapters.argocd.tls import Trust
from monitor.adapters.clock import SystemClock
from monitor.adapters.http_call import MAX_BODY, HttpCaller, Method
from monitor.core.alert_texts import Wording
from monitor.core.alerts import RUNBOOKS, Thresholds
from monitor.core.model import Answer, Expectation, Mode, Verdict
from monitor.core.remedies import remedy
from monitor.core.report import TargetReport
from monitor.core.status import Status
from monitor.services.notifier import TICK, Notifier
from yarl import URL

from bench.results import Figure, Options, Results

TARGETS = 10_000
# A pass must be over long before the next one: `alertmanager.resendInterval`, by default.
INTERVAL = 60.0
# Proxies often take 1 MB.
LARGEST_BODY = 100.0
STARTS_WITHIN = 30.0


def run(options: Options) -> Results:
    """A first pass, and one that tells the same again."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    program = shutil.which("prometheus-alertmanager")
    if program is None:
        return Results(
            "Telling an Alertmanager", [], ["prometheus-alertmanager is not installed: nothing was measured."]
        )
    return asyncio.run(_run(program, 1000 if options.short else TARGETS))


@dataclass
class Counted(HttpCaller):
    """The caller of the product, which counts."""

    bodies: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(Trust(), None, 10.0)

    async def call(
        self,
        method: Method,
        url: URL,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limit: int = MAX_BODY,
    ) -> Answer:
        if body is not None:
            self.bodies.append(len(body))
        return await super().call(method, url, headers, body, limit)

    def notified(self, alertmanager: str, *, accepted: bool) -> None:
        """After each request."""


class Loop:
    """How long the event loop was busy in one go, in seconds of this thread's CPU."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        """Until it is cancelled."""
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            self.longest = max(self.longest, time.thread_time() - before)


async def _run(program: str, targets: int) -> Results:
    clock, caller, loop = SystemClock(), Counted(), Loop()
    reports = _reports(targets, clock.now())
    async with _alertmanager(program) as url:
        sink = AlertmanagerSink(url, caller)
        wording = Wording({"namespace": "bench"}, RUNBOOKS, INTERVAL)
        notifier = Notifier(clock, lambda: iter(reports), [sink], wording, Thresholds(), caller)
        watching = asyncio.create_task(loop.watch())
        before = _memory()
        first = await _passed(notifier, targets, caller)
        requests = len(caller.bodies)
        (courier,) = notifier._couriers  # noqa: SLF001
        courier._told = {key: replace(told, at=told.at - INTERVAL) for key, told in courier._told.items()}  # noqa: SLF001
        again = await _passed(notifier, targets, caller)
        added = _memory() - before
        held = loop.longest
        watching.cancel()
        listed = await sink.active()
        arrived = len(listed) if isinstance(listed, Sequence) else 0
        await notifier.close(1.0)
        await caller.close()
    regime = f"{targets} firing"
    return Results(
        title="Telling an Alertmanager directly",
        figures=[
            Figure("alerts that it has in the end", "", [arrived], regime, at_least=targets, digits=0),
            Figure("a first pass", "s", [first.seconds], regime, INTERVAL),
            Figure("a pass that tells the same again", "s", [again.seconds], regime, INTERVAL),
            Figure("CPU of a pass", "s", [first.cpu, again.cpu], regime),
            Figure("requests a pass", "", [requests], regime, digits=0),
            Figure("largest body", "kB", [max(caller.bodies) / 1000], regime, LARGEST_BODY),
            Figure("the event loop is held, longest", "ms", [held * 1000], regime),
            Figure("memory that is added", "MB", [added / 1e6], regime),
        ],
        notes=[f"one request at a time, each over a connection of its own; a look every {TICK:g} s."],
    )


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass took."""

    seconds: float
    cpu: float


async def _passed(notifier: Notifier, targets: int, caller: Counted) -> Pass:
    began, cpu, sent = time.monotonic(), time.process_time(), len(caller.bodies)
    await notifier.tick()
    (courier,) = notifier._couriers  # noqa: SLF001
    while courier._task is not None:  # noqa: SLF001
        await asyncio.sleep(0.01)
    if len(caller.bodies) == sent:
        raise RuntimeError(f"none of {targets} alerts was sent: {caller.bodies[-3:]}")
    return Pass(time.monotonic() - began, time.process_time() - cpu)


def _reports(targets: int, now: float) -> list[TargetReport]:
    words = remedy(Status.REVOKED, Expectation(account="ci", where="its Secret or file"), "ci")
    refused = Verdict(
        Status.REVOKED, "Argo CD does not know this key any more", words, account="ci", token_id="tm-1", checked_at=now
    )
    return [
        TargetReport(
            f"target-{number:05}",
            f"https://argocd-{number}.example.com",
            Mode.TOKEN,
            "Secret codefresh/argocd-token, key token",
            15.0,
            10.0,
            refused,
            now - 3600,
            told=refused,
        )
        for number in range(targets)
    ]


@asynccontextmanager
async def _alertmanager(program: str) -> AsyncIterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        config = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}
        (Path(folder) / "alertmanager.yml").write_text(json.dumps(config))
        command = [
            program,
            "--config.file=alertmanager.yml",
            "--storage.path=data",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ]
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=quiet, stderr=quiet)
        try:
            async with asyncio.timeout(STARTS_WITHIN):
                while not await _listens(port):
                    await asyncio.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            await process.wait()


async def _listens(port: int) -> bool:
    with suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True
    return False


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
