"""Leader election: who leads, from when, until when; and never two at once, whatever the network does."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monitor.core import election
from monitor.core.election import (
    LEASE_DURATION,
    RENEW_DEADLINE,
    RETRY,
    Acquire,
    Candidate,
    Create,
    Decision,
    Read,
    Record,
    Renew,
    StepDown,
    Wait,
    decide,
    leads,
)

ME = Candidate("me")


def seen(record: Record | None, now: float, before: Candidate = ME, chance: float = 1.0) -> Candidate:
    return election.seen(before, record, now, chance)


def leader(began: float = 100.0, now: float = 100.0) -> Candidate:
    return election.written(ME, Record("me", "1"), began, now, 1.0)


def of(holder: str, version: str = "5", term: str = "a", duration: float = LEASE_DURATION) -> Record:
    return Record(holder, version, duration, (term,))


@pytest.mark.parametrize(
    ("candidate", "now", "decision"),
    [
        pytest.param(ME, 0.0, Read(), id="at first it looks"),
        pytest.param(seen(None, 100), 100.0, Create(), id="no Lease: it makes one"),
        pytest.param(seen(of(""), 100), 100.0, Acquire("5"), id="released: it takes it at once"),
        pytest.param(seen(of("me"), 100), 100.0, Renew("5"), id="its own, after a lost answer: it renews"),
        pytest.param(seen(of("you"), 100), 100.0, Wait(RETRY), id="somebody else's: it waits"),
        pytest.param(seen(of("you"), 100), 102.0, Read(), id="and looks again"),
        pytest.param(seen(of("you"), 100), 115.0, Acquire("5"), id="unchanged for its duration: it takes it"),
        pytest.param(leader(), 101.0, Wait(1.0), id="the leader waits"),
        pytest.param(leader(), 102.0, Renew("1"), id="the leader renews after two seconds"),
        pytest.param(leader(), 110.0, StepDown(), id="too late: it steps down"),
        pytest.param(election.lost(leader(), 104.0, 1.0), 104.0, Wait(0.5), id="a lost answer: a short pause"),
        pytest.param(election.lost(leader(), 104.0, 1.0), 104.5, Read(), id="and it looks before it concludes"),
        pytest.param(election.conflicted(leader(), 104.0, 1.0), 104.5, Read(), id="a conflict: it looks"),
        pytest.param(seen(of("you"), 103, leader()), 103.0, StepDown(), id="another holds it: it steps down"),
        pytest.param(seen(None, 103, leader()), 103.0, StepDown(), id="its Lease was deleted: it steps down"),
    ],
)
def test_what_a_candidate_does(candidate: Candidate, now: float, decision: Decision) -> None:
    assert decide(candidate, now) == decision


@pytest.mark.parametrize(
    ("outcome", "shortest", "longest"),
    [
        pytest.param(election.lost, 0.25, 0.5, id="a lost answer"),
        pytest.param(election.conflicted, 0.25, 0.5, id="a conflict"),
        pytest.param(election.failed, 1.5, RETRY, id="an API that cannot now"),
        pytest.param(election.denied, 45.0, 75.0, id="no permission"),
    ],
)
def test_after_what_did_not_work_it_pauses_and_looks_before_it_writes(
    outcome: Callable[[Candidate, float, float], Candidate], shortest: float, longest: float
) -> None:
    for chance, pause in ((0.0, shortest), (1.0, longest)):
        candidate = outcome(leader(), 104.0, chance)
        assert decide(candidate, 104.0) == Wait(pause)
        assert decide(candidate, 104.0 + pause) == Read()


def test_a_renewal_is_a_little_early_and_never_late() -> None:
    early = election.written(ME, Record("me", "1"), 100.0, 100.0, 0.0)
    assert decide(early, 100.0) == Wait(1.5)
    assert decide(leader(), 100.0) == Wait(RETRY)


def test_nobody_leads_before_a_write_of_its_own_worked() -> None:
    assert not leads(ME, 0.0)
    assert not leads(seen(of("me"), 100), 100.0), "the name alone may be what an earlier process left"
    assert leads(leader(), 100.0)


def test_the_leader_leads_for_ten_seconds_from_when_its_renewal_began_not_from_its_answer() -> None:
    slow = leader(began=100.0, now=104.0)
    assert leads(slow, 100.0 + RENEW_DEADLINE - 0.001)
    assert not leads(slow, 100.0 + RENEW_DEADLINE)


@pytest.mark.parametrize("outcome", [election.lost, election.conflicted, election.failed])
def test_a_renewal_that_is_not_known_to_have_worked_prolongs_nothing(
    outcome: Callable[[Candidate, float, float], Candidate],
) -> None:
    candidate = outcome(leader(), 109.0, 0.5)
    assert leads(candidate, 109.0)
    assert not leads(candidate, 110.0)


def test_a_leader_that_sees_somebody_elses_name_stops_in_that_moment() -> None:
    assert not leads(seen(of("you"), 101, leader()), 101.0)


def test_each_renewal_seen_starts_the_wait_anew_whatever_time_of_day_it_names() -> None:
    candidate = seen(of("you", "5", "2001-01-01"), 100.0)
    candidate = seen(of("you", "6", "1970-01-01"), 110.0, candidate)
    assert decide(candidate, 124.9) == Read()
    assert decide(candidate, 125.0) == Acquire("6")


def test_a_change_that_is_not_the_holders_is_no_sign_of_life_but_its_version_counts() -> None:
    candidate = seen(of("you", "5"), 100.0)
    candidate = seen(of("you", "9"), 114.0, candidate)  # somebody set an annotation
    assert decide(candidate, 115.0) == Acquire("9")


def test_a_holder_that_asks_for_longer_is_given_longer_up_to_a_minute() -> None:
    assert decide(seen(of("you", duration=40), 100.0), 139.0) == Read()
    assert decide(seen(of("you", duration=40), 100.0), 140.0) == Acquire("5")
    assert decide(seen(of("you", duration=1e9), 100.0), 160.0) == Acquire("5")


@pytest.mark.parametrize("duration", [-5.0, 0.0, 1.0])
def test_a_holder_that_asks_for_next_to_nothing_is_given_the_usual(duration: float) -> None:
    assert decide(seen(of("you", duration=duration), 100.0), 114.0) == Read()


def test_it_looks_again_no_later_than_when_the_lease_expires() -> None:
    candidate = seen(of("you"), 100.0)
    candidate = seen(of("you"), 114.0, candidate)
    assert decide(candidate, 114.0) == Wait(1.0)


def test_without_permission_each_replica_does_the_work_and_asks_again_in_a_minute() -> None:
    candidate = election.denied(ME, 100.0, 0.0)
    assert leads(candidate, 1e9)
    assert decide(candidate, 100.0) == Wait(45.0)
    assert decide(candidate, 145.0) == Read()


def test_permission_to_look_alone_takes_nothing_away_until_somebody_is_seen_to_lead() -> None:
    candidate = election.denied(ME, 100.0, 0.0)
    assert leads(seen(None, 145.0, candidate), 145.0), "to create may still be forbidden"
    assert not leads(seen(of("you"), 145.0, candidate), 145.0)


@pytest.mark.parametrize("now", [115.0, 160.0])
def test_who_may_not_take_over_what_nobody_renews_does_the_work(now: float) -> None:
    candidate = election.denied(seen(of("you"), 100.0), 100.0, 0.0)
    assert leads(seen(of("you"), now, candidate), now)


def test_permission_that_came_makes_it_an_ordinary_leader() -> None:
    candidate = election.written(election.denied(ME, 100.0, 0.0), Record("me", "1"), 145.0, 145.1, 0.5)
    assert leads(candidate, 150.0)
    assert not leads(candidate, 156.0)


# --- A simulation of candidates, one Lease, and a network -----------------------------------------------------------


class Story:
    """Candidates act on one Lease over a network that delays, loses, and delivers late. Times are virtual.

    Each call takes the next of `calls`: (seconds to the API, seconds back, lost). The client gives up after 3 seconds,
    what is on its way arrives all the same. At each moment in which anything happens it is seen who leads.
    """

    DEADLINE = 3.0

    def __init__(self, names: list[str], calls: list[tuple[float, float, bool]], chances: list[float]) -> None:
        self.candidates = {name: Candidate(name) for name in names}
        self.calls = itertools.cycle(calls)
        self.chances = itertools.cycle(chances)
        self.lease: Record | None = None
        self.versions = itertools.count(1)
        self.events: list[tuple[float, int, Callable[[float], None]]] = []
        self.order = itertools.count()
        self.led: dict[str, float] = dict.fromkeys(names, 0.0)
        self.now = 0.0

    def at(self, time: float, what: Callable[[float], None]) -> None:
        heapq.heappush(self.events, (time, next(self.order), what))

    def run(self, seconds: float) -> None:
        for name in self.candidates:
            self.at(0.0, lambda now, name=name: self.act(name, now))
        while self.events and self.events[0][0] <= seconds:
            time, _, what = heapq.heappop(self.events)
            # Who leads at the end of the time that passes now, and at its start: leading only ends by time passing.
            self.look(self.now)
            for name, candidate in self.candidates.items():
                self.led[name] += (time - self.now) if leads(candidate, (self.now + time) / 2) else 0.0
            self.now = time
            what(time)
            self.look(time)

    def look(self, now: float) -> None:
        leaders = [name for name, candidate in self.candidates.items() if leads(candidate, now)]
        assert len(leaders) <= 1, f"{leaders} lead at {now}"

    def act(self, name: str, now: float) -> None:
        candidate = self.candidates[name]
        decision = decide(candidate, now)
        match decision:
            case Wait(seconds):
                self.at(now + max(seconds, 0.001), lambda now: self.act(name, now))
            case StepDown():
                self.candidates[name] = election.stood_down(candidate)
                self.at(now, lambda now: self.act(name, now))
            case Read() | Create() | Renew() | Acquire():
                self.call(name, decision, now)

    def call(self, name: str, decision: Decision, began: float) -> None:
        there, back, lost = next(self.calls)
        answered = not lost and there + back <= self.DEADLINE

        def arrive(now: float) -> None:
            done, record = self.apply(name, decision)
            if answered:
                self.at(now + back, lambda now: self.answer(name, decision, done, record, began, now))

        self.at(began + there, arrive)
        if not answered:
            self.at(began + self.DEADLINE, lambda now: self.give_up(name, now))

    def apply(self, name: str, decision: Decision) -> tuple[bool, Record | None]:
        match decision:
            case Read():
                return True, self.lease
            case Create() if self.lease is None:
                pass
            case Renew(version) | Acquire(version) if self.lease is not None and self.lease.version == version:
                pass
            case _:
                return False, None
        version = next(self.versions)
        self.lease = Record(name, str(version), LEASE_DURATION, (str(version),))
        return True, self.lease

    def answer(
        self, name: str, decision: Decision, done: bool, record: Record | None, began: float, now: float
    ) -> None:
        candidate, chance = self.candidates[name], next(self.chances)
        if isinstance(decision, Read):
            candidate = election.seen(candidate, record, now, chance)
        elif done and record is not None:
            candidate = election.written(candidate, record, began, now, chance)
        else:
            candidate = election.conflicted(candidate, now, chance)
        self.candidates[name] = candidate
        self.act(name, now)

    def give_up(self, name: str, now: float) -> None:
        self.candidates[name] = election.lost(self.candidates[name], now, next(self.chances))
        self.act(name, now)


LEGS = st.sampled_from([0.0, 0.001, 0.02, 0.4, 1.5, 2.9]) | st.floats(0, 20)
CALLS = st.lists(st.tuples(LEGS, LEGS, st.booleans()), min_size=1, max_size=40)
CHANCES = st.lists(st.floats(0, 1), min_size=1, max_size=10)


@settings(max_examples=150, deadline=None)
@given(CALLS, CHANCES, st.sampled_from([["a", "b"], ["a", "b", "c"]]))
def test_two_never_lead_at_once_whatever_is_late_or_lost(
    calls: list[tuple[float, float, bool]], chances: list[float], names: list[str]
) -> None:
    Story(names, calls, chances).run(120.0)


@given(CHANCES)
@settings(max_examples=25, deadline=None)
def test_on_a_good_network_one_replica_leads_all_the_time(chances: list[float]) -> None:
    story = Story(["a", "b"], [(0.01, 0.01, False)], chances)
    story.run(300.0)
    assert max(story.led.values()) > 297.0  # up to the last event


def test_on_a_bad_network_one_leads_for_most_of_the_time() -> None:
    calls = [(0.01, 0.01, False)] * 7 + [(0.01, 0.01, True)]
    story = Story(["a", "b"], calls, [0.1, 0.9, 0.4])
    story.run(300.0)
    assert sum(story.led.values()) > 270.0


def test_the_simulation_notices_a_leader_that_leads_longer_than_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(election, "RENEW_DEADLINE", LEASE_DURATION + 5)
    # Of the calls of the leader only the first works.
    story = Story(["a", "b"], [(0, 0, False)], [0.5])
    cut = story.call

    def call(name: str, decision: Decision, began: float) -> None:
        story.calls = itertools.repeat((0.01, 0.01, name == "a" and began > 1))
        cut(name, decision, began)

    monkeypatch.setattr(story, "call", call)
    with pytest.raises(AssertionError, match="lead at"):
        story.run(60.0)
