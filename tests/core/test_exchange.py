"""What replicas tell each other arrives as it was said, and what is no such thing harms nobody."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monitor.config.address import MAX_URL
from monitor.core import exchange
from monitor.core.claims import MAX_EPOCH
from monitor.core.exchange import MAX_ITEMS, MAX_LINE, MAX_TEXT, Speaker
from monitor.core.history import LENGTH, remember
from monitor.core.model import Expectation, Mode, Verdict
from monitor.core.remedies import remedy
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


def test_what_equals_its_default_is_left_out() -> None:
    assert not PLAIN.keys() & {"failures_by_status", "rotation", "checks", "history"}


@pytest.mark.parametrize(
    "kind", [object, list[int], int | str, int | str | None, tuple[int], tuple[int, str], tuple[int, None]]
)
def test_a_report_cannot_have_a_field_that_no_reader_knows(kind: object) -> None:
    with pytest.raises(TypeError, match="told to nobody"):
        exchange._reader(kind)


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
        {"since": MAX_EPOCH + 1},
        {"since": -1},
        {"checks": 2**53},
        {"checks": -(2**53)},
        {"checks": True},
        {"verdict": None},
        {"verdict": {}},
        {"verdict": {**PLAIN["verdict"], "status": "splendid"}},
        {"verdict": {**PLAIN["verdict"], "expires_at": [1]}},
        {"told": "hidden"},
        {"checks": 1.5},
        {"history": "zz"},
        {"history": "ff"},
        {"history": "00" * 1000},
        {"history": "00" * (LENGTH + 1)},
        {"failures_by_status": {"nothing": 1}},
        {"failures_by_status": []},
        {"rotation": {"old_consumers": "all"}},
        {"rotation": {"old_consumers": ["x"] * (MAX_ITEMS + 1)}},
        {"rotation": {"failures": {str(number): 1 for number in range(MAX_ITEMS + 1)}}},
        {"anonymous_access": 1},
    ],
    ids=str,
)
def test_what_is_not_exactly_a_report_is_none(changed: dict[str, object]) -> None:
    assert exchange.read_line(json.dumps({**PLAIN, **changed}).encode()) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"problem": "x" * MAX_TEXT},
        {"since": 0},
        {"since": MAX_EPOCH},
        {"checks": 2**53 - 1},
        {"history": "00" * LENGTH},
        {"rotation": {"old_consumers": ["x"] * MAX_ITEMS}},
        {"rotation": {"failures": {str(number): 1 for number in range(MAX_ITEMS)}}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_is_as_large_as_it_may_be_is_read(changed: dict[str, object]) -> None:
    assert exchange.read_line(json.dumps({**PLAIN, **changed}).encode()) is not None


def test_a_line_is_read_up_to_its_bound() -> None:
    text = exchange.line(REPORT).rstrip()
    assert exchange.read_line(text.ljust(MAX_LINE)) == REPORT
    assert exchange.read_line(text.ljust(MAX_LINE + 1)) is None


def test_whatever_the_configuration_takes_the_others_are_told_of() -> None:
    expected = Expectation(where=f"file /{'x' * 4095}", password_at=f"file /{'x' * 4095}")
    for status in Status:
        verdict = replace(VERDICT, status=status, remedy=remedy(status, expected, "a" * 255))
        report = replace(REPORT, server=f"https://{'x' * (MAX_URL - 8)}", where=expected.where, verdict=verdict)
        assert exchange.read_line(exchange.line(report)) == report


def test_the_name_is_read_without_the_rest() -> None:
    assert exchange.name_of(exchange.line(REPORT)) == "a"
    assert exchange.name_of(exchange.line(replace(REPORT, name="x" * 500))) == "x" * 500
    assert exchange.name_of(b'{"name":"a"') == "a", "whatever follows"


@pytest.mark.parametrize(
    "text", [b'{"nome":"a"}', b'{"name":', b'{"name":7}', b'{"name":"\xff', b'{"name":"' + b"x" * 1000 + b'"}']
)
def test_a_line_that_does_not_begin_with_a_name_has_none(text: bytes) -> None:
    assert exchange.name_of(text) is None


@pytest.mark.parametrize("text", [b"a\nb\n", b"a\nb", b"\n\na\n\nb\n\n"])
def test_an_answer_is_cut_into_lines_whatever_it_ends_with(text: bytes) -> None:
    assert list(exchange.lines(text)) == [b"a", b"b"]


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


@pytest.mark.parametrize(
    ("told", "shown"), [("a\u202eb\nc", "a\\u202eb\\nc"), ("a\nb\x1b[31m", "a\\nb\\x1b[31m"), ("é", "é")]
)
def test_what_could_disguise_a_line_is_shown_as_what_it_is(told: str, shown: str) -> None:
    found = exchange.read_line(exchange.line(replace(REPORT, problem=told)))
    assert found is not None
    assert found.problem == shown


def test_fields_of_a_newer_version_are_passed_over_and_another_format_is_none() -> None:
    assert exchange.read_line(json.dumps({**PLAIN, "weather": "fine"}).encode()) == REPORT
    assert exchange.read_head(b'{"format":2,"replica":"a","at":1.0,"targets":1}') is None


def test_a_head_is_read_when_all_of_it_is_there() -> None:
    head = {"format": 1, "replica": "a", "at": 1.0, "targets": 1}
    assert exchange.read_head(json.dumps(head).encode()) == Speaker("a", 1.0, 1)
    for name, wrong in (("format", 2), ("replica", 7), ("at", "now"), ("targets", 1.5), ("targets", True)):
        assert exchange.read_head(json.dumps({**head, name: wrong}).encode()) is None
        assert exchange.read_head(json.dumps({key: head[key] for key in head if key != name}).encode()) is None
