"""The journal: what is written is read back; what is damaged, or newer, is never guessed at."""

from __future__ import annotations

import contextlib
import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor.core.budget import LoginBudget
from monitor.core.journal import (
    CLOCKS_DIFFER,
    MAX_OWNED,
    OUR_KEYS,
    Journal,
    JournalError,
    Purpose,
    State,
    Tombstone,
    dump,
    load,
)
from monitor.core.secret import Secret

from tests.core.samples import DAY, NOW

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJ0bS0xIn0.k3Vd0m9Zt1q-7YwXb2HnLr8sPa"
FULL = Journal(
    state=State.GRACE,
    purpose=Purpose.REPLACE,
    reason="the token ends soon",
    key_id="tm-2",
    token=Secret(TOKEN),
    account="ci",
    old_id="tm-1",
    old_account="ci",
    old_live=True,
    began_at=NOW - 60,
    entered_at=NOW - 30,
    published_at=NOW - 40,
    verified_at=NOW - 50,
    attempts=2,
    undone=1,
    not_restarted="not permitted",
    old_consumers=("deployment/a (pod a-1)",),
    told_at=NOW - 5,
    owned=("tm-1", "tm-2", "tm-3"),
    tombstones=(Tombstone("tm-3", NOW - 600),),
    current="tm-2",
    replaced="tm-1",
    sweep_at=NOW + 10,
    reverts=1,
    reverted_at=NOW - 20,
    overtaken_at=NOW - DAY,
    vanished=2,
    stood_down="",
    failures=3,
    retry_at=NOW + 60,
    error="the answer was lost",
    rotations=7,
    rotated_at=NOW - DAY,
    drilled_at=NOW - 2 * DAY,
    left_alone="by-hand",
    left_account="admin",
    by="abc",
    epoch=42,
    logins=LoginBudget((NOW - 1000.0,), "f1", NOW - 900.0, 4),
)


def spoilt(**changes: object) -> str:
    return json.dumps({**json.loads(dump(FULL)), **changes})


def test_what_is_written_is_read_back() -> None:
    assert load(dump(FULL)) == FULL
    assert load(dump(Journal())) == Journal()
    assert {f.name for f in fields(Journal) if getattr(FULL, f.name) == getattr(Journal(), f.name)} <= {
        "purpose",
        "stood_down",
    }


def test_a_journal_of_before_keys_that_vanish_were_counted_is_read() -> None:
    values = json.loads(dump(FULL))
    del values["vanished"]
    assert load(json.dumps(values)).vanished == 0


@given(
    st.builds(
        Journal,
        state=st.sampled_from(State),
        purpose=st.sampled_from(Purpose),
        reason=st.text(),
        token=st.none() | st.text(min_size=1).map(Secret),
        owned=st.lists(st.text().map(OUR_KEYS.__add__)).map(tuple),
        tombstones=st.lists(st.builds(Tombstone, st.text(), st.floats(0, 1e10))).map(tuple),
        error=st.text(),
        retry_at=st.floats(0, 1e10),
        rotated_at=st.none() | st.floats(0, 1e10),
        logins=st.builds(LoginBudget, st.lists(st.floats(0, 1e10)).map(tuple), st.none() | st.text()),
    )
)
def test_any_journal_is_read_back(journal: Journal) -> None:
    assert load(dump(journal)) == journal


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_place_is_a_journal_at_rest(text: str) -> None:
    assert load(text) == Journal()


def test_the_journal_of_a_newer_monitor_is_left_alone() -> None:
    with pytest.raises(JournalError, match=r"newer version.*run that version again; or.*then empty the journal$"):
        load(spoilt(version=2))
    with pytest.raises(JournalError, match="another version"):
        load(spoilt(version="1"))


DAMAGED: dict[str, Any] = {
    "a state of nobody's": {"state": "Half Way"},
    "a state that is no text": {"state": ["idle"]},
    "a purpose of nobody's": {"purpose": ""},
    "a token that is no text": {"token": 5},
    "an empty token": {"token": ""},
    "ids as one text, which would come apart into letters": {"owned": "tm-1"},
    "ids that are no texts": {"owned": [1, None]},
    "a tombstone without a time": {"tombstones": [{"id": "tm-1"}]},
    "a tombstone with a text for a time": {"tombstones": [{"id": "tm-1", "since": "now"}]},
    "a time that is a text": {"retry_at": "soon"},
    "a time that is a truth": {"entered_at": True},
    "a time larger than any float": {"entered_at": 10**400},
    "a time without end": {"sweep_at": float("inf")},
    "a time that is no number": {"began_at": float("nan")},
    "attempts in parts": {"attempts": 1.5},
    "a count without end": {"failures": 10**30},
    "a truth that is a number": {"old_live": 1},
    "an error that is no text": {"error": None},
    "consumers as one text": {"old_consumers": "a"},
    "no logins": {"logins": None},
    "logins with a text for a time": {"logins": {"failures": ["x"], "refused": None, "refused_at": 0.0, "total": 0}},
    "logins that are a list": {"logins": ["failures"]},
    "a tombstone that is a text": {"tombstones": ["tm-1"]},
}


# A newer version may have more fields, states and purposes; what they mean is not known here.
OF_A_NEWER_VERSION: dict[str, tuple[dict[str, Any], str]] = {
    "a field": ({"spared_until": {"tm-1": NOW}}, "spared_until"),
    "several fields": ({"d": 1, "c": 1, "b": 1, "a": 1}, "a, b, c"),
    "a field of logins": ({"logins": {"failures": [], "slowed": 1}}, "slowed"),
    "a field of a tombstone": ({"tombstones": [{"id": "tm-1", "since": NOW, "seen_by": "x"}]}, "seen_by"),
    "a field whose name must not be shown": ({TOKEN: 1}, "another"),
    "a state": ({"state": "half_way"}, "half_way"),
    "a purpose": ({"purpose": "rehearsal"}, "rehearsal"),
}


@pytest.mark.parametrize(("changes", "unknown"), OF_A_NEWER_VERSION.values(), ids=OF_A_NEWER_VERSION.keys())
def test_what_a_newer_version_wrote_is_told_as_such_with_what_to_do_and_is_not_guessed_at(
    changes: dict[str, object], unknown: str
) -> None:
    with pytest.raises(JournalError) as caught:
        load(spoilt(**changes))
    assert str(caught.value) == (
        f"the journal was written by a newer version of the monitor (this one does not know: {unknown}), so nothing is"
        " rotated: run that version again; or, to stay with this one, delete the keys that nobody uses (`argocd account"
        " get`, ids tm-...), then empty the journal"
    )


@pytest.mark.parametrize("nothing", [None, False, 0, 0.0, "", [], {}], ids=repr)
def test_a_field_of_a_newer_version_that_says_nothing_is_passed_over(nothing: object) -> None:
    logins = {**json.loads(dump(FULL))["logins"], "slowed": nothing}
    assert load(spoilt(spared_until=nothing, logins=logins)) == FULL


def test_the_default_of_every_field_says_nothing_so_that_older_versions_may_pass_over_it() -> None:
    """A new field whose default says something would make each journal unreadable after a downgrade."""
    values = json.loads(dump(Journal()))
    needed = {"version", "state", "purpose"}
    assert {name for name, value in values.items() if value} == needed | {"logins"}
    assert not any(values["logins"].values())


@pytest.mark.parametrize("changes", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_value_is_told_with_what_to_do_and_without_the_token(changes: dict[str, object]) -> None:
    with pytest.raises(JournalError) as caught:
        load(spoilt(**changes))
    assert "damaged" in str(caught.value)
    assert "then delete the journal" in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "text", ["{", "null", "[]", "5", '"text"', "{}", '{"version": 1}', "[" * 100_000, '{"version": ' + "1" * 5000 + "}"]
)
def test_what_is_no_journal_is_damaged(text: str) -> None:
    with pytest.raises(JournalError, match=r"delete the journal$"):
        load(text)


def test_a_journal_with_a_key_that_is_not_ours_is_damaged() -> None:
    # Who can write a journal would otherwise have any key of the account deleted by us.
    with pytest.raises(JournalError, match="damaged"):
        load(dump(replace(FULL, owned=("tm-1", "by-hand"))))


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_no_text_ends_the_reading_otherwise(text: str) -> None:
    with contextlib.suppress(JournalError):
        load(text)


@given(
    st.sampled_from(sorted(json.loads(dump(FULL)))),
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5),
)
def test_a_value_of_any_kind_is_either_sound_or_damaged(name: str, value: object) -> None:
    try:
        journal = load(spoilt(**{name: value}))
    except JournalError:
        return
    assert journal.is_ahead_of(NOW) in (True, False)
    assert load(dump(journal)) == journal


def test_nothing_of_a_token_is_shown() -> None:
    assert TOKEN not in repr(FULL)


def test_the_journal_stays_small_whatever_is_owned() -> None:
    journal = Journal()
    for n in range(1000):
        journal = journal.owning(f"tm-{n}")
    assert len(journal.owned) == MAX_OWNED
    assert journal.owned[-1] == "tm-999"


def test_an_id_is_owned_once_and_forgotten_with_its_tombstone() -> None:
    journal = Journal(tombstones=(Tombstone("tm-1", NOW),)).owning("tm-1").owning("tm-2").owning("tm-1")
    assert journal.owned == ("tm-2", "tm-1")
    assert journal.without("tm-1") == Journal(owned=("tm-2",))


def test_of_two_keys_in_doubt_neither_is_forgotten_for_the_other_and_each_is_noted_once() -> None:
    doubted = Journal().doubting("tm-1", NOW - 60).doubting("tm-2", NOW - 30).doubting("tm-1", NOW)
    assert doubted.tombstones == (Tombstone("tm-2", NOW - 30), Tombstone("tm-1", NOW))


def test_at_rest_nothing_is_pending() -> None:
    rest = FULL.at_rest(NOW)
    assert (rest.state, rest.key_id, rest.token, rest.old_id, rest.old_consumers) == (State.IDLE, None, None, None, ())
    assert rest.owned == FULL.owned
    assert rest.logins == FULL.logins


FUTURE = replace(
    FULL, began_at=NOW + DAY, entered_at=NOW + DAY, retry_at=NOW + DAY, sweep_at=NOW + DAY, rotated_at=NOW + DAY
)


def test_a_clock_that_was_put_back_leaves_no_time_in_the_future() -> None:
    assert FUTURE.is_ahead_of(NOW)
    mended = FUTURE.after_a_clock_jump(NOW)
    assert not mended.is_ahead_of(NOW)
    assert mended.entered_at == NOW
    assert mended.retry_at <= NOW + 6 * 3600.0


@pytest.mark.parametrize(
    "changes",
    [
        {name: NOW + CLOCKS_DIFFER + 1}
        for name in (
            [
                "began_at",
                "entered_at",
                "published_at",
                "verified_at",
                "told_at",
                "reverted_at",
                "overtaken_at",
                "rotated_at",
                "drilled_at",
            ]
        )
    ]
    + [
        {"tombstones": (Tombstone("tm-3", NOW + DAY),)},
        {"logins": LoginBudget((NOW + DAY,))},
        {"logins": LoginBudget(refused_at=NOW + DAY)},
        {"retry_at": NOW + DAY},
        {"sweep_at": NOW + 31 * DAY},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_no_time_in_the_future_is_overlooked(changes: dict[str, Any]) -> None:
    ahead = replace(FULL, **changes)
    assert ahead.is_ahead_of(NOW)
    assert not ahead.after_a_clock_jump(NOW).is_ahead_of(NOW)


def test_clocks_of_replicas_may_differ_a_little() -> None:
    assert not FULL.is_ahead_of(NOW - 20)
    assert not replace(FULL, entered_at=NOW + CLOCKS_DIFFER).is_ahead_of(NOW)


def test_a_clock_that_is_put_forward_ends_nothing_that_protects_anybody() -> None:
    moved = FULL.after_a_leap(DAY, NOW + DAY)
    assert moved.began_at == FULL.began_at + DAY
    assert moved.entered_at == FULL.entered_at + DAY
    assert moved.told_at == FULL.told_at + DAY
    assert replace(FULL, told_at=0.0).after_a_leap(DAY, NOW + DAY).told_at == 0.0, "nobody was told"
    assert moved.sweep_at == FULL.sweep_at + DAY
    assert moved.tombstones[0].since == FULL.tombstones[0].since + DAY
    assert moved.logins.failures == (FULL.logins.failures[0] + DAY,)
    assert not moved.is_ahead_of(NOW + DAY)
    assert replace(FULL, sweep_at=0.0).after_a_leap(DAY, NOW + DAY).sweep_at == 0.0
    assert (
        not replace(FULL, sweep_at=NOW + 6 * 3600.0).after_a_leap(90 * DAY, NOW + 90 * DAY).is_ahead_of(NOW + 90 * DAY)
    )


@pytest.mark.parametrize("failures", [0, 3])
@pytest.mark.parametrize("state", [state for state in State if state not in (State.IDLE, State.INTENT)])
def test_a_clock_that_was_put_back_makes_no_step_wait_for_as_long_as_it_was_wrong(state: State, failures: int) -> None:
    """The state may be so old that the next try alone shows that the clock was put back."""
    for since in (NOW - 10.0, NOW - DAY):
        journal = Journal(state=state, failures=failures, entered_at=since, retry_at=NOW + 30.0)
        now = NOW - 3600.0
        assert journal.is_ahead_of(now)
        assert journal.after_a_clock_jump(now).retry_at <= now + 120.0


def test_a_clock_that_was_put_back_makes_a_pause_after_a_failure_no_longer_than_it_was() -> None:
    failed = Journal(failures=2, entered_at=NOW, retry_at=NOW + 120.0)
    now = NOW - 3600.0
    assert failed.after_a_clock_jump(now).retry_at == now + 120.0
    busy = Journal(entered_at=NOW - DAY, retry_at=NOW + 60.0)
    assert busy.is_ahead_of(now)
    assert busy.after_a_clock_jump(now).retry_at <= now + 120.0
    assert not replace(failed, failures=20, entered_at=NOW - DAY, retry_at=NOW + 6 * 3600.0).is_ahead_of(NOW)


def test_a_key_that_is_spared_for_as_long_as_the_configuration_allows_is_no_clock_that_jumped() -> None:
    assert not replace(FULL, sweep_at=NOW + 30 * DAY).is_ahead_of(NOW)
    assert not replace(FULL, sweep_at=NOW + 600.0).is_ahead_of(NOW - CLOCKS_DIFFER, 600.0)


def test_a_clock_that_was_put_back_spares_no_key_for_longer_than_the_configuration_asks_for() -> None:
    spared = replace(FULL, sweep_at=NOW + 600.0)
    now = NOW - 3600.0
    assert spared.is_ahead_of(now, 600.0)
    mended = spared.after_a_clock_jump(now, 600.0)
    assert mended.sweep_at == now + 600.0
    assert not mended.is_ahead_of(now, 600.0)
