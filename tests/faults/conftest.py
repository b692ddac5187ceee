"""For the faults that need the whole outside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.behaviour.conftest import SHORT
from tests.behaviour.service import Outside, outside


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Outside]:
    """What the service stands between, over sockets."""
    async with outside(tmp_path) as found:
        yield found


@pytest.fixture
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a service in the test's own process."""
    for name, seconds in SHORT.items():
        monkeypatch.setattr(name, seconds)
