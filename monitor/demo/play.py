"""Performs the story: does what the scene says, waits for the monitor, and tells what it said and how fast."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from monitor.core.report import TargetReport
from monitor.core.status import Kind, Status
from monitor.demo import password_mode
from monitor.demo.stage import ACCOUNTS, Stage, stage
from monitor.demo.story import STORY, Scene

# For a machine that is very busy: on others all is told within seconds.
LONGEST_WAIT = 60.0
PAGE_WITHIN = 30.0
LOOK = 0.01


@dataclass(frozen=True, slots=True)
class Told:
    """How a scene went. seconds: until each target said what it should.

    wrong: what the monitor said that it must not, or did not say in time.
    """

    scene: Scene
    seconds: dict[str, float]
    reports: tuple[TargetReport, ...]
    wrong: tuple[str, ...]


Teller = Callable[[Told], None]


async def play(
    port: int,
    tell: Teller,
    tell_rotation: Callable[[password_mode.Ended], None],
    opened: Callable[[Stage], None],
    *,
    once: bool,
) -> bool:
    """Plays the story once; then goes on until it is cancelled, unless `once`. True when all was told rightly."""
    with tempfile.TemporaryDirectory(prefix="token-monitor-demo-") as folder:
        async with stage(Path(folder), port) as here:
            opened(here)
            right = True
            for scene in STORY:
                told = await _perform(here, scene)
                tell(told)
                right = right and not told.wrong
            second = Path(folder) / "password-mode"
            second.mkdir(mode=0o700)
            right = await password_mode.play(tell_rotation, second) and right
            if not once:
                await asyncio.Event().wait()
            return right


async def _perform(here: Stage, scene: Scene) -> Told:
    here.observe()
    before = {name: seen[-1] for name, seen in here.history.items()}
    here.history = {name: [status] for name, status in before.items()}
    started = time.monotonic()
    scene.deed(here)
    seconds: dict[str, float] = {}
    while (passed := time.monotonic() - started) < LONGEST_WAIT:
        here.observe()
        for name in scene.told:
            if name not in seconds and _reached(here, scene, name):
                seconds[name] = passed
        if len(seconds) == len(scene.told):
            break
        await asyncio.sleep(LOOK)
    wrong = (*_wrong(here, scene, before), *await _unhealthy(here, scene))
    reports = tuple(report for report in here.daemon.fleet.reports() if report.name in scene.told)
    return Told(scene, seconds, reports, wrong)


def _reached(here: Stage, scene: Scene, name: str) -> bool:
    report = here.daemon.fleet.report(name)
    if report is None or report.verdict.status is not scene.told[name]:
        return False
    return scene.anonymous is None or report.anonymous_access is scene.anonymous


def _wrong(here: Stage, scene: Scene, before: dict[str, Status]) -> list[str]:
    found = []
    for name in ACCOUNTS:
        expected = scene.told.get(name, before.get(name, Status.PENDING))
        allowed = {expected, before.get(name, Status.PENDING), Status.PENDING, *scene.meanwhile}
        shown = here.history.get(name, [])
        found += [f"{name} was called {status}" for status in shown if status not in allowed]
        if not shown or shown[-1] is not expected:
            found.append(f"{name} is {shown[-1] if shown else 'unknown'} and not {expected}")
    if not found and not all(_reached(here, scene, name) for name in scene.told):
        found.append("anonymous access was not told rightly")
    return found


async def _unhealthy(here: Stage, scene: Scene) -> list[str]:
    """Asks /healthz as whoever is on call would: 200 exactly when the token is accepted."""
    found = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PAGE_WITHIN)) as session:
        for name, status in scene.told.items():
            async with session.get(f"{here.daemon.address}/healthz", params={"target": name}) as answer:
                good = status.kind in (Kind.ACCEPTED, Kind.ATTENTION)
                if (answer.status == 200) is not good:
                    found.append(f"/healthz?target={name} answered {answer.status} for {status}")
    return found
