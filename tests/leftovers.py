"""No test leaves a task behind that waits for ever.

Such a task ends when Python happens to collect the garbage: its `finally` runs, and asyncio complains in the log, in the
middle of some other test, which fails for it once in a hundred runs. So the garbage of each test is collected with it,
and what is said then is its own. A plugin of pytest, loaded by conftest.py.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Generator

import pytest


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """What was there before stays, so that the look after the test is at what came with it: all else would take 0.1 s."""
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Once its fixtures are gone, too."""
    yield
    kept, log = _Kept(), logging.getLogger("asyncio")
    log.addHandler(kept)
    try:
        gc.collect()
    finally:
        log.removeHandler(kept)
    if kept.lines:
        pytest.fail(
            f"{item.nodeid} left something behind that nobody waits for:\n" + "\n".join(kept.lines), pytrace=False
        )
