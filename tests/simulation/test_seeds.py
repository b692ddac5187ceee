"""Seeds of the simulation: they hold, they are the same each time, and those that once failed are kept."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from simulation.draw import draw, plain
from simulation.run import run

# A fixed number for every day; `.ci/run` plays more.
CHUNKS, SEEDS = 8, 10
# Each showed something that did not hold, with the code of its day:
# 1480: with three keys alive and no connection, the list was asked for again and again without a pause.
# 12, 52: a lagging replica left young keys out of its list, and they were forgotten and made anew without end.
# 2435: after a clock was put back by an hour, the next look at consumers waited for that hour.
# 4158: pods that were made while GitOps had put the old token back were taken for moved, and the old key was deleted.
# 2922: a process that died later than its successor was due had none, and nobody was left to end the rotation.
# 4805: after a clock that was an hour ahead was put right, an unused key lived on for that hour.
# 6167: a login that was refused cut short the time for which the old key was promised to its consumers.
# 6214: with a corrected password, an empty Secret and no connection, a key was asked for again and again without a pause.
# 5644: a proxy listed the keys out of its cache, from before one was made, and that one was forgotten.
# And these, where rules were wrong:
# 2341, 3812: a replica of Argo CD that had lost its watch took logins and keys of an account that others knew as disabled.
# 3799: a process that had stood still for long was asked what it shows in the second in which it went on.
# 7436: a Secret that was missing was told as that, a second before replicas disagreed about the token that came.
KEPT = (12, 52, 1480, 2341, 2435, 2922, 3799, 3812, 4158, 4805, 5644, 6167, 6214, 7436)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_fixed_number_of_seeds_breaks_no_rule(chunk: int) -> None:
    for seed in range(chunk * SEEDS, (chunk + 1) * SEEDS):
        assert run(seed).violation is None, f"make simulate SEED={seed}"


@pytest.mark.parametrize("seed", [seed for seed in KEPT if seed >= CHUNKS * SEEDS] or [KEPT[0]])
def test_a_seed_that_once_failed_breaks_no_rule_any_more(seed: int) -> None:
    assert run(seed).violation is None, f"make simulate SEED={seed}"


@pytest.mark.parametrize("seed", [seed for seed in KEPT if draw(seed) != plain(seed)])
def test_a_seed_that_failed_before_it_had_more_features_holds_without_them_too(seed: int) -> None:
    assert run(seed, plain(seed)).violation is None


def test_a_seed_is_the_same_world_each_time() -> None:
    assert draw(7) == draw(7)
    assert draw(7) != draw(8)
    first, second = run(7), run(7)
    assert (first.digest, first.events) == (second.digest, second.events)
    assert first.events > 50


def test_a_seed_is_the_same_in_another_process_where_texts_hash_otherwise() -> None:
    program = "from simulation.run import run; print([run(seed).digest for seed in (3, 5)])"
    told = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
