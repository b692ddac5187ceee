"""`token-monitor demo --once`: the whole of it, as a person runs it."""

from __future__ import annotations

import asyncio
import re
import signal
import sys

import pytest
from monitor.demo.password_mode import EVENTS
from monitor.demo.story import STORY

from tests.behaviour.process import environment

pytestmark = pytest.mark.slow

# No promises: what never comes shall end the test.
LONGEST = 600.0
ENDS_WITHIN = 60.0


@pytest.mark.long
async def test_it_ends_with_0_and_says_the_counts() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "monitor", "demo", "--once"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    async with asyncio.timeout(LONGEST):
        out, errors = (part.decode() for part in await process.communicate())
    assert process.returncode == 0, out[-3000:]
    assert "Every event was told rightly." in out
    assert "✗" not in out
    assert errors == ""
    assert not re.search(r"eyJ[\w-]{8,}\.|the (first|second|third) password", out), "a credential is on the screen"
    for title in (*(scene.title for scene in STORY), *(event.title for event in EVENTS)):
        assert f"• {title}\n" in out
    counts = re.findall(r"consumer +(\d+) calls, (\d+) failed", out)
    assert len(counts) == len(EVENTS)
    assert all(int(calls) > 0 for calls, _ in counts)
    on_demand = next(number for number, event in enumerate(EVENTS) if not event.refusals)
    assert counts[on_demand][1] == "0"


def _can_be_interrupted() -> None:
    """A shell without job control lets what it runs in the background ignore SIGINT, these tests and their children too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


async def test_without_once_it_goes_on_until_somebody_ends_it() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "monitor", "demo"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
        preexec_fn=_can_be_interrupted,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(LONGEST):
            while "The monitor starts" not in (line := (await process.stdout.readline()).decode()):
                assert line, "it ended"
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(ENDS_WITHIN):
            _, errors = await process.communicate()
        assert process.returncode == 0
        assert b"Traceback" not in errors, errors
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
