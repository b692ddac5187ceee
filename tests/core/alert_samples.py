"""Reports of targets as the tests of alerts need them, each by one short call."""

from __future__ import annotations

from dataclasses import replace

from monitor.core.alert_conditions import Sight
from monitor.core.alerts import Thresholds
from monitor.core.journal import State
from monitor.core.model import Mode, Verdict
from monitor.core.report import RotationReport, TargetReport
from monitor.core.status import Kind, Status

from tests.core.samples import DAY, NOW

MINUTE = 60.0
USUAL = Thresholds()

# A rotation whose journal was read, and that is well.
WELL = RotationReport(key_id="tm-1", rotations=3, live_keys=1)
FAILED = replace(WELL, failing=2, problem="Argo CD refused to make a key")
STOOD_DOWN = replace(WELL, failing=1, stood_down="somebody put back the old token twice")
SUCCEEDED = replace(FAILED, state=State.GRACE)


def verdict(status: Status = Status.VALID, at: float = NOW, **more: object) -> Verdict:
    facts = {"account": "ci", "token_id": "tm-1", **more}
    return Verdict(status, f"what {status} means", "Do this.", checked_at=at, **facts)  # type: ignore[arg-type]


def report(
    status: Status = Status.VALID,
    *,
    at: float = NOW,
    told: Verdict | None = None,
    since: float = NOW,
    name: str = "production",
    rotation: RotationReport | None = None,
    anonymous: bool | None = False,
    **more: object,
) -> TargetReport:
    """A target whose last check ended at `at`. told: by default the same verdict, where it could tell."""
    found = verdict(status, at, **more)
    return TargetReport(
        name=name,
        server="https://argocd.example.com",
        mode=Mode.TOKEN,
        where="file token",
        interval=15,
        timeout=10,
        verdict=found,
        since=since,
        told=told if told is not None or status.kind is Kind.UNKNOWN else found,
        anonymous_access=anonymous,
        rotation=rotation,
    )


def sight(of: TargetReport, now: float = NOW, *, seen: float = NOW, thresholds: Thresholds = USUAL) -> Sight:
    return Sight(of, now, seen, thresholds)


def expiring(left: float, lifetime: float | None = 90 * DAY, status: Status = Status.EXPIRING) -> TargetReport:
    """A token with so many seconds left, of a lifetime in seconds."""
    ends = NOW + left
    return report(status, expires_at=ends, issued_at=None if lifetime is None else ends - lifetime)
