"""An answer or a request that is lost at any call, and another writer at any write: unknown is neither done nor failed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.rotation_process import Lever
from tests.services.rotation_stories import STORIES, check_end, told, undisturbed
from tests.services.rotation_world import quietly


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quietly():
        yield


@pytest.mark.parametrize("lever", [Lever.LOSE_ANSWER, Lever.LOSE_REQUEST], ids=["answer", "request"])
@pytest.mark.parametrize("name", STORIES)
def test_whatever_is_lost_the_rotation_ends_in_order(name: str, lever: Lever) -> None:
    story = STORIES[name]
    for number, call in enumerate(undisturbed(story)):
        if lever is Lever.LOSE_REQUEST and call.startswith(("ask", "read", "GET", "look")):
            continue  # the same as a lost answer
        world, process = told(story, {number: lever})
        try:
            check_end(world, story)
            assert world.journal().reverts == 0, "a lost answer is no writer who undid anything"
        except AssertionError as error:
            error.add_note(f"after {process.pulled}")
            raise


@pytest.mark.parametrize("name", STORIES)
def test_whoever_gets_in_between_the_rotation_ends_in_order(name: str) -> None:
    story = STORIES[name]
    for number, call in enumerate(undisturbed(story)):
        if not call.startswith("write"):
            continue
        world, process = told(story, {number: Lever.INTERFERE})
        try:
            check_end(world, story)
        except AssertionError as error:
            error.add_note(f"after {process.pulled}")
            raise


@pytest.mark.parametrize("name", STORIES)
def test_a_request_that_lands_when_nobody_waits_for_it_any_more_does_no_harm(name: str) -> None:
    story = STORIES[name]
    for number, call in enumerate(undisturbed(story)):
        if not call.startswith(("POST /api/v1/account", "DELETE", "write", "restart")):
            continue
        world, process = told(story, {number: Lever.LAND_LATER})
        try:
            check_end(world, story)
        except AssertionError as error:
            error.add_note(f"after {process.pulled}")
            raise


@pytest.mark.parametrize("name", STORIES)
def test_a_journal_that_was_written_without_an_answer_costs_no_second_key(name: str) -> None:
    """What was minted is in the journal then, and nowhere else: it is looked for before it is given up."""
    story = STORIES[name]
    undisturbed_world, process = told(story)
    for number, call in enumerate(process.calls):
        if call != "write journal":
            continue
        world, _process = told(story, {number: Lever.LOSE_ANSWER})
        check_end(world, story)
        assert len(world.used_ids) == len(undisturbed_world.used_ids), number
