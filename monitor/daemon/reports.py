"""Every target as it stands, put together of what checks it, what rotates it, what found it, and what other replicas say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from monitor.config.settings import TargetSettings
from monitor.core.alert_conditions import UNREAD
from monitor.core.report import TargetReport
from monitor.core.whole import Whole
from monitor.daemon.sharing import Sharing
from monitor.services.discovery import Discovery
from monitor.services.fleet import Fleet
from monitor.services.rotations import Rotations


class Reports:
    """sharing: None where this replica checks all targets."""

    def __init__(self, fleet: Fleet, rotations: Rotations, discovery: Discovery, sharing: Sharing | None) -> None:
        self._fleet = fleet
        self._rotations = rotations
        self._discovery = discovery
        self._sharing = sharing

    def own(self) -> Iterator[TargetReport]:
        """Every target that this replica checks, with its rotation."""
        return map(self._completed, self._fleet.reports())

    def own_of(self, name: str) -> TargetReport | None:
        """One of these; None when this replica checks none of that name."""
        report = self._fleet.report(name)
        return None if report is None else self._completed(report)

    def whole(self, targets: Sequence[TargetSettings]) -> Iterable[TargetReport]:
        """Every target of the configuration, also those that other replicas check."""
        return self.own() if self._sharing is None else self._sharing.whole(targets, self.own_of)

    def whole_of(self, name: str, targets: Sequence[TargetSettings]) -> TargetReport | None:
        """One of these; None when there is none of that name."""
        own = self.own_of(name)
        if self._sharing is None:
            return own
        target = next((target for target in targets if target.name == name), None)
        return self._sharing.one(target, own) if target is not None else None

    def to_tell(self) -> Iterator[TargetReport]:
        """Its own for alerts: a rotation of which nothing is known yet is no reason to call an alert over."""
        for report in self.own():
            unread = report.rotation is None and self._rotations.rotator(report.name) is not None
            yield replace(report, rotation=UNREAD) if unread else report

    def surroundings(self) -> Whole | None:
        """What is known of all replicas; None where there is one."""
        return self._sharing.surroundings(len(self._fleet)) if self._sharing is not None else None

    async def ask_others(self) -> None:
        """Asks the other replicas for what they know, where there are some."""
        if self._sharing is not None:
            await self._sharing.ask()

    def _completed(self, report: TargetReport) -> TargetReport:
        trouble = self._discovery.trouble_of(report.name)
        if trouble:
            report = replace(report, problem="; ".join(part for part in (report.problem, trouble) if part))
        rotation = self._rotations.report(report.name)
        return report if rotation is None else replace(report, rotation=rotation)
