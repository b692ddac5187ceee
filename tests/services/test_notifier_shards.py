"""Replicas that share the targets tell Alertmanager of their own: what changes hands fires on, once, and ends once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

import pytest
from monitor.core.alert_texts import Wording
from monitor.core.report import TargetReport
from monitor.core.status import Status
from monitor.services.notifier import TICK, Notifier

from tests.core import alert_samples as given
from tests.core.alert_samples import report
from tests.services.fake_alertmanager import FakeAlertmanager
from tests.virtual_time import VirtualClock, VirtualLoop, play

NAME = "production"
FIRES = ("TokenRefused", NAME)
SHORTEST, USUAL = 10.0, 60.0
# design.md, and the time until the first check of the one that takes over.
FAILOVER = 20.0


class Replica:
    """One of two, each with a notifier of its own; `has` are the targets of its share."""

    def __init__(self, clock: VirtualClock, manager: FakeAlertmanager, resend: float) -> None:
        self.clock = clock
        self.has: dict[str, TargetReport] = {"elsewhere": report(Status.VALID, name="elsewhere")}
        wording = Wording({"namespace": "codefresh"}, resend=resend)
        self.notifier = Notifier(
            clock, self._reports, [manager], wording, given.USUAL, self, elsewhere=lambda: {NAME} - self.has.keys()
        )
        self.task = asyncio.create_task(self._tick())

    def checks(self, status: Status | None, since: float = 0.0) -> None:
        """It has the target from now on, and found this; None: it was not checked yet."""
        pending = replace(report(Status.PENDING, name=NAME), told=None)
        found = pending if status is None else replace(report(status, name=NAME), since=since or self.clock.now())
        self.has[NAME] = found

    def gives_up(self) -> None:
        del self.has[NAME]

    async def ends(self) -> None:
        """Killed or ended: it tells nothing more."""
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.notifier.close(0.1)

    def notified(self, alertmanager: str, *, accepted: bool) -> None:
        pass

    def _reports(self) -> Iterable[TargetReport]:
        for found in self.has.values():
            fresh = replace(found.verdict, checked_at=self.clock.now())
            yield found if found.verdict.status is Status.PENDING else replace(found, verdict=fresh, told=fresh)

    async def _tick(self) -> None:
        while True:
            await self.notifier.tick()
            await asyncio.sleep(TICK)


def always_fires(manager: FakeAlertmanager) -> bool:
    return manager.firing == {FIRES} and manager.paged == 1


@pytest.mark.parametrize("resend", [SHORTEST, USUAL])
@pytest.mark.parametrize("killed_after", [61.0, 64.9, 69.9, 115.0])
def test_the_replica_of_a_refused_token_is_killed(resend: float, killed_after: float) -> None:
    async def story(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop)
        manager = FakeAlertmanager(clock)
        one, other = Replica(clock, manager, resend), Replica(clock, manager, resend)
        one.checks(Status.REVOKED)
        await asyncio.sleep(killed_after)
        assert always_fires(manager)
        await one.ends()
        await asyncio.sleep(FAILOVER)
        assert always_fires(manager)
        other.checks(None)
        for second in range(600):
            if second == 15:
                other.checks(Status.REVOKED)
            assert always_fires(manager), f"{second} s after it took over"
            await asyncio.sleep(1.0)
        other.checks(Status.VALID)
        await asyncio.sleep(given.USUAL.gap + 2 * TICK)
        assert manager.firing == set()
        await asyncio.sleep(600.0)
        assert manager.paged == 1
        await other.ends()

    play(story)


@pytest.mark.parametrize("known", [True, False], ids=["with what was known", "not checked yet"])
def test_a_target_that_is_handed_over_is_not_called_over(known: bool) -> None:
    async def story(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop)
        manager = FakeAlertmanager(clock)
        one, other = Replica(clock, manager, USUAL), Replica(clock, manager, USUAL)
        one.checks(Status.REVOKED)
        await asyncio.sleep(120.0)
        other.checks(Status.REVOKED if known else None, since=clock.now() - 120.0)
        one.gives_up()
        for second in range(600):
            if second == 15:
                other.checks(Status.REVOKED)
            assert always_fires(manager)
            await asyncio.sleep(1.0)
        one.checks(None)  # and back
        other.gives_up()
        for second in range(600):
            if second == 15:
                one.checks(Status.REVOKED)
            assert always_fires(manager)
            await asyncio.sleep(1.0)
        await one.ends()
        await other.ends()

    play(story)


def test_what_ended_elsewhere_and_begins_again_here_is_told_at_once() -> None:
    """And not only when what this replica once told of it would be repeated."""

    async def story(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop)
        manager = FakeAlertmanager(clock)
        one, other = Replica(clock, manager, 3600.0), Replica(clock, manager, 3600.0)
        one.checks(Status.REVOKED)
        await asyncio.sleep(120.0)
        other.checks(Status.VALID)
        one.gives_up()
        await asyncio.sleep(given.USUAL.gap + 60.0)
        assert manager.firing == set()
        other.gives_up()
        one.checks(Status.REVOKED)
        await asyncio.sleep(120.0)
        assert manager.firing == {FIRES}
        await one.ends()
        await other.ends()

    play(story)


def test_what_was_mended_while_nobody_looked_is_told_as_over() -> None:
    async def story(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop)
        manager = FakeAlertmanager(clock)
        one, other = Replica(clock, manager, USUAL), Replica(clock, manager, USUAL)
        one.checks(Status.REVOKED)
        await asyncio.sleep(120.0)
        await one.ends()
        await asyncio.sleep(FAILOVER)
        other.checks(Status.VALID)
        await asyncio.sleep(given.USUAL.gap + 2 * TICK)
        assert manager.firing == set()
        assert manager.paged == 1
        await other.ends()

    play(story)


def test_what_alertmanager_holds_is_not_asked_for_without_a_reason() -> None:
    async def story(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop)
        manager = FakeAlertmanager(clock)
        one = Replica(clock, manager, USUAL)
        await asyncio.sleep(600.0)
        assert manager.asked == 1
        one.checks(Status.VALID)
        await asyncio.sleep(600.0)
        assert manager.asked == 2
        await one.ends()

    play(story)
