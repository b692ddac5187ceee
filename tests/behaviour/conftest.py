"""For the stories of the whole service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.behaviour.service import Outside, outside


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are looked at more often."""
    monkeypatch.setattr("monitor.daemon.daemon.FILE_INTERVAL", 0.2)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Outside]:
    """What the service stands between."""
    async with outside(tmp_path) as found:
        yield found
