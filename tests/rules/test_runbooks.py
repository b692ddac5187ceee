"""Alerts, runbooks, remedies and the command line say the same, and every link leads somewhere."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path

import click
import pytest
from monitor.adapters.kubernetes.consumers import CODEFRESH
from monitor.core.alerts import ALERTS, Alert, AlertName, Thresholds
from monitor.core.model import Expectation
from monitor.core.remedies import remedy
from monitor.core.report import EFFECTS_THAT_FAIL
from monitor.core.status import Kind, Status
from monitor.core.writers import WRITERS

RUNBOOKS = Path(__file__).parent.parent.parent / "docs" / "runbooks"
# As in the texts of the alerts: the reader puts the names in.
EXPECTED = Expectation(account="ACCOUNT", where="its Secret or file")
STATUSES = {
    AlertName.REFUSED: [status for status in Status if status.kind is Kind.REFUSED],
    AlertName.EXPIRING: [Status.EXPIRING],
    AlertName.NOT_VERIFIED: [status for status in Status if status.kind is Kind.UNKNOWN],
    AlertName.NEEDS_ATTENTION: [
        status for status in Status if status.kind is Kind.ATTENTION and status is not Status.EXPIRING
    ],
}
every_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name.value)


def text(name: AlertName) -> str:
    return (RUNBOOKS / f"{name}.md").read_text()


def one_line(words: str) -> str:
    return " ".join(words.split())


def sections(name: AlertName) -> dict[str, str]:
    """Heading (of any level) -> what stands below it, on one line."""
    parts = re.split(r"^#+ (.+)$", text(name), flags=re.MULTILINE)
    return {heading: one_line(body) for heading, body in zip(parts[1::2], parts[2::2], strict=True)}


def anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", file.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {file.name for file in RUNBOOKS.iterdir()} == {alert.runbook for alert in ALERTS}


@every_alert
def test_a_runbook_begins_with_the_alert_and_how_urgent_it_is(alert: Alert) -> None:
    title, first, *_ = text(alert.name).split("\n\n")
    assert title == f"# {alert.name}"
    assert set(re.findall(r"critical|warning|info", first)) == {variant.severity.value for variant in alert.variants}


@every_alert
def test_a_runbook_says_how_to_confirm_to_mend_and_to_prevent_also_in_codefresh(alert: Alert) -> None:
    headings = sections(alert.name)
    assert "Confirm" in headings
    assert "Prevent" in headings
    assert "Codefresh's runtime" in " ".join(headings) or "Codefresh's GitOps Runtime" in text(alert.name)


@pytest.mark.parametrize(("name", "status"), [(name, status) for name, found in STATUSES.items() for status in found])
def test_every_status_has_its_section_with_the_remedy_that_the_monitor_shows(name: AlertName, status: Status) -> None:
    assert remedy(status, EXPECTED, "ACCOUNT") in sections(name)[f"`{status}`"]


@every_alert
def test_no_section_is_about_a_status_of_another_alert(alert: Alert) -> None:
    about = {heading.strip("`") for heading in sections(alert.name) if heading.startswith("`")}
    assert about == {status.value for status in STATUSES.get(alert.name, [])}


def test_every_status_but_valid_is_dealt_with() -> None:
    assert {status for found in STATUSES.values() for status in found} == set(Status) - {Status.VALID}


def test_every_step_of_a_rotation_that_can_fail_is_dealt_with() -> None:
    steps = re.findall(r"^\| `(\w+)` \|", text(AlertName.ROTATION_FAILING), flags=re.MULTILINE)
    assert sorted(steps) == sorted(EFFECTS_THAT_FAIL)


def test_every_writer_that_is_known_is_dealt_with() -> None:
    named = re.findall(r"^\| ([^|]+?)(?: \(.+\))? \|", text(AlertName.STOOD_DOWN), flags=re.MULTILINE)
    assert {writer.name for writer in WRITERS} <= set(named)


def test_every_consumer_of_codefreshs_runtime_is_named() -> None:
    words = text(AlertName.REFUSED)
    assert all(str(workload.selector).rpartition("=")[2] in words for workload in CODEFRESH)


def test_the_thresholds_that_are_told_are_the_defaults() -> None:
    defaults = Thresholds()
    assert f"for {defaults.down_for // 60} minutes" in one_line(text(AlertName.DOWN))
    assert f"For {defaults.not_verified_for // 60} minutes" in one_line(text(AlertName.NOT_VERIFIED))
    assert f"less than {defaults.expiring_warning // 86_400} days" in one_line(text(AlertName.EXPIRING))


@every_alert
def test_every_link_leads_somewhere(alert: Alert) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", text(alert.name)):
        name, _, anchor = target.partition("#")
        file = RUNBOOKS / (name or alert.runbook)
        assert file.is_file(), target
        assert not anchor or anchor in anchors(file), target


@every_alert
def test_no_token_is_an_argument(alert: Alert) -> None:
    """Process lists would show it."""
    assert not re.search(r"""--auth-token|--token |-H ['"]Authorization|token=\$""", text(alert.name))


def commands(name: AlertName) -> list[list[str]]:
    """Every call of our own command line, as words."""
    words = text(name)
    code = [*re.findall(r"```sh\n(.*?)```", words, flags=re.DOTALL), *re.findall(r"(?<!`)`([^`\n]+)`(?!`)", words)]
    calls = re.findall(r"(?:^|[\s(])(?:token-monitor|tm) ((?!=)[a-z][^|)#\n]*)", "\n".join(code), flags=re.MULTILINE)
    return [shlex.split(call.rstrip(" &")) for call in calls]


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    found: click.Command = import_module(f"monitor.cli.{words[0]}").command
    if isinstance(found, click.Group):
        return found.commands[words[1]], words[2:]
    return found, words[1:]


@every_alert
def test_every_command_is_one_that_there_is_with_its_options(alert: Alert) -> None:
    for words in commands(alert.name):
        command, rest = command_of(words)
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= known, words


@every_alert
def test_who_has_only_kubectl_can_type_it(alert: Alert) -> None:
    """In a block everything of ours runs in the monitor's pod, but where that one is dead."""
    blocks = "".join(re.findall(r"```sh\n(.*?)```", text(alert.name), flags=re.DOTALL)).replace("\\\n", " ")
    alone = [line for line in blocks.splitlines() if re.search(r"(^|[|;] *|  )token-monitor [a-z]", line)]
    alone = [line for line in alone if "-- token-monitor" not in line and "from-codefresh" not in line]
    assert alone == [] or alert.name is AlertName.DOWN


@every_alert
def test_a_port_that_is_named_is_one_of_the_chart(alert: Alert) -> None:
    named = re.findall(r"port `(\w[\w-]*)`", text(alert.name))
    assert set(named) <= {"http"}


def test_the_commands_are_found() -> None:
    assert [words[0] for words in commands(AlertName.ROTATION_FAILING)][:4] == ["status", "rotate", "doctor", "doctor"]
    assert ["config", "validate"] in commands(AlertName.CONFIG_REJECTED)
