"""For the stories of the whole service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.behaviour.service import Outside, outside

# What no story is about: how often files and rotations are looked at, and how long a refusal without a known reason
# waits for its second look.
SHORT = {
    "monitor.daemon.daemon.FILE_INTERVAL": 0.2,
    "monitor.daemon.daemon.ROTATION_INTERVAL": 0.1,
    "monitor.services.rotations.SETTLE": 0.1,
    "monitor.core.schedule.CONFIRMATION_DELAY": 0.4,
    # A busy machine may not close every connection in the moment that a process has for it; what was left open would be
    # found by the garbage collector in some later test, and fail that one. (test_process.py sees the real time.)
    "monitor.daemon.daemon.CLOSING": 30.0,
}


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in SHORT.items():
        monkeypatch.setattr(name, seconds)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Outside]:
    """What the service stands between."""
    async with outside(tmp_path) as found:
        yield found
