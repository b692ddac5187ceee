"""What the outside is told of a target, in one value: pages, JSON, metrics and health are made of it.

Also the two forms that are a contract (design.md): the JSON of a check, and `/healthz`'s answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from monitor.core.effects import EFFECTS
from monitor.core.journal import State
from monitor.core.model import Mode, Verdict
from monitor.core.replicas import ReplicasReport, Said
from monitor.core.status import Kind, Status
from monitor.core.text import printable, sentence

# A verdict older than this many intervals (and one deadline) no longer counts as fresh.
FRESH_INTERVALS = 3.0
MAX_PROBLEM = 400
# The state that the outside sees while the Secret is left to another writer; the journal is idle then.
STOOD_DOWN = "stood_down"
# Reasons of `rotation_failures_total`: the effects that can be refused or lost, and the journal.
JOURNAL = "journal"
EFFECTS_THAT_FAIL = (*EFFECTS, JOURNAL)


@dataclass(frozen=True, slots=True)
class RotationReport:
    """A target's rotation at one moment. Times are epoch seconds.

    waiting_for: why nothing happens now, "" when all is well. problem: what keeps the rotation from working.
    stood_down: why the Secret is left to another writer. live_keys: keys of ours that may be alive.
    failing: attempts in a row that failed, the journal's own unreadability among them.
    failures: effects that were refused or lost, by the effect's name. left_alone: a replaced key that is not ours, with
    the command that deletes it. old_consumers: who still ran with the old key at the last look. next_at: when the key is
    replaced if nothing else happens; None where no time is known.
    """

    state: State = State.IDLE
    key_id: str | None = None
    waiting_for: str = ""
    problem: str = ""
    stood_down: str = ""
    rotations: int = 0
    rotated_at: float | None = None
    next_at: float | None = None
    drilled_at: float | None = None
    live_keys: int = 0
    login_failures: int = 0
    failing: int = 0
    left_alone: str | None = None
    left_alone_command: str = ""
    old_consumers: tuple[str, ...] = ()
    failures: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TargetReport:
    """One target at one moment. Times are epoch seconds, `interval` and `timeout` seconds.

    told: the last verdict that could tell. problem: what is wrong with the credential's source, if anything
    (an old value may be in use). failures_by_status: checks that could not tell, counted by status. history: what the
    last checks found, as `core.history` has it. replicas: of the server, where each of them is asked.
    other_keys: of the account, that the monitor did not make and that have not ended; None where nobody looks.
    """

    name: str
    server: str
    mode: Mode
    where: str
    interval: float
    timeout: float
    verdict: Verdict
    since: float
    told: Verdict | None = None
    problem: str = ""
    anonymous_access: bool | None = None
    checks: int = 0
    failures_by_status: Mapping[Status, int] = field(default_factory=dict)
    rotation: RotationReport | None = None
    history: bytes = b""
    replicas: ReplicasReport | None = None
    other_keys: int | None = None

    @property
    def verified_at(self) -> float | None:
        """When a check could last tell."""
        return self.told.checked_at if self.told else None

    def fresh(self, now: float) -> bool:
        """Whether a check could tell recently enough for the verdict to count."""
        verified = self.verified_at
        return verified is not None and now - verified <= FRESH_INTERVALS * self.interval + self.timeout

    def healthy(self, now: float) -> bool:
        """Accepted by the present verdict, and freshly checked."""
        return self.verdict.accepted is True and self.fresh(now)


def check_json(name: str, server: str, verdict: Verdict) -> dict[str, object]:
    """The JSON of one check, as `token-monitor check --output json` prints it (design.md, "CLI")."""
    return {
        "target": name,
        "server": server,
        "account": verdict.account,
        "status": verdict.status.value,
        "accepted": verdict.accepted,
        "cause": verdict.cause,
        "remedy": verdict.remedy,
        "token_id": verdict.token_id,
        "issued_at": rfc3339(verdict.issued_at),
        "expires_at": rfc3339(verdict.expires_at),
        "checked_at": rfc3339(verdict.checked_at or None),
        "duration_seconds": round(verdict.duration, 4),
    }


def status_json(report: TargetReport, now: float) -> dict[str, object]:
    """One target of `/status`: the JSON of its last check, and what is known over time."""
    return {
        **check_json(report.name, report.server, report.verdict),
        "since": rfc3339(report.since),
        "verified_at": rfc3339(report.verified_at),
        "fresh": report.fresh(now),
        "healthy": report.healthy(now),
        "mode": report.mode.value,
        "credential": report.where,
        "problem": report.problem or None,
        "anonymous_access": report.anonymous_access,
        "interval_seconds": report.interval,
        "checks": report.checks,
        "rotation": rotation_json(report.rotation) if report.rotation else None,
        "replicas": replicas_json(report.replicas) if report.replicas else None,
    }


def replicas_json(replicas: ReplicasReport) -> dict[str, object]:
    """What each replica of a target's server says, as `/status` shows it."""
    return {
        "service": replicas.service,
        "ready": replicas.total,
        **{said.value: replicas.count(said) for said in Said},
        "split_since": rfc3339(replicas.split_since),
        "split_stays": replicas.stays,
        "problem": replicas.problem or None,
        "each": [
            {
                "name": voice.replica.name or None,
                "address": voice.replica.host,
                "answer": voice.said.value,
                "why": voice.why or None,
            }
            for voice in replicas.voices
        ],
    }


def rotation_json(rotation: RotationReport) -> dict[str, object]:
    """A target's rotation, as `/status` and `token-monitor status` show it."""
    return {
        "state": rotation.state.value,
        "key_id": rotation.key_id,
        "waiting_for": rotation.waiting_for or None,
        "problem": rotation.problem or None,
        "stood_down": rotation.stood_down or None,
        "rotations": rotation.rotations,
        "rotated_at": rfc3339(rotation.rotated_at),
        "next_at": rfc3339(rotation.next_at),
        "drilled_at": rfc3339(rotation.drilled_at),
        "live_keys": rotation.live_keys,
        "login_failures": rotation.login_failures,
        "left_alone": rotation.left_alone,
        "left_alone_command": rotation.left_alone_command or None,
        "consumers_with_old_key": list(rotation.old_consumers),
    }


def health_line(report: TargetReport, now: float) -> str:
    """One line for whoever is on call: `NAME STATUS since WHEN: cause. remedy`."""
    verdict = report.verdict
    parts = [f"{report.name} {verdict.status} since {rfc3339(report.since)}: {sentence(verdict.cause)}"]
    if verdict.accepted is True and not report.fresh(now):
        parts.append(f"Not checked since {rfc3339(report.verified_at)}: the verdict is old. Look at the monitor's log.")
    if verdict.status.kind is not Kind.ACCEPTED:
        parts.append(sentence(verdict.remedy))
    if report.problem:
        parts.append(sentence(printable(report.problem, MAX_PROBLEM)))
    return " ".join(parts)


def health_json(reports: Iterable[TargetReport], now: float, version: str) -> dict[str, object]:
    """`application/health+json` (draft-inadarei-api-health-check-06): pass, warn or fail, one check a target."""
    checks: dict[str, object] = {}
    worst = "pass"
    for report in reports:
        level = _level(report, now)
        worst = max(worst, level, key=["pass", "warn", "fail"].index)
        checks[f"{report.name}:token"] = [
            {
                "status": level,
                "observedValue": report.verdict.status.value,
                "time": rfc3339(report.verdict.checked_at or None),
                "output": "" if level == "pass" else health_line(report, now),
            }
        ]
    return {"status": worst, "version": version, "checks": checks}


def rfc3339(moment: float | None) -> str | None:
    """`2026-11-24T02:20:12Z`; None stays None."""
    if moment is None:
        return None
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _level(report: TargetReport, now: float) -> str:
    if not report.healthy(now):
        return "fail"
    return "pass" if report.verdict.status.kind is Kind.ACCEPTED and not report.problem else "warn"
