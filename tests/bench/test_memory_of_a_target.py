"""A target does not become larger unseen: two fleets side by side, whose difference is what each target adds."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from bench.fleet import bench_fleet
from bench.results import Options


@pytest.mark.slow
@pytest.mark.long
async def test_a_target_adds_no_more_memory_than_was_promised(tmp_path: Path) -> None:
    results = await asyncio.to_thread(bench_fleet.run, Options(short=True, folder=tmp_path))
    figure = next(figure for figure in results.figures if figure.name == "memory of a target")
    assert figure.value > 5, "so small is none: something else was measured"
    assert figure.holds, f"{figure.value:.1f} KiB a target, more than {figure.at_most}"
