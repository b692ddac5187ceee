"""Rule files: the one that is checked in, those of the command, and the one that a chart fills in."""

from __future__ import annotations

import re
from pathlib import Path

import promql_parser as promql
import pytest
import yaml
from click.testing import CliRunner, Result
from monitor.cli.rules import command
from monitor.config.durations import parse
from monitor.core.alerts import AlertName, Thresholds
from monitor.core.rules import RuleOptions, chart_file, chart_values, duration, groups, rule_file
from scripts.rules import FILES, ROOT

from tests.rules.promtool import promtool
from tests.rules.test_conventions import selectors

SELECTOR = 'namespace="codefresh",job="token-monitor"'


@pytest.mark.parametrize("name", FILES)
def test_a_made_file_is_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text() == FILES[name](), "run `make docs`"


@pytest.mark.parametrize("name", FILES)
def test_prometheus_finds_nothing_wrong_with_it(name: str) -> None:
    code, said = promtool("check", "rules", "--lint=all", "--lint-fatal", str(ROOT / name))
    assert code == 0, said
    assert "12 rules found" in said


def test_the_text_of_a_rule_file_says_what_the_groups_say() -> None:
    assert yaml.safe_load(rule_file()) == {"groups": groups()}
    options = RuleOptions(selector=SELECTOR, runbooks='https://wiki.example.com/"runbooks"/')
    assert yaml.safe_load(rule_file(options)) == {"groups": groups(options)}


def test_a_selector_limits_every_rule(tmp_path: Path) -> None:
    for given in (SELECTOR, f"{SELECTOR},", f" {SELECTOR} "):
        options = RuleOptions(selector=given)
        for group in groups(options):
            for rule in group["rules"]:
                for found in selectors(promql.parse(rule["expr"])):  # type: ignore[index,call-overload]
                    assert {("namespace", "codefresh"), ("job", "token-monitor")} <= set(found.matchers)
        (tmp_path / "rules.yaml").write_text(rule_file(options))
        assert promtool("check", "rules", str(tmp_path / "rules.yaml"))[0] == 0


def test_a_disabled_alert_is_left_out_with_all_its_severities() -> None:
    left = groups(RuleOptions(disabled=frozenset({AlertName.EXPIRING, AlertName.REFUSED})))
    names = [rule["alert"] for group in left for rule in group["rules"]]  # type: ignore[index,call-overload]
    assert "TokenMonitorTokenExpiring" not in names
    # The refused token was alone in its group.
    assert [group["name"] for group in left] == ["token-monitor"]
    assert len(names) == 9


def fill(text: str, values: dict[str, str], selector: str = "", runbooks: str = "https://r.example") -> str:
    """What a chart's template does with the file, in Helm's own `replace`."""
    for name, value in values.items():
        text = text.replace(f"<{name}.seconds>", str(int(parse(value) or 0))).replace(f"<{name}>", value)
    return text.replace("<selector>", selector).replace("<runbooks>", runbooks)


def test_a_chart_that_fills_in_the_defaults_has_the_rules_of_the_plain_file() -> None:
    filled = yaml.safe_load(fill(chart_file(), chart_values()).replace("{}", ""))
    assert filled == {"groups": groups(RuleOptions(runbooks="https://r.example"))}


@pytest.mark.parametrize("selector", ["", f"{SELECTOR},"])
def test_a_chart_may_fill_in_values_of_its_own(tmp_path: Path, selector: str) -> None:
    filled = fill(chart_file(), {**chart_values(), "notVerifiedFor": "2h", "refusedFor": "90s"}, selector)
    assert not re.search(r"<[a-zA-Z.]+>", filled)
    assert "> time() - 7200" in filled
    assert "For 2h or longer" in filled
    assert "for: 90s" in filled
    (tmp_path / "rules.yaml").write_text(filled)
    assert promtool("check", "rules", str(tmp_path / "rules.yaml"))[0] == 0


def test_the_values_of_a_chart_are_one_number_and_one_unit_each() -> None:
    assert chart_values()["expiringWarning"] == "7d"
    assert all(re.fullmatch(r"[1-9][0-9]*[smhd]", value) for value in chart_values().values())


@pytest.mark.parametrize(("seconds", "text"), [(1, "1s"), (90, "90s"), (120, "2m"), (5400, "90m"), (86_400, "1d")])
def test_durations_are_written_as_prometheus_reads_them(seconds: int, text: str) -> None:
    assert duration(seconds) == text
    assert parse(text) == seconds


def printed(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_the_command_prints_the_plain_file() -> None:
    assert printed().output == rule_file()


def test_the_command_takes_thresholds_as_the_configuration_takes_durations() -> None:
    options = RuleOptions(
        Thresholds(refused_for=90, expiring_warning=14 * 86_400),
        "https://wiki.example.com/alerts",
        SELECTOR,
        frozenset({AlertName.ANONYMOUS_ACCESS}),
    )
    asked = ["--set", "refusedFor=1m30s", "--set", "expiringWarning=14d", "--selector", SELECTOR]
    asked += ["--runbook-url", "https://wiki.example.com/alerts/", "--disable", "TokenMonitorAnonymousAccess"]
    assert printed(*asked).output == rule_file(options)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "refused=1m"], "--set: there is no threshold 'refused'. There are: refusedFor, expiringWarning,"),
        (["--set", "refusedFor"], "--set: refusedFor=: give whole seconds, like 30s, 10m or 7d."),
        (["--set", "refusedFor=0.5s"], "--set: refusedFor=0.5s: give whole seconds, like 30s, 10m or 7d."),
        (["--set", "gap=1m"], "--set: downFor must be shorter than gap; change one of them."),
        (["--selector", "codefresh"], '--selector: write label matchers, like namespace="codefresh"'),
        (["--selector", '{a="b"}'], "--selector: write label matchers"),
        (["--disable", "TokenMonitorFoo"], "'TokenMonitorFoo' is not one of 'TokenMonitorTokenRefused'"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], words: str) -> None:
    result = printed(*arguments)
    assert result.exit_code != 0
    assert words in result.output
