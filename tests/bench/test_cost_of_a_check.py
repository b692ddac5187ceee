"""A change that makes each check twice as costly does not land unseen: a ratio of CPU times, with the margin that noise needs."""

from __future__ import annotations

import pytest
import uvloop
from bench.check.guard import LIMIT, Cost, measure

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def cost() -> Cost:
    return uvloop.run(measure())


def test_a_check_costs_no_more_than_it_did(cost: Cost) -> None:
    assert cost.once <= LIMIT, (
        f"a whole check costs {cost.once:.2f} bare aiohttp GETs, of which {LIMIT} are allowed (0.82 when this was written): "
        "`make bench ARGS=cpu` shows it, docs/benchmark.md what a check is made of"
    )


def test_a_check_that_does_its_work_twice_is_noticed(cost: Cost) -> None:
    assert cost.twice > LIMIT
