"""Tells Alertmanagers directly what fires, for those without Prometheus' rules.

`tick` looks at every target, lets the core decide, and starts what has to be sent; it returns without waiting for that.
Each Alertmanager has a courier of its own, which sends one request at a time: a slow one delays no other, and gets the
newest state when its turn comes. What was told by the process before this one is asked of the Alertmanagers
themselves, once, at the start. When the monitor ends, nothing is told as over: another process goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence, Set
from typing import Protocol

import structlog

from monitor.core.alert_conditions import CONDITIONS, CONFIG_REJECTED, AlertKey, Sight
from monitor.core.alert_texts import Wording, outgoing
from monitor.core.alerting import Firing, Phase, Resolved, advance, recalled, removed, step, terms_of
from monitor.core.alerts import Thresholds
from monitor.core.delivery import (
    MAX_BATCH,
    MAX_ROUND,
    SLOWEST_REQUEST,
    Accepted,
    Active,
    Failed,
    Told,
    Unacceptable,
    due,
    is_told,
    lasting,
    pace,
    pause,
)
from monitor.core.report import TargetReport
from monitor.metrics import SLICE, snapshot
from monitor.ports import AlertSink, Clock

log = structlog.get_logger(__name__)

# How often `tick` is to be called, in seconds.
TICK = 5.0
# Alerts whose beginning and end are logged one by one at each `tick`; of more, only how many.
MAX_LOGGED = 50
# So many alerts that an Alertmanager refuses, one by one, before it is left alone for a while.
MAX_REFUSED = 20


class Counter(Protocol):
    """Who is told of each request with alerts: the metrics."""

    def notified(self, alertmanager: str, *, accepted: bool) -> None:
        """After each request."""
        ...


class Notifier:
    """All direct alerts of the process.

    reports: every target as it stands. configuration_ok: whether the last reading of the configuration succeeded.
    elsewhere: the targets that another replica tells of. One that went there is forgotten without a word, so that nothing is
    called over that fires on; one that came from there is asked for in what the Alertmanagers hold.
    """

    def __init__(
        self,
        clock: Clock,
        reports: Callable[[], Iterable[TargetReport]],
        sinks: Sequence[AlertSink],
        wording: Wording,
        thresholds: Thresholds,
        counter: Counter,
        configuration_ok: Callable[[], bool] = lambda: True,
        elsewhere: Callable[[], Set[str]] = frozenset,
    ) -> None:
        self._clock = clock
        self._reports = reports
        self._elsewhere = elsewhere
        self._were_elsewhere: Set[str] = frozenset()
        self._thresholds = thresholds
        self._configuration_ok = configuration_ok
        self._wording = wording
        self._phases: dict[AlertKey, Phase] = {}
        # Since when a target is known that could not be verified yet.
        self._seen: dict[str, float] = {}
        self._names: set[str] = set()
        self._logged = 0
        self._not_logged: dict[str, int] = {}
        self._couriers = tuple(_Courier(sink, clock, wording, self._phases, counter, self._recall) for sink in sinks)
        self._forget_at = clock.monotonic() + thresholds.gap
        self._reaches_somebody = True

    async def tick(self) -> None:
        """Judges every target, and starts what has to be sent."""
        await self._judge()
        for courier in self._couriers:
            courier.wake(recalls=self._clock.monotonic() < self._forget_at)
        reaches = any(courier.works for courier in self._couriers)
        if not reaches and self._reaches_somebody:
            log.error("no Alertmanager can be told: alerts reach nobody", remedy="see the warnings about each of them")
        self._reaches_somebody = reaches

    async def close(self, grace: float) -> None:
        """Ends: what is under way is cancelled and waited for, `grace` seconds at most. Nothing is told as over."""
        await asyncio.gather(*(courier.close(grace) for courier in self._couriers))

    async def _judge(self) -> None:
        self._logged, self._not_logged = 0, {"fires": 0, "is over": 0}
        reports = await snapshot(self._reports)
        for count, report in enumerate(reports, start=1):
            self._take_in(dict(advance(self._phases, self._sight(report))))
            if count % SLICE == 0:
                await asyncio.sleep(0)
        self._names = {report.name for report in reports}
        self._hand_over()
        now = self._clock.now()
        self._take_in(dict(removed(self._phases, self._names, now, self._thresholds)))
        self._seen = {name: seen for name, seen in self._seen.items() if name in self._names}
        self._judge_configuration(now)
        for what, write in (("fires", log.warning), ("is over", log.info)):
            if count := self._not_logged[what]:
                write(f"alert {what}, of many targets at once", alerts=count, see="/healthz, /status")

    def _hand_over(self) -> None:
        """Forgets what went to another replica, and asks for what came from one."""
        elsewhere = self._elsewhere() - self._names
        for key in [key for key in self._phases if key.target in elsewhere]:
            del self._phases[key]
        if self._names & self._were_elsewhere:
            self._forget_at = self._clock.monotonic() + self._thresholds.gap
            for courier in self._couriers:
                courier.recall()
        self._were_elsewhere = elsewhere

    def _sight(self, report: TargetReport) -> Sight:
        now = self._clock.now()
        if report.verified_at is None:
            return Sight(report, now, self._seen.setdefault(report.name, now), self._thresholds)
        self._seen.pop(report.name, None)
        return Sight(report, now, now, self._thresholds)

    def _judge_configuration(self, now: float) -> None:
        terms = terms_of(CONFIG_REJECTED.name, self._thresholds)
        phase = step(self._phases.get(CONFIG_REJECTED), not self._configuration_ok(), now, terms, now)
        self._take_in({CONFIG_REJECTED: phase})

    def _take_in(self, changes: dict[AlertKey, Phase | None]) -> None:
        for key, phase in changes.items():
            before = self._phases.get(key)
            if phase is None:
                self._phases.pop(key, None)
            else:
                self._phases[key] = phase
            if isinstance(phase, Firing) and not isinstance(before, Firing):
                self._log("fires", key, log.warning)
            elif isinstance(phase, Resolved) and isinstance(before, Firing):
                self._log("is over", key, log.info)

    def _log(self, what: str, key: AlertKey, write: Callable[..., None]) -> None:
        """Of 10,000 targets that are refused at once, the log must not get as many lines."""
        if self._logged < MAX_LOGGED:
            self._logged += 1
            write(f"alert {what}", **_named(key))
        else:
            self._not_logged[what] += 1

    def _recall(self, found: Sequence[Active]) -> None:
        """Takes over what an Alertmanager was told before this process was there, of the targets that it has."""
        ours = {_identity(self._wording.labels(key)): key for key in self._possible(found)}
        for alert in found:
            key = ours.get(_identity(alert.labels))
            if key is not None:
                before = self._phases.get(key)
                self._phases[key] = recalled(before, alert.starts_at, alert.annotations)
                if not isinstance(before, Firing):
                    log.info("alert fires on", **_named(key))

    def _possible(self, found: Sequence[Active]) -> Iterable[AlertKey]:
        yield CONFIG_REJECTED
        for name in {alert.labels.get("target", "") for alert in found} & self._names:
            yield from (condition.key(name) for condition in CONDITIONS)


class _Courier:
    """Tells one Alertmanager, one request at a time."""

    def __init__(
        self,
        sink: AlertSink,
        clock: Clock,
        wording: Wording,
        phases: dict[AlertKey, Phase],
        counter: Counter,
        recall: Callable[[Sequence[Active]], None],
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._wording = wording
        self._phases = phases
        self._counter = counter
        self._recall = recall
        self._recalled = False
        self._told: dict[AlertKey, Told] = {}
        self._failures = 0
        self._refused = 0
        self._request_takes = SLOWEST_REQUEST
        self._not_before = 0.0
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def works(self) -> bool:
        """Whether the last request arrived, as far as is known."""
        return self._failures == 0

    def recall(self) -> None:
        """What this Alertmanager holds is to be asked for again."""
        self._recalled = False

    def wake(self, *, recalls: bool) -> None:
        """Starts what has to be done, if nothing is under way. recalls: it is early enough to ask what was told before."""
        if self._closed or self._task is not None or self._clock.monotonic() < self._not_before:
            return
        self._recalled = self._recalled or not recalls
        self._told = {key: told for key, told in self._told.items() if key in self._phases}
        if not self._recalled or self._due():
            self._task = asyncio.create_task(self._run(), name=f"tell {self._sink.name}")

    async def close(self, grace: float) -> None:
        """Ends what is under way."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=grace)

    def _due(self, most: int = MAX_BATCH) -> Sequence[AlertKey]:
        return due(self._phases, self._told, self._clock.monotonic(), self._wording.resend, most)

    async def _run(self) -> None:
        try:
            await self._work()
        except asyncio.CancelledError:
            raise
        except Exception:
            # A defect of ours with one Alertmanager must not end what the others are told.
            log.exception("telling failed", alertmanager=self._sink.name)
            self._failed("a defect of the monitor: report it, with the log")
        finally:
            self._task = None

    async def _work(self) -> None:
        self._refused = 0
        if not self._recalled:
            found = await self._sink.active()
            if not isinstance(found, Failed):
                self._works()
                self._recalled = True
                self._recall(found)
            elif not self._due():
                self._failed(found.why)
        while keys := self._due(MAX_ROUND):
            for start in range(0, len(keys), MAX_BATCH):
                if not await self._tell(keys[start : start + MAX_BATCH]):
                    return
                self._recalled = True  # it can be told, but not asked: what it knows expires by itself

    async def _tell(self, keys: Sequence[AlertKey]) -> bool:
        """Tells it of these; a batch of which it refuses something, in halves. False: there is no use in going on."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        phases = {key: self._phases[key] for key in keys if key in self._phases}
        lasts = lasting(len(self._phases), self._request_takes, self._wording.resend)
        alerts = [alert for key, phase in phases.items() if (alert := outgoing(key, phase, now, self._wording, lasts))]
        if not alerts:
            return True
        receipt = await self._sink.tell(alerts)
        self._request_takes = pace(self._request_takes, self._clock.monotonic() - monotonic)
        self._counter.notified(self._sink.name, accepted=isinstance(receipt, Accepted))
        match receipt:
            case Accepted():
                self._note(phases, monotonic, refused=False)
                self._works()
                return True
            case Failed(why):
                self._failed(why)
                return False
            case Unacceptable(why):
                self._works()
                return await self._halve(phases, why, monotonic)

    async def _halve(self, phases: dict[AlertKey, Phase], why: str, monotonic: float) -> bool:
        keys = tuple(phases)
        if len(keys) > 1:
            middle = len(keys) // 2
            return await self._tell(keys[:middle]) and await self._tell(keys[middle:])
        self._note(phases, monotonic, refused=True)
        self._refused += 1
        log.error(
            "alert refused by Alertmanager; it is tried again later, alone",
            alertmanager=self._sink.name,
            **_named(keys[0]),
            why=why,
            remedy="check alertmanager.labels; if they are right, report this as a defect",
        )
        if self._refused >= MAX_REFUSED:
            self._failed(f"refuses one alert after the other: {why}")
        return self._refused < MAX_REFUSED

    def _note(self, phases: dict[AlertKey, Phase], monotonic: float, *, refused: bool) -> None:
        for key, phase in phases.items():
            firing = is_told(phase)
            if firing is not None:
                self._told[key] = Told(firing, monotonic, refused)

    def _works(self) -> None:
        if self._failures:
            log.info("Alertmanager can be told again", alertmanager=self._sink.name)
        self._failures = 0

    def _failed(self, why: str) -> None:
        self._failures += 1
        self._not_before = self._clock.monotonic() + pause(self._failures, self._wording.resend)
        if self._failures == 1:
            log.warning("this Alertmanager cannot be told", alertmanager=self._sink.name, problem=why)


def _identity(labels: object) -> frozenset[tuple[str, str]]:
    return frozenset(labels.items()) if isinstance(labels, dict) else frozenset()


def _named(key: AlertKey) -> dict[str, str | None]:
    return {"alert": key.name.value, "severity": key.severity.value, "target": key.target}
