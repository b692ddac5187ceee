"""A verdict that is taken over is the one that reading everything anew would have given, at every moment."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor.core.claims import Claims
from monitor.core.classify import classify
from monitor.core.model import Answer, Expectation, Fault, FaultKind, Observation, Reply
from monitor.core.status import Status
from monitor.core.steady import steady_of

from tests.core.samples import DAY, NO, NOT_LOGGED_IN, NOW, YES, account_page, answer, userinfo
from tests.core.test_any_observation import ANSWERS, EXPECTATIONS, MAYBE, OBSERVATIONS

HEALTHY = Observation(Claims("tm-1", "ci:apiKey", "argocd"), userinfo=userinfo())
CI = Expectation(account="ci")

# Mostly of the kind that is taken over, so that the property is about something.
ACCEPTED = st.sampled_from([userinfo(), userinfo("ci:apiKey"), userinfo("admin:apiKey"), userinfo("")])
MOMENTS = st.floats(NOW - 30 * DAY, NOW + 30 * DAY)
ENDS = st.none() | st.floats(NOW - 40 * DAY, NOW + 40 * DAY)
STEADY = st.builds(
    Observation,
    claims=st.builds(
        Claims,
        token_id=st.sampled_from([None, "tm-1"]),
        subject=st.sampled_from([None, "ci:apiKey", "proj:default:ci"]),
        issued_at=ENDS,
        expires_at=ENDS,
    ),
    userinfo=ACCEPTED,
    permissions=st.lists(st.sampled_from([YES, NO, Reply(503)]), max_size=2).map(tuple),
)
RENEWED = st.builds(
    Expectation,
    account=st.sampled_from([None, "ci"]),
    expiring_within=st.sampled_from([0.0, 7 * DAY]),
    renewed=st.booleans(),
    renew_before=st.sampled_from([None, 0.0, DAY]),
)


@given(STEADY | OBSERVATIONS, RENEWED | EXPECTATIONS, MAYBE | ACCEPTED, MOMENTS, MOMENTS)
def test_what_is_taken_over_is_what_reading_anew_says(
    seen: Observation, expected: Expectation, other: Answer | None, then: float, now: float
) -> None:
    verdict = classify(seen, expected, then)
    steady = steady_of(seen, expected, verdict)
    if steady is None:
        return
    for again in (seen.userinfo, other):
        if again is not None and steady.holds(again, now):
            assert verdict.timed(now, 0.0) == classify(replace(seen, userinfo=again), expected, now)


@given(STEADY, RENEWED, MOMENTS, MOMENTS)
def test_the_same_answer_is_taken_over_exactly_as_long_as_the_token_counts_as_valid(
    seen: Observation, expected: Expectation, then: float, now: float
) -> None:
    verdict = classify(seen, expected, then)
    steady = steady_of(seen, expected, verdict)
    assert (steady is not None) == (verdict.status is Status.VALID)
    if steady is not None and seen.userinfo is not None:
        valid = classify(seen, expected, now).status is Status.VALID
        assert steady.holds(seen.userinfo, now) == valid


@pytest.mark.parametrize(
    "other",
    [
        NOT_LOGGED_IN,
        userinfo("admin"),
        answer({"loggedIn": True, "username": "ci", "iss": "argocd", "loggedIn2": True}),
        Reply(401, userinfo().body),
        Reply(200, userinfo().body + b" "),
        Reply(200, b""),
        Fault(FaultKind.TIMEOUT),
    ],
    ids=str,
)
def test_any_other_answer_is_read(other: Answer) -> None:
    steady = steady_of(HEALTHY, CI, classify(HEALTHY, CI, NOW))
    assert steady is not None
    assert steady.holds(userinfo(), NOW)
    assert not steady.holds(other, NOW)


@given(ANSWERS)
def test_a_check_that_asked_more_is_not_taken_over(more: Answer) -> None:
    for field in ("account", "control_userinfo", "control_can_i", "wide_open"):
        seen = replace(HEALTHY, **{field: more})  # type: ignore[arg-type]
        assert steady_of(seen, CI, classify(seen, CI, NOW)) is None
    seen = replace(HEALTHY, account=account_page("ci", "tm-1"))
    assert steady_of(seen, CI, classify(seen, CI, NOW)) is None


@pytest.mark.parametrize("early", [1.0, 1e-3, 0.0, -1e-3, -1.0])
def test_the_moment_from_which_it_expires_is_the_same_to_the_last_digit(early: float) -> None:
    seen = replace(HEALTHY, claims=replace(HEALTHY.claims, expires_at=NOW))
    steady = steady_of(seen, CI, classify(seen, CI, NOW - 20 * DAY))
    assert steady is not None
    now = NOW - CI.expiring_within - early
    assert steady.holds(userinfo(), now) == (classify(seen, CI, now).status is Status.VALID) == (early > 0)
