"""When a check is due: an even grid that a restart does not move, and pauses that grow to a bound."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor.core.schedule import MAX_BACKOFF_INTERVALS, Rhythm, backed_off, first_due, next_due, phase_of

INTERVALS = st.floats(1, 86_400)
PHASES = st.floats(0, 1, exclude_max=True)
MOMENTS = st.floats(0, 1e9)
RHYTHMS = st.builds(Rhythm, INTERVALS, PHASES)


@given(RHYTHMS, MOMENTS)
def test_the_next_check_is_a_tenth_to_eleven_tenths_of_an_interval_away(rhythm: Rhythm, now: float) -> None:
    wait = (next_due(rhythm, now) - now) / rhythm.interval
    assert 0.1 - 1e-6 <= wait <= 1.1 + 1e-6


@given(RHYTHMS, MOMENTS)
def test_every_check_lies_on_the_grid(rhythm: Rhythm, now: float) -> None:
    turns = next_due(rhythm, now) / rhythm.interval - rhythm.phase
    assert abs(turns - round(turns)) < 1e-5


def test_in_the_steady_state_checks_follow_each_other_by_one_interval() -> None:
    rhythm = Rhythm(30.0, 0.37)
    due = next_due(rhythm, 1_000.0)
    for _ in range(100):
        after = next_due(rhythm, due + 0.8)  # the check took 0.8 s
        assert after - due == pytest.approx(30.0)
        due = after


def test_a_restart_does_not_move_the_grid() -> None:
    rhythm = Rhythm(30.0, phase_of("production"))
    assert next_due(rhythm, 1_000.0) % 30.0 == pytest.approx(next_due(rhythm, 5_017.3) % 30.0)


@pytest.mark.parametrize("pattern", ["target-{}", "prod-eu-{:05d}", "cluster{}.example.com"])
def test_ten_thousand_names_are_spread_evenly(pattern: str) -> None:
    """Chi-squared over 100 bins: 99 degrees of freedom, mean 99, and more than 170 by chance once in 100,000."""
    bins = Counter(int(phase_of(pattern.format(n)) * 100) for n in range(10_000))
    assert set(bins) == set(range(100))
    assert sum((count - 100) ** 2 / 100 for count in bins.values()) < 170


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_a_phase_is_in_0_to_1_and_follows_from_the_name_alone(name: str) -> None:
    assert 0 <= phase_of(name) < 1
    assert phase_of(name) == phase_of(name)


@given(RHYTHMS, MOMENTS, st.integers(1, 20_000))
def test_the_first_checks_come_soon_and_at_200_a_second_at_most(rhythm: Rhythm, start: float, targets: int) -> None:
    assert 0 <= first_due(rhythm, start, targets / 200) - start <= min(rhythm.interval, targets / 200) + 1e-6


def test_ten_thousand_first_checks_are_not_all_at_once() -> None:
    due = Counter(int(first_due(Rhythm(60.0, phase_of(f"t-{n}")), 0.0, 50.0)) for n in range(10_000))
    assert len(due) == 50
    assert max(due.values()) < 280


def pauses(chance: float, interval: float = 10.0) -> list[float]:
    return [backed_off(Rhythm(interval, 0.5), 100.0, failures, chance) - 100.0 for failures in range(1, 40)]


def test_pauses_double_up_to_four_intervals() -> None:
    assert pauses(0.5)[:4] == pytest.approx([10.0, 20.0, 40.0, 40.0])
    assert max(pauses(0.5)) == pytest.approx(10.0 * MAX_BACKOFF_INTERVALS)


@pytest.mark.parametrize("interval", [300.0, 3600.0, 86_400.0])
def test_of_a_rare_check_the_first_pause_is_a_minute_and_the_longest_four_intervals(interval: float) -> None:
    assert pauses(0.5, interval)[:3] == pytest.approx([60.0, 120.0, 240.0])
    assert pauses(0.5, interval)[-1] == pytest.approx(4 * interval)


@given(RHYTHMS, MOMENTS, st.integers(0, 10**9), st.floats(0, 1))
def test_jitter_stays_within_a_fifth(rhythm: Rhythm, now: float, failures: int, chance: float) -> None:
    middle = backed_off(rhythm, now, failures, 0.5) - now
    wait = backed_off(rhythm, now, failures, chance) - now
    assert 0.8 * middle - 1e-6 <= wait <= 1.2 * middle + 1e-6
    assert wait <= 1.2 * MAX_BACKOFF_INTERVALS * rhythm.interval + 1e-6


def test_jitter_parts_targets_that_failed_together() -> None:
    assert pauses(0.0)[0] < pauses(0.5)[0] < pauses(1.0)[0]


@pytest.mark.parametrize(("asked", "wait"), [(None, 10.0), (1.0, 10.0), (300.0, 330.0)])
def test_a_server_that_asks_for_a_longer_pause_gets_it(asked: float | None, wait: float) -> None:
    assert backed_off(Rhythm(10.0, 0.0), 100.0, 1, 0.5, asked) - 100.0 == pytest.approx(wait)


def test_who_is_asked_to_wait_comes_back_no_earlier_and_not_all_in_one_moment() -> None:
    waits = [backed_off(Rhythm(10.0, 0.0), 100.0, 1, chance, 300.0) - 100.0 for chance in (0.0, 0.5, 1.0)]
    assert waits == pytest.approx([300.0, 330.0, 360.0])
