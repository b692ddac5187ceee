"""A token is revoked, and somebody is paged: through Prometheus and its rules, and directly. Then it is mended.

Everything but Argo CD is the real thing: the monitor as a whole, Prometheus with the shipped rules, Alertmanager.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from monitor.config import address
from monitor.config.settings import AlertmanagerSettings, AlertSettings, HttpSettings, InFile, Settings, TargetSettings
from monitor.core.alerts import AlertName, Thresholds
from monitor.core.model import Mode
from monitor.core.rules import RuleOptions, rule_file
from monitor.daemon.daemon import Daemon
from monitor.simulator.app import running
from monitor.simulator.rbac import Role
from monitor.simulator.state import ArgoCDState

from tests.end_to_end.alertmanager import Alertmanager, Ports, Receiver, alertmanager, receiver
from tests.end_to_end.programs import until
from tests.end_to_end.prometheus import prometheus

pytestmark = pytest.mark.slow

REFUSED = AlertName.REFUSED.value
# Quick, and still in the order in which the real ones are; long enough for a busy machine to miss some scrapes.
THRESHOLDS = Thresholds(refused_for=2, down_for=10, gap=12)
RUNBOOKS = "https://runbooks.example.com"
PLACE = {"namespace": "codefresh", "cluster": "eu-1"}
WITHIN = 90.0


@dataclass
class Stage:
    """A simulated Argo CD, and a monitor of one key of its account ci."""

    argocd: ArgoCDState
    token: Path
    monitor: Daemon

    def revoke(self) -> None:
        self.argocd.revoke_key("ci", "first")

    def mend(self) -> None:
        new = self.token.with_suffix(".new")
        new.write_text(self.argocd.mint_key("ci", "second"))
        new.replace(self.token)


@asynccontextmanager
async def stage(folder: Path, told: AlertmanagerSettings | None = None) -> AsyncIterator[Stage]:
    """Both run until the block is left. told: the Alertmanagers that the monitor tells directly."""
    argocd = ArgoCDState(clock=time.time, login_seconds=(0.0, 0.0))
    argocd.create_account("ci", role=Role.READONLY)
    token = folder / "token"
    token.write_text(argocd.mint_key("ci", "first"))
    async with running(argocd) as url:
        target = TargetSettings(
            name="production",
            address=address.of_url(url),
            mode=Mode.TOKEN,
            token_source=InFile(str(token)),
            expected_account="ci",
            interval=0.5,
            timeout=2.0,
        )
        alerts = AlertSettings(THRESHOLDS, RUNBOOKS)
        http = HttpSettings("127.0.0.1", 0)
        async with Daemon(Settings((target,), http=http, alerts=alerts, alertmanager=told)) as monitor:
            yield Stage(argocd, token, monitor)


async def refused(instance: Alertmanager) -> list[dict[str, Any]]:
    return [alert for alert in await instance.alerts() if alert["labels"]["alertname"] == REFUSED]


async def not_refused(instance: Alertmanager) -> bool:
    return not await refused(instance)


def heard(receiver: Receiver, *statuses: str) -> Callable[[], Any]:
    async def check() -> bool:
        return receiver.of(REFUSED) == list(statuses)

    return check


def assert_filled(alert: dict[str, Any]) -> None:
    """The alert says who, where, and what to do, and has the labels that routes and silences go by."""
    assert alert["labels"] == {"alertname": REFUSED, "severity": "critical", "target": "production", **PLACE}
    said = alert["annotations"]
    assert set(said) == {"summary", "description", "runbook_url"}
    assert said["summary"] == "Argo CD refuses a token."
    assert said["runbook_url"] == f"{RUNBOOKS}/{REFUSED}.md"
    assert "account ci at http://127.0.0.1:" in said["description"]
    assert "revoked" in said["description"]
    assert "argocd account generate-token --account ci" in said["description"]


async def test_prometheus_pages_for_a_revoked_token_and_the_page_ends_after_the_repair(tmp_path: Path) -> None:
    rules = rule_file(RuleOptions(THRESHOLDS, RUNBOOKS))
    async with AsyncExitStack() as up:
        pages = await up.enter_async_context(receiver())
        told = await up.enter_async_context(alertmanager(tmp_path, "a", pages.url))
        scene = await up.enter_async_context(stage(tmp_path))
        prom = await up.enter_async_context(
            prometheus(tmp_path, scrape=[scene.monitor.address], rules=rules, tell=[told.url], labels=PLACE)
        )
        await until(lambda: prom.query("tokenmonitor_token_accepted == 1"), WITHIN)
        scene.revoke()
        await until(lambda: refused(told), WITHIN)
        (alert,) = await told.alerts()
        assert_filled(alert)
        await until(heard(pages, "firing"), WITHIN)
        scene.mend()
        await until(lambda: not_refused(told), WITHIN)
        await until(heard(pages, "firing", "resolved"), WITHIN)
        assert await prom.rule_problems() == []


@pytest.mark.long
async def test_directly_told_two_alertmanagers_page_once_though_one_was_down_at_first(tmp_path: Path) -> None:
    ports = Ports(), Ports()
    first, second = (f"127.0.0.1:{each.cluster}" for each in ports)
    settings = AlertmanagerSettings(
        (ports[0].url, ports[1].url), labels=tuple(PLACE.items()), resend_interval=10, timeout=2
    )
    async with AsyncExitStack() as up:
        pages = await up.enter_async_context(receiver())
        one = await up.enter_async_context(alertmanager(tmp_path, "one", pages.url, ports=ports[0], peers=[second]))
        scene = await up.enter_async_context(stage(tmp_path, settings))
        scene.revoke()
        await until(lambda: refused(one), WITHIN)
        two = await up.enter_async_context(alertmanager(tmp_path, "two", pages.url, ports=ports[1], peers=[first]))
        await until(lambda: refused(two), WITHIN)
        for instance in (one, two):
            (alert,) = await instance.alerts()
            assert_filled(alert)
        scene.mend()
        for instance in (one, two):
            await until(lambda instance=instance: not_refused(instance), WITHIN)  # type: ignore[misc]
        await until(heard(pages, "firing", "resolved"), WITHIN)


async def test_told_both_ways_it_is_one_alert_and_one_page(tmp_path: Path) -> None:
    rules = rule_file(RuleOptions(THRESHOLDS, RUNBOOKS))
    async with AsyncExitStack() as up:
        pages = await up.enter_async_context(receiver())
        told = await up.enter_async_context(alertmanager(tmp_path, "a", pages.url))
        settings = AlertmanagerSettings((told.url,), labels=tuple(PLACE.items()), resend_interval=10)
        scene = await up.enter_async_context(stage(tmp_path, settings))
        prom = await up.enter_async_context(
            prometheus(tmp_path, scrape=[scene.monitor.address], rules=rules, tell=[told.url], labels=PLACE)
        )
        await until(lambda: prom.query("tokenmonitor_token_accepted == 1"), WITHIN)
        scene.revoke()
        await until(lambda: prom.query(f'ALERTS{{alertname="{REFUSED}",alertstate="firing"}}'), WITHIN)
        await until(lambda: prom.query("sum(tokenmonitor_notifications_total) > 0"), WITHIN)
        await until(heard(pages, "firing"), WITHIN)
        (alert,) = await told.alerts()
        assert_filled(alert)
        # Of a while: the last scrape may have come too late for the second that it has.
        (counted,) = await prom.query("last_over_time(tokenmonitor_notification_failures_total[1m])")
        assert counted["metric"]["alertmanager"] == told.url
        assert pages.of(REFUSED) == ["firing"]
