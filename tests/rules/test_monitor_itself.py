"""The monitor tells of itself with its own absence; and what needs a person without waking one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from monitor.core.alerts import AlertName, Severity
from monitor.core.rules import RuleOptions
from monitor.core.status import Status

from tests.rules.promtool import HERE, Fires, assert_fires
from tests.rules.world import FOREVER, MINUTE, Monitor, Target


def down(since: float, until: float = FOREVER, **more: tuple[tuple[str, str], ...]) -> Fires:
    return Fires(AlertName.DOWN, Severity.CRITICAL, since, until, target=None, **{"place": (), **more})


def test_a_monitor_that_was_never_there_is_down(tmp_path: Path) -> None:
    assert_fires(tmp_path, [], down(4 * MINUTE))


def test_a_monitor_that_dies_pages_before_any_alert_of_its_targets_is_let_go(tmp_path: Path) -> None:
    """Whoever is told that an alert has ended must have been told before that nobody looks any more."""
    died = Monitor((Target(((0, Status.REVOKED),)),), runs=((0, 10 * MINUTE),))
    refused = Fires(AlertName.REFUSED, Severity.CRITICAL, 0.75 * MINUTE, 15 * MINUTE)
    assert_fires(tmp_path, [died], refused, down(14 * MINUTE))


@pytest.mark.parametrize("minutes", [1, 2, 3])
def test_a_restart_or_failed_scrapes_are_not_its_death(tmp_path: Path, minutes: float) -> None:
    back = (10 + minutes) * MINUTE
    assert_fires(tmp_path, [Monitor((Target(),), runs=((0, 10 * MINUTE), (back, FOREVER)))])
    assert_fires(tmp_path, [Monitor((Target(),), unscraped=((10 * MINUTE, back),))])


def test_it_ends_as_soon_as_the_monitor_is_back(tmp_path: Path) -> None:
    story = Monitor((Target(),), runs=((0, 10 * MINUTE), (20 * MINUTE, FOREVER)))
    assert_fires(tmp_path, [story], down(14 * MINUTE, 20 * MINUTE))


def test_one_replica_of_two_is_enough(tmp_path: Path) -> None:
    died = Monitor((Target(),), runs=((0, 10 * MINUTE),))
    assert_fires(tmp_path, [died, Monitor((Target(),), name="b")])


def test_with_a_selector_the_absence_of_one_monitor_among_several_is_seen(tmp_path: Path) -> None:
    died = Monitor((Target(),), runs=((0, 10 * MINUTE),))
    other = Monitor((Target(((0, Status.REVOKED),)),), name="b", place='namespace="elsewhere"')
    assert_fires(
        tmp_path,
        [died, other],
        down(14 * MINUTE, place=tuple(HERE.items())),
        options=RuleOptions(selector='namespace="codefresh"'),
    )


def test_a_refused_configuration_is_a_warning(tmp_path: Path) -> None:
    story = Monitor((Target(),), configuration=((0, True), (5 * MINUTE, False), (20 * MINUTE, True)))
    warned = Fires(AlertName.CONFIG_REJECTED, Severity.WARNING, 10 * MINUTE, 25 * MINUTE, target=None)
    assert_fires(tmp_path, [story, Monitor((Target(),), name="b")], warned)


def test_a_refused_configuration_that_is_corrected_soon_is_none(tmp_path: Path) -> None:
    story = Monitor((Target(),), configuration=((0, True), (5 * MINUTE, False), (9 * MINUTE, True)))
    assert_fires(tmp_path, [story])


def test_a_discovered_target_that_cannot_be_used_is_a_warning(tmp_path: Path) -> None:
    """Also where the configuration itself was refused: one warning and not two."""
    broken = Monitor((Target(),), unusable=((0, 0), (5 * MINUTE, 2), (20 * MINUTE, 0)))
    warned = Fires(AlertName.CONFIG_REJECTED, Severity.WARNING, 10 * MINUTE, 25 * MINUTE, target=None)
    assert_fires(tmp_path, [broken], warned)
    both = replace(broken, configuration=((0, True), (5 * MINUTE, False), (20 * MINUTE, True)))
    assert_fires(tmp_path, [both], warned)


def test_a_discovered_target_that_is_corrected_soon_is_none(tmp_path: Path) -> None:
    assert_fires(tmp_path, [Monitor((Target(),), unusable=((0, 0), (5 * MINUTE, 1), (9 * MINUTE, 0)))])


def test_anonymous_access_is_for_information(tmp_path: Path) -> None:
    target = Target(anonymous=((0, False), (5 * MINUTE, True), (30 * MINUTE, False)))
    told = Fires(AlertName.ANONYMOUS_ACCESS, Severity.INFO, 20 * MINUTE, 35 * MINUTE)
    assert_fires(tmp_path, [Monitor((target,)), Monitor((target,), name="b")], told, minutes=40)


def test_anonymous_access_for_a_moment_is_none(tmp_path: Path) -> None:
    target = Target(anonymous=((0, False), (5 * MINUTE, True), (15 * MINUTE, False)))
    assert_fires(tmp_path, [Monitor((target,))])


@pytest.mark.parametrize("status", [Status.WRONG_ACCOUNT, Status.INSUFFICIENT_PERMISSIONS])
def test_a_token_that_works_and_is_still_wrong_is_a_warning(tmp_path: Path, status: Status) -> None:
    target = Target(((0, Status.VALID), (5 * MINUTE, status), (20 * MINUTE, Status.VALID)))
    restarted = Monitor((target,), runs=((0, 12 * MINUTE), (14 * MINUTE, FOREVER)))
    warned = Fires(AlertName.NEEDS_ATTENTION, Severity.WARNING, 10 * MINUTE, 25 * MINUTE)
    for story in ([Monitor((target,))], [restarted], [Monitor((target,)), Monitor((target,), name="b")]):
        assert_fires(tmp_path, story, warned)


def test_one_that_is_put_right_soon_is_none(tmp_path: Path) -> None:
    target = Target(((0, Status.VALID), (5 * MINUTE, Status.WRONG_ACCOUNT), (9 * MINUTE, Status.VALID)))
    assert_fires(tmp_path, [Monitor((target,))])
