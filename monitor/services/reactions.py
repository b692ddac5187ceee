"""What follows from a finished check beside the next one: metrics, a look at the rotation, an announcement.

A status that cannot be told is remembered as nothing: refused, then unreachable, then refused again is one refusal.
Of several replicas the one that leads announces; while nobody is known to lead, as at start, announcements wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from monitor.core.announcement import Announcement, of_change
from monitor.core.model import Verdict
from monitor.core.report import TargetReport
from monitor.core.status import Kind, Status
from monitor.ports import Announcer
from monitor.services.checker import Checked
from monitor.services.fleet import Listener

log = structlog.get_logger(__name__)

# Announcements are best effort: more than these that wait are dropped, since /status and the metrics tell it too.
MAX_WAITING = 200
# Somebody leads after 20 s at most, where anybody can.
LONGEST_WAIT = 30.0
LOOK = 0.2


class Leaders(Protocol):
    """Who leads, as far as this replica knows."""

    def leads(self) -> bool:
        """This one."""
        ...

    def another_leads(self) -> bool:
        """Another one. Neither: nobody is known to lead."""
        ...


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the last check of a target showed. told: the last status that said something about the token."""

    told: Status = Status.PENDING
    shown: Status = Status.PENDING
    fingerprint: str | None = None


_NOTHING = _Seen()


class Reactions:
    """A listener of the fleet. `run` makes the announcements; whoever starts it owns the task."""

    def __init__(
        self,
        metrics: Listener,
        shown: Callable[[str], Verdict | None],
        wake: Callable[[str], None],
        leaders: Leaders,
    ) -> None:
        self._metrics = metrics
        self._shown = shown
        self._wake = wake
        self._leaders = leaders
        self._announcers: Mapping[str, Announcer] = {}
        self._seen: dict[str, _Seen] = {}
        self._waiting: asyncio.Queue[tuple[Announcement, float]] = asyncio.Queue(MAX_WAITING)

    def set_announcers(self, announcers: Mapping[str, Announcer]) -> None:
        """Who announces for which target."""
        self._announcers = announcers

    def forget_all_but(self, names: Iterable[str]) -> None:
        """Drops the memory of targets that are gone."""
        kept = set(names)
        self._seen = {name: seen for name, seen in self._seen.items() if name in kept}

    def resume(self, reports: Iterable[TargetReport]) -> None:
        """Goes on with what another replica saw of targets that are new here: what it announced is not announced again."""
        for report in reports:
            if report.told is not None:
                self._seen.setdefault(report.name, _Seen(report.told.status, report.verdict.status))

    def checked(self, name: str, checked: Checked, lateness: float) -> None:
        """After each check."""
        self._metrics.checked(name, checked, lateness)
        verdict = self._shown(name)
        if verdict is None:
            return
        before = self._seen.get(name, _NOTHING)
        if before.told is before.shown is verdict.status and before.fingerprint == checked.fingerprint:
            return  # the same as at the last check
        if verdict.status is not before.shown or checked.fingerprint != before.fingerprint:
            self._wake(name)
        untold = verdict.status.kind is Kind.UNKNOWN
        told = before.told if untold else verdict.status
        self._seen[name] = _Seen(told, verdict.status, checked.fingerprint)
        announcement = None if untold else of_change(name, before.told, verdict)
        if announcement is not None and name in self._announcers and not self._waiting.full():
            self._waiting.put_nowait((announcement, asyncio.get_running_loop().time() + LONGEST_WAIT))

    async def run(self) -> None:
        """Makes the announcements, one after the other, until it is cancelled."""
        while True:
            announcement, until = await self._waiting.get()
            if not await self._is_ours(until):
                continue
            announcer = self._announcers.get(announcement.target)
            try:
                if announcer is not None:
                    await announcer.announce(announcement)
            except Exception:
                # A defect of ours in one announcement must not end all that come after it.
                log.exception("an announcement failed", target=announcement.target)

    async def _is_ours(self, until: float) -> bool:
        """Whether this replica announces. Of several one is enough."""
        while not self._leaders.leads():
            if self._leaders.another_leads() or asyncio.get_running_loop().time() >= until:
                return False
            await asyncio.sleep(LOOK)
        return True
