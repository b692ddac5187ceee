"""The rotations of all targets: which is due, which runs, and what people are told of each.

`tick` starts what is due and returns at once. A rotation runs only where this replica leads, and one that runs begins
no further effect once it leads no more. That saves work and nothing else: between replicas the journal's
compare-and-swap decides. Due times are monotonic, so that no clock that is set delays anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from monitor.core.report import RotationReport
from monitor.ports import Clock
from monitor.services.rotator import Rotator, Sight

log = structlog.get_logger(__name__)

# Only so many at the same time: a changed signing key must not become a storm of logins and writes.
MAX_AT_ONCE = 10
# A rotation that is asked for by a change of verdict waits this long, so that the change is not half seen.
SETTLE = 0.5
AFTER_DEFECT = 60.0
# However long a rotation says that it can wait, it is looked at this often.
LONGEST_PAUSE = 300.0
NEVER = float("inf")


class Rotations:
    """Runs rotators when they are due. `sight` tells what the regular checks know of a target."""

    def __init__(self, clock: Clock, sight: Callable[[str], Sight | None], leads: Callable[[], bool]) -> None:
        self._clock = clock
        self._sight = sight
        self._leads = leads
        self._rotators: dict[str, Rotator] = {}
        self._due: dict[str, float] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    def set_rotators(self, rotators: Mapping[str, Rotator]) -> None:
        """Makes these the rotated targets; one that runs is left to its end."""
        now = self._clock.monotonic()
        unchanged = {name for name, rotator in rotators.items() if self._rotators.get(name) is rotator}
        self._due = {name: self._due[name] if name in unchanged else now for name in rotators}
        self._rotators = dict(rotators)

    def rotator(self, name: str) -> Rotator | None:
        """The rotator of a target, to be kept while its settings stay the same."""
        return self._rotators.get(name)

    def wake(self, name: str) -> None:
        """Something about the target changed: look at it soon."""
        if name in self._rotators:
            self._due[name] = min(self._due[name], self._clock.monotonic() + SETTLE)

    def demand(self, name: str) -> None:
        """A person asks for a new key. A target that is not rotated is passed over."""
        if name in self._rotators:
            self._rotators[name].demand()
            self.wake(name)

    async def tick(self) -> None:
        """Starts what is due."""
        if not self._leads():
            return
        now = self._clock.monotonic()
        for name, due in sorted(self._due.items(), key=lambda item: item[1]):
            if due > now or len(self._running) >= MAX_AT_ONCE:
                break
            if name in self._running:
                continue
            self._due[name] = NEVER
            self._running[name] = asyncio.create_task(self._run(name, self._rotators[name]), name=f"rotate {name}")

    def report(self, name: str) -> RotationReport | None:
        """What is known of a target's rotation; None where nothing is rotated."""
        rotator = self._rotators.get(name)
        return rotator.report() if rotator is not None else None

    async def close(self, grace: float) -> None:
        """Ends: what runs is cancelled and waited for, `grace` seconds at most. The journal knows the rest."""
        self._rotators, self._due = {}, {}
        for task in self._running.values():
            task.cancel()
        if self._running:
            await asyncio.wait(tuple(self._running.values()), timeout=grace)

    async def _run(self, name: str, rotator: Rotator) -> None:
        pause = AFTER_DEFECT
        try:
            until = await rotator.advance(self._sight(name) or Sight(None, None), leads=self._leads)
            pause = min(max(0.0, until - self._clock.now()), LONGEST_PAUSE)
        except asyncio.CancelledError:
            raise
        except Exception:
            # A defect of ours in one rotation harms no other.
            log.exception("rotation failed", target=name)
        finally:
            self._running.pop(name, None)
            if self._rotators.get(name) is rotator:
                self._due[name] = min(self._due[name], self._clock.monotonic() + pause)
