"""The panels about rotations, for many targets and for one."""

from __future__ import annotations

from monitor.core.rotation.limits import MAX_LIVE_KEYS

from scripts.grafana import panels
from scripts.grafana import queries as q
from scripts.grafana.frame import FROM_CELL
from scripts.grafana.panels import Column, Query
from scripts.grafana.queries import MANY, ONE

NONE_KNOWN, NOT_KNOWN = "No rotation is known.", "not known"
# Prometheus extrapolates: one event may look like a little more or less.
SOME = ((None, panels.PLAIN), (0.5, panels.ATTENTION))
AT_MOST = ((None, panels.PLAIN), (MAX_LIVE_KEYS + 1, panels.REFUSED))


def of_many() -> list[panels.AnyPanel]:
    """All rotations: what each does, and how often they succeed and fail."""
    every, rotated = q.value("token_status", MANY), q.value("rotation_state", MANY)
    return [
        panels.number(
            "Rotated targets",
            "Targets whose keys the monitor replaces by itself.",
            Query(q.count(rotated, every)),
        ),
        panels.number(
            "Stood down",
            "Targets whose Secret is left to another writer: their keys are not replaced any more. "
            "TokenMonitorStoodDown says what to do.",
            Query(q.count(q.each(q.of("rotation_state", MANY, 'state="stood_down"')), every)),
            steps=panels.none_or(panels.ATTENTION),
        ),
        panels.number(
            "Failing",
            "Targets whose last attempts to replace the key failed. TokenMonitorRotationFailing says what to do.",
            Query(q.count(f"{q.value('rotation_consecutive_failures', MANY)} > 0", every)),
            steps=panels.none_or(panels.ATTENTION),
        ),
        panels.number(
            "Replaced keys",
            "Keys that were replaced in the time range.",
            Query(q.or_zero(f"sum({q.each(q.increase(q.of('rotations_total', MANY), q.RANGE))})", every)),
            decimals=0,
        ),
        panels.number(
            "Refused logins",
            "Logins of the monitor that Argo CD refused, or whose answer was lost, in the time range. Argo CD locks a "
            "user out after five.",
            Query(q.or_zero(f"sum({q.each(q.increase(q.of('login_failures_total', MANY), q.RANGE))})", every)),
            decimals=0,
            steps=SOME,
        ),
        panels.number(
            "Most live keys",
            f"The most keys of the monitor's own that are alive on one account. More than {MAX_LIVE_KEYS} never are.",
            Query(q.or_zero(f"max({q.value('live_keys', MANY)})", every)),
            steps=AT_MOST,
        ),
        panels.rows(
            "Rotations",
            "What the rotation of each target does, the worst first: stood down, failing, under way, idle.",
            (
                Query(q.rotation_code(MANY)),
                Query(q.value("rotation_consecutive_failures", MANY)),
                Query(q.value("live_keys", MANY)),
                Query(f"1000 * {q.value('rotation_last_success_timestamp_seconds', MANY)}"),
                Query(f"1000 * {q.value('rotation_drill_last_success_timestamp_seconds', MANY)}"),
                Query(q.each(q.increase(q.of("login_failures_total", MANY), q.RANGE))),
            ),
            (
                Column("A", "State", 140, mappings=panels.rotation_mappings()),
                Column("target", "Target", link=FROM_CELL),
                Column("B", "Failures in a row", 140, unit="none"),
                Column("C", "Live keys", 100, unit="none"),
                Column("D", "Last replaced", 150, unit="dateTimeFromNow", missing="never"),
                Column("E", "Last fire drill", 150, unit="dateTimeFromNow", missing="never"),
                Column("F", "Refused logins", 130, unit="none", decimals=0),
                *panels.WHERE,
            ),
            by="State",
            missing=NONE_KNOWN,
        ),
        panels.lines(
            "Rotations by state",
            "How many rotations are in which state. All but idle and stood_down last minutes, grace as long as it is set.",
            Query(f"count by (state) ({q.rotation_states(MANY)})", "{{state}}"),
            unit="none",
            colours={"stood_down": panels.ATTENTION, "idle": panels.ACCEPTED},
            stacked=True,
            missing=NONE_KNOWN,
            span=8,
        ),
        panels.lines(
            "Keys replaced",
            "When keys were replaced.",
            Query(f"sum({q.each(q.increase(q.of('rotations_total', MANY)))})", "replaced"),
            unit="none",
            colours={"replaced": panels.ACCEPTED},
            bars=True,
            interval="1m",
            missing=NONE_KNOWN,
            span=8,
        ),
        panels.lines(
            "Failed steps",
            "Steps of rotations that were refused or got no answer. Each step has a line in the runbook of "
            "TokenMonitorRotationFailing.",
            Query(
                f"sum by (reason) ({q.each(q.increase(q.of('rotation_failures_total', MANY)), 'reason')})", "{{reason}}"
            ),
            unit="none",
            bars=True,
            interval="1m",
            missing=NONE_KNOWN,
            span=8,
        ),
    ]


def of_one() -> list[panels.AnyPanel]:
    """The rotation of one target: where it stands, and what it did and did not succeed in."""
    return [
        panels.number(
            "Rotation",
            "What the rotation does now.",
            Query(q.rotation_code(ONE)),
            mappings=panels.rotation_mappings(),
            missing=NOT_KNOWN,
        ),
        panels.number(
            "Failures in a row",
            "Attempts to replace the key that failed in a row. The pause between them doubles up to six hours.",
            Query(q.value("rotation_consecutive_failures", ONE)),
            steps=panels.none_or(panels.ATTENTION),
            missing=NOT_KNOWN,
        ),
        panels.number(
            "Live keys",
            f"Keys of the monitor's own that may be alive on the account; at most {MAX_LIVE_KEYS}.",
            Query(q.value("live_keys", ONE)),
            steps=AT_MOST,
            missing=NOT_KNOWN,
        ),
        panels.number(
            "Last replaced",
            "Time since a key was last replaced and its predecessor retired.",
            Query(f"time() - {q.value('rotation_last_success_timestamp_seconds', ONE)}"),
            unit="s",
            decimals=1,
            missing=NOT_KNOWN,
        ),
        panels.number(
            "Last fire drill",
            "Time since a drill last made, proved and deleted a key.",
            Query(f"time() - {q.value('rotation_drill_last_success_timestamp_seconds', ONE)}"),
            unit="s",
            decimals=1,
            missing=NOT_KNOWN,
        ),
        panels.number(
            "Refused logins",
            "Logins that Argo CD refused, or whose answer was lost, in the time range. Argo CD locks a user out after five.",
            Query(q.each(q.increase(q.of("login_failures_total", ONE), q.RANGE))),
            decimals=0,
            steps=SOME,
            missing=NOT_KNOWN,
        ),
        panels.timeline(
            "State of the rotation",
            "The steps of replacing a key, in their order: intent, minted, verified, published, adopted, grace, retired; "
            "then idle again.",
            Query(q.rotation_code(ONE), "rotation"),
            panels.rotation_mappings(),
            missing=NONE_KNOWN,
            height=4,
        ),
        panels.lines(
            "Keys replaced",
            "When keys were replaced.",
            Query(q.each(q.increase(q.of("rotations_total", ONE))), "replaced"),
            unit="none",
            colours={"replaced": panels.ACCEPTED},
            bars=True,
            interval="1m",
            missing=NONE_KNOWN,
            span=8,
        ),
        panels.lines(
            "Failed steps",
            "Steps of rotations that were refused or got no answer. Each step has a line in the runbook of "
            "TokenMonitorRotationFailing.",
            Query(q.each(q.increase(q.of("rotation_failures_total", ONE)), "reason"), "{{reason}}"),
            unit="none",
            bars=True,
            interval="1m",
            missing=NONE_KNOWN,
            span=8,
        ),
        panels.lines(
            "Keys, failures and refused logins",
            "Live keys of the monitor's own, keys on the account that it did not make and never deletes, attempts that "
            "failed in a row, and logins refused in each interval.",
            Query(q.value("live_keys", ONE), "live keys"),
            Query(q.value("other_keys", ONE), "keys of others"),
            Query(q.value("rotation_consecutive_failures", ONE), "failures in a row"),
            Query(q.each(q.increase(q.of("login_failures_total", ONE))), "refused logins"),
            unit="none",
            colours={
                "live keys": panels.MOVING,
                "keys of others": panels.PLAIN,
                "failures in a row": panels.ATTENTION,
                "refused logins": panels.REFUSED,
            },
            missing=NONE_KNOWN,
            span=8,
        ),
    ]
