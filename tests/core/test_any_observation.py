"""The two rules above all, held against observations that nobody thought of."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from monitor.core.answers import read_can_i, was_served
from monitor.core.claims import Claims
from monitor.core.classify import CHAIN, MAX_CAUSE, MAX_RETRY_AFTER, classify
from monitor.core.model import Answer, Expectation, Fault, FaultKind, Observation, Reply
from monitor.core.questions import Question, Topic, next_question
from monitor.core.status import Kind

from tests.core.samples import (
    DAY,
    FORBIDDEN,
    LOGIN_PAGE,
    NO,
    NOT_LOGGED_IN,
    NOW,
    YES,
    account_page,
    answer,
    error,
    refusal,
    userinfo,
)

KNOWN: list[Answer] = [
    userinfo(), userinfo("admin:apiKey"), userinfo(""), NOT_LOGGED_IN, answer({"loggedIn": "true"}), LOGIN_PAGE, FORBIDDEN,
    YES, NO, account_page("ci", "tm-1"), account_page("ci"), account_page("admin", enabled=False), answer({"value": 1}),
    refusal("no session information"), refusal("account ci does not have token with id tm-1"), refusal("the moon is full"),
    refusal(""), error(404, 5, "account 'ci' does not exist"), error(403, 403, "forbidden"), error(400, 3, "unknown"),
    Reply(401, b"Unauthorized"), Reply(404, b"404 page not found"), Reply(302, location="/login"), Reply(204), Reply(0),
    Reply(429, retry_after=1e9), Reply(503, retry_after=5.0), *(Fault(kind, "d" * 500) for kind in FaultKind),
]  # fmt: skip

TEXT = st.text(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    "loggedIn",
    "username",
    "iss",
    "code",
    "message",
    "error",
    "name",
    "enabled",
    "capabilities",
    "tokens",
    "value",
]
BODIES = (
    st.binary(max_size=60)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from(FIELDS), JSON | st.sampled_from([16, 5, 7, "yes", "no", True]), max_size=6).map(
        lambda value: json.dumps(value).encode()
    )
)
REPLIES = st.builds(
    Reply,
    status=st.sampled_from([0, 200, 204, 301, 400, 401, 403, 404, 429, 500, 503, 999]),
    body=BODIES,
    content_type=st.sampled_from(["", "application/json", "text/html"]) | TEXT,
    location=st.text(max_size=300),
    retry_after=st.none() | st.floats(0, 1e9),
)
ANSWERS = st.sampled_from(KNOWN) | REPLIES
MAYBE = st.none() | ANSWERS
TIME = st.none() | st.floats(1, 2e11)
CLAIMS = st.builds(
    Claims,
    token_id=st.sampled_from([None, "tm-1", "other"]),
    subject=st.sampled_from([None, "ci:apiKey", "ci:login", "ci", "proj:default:ci", "a/b", "..", ":", "x" * 200]),
    issuer=st.sampled_from([None, "argocd", "https://sso"]),
    issued_at=TIME,
    expires_at=TIME,
)
OBSERVATIONS = st.builds(
    Observation,
    claims=CLAIMS,
    token_shaped=st.booleans(),
    userinfo=MAYBE,
    account=MAYBE,
    control_userinfo=MAYBE,
    control_can_i=MAYBE,
    wide_open=MAYBE,
    permissions=st.lists(ANSWERS, max_size=3).map(tuple),
)
EXPECTATIONS = st.builds(
    Expectation,
    account=st.sampled_from([None, "ci", "admin"]),
    expiring_within=st.sampled_from([0.0, 7 * DAY]),
    permissions=st.sampled_from([(), ("applications/get/*/*", "clusters/get/*")]),
)


def says_logged_in(reply: Answer | None) -> bool:
    """Read here without the product's reader, so that the two are held against each other."""
    if not isinstance(reply, Reply) or reply.status != 200:
        return False
    try:
        found = json.loads(reply.body.decode("utf-8"))
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("loggedIn") is True


def says_refused(reply: Answer | None) -> bool:
    if not isinstance(reply, Reply) or reply.status != 401:
        return False
    try:
        found = json.loads(reply.body)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("code") == 16


@given(OBSERVATIONS, EXPECTATIONS)
def test_accepted_means_that_userinfo_said_logged_in_and_the_control_did_not_pass(
    seen: Observation, expected: Expectation
) -> None:
    accepted = classify(seen, expected, NOW).accepted is True
    assert accepted == (says_logged_in(seen.userinfo) and not says_logged_in(seen.control_userinfo))


@given(OBSERVATIONS, EXPECTATIONS)
def test_refused_means_that_argo_cd_said_so_or_that_anonymous_access_explains_it(
    seen: Observation, expected: Expectation
) -> None:
    if classify(seen, expected, NOW).accepted is not False:
        return
    assert not says_logged_in(seen.userinfo)
    inferred = (
        seen.userinfo is not None
        and was_served(seen.account)
        and was_served(seen.control_can_i)
        and read_can_i(seen.wide_open) is False
    )
    assert says_refused(seen.account) or says_refused(seen.userinfo) or inferred


@given(OBSERVATIONS, EXPECTATIONS)
def test_whatever_was_seen_the_verdict_is_bounded_and_fit_to_print(seen: Observation, expected: Expectation) -> None:
    verdict = classify(seen, expected, NOW)
    assert 0 < len(verdict.cause) <= MAX_CAUSE
    assert verdict.cause.isprintable()
    assert 0 < len(verdict.remedy) <= 900
    assert verdict.remedy.isprintable()
    assert verdict.retry_after is None or 0 <= verdict.retry_after <= MAX_RETRY_AFTER
    assert verdict.account is None or 0 < len(verdict.account) <= 200


@given(OBSERVATIONS, EXPECTATIONS)
def test_at_most_one_rule_speaks_so_no_rule_leans_on_an_earlier_one(seen: Observation, expected: Expectation) -> None:
    assert len([rule.__name__ for rule in CHAIN if rule(seen, expected, NOW) is not None]) <= 1


@given(OBSERVATIONS, EXPECTATIONS, st.floats(0, 2e11))
def test_the_time_of_day_decides_no_class_but_that_of_expiring(
    seen: Observation, expected: Expectation, now: float
) -> None:
    assert classify(seen, expected, now).accepted is classify(seen, expected, NOW).accepted


@given(OBSERVATIONS, EXPECTATIONS)
def test_a_fault_in_place_of_the_answers_about_the_token_is_never_a_refusal(
    seen: Observation, expected: Expectation
) -> None:
    for kind in (FaultKind.TIMEOUT, FaultKind.TLS_EXPIRED):
        broken = replace(seen, userinfo=Fault(kind), account=Fault(kind), control_userinfo=None)
        assert classify(broken, expected, NOW).status.kind is Kind.UNKNOWN


@settings(max_examples=200)
@given(CLAIMS, EXPECTATIONS, st.booleans(), st.lists(ANSWERS, min_size=20, max_size=20))
def test_a_dialogue_ends_after_few_questions_each_with_an_address_of_its_own(
    claims: Claims, expected: Expectation, full: bool, answers: list[Answer]
) -> None:
    seen, asked = Observation(claims), list[Question]()
    for reply in answers:
        question = next_question(seen, expected, full=full)
        if question is None:
            break
        asked.append(question)
        seen = heard(seen, question, reply)
    assert next_question(seen, expected, full=full) is None
    assert 1 <= len(asked) <= 4 + len(expected.permissions)
    assert [question.topic for question in asked if question.account is None and question.permission is None] == [
        topic for topic in (Topic.USERINFO, Topic.CONTROL_USERINFO) if topic in {question.topic for question in asked}
    ]
    assert all(first != second for first, second in pairwise(asked))
    assert all(
        "/" not in question.account and question.account not in (".", "..") for question in asked if question.account
    )


def heard(seen: Observation, question: Question, reply: Answer) -> Observation:
    if question.topic is Topic.PERMISSION:
        return replace(seen, permissions=(*seen.permissions, reply))
    values = {question.topic.value: reply}
    return replace(seen, **values)  # type: ignore[arg-type]
