"""What follows from a finished check beside the next one: metrics, a look at the rotation, an announcement.

A status that cannot be told is remembered as nothing: refused, then unreachable, then refused again is one refusal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

import structlog

from monitor.core.announcement import Announcement, of_change
from monitor.core.report import TargetReport
from monitor.core.status import Kind, Status
from monitor.ports import Announcer
from monitor.services.checker import Checked
from monitor.services.fleet import Listener

log = structlog.get_logger(__name__)

# Announcements are best effort: more than these that wait are dropped, since /status and the metrics tell it too.
MAX_WAITING = 200


class Reactions:
    """A listener of the fleet. `run` makes the announcements; whoever starts it owns the task."""

    def __init__(
        self,
        metrics: Listener,
        report: Callable[[str], TargetReport | None],
        wake: Callable[[str], None],
        leads: Callable[[], bool],
    ) -> None:
        self._metrics = metrics
        self._report = report
        self._wake = wake
        self._leads = leads
        self._announcers: Mapping[str, Announcer] = {}
        self._seen: dict[str, tuple[Status, str | None]] = {}
        self._waiting: asyncio.Queue[Announcement] = asyncio.Queue(MAX_WAITING)

    def set_announcers(self, announcers: Mapping[str, Announcer]) -> None:
        """Who announces for which target."""
        self._announcers = announcers

    def forget_all_but(self, names: Iterable[str]) -> None:
        """Drops the memory of targets that are gone."""
        kept = set(names)
        self._seen = {name: seen for name, seen in self._seen.items() if name in kept}

    def checked(self, name: str, checked: Checked, lateness: float) -> None:
        """After each check."""
        self._metrics.checked(name, checked, lateness)
        report = self._report(name)
        if report is None:
            return
        verdict = report.verdict
        before, fingerprint = self._seen.get(name, (Status.PENDING, None))
        if verdict.status is not before or checked.fingerprint != fingerprint:
            self._wake(name)
        if verdict.status.kind is Kind.UNKNOWN:
            self._seen[name] = (before, checked.fingerprint)
            return
        self._seen[name] = (verdict.status, checked.fingerprint)
        announcement = of_change(name, before, verdict)
        if announcement is None or name not in self._announcers or not self._leads():
            return  # of several replicas one is enough to tell it
        if not self._waiting.full():
            self._waiting.put_nowait(announcement)

    async def run(self) -> None:
        """Makes the announcements, one after the other, until it is cancelled."""
        while True:
            announcement = await self._waiting.get()
            announcer = self._announcers.get(announcement.target)
            if announcer is not None:
                await announcer.announce(announcement)
