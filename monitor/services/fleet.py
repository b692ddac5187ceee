"""All targets of the process: who is due, who is being checked, and what is known of each.

A heap holds the due times; `dispatch` starts what is due and returns at once, so a slow target delays nobody. A
target is never checked twice at the same time. Whoever drives it (APScheduler in the daemon, a virtual clock in
tests) calls `dispatch` at `next_due`, and is told through `on_earlier` when that moves forward.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from monitor.core.history import remember
from monitor.core.model import Expectation, Verdict
from monitor.core.report import TargetReport, check_json
from monitor.core.schedule import (
    CONFIRMATION_AFTER_CHANGE,
    FIRST_CHECKS_PER_SECOND,
    Rhythm,
    aligned,
    confirmation_delay,
    first_due,
    phase_of,
    taken_over_due,
)
from monitor.core.sharding import STILL_WATCHED, TakeOver
from monitor.core.status import Kind, Status
from monitor.core.tracking import Track, advance, begin, resume
from monitor.ports import Clock
from monitor.services.checker import Checked, Checker
from monitor.services.every_replica import EveryReplica
from monitor.services.rotation_facts import Sight

log = structlog.get_logger(__name__)

# Few enough that what runs gets its turn in between: where the machine cannot keep up, checks then begin later instead
# of all at once, which would let their deadlines pass and call servers unreachable. At 100 dispatches a second this
# starts 2,500 checks.
MAX_STARTS_PER_DISPATCH = 25


@dataclass(frozen=True, slots=True)
class Target:
    """A target as the fleet runs it. Intervals in seconds. `settings` tells an unchanged target from a changed one.

    every_replica: checks it instead of `checker`, where each replica of its server is asked.
    """

    name: str
    server: str
    expected: Expectation
    interval: float
    account_interval: float
    timeout: float
    checker: Checker
    settings: object = None
    every_replica: EveryReplica | None = None

    @property
    def checked_by(self) -> Checker | EveryReplica:
        """What checks it."""
        return self.every_replica or self.checker


class Listener(Protocol):
    """Who is told of each finished check: the metrics."""

    def checked(self, name: str, checked: Checked, lateness: float) -> None:
        """After each check. `lateness`: seconds between the due time and the start."""
        ...


class _Runtime:
    """The changing part of one target."""

    __slots__ = (
        "changed_at",
        "checks",
        "due",
        "failures",
        "full_at",
        "history",
        "last",
        "other_keys",
        "problem",
        "rhythm",
        "target",
        "task",
        "track",
    )

    def __init__(self, target: Target, rhythm: Rhythm, track: Track, due: float) -> None:
        self.target = target
        self.rhythm = rhythm
        self.track = track
        self.due = due
        self.last: Checked | None = None
        self.full_at: float | None = None
        # When what decides about its token was last seen to change (monotonic).
        self.changed_at = float("-inf")
        self.task: asyncio.Task[None] | None = None
        self.checks = 0
        self.failures: Counter[Status] = Counter()
        self.history = b""
        self.other_keys: int | None = None
        self.problem = ""

    def remember(self, former: _Runtime) -> None:
        """Takes over what is known of the same credential at the same server; it is judged anew at the next check."""
        self.track = replace(former.track, suspect=False, failures=0)
        self.checks, self.failures = former.checks, former.failures
        self.history, self.problem = former.history, former.problem
        self.other_keys = former.other_keys
        asked, before = self.target.every_replica, former.target.every_replica
        if asked is not None and before is not None:
            asked.remember(before)


class Fleet:
    """Checks every target when it is due."""

    def __init__(
        self, clock: Clock, chance: Callable[[], float], listener: Listener, on_earlier: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._listener = listener
        self._on_earlier = on_earlier
        self._runtimes: dict[str, _Runtime] = {}
        self._heap: list[tuple[float, str]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._offset = 0.0
        self.dispatched_at: float | None = None

    def __len__(self) -> int:
        return len(self._runtimes)

    def align(self) -> None:
        """Lays the checks on the time of day, as it is now: several processes have the same turns for the same target then."""
        self._offset = self._clock.now() - self._clock.monotonic()

    def set_targets(
        self,
        targets: Iterable[Target],
        known: Mapping[str, TargetReport] | None = None,
        taken: TakeOver = STILL_WATCHED,
    ) -> None:
        """Makes `targets` the fleet. A changed target is checked soon.

        What is known of a target stays while its server and the place of its credential do: a new interval is no reason
        to forget since when a token is refused, or to call one that works "not checked yet".

        known: what another replica saw of those that are new here, with which they go on. taken: how they came.
        """
        wanted = {target.name: target for target in targets}
        now = self._clock.monotonic()
        for name in self._runtimes.keys() - wanted.keys():
            gone = self._runtimes.pop(name)
            if gone.task is not None:
                gone.task.cancel()
        fresh = [t for t in wanted.values() if self._is_new(t)]
        for target in fresh:
            old = self._runtimes.get(target.name)
            if old is not None and old.task is not None:
                old.task.cancel()
            report = (known or {}).get(target.name) if old is None else None
            self._runtimes[target.name] = runtime = self._begun(target, report, taken, now, len(fresh))
            if old is not None and _place(old.target) == _place(target):
                runtime.remember(old)
        # In the order of the configuration, also where a reload moved a target.
        self._runtimes = {name: self._runtimes[name] for name in wanted}
        self._heap = [(r.due, name) for name, r in self._runtimes.items() if r.task is None]
        heapq.heapify(self._heap)
        self._on_earlier()

    def next_due(self) -> float | None:
        """When `dispatch` has something to do next (monotonic seconds); None while nothing is planned."""
        while self._heap:
            due, name = self._heap[0]
            runtime = self._runtimes.get(name)
            if runtime is not None and runtime.due == due and runtime.task is None:
                return due
            heapq.heappop(self._heap)  # an entry that was overtaken by a trigger or a removal
        return None

    def trigger(self, name: str) -> None:
        """Checks one target now: something about it changed."""
        runtime = self._runtimes.get(name)
        if runtime is None or self._closing:
            return
        self._plan(runtime, self._clock.monotonic())

    def changed(self, name: str, *, full: bool = False) -> None:
        """Checks one target soon: what decides about its token was seen to change, so a refusal has its reason.

        full: with the account and the control, whenever they were last looked at.
        """
        runtime = self._runtimes.get(name)
        if runtime is None or self._closing:
            return
        now = runtime.changed_at = self._clock.monotonic()
        if full:
            runtime.full_at = None
        if runtime.track.suspect and runtime.task is None:
            # The refusal that waits for its second look has its reason now, but that look is to be at another moment.
            self._plan(runtime, min(runtime.due, now + CONFIRMATION_AFTER_CHANGE))
        else:
            self._plan(runtime, now)

    def argocd_changed(self, name: str, *, full: bool = False) -> None:
        """The same, for a change inside Argo CD: there may be many, and a pause that the server asked for is kept."""
        runtime = self._runtimes.get(name)
        if runtime is not None and runtime.track.shown.status is not Status.THROTTLED:
            self.changed(name, full=full)

    async def dispatch(self) -> None:
        """Starts the checks that are due. Returns at once."""
        now = self._clock.monotonic()
        self.dispatched_at = now
        for _ in range(MAX_STARTS_PER_DISPATCH):
            due = self.next_due()
            if due is None or due > now or self._closing:
                break
            _, name = heapq.heappop(self._heap)
            runtime = self._runtimes[name]
            task = asyncio.create_task(self._check(runtime, now - due), name=f"check {name}")
            runtime.task = task
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def reports(self) -> Iterator[TargetReport]:
        """Every target as it stands, in the order of the configuration."""
        for runtime in tuple(self._runtimes.values()):
            yield _report(runtime)

    def report(self, name: str) -> TargetReport | None:
        """One target as it stands."""
        runtime = self._runtimes.get(name)
        return _report(runtime) if runtime is not None else None

    def shown(self, name: str) -> Verdict | None:
        """The verdict that people see of a target."""
        runtime = self._runtimes.get(name)
        return _shown(runtime) if runtime is not None else None

    def sight(self, name: str) -> Sight | None:
        """What the checks know of a target's token; None while a refusal waits for its confirmation."""
        runtime = self._runtimes.get(name)
        if runtime is None or runtime.last is None or runtime.track.suspect:
            return None
        return Sight(runtime.track.shown, runtime.last.fingerprint)

    async def close(self, grace: float) -> None:
        """Ends: nothing new starts, running checks are cancelled and waited for, `grace` seconds at most."""
        self._closing = True
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=grace)

    def _is_new(self, target: Target) -> bool:
        old = self._runtimes.get(target.name)
        return old is None or old.target.settings is None or old.target.settings != target.settings

    def _begun(self, target: Target, report: TargetReport | None, taken: TakeOver, now: float, fresh: int) -> _Runtime:
        """A target before its first check here. fresh: how many begin with it."""
        rhythm = self._rhythm(target)
        soon = fresh / FIRST_CHECKS_PER_SECOND
        spread = min(soon, taken.spread) if taken.unwatched > 0.0 else soon
        if report is None or report.server != target.server or report.verdict.status is Status.PENDING:
            due = first_due(rhythm, now, spread)
            return _Runtime(target, rhythm, begin(self._clock.now()), due)
        runtime = _Runtime(target, rhythm, resume(report), taken_over_due(rhythm, now, taken.unwatched, spread))
        runtime.history = report.history
        return runtime

    def _rhythm(self, target: Target) -> Rhythm:
        return aligned(target.interval, phase_of(target.name), self._offset)

    def _plan(self, runtime: _Runtime, due: float) -> None:
        runtime.due = due
        if runtime.task is None:
            heapq.heappush(self._heap, (due, runtime.target.name))
            if self._heap[0][0] >= due:
                self._on_earlier()

    async def _check(self, runtime: _Runtime, lateness: float) -> None:
        started_due = runtime.due
        try:
            result = await self._run(runtime)
            due = self._take_in(runtime, result)
        except asyncio.CancelledError:
            raise
        except Exception:
            # A defect of ours must not end the checks of this target, nor say anything about its token.
            log.exception("check failed", target=runtime.target.name)
            due = self._clock.monotonic() + runtime.target.interval
        else:
            self._told(runtime.target.name, result, lateness)
        finally:
            runtime.task = None
        if self._runtimes.get(runtime.target.name) is runtime and not self._closing:
            # A trigger that came while the check ran saw something newer than what was judged. A second look at a
            # refusal is at another moment all the same.
            if runtime.due != started_due:
                pause = CONFIRMATION_AFTER_CHANGE if runtime.track.suspect else 0.0
                due = min(due, self._clock.monotonic() + pause)
            self._plan(runtime, due)

    def _told(self, name: str, result: Checked, lateness: float) -> None:
        try:
            self._listener.checked(name, result, lateness)
        except Exception:
            # Nor may a defect of whoever listens.
            log.exception("a finished check was not taken note of", target=name)

    async def _run(self, runtime: _Runtime) -> Checked:
        now = self._clock.monotonic()
        target, track = runtime.target, runtime.track
        full = runtime.full_at is None or now - runtime.full_at >= target.account_interval or track.suspect
        result = await target.checked_by.check(full=full, fresh=track.suspect, last=runtime.last)
        if result.proven and runtime.changed_at <= now:
            runtime.full_at = now
        elif full:
            runtime.full_at = None  # the control was not seen refused, or something changed since: look again next time
        return result

    def _take_in(self, runtime: _Runtime, result: Checked) -> float:
        before = runtime.track.shown
        now = self._clock.monotonic()
        delay = confirmation_delay(now - runtime.changed_at)
        # Jitter is for what cannot be told alone, and the machine's randomness is a call of the system.
        chance = self._chance() if result.verdict.status.kind is Kind.UNKNOWN else 0.0
        step = advance(runtime.track, result.verdict, runtime.rhythm, now, chance, delay)
        runtime.track, runtime.last = step.track, result
        runtime.checks += 1
        runtime.history = remember(runtime.history, result.verdict.status)
        if result.other_keys is not None:
            runtime.other_keys = result.other_keys
        if result.verdict.status.kind is Kind.UNKNOWN:
            runtime.failures[result.verdict.status] += 1
        self._tell(runtime, before.status, result, changed=step.changed)
        return step.due

    def _tell(self, runtime: _Runtime, before: Status, result: Checked, *, changed: bool) -> None:
        target = runtime.target
        if changed:
            say = log.info if result.verdict.status.kind is Kind.ACCEPTED else log.warning
            say("verdict changed", before=before.value, **check_json(target.name, target.server, result.verdict))
        if result.problem != runtime.problem:
            runtime.problem = result.problem
            if result.problem:
                log.warning("credential source", target=target.name, problem=result.problem)
            else:
                log.info("nothing is wrong with the credential source any more", target=target.name)


def _place(target: Target) -> tuple[str, str]:
    return target.server, target.expected.where


def _shown(runtime: _Runtime) -> Verdict:
    shown, account = runtime.track.shown, runtime.target.expected.account
    return replace(shown, account=account) if shown.account is None and account else shown


def _report(runtime: _Runtime) -> TargetReport:
    target, track = runtime.target, runtime.track
    replicas = runtime.last.replicas if runtime.last is not None else None
    problem = runtime.problem
    if replicas is not None and replicas.problem:
        problem = "; ".join(part for part in (problem, replicas.problem) if part)
    return TargetReport(
        name=target.name,
        server=target.server,
        mode=target.expected.mode,
        where=target.expected.where,
        interval=target.interval,
        timeout=target.timeout,
        verdict=_shown(runtime),
        since=track.since,
        told=track.told,
        problem=problem,
        anonymous_access=track.anonymous_access,
        checks=runtime.checks,
        failures_by_status=dict(runtime.failures),
        history=runtime.history,
        replicas=replicas,
        other_keys=runtime.other_keys,
    )
