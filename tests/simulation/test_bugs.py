"""The simulation bites: each deliberate bug is found within a fixed number of seeds."""

from __future__ import annotations

import pytest
from simulation.bugs import BUGS
from simulation.run import run

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.mark.parametrize("name", BUGS)
def test_a_deliberate_bug_is_found(name: str) -> None:
    bug = BUGS[name]
    with bug.let_in():
        assert any(run(seed).violation for seed in bug.seeds), f"{name}: {bug.about}"
