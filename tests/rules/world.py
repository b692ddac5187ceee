"""What Prometheus scrapes of monitors in a story that a test tells, as input series of promtool.

The lines about targets are made by the product's own code (`target_lines`), so that names and labels are the real
ones. Times are seconds since the story began; Prometheus scrapes every `STEP` seconds. A process that starts anew
knows nothing of what the one before has seen, and has another `instance`; where a series ends, Prometheus writes a
marker of staleness.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from monitor.core.model import Mode, Verdict
from monitor.core.replicas import ReplicasReport
from monitor.core.report import RotationReport, TargetReport
from monitor.core.status import Kind, Status
from monitor.metrics import target_lines

STEP = 15
MINUTE, HOUR, DAY = 60, 3600, 86_400
FOREVER = math.inf

T = TypeVar("T")
# What holds from when on, in order.
Timeline = Sequence[tuple[float, T]]
Span = tuple[float, float]


def at(timeline: Timeline[T], moment: float) -> T:
    """What holds at that moment."""
    return [value for since, value in timeline if since <= moment][-1]


@dataclass(frozen=True)
class Target:
    """One target, and what befalls its token. expires: moment of expiry, None for never; lifetime: of the token."""

    statuses: Timeline[Status] = ((0, Status.VALID),)
    name: str = "production"
    configured: Span = (0, FOREVER)
    expires: Timeline[float | None] = ((0, None),)
    lifetime: float | None = 90 * DAY
    account: str = "ci"
    anonymous: Timeline[bool] = ((0, False),)
    rotation: Timeline[RotationReport | None] = ((0, None),)
    replicas: ReplicasReport | None = None


@dataclass(frozen=True)
class Monitor:
    """One replica. runs: when its processes live. unscraped: when Prometheus does not reach it.

    configured: how many targets there are in all, where others check a part of them; by default its own.
    """

    targets: tuple[Target, ...]
    runs: tuple[Span, ...] = ((0, FOREVER),)
    unscraped: tuple[Span, ...] = ()
    name: str = "a"
    place: str = 'namespace="codefresh"'
    configuration: Timeline[bool] = ((0, True),)
    unusable: Timeline[int] = ((0, 0),)
    configured: int | None = None


def series(monitors: Sequence[Monitor], until: float) -> list[dict[str, str]]:
    """Input series of promtool, one sample every `STEP` seconds."""
    steps = int(until // STEP) + 1
    found: dict[str, list[str]] = {}
    for monitor in monitors:
        for step, lines in enumerate(_scrapes(monitor, steps)):
            for line in lines:
                name, value = line.rsplit(" ", 1)
                found.setdefault(name, ["_"] * steps)[step] = value
    return [{"series": name, "values": " ".join(_with_markers(values))} for name, values in found.items()]


def _with_markers(values: Sequence[str]) -> Iterator[str]:
    before = "_"
    for value in values:
        yield "stale" if value == "_" and before != "_" else value
        before = value


def _scrapes(monitor: Monitor, steps: int) -> Iterator[list[str]]:
    told: dict[str, Verdict] = {}
    alive: int | None = None
    for step in range(steps):
        now = step * STEP
        run = next((n for n, (start, end) in enumerate(monitor.runs) if start <= now < end), None)
        began, alive = run != alive, run
        if run is None or began:
            told = {}
        if run is None:
            yield []
            continue
        # What a process shows at its first scrape was not checked yet.
        reports = [_report(target, now, told, pending=began) for target in monitor.targets if _within(now, target)]
        shown = _lines(monitor, run, now, reports)
        yield [] if any(start <= now < end for start, end in monitor.unscraped) else shown


def _within(now: float, target: Target) -> bool:
    return target.configured[0] <= now < target.configured[1]


def _report(target: Target, now: float, told: dict[str, Verdict], *, pending: bool) -> TargetReport:
    status = Status.PENDING if pending else at(target.statuses, now)
    expires = None if pending else at(target.expires, now)
    verdict = Verdict(
        status,
        cause="",
        remedy="",
        account=target.account,
        expires_at=expires,
        issued_at=expires - target.lifetime if expires is not None and target.lifetime is not None else None,
        checked_at=now,
    )
    if status.kind is not Kind.UNKNOWN:
        told[target.name] = verdict
    return TargetReport(
        name=target.name,
        server="https://argocd.example.com",
        mode=Mode.TOKEN,
        where="file token",
        interval=STEP,
        timeout=10,
        verdict=verdict,
        since=0,
        told=told.get(target.name),
        anonymous_access=None if pending else at(target.anonymous, now),
        rotation=at(target.rotation, now),
        replicas=target.replicas,
    )


def _lines(monitor: Monitor, run: int, now: float, reports: Sequence[TargetReport]) -> list[str]:
    text = b"".join(target_lines(reports)).decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    lines.append('tokenmonitor_build_info{version="1.2.3"} 1')
    lines.append(f"tokenmonitor_config_last_reload_successful{{}} {int(at(monitor.configuration, now))}")
    lines.append(f'tokenmonitor_discovery_errors{{source="files /etc/targets"}} {at(monitor.unusable, now)}')
    targets = len(reports) if monitor.configured is None else monitor.configured
    lines.append(f"tokenmonitor_targets{{}} {targets}")
    added = ",".join(filter(None, (f'instance="{monitor.name}-{run}"', 'job="token-monitor"', monitor.place)))
    return [line.replace("{", f"{{{added},", 1).replace(",}", "}") for line in lines]
