"""Ten minutes in which nobody could tell whether a token is accepted are told; nine are not, and a restart is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from monitor.core.alerts import AlertName, Severity
from monitor.core.status import Kind, Status

from tests.rules.promtool import Fires, assert_fires
from tests.rules.world import FOREVER, MINUTE, Monitor, Target

CANNOT_TELL = [status for status in Status if status.kind is Kind.UNKNOWN]
OUTAGE = 5 * MINUTE


def outage(minutes: float, status: Status = Status.UNREACHABLE) -> Target:
    """The last check that could tell was 15 seconds before `OUTAGE`."""
    return Target(((0, Status.VALID), (OUTAGE, status), (OUTAGE + minutes * MINUTE, Status.VALID)))


def not_verified(since: float, until: float = FOREVER, target: str = "production") -> Fires:
    return Fires(AlertName.NOT_VERIFIED, Severity.WARNING, since, until, target)


# Ten minutes after the last check that could tell, and one in which a monitor that has just started could tell.
TOLD = OUTAGE - 15 + 11 * MINUTE


def every_outage(minutes: float) -> list[Monitor]:
    """One target for each status that cannot tell."""
    return [Monitor(tuple(replace(outage(minutes, status), name=named(status)) for status in CANNOT_TELL))]


def named(status: Status) -> str:
    return status.value.replace("_", "-")


def test_after_nine_minutes_nobody_is_told(tmp_path: Path) -> None:
    assert_fires(tmp_path, every_outage(9))


def test_after_eleven_minutes_somebody_is_told(tmp_path: Path) -> None:
    ended = OUTAGE + 11 * MINUTE + 5 * MINUTE
    told = [not_verified(TOLD, ended, target=named(status)) for status in CANNOT_TELL]
    assert_fires(tmp_path, every_outage(11), *told)


def test_one_answer_in_between_begins_the_ten_minutes_anew(tmp_path: Path) -> None:
    statuses = [(0, Status.VALID), (OUTAGE, Status.THROTTLED), (12 * MINUTE, Status.VALID)]
    target = Target((*statuses, (12.25 * MINUTE, Status.THROTTLED)))
    assert_fires(tmp_path, [Monitor((target,))], not_verified(23 * MINUTE))


def test_a_refusal_is_an_answer(tmp_path: Path) -> None:
    target = Target(((0, Status.VALID), (OUTAGE, Status.REVOKED)))
    assert_fires(tmp_path, [Monitor((target,))], Fires(AlertName.REFUSED, Severity.CRITICAL, OUTAGE + 30))


@pytest.mark.parametrize("seconds", [30, 180])
def test_a_restart_during_an_outage_does_not_begin_the_ten_minutes_anew(tmp_path: Path, seconds: int) -> None:
    restarted = Monitor((outage(60),), runs=((0, 9 * MINUTE), (9 * MINUTE + seconds, FOREVER)))
    assert_fires(tmp_path, [restarted], not_verified(TOLD))


def test_failed_scrapes_when_the_outage_begins_do_not_delay_it(tmp_path: Path) -> None:
    story = Monitor((outage(60),), unscraped=((4 * MINUTE, 7 * MINUTE),))
    assert_fires(tmp_path, [story], not_verified(TOLD))


@pytest.mark.parametrize("minutes", [1, 3])
def test_a_restart_while_it_fires_does_not_end_it(tmp_path: Path, minutes: float) -> None:
    restarted = Monitor((outage(60),), runs=((0, 20 * MINUTE), ((20 + minutes) * MINUTE, FOREVER)))
    unscraped = Monitor((outage(60),), unscraped=((20 * MINUTE, (20 + minutes) * MINUTE),))
    for monitor in (restarted, unscraped):
        assert_fires(tmp_path, [monitor], not_verified(TOLD), minutes=40)


@pytest.mark.parametrize("minutes", [1, 3])
def test_failed_scrapes_or_a_restart_with_healthy_tokens_are_none(tmp_path: Path, minutes: float) -> None:
    back = (15 + minutes) * MINUTE
    assert_fires(tmp_path, [Monitor((Target(),), runs=((0, 15 * MINUTE), (back, FOREVER)))])
    assert_fires(tmp_path, [Monitor((Target(),), unscraped=((15 * MINUTE, back),))])


@pytest.mark.parametrize("minutes", [8, 9.5, 10, 11, 25])
def test_a_monitor_that_was_away_for_long_is_given_time_for_its_first_checks(tmp_path: Path, minutes: float) -> None:
    away, back = 15 * MINUTE, (15 + minutes) * MINUTE
    down = Fires(AlertName.DOWN, Severity.CRITICAL, away + 4 * MINUTE, back, target=None, place=())
    assert_fires(tmp_path, [Monitor((Target(),), runs=((0, away), (back, FOREVER)))], down, minutes=60)


def test_a_target_that_could_never_be_verified_is_told_after_as_long(tmp_path: Path) -> None:
    target = Target(((0, Status.NOT_ARGOCD),))
    assert_fires(tmp_path, [Monitor((target,))], not_verified(11 * MINUTE))


def test_so_is_one_that_was_added_later(tmp_path: Path) -> None:
    added = Target(((0, Status.UNREACHABLE),), configured=(10 * MINUTE, FOREVER))
    assert_fires(tmp_path, [Monitor((Target(name="other"), added))], not_verified(21 * MINUTE))


def test_a_target_that_is_removed_during_an_outage_is_none(tmp_path: Path) -> None:
    removed = Target(outage(60).statuses, configured=(0, 12 * MINUTE))
    assert_fires(tmp_path, [Monitor((Target(name="other"), removed))], minutes=40)


def test_a_target_that_is_removed_while_it_fires_leaves_no_alert(tmp_path: Path) -> None:
    removed = Target(outage(60).statuses, configured=(0, 20 * MINUTE))
    story = [Monitor((Target(name="other"), removed))]
    assert_fires(tmp_path, story, not_verified(TOLD, 25 * MINUTE), minutes=40)


def test_one_replica_that_can_tell_is_enough(tmp_path: Path) -> None:
    assert_fires(tmp_path, [Monitor((outage(60),)), Monitor((Target(),), name="b")])


def test_two_replicas_that_cannot_tell_it_once(tmp_path: Path) -> None:
    assert_fires(tmp_path, [Monitor((outage(60),)), Monitor((outage(60),), name="b")], not_verified(TOLD))
