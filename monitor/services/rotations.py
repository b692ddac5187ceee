"""The rotations of all targets: which is due, which runs, and what people are told of each.

`tick` starts what is due and returns at once. A rotation runs only where this replica leads, and one that runs begins
no further effect once it leads no more; where another leads, only the journals are read, for the reports. That saves
work and nothing else: between replicas the journal's compare-and-swap decides. Due times are monotonic, so that no
clock that is set delays anything.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Container, Hashable, Mapping
from functools import partial

import structlog

from monitor.core.journal import State
from monitor.core.report import RotationReport
from monitor.ports import Clock
from monitor.services.rotation_facts import Sight
from monitor.services.rotator import Rotator

log = structlog.get_logger(__name__)

# Only so many at the same time: a changed signing key must not become a storm of logins and writes.
MAX_AT_ONCE = 10
# A rotation that is asked for by a change of verdict waits this long, so that the change is not half seen.
SETTLE = 0.5
AFTER_DEFECT = 60.0
# However long a rotation says that it can wait, it is looked at this often.
LONGEST_PAUSE = 300.0
# Where another replica leads, a journal is read this often.
FOLLOWING = 45.0
# Of the grace at the end: for what has to be cancelled.
CANCELLING = 0.2
NEVER = float("inf")


class Rotations:
    """Runs rotators when they are due. `sight` tells what the regular checks know of a target."""

    def __init__(self, clock: Clock, sight: Callable[[str], Sight | None], leads: Callable[[], bool]) -> None:
        self._clock = clock
        self._sight = sight
        self._leads = leads
        self._rotators: dict[str, Rotator] = {}
        self._logins: dict[str, Hashable] = {}
        self._elsewhere: Container[str] = ()
        self._due: dict[str, float] = {}
        self._queue: deque[str] = deque()
        self._running: dict[str, asyncio.Task[None]] = {}
        # Who logs in as whom in this moment, kept also for one whose target is gone meanwhile.
        self._logging_in: dict[str, Hashable] = {}
        self._led = False
        self._closing = False

    def set_rotators(
        self,
        rotators: Mapping[str, Rotator],
        logins: Mapping[str, Hashable] | None = None,
        elsewhere: Container[str] = (),
    ) -> None:
        """Makes these the rotated targets; one that runs is left to its end, and begins nothing more if it is elsewhere.

        elsewhere: the targets that another replica rotates.

        logins: whom a target logs in as, where it does. Those that are equal never run at the same time: each would see
        the other's login under way and give way to it.
        """
        for name in self._rotators.keys() - rotators.keys():
            if name not in elsewhere:
                _tell_left(name, self._rotators[name].report())
        now = self._clock.monotonic()
        unchanged = {name for name, rotator in rotators.items() if self._rotators.get(name) is rotator}
        self._due = {name: self._due[name] if name in unchanged else now for name in rotators}
        self._rotators, self._logins, self._elsewhere = dict(rotators), dict(logins or {}), elsewhere

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
        now, leads = self._clock.monotonic(), self._leads()
        if leads and not self._led:
            self._due = dict.fromkeys(self._due, now)  # what the other one left undone does not wait for its turn
        self._led = leads
        due = sorted((at, name) for name, at in self._due.items() if at <= now)
        self._queue = deque(name for _, name in due)
        self._start()

    def report(self, name: str) -> RotationReport | None:
        """What is known of a target's rotation; None where nothing is rotated, and before its journal was read."""
        rotator = self._rotators.get(name)
        return rotator.report() if rotator is not None and rotator.known else None

    async def close(self, grace: float) -> None:
        """Ends, `grace` seconds at most: what runs begins nothing more, and is cancelled at last.

        A login that is under way is best seen to its end, since it counts as failed otherwise. The journal knows the rest.
        """
        self._closing = True
        self._rotators, self._due = {}, {}
        self._queue.clear()
        running = set(self._running.values())
        if running:
            _, running = await asyncio.wait(running, timeout=max(0.0, grace - CANCELLING))
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=CANCELLING)

    def _start(self) -> None:
        """Starts the next ones of those that are due, as far as there is room."""
        while self._queue and len(self._running) < MAX_AT_ONCE:
            name = self._queue.popleft()
            login = self._logins.get(name)
            busy = login is not None and login in self._logging_in.values()
            if busy or name in self._running or self._due.get(name, NEVER) > self._clock.monotonic():
                continue  # its turn comes at another tick
            self._due[name] = NEVER
            if login is not None:
                self._logging_in[name] = login
            self._running[name] = asyncio.create_task(self._run(name, self._rotators[name]), name=f"rotate {name}")

    def _may_act(self, name: str) -> bool:
        return self._leads() and not self._closing and name not in self._elsewhere

    async def _run(self, name: str, rotator: Rotator) -> None:
        pause = AFTER_DEFECT
        try:
            if self._led:
                until = await rotator.advance(
                    self._sight(name) or Sight(None, None), leads=partial(self._may_act, name)
                )
                pause = min(max(0.0, until - self._clock.now()), LONGEST_PAUSE)
            else:
                await rotator.look()
                pause = FOLLOWING
        except asyncio.CancelledError:
            raise
        except Exception:
            # A defect of ours in one rotation harms no other.
            log.exception("rotation failed", target=name)
        finally:
            self._running.pop(name, None)
            self._logging_in.pop(name, None)
            if self._rotators.get(name) is rotator:
                self._due[name] = min(self._due[name], self._clock.monotonic() + pause)
            self._start()


def _tell_left(name: str, report: RotationReport) -> None:
    """A target that was removed or renamed leaves keys on its account, and maybe one that is on its way."""
    if report.live_keys == 0 and report.state is State.IDLE:
        return
    log.warning(
        "a target is rotated no more, and keys of ours stay on its account",
        target=name,
        state=report.state.value,
        new_key=report.key_id,
        live_keys=report.live_keys,
        fix=f"give the target its name back, or see `owned` in the journal token-monitor-journal-{name}, delete those that"
        " no Secret holds with `argocd account delete-token`, then the journal",
    )
