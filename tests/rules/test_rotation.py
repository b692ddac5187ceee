"""A rotation that does not get on is told, and pages when the present token does not last either."""

from __future__ import annotations

from pathlib import Path

import pytest
from monitor.core.alerts import AlertName, Severity
from monitor.core.journal import State
from monitor.core.report import RotationReport
from monitor.core.status import Status

from tests.rules.promtool import Fires, assert_fires
from tests.rules.world import FOREVER, HOUR, MINUTE, Monitor, Target, Timeline

WELL = RotationReport(rotations=3)
FAILED = RotationReport(failing=1, failures={"mint": 1})
STOOD_DOWN = RotationReport(failing=1, stood_down="another writer put back what we had replaced, twice")
Story = Timeline[RotationReport | None]
FAILING: Story = ((0, WELL), (5 * MINUTE, FAILED))


def rotating(story: Story, status: Timeline[Status] = ((0, Status.VALID),), **more: object) -> Target:
    return Target(status, rotation=story, **more)  # type: ignore[arg-type]


def failing(severity: Severity, since: float, until: float = FOREVER) -> Fires:
    return Fires(AlertName.ROTATION_FAILING, severity, since, until)


def stood_down(since: float, until: float = FOREVER) -> Fires:
    return Fires(AlertName.STOOD_DOWN, Severity.WARNING, since, until)


def test_a_rotation_that_keeps_failing_is_a_warning(tmp_path: Path) -> None:
    assert_fires(tmp_path, [Monitor((rotating(FAILING),))], failing(Severity.WARNING, 10 * MINUTE))


def test_attempts_in_between_do_not_hide_it(tmp_path: Path) -> None:
    story = [(0.0, WELL)]
    for attempt in range(1, 6):
        trying = RotationReport(state=State.INTENT, failing=attempt)
        story += [((4 + attempt) * MINUTE, RotationReport(failing=attempt)), ((4.5 + attempt) * MINUTE, trying)]
    assert_fires(tmp_path, [Monitor((rotating(story),))], failing(Severity.WARNING, 10 * MINUTE))


@pytest.mark.parametrize("state", [State.PUBLISHED, State.ADOPTED, State.GRACE, State.RETIRED])
def test_one_failure_and_then_a_success_is_none(tmp_path: Path, state: State) -> None:
    """The journal counts the failure until the old key is gone, an hour later maybe; the new one is in use by then."""
    story: Story = (*FAILING, (7 * MINUTE, RotationReport(state=State.MINTED, failing=1)))
    story = (*story, (8 * MINUTE, RotationReport(state=state, failing=1)))
    assert_fires(tmp_path, [Monitor((rotating(story),))], minutes=90)


def test_a_target_that_is_not_rotated_is_none(tmp_path: Path) -> None:
    assert_fires(tmp_path, [Monitor((Target(),))])


def test_it_ends_when_a_rotation_succeeds(tmp_path: Path) -> None:
    story: Story = (*FAILING, (20 * MINUTE, WELL))
    assert_fires(tmp_path, [Monitor((rotating(story),))], failing(Severity.WARNING, 10 * MINUTE, 25 * MINUTE))


def test_with_a_refused_token_it_pages(tmp_path: Path) -> None:
    target = rotating(FAILING, ((0, Status.VALID), (5 * MINUTE, Status.REVOKED)))
    refused = Fires(AlertName.REFUSED, Severity.CRITICAL, 5.5 * MINUTE)
    assert_fires(tmp_path, [Monitor((target,))], failing(Severity.CRITICAL, 10 * MINUTE), refused)


def test_with_a_token_that_ends_soon_it_pages(tmp_path: Path) -> None:
    target = rotating(FAILING, expires=((0, HOUR),))
    expiring = Fires(AlertName.EXPIRING, Severity.CRITICAL, 5.25 * MINUTE)
    assert_fires(tmp_path, [Monitor((target,))], failing(Severity.CRITICAL, 10 * MINUTE), expiring)


def test_the_page_takes_over_in_the_very_moment_in_which_the_warning_ends(tmp_path: Path) -> None:
    target = rotating(FAILING, ((0, Status.VALID), (15 * MINUTE, Status.REVOKED)))
    assert_fires(
        tmp_path,
        [Monitor((target,))],
        failing(Severity.WARNING, 10 * MINUTE, 20 * MINUTE),
        failing(Severity.CRITICAL, 20 * MINUTE),
        Fires(AlertName.REFUSED, Severity.CRITICAL, 15.5 * MINUTE),
    )


@pytest.mark.parametrize("minutes", [1, 3])
def test_a_restart_or_failed_scrapes_change_nothing(tmp_path: Path, minutes: float) -> None:
    """A process that has just started has not read its journal, and shows a rotation at rest."""
    back = (12 + minutes) * MINUTE
    unread: Story = (*FAILING, (back, RotationReport()), (back + 15, FAILED))
    restarted = Monitor((rotating(unread),), runs=((0, 12 * MINUTE), (back, FOREVER)))
    unscraped = Monitor((rotating(FAILING),), unscraped=((12 * MINUTE, back),))
    for monitor in (restarted, unscraped):
        assert_fires(tmp_path, [monitor], failing(Severity.WARNING, 10 * MINUTE))


def test_a_replica_that_does_not_lead_hides_nothing(tmp_path: Path) -> None:
    leads, follows = rotating(FAILING), rotating(((0, RotationReport()),))
    story = [Monitor((follows,), name="b"), Monitor((leads,))]
    assert_fires(tmp_path, story, failing(Severity.WARNING, 10 * MINUTE))


def test_a_target_that_is_removed_leaves_no_alert(tmp_path: Path) -> None:
    removed = rotating(FAILING, configured=(0, 15 * MINUTE))
    story = [Monitor((removed, Target(name="other")))]
    assert_fires(tmp_path, story, failing(Severity.WARNING, 10 * MINUTE, 20 * MINUTE))


def test_standing_down_is_told_once_and_not_as_a_failure(tmp_path: Path) -> None:
    story: Story = ((0, WELL), (5 * MINUTE, STOOD_DOWN))
    assert_fires(tmp_path, [Monitor((rotating(story),))], stood_down(6 * MINUTE))


def test_standing_down_with_a_refused_token_pages_for_the_token(tmp_path: Path) -> None:
    target = rotating(((0, WELL), (5 * MINUTE, STOOD_DOWN)), ((0, Status.VALID), (5 * MINUTE, Status.REVOKED)))
    refused = Fires(AlertName.REFUSED, Severity.CRITICAL, 5.5 * MINUTE)
    assert_fires(tmp_path, [Monitor((target,))], stood_down(6 * MINUTE), refused)


@pytest.mark.parametrize("minutes", [1, 3])
def test_a_restart_while_stood_down_changes_nothing(tmp_path: Path, minutes: float) -> None:
    back = (10 + minutes) * MINUTE
    story: Story = ((0, WELL), (5 * MINUTE, STOOD_DOWN), (back, RotationReport()), (back + 15, STOOD_DOWN))
    restarted = Monitor((rotating(story),), runs=((0, 10 * MINUTE), (back, FOREVER)))
    assert_fires(tmp_path, [restarted], stood_down(6 * MINUTE))


def test_a_rotation_that_was_taken_up_again_ends_it(tmp_path: Path) -> None:
    story: Story = ((0, WELL), (5 * MINUTE, STOOD_DOWN), (10 * MINUTE, RotationReport(state=State.INTENT)))
    assert_fires(tmp_path, [Monitor((rotating(story),))], stood_down(6 * MINUTE, 15 * MINUTE))
