"""The metrics as they are kept and scraped: one class that fills the rows of `core/metric_table`, and their text.

Rows about the process are kept in the registry; those about targets and about this replica are made anew at each scrape.
Those about targets are written as text here and not through prometheus_client's families: 10,000 targets are 130,000
lines, for which the families take four times as long (0.8 s and 0.2 s of CPU, measured).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from monitor.core.metric_table import OWN_METRICS, SHARED_METRICS, TARGET_METRICS, Metric, Type
from monitor.core.report import TargetReport
from monitor.core.text import printable
from monitor.core.whole import Whole

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_LABEL = 200
# Targets that are worked on before other things get their turn: the loop while the reports are taken, the
# interpreter's lock while text is made of them.
SLICE = 250
# Long enough to really hand over the interpreter's lock (a pause of zero does not), short enough to cost nothing.
YIELD = 0.0002


class HasDuration(Protocol):
    """A verdict, as far as metrics look at it."""

    @property
    def duration(self) -> float:
        """Seconds that the check took."""
        ...


class HasVerdict(Protocol):
    """The result of a check, as far as metrics look at it (`monitor.services.checker.Checked` is one)."""

    @property
    def verdict(self) -> HasDuration:
        """What was found."""
        ...


class Metrics:
    """Keeps and renders the metrics. It is told of checks (`checked`), and reads the targets when it is scraped."""

    def __init__(self, registry: CollectorRegistry, version: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a `_created` series beside each would double them
        self._registry = registry
        self._reports: Callable[[], Iterable[TargetReport]] = tuple
        self._whole: Callable[[], Whole | None] = lambda: None
        self._configured: Callable[[], int] | None = None
        self._rendering: asyncio.Task[bytes] | None = None
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        own = {metric.name: _registered(metric, registry) for metric in OWN_METRICS}
        self._targets = _gauge(own["targets"])
        self._reload = _gauge(own["config_last_reload_successful"])
        self._duration = _histogram(own["check_duration_seconds"])
        self._lateness = _histogram(own["schedule_lateness_seconds"])
        self._discovery_errors = _gauge(own["discovery_errors"])
        self._notifications = _counter(own["notifications_total"])
        self._notification_failures = _counter(own["notification_failures_total"])
        _gauge(own["build_info"]).labels(version).set(1)
        self.reloaded(successful=True)  # without a readable configuration the process would not be here

    def attach(
        self,
        reports: Callable[[], Iterable[TargetReport]],
        whole: Callable[[], Whole | None] = lambda: None,
        configured: Callable[[], int] | None = None,
    ) -> None:
        """Says where the reports of this replica's targets come from. whole: the replicas, where they share the targets.

        configured: how many targets there are in all; by default those that are reported.
        """
        self._reports, self._whole, self._configured = reports, whole, configured

    def checked(self, name: str, checked: HasVerdict, lateness: float) -> None:
        """After each check (`monitor.services.fleet.Listener`)."""
        self._duration.observe(checked.verdict.duration)
        self._lateness.observe(lateness)

    def reloaded(self, *, successful: bool) -> None:
        """After each reading of the configuration."""
        self._reload.set(1 if successful else 0)

    def discovery_errors(self, source: str, count: int) -> None:
        """So many of a source's targets cannot be used as they are (`monitor.services.discovery.Errors`)."""
        self._discovery_errors.labels(source).set(count)

    def expect_notifications(self, alertmanagers: Iterable[str]) -> None:
        """Starts the counters of each at zero: a series that appears with its first failure shows no increase."""
        for name in alertmanagers:
            self._notifications.labels(name)
            self._notification_failures.labels(name)

    def notified(self, alertmanager: str, *, accepted: bool) -> None:
        """After each request with alerts (`monitor.services.notifier.Counter`)."""
        self._notifications.labels(alertmanager).inc()
        if not accepted:
            self._notification_failures.labels(alertmanager).inc()

    async def render(self) -> bytes:
        """The text of a scrape. Scrapes at the same time share one rendering."""
        if self._rendering is None:
            self._rendering = asyncio.create_task(self._render(), name="render metrics")
            self._rendering.add_done_callback(self._rendered)
        return await asyncio.shield(self._rendering)

    async def _render(self) -> bytes:
        reports = await snapshot(self._reports)
        self._targets.set(self._configured() if self._configured is not None else len(reports))
        return await asyncio.to_thread(self._text, reports, self._whole())

    def _rendered(self, task: asyncio.Task[bytes]) -> None:
        self._rendering = None
        if not task.cancelled():
            task.exception()  # seen here also when every scraper gave up waiting

    def _text(self, reports: Sequence[TargetReport], whole: Whole | None) -> bytes:
        return b"".join((generate_latest(self._registry), *shared_lines(whole), *target_lines(reports)))


async def snapshot(reports: Callable[[], Iterable[TargetReport]]) -> Sequence[TargetReport]:
    """All reports, taken in slices between which the loop does other things: 10,000 in one go would hold it 50 ms."""
    taken: list[TargetReport] = []
    try:
        for report in reports():
            taken.append(report)
            if len(taken) % SLICE == 0:
                await asyncio.sleep(0)
    except RuntimeError:  # the targets were changed under the iteration: this once, all in one go
        return tuple(reports())
    return taken


def shared_lines(whole: Whole | None) -> Iterator[bytes]:
    """The families about this replica among others; without samples where the targets are not shared."""
    for metric in SHARED_METRICS:
        samples = () if whole is None or metric.among is None else metric.among(whole)
        lines = [f"{metric.full_name}{_labelled(metric.labels, values)} {value!r}\n" for values, value in samples]
        yield (_head(metric) + "".join(lines)).encode()


def _labelled(names: Sequence[str], values: Sequence[str]) -> str:
    pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def target_lines(reports: Sequence[TargetReport]) -> Iterator[bytes]:
    """The families about targets in Prometheus' text format 0.0.4. Made for a thread of its own."""
    names = [_escaped(report.name) for report in reports]
    for metric in TARGET_METRICS:
        yield _head(metric).encode()
        for start in range(0, len(reports), SLICE):
            chunk = slice(start, start + SLICE)
            yield "".join(_lines(metric, names[chunk], reports[chunk])).encode()
            if start:
                time.sleep(YIELD)  # in a thread: the event loop gets the interpreter's lock


def _lines(metric: Metric, names: Sequence[str], reports: Sequence[TargetReport]) -> Iterator[str]:
    samples = metric.of
    if samples is None:
        return
    lead = f'{metric.full_name}{{target="'
    labels = metric.labels[1:]
    for name, report in zip(names, reports, strict=True):
        for values, value in samples(report):
            rest = "".join([f',{label}="{_escaped(v)}"' for label, v in zip(labels, values, strict=True)])
            yield f'{lead}{name}"{rest}}} {value!r}\n'


def _head(metric: Metric) -> str:
    words = metric.help.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {metric.full_name} {words}\n# TYPE {metric.full_name} {metric.type}\n"


def _escaped(value: str) -> str:
    """A label's value: bounded and printable, escaped for the format, and never a token."""
    if len(value) > MAX_LABEL or not value.isprintable():
        value = printable(value, MAX_LABEL)
    if "eyJ" in value:  # how the base64 of a JSON object begins: the first part of every JWT
        value = "***"
    if "\\" in value or '"' in value:
        value = value.replace("\\", r"\\").replace('"', r"\"")
    return value


def _registered(metric: Metric, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    match metric.type:
        case Type.COUNTER:
            return Counter(metric.full_name, metric.help, metric.labels, registry=registry)
        case Type.GAUGE:
            return Gauge(metric.full_name, metric.help, metric.labels, registry=registry)
        case Type.HISTOGRAM:
            return Histogram(metric.full_name, metric.help, metric.labels, buckets=metric.buckets, registry=registry)


def _counter(instrument: Counter | Gauge | Histogram) -> Counter:
    if not isinstance(instrument, Counter):
        raise TypeError(f"{instrument} is declared as something else than a counter")
    return instrument


def _gauge(instrument: Counter | Gauge | Histogram) -> Gauge:
    if not isinstance(instrument, Gauge):
        raise TypeError(f"{instrument} is declared as something else than a gauge")
    return instrument


def _histogram(instrument: Counter | Gauge | Histogram) -> Histogram:
    if not isinstance(instrument, Histogram):
        raise TypeError(f"{instrument} is declared as something else than a histogram")
    return instrument
