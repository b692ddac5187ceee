"""A token that nears its end is told: first as a warning, then as a page, never as both."""

from __future__ import annotations

from pathlib import Path

import pytest
from monitor.core.alerts import AlertName, Severity, Thresholds
from monitor.core.report import RotationReport
from monitor.core.rules import RuleOptions
from monitor.core.status import Status

from tests.rules.promtool import Fires, assert_fires
from tests.rules.world import DAY, FOREVER, HOUR, MINUTE, Monitor, Target, Timeline


def expires_in(seconds: float, lifetime: float | None = 90 * DAY, **more: object) -> Target:
    return Target(((0, Status.EXPIRING),), expires=((0, seconds),), lifetime=lifetime, **more)  # type: ignore[arg-type]


def expiring(severity: Severity, since: float, until: float = FOREVER) -> Fires:
    return Fires(AlertName.EXPIRING, severity, since, until)


def test_a_token_with_less_than_a_week_left_is_a_warning(tmp_path: Path) -> None:
    story = [Monitor((expires_in(7 * DAY + 10 * MINUTE),))]
    assert_fires(tmp_path, story, expiring(Severity.WARNING, 15.25 * MINUTE))


def test_a_token_with_more_than_a_week_left_is_none(tmp_path: Path) -> None:
    assert_fires(tmp_path, [Monitor((expires_in(7 * DAY + HOUR),))])


def test_a_token_that_never_expires_is_none(tmp_path: Path) -> None:
    assert_fires(tmp_path, [Monitor((Target(),))])


def test_a_token_with_less_than_a_day_left_pages(tmp_path: Path) -> None:
    assert_fires(tmp_path, [Monitor((expires_in(HOUR),))], expiring(Severity.CRITICAL, 5.25 * MINUTE))


def test_the_page_takes_over_in_the_very_moment_in_which_the_warning_ends(tmp_path: Path) -> None:
    story = [Monitor((expires_in(DAY + 10 * MINUTE),))]
    warning = expiring(Severity.WARNING, 5.25 * MINUTE, 15.25 * MINUTE)
    assert_fires(tmp_path, story, warning, expiring(Severity.CRITICAL, 15.25 * MINUTE))


def test_a_token_that_was_replaced_in_time_ends_the_alert(tmp_path: Path) -> None:
    ends: Timeline[float | None] = ((0, 2 * DAY), (10 * MINUTE, 90 * DAY))
    story = [Monitor((Target(expires=ends),))]
    assert_fires(tmp_path, story, expiring(Severity.WARNING, 5.25 * MINUTE, 15 * MINUTE))


def test_so_does_one_that_was_replaced_by_a_token_without_an_end(tmp_path: Path) -> None:
    story = [Monitor((Target(expires=((0, 2 * DAY), (10 * MINUTE, None))),))]
    assert_fires(tmp_path, story, expiring(Severity.WARNING, 5.25 * MINUTE, 15 * MINUTE))


def test_a_short_look_at_a_token_that_ends_soon_is_none(tmp_path: Path) -> None:
    """Rotation replaces such a token within a minute, also one that somebody has just put there."""
    story = [Monitor((Target(expires=((0, 90 * DAY), (10 * MINUTE, HOUR), (14 * MINUTE, 90 * DAY))),))]
    assert_fires(tmp_path, story)


def test_when_it_has_ended_the_refusal_pages_instead(tmp_path: Path) -> None:
    end = 10 * MINUTE
    story = [Monitor((Target(((0, Status.EXPIRING), (end, Status.EXPIRED)), expires=((0, end),)),))]
    assert_fires(
        tmp_path,
        story,
        expiring(Severity.CRITICAL, 5.25 * MINUTE, end + 5 * MINUTE),
        Fires(AlertName.REFUSED, Severity.CRITICAL, end + MINUTE / 2),
    )


def test_when_it_has_ended_while_argocd_is_away_the_page_stays(tmp_path: Path) -> None:
    end = 10 * MINUTE
    story = [Monitor((Target(((0, Status.EXPIRING), (end, Status.UNREACHABLE)), expires=((0, end),)),))]
    assert_fires(
        tmp_path,
        story,
        expiring(Severity.CRITICAL, 5.25 * MINUTE),
        Fires(AlertName.NOT_VERIFIED, Severity.WARNING, 20.75 * MINUTE),
    )


def test_a_refused_token_is_not_told_a_second_time_because_it_also_ends(tmp_path: Path) -> None:
    story = [Monitor((Target(((0, Status.REVOKED),), expires=((0, HOUR),)),))]
    assert_fires(tmp_path, story, Fires(AlertName.REFUSED, Severity.CRITICAL, 0.75 * MINUTE))


@pytest.mark.parametrize("minutes", [1, 3])
def test_a_restart_or_failed_scrapes_change_nothing(tmp_path: Path, minutes: float) -> None:
    target = expires_in(2 * DAY)
    back = (10 + minutes) * MINUTE
    restarted = Monitor((target,), runs=((0, 10 * MINUTE), (back, FOREVER)))
    unscraped = Monitor((target,), unscraped=((10 * MINUTE, back),))
    for monitor in (restarted, unscraped):
        assert_fires(tmp_path, [monitor], expiring(Severity.WARNING, 5.25 * MINUTE))


def test_a_target_that_is_removed_leaves_no_alert(tmp_path: Path) -> None:
    removed = expires_in(2 * DAY, configured=(0, 10 * MINUTE))
    story = [Monitor((removed, Target(name="other")))]
    assert_fires(tmp_path, story, expiring(Severity.WARNING, 5.25 * MINUTE, 15 * MINUTE))


def test_two_replicas_tell_it_once(tmp_path: Path) -> None:
    target = expires_in(2 * DAY)
    assert_fires(
        tmp_path, [Monitor((target,)), Monitor((target,), name="b")], expiring(Severity.WARNING, 5.25 * MINUTE)
    )


def test_a_key_of_a_day_that_is_replaced_when_a_third_is_left_never_alerts(tmp_path: Path) -> None:
    """All its life it has less than a week left, and most of it less than a day: that is how it is meant."""
    rotated = expires_in(8 * HOUR, lifetime=DAY, rotation=((0, RotationReport()),))
    assert_fires(tmp_path, [Monitor((rotated,))], minutes=60)


def test_a_key_of_a_day_that_is_not_replaced_warns_at_a_quarter_and_pages_at_a_tenth(tmp_path: Path) -> None:
    warned = expires_in(6 * HOUR + 10 * MINUTE, lifetime=DAY)
    assert_fires(tmp_path, [Monitor((warned,))], expiring(Severity.WARNING, 15.25 * MINUTE))
    paged = expires_in(2.4 * HOUR + 10 * MINUTE, lifetime=DAY)
    assert_fires(
        tmp_path,
        [Monitor((paged,))],
        expiring(Severity.WARNING, 5.25 * MINUTE, 15.25 * MINUTE),
        expiring(Severity.CRITICAL, 15.25 * MINUTE),
    )


def test_a_token_that_does_not_say_when_it_was_issued_is_judged_by_the_time_left(tmp_path: Path) -> None:
    story = [Monitor((expires_in(6 * HOUR, lifetime=None),))]
    assert_fires(tmp_path, story, expiring(Severity.CRITICAL, 5.25 * MINUTE))


def test_the_thresholds_can_be_changed(tmp_path: Path) -> None:
    options = RuleOptions(Thresholds(expiring_warning=HOUR, expiring_critical=MINUTE, expiring_for=MINUTE))
    assert_fires(tmp_path, [Monitor((expires_in(2 * HOUR),))], options=options)
    story = [Monitor((expires_in(HOUR - MINUTE),))]
    assert_fires(tmp_path, story, expiring(Severity.WARNING, 1.25 * MINUTE), options=options)
