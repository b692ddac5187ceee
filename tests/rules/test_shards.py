"""Where replicas share the targets, one target's series move from one instance to another: no alert is lost or doubled."""

from __future__ import annotations

from pathlib import Path

import pytest
from monitor.core.alerts import AlertName, Severity
from monitor.core.status import Status

from tests.rules.promtool import Fires, assert_fires
from tests.rules.world import MINUTE, Monitor, Target

MOVES = 15 * MINUTE
# design.md: 20 s after a crash, and an interval until the first check; both rounded up to scrapes.
UNKNOWN_FOR = 45
STATUSES = ((0, Status.VALID), (5 * MINUTE, Status.REVOKED))


def refused(since: float, until: float = float("inf")) -> Fires:
    return Fires(AlertName.REFUSED, Severity.CRITICAL, since, until, "production")


def shards(first: Target, then: Target, *, crash: bool) -> list[Monitor]:
    """The first replica checks the target until it moves, and is gone then where it crashed; the other one follows."""
    other = Target(name="other")
    one = Monitor((first, other), runs=((0, MOVES if crash else float("inf")),), name="a")
    return [one, Monitor((Target(name="third"), then), name="b")]


def moved(*statuses: tuple[float, Status], gap: float, pending: bool) -> Target:
    """The target on its new replica; before its first check there it may be shown as not checked yet."""
    begins = ((0, Status.PENDING),) if pending else ()
    return Target((*begins, *statuses), configured=(MOVES + (0 if pending else gap), float("inf")))


@pytest.mark.parametrize("crash", [True, False], ids=["killed", "moved"])
@pytest.mark.parametrize("pending", [True, False], ids=["not checked yet", "with what was known"])
def test_an_alert_that_fires_goes_on_and_is_one(tmp_path: Path, crash: bool, pending: bool) -> None:
    first = Target(STATUSES, configured=(0, MOVES))
    then = moved((MOVES + UNKNOWN_FOR, Status.REVOKED), gap=UNKNOWN_FOR, pending=pending)
    assert_fires(tmp_path, shards(first, then, crash=crash), refused(5.5 * MINUTE))


def test_a_refusal_that_begins_while_nobody_looks_pages_once(tmp_path: Path) -> None:
    first = Target(configured=(0, MOVES))
    then = moved((MOVES + UNKNOWN_FOR, Status.REVOKED), gap=UNKNOWN_FOR, pending=True)
    assert_fires(tmp_path, shards(first, then, crash=True), refused(MOVES + UNKNOWN_FOR + 30))


def test_what_was_mended_while_nobody_looked_is_over(tmp_path: Path) -> None:
    first = Target(STATUSES, configured=(0, MOVES))
    then = moved((MOVES + UNKNOWN_FOR, Status.VALID), gap=UNKNOWN_FOR, pending=True)
    assert_fires(tmp_path, shards(first, then, crash=True), refused(5.5 * MINUTE, MOVES + 5 * MINUTE))


@pytest.mark.parametrize("crash", [True, False], ids=["killed", "moved"])
def test_a_target_that_moves_and_is_well_pages_nobody(tmp_path: Path, crash: bool) -> None:
    first = Target(configured=(0, MOVES))
    then = moved((MOVES + UNKNOWN_FOR, Status.VALID), gap=UNKNOWN_FOR, pending=True)
    assert_fires(tmp_path, shards(first, then, crash=crash))


def test_one_that_two_check_for_a_while_is_one_alert(tmp_path: Path) -> None:
    first = Target(STATUSES)
    then = Target(STATUSES, configured=(MOVES, float("inf")))
    assert_fires(tmp_path, shards(first, then, crash=False), refused(5.5 * MINUTE))
