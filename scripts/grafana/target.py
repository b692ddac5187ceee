"""The dashboard for one target in depth: its verdicts, its checks, its key, and how that is replaced."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model
from monitor.core.metric_table import CANNOT_TELL
from monitor.core.replicas import Said

from scripts.grafana import panels, rotations
from scripts.grafana import queries as q
from scripts.grafana.frame import OVERVIEW, TARGET, Section, link_to, made, one_target
from scripts.grafana.overview import ANONYMOUS, LEFT, LIMITS
from scripts.grafana.panels import Column, Query
from scripts.grafana.queries import ONE

VERIFIED = ((None, panels.ACCEPTED), (60, panels.ATTENTION), (LIMITS.not_verified_for, panels.UNKNOWN))


def target() -> model.Dashboard:
    """Makes the dashboard."""
    return made(
        TARGET,
        "Token Monitor / Target",
        "One target: what was found of its token and when, how its checks went, and what its rotation does.",
        one_target(),
        link_to(OVERVIEW, "All targets", "The overview of all targets"),
        sections=(
            Section("$target now", _now()),
            Section("Verdicts", _verdicts()),
            Section("Checks", _checks()),
            Section("Rotation", rotations.of_one()),
            Section("Notes", _notes()),
        ),
    )


def _now() -> list[panels.AnyPanel]:
    verified = q.value("token_verified_timestamp_seconds", ONE)
    return [
        panels.number(
            "Status",
            "What the last check found. The overview tells what each status says.",
            Query(q.status_code(ONE)),
            mappings=panels.status_mappings(),
        ),
        panels.number(
            "Last answer",
            "What Argo CD said of the token at the last check that could tell, however long ago that was.",
            Query(q.value("token_accepted", ONE)),
            mappings=ANSWER,
        ),
        panels.number(
            "Verified",
            "Time since a check could last tell. When it grows, nobody knows whether the token is accepted.",
            Query(f"time() - {verified}"),
            unit="s",
            decimals=0,
            steps=VERIFIED,
            missing="not known",
        ),
        panels.number(
            "Expires in",
            "Time until the token ends; not known of one that never does.",
            Query(f"{q.value('token_expiration_timestamp_seconds', ONE)} - time()"),
            unit="s",
            decimals=1,
            steps=LEFT,
            missing="not known",
        ),
        panels.number(
            "Age of the token",
            "Time since the token was issued.",
            Query(f"time() - {q.value('token_issued_timestamp_seconds', ONE)}"),
            unit="s",
            decimals=1,
            missing="not known",
        ),
        panels.number(
            "Anonymous access",
            "Whether the server answers without any credential (`users.anonymous.enabled` in ConfigMap argocd-cm).",
            Query(q.value("anonymous_access", ONE)),
            mappings=ANONYMOUS,
            missing="not known",
        ),
        panels.rows(
            "The token",
            "Where it is used, whose it is, and which key it is. Two lines for a moment when replicas see different ones.",
            (Query(q.each(q.of("token_info", ONE), "server", "account", "auth_type", "token_id")),),
            (
                Column("server", "Server"),
                Column("account", "Account", 200),
                Column("token_id", "Key", 240),
                Column("auth_type", "Kind of credential", 160),
                Column("namespace", "Namespace", 160),
                Column("cluster", "Cluster", 160),
            ),
            by="Server",
            hidden=("Value", "target"),
            height=4,
        ),
    ]


ANSWER = panels.named({1: ("accepted", panels.ACCEPTED), 0: ("refused", panels.REFUSED)})


def _verdicts() -> list[panels.AnyPanel]:
    return [
        panels.timeline(
            "Status over time",
            "What was found, over time. A gap: the monitor was not scraped.",
            Query(q.status_code(ONE), "status"),
            panels.status_mappings(),
            height=4,
        ),
        panels.timeline(
            "Answers over time",
            "What Argo CD last said of the token: outages neither begin nor end a refusal.",
            Query(q.value("token_accepted", ONE), "answer"),
            ANSWER,
            height=4,
        ),
        panels.lines(
            "Time since verified",
            "How old the last answer is. A saw-tooth as high as the interval of checks is well.",
            Query(f"time() - {q.value('token_verified_timestamp_seconds', ONE)}", "since verified"),
            unit="s",
            steps=VERIFIED,
            missing="No answer is known.",
        ),
        panels.lines(
            "Time left",
            "Time until the token ends. A step upwards is a new token.",
            Query(f"{q.value('token_expiration_timestamp_seconds', ONE)} - time()", "left"),
            unit="s",
            steps=LEFT,
            missing="No end is known.",
        ),
    ]


def _checks() -> list[panels.AnyPanel]:
    return [
        panels.lines(
            "Checks",
            "Checks a minute, as one replica makes them.",
            Query(f"60 * {q.each(q.rate(q.of('checks_total', ONE)))}", "checks"),
            unit="cpm",
        ),
        panels.lines(
            "Checks that could not tell, by reason",
            "Checks a minute that ended without an answer about the token. They never make it refused.",
            Query(f"60 * {q.each(q.rate(q.of('check_failures_total', ONE)), 'reason')}", "{{reason}}"),
            unit="cpm",
            colours=dict(zip((status.value for status in CANNOT_TELL), panels.SHADES, strict=True)),
            stacked=True,
        ),
        panels.lines(
            "Replicas of Argo CD by answer",
            "Where `everyReplica` is set: how many replicas accept the token, refuse it, cannot be asked, or are not asked.",
            Query(q.each(q.of("server_replicas", ONE), "answer"), "{{answer}}"),
            unit="none",
            colours={Said.ACCEPTED: panels.ACCEPTED, Said.REFUSED: panels.REFUSED, Said.UNKNOWN: panels.UNKNOWN},
            stacked=True,
            missing="No replicas are known: everyReplica is not set.",
            span=24,
            height=6,
        ),
    ]


NOTES = """\
- `token-monitor status --target $target`: where everything stands, with the cause and the very remedy.
- `token-monitor doctor --target $target`: permissions, accounts and Secrets, each with its fix.
- `token-monitor rotate $target --dry-run`: the next steps of a rotation, without doing them.
- The monitor's own page `/` and `/status?target=$target` say the same, with the last checks.

Status is what the *last* check found. The last answer is what Argo CD itself said last: only that makes a token refused,
and an outage in between changes nothing about it.

A rotation that is *stood down* leaves the Secret to another writer, after that one undid what the monitor wrote; settle
who owns the Secret, then `token-monitor rotate $target` takes it up again. One that is *failing* tries again by itself.
"""


def _notes() -> list[panels.AnyPanel]:
    return [panels.words("What to type, and how to read this", "Commands for this target.", NOTES, height=8)]
