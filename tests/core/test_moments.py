"""Times as people say them."""

from __future__ import annotations

import pytest
from monitor.core.moments import relative, span

DAY = 86_400.0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (45.9, "45 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (2 * DAY - 1, "47 h"),
        (12.9 * DAY, "12 d"),
        (4000 * DAY, "4000 d"),
    ],
)
def test_a_length_of_time_is_said_in_the_unit_that_fits(seconds: float, said: str) -> None:
    assert span(seconds) == said


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (None, "-"),
        (1000.0, "now"),
        (1000.9, "now"),
        (1000 - 3 * 3600, "3 h ago"),
        (1000 + 12 * DAY, "in 12 d"),
        (1600, "in 10 min"),
        (960, "40 s ago"),
    ],
)
def test_a_time_is_said_as_seen_from_now(moment: float | None, said: str) -> None:
    assert relative(moment, 1000.0) == said
