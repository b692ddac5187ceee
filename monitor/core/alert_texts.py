"""What an alert says that is told directly: summary, description and runbook, out of the target's report.

The summary and the runbook are those of the rules. The description may say more than theirs, which has only metrics to
go by: cause, remedy and times are the verdict's own. All of it is bounded, on one line, and without any token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from monitor.core.alert_conditions import ALERT_BY_NAME, AlertKey
from monitor.core.alerting import Evidence, Firing, Phase, Resolved
from monitor.core.alerts import RUNBOOKS, AlertName, Severity, identity
from monitor.core.model import Verdict
from monitor.core.moments import relative, span
from monitor.core.report import RotationReport, TargetReport, rfc3339
from monitor.core.status import Status
from monitor.core.text import printable, sentence

MAX_PART = 500
MAX_RECALLED = 2000
# Annotations that are taken over from Alertmanager; what else stands there is not ours.
OURS = ("summary", "description", "runbook_url")


@dataclass(frozen=True, slots=True)
class Wording:
    """What all alerts of one monitor have in common.

    place: labels beside the alert's own: those that Prometheus adds, where it sends the same alerts.
    runbooks: address below which the runbooks are. resend: seconds between two tellings of the same alert.
    """

    place: Mapping[str, str]
    runbooks: str = RUNBOOKS
    resend: float = 60.0

    def labels(self, key: AlertKey) -> dict[str, str]:
        """What identifies the alert; a label without a value is none."""
        place = {name: value for name, value in self.place.items() if value}
        return identity(key.name, key.severity, key.target, place)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An alert as Alertmanager is told of it. Times are epoch seconds; it is over when `ends_at` has passed."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: float
    ends_at: float


def outgoing(key: AlertKey, phase: Phase, now: float, wording: Wording, lasting: float) -> Outgoing | None:
    """The alert as it is told now; None where there is nothing to tell.

    lasting: after so many seconds one that fires is over, unless it is told again (`delivery.lasting`).
    """
    match phase:
        case Firing(starts_at, evidence):
            return Outgoing(
                wording.labels(key),
                _annotations(key, evidence, now, wording),
                min(starts_at, now),
                now + lasting,
            )
        case Resolved(starts_at, ends_at, evidence):
            ends_at = min(ends_at, now)
            said = _annotations(key, evidence, ends_at, wording)
            return Outgoing(wording.labels(key), said, min(starts_at, ends_at), ends_at)
        case _:
            return None if phase.before is None else outgoing(key, phase.before, now, wording, lasting)


def _annotations(key: AlertKey, evidence: Evidence, now: float, wording: Wording) -> dict[str, str]:
    alert = ALERT_BY_NAME[key.name]
    own = {
        "summary": alert.summary,
        "description": _SAYS_CONFIG_REJECTED if key.target is None else alert.summary,
        "runbook_url": f"{wording.runbooks.rstrip('/')}/{alert.runbook}",
    }
    match evidence:
        case TargetReport():
            return {**own, "description": _DESCRIPTIONS[key.name](key, evidence, now)}
        case None:
            return own
        case _:
            recalled = {name: " ".join(evidence.get(name, "").split()) for name in OURS}
            return {**own, **{name: printable(text, MAX_RECALLED) for name, text in recalled.items() if text}}


_SAYS_CONFIG_REJECTED = (
    "The monitor could not use its changed configuration, a certificate file, or a target that it found elsewhere. New"
    " targets are not tested, changed ones as they were before, and after a restart the monitor may not start at all."
    " `token-monitor config validate FILE` names every error of the file, `token-monitor doctor` those of certificates and of"
    " targets that are found elsewhere; the monitor's log and its page have them too."
)

# A token that was not checked for minutes is one that cannot be read.
_SAYS_READ = "Let the monitor read the token: `token-monitor doctor` names the permission or file that is missing."


def _refused(key: AlertKey, report: TargetReport, now: float) -> str:
    verdict = report.told or report.verdict
    when = f" It is so since {rfc3339(report.since)}." if verdict.status is report.verdict.status else ""
    return _joined(
        f"Argo CD refuses the token of {_named(report, verdict)}: {verdict.status}. {sentence(verdict.cause)}{when}",
        "Whoever uses this token gets no answer from Argo CD.",
        verdict.remedy,
        report.problem,
    )


def _expiring(key: AlertKey, report: TargetReport, now: float) -> str:
    verdict = report.verdict
    ends = verdict.expires_at or now
    left = f"expires in {span(ends - now)}" if ends > now else "should have expired, and Argo CD cannot be asked"
    rotated = (
        "The monitor rotates this token and has not replaced it in time: look at its rotation first."
        if report.rotation is not None
        else ""
    )
    return _joined(
        f"The token of {_named(report, verdict)} {left} ({rfc3339(ends)}).",
        rotated,
        _why(report.rotation),
        verdict.remedy,
    )


def _not_verified(key: AlertKey, report: TargetReport, now: float) -> str:
    verdict, verified = report.verdict, report.verified_at
    last = (
        "It has not been verified since the monitor started."
        if verified is None
        else f"It was last verified at {rfc3339(verified)} ({relative(verified, now)})."
    )
    return _joined(
        f"No check can tell whether Argo CD accepts the token of {_named(report, verdict)}: {verdict.status}."
        f" {sentence(verdict.cause)}",
        "If it were refused, nobody would know.",
        last,
        _SAYS_READ if verdict.status is Status.PENDING else verdict.remedy,
        report.problem,
    )


def _needs_attention(key: AlertKey, report: TargetReport, now: float) -> str:
    verdict = report.verdict
    return _joined(
        f"Argo CD accepts the token of {_named(report, verdict)}, and still it is not what its consumer needs:"
        f" {verdict.status}. {sentence(verdict.cause)}",
        verdict.remedy,
    )


def _rotation_failing(key: AlertKey, report: TargetReport, now: float) -> str:
    rotation = report.rotation or RotationReport()
    urgent = (
        "The present token is refused or about to expire: make a key by hand, as the runbook says."
        if key.severity is Severity.CRITICAL
        else ""
    )
    return _joined(
        f"The key of {_named(report, report.verdict)} cannot be replaced. Attempts in a row that failed:"
        f" {rotation.failing}.",
        _why(rotation),
        urgent,
        _more(report),
    )


def _stood_down(key: AlertKey, report: TargetReport, now: float) -> str:
    rotation = report.rotation or RotationReport()
    return _joined(
        f"Another writer undoes the rotation of {_named(report, report.verdict)}, so the monitor has stopped it:",
        rotation.stood_down,
        f"Settle who owns the token's place; then `token-monitor rotate {report.name}` takes the rotation up again.",
        _more(report),
    )


def _anonymous_access(key: AlertKey, report: TargetReport, now: float) -> str:
    return _joined(
        f"The Argo CD of {_named(report, report.verdict)} lets requests through that carry no credential"
        " (`users.anonymous.enabled` in ConfigMap argocd-cm, or `--disable-auth`).",
        "To whoever holds a refused token, such a server looks healthy.",
    )


_DESCRIPTIONS: dict[AlertName, Callable[[AlertKey, TargetReport, float], str]] = {
    AlertName.REFUSED: _refused,
    AlertName.EXPIRING: _expiring,
    AlertName.NOT_VERIFIED: _not_verified,
    AlertName.NEEDS_ATTENTION: _needs_attention,
    AlertName.ROTATION_FAILING: _rotation_failing,
    AlertName.STOOD_DOWN: _stood_down,
    AlertName.ANONYMOUS_ACCESS: _anonymous_access,
}


def _named(report: TargetReport, verdict: Verdict) -> str:
    account = f"account {printable(verdict.account, MAX_PART)} at " if verdict.account else ""
    return f"target {report.name} ({account}{report.server})"


def _why(rotation: RotationReport | None) -> str:
    return "" if rotation is None else rotation.problem


def _more(report: TargetReport) -> str:
    return f"`token-monitor status --target {report.name}` shows where it stands."


def _joined(*parts: str) -> str:
    return " ".join(sentence(printable(part, MAX_PART)) for part in parts if part)
