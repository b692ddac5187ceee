"""Where replicas share the targets, one target's series move from one instance to another: no alert is lost or doubled."""

from __future__ import annotations

from pathlib import Path

import pytest
from monitor.core.alerts import AlertName, Severity
from monitor.core.status import Status

from tests.rules.promtool import Fires, assert_fires, assert_says
from tests.rules.world import MINUTE, Monitor, Target

MOVES = 15 * MINUTE
# design.md: 20 s after a crash, and an interval until the first check; both rounded up to scrapes.
UNKNOWN_FOR = 45
STATUSES = ((0, Status.VALID), (5 * MINUTE, Status.REVOKED))


def refused(since: float, until: float = float("inf")) -> Fires:
    return Fires(AlertName.REFUSED, Severity.CRITICAL, since, until, "production")


def shards(first: Target, then: Target, *, crash: bool) -> list[Monitor]:
    """The first replica checks the target until it moves, and is gone then where it crashed; the other one follows."""
    ends = MOVES if crash else float("inf")
    other = Target(name="other", configured=(0, ends))
    # Who dies leaves all that it had.
    left = Target(name="other", configured=(MOVES + UNKNOWN_FOR, ends if not crash else float("inf")))
    one = Monitor((first, other), runs=((0, ends),), name="a", configured=3)
    return [one, Monitor((Target(name="third"), then, *((left,) if crash else ())), name="b", configured=3)]


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


def unseen(since: float, until: float = float("inf")) -> Fires:
    return Fires(AlertName.TARGETS_UNSEEN, Severity.WARNING, since, until, target=None)


A_SHARE = (Target(name="first"), Target(name="second"))
ANOTHER = (Target(name="third"),)


def test_a_replica_that_prometheus_does_not_reach_is_told_since_its_targets_page_nobody(tmp_path: Path) -> None:
    """It lives and checks; `absent` is about all replicas, and the other one shows its own part."""
    reached = Monitor(ANOTHER, name="a", configured=3)
    alone = Monitor(A_SHARE, name="b", configured=3, unscraped=((10 * MINUTE, 20 * MINUTE),))
    assert_fires(tmp_path, [reached, alone], unseen(15 * MINUTE, 25 * MINUTE))


def test_targets_that_no_replica_checks_are_told(tmp_path: Path) -> None:
    """Every slot is held by what is no monitor, or only spare ones are left."""
    spare = Monitor((), name="a", configured=3)
    assert_fires(tmp_path, [spare, Monitor((), name="b", configured=3)], unseen(5 * MINUTE))


def test_a_configuration_that_reaches_the_replicas_one_after_the_other_is_no_reason_to_tell(tmp_path: Path) -> None:
    first, second = Target(name="first"), Target(name="second", configured=(12 * MINUTE, float("inf")))
    before = Monitor((first,), name="a", configured=1)
    # The one that has read it knows of two for two minutes before the one whose part it is.
    after = Monitor((second,), runs=((10 * MINUTE, float("inf")),), name="b", configured=2)
    assert_fires(tmp_path, [before, after])


def test_replicas_that_all_check_everything_never_lack_any(tmp_path: Path) -> None:
    died = Monitor(A_SHARE, name="a", runs=((0, 10 * MINUTE),))
    assert_fires(tmp_path, [died, Monitor(A_SHARE, name="b")])


def test_what_is_not_seen_is_told_with_how_many_and_where_to_look(tmp_path: Path) -> None:
    words = (
        "Of 3 targets of the monitor in namespace codefresh, the metrics show 1. A refused token among the others pages nobody."
        " Prometheus does not reach a replica of the monitor (Status > Targets), or no replica checks them: `shards` in"
        " `/status` of any replica says what each one does."
    )
    assert_says(tmp_path, [Monitor(ANOTHER, configured=3)], [(unseen(10 * MINUTE), words)])
    none = words.replace("show 1", "show 0")
    assert_says(tmp_path, [Monitor((), configured=3)], [(unseen(10 * MINUTE), none)])
