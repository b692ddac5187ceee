"""A process that dies, or is asked to end, at any of its calls: the next one goes on, and nothing is lost or left over."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from monitor.core.journal import State

from tests.services.rotation_process import Lever
from tests.services.rotation_stories import STORIES, Story, check_end, told, undisturbed
from tests.services.rotation_world import World, quietly

MUTATIONS = ("POST", "DELETE", "write", "restart")
ENDS = (Lever.DIE_BEFORE, Lever.DIE_AFTER, Lever.CANCEL_BEFORE, Lever.CANCEL_AFTER)
LOSSES = (Lever.LOSE_REQUEST, Lever.LOSE_ANSWER, Lever.INTERFERE)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quietly():
        yield


@pytest.mark.parametrize("name", STORIES)
def test_undisturbed_it_ends_in_order(name: str) -> None:
    world, process = told(STORIES[name])
    check_end(world, STORIES[name])
    assert len(process.calls) > 10


def test_the_stories_go_through_every_state() -> None:
    assert set().union(*(told(story)[0].states() for story in STORIES.values())) == set(State)


@pytest.mark.parametrize("lever", [Lever.DIE_AFTER, Lever.CANCEL_AFTER], ids=["dies", "is asked to end"])
@pytest.mark.parametrize("name", STORIES)
def test_a_process_that_ends_at_any_call_loses_nothing(name: str, lever: Lever) -> None:
    story = STORIES[name]
    for number, call in enumerate(undisturbed(story)):
        world, process = told(story, {number: lever})
        assert process.pulled, f"{number} {call}"
        check(world, story, process.pulled)


@pytest.mark.parametrize("name", STORIES)
def test_a_process_that_ends_before_an_effect_loses_nothing(name: str) -> None:
    story = STORIES[name]
    for number, call in enumerate(undisturbed(story)):
        if call.startswith(MUTATIONS):
            world, process = told(story, {number: Lever.DIE_BEFORE})
            check(world, story, process.pulled)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", STORIES)
def test_processes_that_end_one_after_the_other_among_other_mishaps_lose_nothing(name: str, seed: int) -> None:
    story, chance = STORIES[name], random.Random(f"{name} {seed}")
    length = len(undisturbed(story))
    for _ in range(12):
        lives = [
            {chance.randrange(length): chance.choice(ENDS), chance.randrange(length): chance.choice(LOSSES)}
            for _ in range(chance.randint(2, 4))
        ]
        world, _process = told(story, *lives)
        check(world, story, lives)


def check(world: World, story: Story, what: object) -> None:
    try:
        check_end(world, story)
    except AssertionError as error:
        error.add_note(f"after {what}")
        raise
