"""`token-monitor rules`: prints the alert rules for Prometheus, with thresholds of one's own."""

from __future__ import annotations

import re
from dataclasses import fields

import click

from monitor.config import durations
from monitor.core.alerts import RUNBOOKS, AlertName, Thresholds, camel
from monitor.core.rules import RuleOptions, chart_values, rule_file

_MATCHER = r'\s*[A-Za-z_][A-Za-z0-9_]*\s*(?:=|!=|=~|!~)\s*"(?:[^"\\\n]|\\.)*"\s*'
SELECTOR = re.compile(rf"\s*|{_MATCHER}(?:,{_MATCHER})*,?\s*")
NAMES = {camel(threshold.name): threshold.name for threshold in fields(Thresholds)}
DEFAULTS = ", ".join(f"{name}={value}" for name, value in chart_values().items())


@click.command("rules", epilog=f"Thresholds and their defaults: {DEFAULTS}.")
@click.option("--set", "changes", multiple=True, metavar="NAME=DURATION", help="Change a threshold. Repeatable.")
@click.option("--selector", default="", help="Label matchers of one monitor, where several are scraped.")
@click.option("--runbook-url", default=RUNBOOKS, show_default=True, help="Address below which the runbooks are.")
@click.option(
    "--disable",
    "disabled",
    multiple=True,
    type=click.Choice([name.value for name in AlertName]),
    metavar="ALERT",
    help="Leave an alert out. Repeatable.",
)
def command(changes: tuple[str, ...], selector: str, runbook_url: str, disabled: tuple[str, ...]) -> None:
    """Print the alert rules, for Prometheus 2.42 or newer.

    \b
    token-monitor rules > /etc/prometheus/rules/token-monitor.yaml
    token-monitor rules --set expiringWarning=14d --set gap=10m --selector 'namespace="codefresh"'
    """
    try:
        thresholds = Thresholds(**dict(_change(change) for change in changes))
    except ValueError as error:
        raise click.UsageError(f"--set: {error}.") from None
    if not SELECTOR.fullmatch(selector):
        raise click.UsageError('--selector: write label matchers, like namespace="codefresh",job="token-monitor".')
    chosen = frozenset(AlertName(name) for name in disabled)
    click.echo(rule_file(RuleOptions(thresholds, runbook_url, selector, chosen)), nl=False)


def _change(text: str) -> tuple[str, int]:
    name, _, value = text.partition("=")
    if name not in NAMES:
        raise click.UsageError(f"--set: there is no threshold {name!r}. There are: {', '.join(NAMES)}.")
    seconds = durations.parse(value)
    if seconds is None or seconds != int(seconds):
        raise click.UsageError(f"--set: {name}={value}: give whole seconds, like 30s, 10m or 7d.")
    return NAMES[name], int(seconds)
