"""The demo's story holds together: it tells of every target there is, and nothing that a reader could not follow."""

from __future__ import annotations

import re
from pathlib import Path

from monitor.core.status import Kind, Status
from monitor.demo.password_mode import EVENTS
from monitor.demo.stage import ACCOUNTS, write_private
from monitor.demo.story import ALL, STORY


def test_it_tells_of_the_targets_that_there_are() -> None:
    assert set(ALL) == set(ACCOUNTS)
    assert all(set(scene.told) <= set(ACCOUNTS) for scene in STORY)


def test_it_begins_and_ends_well() -> None:
    for scene in (STORY[0], STORY[-1]):
        assert set(scene.told.values()) == {Status.VALID}


def test_it_shows_refusals_and_what_cannot_be_told() -> None:
    shown = {status for scene in STORY for status in scene.told.values()}
    assert {status.kind for status in shown} >= {Kind.ACCEPTED, Kind.REFUSED, Kind.UNKNOWN}
    assert len(shown) >= 7


def test_every_scene_has_a_title_of_its_own() -> None:
    titles = [scene.title for scene in STORY] + [event.title for event in EVENTS]
    assert len(set(titles)) == len(titles)
    assert all(re.match(r"[A-Z]", title) for title in titles)


def test_a_consumer_is_refused_in_no_event_that_is_not_about_a_refusal() -> None:
    assert [event.title for event in EVENTS if not event.refusals] == [
        "A person asks for a new key: the old one lives until the new one is in use"
    ]


def test_credentials_are_written_for_their_owner_only_and_at_once(tmp_path: Path) -> None:
    write_private(tmp_path / "token", "first")
    write_private(tmp_path / "token", "second")
    assert (tmp_path / "token").read_text() == "second\n"
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["token"]
