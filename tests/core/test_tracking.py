"""What is shown of a target over time: refusals are confirmed, recoveries are believed, silence changes no truth."""

from __future__ import annotations

import pytest
from monitor.core.model import Verdict
from monitor.core.rounds import LATE
from monitor.core.schedule import (
    CHANGE_COUNTS,
    CONFIRMATION_AFTER_CHANGE,
    CONFIRMATION_DELAY,
    Rhythm,
    confirmation_delay,
    next_due,
)
from monitor.core.status import Kind, Status
from monitor.core.tracking import Step, Track, advance, begin

RHYTHM = Rhythm(30.0, 0.25)


def verdict(status: Status, at: float, retry_after: float | None = None, anonymous: bool | None = None) -> Verdict:
    return Verdict(status, "cause", "remedy", retry_after=retry_after, anonymous_access=anonymous, checked_at=at)


def told(*statuses: Status, step: float = 10.0) -> list[Step]:
    """The steps of a target that gets these verdicts, `step` seconds apart, from second 1000 on."""
    steps: list[Step] = []
    track = begin(1_000.0 - step)
    for number, status in enumerate(statuses):
        at = 1_000.0 + number * step
        steps.append(advance(track, verdict(status, at), RHYTHM, at, 0.5))
        track = steps[-1].track
    return steps


def shown(*statuses: Status) -> list[Status]:
    return [step.track.shown.status for step in told(*statuses)]


VALID, REVOKED, DOWN, EXPIRING = Status.VALID, Status.REVOKED, Status.UNREACHABLE, Status.EXPIRING


@pytest.mark.parametrize(
    ("statuses", "seen"),
    [
        pytest.param([REVOKED], [REVOKED], id="at start one refusal is enough"),
        pytest.param([DOWN, REVOKED], [DOWN, REVOKED], id="a token never seen to work needs one refusal"),
        pytest.param([VALID, REVOKED], [VALID, VALID], id="one refusal of a healthy token is held"),
        pytest.param([VALID, REVOKED, REVOKED], [VALID, VALID, REVOKED], id="two in a row are believed"),
        pytest.param([VALID, REVOKED, Status.EXPIRED], [VALID, VALID, Status.EXPIRED], id="also for another cause"),
        pytest.param([VALID, REVOKED, VALID], [VALID, VALID, VALID], id="a lagging replica goes unnoticed"),
        pytest.param([VALID, REVOKED, VALID, REVOKED], [VALID] * 4, id="and is not held against the token later"),
        pytest.param([EXPIRING, REVOKED], [EXPIRING, EXPIRING], id="accepted with a remark is healthy too"),
        pytest.param([VALID, REVOKED, DOWN, REVOKED], [VALID, VALID, DOWN, REVOKED], id="refusal, silence, refusal"),
        pytest.param([VALID, REVOKED, DOWN, VALID], [VALID, VALID, DOWN, VALID], id="refusal, silence, accepted"),
        pytest.param([VALID, DOWN, REVOKED], [VALID, DOWN, DOWN], id="silence does not make a refusal certain"),
        pytest.param([VALID, DOWN, REVOKED, REVOKED], [VALID, DOWN, DOWN, REVOKED], id="nor doubt it for ever"),
        pytest.param([REVOKED, VALID], [REVOKED, VALID], id="a recovery is believed at once"),
        pytest.param([REVOKED, DOWN, REVOKED], [REVOKED, DOWN, REVOKED], id="a refused token stays refused"),
        pytest.param([VALID, Status.MISSING, Status.MISSING], [VALID, VALID, Status.MISSING], id="a missing Secret"),
    ],
)
def test_what_is_shown(statuses: list[Status], seen: list[Status]) -> None:
    assert shown(*statuses) == seen


def test_a_held_refusal_is_looked_at_again_after_one_second() -> None:
    held = told(VALID, REVOKED)[-1]
    assert held.due == 1_010.0 + CONFIRMATION_DELAY
    assert held.track.suspect
    assert not held.changed


def test_a_confirmed_refusal_and_a_recovery_go_back_to_the_grid() -> None:
    for step in (told(VALID, REVOKED, REVOKED)[-1], told(REVOKED, DOWN, VALID)[-1]):
        assert step.due == next_due(RHYTHM, 1_020.0)
        assert step.changed
        assert (step.track.suspect, step.track.failures) == (False, 0)


def test_since_is_when_the_status_began_and_moves_with_it_alone() -> None:
    sinces = [step.track.since for step in told(VALID, VALID, DOWN, DOWN, VALID)]
    assert sinces == [1_000.0, 1_000.0, 1_020.0, 1_020.0, 1_040.0]
    assert [step.changed for step in told(VALID, VALID, DOWN, DOWN, VALID)] == [True, False, True, False, True]


def test_the_last_verdict_that_could_tell_is_kept_through_silence() -> None:
    after = told(VALID, DOWN, Status.THROTTLED)[-1].track
    assert after.told is not None
    assert (after.told.status, after.told.checked_at) == (VALID, 1_000.0)
    assert after.failures == 2


def test_silence_before_the_first_answer_tells_nothing() -> None:
    after = told(DOWN, DOWN)[-1].track
    assert after.told is None


def test_pauses_grow_while_it_cannot_be_told_and_start_anew_after_an_answer() -> None:
    steps = told(DOWN, DOWN, DOWN, DOWN, VALID, DOWN)
    waits = [step.due - (1_000.0 + number * 10.0) for number, step in enumerate(steps)]
    assert waits[:4] == pytest.approx([30.0, 60.0, 120.0, 120.0])
    assert waits[5] == pytest.approx(30.0)


def test_pauses_start_anew_also_after_a_refusal_that_is_not_shown_yet() -> None:
    steps = told(VALID, DOWN, DOWN, DOWN, REVOKED, DOWN)
    assert steps[4].track.suspect
    assert steps[5].due - (1_000.0 + 5 * 10.0) == pytest.approx(30.0)


def test_a_pause_that_the_server_asks_for_is_kept() -> None:
    step = advance(begin(0.0), verdict(Status.THROTTLED, 5.0, retry_after=600.0), RHYTHM, 5.0, 0.0)
    assert step.due == 605.0


def test_what_was_seen_of_anonymous_access_stays_until_it_is_looked_at_again() -> None:
    track = begin(0.0)
    for looked, known in [(None, None), (True, True), (None, True), (False, False), (None, False)]:
        track = advance(track, verdict(VALID, 5.0, anonymous=looked), RHYTHM, 5.0, 0.5).track
        assert track.anonymous_access is known


@pytest.mark.parametrize("status", [status for status in Status if status.kind is Kind.UNKNOWN])
def test_no_verdict_that_cannot_tell_ever_turns_a_healthy_token_into_a_refused_one(status: Status) -> None:
    assert shown(VALID, *[status] * 50)[-1] is status
    assert told(VALID, *[status] * 50)[-1].track.told == verdict(VALID, 1_000.0)


def test_before_the_first_check_it_is_pending() -> None:
    track: Track = begin(7.0)
    assert (track.shown.status, track.since, track.told) == (Status.PENDING, 7.0, None)
    assert track.shown.remedy


def test_a_first_refusal_right_after_a_change_inside_argo_cd_has_its_second_look_sooner() -> None:
    healthy = advance(begin(0.0), verdict(VALID, 5.0), RHYTHM, 5.0, 0.5).track
    held = advance(healthy, verdict(REVOKED, 6.0), RHYTHM, 6.0, 0.5, confirmation_delay(0.2))
    assert (held.due, held.changed, held.track.suspect) == (6.0 + CONFIRMATION_AFTER_CHANGE, False, True)


@pytest.mark.parametrize(
    ("since_change", "delay"),
    [
        (0.0, CONFIRMATION_AFTER_CHANGE),
        (LATE + 1.0, CONFIRMATION_AFTER_CHANGE),
        (CHANGE_COUNTS, CONFIRMATION_DELAY),
        (float("inf"), CONFIRMATION_DELAY),
        (-1.0, CONFIRMATION_DELAY),
    ],
)
def test_a_change_counts_as_the_reason_of_a_refusal_for_ten_seconds(since_change: float, delay: float) -> None:
    assert confirmation_delay(since_change) == delay
