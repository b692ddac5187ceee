"""For every test."""

from __future__ import annotations

import asyncio

# Here already: a test that becomes another user may not read where Python is.
import concurrent.futures.thread  # noqa: F401
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.leftovers"]

# On Python 3.11 pytest-asyncio leaves a loop behind when sync and async tests share a session, and its warning would
# fail whichever test the garbage collector happens to run in.
asyncio.set_event_loop(None)

# A busy machine is no defect of the product. (Where the variable CI is set, Hypothesis has a profile for that itself.)
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# `make fuzz`: for hours rather than for the moments of an everyday run.
settings.register_profile("fuzz", max_examples=5000, deadline=None)


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A test that runs a command sets the log up for the whole process; the next one finds it as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
