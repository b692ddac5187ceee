"""Durations are read as people write them, and a slip is refused rather than guessed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor.config.durations import parse, written


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (15, 15), (0, 0), (0.5, 0.5), ("15", 15), ("500ms", 0.5), ("15s", 15), ("1m30s", 90), ("2h", 7200),
        ("30d", 2_592_000), ("1.5h", 5400), ("1d2h3m4s5ms", 93784.005), ("0s", 0),
    ],
)  # fmt: skip
def test_a_duration_is_read(text: object, seconds: float) -> None:
    assert parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "s", "ms", "15 s", "-5", -5, "30s1m", "1m1m", "1w", "1M", "٣s", "1e3", True, None, [], math.nan, math.inf, 10**400],
)  # fmt: skip
def test_what_is_no_duration_is_refused(text: object) -> None:
    assert parse(text) is None


@given(st.integers(min_value=0, max_value=10**11))
def test_a_written_duration_is_read_back(milliseconds: int) -> None:
    seconds = parse(written(milliseconds / 1000))
    assert seconds is not None
    assert abs(seconds - milliseconds / 1000) < 1e-6
