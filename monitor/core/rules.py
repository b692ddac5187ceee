"""Rule files out of the table of alerts: as plain dicts, as a file for Prometheus, and as a file for a Helm chart.

All are made by the same function and differ only in what stands for the placeholders of the table. In the chart's
file they are left open, so that a template fills in the user's values with `replace`: nothing of Prometheus' own
templates has to be protected from Helm, and the file reads like the plain one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields

from monitor.core.alerts import ALERTS, RUNBOOKS, Alert, AlertName, Thresholds, Variant, camel

# Two groups: a refusal is looked for every 15 s, the rest as often as Prometheus does by itself.
URGENT, USUAL = "token-monitor-urgent", "token-monitor"
URGENT_INTERVAL = "15s"

NOTE = "# Made by `make docs` from the table of alerts in the code; changes here are lost."
# The name of a threshold, as a duration or in seconds; or `selector`.
_PLACEHOLDER = re.compile(r"<([a-z_]+(?:\.seconds)?)>")
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
# What YAML reads as a text without quotes: names, durations, placeholders.
_BARE = re.compile(r"[A-Za-z][A-Za-z-]*|[0-9]+[smhd]|<[A-Za-z]+>")

Value = str | list["Value"] | dict[str, "Value"]


@dataclass(frozen=True, slots=True)
class RuleOptions:
    """What users may choose.

    selector: label matchers that limit the rules to one monitor, like `namespace="codefresh"`; needed where several
    are scraped by one Prometheus, so that the absence of each is seen. runbooks: address below which the runbooks are.
    """

    thresholds: Thresholds = field(default_factory=Thresholds)
    runbooks: str = RUNBOOKS
    selector: str = ""
    disabled: frozenset[AlertName] = frozenset()


@dataclass(frozen=True, slots=True)
class _Filling:
    """What stands for the placeholders."""

    values: Mapping[str, str]
    runbooks: str

    def into(self, text: str) -> str:
        return _PLACEHOLDER.sub(lambda found: self.values[found[1]], text)


def groups(options: RuleOptions | None = None) -> list[dict[str, Value]]:
    """The rule groups, as Prometheus' rule files and PrometheusRule objects have them below `groups`."""
    options = options or RuleOptions()
    return _groups(_chosen(options), options.disabled)


def rule_file(options: RuleOptions | None = None) -> str:
    """A rule file for Prometheus 2.42 or newer (`keep_firing_for`)."""
    return _file(groups(options))


def chart_file() -> str:
    """The rule file with open placeholders, for a template of a chart.

    `<NAME>` and `<NAME.seconds>` for each threshold of `chart_values`, `<selector>` (matchers, each with a comma
    after it; may be empty) and `<runbooks>`.
    """
    return _file(_groups(_open(), frozenset()))


def chart_values() -> dict[str, str]:
    """The thresholds as a chart's values have them: camelCase, one number and one unit each."""
    defaults = Thresholds()
    return {camel(threshold.name): duration(getattr(defaults, threshold.name)) for threshold in fields(Thresholds)}


def duration(seconds: int) -> str:
    """`604800` -> `7d`: one number and one unit, as Prometheus reads it."""
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{seconds // size}{unit}"


def _chosen(options: RuleOptions) -> _Filling:
    selector = options.selector.strip().rstrip(",")
    values = {"selector": f"{selector}," if selector else ""}
    for threshold in fields(Thresholds):
        seconds = getattr(options.thresholds, threshold.name)
        values |= {threshold.name: duration(seconds), f"{threshold.name}.seconds": str(seconds)}
    return _Filling(values, options.runbooks.rstrip("/"))


def _open() -> _Filling:
    values = {"selector": "<selector>"}
    for threshold in fields(Thresholds):
        name = camel(threshold.name)
        values |= {threshold.name: f"<{name}>", f"{threshold.name}.seconds": f"<{name}.seconds>"}
    return _Filling(values, "<runbooks>")


def _groups(filling: _Filling, disabled: frozenset[AlertName]) -> list[dict[str, Value]]:
    def rules(*, urgent: bool) -> list[Value]:
        chosen = (alert for alert in ALERTS if alert.urgent is urgent and alert.name not in disabled)
        return [_rule(alert, variant, filling) for alert in chosen for variant in alert.variants]

    found: list[dict[str, Value]] = []
    if urgent := rules(urgent=True):
        found.append({"name": URGENT, "interval": URGENT_INTERVAL, "rules": urgent})
    if usual := rules(urgent=False):
        found.append({"name": USUAL, "rules": usual})
    return found


def _rule(alert: Alert, variant: Variant, filling: _Filling) -> dict[str, Value]:
    kept: dict[str, Value] = {} if alert.kept is None else {"keep_firing_for": filling.into(f"<{alert.kept}>")}
    return {
        "alert": alert.name.value,
        # Without what an empty selector, or the comma after the last matcher, leaves behind.
        "expr": filling.into(variant.expression).replace("{}", "").replace(",}", "}"),
        "for": filling.into(f"<{alert.held}>"),
        **kept,
        "labels": {"severity": variant.severity.value},
        "annotations": {
            "summary": alert.summary,
            "description": filling.into(variant.description),
            "runbook_url": f"{filling.runbooks}/{alert.runbook}",
        },
    }


def _file(found: list[dict[str, Value]]) -> str:
    return "\n".join((NOTE, *_yaml({"groups": list(found)}, 0))) + "\n"


def _yaml(value: Value, depth: int) -> Iterator[str]:
    """Lines of YAML, two blanks a level. Long texts are literal blocks: nothing in them needs to be escaped, nor in what
    is put in the place of an open placeholder.
    """
    pad = "  " * depth
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str):
                yield from _text(f"{pad}{key}: ", inner, depth)
            else:
                yield f"{pad}{key}:"
                yield from _yaml(inner, depth + 1)
    elif isinstance(value, list):
        for item in value:
            first, *others = _yaml(item, depth + 1)
            yield f"{pad}- {first.lstrip()}"
            yield from others


def _text(lead: str, text: str, depth: int) -> Iterable[str]:
    if _BARE.fullmatch(text):
        return (f"{lead}{text}",)
    if any(mark in text for mark in ("\n", '"', "`", "{{", "<")):
        return (f"{lead}|-", *(f"{'  ' * (depth + 1)}{line}" for line in text.splitlines()))
    return (f"{lead}{json.dumps(text, ensure_ascii=False)}",)
