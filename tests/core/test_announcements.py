"""What a write of the rotation's journal is worth telling beside the consumers' Secret."""

from __future__ import annotations

from dataclasses import replace

from monitor.core.announcement import MAX_NOTE, Announcement, Reason, announcements
from monitor.core.journal import Journal, State

from tests.core.rotation_samples import FOREIGN, NEW, OLD, at_rest, under_way
from tests.core.samples import NOW


def told(before: Journal, after: Journal) -> list[tuple[Reason, str]]:
    found = announcements(before, after, "production")
    assert all(isinstance(one, Announcement) and one.target == "production" for one in found)
    return [(one.reason, one.note) for one in found]


def test_a_published_key_is_announced_once() -> None:
    published = under_way(State.PUBLISHED)
    (reason, note), *more = told(under_way(State.VERIFIED), published)
    assert (reason, more) == (Reason.TOKEN_ROTATED, [])
    assert NEW in note
    assert OLD in note
    assert told(published, replace(published, epoch=1)) == []
    assert told(published, under_way(State.GRACE)) == []


def test_a_replaced_key_that_is_left_alone_is_announced_with_the_command() -> None:
    after = at_rest(left_alone=FOREIGN, left_account="ci")
    assert told(under_way(State.RETIRED), after) == [
        (
            Reason.TOKEN_ROTATED,
            "the replaced key by-hand is not the monitor's to delete and lives on:"
            " delete it with `argocd account delete-token --account ci by-hand`",
        )
    ]
    assert told(after, replace(after, epoch=1)) == []
    assert told(after, at_rest()) == [], "a person deleted it"


def test_every_failed_attempt_is_announced_and_every_retry_within_one_is_not() -> None:
    assert told(at_rest(failures=1), at_rest(failures=2, error="no room: make some")) == [
        (Reason.ROTATION_FAILED, "no new key is in use (2 times in a row): no room: make some")
    ]
    assert told(under_way(State.MINTED), under_way(State.MINTED, error="timeout")) == []


def test_a_stand_down_is_announced_as_such_and_not_as_a_failure() -> None:
    after = at_rest(failures=1, error="x", stood_down="External Secrets undid it: do this")
    assert told(under_way(State.GRACE), after) == [(Reason.STOOD_DOWN, "External Secrets undid it: do this")]
    assert told(after, replace(after, epoch=1)) == []


def test_consumers_that_still_use_the_old_key_are_announced_before_it_goes_and_when_it_does() -> None:
    grace, old = under_way(State.GRACE), ("deployment/a (pod a-1)",)
    seen = replace(grace, old_consumers=old)
    assert told(grace, seen) == []
    waiting = replace(seen, told_at=NOW)
    ((reason, note),) = told(seen, waiting)
    assert reason is Reason.OLD_KEY_IN_USE
    assert note.endswith("deployment/a (pod a-1)")
    assert told(waiting, replace(waiting, epoch=1)) == []
    ((reason, note),) = told(waiting, under_way(State.RETIRED, old_consumers=old))
    assert reason is Reason.OLD_KEY_IN_USE
    assert "deleted now" in note


def test_what_is_announced_fits_into_an_event() -> None:
    ((_, note),) = told(at_rest(), at_rest(failures=1, error="x" * 5000 + "\x1b"))
    assert len(note) <= MAX_NOTE
    assert note.isprintable()


def test_who_is_warned() -> None:
    normal = {reason for reason in Reason if not reason.warns}
    assert normal == {Reason.TOKEN_ACCEPTED, Reason.TOKEN_ROTATED}


def test_a_key_that_another_token_replaced_is_told_with_the_time_that_is_left() -> None:
    before = replace(Journal(account="ci", owned=("tm-1",), current="tm-1"), sweep_at=0.0)
    after = replace(before, current="theirs", sweep_at=1_795_000_000.0)
    (told,) = announcements(before, after, "production")
    assert told.reason is Reason.OLD_KEY_IN_USE
    assert "tm-1" in told.note
    assert "2026-11-18T11:06:40Z" in told.note
    assert announcements(before, replace(after, owned=()), "production") == ()
