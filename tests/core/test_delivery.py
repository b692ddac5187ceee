"""What an Alertmanager is told next: what is new first, what wakes somebody before the rest, nothing twice a minute."""

from __future__ import annotations

import pytest
from monitor.core.alert_conditions import AlertKey
from monitor.core.alerting import Firing, Pending, Phase, Resolved
from monitor.core.alerts import AlertName, Severity
from monitor.core.delivery import LONGEST_LASTING, MAX_BATCH, Told, due, lasting, pace, pause

FIRES, OVER = Firing(0), Resolved(0, 1)
MINUTE = 60.0


def page(target: str = "a") -> AlertKey:
    return AlertKey(target, AlertName.REFUSED, Severity.CRITICAL)


def warning(target: str = "a") -> AlertKey:
    return AlertKey(target, AlertName.NOT_VERIFIED, Severity.WARNING)


@pytest.mark.parametrize(
    ("phase", "told", "is_due"),
    [
        (Pending(0), None, False),
        (Pending(0, OVER), None, True),
        (Pending(0, OVER), Told(firing=False, at=99), False),
        (FIRES, None, True),
        (FIRES, Told(firing=True, at=99), False),
        (FIRES, Told(firing=True, at=41), False),
        (FIRES, Told(firing=True, at=40), True),
        (FIRES, Told(firing=False, at=99), True),
        (OVER, None, True),
        (OVER, Told(firing=True, at=99), True),
        (OVER, Told(firing=False, at=41), False),
        (OVER, Told(firing=False, at=40), True),
        (FIRES, Told(firing=True, at=-499, refused=True), False),
        (FIRES, Told(firing=True, at=-500, refused=True), True),
    ],
)
def test_when_an_alert_is_told(phase: Phase, told: Told | None, is_due: bool) -> None:
    memory = {} if told is None else {page(): told}
    assert list(due({page(): phase}, memory, 100, MINUTE)) == ([page()] if is_due else [])


def test_what_is_new_comes_first_and_pages_before_warnings() -> None:
    phases = dict.fromkeys((warning("old"), page("old"), page("older"), warning("new"), page("new")), FIRES)
    told = {warning("old"): Told(True, 1), page("old"): Told(True, 2), page("older"): Told(True, 1)}
    assert due(phases, told, 100, MINUTE) == [page("new"), warning("new"), page("older"), page("old"), warning("old")]


def test_one_request_takes_so_many_alerts_and_the_next_the_rest() -> None:
    phases = {page(f"t{n}"): FIRES for n in range(MAX_BATCH + 6)}
    told: dict[AlertKey, Told] = {}
    first = due(phases, told, 100, MINUTE)
    told |= dict.fromkeys(first, Told(True, 100))
    second = due(phases, told, 100, MINUTE)
    assert (len(first), len(second)) == (MAX_BATCH, 6)
    assert {*first, *second} == set(phases)


def test_an_alert_that_was_refused_is_tried_again_alone_and_last() -> None:
    phases = dict.fromkeys((page("bad"), page("worse"), page("good")), FIRES)
    told = {page("bad"): Told(True, -900, refused=True), page("worse"): Told(True, -901, refused=True)}
    for last in (Told(True, 40), Told(False, 99)):
        assert due(phases, {**told, page("good"): last}, 100, MINUTE) == [page("good")]
    told[page("good")] = Told(True, 100)
    assert due(phases, told, 100, MINUTE) == [page("worse")]


def test_attempts_back_off_to_the_interval_and_never_stop() -> None:
    assert [pause(failures, MINUTE) for failures in (1, 2, 3, 4, 5, 6, 10_000)] == [5, 10, 20, 40, 60, 60, 60]


@pytest.mark.parametrize(
    ("alerts", "request_takes", "seconds"),
    [
        (0, 0.0, 4 * MINUTE),
        (MAX_BATCH, 10.0, 4 * MINUTE),
        (6 * MAX_BATCH, 10.0, 4 * MINUTE),
        (6 * MAX_BATCH + 1, 10.0, 2 * (70.0 + MINUTE)),
        (10_000, 5.0, 2 * (785.0 + MINUTE)),
        (10_000, 60.0, LONGEST_LASTING),
    ],
)
def test_what_fires_lasts_four_intervals_or_until_all_were_told_twice(
    alerts: int, request_takes: float, seconds: float
) -> None:
    assert lasting(alerts, request_takes, MINUTE) == seconds


def test_a_request_that_was_quick_is_believed_by_and_by_and_one_that_was_slow_at_once() -> None:
    assert [pace(10.0, 1.0), pace(5.0, 1.0), pace(1.5, 1.0), pace(1.0, 9.0)] == [5.0, 2.5, 1.0, 9.0]
