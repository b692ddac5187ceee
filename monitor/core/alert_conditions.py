"""Which alerts one target calls for: the conditions of the alert rules (`alerts`), judged on the target's report.

Each row is one rule of the table there: the same name, severity and condition, for those who are told directly and not
through Prometheus. Two things differ, because a report says more than a sample: `None` is "cannot be told", which
neither raises nor ends an alert; and where it is known since when something holds, it has held since then.
A test plays the same stories through Prometheus and through this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from monitor.core.alert_words import ATTENTION
from monitor.core.alerts import ALERTS, SHARES, AlertName, Severity, Thresholds
from monitor.core.journal import State
from monitor.core.report import RotationReport, TargetReport
from monitor.core.status import Kind

# The new key is in the Secret: whatever failed before, it has succeeded in the end (the same list as in `alerts`).
SUCCEEDED = (State.PUBLISHED, State.ADOPTED, State.GRACE, State.RETIRED)
# A rotation of which this process knows nothing: its journal was not read yet, or another replica leads.
UNREAD = RotationReport()


class AlertKey(NamedTuple):
    """Which alert. target: None for an alert about the monitor itself."""

    target: str | None
    name: AlertName
    severity: Severity


@dataclass(frozen=True, slots=True)
class Sight:
    """One target at one moment. Times are epoch seconds. seen: since when this process knows the target."""

    report: TargetReport
    now: float
    seen: float
    thresholds: Thresholds


def _now(sight: Sight) -> float:
    return sight.now


@dataclass(frozen=True, slots=True)
class Condition:
    """One row. holds: True, False, or None where this process cannot tell; since: since when, once it holds.

    own: told by this process's own checks. The others are told by whichever replica leads: one that has nothing to say
    of them leaves them to it, instead of repeating for ever what it once knew.
    """

    name: AlertName
    severity: Severity
    holds: Callable[[Sight], bool | None]
    since: Callable[[Sight], float] = _now
    own: bool = True

    def key(self, target: str) -> AlertKey:
        """The alert of this row about `target`."""
        return AlertKey(target, self.name, self.severity)


def refused(sight: Sight) -> bool | None:
    """Argo CD refused the token at the last check that could tell: an outage neither begins nor ends that."""
    told = sight.report.told
    return None if told is None else told.accepted is False


def _refused_since(sight: Sight) -> float:
    return sight.report.since if sight.report.verdict.status.kind is Kind.REFUSED else sight.now


def expires_within(sight: Sight, threshold: str) -> bool | None:
    """Little is left of the token's time: less than the threshold, and than its share of the whole lifetime."""
    verdict = sight.report.verdict
    if verdict.expires_at is None:
        return None if verdict.status.kind is Kind.UNKNOWN else False
    left = verdict.expires_at - sight.now
    if left >= getattr(sight.thresholds, threshold):
        return False
    return verdict.issued_at is None or left < SHARES[threshold] * (verdict.expires_at - verdict.issued_at)


def expiring_critical(sight: Sight) -> bool | None:
    """The token ends very soon. One that is refused already has another alert."""
    soon = expires_within(sight, "expiring_critical")
    return False if soon and refused(sight) else soon


def expiring_warning(sight: Sight) -> bool | None:
    """The token ends soon, and not yet very soon."""
    soon = expires_within(sight, "expiring_warning")
    return False if soon and (refused(sight) or expires_within(sight, "expiring_critical")) else soon


def not_verified(sight: Sight) -> bool | None:
    """No check could tell for so long. Nothing is said of a target that is known for a shorter time."""
    verified, patience = sight.report.verified_at, sight.thresholds.not_verified_for
    if verified is None:
        return True if sight.now - sight.seen >= patience else None
    return sight.now - verified >= patience


def _not_verified_since(sight: Sight) -> float:
    verified = sight.report.verified_at
    return (sight.seen if verified is None else verified) + sight.thresholds.not_verified_for


def needs_attention(sight: Sight) -> bool | None:
    """The token is accepted, and is not what its consumer needs."""
    status = sight.report.verdict.status
    return None if status.kind is Kind.UNKNOWN else status in ATTENTION


def _attention_since(sight: Sight) -> float:
    return sight.report.since if sight.report.verdict.status in ATTENTION else sight.now


def _rotation_failing(sight: Sight) -> bool | None:
    rotation = sight.report.rotation
    if rotation is None:
        return False
    if rotation == UNREAD:
        return None
    return rotation.failing > 0 and not rotation.stood_down and rotation.state not in SUCCEEDED


def _in_need(sight: Sight) -> bool:
    return bool(refused(sight) or expires_within(sight, "expiring_critical"))


def rotation_failing(sight: Sight) -> bool | None:
    """The key cannot be replaced, and the present one lasts."""
    failing = _rotation_failing(sight)
    return failing and not _in_need(sight)


def rotation_failing_in_need(sight: Sight) -> bool | None:
    """The key cannot be replaced, and the present one is refused or ends very soon."""
    failing = _rotation_failing(sight)
    return failing and _in_need(sight)


def stood_down(sight: Sight) -> bool | None:
    """The Secret is left to another writer."""
    rotation = sight.report.rotation
    if rotation is None:
        return False
    return None if rotation == UNREAD else bool(rotation.stood_down)


def anonymous_access(sight: Sight) -> bool | None:
    """Argo CD answers without any credential."""
    return sight.report.anonymous_access


CONDITIONS: tuple[Condition, ...] = (
    Condition(AlertName.REFUSED, Severity.CRITICAL, refused, _refused_since),
    Condition(AlertName.EXPIRING, Severity.WARNING, expiring_warning),
    Condition(AlertName.EXPIRING, Severity.CRITICAL, expiring_critical),
    Condition(AlertName.NOT_VERIFIED, Severity.WARNING, not_verified, _not_verified_since),
    Condition(AlertName.NEEDS_ATTENTION, Severity.WARNING, needs_attention, _attention_since),
    Condition(AlertName.ROTATION_FAILING, Severity.WARNING, rotation_failing, own=False),
    Condition(AlertName.ROTATION_FAILING, Severity.CRITICAL, rotation_failing_in_need, own=False),
    Condition(AlertName.STOOD_DOWN, Severity.WARNING, stood_down, own=False),
    Condition(AlertName.ANONYMOUS_ACCESS, Severity.INFO, anonymous_access),
)
# The alert about the monitor itself that it can tell; that it is down or not seen, only others can.
CONFIG_REJECTED = AlertKey(None, AlertName.CONFIG_REJECTED, Severity.WARNING)

ALERT_BY_NAME = {alert.name: alert for alert in ALERTS}
