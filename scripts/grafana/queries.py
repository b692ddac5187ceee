"""PromQL of the dashboards: the pieces that panels are put together from. Text in, text out.

Two rules hold for every query. Each selector is limited by the dashboard's variables. And each aggregation keeps what
identifies a target (`alerts.OF_TARGET`) and takes the maximum of the rest, so that a second replica counts nothing
twice: whoever can tell outranks whoever cannot. States become one number a target, the worse the higher, which the
panels map back to words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monitor.core.alert_conditions import SUCCEEDED
from monitor.core.alerts import OF_TARGET
from monitor.core.journal import State
from monitor.core.metric_table import METRICS, PREFIX
from monitor.core.report import STOOD_DOWN
from monitor.core.status import Kind, Status

BY = f"by ({', '.join(OF_TARGET)})"
RATE = "$__rate_interval"
RANGE = "$__range"

OF_MONITOR = 'cluster=~"$cluster",namespace=~"$namespace",job=~"$job",instance=~"$instance"'
MANY, ONE = 'target=~"$target"', 'target="$target"'

# Where the numbers of a class begin; the statuses of the class follow.
_BASES = {Kind.ACCEPTED: 0, Kind.ATTENTION: 10, Kind.UNKNOWN: 20, Kind.REFUSED: 40}
NEEDS_SOMEBODY = _BASES[Kind.ATTENTION]
# Between replicas that found different things: who can tell goes before who cannot.
_PRECEDENCE = (Kind.REFUSED, Kind.ATTENTION, Kind.ACCEPTED, Kind.UNKNOWN)

# More targets than this are only drawn when something was wrong with them.
MOST_DRAWN = 100

_DECLARED = {metric.name for metric in METRICS}


def of_kind(kind: Kind) -> tuple[Status, ...]:
    """The statuses of a class."""
    return tuple(status for status in Status if status.kind is kind)


STATUS_CODES: Mapping[Status, int] = {
    status: base + place for kind, base in _BASES.items() for place, status in enumerate(of_kind(kind), start=1)
}

IDLE, FAILING = State.IDLE.value, "failing"
_UNDER_WAY = tuple(state for state in State if state is not State.IDLE)
ROTATION_CODES: Mapping[str, int] = {
    IDLE: 1,
    **{state.value: place for place, state in enumerate(_UNDER_WAY, start=11)},
    FAILING: 21,
    STOOD_DOWN: 31,
}


def own(metric: str, *matchers: str, suffix: str = "") -> str:
    """The selector of a metric about the monitor itself. suffix: `_bucket` or `_count` of a histogram."""
    return f"{_name(metric)}{suffix}{{{','.join((OF_MONITOR, *matchers))}}}"


def process(metric: str) -> str:
    """The selector of one of the metrics that client libraries export of every process."""
    return f"process_{metric}{{{OF_MONITOR}}}"


def of(metric: str, target: str, *matchers: str) -> str:
    """The selector of a metric about targets. target: `MANY` or `ONE`."""
    return f"{_name(metric)}{{{','.join((OF_MONITOR, target, *matchers))}}}"


def each(expression: str, *labels: str) -> str:
    """One value a target, and a value of `labels`, whatever the number of replicas."""
    return f"max by ({', '.join((*OF_TARGET, *labels))}) ({expression})"


def value(metric: str, target: str) -> str:
    """The present value for each target."""
    return each(of(metric, target))


def rate(selector: str) -> str:
    """How much a second."""
    return f"rate({selector}[{RATE}])"


def increase(selector: str, window: str = RATE) -> str:
    """How much in the window."""
    return f"increase({selector}[{window}])"


def status_code(target: str) -> str:
    """The number of the present status (`STATUS_CODES`) for each target."""
    ordered = sorted(Status, key=lambda status: (_PRECEDENCE.index(status.kind), status is Status.PENDING))
    return _first(
        f"{STATUS_CODES[status]} * {each(of('token_status', target, _is('status', status)))}" for status in ordered
    )


def in_class(kind: Kind, target: str) -> str:
    """The targets that are in this class, each with a 1."""
    before = [status for other in _PRECEDENCE[: _PRECEDENCE.index(kind)] for status in of_kind(other)]
    found = each(of("token_status", target, _one_of("status", of_kind(kind))))
    return f"{found} unless {each(of('token_status', target, _one_of('status', before)))}" if before else found


def rotation_code(target: str) -> str:
    """The number of what the rotation does (`ROTATION_CODES`) for each target. Replicas that only wait are `idle`."""
    succeeded = each(of("rotation_state", target, _one_of("state", SUCCEEDED)))
    failing = f"(clamp_max({value('rotation_consecutive_failures', target)}, 1) == 1 unless {succeeded})"
    return _first(
        (
            _state(STOOD_DOWN, target),
            f"{ROTATION_CODES[FAILING]} * {failing}",
            *(_state(state.value, target) for state in reversed(_UNDER_WAY)),
            _state(IDLE, target),
        )
    )


def rotation_states(target: str) -> str:
    """The state of each rotation as a label, `idle` only where no replica says something else."""
    moving = of("rotation_state", target, f'state!="{IDLE}"')
    idle = each(of("rotation_state", target, f'state="{IDLE}"'), "state")
    return f"{each(moving, 'state')} or ({idle} unless on ({', '.join(OF_TARGET)}) {each(moving)})"


def or_zero(number: str, among: str) -> str:
    """`number`, or 0 where it has no value and `among` has some; nothing where both have none.

    A monitor that is gone must not look like one that finds nothing wrong.
    """
    return f"{number} or 0 * count({among})"


def count(vector: str, among: str) -> str:
    """How many series `vector` has, see `or_zero`."""
    return or_zero(f"count({vector})", among)


def with_info(expression: str, target: str, *labels: str) -> str:
    """`expression` with `labels` of the token. Replicas may differ for a moment: one of them is taken."""
    same = ", ".join(OF_TARGET)
    info = f"topk {BY} (1, {each(of('token_info', target), *labels)})"
    return f"({expression}) * on ({same}) group_left ({', '.join(labels)}) {info}"


def drawn(expression: str, target: str) -> str:
    """`expression` for all targets while they are few; else for those that were in some trouble in the time range."""
    same = ", ".join(OF_TARGET)
    troubled = of("token_status", target, 'status!~"valid|pending"')
    few = f"{value('token_status', target)} and on () count({value('token_status', target)}) <= {MOST_DRAWN}"
    return f"""({expression})
and on ({same})
(
  {each(f"max_over_time({troubled}[{RANGE}] @ end())")}
  or
  ({few})
)"""


def quantile(share: float, histogram: str) -> str:
    """A quantile of a histogram of the monitor itself, over all replicas."""
    return f"histogram_quantile({share}, sum by (le) ({rate(own(histogram, suffix='_bucket'))}))"


def _state(state: str, target: str) -> str:
    return f"{ROTATION_CODES[state]} * {each(of('rotation_state', target, _is('state', state)))}"


def _first(expressions: Iterable[str]) -> str:
    """For each target the first that has it."""
    return "\nor\n".join(expressions)


def _is(label: str, wanted: str) -> str:
    return f'{label}="{wanted}"'


def _one_of(label: str, values: Iterable[str]) -> str:
    return f'{label}=~"{"|".join(values)}"'


def _name(metric: str) -> str:
    if metric not in _DECLARED:
        raise ValueError(
            f"{metric} is not declared in monitor/core/metric_table.py; a dashboard may only ask for what is"
        )
    return PREFIX + metric
