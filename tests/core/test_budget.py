"""Logins: at most one failure in 360 s and three in 24 h, a refused password left alone, whatever happens between."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor.core.budget import (
    LATE,
    LoginBudget,
    charge,
    give_back,
    later,
    next_login,
    not_after,
    refuse,
    take_back,
)

from tests.core.samples import DAY, NOW

SIX_MINUTES = 360.0
HOUR = 3600.0
PASSWORD, OTHER = "fingerprint-1", "fingerprint-2"


def failed_at(*moments: float) -> LoginBudget:
    budget = LoginBudget()
    for moment in moments:
        budget = charge(budget, moment)
    return budget


def test_the_first_login_may_be_tried_at_once() -> None:
    assert next_login(LoginBudget(), PASSWORD, NOW) == NOW


@pytest.mark.parametrize(
    ("failures", "now", "earliest"),
    [
        pytest.param([NOW], NOW, NOW + SIX_MINUTES + LATE, id="after one failure: six minutes"),
        pytest.param([NOW], NOW + SIX_MINUTES, NOW + SIX_MINUTES + LATE, id="a late answer is allowed for"),
        pytest.param([NOW], NOW + HOUR, NOW + HOUR, id="long after one failure: at once"),
        pytest.param([NOW, NOW + HOUR], NOW + HOUR + 1, NOW + HOUR + SIX_MINUTES + LATE, id="after two: six minutes"),
        pytest.param(
            [NOW, NOW + HOUR, NOW + 2 * HOUR], NOW + 3 * HOUR, NOW + DAY + LATE, id="after three: a day from the first"
        ),
        pytest.param(
            [NOW, NOW + HOUR, NOW + 2 * HOUR],
            NOW + DAY,
            NOW + DAY + LATE,
            id="the first one counts until its day is over",
        ),
        pytest.param([NOW, NOW + HOUR, NOW + 2 * HOUR], NOW + DAY + 60, NOW + DAY + 60, id="the first one is over"),
    ],
)
def test_when_a_login_may_be_tried(failures: list[float], now: float, earliest: float) -> None:
    assert next_login(failed_at(*failures), PASSWORD, now) == earliest


def test_a_refused_password_is_left_alone_for_an_hour() -> None:
    budget = refuse(charge(LoginBudget(), NOW), PASSWORD, NOW)
    assert next_login(budget, PASSWORD, NOW + HOUR - 1) == NOW + HOUR
    assert next_login(budget, PASSWORD, NOW + HOUR) == NOW + HOUR


def test_a_changed_password_waits_only_for_the_pause() -> None:
    budget = refuse(charge(LoginBudget(), NOW), PASSWORD, NOW)
    assert next_login(budget, OTHER, NOW + 1) == NOW + SIX_MINUTES + LATE


def test_a_login_that_worked_costs_nothing() -> None:
    assert give_back(charge(LoginBudget(), NOW)) == LoginBudget()
    before = failed_at(NOW - HOUR)
    assert give_back(charge(before, NOW)).failures == before.failures


def test_a_login_that_was_never_sent_costs_nothing_and_says_nothing_about_the_password() -> None:
    budget = refuse(failed_at(NOW - 2 * HOUR), PASSWORD, NOW - 2 * HOUR)
    assert take_back(charge(budget, NOW)) == budget


def test_a_login_without_an_answer_stays_counted() -> None:
    assert charge(LoginBudget(), NOW).failures == (NOW,)
    assert charge(LoginBudget(), NOW).total == 1


def test_the_total_for_the_metric_never_falls_below_zero_and_survives_a_day() -> None:
    assert take_back(LoginBudget()).total == 0
    assert charge(failed_at(NOW), NOW + 2 * DAY).total == 2


def test_what_is_remembered_stays_small() -> None:
    assert len(failed_at(*(NOW + n * 2 * DAY for n in range(1000))).failures) == 1


def test_failures_of_other_targets_with_the_same_user_count_too() -> None:
    others = (failed_at(NOW - 10), failed_at(NOW - HOUR))
    assert next_login(LoginBudget(), PASSWORD, NOW, others) == NOW - 10 + SIX_MINUTES + LATE
    three = (failed_at(NOW - 3 * HOUR), failed_at(NOW - 2 * HOUR), failed_at(NOW - HOUR))
    assert next_login(LoginBudget(), PASSWORD, NOW, three) == NOW - 3 * HOUR + DAY + LATE


def test_a_password_that_was_refused_to_another_target_is_left_alone_too() -> None:
    other = refuse(failed_at(NOW - 1000), PASSWORD, NOW - 1000)
    assert next_login(LoginBudget(), PASSWORD, NOW, (other,)) == NOW - 1000 + HOUR
    assert next_login(LoginBudget(), OTHER, NOW, (other,)) == NOW


def test_a_clock_that_is_put_back_never_shortens_a_pause() -> None:
    budget = not_after(refuse(failed_at(NOW), PASSWORD, NOW), NOW - DAY)
    assert budget.failures == (NOW - DAY,)
    assert next_login(budget, PASSWORD, NOW - DAY) == NOW - DAY + HOUR


def test_a_clock_that_is_put_forward_never_shortens_a_pause() -> None:
    budget = later(refuse(failed_at(NOW), PASSWORD, NOW), DAY, NOW + DAY + 60)
    assert next_login(budget, OTHER, NOW + DAY + 60) == NOW + DAY + SIX_MINUTES + LATE
    assert next_login(budget, PASSWORD, NOW + DAY + 60) == NOW + DAY + HOUR


@given(
    waits=st.lists(st.floats(0.0, 40_000.0), max_size=40),
    lateness=st.lists(st.floats(0.0, LATE), min_size=40, max_size=40),
    outcomes=st.lists(st.sampled_from(["refused", "lost", "worked", "not sent"]), min_size=40, max_size=40),
    passwords=st.lists(st.sampled_from([PASSWORD, OTHER]), min_size=40, max_size=40),
)
def test_whatever_happens_the_limits_hold(
    waits: list[float], lateness: list[float], outcomes: list[str], passwords: list[str]
) -> None:
    budget, now, failures = LoginBudget(), NOW, []
    for wait, late, outcome, password in zip(waits, lateness, outcomes, passwords, strict=False):
        now += wait
        if next_login(budget, password, now) > now:
            continue
        budget = charge(budget, now)
        match outcome:
            case "refused":
                failures.append(now + late)
                budget = refuse(budget, password, now + late)
            case "lost":
                failures.append(now + late)
            case "worked":
                budget = give_back(budget)
            case "not sent":
                budget = take_back(budget)
        now += late
    assert all(b - a >= SIX_MINUTES for a, b in itertools.pairwise(failures))
    assert all(b - a >= DAY for a, b in zip(failures, failures[3:], strict=False))
