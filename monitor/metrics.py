"""Every metric of the product, in one place: a table of declarations, and one class that fills them.

A row with `of` is about a target: its samples are made from the targets' reports anew at each scrape, so a target
that is gone leaves no series behind. One with `among` is about this replica among those that share the targets, likewise.
A row without either is kept in the registry. To add a metric, add a row.
The rows about targets are written as text here and not through prometheus_client's families: 10,000 targets are
130,000 lines, for which the families take four times as long (0.8 s and 0.2 s of CPU, measured).
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
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

from monitor.core.replicas import NOT_ASKED, Said
from monitor.core.report import EFFECTS_THAT_FAIL, STOOD_DOWN, RotationReport, TargetReport
from monitor.core.status import Kind, Status
from monitor.core.text import printable
from monitor.core.whole import SHARES, Whole

PREFIX = "tokenmonitor_"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_LABEL = 200
# Targets that are worked on before other things get their turn: the loop while the reports are taken, the
# interpreter's lock while text is made of them.
SLICE = 250
# Long enough to really hand over the interpreter's lock (a pause of zero does not), short enough to cost nothing.
YIELD = 0.0002

CANNOT_TELL = tuple(s for s in Status if s.kind is Kind.UNKNOWN and s is not Status.PENDING)

# One sample: the values of the labels after `target`, and the value.
Sample = tuple[tuple[str, ...], float]
Samples = Callable[[TargetReport], Iterable[Sample]]


class Type(enum.StrEnum):
    """What Prometheus calls the type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One row. `name` is without the prefix; `labels` with `target` first in a row that has `of`, all in one with `among`."""

    name: str
    type: Type
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    of: Samples | None = None
    among: Callable[[Whole], Iterable[Sample]] | None = None

    @property
    def full_name(self) -> str:
        """The name as it is scraped."""
        return PREFIX + self.name


def _info(report: TargetReport) -> Iterable[Sample]:
    verdict = report.verdict
    return [((report.server, verdict.account or "", report.mode.value, verdict.token_id or ""), 1.0)]


def _status(report: TargetReport) -> Iterable[Sample]:
    return [((report.verdict.status.value,), 1.0)]


def _accepted(report: TargetReport) -> Iterable[Sample]:
    return _known(None if report.told is None else report.told.accepted)


def _failures(report: TargetReport) -> Iterable[Sample]:
    failures = report.failures_by_status
    return [((status.value,), float(failures.get(status, 0))) for status in CANNOT_TELL]


def _replicas(report: TargetReport) -> Iterable[Sample]:
    replicas = report.replicas
    if replicas is None:
        return ()
    asked = [((said.value,), float(replicas.count(said))) for said in Said]
    return [*asked, ((NOT_ASKED,), float(max(0, replicas.total - len(replicas.voices))))]


def _rotation(samples: Callable[[RotationReport], Iterable[Sample]]) -> Samples:
    """Samples of a target's rotation; none where nothing is rotated."""

    def of(report: TargetReport) -> Iterable[Sample]:
        return () if report.rotation is None else samples(report.rotation)

    return of


def _rotation_failures(rotation: RotationReport) -> Iterable[Sample]:
    return [((reason,), float(rotation.failures.get(reason, 0))) for reason in EFFECTS_THAT_FAIL]


def _rotation_state(rotation: RotationReport) -> Iterable[Sample]:
    return [((STOOD_DOWN if rotation.stood_down else rotation.state.value,), 1.0)]


def _slots(whole: Whole) -> Iterable[Sample]:
    own = float(whole.own.slot is not None)
    return [(("this",), own), (("other",), float(len(whole.others))), (("nobody",), float(whole.free))]


def _slot_held(whole: Whole) -> Iterable[Sample]:
    return () if whole.own.slot is None else [((str(whole.own.slot),), 1.0)]


def _known(value: float | None) -> Iterable[Sample]:
    """No series while the value is not known."""
    return () if value is None else [((), float(value))]


# The contract with users' alerts and dashboards: add, never rename (design.md, "What the outside sees").
METRICS: tuple[Metric, ...] = (
    Metric("build_info", Type.GAUGE, "Version of Token Monitor that runs; the value is always 1.", ("version",)),
    Metric("targets", Type.GAUGE, "Number of configured targets, also those that other replicas check."),
    Metric(
        "config_last_reload_successful",
        Type.GAUGE,
        "Whether the configuration and the certificates that it names can be used as they are by now (1) or not (0); what"
        " cannot be used leaves the old in force.",
    ),
    Metric(
        "discovery_errors",
        Type.GAUGE,
        "Discovered targets that cannot be used as they are, by where they were looked for; the log and /status name them.",
        ("source",),
    ),
    Metric(
        "check_duration_seconds",
        Type.HISTOGRAM,
        "How long one whole check took, from reading the credential to the verdict.",
        buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    ),
    Metric(
        "schedule_lateness_seconds",
        Type.HISTOGRAM,
        "How much later than due a check started. When this grows, the monitor itself lacks CPU.",
        buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0),
    ),
    Metric(
        "shard_share",
        Type.GAUGE,
        "1 for what this replica checks of the targets: part, everything (the Leases cannot be used), spare (nothing, since"
        " every slot is held by another one) or undecided (it has just started); no series where nothing is shared.",
        ("share",),
        among=lambda whole: [((share,), float(share == whole.share)) for share in SHARES],
    ),
    Metric(
        "shard_slot_held",
        Type.GAUGE,
        "1 for the slot that this replica holds; no series where it holds none.",
        ("slot",),
        among=_slot_held,
    ),
    Metric(
        "shard_slots",
        Type.GAUGE,
        "Slots of the replicas that share the targets, by who holds them: this replica, another one, or nobody.",
        ("holder",),
        among=_slots,
    ),
    Metric(
        "shard_targets",
        Type.GAUGE,
        "Targets that this replica checks, of all that are configured; no series where they are not shared.",
        among=lambda whole: _known(whole.own.targets),
    ),
    Metric(
        "shard_silent_replicas",
        Type.GAUGE,
        "Other replicas that hold a slot and did not answer when this one asked them last; /status says why.",
        among=lambda whole: _known(sum(bool(other.silence) for other in whole.others)),
    ),
    Metric(
        "notifications_total",
        Type.COUNTER,
        "Requests with alerts that were sent to an Alertmanager directly.",
        ("alertmanager",),
    ),
    Metric(
        "notification_failures_total",
        Type.COUNTER,
        "Requests with alerts that an Alertmanager did not take, wholly or in part.",
        ("alertmanager",),
    ),
    Metric(
        "token_info",
        Type.GAUGE,
        "What the token is: its server, account, kind of credential and id; the value is always 1.",
        ("target", "server", "account", "auth_type", "token_id"),
        of=_info,
    ),
    Metric(
        "token_status",
        Type.GAUGE,
        "1 for the present status of the token; other statuses have no series.",
        ("target", "status"),
        of=_status,
    ),
    Metric(
        "token_accepted",
        Type.GAUGE,
        "Whether Argo CD accepted the token (1) or refused it (0) at the last check that could tell.",
        ("target",),
        of=_accepted,
    ),
    Metric(
        "token_verified_timestamp_seconds",
        Type.GAUGE,
        "When a check could last tell whether the token is accepted.",
        ("target",),
        of=lambda report: _known(report.verified_at),
    ),
    Metric(
        "token_expiration_timestamp_seconds",
        Type.GAUGE,
        "When the token expires; no series for a token that never does.",
        ("target",),
        of=lambda report: _known(report.verdict.expires_at),
    ),
    Metric(
        "token_issued_timestamp_seconds",
        Type.GAUGE,
        "When the token was issued.",
        ("target",),
        of=lambda report: _known(report.verdict.issued_at),
    ),
    Metric(
        "checks_total",
        Type.COUNTER,
        "Checks that ended.",
        ("target",),
        of=lambda report: _known(report.checks),
    ),
    Metric(
        "check_failures_total",
        Type.COUNTER,
        "Checks that could not tell whether the token is accepted, by the status that says why.",
        ("target", "reason"),
        of=_failures,
    ),
    Metric(
        "anonymous_access",
        Type.GAUGE,
        "Whether the server answers without any credential (1) or not (0); no series until it is known.",
        ("target",),
        of=lambda report: _known(report.anonymous_access),
    ),
    Metric(
        "server_replicas",
        Type.GAUGE,
        "Replicas of the Argo CD server by what each answers about the token (accepted, refused, unknown: it could not be"
        " asked, not_asked); all 0 while none is known, and only for targets with everyReplica.",
        ("target", "answer"),
        of=_replicas,
    ),
    Metric(
        "rotations_total",
        Type.COUNTER,
        "Keys that were replaced, from the first one that the journal knows.",
        ("target",),
        of=_rotation(lambda rotation: _known(rotation.rotations)),
    ),
    Metric(
        "rotation_failures_total",
        Type.COUNTER,
        "Steps of rotations that were refused or got no answer, by the step.",
        ("target", "reason"),
        of=_rotation(_rotation_failures),
    ),
    Metric(
        "rotation_consecutive_failures",
        Type.GAUGE,
        "Attempts to rotate that failed in a row, kept across restarts; 0 when the last one succeeded.",
        ("target",),
        of=_rotation(lambda rotation: _known(rotation.failing)),
    ),
    Metric(
        "rotation_state",
        Type.GAUGE,
        "1 for the present state of the rotation (stood_down: another writer has the Secret); others have no series.",
        ("target", "state"),
        of=_rotation(_rotation_state),
    ),
    Metric(
        "rotation_last_success_timestamp_seconds",
        Type.GAUGE,
        "When a key was last replaced and its predecessor retired.",
        ("target",),
        of=_rotation(lambda rotation: _known(rotation.rotated_at)),
    ),
    Metric(
        "rotation_drill_last_success_timestamp_seconds",
        Type.GAUGE,
        "When a fire drill last made, proved and deleted a key.",
        ("target",),
        of=_rotation(lambda rotation: _known(rotation.drilled_at)),
    ),
    Metric(
        "live_keys",
        Type.GAUGE,
        "Keys on the account that the monitor made and that may be alive.",
        ("target",),
        of=_rotation(lambda rotation: _known(rotation.live_keys)),
    ),
    Metric(
        "other_keys",
        Type.GAUGE,
        "Keys on the account that the monitor did not make and that have not ended, in password mode; it deletes none.",
        ("target",),
        of=lambda report: _known(report.other_keys),
    ),
    Metric(
        "login_failures_total",
        Type.COUNTER,
        "Logins that Argo CD refused or whose answer was lost, kept across restarts.",
        ("target",),
        of=_rotation(lambda rotation: _known(rotation.login_failures)),
    ),
)
TARGET_METRICS = tuple(metric for metric in METRICS if metric.of is not None)
SHARED_METRICS = tuple(metric for metric in METRICS if metric.among is not None)
OWN_METRICS = tuple(metric for metric in METRICS if metric.of is None and metric.among is None)


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
