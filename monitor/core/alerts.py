"""The alerts, in one table: what fires, when, how urgent it is, and what it says. Rule files are made of it (`rules`).

What identifies an alert are its labels: `alertname`, `severity`, `target`, and `cluster` and `namespace` where the
scrape has them (two monitors may each have a target `codefresh`; routes are made by namespace). A label that changes
makes another alert, and so a second page. Therefore everything else of the scrape (instance, pod, job) is aggregated
away, so that a second replica or a restart changes nothing, and status, account and server are told by annotations.
Expressions and texts hold placeholders: `<gap>` is a threshold as a duration, `<gap.seconds>` the same as a number,
`<selector>` label matchers that limit the rules to one monitor, with a comma after each.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from monitor.core import alert_words as words
from monitor.core.journal import State
from monitor.core.report import STOOD_DOWN

# Default of the runbooks' address: the project has no public home yet, and `.example` never belongs to anybody else.
RUNBOOKS = "https://token-monitor.example/runbooks"

MINUTE = 60
DAY = 86_400


class AlertName(enum.StrEnum):
    """Every alert. A contract with users' routes and silences: add, never rename."""

    REFUSED = "TokenMonitorTokenRefused"
    EXPIRING = "TokenMonitorTokenExpiring"
    NOT_VERIFIED = "TokenMonitorTokenNotVerified"
    NEEDS_ATTENTION = "TokenMonitorTokenNeedsAttention"
    ROTATION_FAILING = "TokenMonitorRotationFailing"
    STOOD_DOWN = "TokenMonitorStoodDown"
    ANONYMOUS_ACCESS = "TokenMonitorAnonymousAccess"
    CONFIG_REJECTED = "TokenMonitorConfigRejected"
    TARGETS_UNSEEN = "TokenMonitorTargetsUnseen"
    DOWN = "TokenMonitorDown"


class Severity(enum.StrEnum):
    """How urgent an alert is, as the mixins of Prometheus have it."""

    CRITICAL = "critical"  # somebody is woken
    WARNING = "warning"  # somebody looks at it today
    INFO = "info"  # nobody is told, unless they ask


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What users may change, in whole seconds. Raises ValueError for values that contradict each other.

    refused_for: how long a refusal lasts before it pages; a rotation mends one within seconds, and Prometheus should
    scrape at least twice in it. expiring_warning, expiring_critical: time left (`SHARES` caps both for short-lived
    tokens). not_verified_for: longer than three intervals. settle: how long after a start all is known. gap: how long a
    restart or failed scrapes may last without a firing alert being let go; longer than down_for, so that nothing
    ends in silence before the monitor's own absence is told.
    """

    refused_for: int = 30
    expiring_warning: int = 7 * DAY
    expiring_critical: int = DAY
    expiring_for: int = 5 * MINUTE
    not_verified_for: int = 10 * MINUTE
    needs_attention_for: int = 5 * MINUTE
    rotation_failing_for: int = 5 * MINUTE
    anonymous_access_for: int = 15 * MINUTE
    config_rejected_for: int = 5 * MINUTE
    targets_unseen_for: int = 5 * MINUTE
    down_for: int = 4 * MINUTE
    settle: int = MINUTE
    gap: int = 5 * MINUTE

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(f"{camel(field.name)} must be at least one second; give a longer time")
        if self.expiring_critical >= self.expiring_warning:
            raise ValueError("expiringCritical must be shorter than expiringWarning; change one of them")
        if self.down_for >= self.gap:
            raise ValueError("downFor must be shorter than gap; change one of them")


@dataclass(frozen=True, slots=True)
class Variant:
    """One rule of an alert: when it has this severity, and what it then says (a template of Prometheus).

    No two variants of an alert are true at the same time.
    """

    severity: Severity
    expression: str
    description: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One row. summary: a sentence that is always the same.

    held, kept: names of thresholds: how long it must be true before it fires (`for`), and how long it fires on when
    its series are gone (`keep_firing_for`). Both are the same where there are two variants: then one ends in the very
    evaluation in which the other begins, with neither a gap nor two pages.
    urgent: evaluated more often than the rest.
    """

    name: AlertName
    summary: str
    variants: tuple[Variant, ...]
    held: str
    kept: str | None = "gap"
    urgent: bool = False

    @property
    def runbook(self) -> str:
        """The file with what to do, in `docs/runbooks`."""
        return f"{self.name}.md"


def camel(name: str) -> str:
    """`refused_for` -> `refusedFor`: how users write the name of a threshold."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def identity(
    name: AlertName, severity: Severity, target: str | None, place: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The labels of an alert. place: `namespace` and `cluster`, as the scrape of this monitor has them."""
    labels = {"alertname": name.value, "severity": severity.value, **(place or {})}
    return labels if target is None else {**labels, "target": target}


# Labels that are kept by every aggregation: of a target, and of the monitor as a whole.
OF_TARGET = ("cluster", "namespace", "target")
OF_MONITOR = ("cluster", "namespace")

# The part of a token's lifetime that must be left at most: keys of a day are replaced when a third is left (`policy`),
# and would otherwise always expire within a week.
SHARES = {"expiring_warning": 0.25, "expiring_critical": 0.1}
# States in which the new key is in the Secret: whatever failed before, it has succeeded in the end.
_SUCCEEDED = (State.PUBLISHED, State.ADOPTED, State.GRACE, State.RETIRED)
_BY = f"by ({', '.join(OF_TARGET)})"


def _one_of(values: Iterable[str]) -> str:
    return "|".join(values)


def _indented(expression: str) -> str:
    return "\n".join(f"  {line}" for line in expression.splitlines())


def _soon(threshold: str) -> str:
    left = f"max {_BY} (tokenmonitor_token_expiration_timestamp_seconds{{<selector>}}) - time()"
    lifetime = (
        f"max {_BY} (tokenmonitor_token_expiration_timestamp_seconds{{<selector>}}"
        " - tokenmonitor_token_issued_timestamp_seconds{<selector>})"
    )
    return f"""(
  {left} < <{threshold}.seconds>
  unless
  {left} >= {SHARES[threshold]} * {lifetime}
)"""


_REFUSED = f"min {_BY} (tokenmonitor_token_accepted{{<selector>}}) == 0"
# A replica that can no longer look is overruled by one that has seen the token accepted since.
_OVERRULED = f"""(
  max {_BY} (tokenmonitor_token_verified_timestamp_seconds{{<selector>}} and tokenmonitor_token_accepted{{<selector>}} == 1)
  >
  max {_BY} (tokenmonitor_token_verified_timestamp_seconds{{<selector>}} and tokenmonitor_token_accepted{{<selector>}} == 0) + <gap.seconds>
)"""
_WARN, _SOON = _soon("expiring_warning"), _soon("expiring_critical")
_FAILING = f"""(
  max {_BY} (tokenmonitor_rotation_consecutive_failures{{<selector>}}) > 0
  unless
  max {_BY} (tokenmonitor_rotation_state{{<selector>state=~"{_one_of((*_SUCCEEDED, STOOD_DOWN))}"}})
)"""
_IN_NEED = f"""(
  {_REFUSED}
  or
{_indented(_SOON)}
)"""
# Without state, so that a restart begins nothing anew: there now, there already then, and never verified in between.
_NOT_VERIFIED = f"""max {_BY} (tokenmonitor_token_status{{<selector>}})
and
max {_BY} (last_over_time(tokenmonitor_token_status{{<selector>}}[<gap>] offset <not_verified_for>))
unless
max {_BY} (max_over_time(tokenmonitor_token_verified_timestamp_seconds{{<selector>}}[<not_verified_for>])) > time() - <not_verified_for.seconds>"""

# Every replica knows how many there are; of where the targets are shared, each shows its part alone.
_OF_MONITOR = f"by ({', '.join(OF_MONITOR)})"
_TARGETS = f"max {_OF_MONITOR} (tokenmonitor_targets{{<selector>}})"
_UNSEEN = f"""{_TARGETS} > 0
unless
count {_OF_MONITOR} (max {_BY} (tokenmonitor_token_status{{<selector>}})) >= {_TARGETS}"""

ALERTS: tuple[Alert, ...] = (
    Alert(
        AlertName.REFUSED,
        "Argo CD refuses a token.",
        # `accepted` is that of the last check that could tell: an outage of Argo CD neither fires nor ends this.
        (Variant(Severity.CRITICAL, f"{_REFUSED}\nunless\n{_OVERRULED}", words.SAYS_REFUSED),),
        held="refused_for",
        urgent=True,
    ),
    Alert(
        AlertName.EXPIRING,
        "A token expires soon and nobody has replaced it.",
        (
            Variant(Severity.WARNING, f"{_WARN}\nunless\n{_SOON}\nunless\n{_REFUSED}", words.SAYS_EXPIRING),
            Variant(Severity.CRITICAL, f"{_SOON}\nunless\n{_REFUSED}", words.SAYS_EXPIRING),
        ),
        held="expiring_for",
        kept="expiring_for",
    ),
    Alert(
        AlertName.NOT_VERIFIED,
        "Nobody knows whether a token is accepted.",
        (Variant(Severity.WARNING, _NOT_VERIFIED, words.SAYS_NOT_VERIFIED),),
        held="settle",
    ),
    Alert(
        AlertName.NEEDS_ATTENTION,
        "A token is accepted and still not what its consumer needs.",
        (
            Variant(
                Severity.WARNING,
                f'max {_BY} (tokenmonitor_token_status{{<selector>status=~"{_one_of(words.ATTENTION)}"}}) == 1',
                words.SAYS_NEEDS_ATTENTION,
            ),
        ),
        held="needs_attention_for",
    ),
    Alert(
        AlertName.ROTATION_FAILING,
        "A key cannot be replaced.",
        (
            Variant(Severity.WARNING, f"{_FAILING}\nunless\n{_IN_NEED}", words.SAYS_ROTATION_FAILING),
            Variant(Severity.CRITICAL, f"{_FAILING}\nand\n{_IN_NEED}", words.SAYS_ROTATION_FAILING_IN_NEED),
        ),
        held="rotation_failing_for",
        kept="rotation_failing_for",
    ),
    Alert(
        AlertName.STOOD_DOWN,
        "Another writer undoes the rotation, so the monitor has stopped it.",
        (
            Variant(
                Severity.WARNING,
                f'max {_BY} (tokenmonitor_rotation_state{{<selector>state="{STOOD_DOWN}"}}) == 1',
                words.SAYS_STOOD_DOWN,
            ),
        ),
        held="settle",
    ),
    Alert(
        AlertName.ANONYMOUS_ACCESS,
        "Argo CD answers requests without any credential.",
        (
            Variant(
                Severity.INFO,
                f"max {_BY} (tokenmonitor_anonymous_access{{<selector>}}) == 1",
                words.SAYS_ANONYMOUS_ACCESS,
            ),
        ),
        held="anonymous_access_for",
    ),
    Alert(
        AlertName.CONFIG_REJECTED,
        "A changed configuration or a discovered target cannot be used; what was in force before still is.",
        (
            Variant(
                Severity.WARNING,
                f"min by ({', '.join(OF_MONITOR)}) (tokenmonitor_config_last_reload_successful{{<selector>}}) == 0\n"
                f"or max by ({', '.join(OF_MONITOR)}) (tokenmonitor_discovery_errors{{<selector>}}) > 0",
                words.SAYS_CONFIG_REJECTED,
            ),
        ),
        held="config_rejected_for",
    ),
    Alert(
        AlertName.TARGETS_UNSEEN,
        "Prometheus sees nothing of some targets, so their alerts cannot fire.",
        (Variant(Severity.WARNING, _UNSEEN, words.SAYS_TARGETS_UNSEEN),),
        held="targets_unseen_for",
    ),
    Alert(
        AlertName.DOWN,
        "Token Monitor is down, so nobody tests the tokens.",
        # The dead man's switch. A plain selector: with a comparison, absent() would lose the selector's labels.
        (Variant(Severity.CRITICAL, "absent(tokenmonitor_build_info{<selector>})", words.SAYS_DOWN),),
        held="down_for",
        kept=None,
    ),
)
