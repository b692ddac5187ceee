"""What follows from a check: the rotation is woken by changes and by nothing else, a refusal is announced once, by one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
import structlog
from monitor.core.announcement import Announcement, Reason
from monitor.core.model import Verdict
from monitor.core.report import TargetReport
from monitor.core.status import Status
from monitor.services.checker import Checked
from monitor.services.reactions import LONGEST_WAIT, MAX_WAITING, Reactions

from tests.core.alert_samples import report
from tests.virtual_time import play

TARGET = "production"
REFUSED, ACCEPTED = Reason.TOKEN_REFUSED, Reason.TOKEN_ACCEPTED


class Leaders:
    def __init__(self) -> None:
        self.this_one = True
        self.other = False

    def leads(self) -> bool:
        return self.this_one

    def another_leads(self) -> bool:
        return self.other


class Told:
    """An announcer that remembers."""

    def __init__(self) -> None:
        self.announced: list[Announcement] = []
        self.defect: Exception | None = None

    async def announce(self, announcement: Announcement) -> None:
        if self.defect is not None:
            raise self.defect
        self.announced.append(announcement)

    @property
    def reasons(self) -> list[Reason]:
        return [each.reason for each in self.announced]


class Stage:
    """Reactions, told of checks one by one."""

    def __init__(self) -> None:
        self.leaders, self.told, self.woken, self.measured = Leaders(), Told(), 0, 0
        self.reports: dict[str, TargetReport] = {}
        self.reactions = Reactions(self, self._shown, self._wake, self.leaders)
        self.reactions.set_announcers({TARGET: self.told})

    def checked(self, name: str, checked: Checked, lateness: float) -> None:
        self.measured += 1

    def _wake(self, name: str) -> None:
        self.woken += 1

    def _shown(self, name: str) -> Verdict | None:
        found = self.reports.get(name)
        return found.verdict if found is not None else None

    async def check(self, status: Status, fingerprint: str = "a", name: str = TARGET) -> None:
        """One check ends, and what follows from it."""
        found = replace(report(status), name=name)
        self.reports[name] = found
        self.reactions.checked(name, Checked(found.verdict, fingerprint), 0.0)
        await asyncio.sleep(0.01)


def on_stage(story: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
    async def tell(_: object) -> None:
        stage = Stage()
        announcing = asyncio.create_task(stage.reactions.run())
        await story(stage)
        announcing.cancel()
        await asyncio.wait([announcing])

    play(tell)


def test_a_refusal_and_its_end_are_announced_once_each() -> None:
    async def story(stage: Stage) -> None:
        for status in (Status.VALID, Status.VALID, Status.REVOKED, Status.REVOKED, Status.VALID, Status.VALID):
            await stage.check(status)
        assert stage.told.reasons == [REFUSED, ACCEPTED]
        assert stage.measured == 6

    on_stage(story)


def test_what_cannot_be_told_in_between_makes_no_second_refusal() -> None:
    async def story(stage: Stage) -> None:
        for status in (Status.REVOKED, Status.UNREACHABLE, Status.REVOKED, Status.THROTTLED, Status.VALID):
            await stage.check(status)
        assert stage.told.reasons == [REFUSED, ACCEPTED]

    on_stage(story)


def test_another_cause_is_another_refusal() -> None:
    async def story(stage: Stage) -> None:
        await stage.check(Status.REVOKED)
        await stage.check(Status.ACCOUNT_DISABLED)
        assert stage.told.reasons == [REFUSED, REFUSED]

    on_stage(story)


def test_the_rotation_is_woken_by_a_change_of_the_verdict_or_of_the_token_only() -> None:
    async def story(stage: Stage) -> None:
        woken = []
        for status, fingerprint in (
            (Status.VALID, "a"),
            (Status.VALID, "a"),
            (Status.VALID, "b"),
            (Status.UNREACHABLE, "b"),
            (Status.UNREACHABLE, "b"),
            (Status.UNREACHABLE, "b"),
            (Status.REVOKED, "b"),
        ):
            await stage.check(status, fingerprint)
            woken.append(stage.woken)
        assert woken == [1, 1, 2, 3, 3, 3, 4]

    on_stage(story)


def test_what_the_first_check_finds_waits_for_a_leader() -> None:
    async def story(stage: Stage) -> None:
        stage.leaders.this_one = False
        await stage.check(Status.REVOKED)
        assert stage.told.reasons == []
        await asyncio.sleep(20.0)
        stage.leaders.this_one = True
        await asyncio.sleep(1.0)
        assert stage.told.reasons == [REFUSED]

    on_stage(story)


def test_where_another_replica_leads_it_announces() -> None:
    async def story(stage: Stage) -> None:
        stage.leaders.this_one, stage.leaders.other = False, True
        await stage.check(Status.REVOKED)
        stage.leaders.this_one, stage.leaders.other = True, False
        await asyncio.sleep(60.0)
        assert stage.told.reasons == []
        await stage.check(Status.VALID)
        assert stage.told.reasons == [ACCEPTED], "what happens from then on is announced here"

    on_stage(story)


def test_where_nobody_can_lead_it_does_not_wait_for_ever() -> None:
    async def story(stage: Stage) -> None:
        stage.leaders.this_one = False
        await stage.check(Status.REVOKED)
        await asyncio.sleep(LONGEST_WAIT + 1.0)
        stage.leaders.this_one = True
        await asyncio.sleep(60.0)
        assert stage.told.reasons == []

    on_stage(story)


def test_a_storm_of_refusals_is_bounded() -> None:
    async def story(stage: Stage) -> None:
        stage.leaders.this_one = False
        many = {f"t{number}": stage.told for number in range(3 * MAX_WAITING)}
        stage.reactions.set_announcers(many)
        for name in many:
            found = replace(report(Status.SIGNING_KEY_CHANGED), name=name)
            stage.reports[name] = found
            stage.reactions.checked(name, Checked(found.verdict, "a"), 0.0)
        stage.leaders.this_one = True
        await asyncio.sleep(60.0)
        assert len(stage.told.announced) <= MAX_WAITING + 1

    on_stage(story)


def test_a_defect_in_one_announcement_ends_no_other() -> None:
    async def story(stage: Stage) -> None:
        stage.told.defect = ZeroDivisionError("a defect")
        with structlog.testing.capture_logs() as logs:
            await stage.check(Status.REVOKED)
        assert [line["event"] for line in logs] == ["an announcement failed"]
        stage.told.defect = None
        await stage.check(Status.VALID)
        assert stage.told.reasons == [ACCEPTED]

    on_stage(story)


@pytest.mark.parametrize("name", ["gone", "without Events"])
def test_whoever_is_gone_or_has_no_events_is_passed_over(name: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.check(Status.REVOKED, name=name)
        stage.reactions.forget_all_but([TARGET])
        stage.reports.clear()
        stage.reactions.checked(TARGET, Checked(report(Status.REVOKED).verdict, "a"), 0.0)
        await asyncio.sleep(1.0)
        assert stage.told.reasons == []

    on_stage(story)


def test_a_target_that_comes_back_is_begun_anew() -> None:
    async def story(stage: Stage) -> None:
        await stage.check(Status.REVOKED)
        stage.reactions.forget_all_but([])
        await stage.check(Status.REVOKED)
        assert stage.told.reasons == [REFUSED, REFUSED]

    on_stage(story)
