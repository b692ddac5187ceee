"""What replicas tell each other arrives as it was said, and what is no such thing harms nobody."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monitor.core import exchange
from monitor.core.exchange import MAX_TEXT, Speaker
from monitor.core.history import remember
from monitor.core.model import Mode, Verdict
from monitor.core.report import RotationReport, TargetReport
from monitor.core.status import Status

TEXTS = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), max_size=60)
NUMBERS = st.floats(0.0, 2e11)
COUNTS = st.integers(-(2**50), 2**50)
VERDICTS = st.builds(
    Verdict,
    status=st.sampled_from(Status),
    cause=TEXTS,
    remedy=TEXTS,
    account=st.none() | TEXTS,
    token_id=st.none() | TEXTS,
    issued_at=st.none() | NUMBERS,
    expires_at=st.none() | NUMBERS,
    anonymous_access=st.none() | st.booleans(),
    retry_after=st.none() | NUMBERS,
    checked_at=NUMBERS,
    duration=NUMBERS,
)
HISTORIES = st.lists(st.sampled_from(Status), max_size=40).map(
    lambda statuses: __import__("functools").reduce(remember, statuses, b"")
)
ROTATIONS = st.builds(
    RotationReport,
    waiting_for=TEXTS,
    rotations=COUNTS,
    rotated_at=st.none() | NUMBERS,
    old_consumers=st.lists(TEXTS, max_size=4).map(tuple),
    failures=st.dictionaries(TEXTS, COUNTS, max_size=4),
)
REPORTS = st.builds(
    TargetReport,
    name=TEXTS,
    server=TEXTS,
    mode=st.sampled_from(Mode),
    where=TEXTS,
    interval=NUMBERS,
    timeout=NUMBERS,
    verdict=VERDICTS,
    since=NUMBERS,
    told=st.none() | VERDICTS,
    problem=TEXTS,
    anonymous_access=st.none() | st.booleans(),
    checks=COUNTS,
    failures_by_status=st.dictionaries(st.sampled_from(Status), COUNTS, max_size=4),
    rotation=st.none() | ROTATIONS,
    history=HISTORIES,
)
VERDICT = Verdict(Status.VALID, "accepted", "Nothing to do.", account="ci", checked_at=1000.0)
REPORT = TargetReport("a", "https://argocd", Mode.TOKEN, "here", 15.0, 10.0, VERDICT, 900.0, told=VERDICT)
PLAIN = json.loads(exchange.line(REPORT))


@given(REPORTS)
def test_a_report_arrives_as_it_was_told(report: TargetReport) -> None:
    assert exchange.read_line(exchange.line(report)) == report


def test_the_usual_report_is_short() -> None:
    assert len(exchange.line(REPORT)) < 300
    assert exchange.line(REPORT).count(b"accepted") == 1, "the last verdict that could tell is the one that is shown"


def test_a_whole_answer_is_read_line_by_line() -> None:
    speaker = Speaker("monitor-a", 1000.0, 2)
    answer = b"".join(exchange.told([REPORT, replace(REPORT, name="b")], speaker))
    first, *rest = exchange.lines(answer)
    assert exchange.read_head(first) == speaker
    assert [getattr(exchange.read_line(line), "name", None) for line in rest] == ["a", "b"]


@pytest.mark.parametrize(
    "changed",
    [
        {"name": None},
        {"name": 7},
        {"name": "x" * (MAX_TEXT + 1)},
        {"mode": "sudo"},
        {"interval": "15"},
        {"interval": True},
        {"since": 10**400},
        {"verdict": None},
        {"verdict": {}},
        {"verdict": {**PLAIN["verdict"], "status": "splendid"}},
        {"verdict": {**PLAIN["verdict"], "expires_at": [1]}},
        {"told": "hidden"},
        {"checks": 1.5},
        {"history": "zz"},
        {"history": "ff"},
        {"history": "00" * 1000},
        {"failures_by_status": {"nothing": 1}},
        {"failures_by_status": []},
        {"rotation": {"old_consumers": "all"}},
        {"rotation": {"old_consumers": ["x"] * 10_000}},
        {"anonymous_access": 1},
    ],
    ids=str,
)
def test_what_is_not_exactly_a_report_is_none(changed: dict[str, object]) -> None:
    assert exchange.read_line(json.dumps({**PLAIN, **changed}).encode()) is None


@pytest.mark.parametrize(
    "text", [b"", b"null", b"[]", b"{", b"NaN", b"\xff\xfe", b"[" * 50_000, b'{"a":"' + b"x" * 70_000 + b'"}']
)
def test_what_is_no_object_is_no_report_and_no_head(text: bytes) -> None:
    assert exchange.read_line(text) is None
    assert exchange.read_head(text) is None


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_are_finite(constant: str) -> None:
    text = exchange.line(REPORT).replace(b'"since":900.0', f'"since":{constant}'.encode())
    assert exchange.read_line(text) is None


@given(st.binary(max_size=300) | st.recursive(st.none() | st.booleans() | NUMBERS | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(sorted(PLAIN)), inner)).map(lambda value: json.dumps(value).encode()))  # fmt: skip
@settings(max_examples=300)
def test_nothing_that_is_sent_breaks_the_reader(text: bytes) -> None:
    exchange.read_line(text)
    exchange.read_head(text)
    list(exchange.lines(text))


def test_what_could_disguise_a_line_is_shown_as_what_it_is() -> None:
    found = exchange.read_line(exchange.line(replace(REPORT, problem="a\u202eb\nc\x1b[31m")))
    assert found is not None
    assert found.problem.isprintable()
    assert "\\u202e" in found.problem


def test_fields_of_a_newer_version_are_passed_over_and_another_format_is_none() -> None:
    assert exchange.read_line(json.dumps({**PLAIN, "weather": "fine"}).encode()) == REPORT
    assert exchange.read_head(b'{"format":2,"replica":"a","at":1.0,"targets":1}') is None
    assert exchange.read_head(b'{"format":1,"replica":"a","at":"now","targets":1}') is None
