"""The dashboard for many targets: who is refused and why, what ends soon, and whether the monitor itself is well."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model
from monitor.core.alerts import OF_TARGET, Thresholds
from monitor.core.metric_table import CANNOT_TELL
from monitor.core.replicas import NOT_ASKED, Said
from monitor.core.status import FACTS, Kind

from scripts.grafana import panels, rotations
from scripts.grafana import queries as q
from scripts.grafana.frame import FROM_BAR, FROM_CELL, OVERVIEW, TARGET, Section, link_to, made, many_targets
from scripts.grafana.panels import Column, Query
from scripts.grafana.queries import MANY

ALL = q.value("token_status", MANY)
SHOWN_EXPIRIES, SHOWN_LINES = 100, 10
LIMITS = Thresholds()
LEFT = (
    (None, panels.REFUSED),
    (LIMITS.expiring_critical, panels.ATTENTION),
    (LIMITS.expiring_warning, panels.ACCEPTED),
)
WHO = (
    Column("target", "Target", 200, link=FROM_CELL),
    Column("account", "Account", 160),
    Column("server", "Server"),
)


def overview() -> model.Dashboard:
    """Makes the dashboard."""
    return made(
        OVERVIEW,
        "Token Monitor / Overview",
        "All tokens that are tested against Argo CD: which are refused and why, which end soon, what cannot be told.",
        many_targets(),
        link_to(TARGET, "One target", "Everything about one target"),
        sections=(
            Section("Now", _now()),
            Section("Over time", _over_time()),
            Section("Expiry", _expiry()),
            Section("Rotation", rotations.of_many()),
            Section("Servers without authentication", _anonymous()),
            Section("Replicas of Argo CD, where each is asked", _replicas(), folded=True),
            Section("The monitor itself", _monitor()),
            Section("Replicas of the monitor that share the targets", _shards(), folded=True),
            Section("Alerts that are sent to Alertmanager directly", _notifications(), folded=True),
            Section("How to read this", _reading(), folded=True),
        ),
    )


def _now() -> list[panels.AnyPanel]:
    trouble = f"({q.status_code(MANY)}) > {q.NEEDS_SOMEBODY}"
    return [
        panels.number("Targets", "Targets that are watched, whatever is found.", Query(f"count({ALL})")),
        *(_counted(kind) for kind in (Kind.REFUSED, Kind.UNKNOWN, Kind.ATTENTION, Kind.ACCEPTED)),
        panels.number(
            "Next expiry",
            "Time until the first token ends. Tokens that have ended already count below zero.",
            Query(f"min({q.value('token_expiration_timestamp_seconds', MANY)}) - time()"),
            unit="s",
            decimals=1,
            steps=LEFT,
            missing="none known",
        ),
        panels.rows(
            "Who needs somebody, and why",
            "Every target whose token is not simply valid, the worst first. What to do about a status: the runbook of "
            "its alert, the page of the monitor, or `token-monitor status --target TARGET`.",
            (
                Query(q.with_info(trouble, MANY, "server", "account", "auth_type", "token_id")),
                Query(_of_those(f"1000 * {q.value('token_verified_timestamp_seconds', MANY)}")),
                Query(_of_those(f"1000 * {q.value('token_expiration_timestamp_seconds', MANY)}")),
            ),
            (
                Column("A", "Status", 190, mappings=panels.status_mappings()),
                *WHO,
                Column("auth_type", "Kind", 90),
                Column("token_id", "Key", 160),
                Column("B", "Last verified", 150, unit="dateTimeFromNow", missing="never"),
                Column("C", "Expires", 150, unit="dateTimeFromNow"),
                *panels.WHERE,
            ),
            by="Status",
            needs="Status",
            missing="No trouble is known.",
        ),
    ]


def _over_time() -> list[panels.AnyPanel]:
    return [
        panels.timeline(
            "Statuses",
            f"What was found of each target. With more than {q.MOST_DRAWN} targets, only those that were not valid at "
            "some time of the range. A gap: the monitor was not scraped.",
            Query(q.drawn(q.status_code(MANY), MANY), "{{target}}"),
            panels.status_mappings(),
            link=FROM_BAR,
            height=10,
        ),
        panels.lines(
            "Targets by class",
            "How many targets are accepted, need a person, are refused, or cannot be told.",
            *(Query(q.count(q.in_class(kind, MANY), ALL), panels.WORDS[kind]) for kind in panels.WORDS),
            unit="none",
            colours={panels.WORDS[kind]: panels.COLOURS[kind] for kind in panels.WORDS},
            stacked=True,
        ),
        panels.lines(
            "Checks that could not tell, by reason",
            "The part of all checks that ended without an answer about the token. Such checks never make a token "
            "refused; when they last, TokenMonitorTokenNotVerified fires.",
            Query(
                f"sum by (reason) ({q.each(q.rate(q.of('check_failures_total', MANY)), 'reason')})"
                f" / ignoring (reason) group_left ()"
                f" sum({q.each(q.rate(q.of('checks_total', MANY)))})",
                "{{reason}}",
            ),
            unit="percentunit",
            colours=dict(zip((status.value for status in CANNOT_TELL), panels.SHADES, strict=True)),
            stacked=True,
        ),
    ]


def _expiry() -> list[panels.AnyPanel]:
    first = f"bottomk({SHOWN_EXPIRIES}, {q.value('token_expiration_timestamp_seconds', MANY)})"
    soonest = f"bottomk({SHOWN_LINES}, {q.value('token_expiration_timestamp_seconds', MANY)} - time())"
    return [
        panels.rows(
            "Tokens by expiry",
            f"The {SHOWN_EXPIRIES} tokens that end first. A token that never expires is not listed. Below zero: it has "
            "ended.",
            (Query(q.with_info(f"{first} - time()", MANY, "server", "account")), Query(f"1000 * {first}")),
            (
                Column("A", "Time left", 120, unit="s", steps=LEFT),
                *WHO,
                Column("B", "Expires", 180, unit="dateTimeAsIso"),
                *panels.WHERE,
            ),
            by="Time left",
            descending=False,
            missing="No token with an end is known.",
            span=14,
        ),
        panels.lines(
            "Time left",
            f"The {SHOWN_LINES} tokens that end first. A step upwards is a new token.",
            Query(soonest, "{{target}}"),
            unit="s",
            steps=LEFT,
            missing="No token with an end is known.",
            span=10,
            height=9,
        ),
    ]


def _anonymous() -> list[panels.AnyPanel]:
    known = q.value("anonymous_access", MANY)
    return [
        panels.number(
            "Open servers",
            "Servers that answer requests without any credential. To whoever holds a refused token, they look healthy.",
            Query(q.count(f"{known} == 1", known)),
            steps=panels.none_or(panels.ATTENTION),
            span=6,
            height=6,
        ),
        panels.rows(
            "Anonymous access",
            "Which targets' servers answer without a credential, and which do not. It is switched off by "
            "`users.anonymous.enabled` in ConfigMap argocd-cm.",
            (Query(q.with_info(known, MANY, "server", "account")),),
            (Column("A", "Answers without a credential", 220, mappings=ANONYMOUS), *WHO, *panels.WHERE),
            by="Answers without a credential",
            missing="Nothing is known yet.",
            span=18,
            height=6,
        ),
    ]


ANONYMOUS = panels.named({1: ("yes", panels.ATTENTION), 0: ("no", panels.ACCEPTED)})


def _replicas() -> list[panels.AnyPanel]:
    return [
        panels.rows(
            "Replicas of Argo CD by answer",
            "Of targets with `everyReplica`: how many replicas accept the token, refuse it, cannot be asked, or are not asked. "
            "Some refuse: they disagree, and after two minutes the target is refused (`docs/replicas.md`). All 0: the monitor "
            "does not know the replicas, and only the Service is asked; `token-monitor doctor` says what is missing.",
            tuple(Query(q.each(q.of("server_replicas", MANY, f'answer="{answer}"'))) for answer in ANSWERS),
            (
                Column("target", "Target", link=FROM_CELL),
                *(
                    Column(letter, title, 140, steps=steps)
                    for letter, (title, steps) in zip("ABCD", ANSWERS.values(), strict=True)
                ),
                *panels.WHERE,
            ),
            by="Refuse",
            missing="No target with everyReplica is known.",
            span=14,
        ),
        panels.lines(
            "Replicas that refuse, by target",
            "For how long replicas refuse a token. Where others accept it, restart those that are wrong.",
            Query(f"{q.each(q.of('server_replicas', MANY, REFUSING))} > 0", "{{target}}"),
            unit="none",
            missing="No refusal is known.",
            span=10,
            height=9,
        ),
    ]


REFUSING = f'answer="{Said.REFUSED}"'
ANSWERS = {
    Said.ACCEPTED: ("Accept", ((None, panels.PLAIN),)),
    Said.REFUSED: ("Refuse", panels.none_or(panels.REFUSED)),
    Said.UNKNOWN: ("Cannot be asked", panels.none_or(panels.UNKNOWN)),
    NOT_ASKED: ("Not asked", ((None, panels.PLAIN),)),
}


def _shards() -> list[panels.AnyPanel]:
    none = "No replicas that share the targets are known."
    return [
        panels.number(
            "Unseen targets",
            "Targets that are configured and that none of the replicas checks which are scraped. When it stays, "
            "TokenMonitorTargetsUnseen fires.",
            Query(
                f"clamp_min(sum(max by (cluster, namespace) ({q.own('targets')})) - sum({q.own('shard_targets')}), 0)"
            ),
            steps=panels.none_or(panels.UNKNOWN),
            missing=none,
            span=4,
            height=8,
        ),
        panels.lines(
            "Targets by replica",
            "How many targets each replica checks, and which slot it holds. Together they are all; a target is checked twice "
            "at worst, for a moment.",
            Query(
                f"{q.own('shard_targets')} * on (cluster, namespace, job, instance) group_left (slot) {q.own('shard_slot_held')}",
                "{{instance}}, slot {{slot}}",
            ),
            unit="none",
            missing=none,
            stacked=True,
            span=8,
        ),
        panels.lines(
            "Slots",
            "How many slots are held, and how many nobody holds: those are spare, and no target belongs to them. None left: "
            "further replicas check nothing.",
            Query(f"sum({HELD})", "held"),
            Query(f"min({FREE})", "held by nobody"),
            unit="none",
            missing=none,
            span=6,
        ),
        panels.lines(
            "Replicas that do not answer each other",
            "Replicas that hold a slot and do not say what they see when the named one asks. After a minute another one checks "
            "their targets as well; `/status` says why.",
            Query(q.own("shard_silent_replicas"), "seen by {{instance}}"),
            unit="none",
            missing=none,
            span=6,
        ),
        panels.timeline(
            "What each replica checks",
            "Its share; nothing, since every slot is held by another one; everything, since the Leases cannot be used (the log "
            "says why); or it has just started.",
            Query(_shares(), "{{instance}}"),
            panels.named({code: (word, colour) for code, word, colour in SHARED.values()}),
            missing=none,
            height=5,
        ),
    ]


HELD, FREE = q.own("shard_slots", 'holder="this"'), q.own("shard_slots", 'holder="nobody"')
SHARED = {
    "part": (1, "its share", panels.ACCEPTED),
    "undecided": (2, "not decided yet", panels.PLAIN),
    "spare": (3, "nothing", panels.ATTENTION),
    "everything": (4, "everything", panels.ATTENTION),
}


def _shares() -> str:
    """The number of what each replica checks."""
    return "\nor\n".join(f"{code} * ({_share_is(share)} == 1)" for share, (code, _, _) in SHARED.items())


def _share_is(share: str) -> str:
    return q.own("shard_share", f'share="{share}"')


def _monitor() -> list[panels.AnyPanel]:
    quantiles = ((0.5, "half"), (0.9, "9 of 10"), (0.99, "99 of 100"))
    return [
        panels.lines(
            "Duration of a check",
            "How long a whole check takes, from reading the credential to the verdict, over all targets.",
            *(Query(q.quantile(share, "check_duration_seconds"), f"{name} within") for share, name in quantiles),
            unit="s",
        ),
        panels.lines(
            "Lateness of checks",
            "How much later than due checks start. When this grows, the monitor lacks CPU.",
            *(Query(q.quantile(share, "schedule_lateness_seconds"), f"{name} within") for share, name in quantiles),
            unit="s",
        ),
        panels.lines(
            "Checks",
            "Checks a second, by replica. Every replica checks every target, unless they share them.",
            Query(q.rate(q.own("check_duration_seconds", suffix="_count")), "{{instance}}"),
            unit="cps",
            span=6,
        ),
        panels.lines(
            "CPU",
            "Cores that each replica uses.",
            Query(q.rate(q.process("cpu_seconds_total")), "{{instance}}"),
            unit="none",
            span=5,
        ),
        panels.lines(
            "Memory",
            "Resident memory of each replica.",
            Query(q.process("resident_memory_bytes"), "{{instance}}"),
            unit="bytes",
            span=5,
        ),
        panels.lines(
            "Replicas by version",
            "Monitors that run. None: TokenMonitorDown fires.",
            Query(f"count by (version) ({q.own('build_info')})", "{{version}}"),
            unit="none",
            stacked=True,
            span=4,
        ),
        panels.number(
            "Configuration",
            "Whether the present configuration and certificates are in force in all replicas, or were refused by one, which "
            "then goes on with those before. `token-monitor config validate FILE` and the log name every error.",
            Query(f"min({q.own('config_last_reload_successful')})"),
            mappings=panels.named({1: ("in force", panels.ACCEPTED), 0: ("refused", panels.ATTENTION)}),
            height=8,
        ),
    ]


def _notifications() -> list[panels.AnyPanel]:
    none = "No request to an Alertmanager is known."
    return [
        panels.lines(
            "Requests with alerts",
            "Requests a minute to each Alertmanager. Firing alerts are sent again and again.",
            Query(f"60 * sum by (alertmanager) ({q.rate(q.own('notifications_total'))})", "{{alertmanager}}"),
            unit="cpm",
            missing=none,
        ),
        panels.lines(
            "Requests that were not taken",
            "Requests a minute that an Alertmanager refused, wholly or in part, or did not answer.",
            Query(f"60 * sum by (alertmanager) ({q.rate(q.own('notification_failures_total'))})", "{{alertmanager}}"),
            unit="cpm",
            missing=none,
        ),
    ]


def _reading() -> list[panels.AnyPanel]:
    lines = ["| class | status | what it says |", "|---|---|---|"]
    for kind, word in panels.WORDS.items():
        lines += [f"| {word} | `{status}` | {FACTS[status].meaning} |" for status in q.of_kind(kind)]
    return [
        panels.words(
            "What the statuses say",
            "Every status, by its class.",
            "Only Argo CD's own answer about a token makes it refused: a network fault, a 429, a 5xx, a login page or a "
            "proxy never does. Two replicas may differ for a moment: the one that can tell is shown.\n\n"
            + "\n".join(lines),
            height=20,
        )
    ]


def _counted(kind: Kind) -> panels.AnyPanel:
    about = {
        Kind.REFUSED: "Targets whose token Argo CD refuses.",
        Kind.UNKNOWN: "Targets of which it cannot be told whether their token is accepted.",
        Kind.ATTENTION: "Targets whose token is accepted, but ends soon, belongs to another account or lacks a permission.",
        Kind.ACCEPTED: "Targets whose token is accepted, and nobody has to do anything.",
    }
    colour = panels.COLOURS[kind]
    return panels.number(
        panels.WORDS[kind],
        about[kind],
        Query(q.count(q.in_class(kind, MANY), ALL)),
        steps=((None, colour),) if kind is Kind.ACCEPTED else panels.none_or(colour),
    )


def _of_those(expression: str) -> str:
    """Only of targets whose token some replica does not find valid."""
    invalid = q.each(q.of("token_status", MANY, 'status!="valid"'))
    return f"{expression} and on ({', '.join(OF_TARGET)}) {invalid}"
