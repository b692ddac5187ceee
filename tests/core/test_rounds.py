"""When targets are looked at after a change inside Argo CD: soon, seldom enough, and never too early for the last one."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from monitor.core.rounds import (
    DISTANCE,
    LATE,
    LOOKS_PER_SECOND,
    SETTLE,
    Round,
    Rounds,
    after_change,
    begin,
    distance_of,
)
from monitor.core.schedule import CONFIRMATION_AFTER_CHANGE

Played = list[tuple[float, bool]]


def play(changes: list[tuple[float, bool]], targets: int = 1) -> Played:
    """The rounds that begin, (when, full), for changes at these times."""
    rounds, played, waiting = Rounds(), [], sorted(changes)
    while waiting or rounds.pending:
        at = waiting[0][0] if waiting else float("inf")
        if rounds.due is not None and rounds.due < at:
            now = rounds.due
            one, rounds = begin(rounds, now)
            played.append((now, one.full))
        else:
            now, full = waiting.pop(0)
            rounds = after_change(rounds, now, targets, full=full)
            assert len(rounds.pending) <= 3
            assert list(rounds.pending) == sorted(rounds.pending)
    return played


def test_a_change_is_looked_at_once_it_has_settled_and_once_more_for_a_slow_replica() -> None:
    assert play([(10.0, False)]) == [(10.0 + SETTLE, False), (10.0 + LATE, False)]


def test_a_look_and_its_confirmation_are_over_within_the_second() -> None:
    assert SETTLE + CONFIRMATION_AFTER_CHANGE <= 0.6, "and the rest is for two checks and a busy machine"


def test_changes_of_the_same_moment_share_their_rounds() -> None:
    assert len(play([(10.0 + number * 0.001, False) for number in range(100)])) == 3, "the last is seen by the second"
    assert len(play([(10.0, False)] * 100)) == 2


def test_a_change_that_comes_too_late_for_a_round_has_one_of_its_own() -> None:
    begun = [at for at, _ in play([(10.0, False), (10.1, False)])]
    assert begun == [10.2, 11.2, 13.1]


def test_changes_that_never_end_put_no_round_off_and_lead_to_one_a_second() -> None:
    begun = [at for at, _ in play([(number * 0.05, False) for number in range(1000)])]
    assert begun[0] == SETTLE
    gaps = [later - earlier for earlier, later in itertools.pairwise(begun)]
    assert min(gaps) >= DISTANCE - 1e-9
    assert max(gaps[:-1]) <= DISTANCE + 0.05 + 1e-9


def test_settings_are_looked_at_with_the_account_and_the_control() -> None:
    assert play([(10.0, True)]) == [(10.0 + SETTLE, True), (10.0 + LATE, False)]


def test_keys_that_change_right_after_the_settings_do_not_make_the_round_a_lesser_one() -> None:
    # The first round is early for the second change, which owes one of its own; the settings are in the first.
    assert play([(10.0, True), (10.1, False)])[0] == (10.2, True)
    # After a round just begun, both changes wait for the same one.
    first, rounds = begin(after_change(Rounds(), 9.0, 1, full=False), 9.2)
    assert first == Round(9.2)
    rounds = after_change(after_change(rounds, 9.3, 1, full=True), 9.4, 1, full=False)
    assert rounds.pending[0] == Round(10.2, full=True)


def test_rounds_over_many_targets_are_as_far_apart_as_they_are_long() -> None:
    assert distance_of(1) == distance_of(200) == DISTANCE
    assert distance_of(10_000) == 10_000 / LOOKS_PER_SECOND
    begun = [at for at, _ in play([(number * 0.5, False) for number in range(200)], targets=2000)]
    assert min(b - a for a, b in itertools.pairwise(begun)) >= 2000 / LOOKS_PER_SECOND


@given(
    st.lists(st.tuples(st.integers(0, 300).map(lambda n: n / 20), st.booleans()), min_size=1, max_size=30),
    st.integers(0, 1000),
)
def test_each_change_is_followed_by_a_round_that_is_late_enough_to_see_it(
    changes: list[tuple[float, bool]], targets: int
) -> None:
    played = play(changes, targets)
    for at, full in changes:
        after = [one for one in played if one[0] >= at + SETTLE - 1e-9]
        assert after
        assert after[0][0] <= at + SETTLE + 2 * distance_of(targets) + 1e-9
        assert not full or any(full for _, full in after), "and as thoroughly as it must be looked at"
    gaps = [later[0] - earlier[0] for earlier, later in itertools.pairwise(played)]
    assert all(gap >= distance_of(targets) - 1e-9 for gap in gaps)
