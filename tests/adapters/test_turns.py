"""The event loop gets its turn soon while a thread works, and only then threads change so often."""

from __future__ import annotations

import sys

import pytest
from monitor.adapters import turns


def test_threads_give_way_soon_within_the_block_and_as_before_after_it() -> None:
    before = sys.getswitchinterval()
    with turns.short():
        assert sys.getswitchinterval() == pytest.approx(turns.TURN)
        assert before > turns.TURN
    assert sys.getswitchinterval() == before


def test_also_where_the_work_fails() -> None:
    before = sys.getswitchinterval()
    with pytest.raises(ValueError, match="no YAML"), turns.short():
        raise ValueError("no YAML")
    assert sys.getswitchinterval() == before
