"""The reflector's decisions: list once, watch from there, and what follows from each thing that can go wrong."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor.core.watching import (
    LONGEST_DENIED_PAUSE,
    LONGEST_PAUSE,
    RELIST_SPREAD,
    SILENCE,
    STEADY,
    TURNS_PER_LIST,
    Ended,
    Expired,
    Happening,
    Heard,
    List,
    Listed,
    Lost,
    Reflection,
    Refused,
    Silent,
    Watch,
    after,
    in_touch,
    next_step,
    turn_seconds,
)

CHANCES = st.floats(0, 1)
SECONDS = st.floats(0, 1000)
VERSIONS = st.integers(1, 10**6).map(str)
HAPPENINGS = st.one_of(
    st.builds(Listed, VERSIONS),
    st.builds(Heard, st.none() | VERSIONS),
    st.builds(Ended, SECONDS),
    st.builds(Expired, SECONDS),
    st.builds(Refused, st.sampled_from([400, 401, 403, 404, 405, 406, 429, 500, 503, 504]), SECONDS),
    st.builds(Lost, SECONDS),
    st.just(Silent()),
)
WATCHING = Reflection("7", connected=True)


def told(*happenings: Happening, start: Reflection = WATCHING, chance: float = 1.0) -> Reflection:
    return reduce(lambda state, happening: after(state, happening, chance), happenings, start)


def test_it_begins_with_a_list_at_once() -> None:
    assert next_step(Reflection()) == List(0.0)


def test_after_the_list_it_watches_at_once_from_the_version_of_the_list() -> None:
    assert next_step(told(Listed("41"), start=Reflection())) == Watch("41", 0.0)


@pytest.mark.parametrize(
    ("happenings", "version"),
    [
        ([Heard("8")], "8"),
        ([Heard("8"), Heard("12")], "12"),
        ([Heard(None)], "7"),
        ([Ended(290)], "7"),
        ([Lost(5)], "7"),
        ([Heard("9"), Lost(5)], "9"),
        ([Refused(429)], "7"),
        ([Refused(401)], "7"),
    ],
    ids=str,
)
def test_a_watch_goes_on_from_the_last_version_that_was_told(happenings: list[Happening], version: str) -> None:
    step = next_step(told(*happenings))
    assert isinstance(step, Watch)
    assert step.version == version


@pytest.mark.parametrize(
    "happening",
    [Expired(100), Silent(), Refused(403), Refused(404), Refused(400), Refused(500), Refused(504)],
    ids=str,
)
def test_what_the_api_refused_and_what_stayed_silent_is_listed_anew(happening: Happening) -> None:
    assert isinstance(next_step(told(happening)), List)


@pytest.mark.parametrize(
    "happening",
    [Expired(100), Silent(), Lost(100), Lost(0), Refused(401), Refused(403), Refused(429), Refused(500), Ended(0.1)],
    ids=str,
)
def test_after_a_fault_what_is_kept_is_not_taken_for_the_present_state(happening: Happening) -> None:
    assert not in_touch(told(happening), heard_at=100.0, now=100.0)


def test_a_watch_that_ends_in_good_order_goes_on_at_once_and_keeps_its_trust() -> None:
    state = told(Ended(290))
    assert next_step(state) == Watch("7", 0.0)
    assert in_touch(state, heard_at=100.0, now=101.0)


def test_what_was_heard_of_too_long_ago_is_not_trusted() -> None:
    assert in_touch(WATCHING, heard_at=100.0, now=100.0 + SILENCE - 0.1)
    assert not in_touch(WATCHING, heard_at=100.0, now=100.0 + SILENCE)


def test_trust_comes_back_with_the_first_word_of_a_watch_that_went_on() -> None:
    assert told(Lost(100), Heard("8")).connected


def test_pauses_double_from_half_a_second_to_thirty_and_no_further() -> None:
    pauses = [next_step(told(*[Lost()] * count)).wait for count in range(1, 12)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30]


def test_chance_takes_half_of_a_pause_at_most() -> None:
    assert [next_step(told(Lost(), chance=chance)).wait for chance in (0.0, 0.5, 1.0)] == [0.25, 0.375, 0.5]


def test_pauses_start_small_again_once_a_watch_has_held() -> None:
    assert next_step(told(*[Lost()] * 8, Lost(STEADY))).wait == 0.5
    assert next_step(told(*[Lost()] * 8, Ended(290), Lost())).wait == 0.5


def test_a_list_that_works_before_a_watch_that_never_does_makes_no_fast_loop() -> None:
    loop = [Listed("9"), Heard("10"), Lost(0.1)]
    assert next_step(told(*loop * 8)).wait == LONGEST_PAUSE


def test_a_server_that_ends_each_watch_at_once_is_asked_less_and_less() -> None:
    assert [next_step(told(*[Ended(0.0)] * count)).wait for count in (1, 2, 3, 9)] == [0.5, 1, 2, 30]


@pytest.mark.parametrize(("chance", "wait"), [(0.0, 0.0), (0.5, RELIST_SPREAD / 2), (1.0, RELIST_SPREAD)])
def test_after_a_compaction_the_lists_of_many_watches_are_spread(chance: float, wait: float) -> None:
    assert next_step(told(Expired(100), chance=chance)) == List(wait)


def test_a_version_that_became_too_old_in_an_outage_is_listed_anew_soon() -> None:
    assert next_step(told(*[Lost()] * 8, Expired(0))) == List(RELIST_SPREAD)


def test_a_version_that_is_too_old_again_and_again_backs_off() -> None:
    assert next_step(told(*[Listed("9"), Expired(0)] * 8)) == List(LONGEST_PAUSE)


@pytest.mark.parametrize("status", [403, 404, 405, 406])
def test_what_is_forbidden_is_tried_again_after_a_minute_and_at_least_every_ten(status: int) -> None:
    assert [next_step(told(*[Refused(status)] * count)).wait for count in (1, 2, 3, 4, 5, 9)] == [
        60, 120, 240, 480, 600, 600,
    ]  # fmt: skip


def test_the_api_is_left_alone_for_as_long_as_it_asks_but_not_for_ever() -> None:
    assert next_step(told(Refused(429, retry_after=7))).wait == 7
    assert next_step(told(Refused(503, retry_after=86_400))).wait == LONGEST_PAUSE


def test_the_collection_is_listed_once_an_hour_at_least() -> None:
    state = told(*[Ended(290)] * (TURNS_PER_LIST - 1))
    assert isinstance(next_step(state), Watch)
    state = told(Ended(290), start=state)
    assert next_step(state) == List(0.0)
    assert state.connected, "nothing was missed: it is only made sure of"
    assert isinstance(next_step(told(Listed("9"), *[Ended(290)] * 5, start=state)), Watch)


def test_turns_of_many_watches_do_not_end_together() -> None:
    assert [turn_seconds(chance) for chance in (0.0, 0.5, 1.0)] == [232, 261, 290]


@given(st.lists(st.tuples(HAPPENINGS, CHANCES), max_size=30))
def test_whatever_happens_a_watch_only_goes_on_from_a_version_that_was_told_since_the_last_gap(
    story: list[tuple[Happening, float]],
) -> None:
    state, told_versions = Reflection(), set[str]()
    for happening, chance in story:
        match happening:
            case Listed(version):
                told_versions = {version}
            case Heard(str(version)):
                told_versions.add(version)
            case Expired() | Silent():
                told_versions.clear()
            case _:
                pass
        state = after(state, happening, chance)
        step = next_step(state)
        if isinstance(step, Watch):
            assert step.version in told_versions


@given(st.lists(st.tuples(HAPPENINGS, CHANCES), max_size=30))
def test_whatever_happens_the_next_step_comes_within_a_bound(story: list[tuple[Happening, float]]) -> None:
    state = Reflection()
    for happening, chance in story:
        state = after(state, happening, chance)
        assert 0 <= next_step(state).wait <= LONGEST_DENIED_PAUSE
        if not (isinstance(happening, Refused) and happening.status in (403, 404, 405, 406)):
            assert next_step(state).wait <= LONGEST_PAUSE


@given(st.lists(st.tuples(HAPPENINGS, CHANCES), max_size=30), st.tuples(HAPPENINGS, CHANCES))
def test_whatever_happens_only_a_list_or_a_word_of_the_watch_gives_trust(
    story: list[tuple[Happening, float]], last: tuple[Happening, float]
) -> None:
    before = reduce(lambda state, each: after(state, *each), story, Reflection())
    state = after(before, *last)
    if state.connected and not before.connected:
        assert isinstance(last[0], Listed | Heard)
    if isinstance(last[0], Lost | Silent | Expired | Refused):
        assert not state.connected
