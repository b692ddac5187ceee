"""Which targets the page shows, in which order, and what its first line says."""

import re
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor.core.page import (
    MAX_TEXT,
    Order,
    Query,
    Standing,
    breakdown,
    headline,
    listing,
    read_query,
    standing_of,
)
from monitor.core.report import RotationReport
from monitor.core.status import Kind, Status

from tests.page.samples import HOSTILE, NOW, PRODUCTION, many, target, thirty


def shown(reports, **asked):
    rows = asked.pop("rows", 500)
    return [report.name for _, report in listing(reports, NOW, read_query(asked), rows).shown]


# --- classes ----------------------------------------------------------------------------------------------------------

OF_KIND = {
    Kind.ACCEPTED: Standing.ACCEPTED,
    Kind.ATTENTION: Standing.ATTENTION,
    Kind.REFUSED: Standing.REFUSED,
    Kind.UNKNOWN: Standing.UNKNOWN,
}


@pytest.mark.parametrize("status", Status)
def test_a_target_stands_in_the_class_of_its_status(status):
    assert standing_of(target("a", status), NOW) is OF_KIND[status.kind]


def test_an_accepted_token_that_was_not_checked_for_long_counts_as_cannot_tell():
    old = target("a", checked=56.0)
    assert standing_of(target("a", checked=55.0), NOW) is Standing.ACCEPTED
    assert standing_of(old, NOW) is Standing.UNKNOWN


def test_a_refused_token_stays_refused_however_long_ago_that_was():
    assert standing_of(target("a", Status.REVOKED, checked=9999.0), NOW) is Standing.REFUSED


@pytest.mark.parametrize(
    "trouble",
    [
        {"problem": "the Secret cannot be read"},
        {"rotation": RotationReport(problem="the journal cannot be read")},
        {"rotation": RotationReport(stood_down="somebody else writes there")},
    ],
    ids=["source", "rotation", "stood down"],
)
def test_an_accepted_token_whose_surroundings_are_in_trouble_needs_a_person(trouble):
    assert standing_of(target("a", **trouble), NOW) is Standing.ATTENTION
    assert standing_of(target("a", Status.REVOKED, **trouble), NOW) is Standing.REFUSED


@pytest.mark.parametrize(
    "course",
    [
        {"anonymous_access": True},
        {"rotation": RotationReport(old_consumers=("a",), left_alone="k", waiting_for="time")},
    ],
)
def test_what_takes_its_usual_course_needs_nobody(course):
    assert standing_of(target("a", **course), NOW) is Standing.ACCEPTED


# --- the first line ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "pending", "words"),
    [
        ({}, 0, "no targets"),
        ({Standing.ACCEPTED: 1}, 0, "accepted"),
        ({Standing.ACCEPTED: 1500}, 0, "all 1,500 accepted"),
        ({Standing.REFUSED: 2, Standing.ACCEPTED: 3}, 0, "2 refused"),
        ({Standing.UNKNOWN: 1, Standing.ATTENTION: 1}, 0, "1 cannot tell, 1 needs a person"),
        (
            {Standing.REFUSED: 1, Standing.UNKNOWN: 2, Standing.ATTENTION: 3},
            0,
            "1 refused, 2 cannot tell, 3 need a person",
        ),
        ({Standing.UNKNOWN: 10_000}, 10_000, "10,000 not checked yet"),
        (
            {Standing.UNKNOWN: 3, Standing.ATTENTION: 1, Standing.ACCEPTED: 9},
            2,
            "1 cannot tell, 1 needs a person, 2 not checked yet",
        ),
    ],
)
def test_the_first_line_tells_the_state_worst_first(counts, pending, words):
    assert headline(counts, sum(counts.values()), pending) == words


def test_the_counts_are_of_all_targets_whatever_is_filtered():
    found = listing(thirty(), NOW, read_query({"q": "production"}), 500)
    assert (found.total, found.matching) == (30, 1)
    assert dict(found.counts) == {
        Standing.REFUSED: 2,
        Standing.UNKNOWN: 1,
        Standing.ATTENTION: 2,
        Standing.ACCEPTED: 25,
    }
    assert found.worst is Standing.REFUSED
    assert breakdown(found.counts) == "2 refused, 1 cannot tell, 2 need a person, 25 accepted"


def test_a_target_not_checked_yet_is_no_reason_to_worry_and_is_told_as_such():
    found = listing([target("a", Status.PENDING), target("b")], NOW, Query(), 500)
    assert found.pending == 1
    assert headline(found.counts, found.total, found.pending) == "1 not checked yet"


# --- the order --------------------------------------------------------------------------------------------------------


def test_the_worst_come_first_and_among_them_what_changed_last():
    fleet = [
        target("fine"),
        target("old-refusal", Status.REVOKED, since=7200),
        target("ending", Status.EXPIRING),
        target("away", Status.UNREACHABLE, since=10),
        target("new-refusal", Status.REVOKED, since=60),
    ]
    assert shown(fleet) == ["new-refusal", "old-refusal", "away", "ending", "fine"]
    assert shown(fleet, sort="-worst")[-1] == "new-refusal"


def test_of_those_that_cannot_be_told_the_ones_that_were_refused_before_come_first():
    refused = target("z", Status.UNREACHABLE, told=PRODUCTION.verdict, since=9000)
    assert shown([target("a", Status.UNREACHABLE, since=5), refused]) == ["z", "a"]


def test_names_are_sorted_as_people_count():
    fleet = [target(name) for name in ("t10", "T2", "t1", "a", "t2b", "t")]
    assert shown(fleet, sort="name") == ["a", "t", "t1", "T2", "t2b", "t10"]
    assert shown(fleet, sort="-name") == ["t10", "t2b", "T2", "t1", "t", "a"]


def test_the_soonest_expiry_comes_first_and_what_never_expires_last():
    fleet = [target("never"), target("late", ends_in=900.0), target("soon", ends_in=9.0), target("over", ends_in=-9.0)]
    assert shown(fleet, sort="expires") == ["over", "soon", "late", "never"]


def test_the_latest_change_comes_first_when_sorted_by_since():
    fleet = [target("a", since=100.0), target("b", since=5.0), target("c", since=50.0)]
    assert shown(fleet, sort="since") == ["b", "c", "a"]


def test_accounts_are_sorted_and_unknown_ones_come_last():
    fleet = [target("a", account=None), target("b", account="zoe"), target("c", account="Adam")]
    assert shown(fleet, sort="account") == ["c", "b", "a"]


@pytest.mark.parametrize("order", Order)
def test_every_order_shows_the_same_targets(order):
    fleet = many(300)
    assert sorted(shown(fleet, sort=order)) == sorted(report.name for report in fleet)
    assert sorted(shown(fleet, sort=f"-{order}")) == sorted(report.name for report in fleet)


# --- the filter -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("production", ["production"]),
        ("PAYMENTS-ci", ["eu-west-payments"]),
        ("was deleted", ["production"]),
        ("deleted codefresh-2025-11", ["production"]),
        ("deleted nobody", []),
        ("argocd.edge-08.example.com", ["edge-08"]),
        ("stand account_disabled", []),
        ("account_disabled", ["eu-west-payments"]),
        ("cannot tell", ["edge-08"]),
    ],
)
def test_every_word_must_be_found_in_what_is_told_of_a_target(text, names):
    assert shown(thirty(), q=text) == names


@pytest.mark.parametrize("standing", Standing)
def test_one_class_can_be_looked_at_alone(standing):
    found = listing(thirty(), NOW, read_query({"class": standing}), 500)
    assert {told for told, _ in found.shown} == {standing}
    assert len(found.shown) == found.counts[standing]


# --- pages ------------------------------------------------------------------------------------------------------------


def test_a_large_fleet_is_shown_in_pages_and_what_is_left_out_is_counted():
    found = listing(many(1000), NOW, Query(), 400)
    assert (found.pages, found.page, found.first, len(found.shown)) == (3, 1, 1, 400)
    assert dict(found.unseen) == {Standing.ACCEPTED: 600}
    last = listing(many(1000), NOW, Query(page=3), 400)
    assert (last.first, len(last.shown)) == (801, 200)
    assert sum(last.unseen.values()) == 800
    assert last.unseen[Standing.REFUSED] == found.counts[Standing.REFUSED]


def test_the_pages_together_show_every_target_once():
    fleet = many(1000)
    seen = [name for page in (1, 2, 3) for name in shown(fleet, page=str(page), rows=400)]
    assert sorted(seen) == sorted(report.name for report in fleet)


@pytest.mark.parametrize("page", ["9999", "4"])
def test_a_page_behind_the_last_is_the_last(page):
    assert listing(many(1000), NOW, read_query({"page": page}), 400).page == 3


def test_others_get_their_turn_while_ten_thousand_are_looked_at():
    pauses = []
    listing(many(1000) * 10, NOW, Query(), 500, lambda: pauses.append(1))
    assert len(pauses) >= 40


# --- what was asked ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "nonsense",
    [
        {"class": "nope", "sort": "nope", "page": "nope"},
        {"class": "REFUSED", "sort": "--name", "page": "-1"},
        {"class": "", "sort": "-", "page": "0", "live": ""},
        {"page": "٣"},
        {"page": "1" * 400},
        {"sort": "-" * 400},
    ],
)
def test_what_is_not_understood_counts_as_not_asked(nonsense):
    assert read_query(nonsense) == Query()


@given(
    text=st.text(max_size=20),
    standing=st.sampled_from([None, *Standing]),
    order=st.sampled_from(Order),
    turned=st.booleans(),
    page=st.integers(1, 50),
    live=st.booleans(),
)
def test_an_address_leads_back_to_its_query(text, standing, order, turned, page, live):
    text = read_query({"q": text}).text
    asked = Query(text, standing, order, turned, page, live)
    assert _read(asked.address(page=page)) == asked
    assert _read(asked.of_class(Standing.REFUSED)) == replace(asked, standing=Standing.REFUSED, page=1)
    assert _read(asked.moving(live=False)) == replace(asked, live=False)
    assert _read(asked.by(order)) == replace(asked, turned=not turned, page=1)
    assert _read(asked.by(Order.ACCOUNT)).order is Order.ACCOUNT


@pytest.mark.parametrize("name", HOSTILE)
def test_an_address_has_no_character_that_means_something_in_html(name):
    assert re.fullmatch(r"\./(\?[A-Za-z0-9%+._~=&-]*)?", read_query({"q": name}).address())


def test_what_is_looked_for_is_bounded_and_printable():
    text = read_query({"q": "a\x00\u202e" + "b" * 5000}).text
    assert len(text) == MAX_TEXT
    assert text.startswith("a\\x00\\u202eb")


def _read(address):
    return read_query(dict(parse_qsl(address.removeprefix("./").removeprefix("?"), keep_blank_values=True)))
