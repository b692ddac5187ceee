"""Who lives, by the slots that are held: what a look concludes, and what it must not."""

from __future__ import annotations

import pytest
from monitor.core import membership
from monitor.core.election import Record
from monitor.core.membership import (
    DURATION,
    LOOK,
    PATIENCE,
    RENEW_DEADLINE,
    SETTLE,
    Absent,
    Claim,
    Denied,
    GiveBack,
    Held,
    Membership,
    Reading,
    Rest,
    Unread,
)
from monitor.core.sharding import (
    SPREAD_AFTER_CRASH,
    SPREAD_AFTER_RELEASE,
    STILL_WATCHED,
    Doubt,
    Everything,
    Part,
    Spare,
    Undecided,
)


def held(holder: str, term: float = 0.0, version: str = "7") -> Held:
    return Held(Record(holder, version, DURATION, (str(term),)), f"http://{holder}:8080")


def look(before: Membership, *readings: Reading, at: float) -> Membership:
    """One look at every slot, judged."""
    for number, reading in enumerate(readings):
        before = membership.looked(before, number, reading, at)
    return membership.judged(before, at)


def member(*others: Reading, at: float = 0.0) -> Membership:
    """Holds slot 0 beside these."""
    found = look(membership.begin("me", 1 + len(others), at), Absent(), *others, at=at)
    return membership.judged(membership.claimed(found, 0, held("me"), at, at), at)


def after(before: Membership, seconds: float, *others: str, step: float = LOOK, start: float = 0.0) -> Membership:
    """So much later, with looks in between that show the own slot renewed, and the others (by name) unless they are silent."""
    now = start
    while now < start + seconds:
        now = min(now + step, start + seconds)
        before = look(before, held("me", now), *(held(name, now) for name in others), at=now)
    return before


def test_before_it_knows_the_others_it_checks_nothing_and_writes_nothing() -> None:
    found = look(membership.begin("me", 2, 0.0), Absent(), Unread(), at=0.1)
    assert found.standing == Undecided()
    assert membership.decide(found, 0.1, 0.0) == Rest()


def test_a_slot_of_its_own_from_before_is_no_share_while_it_does_not_know_who_holds_the_others() -> None:
    assert look(membership.begin("me", 2, 0.0), held("me"), Unread(), at=0.1).standing == Undecided()


@pytest.mark.parametrize(
    ("readings", "chance", "decision"),
    [
        ((Absent(), Absent()), 0.0, Claim(0, None)),
        ((Absent(), Absent()), 0.99, Claim(1, None)),
        ((Absent(), Absent()), 1.0, Claim(1, None)),
        ((held("you"), Absent()), 0.0, Claim(1, None)),
        ((held("you"), held("")), 0.5, Claim(1, "7")),
        ((held("you"), held("they")), 0.5, Rest()),
        ((held("you"), held("me", version="9")), 0.5, Claim(1, "9")),
        ((held("me"), held("me", version="9")), 0.5, GiveBack(1, "9")),
        ((Denied(), held("")), 0.0, Claim(1, "7")),
        ((Denied(), Denied()), 0.0, Rest()),
    ],
)
def test_it_takes_what_is_free_and_no_more_than_one(
    readings: tuple[Reading, ...], chance: float, decision: object
) -> None:
    assert membership.decide(look(membership.begin("me", 2, 0.0), *readings, at=0.1), 0.1, chance) == decision


def test_who_holds_a_slot_shares_with_those_who_live() -> None:
    assert member(held("you"), Absent(), held("")).standing == Part(0, (0, 1))


def test_who_finds_every_slot_held_waits() -> None:
    assert look(membership.begin("me", 2, 0.0), held("you"), held("they"), at=0.1).standing == Spare()


def test_a_slot_counts_as_free_after_it_was_watched_for_its_duration_without_a_change() -> None:
    found, now = member(held("you")), 0.0
    while now < DURATION - 0.5:
        now += 0.5
        found = look(found, held("me", now), held("you"), at=now)
        assert found.standing == (Part(0, (0, 1)) if now < DURATION else Part(0, (0,)))
    found = look(found, held("me", now), held("you"), at=DURATION)
    assert found.standing == Part(0, (0,))
    assert found.take_over.unwatched >= DURATION
    assert found.take_over.spread == SPREAD_AFTER_CRASH


def test_one_that_renews_lives_for_ever() -> None:
    assert after(member(held("you")), 100.0, "you").standing == Part(0, (0, 1))


def test_an_annotation_of_somebody_else_is_no_sign_of_life() -> None:
    found = member(held("you"))
    for now in range(1, int(DURATION) + 1):
        found = look(found, held("me", now), held("you", version=str(now)), at=float(now))
    assert found.standing == Part(0, (0,))


def test_one_that_says_that_it_goes_is_gone_at_once() -> None:
    found = look(member(held("you")), held("me", 1.0), held("", 1.0), at=1.0)
    assert found.standing == Part(0, (0,))
    assert found.take_over.spread == SPREAD_AFTER_RELEASE
    assert 0.0 < found.take_over.unwatched < 3.0


def test_one_that_comes_takes_what_others_still_watch() -> None:
    found = look(member(Absent()), held("me", 1.0), held("you"), at=1.0)
    assert found.standing == Part(0, (0, 1))
    assert found.take_over == STILL_WATCHED


def test_time_in_which_nobody_could_look_makes_nobody_dead() -> None:
    found = after(member(held("you"), held("they")), 3.0, "you", "they")
    for now in (5.0, 20.0, 60.0):
        found = look(found, Unread(), Unread(), Unread(), at=now)
        assert found.standing == Part(0, (0, 1, 2)), "in doubt it keeps its share"
    found = look(found, held("me", 3.0), held("you", 3.0), held("they", 3.0), at=61.0)
    assert found.standing == Part(0, (0, 1, 2)), "nor is it when the API is back"
    now = 61.0
    while now < 61.0 + DURATION:
        now += LOOK
        found = look(found, held("me", now), held("you", now), held("they", 3.0), at=now)
    assert found.standing == Part(0, (0, 1)), "who died meanwhile is missed from then on"


def test_one_slot_that_cannot_be_read_changes_nothing() -> None:
    found = after(member(held("you")), 3.0, "you")
    for now in (4.5, 6.0, 30.0):
        found = look(found, held("me", now), Unread(), at=now)
    assert found.standing == Part(0, (0, 1))


def test_who_lost_its_slot_keeps_its_share_until_it_has_another() -> None:
    found = after(member(held("you"), Absent()), 3.0, "you")
    found = membership.looked(found, 2, Absent(), 3.0)
    found = look(found, held("newcomer", 60.0), held("you", 60.0), Absent(), at=60.0)
    assert found.standing == Part(0, (0, 1))
    assert not membership.leads(found, 60.0)
    assert membership.decide(found, 60.0, 0.5) == Claim(2, None)
    found = membership.judged(membership.claimed(found, 2, held("me"), 60.0, 60.1), 60.1)
    assert found.standing == Part(2, (0, 1, 2))


def test_who_cannot_ask_from_the_start_checks_everything_after_some_seconds() -> None:
    found = membership.begin("me", 2, 100.0)
    found = look(found, Unread(), Unread(), at=100.0 + PATIENCE - 0.1)
    assert found.standing == Undecided()
    found = look(found, Unread(), Unread(), at=100.0 + PATIENCE)
    assert found.standing == Everything(Doubt.UNSEEN)
    found = look(found, held("you"), Absent(), at=110.0)
    found = membership.judged(membership.claimed(found, 1, held("me"), 110.0, 110.1), 110.1)
    assert found.standing == Part(1, (0, 1))


def test_without_permission_it_checks_everything_at_once_and_may_act() -> None:
    found = look(membership.begin("me", 2, 0.0), Denied(), Denied(), at=0.1)
    assert found.standing == Everything(Doubt.DENIED)
    assert membership.leads(found, 0.1)
    assert membership.pause(found, 0.1, 1.0) > 10.0


def test_without_permission_to_write_it_checks_everything() -> None:
    found = look(membership.begin("me", 2, 0.0), held(""), held(""), at=0.1)
    for number in (0, 1):
        found = membership.judged(membership.forbidden(found, number, 0.2), 0.2)
    assert found.standing == Everything(Doubt.DENIED)


def test_a_slot_that_may_not_be_written_is_left_alone_for_a_minute_though_it_is_read_meanwhile() -> None:
    found = membership.forbidden(look(membership.begin("me", 1, 0.0), held(""), at=0.1), 0, 0.2)
    assert membership.decide(look(found, held(""), at=1.6), 1.6, 0.5) == Rest()
    assert membership.decide(look(found, held(""), at=61.0), 61.0, 0.5) == Claim(0, "7")


def test_a_slot_that_may_be_read_again_is_taken_at_once() -> None:
    found = look(membership.begin("me", 1, 0.0), Denied(), at=0.1)
    assert membership.decide(look(found, held(""), at=1.6), 1.6, 0.5) == Claim(0, "7")


def test_it_acts_only_after_the_others_can_have_seen_it_and_while_it_is_seen() -> None:
    found = member(Absent())
    assert not membership.leads(found, SETTLE - 0.1)
    assert membership.leads(found, SETTLE)
    assert not membership.leads(found, RENEW_DEADLINE)
    assert RENEW_DEADLINE < DURATION, "it stops before anybody else can have its slot"


def test_renewing_does_not_make_it_new() -> None:
    found = membership.claimed(member(Absent()), 0, held("me", 5.0), 5.0, 5.1)
    assert membership.leads(found, 5.2)


def test_who_takes_a_dead_ones_slot_looks_at_what_was_missed() -> None:
    found, now = membership.begin("me", 1, 100.0), 100.0
    while now < 100.0 + DURATION + 1.0:
        found = look(found, held("dead"), at=now)
        now += 1.0
    assert membership.decide(found, now, 0.5) == Claim(0, "7")
    found = membership.judged(membership.claimed(found, 0, held("me"), now, now), now)
    assert found.standing == Part(0, (0,))
    assert DURATION < found.take_over.unwatched < DURATION + 2 * LOOK + 2.0
    assert found.take_over.spread == SPREAD_AFTER_CRASH


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_slots_that_nobody_holds_make_only_those_who_want_one_look_more_often(chance: float) -> None:
    assert membership.pause(member(Absent(), held("")), 0.0, chance) >= LOOK / 2
    without_one = look(membership.begin("me", 2, 0.0), held("you"), Absent(), at=0.0)
    assert membership.pause(without_one, 0.0, chance) < LOOK / 2


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_it_looks_in_time_to_see_that_somebodys_time_is_over(chance: float) -> None:
    found, now = member(held("you")), 0.0
    while found.standing == Part(0, (0, 1)):
        now += membership.pause(found, now, chance)
        found = look(found, held("me", now), held("you"), at=now)
    assert DURATION <= now < DURATION + 0.1


def test_what_design_promises_fits_into_these_times() -> None:
    """20 s after a crash and 3 s after a stop (design.md); calls take some tenths of a second."""
    calls = 0.5
    assert LOOK + DURATION + SPREAD_AFTER_CRASH + calls <= 20.0
    assert LOOK + SPREAD_AFTER_RELEASE + calls <= 3.0
