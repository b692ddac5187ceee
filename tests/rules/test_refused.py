"""A refused token pages within a minute and a half, once, and for as long as it lasts; nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest
from monitor.core.alerts import AlertName, Severity
from monitor.core.status import Kind, Status

from tests.rules.promtool import Fires, assert_fires
from tests.rules.world import MINUTE, Monitor, Target

REVOKED = Target(((0, Status.VALID), (5 * MINUTE, Status.REVOKED)))
MENDED = Target(((0, Status.VALID), (5 * MINUTE, Status.REVOKED), (15 * MINUTE, Status.VALID)))


def refused(since: float, until: float = float("inf"), target: str = "production") -> Fires:
    return Fires(AlertName.REFUSED, Severity.CRITICAL, since, until, target)


def not_verified(since: float, until: float = float("inf"), target: str = "production") -> Fires:
    return Fires(AlertName.NOT_VERIFIED, Severity.WARNING, since, until, target)


def test_a_revoked_token_pages_after_half_a_minute(tmp_path: Path) -> None:
    assert_fires(tmp_path, [Monitor((REVOKED,))], refused(5.5 * MINUTE))


def test_a_token_that_was_refused_from_the_first_check_on_pages(tmp_path: Path) -> None:
    assert_fires(tmp_path, [Monitor((Target(((0, Status.MISSING),)),))], refused(0.75 * MINUTE), minutes=5)


def test_a_valid_token_never_pages(tmp_path: Path) -> None:
    assert_fires(tmp_path, [Monitor((Target(),))])


@pytest.mark.parametrize("seconds", [15, 30])
def test_a_token_that_is_replaced_within_half_a_minute_does_not_page(tmp_path: Path, seconds: int) -> None:
    """Rotation takes seconds: two scrapes may see the refusal, and nobody is woken for it."""
    statuses = ((0, Status.VALID), (5 * MINUTE, Status.REVOKED), (5 * MINUTE + seconds, Status.VALID))
    assert_fires(tmp_path, [Monitor((Target(statuses),))])


def test_a_refusal_that_lasts_longer_than_that_does_page(tmp_path: Path) -> None:
    statuses = ((0, Status.VALID), (5 * MINUTE, Status.REVOKED), (5.75 * MINUTE, Status.VALID))
    assert_fires(tmp_path, [Monitor((Target(statuses),))], refused(5.5 * MINUTE, 10.75 * MINUTE))


def test_the_alert_ends_five_minutes_after_the_repair(tmp_path: Path) -> None:
    assert_fires(tmp_path, [Monitor((MENDED,))], refused(5.5 * MINUTE, 20 * MINUTE))


def test_a_restart_of_the_monitor_does_not_page_twice(tmp_path: Path) -> None:
    restarted = Monitor((REVOKED,), runs=((0, 10 * MINUTE), (11.5 * MINUTE, 90 * MINUTE)))
    assert_fires(tmp_path, [restarted], refused(5.5 * MINUTE))


@pytest.mark.parametrize("minutes", [1, 2, 3])
def test_failed_scrapes_for_some_minutes_do_not_page_twice(tmp_path: Path, minutes: float) -> None:
    unscraped = Monitor((REVOKED,), unscraped=((10 * MINUTE, (10 + minutes) * MINUTE),))
    assert_fires(tmp_path, [unscraped], refused(5.5 * MINUTE))


def test_failed_scrapes_are_no_refusal(tmp_path: Path) -> None:
    assert_fires(tmp_path, [Monitor((Target(),), unscraped=((10 * MINUTE, 13 * MINUTE),))])


def test_a_target_that_is_removed_leaves_no_alert(tmp_path: Path) -> None:
    removed = Target(REVOKED.statuses, configured=(0, 10 * MINUTE))
    kept = Target(name="other")
    assert_fires(tmp_path, [Monitor((removed, kept))], refused(5.5 * MINUTE, 15 * MINUTE))


def test_an_outage_of_argocd_does_not_end_the_alert(tmp_path: Path) -> None:
    """The token was refused by the last check that could tell, and nothing says that this has changed."""
    statuses = (*REVOKED.statuses, (10 * MINUTE, Status.UNREACHABLE))
    assert_fires(tmp_path, [Monitor((Target(statuses),))], refused(5.5 * MINUTE), not_verified(20.75 * MINUTE))


def test_every_status_gets_the_alert_of_its_class_and_no_other(tmp_path: Path) -> None:
    targets = tuple(Target(((0, status),), name=status.value.replace("_", "-")) for status in Status)
    expected = []
    for status, target in zip(Status, targets, strict=True):
        if status.kind is Kind.REFUSED:
            expected.append(refused(0.75 * MINUTE, target=target.name))
        if status.kind is Kind.UNKNOWN:
            expected.append(not_verified(11 * MINUTE, target=target.name))
        if status in (Status.WRONG_ACCOUNT, Status.INSUFFICIENT_PERMISSIONS):
            expected.append(Fires(AlertName.NEEDS_ATTENTION, Severity.WARNING, 5.25 * MINUTE, target=target.name))
    assert_fires(tmp_path, [Monitor(targets)], *expected, minutes=15)


def test_two_replicas_page_once(tmp_path: Path) -> None:
    assert_fires(tmp_path, [Monitor((REVOKED,), name="a"), Monitor((REVOKED,), name="b")], refused(5.5 * MINUTE))


def test_one_replica_that_starts_anew_changes_nothing(tmp_path: Path) -> None:
    rolled = Monitor((REVOKED,), name="b", runs=((0, 10 * MINUTE), (10.5 * MINUTE, 90 * MINUTE)))
    assert_fires(tmp_path, [Monitor((REVOKED,)), rolled], refused(5.5 * MINUTE))


def test_a_replica_that_is_cut_off_does_not_keep_the_page_alive(tmp_path: Path) -> None:
    """It still shows the refusal that it saw last, while the other one has since seen the new token accepted."""
    cut_off = Target((*REVOKED.statuses, (9 * MINUTE, Status.UNREACHABLE)))
    assert_fires(tmp_path, [Monitor((MENDED,)), Monitor((cut_off,), name="b")], refused(5.5 * MINUTE, 20 * MINUTE))


def test_a_replica_that_still_sees_the_refusal_is_not_overruled(tmp_path: Path) -> None:
    assert_fires(tmp_path, [Monitor((MENDED,)), Monitor((REVOKED,), name="b")], refused(5.5 * MINUTE), minutes=40)


def test_monitors_of_two_namespaces_may_have_targets_of_the_same_name(tmp_path: Path) -> None:
    other = Monitor((Target(),), name="b", place='namespace="elsewhere"')
    assert_fires(tmp_path, [Monitor((REVOKED,)), other], refused(5.5 * MINUTE))


def test_outside_kubernetes_the_target_alone_identifies_the_alert(tmp_path: Path) -> None:
    plain = Fires(AlertName.REFUSED, Severity.CRITICAL, 5.5 * MINUTE, place=())
    assert_fires(tmp_path, [Monitor((REVOKED,), place="")], plain)
