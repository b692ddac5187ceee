"""Every metric of the product as a table of declarations, with where the value of each comes from.

A row with `of` is about a target: its samples are made from the targets' reports anew at each scrape, so a target that is
gone leaves no series behind. One with `among` is about this replica among those that share the targets, likewise. A row
without either is filled by `monitor.metrics`. To add a metric, add a row.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from monitor.core.replicas import NOT_ASKED, Said
from monitor.core.report import EFFECTS_THAT_FAIL, STOOD_DOWN, RotationReport, TargetReport
from monitor.core.status import Kind, Status
from monitor.core.whole import SHARES, Whole

PREFIX = "tokenmonitor_"
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
        "How long one whole check took, from reading the credential to the verdict, with the wait for its turn at the server.",
        buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0),
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
