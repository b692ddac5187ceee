"""The monitor tells real Alertmanagers: a cluster of which one is down at first, behind a password, across restarts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
import yaml
from monitor.adapters.clock import SystemClock
from monitor.config.settings import AlertmanagerSettings, AlertSettings, Settings, TlsSettings
from monitor.core.alerts import Thresholds
from monitor.core.report import TargetReport
from monitor.core.status import Kind, Status
from monitor.daemon.telling import Telling
from monitor.metrics import Metrics
from prometheus_client import CollectorRegistry

from tests.core.alert_samples import report
from tests.end_to_end.alertmanager import Alertmanager, Ports, Receiver, alertmanager, receiver
from tests.end_to_end.programs import until

pytestmark = pytest.mark.slow

REFUSED = "TokenMonitorTokenRefused"
# Quick, and still in the order in which the real ones are.
QUICK = AlertSettings(
    Thresholds(refused_for=1, not_verified_for=3600, down_for=1, gap=2), "https://runbooks.example.com"
)
QUICK_RESEND = 2.0
WITHIN = 60.0
# `bcrypt` of hunter2, as Alertmanager's web configuration wants it.
PASSWORD, HASHED = "hunter2", "$2b$05$gT/iLTYsk9qo2YIuCnKdhuQwOYPP7s.3b0iQ8XGOcL4ozXAhBsF7m"


@dataclass
class Monitor:
    """What a monitor knows of its targets, and the part of it that tells. It runs from `start` to `stop`."""

    told: AlertmanagerSettings
    metrics: Metrics = field(default_factory=lambda: Metrics(CollectorRegistry(), "1.2.3"))
    targets: dict[str, TargetReport] = field(default_factory=dict)
    _telling: Telling | None = None
    _ticking: asyncio.Task[None] | None = None

    def have(self, status: Status, name: str = "production") -> None:
        self.targets[name] = report(status, name=name, since=time.time())

    def start(self) -> None:
        settings = Settings((), alerts=QUICK, alertmanager=self.told)
        self._telling = Telling(settings, self._reports, SystemClock(), self.metrics, lambda: None)
        self._ticking = asyncio.create_task(self._tick(self._telling))

    async def stop(self) -> None:
        """As on SIGTERM."""
        if self._ticking is not None and self._telling is not None:
            self._ticking.cancel()
            await asyncio.wait([self._ticking])
            await self._telling.close(0.5)

    def _reports(self) -> list[TargetReport]:
        fresh = []
        for found in self.targets.values():
            verdict = replace(found.verdict, checked_at=time.time())
            fresh.append(replace(found, verdict=verdict, told=None if verdict.status.kind is Kind.UNKNOWN else verdict))
        return fresh

    async def _tick(self, telling: Telling) -> None:
        while True:
            await telling.tick()
            await asyncio.sleep(0.2)


@asynccontextmanager
async def monitor(*urls: str, **more: Any) -> AsyncIterator[Monitor]:
    """A monitor that runs until the block is left."""
    settings: dict[str, Any] = {
        "labels": (("namespace", "codefresh"),),
        "resend_interval": QUICK_RESEND,
        "timeout": 10.0,
    }
    made = Monitor(AlertmanagerSettings(urls, **{**settings, **more}))
    made.start()
    try:
        yield made
    finally:
        await made.stop()


@pytest.fixture
async def heard() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


async def counted(monitor: Monitor) -> dict[str, float]:
    lines = (await monitor.metrics.render()).decode().splitlines()
    return {
        line.rpartition(" ")[0].removeprefix("tokenmonitor_"): float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("tokenmonitor_notification")
    }


async def all_fire(*instances: Alertmanager) -> bool:
    return all([REFUSED in await each.firing() for each in instances])


async def none_fire(*instances: Alertmanager) -> bool:
    return not any([REFUSED in await each.firing() for each in instances])


async def test_both_of_a_cluster_are_told_though_one_is_down_at_first(tmp_path: Path, heard: Receiver) -> None:
    ports = Ports(), Ports()
    peers = [f"127.0.0.1:{each.cluster}" for each in ports]
    async with AsyncExitStack() as running:
        one = await running.enter_async_context(
            alertmanager(tmp_path, "one", heard.url, ports=ports[0], peers=peers[1:])
        )
        made = await running.enter_async_context(monitor(ports[0].url, ports[1].url))
        made.have(Status.REVOKED)
        await until(lambda: all_fire(one), WITHIN)
        await until(lambda: _failed(made, ports[1].url), WITHIN)
        two = await running.enter_async_context(
            alertmanager(tmp_path, "two", heard.url, ports=ports[1], peers=peers[:1])
        )
        await until(lambda: all_fire(one, two), WITHIN)
        await until(lambda: _is(2, two.peers), WITHIN)
        (alert,) = await two.alerts()
        assert alert["labels"] == {
            "alertname": REFUSED, "severity": "critical", "target": "production", "namespace": "codefresh",
        }  # fmt: skip
        assert alert["annotations"]["summary"] == "Argo CD refuses a token."
        assert (
            "target production (account ci at https://argocd.example.com): revoked."
            in alert["annotations"]["description"]
        )
        assert alert["annotations"]["runbook_url"] == f"https://runbooks.example.com/{REFUSED}.md"
        made.have(Status.VALID)
        await until(lambda: none_fire(one, two), WITHIN)
        await until(lambda: _is(["firing", "resolved"], lambda: _value(heard.of(REFUSED))), WITHIN)
        counts = await counted(made)
    url = ports[1].url
    assert counts[f'notification_failures_total{{alertmanager="{url}"}}'] >= 1
    assert counts[f'notification_failures_total{{alertmanager="{ports[0].url}"}}'] == 0
    assert (
        counts[f'notifications_total{{alertmanager="{url}"}}']
        > counts[f'notification_failures_total{{alertmanager="{url}"}}']
    )


async def _is(expected: object, found: Any) -> bool:
    return bool(await found() == expected)


async def _value(value: Any) -> Any:
    return value


async def test_told_by_prometheus_too_it_is_one_alert_and_pages_once(tmp_path: Path, heard: Receiver) -> None:
    async with alertmanager(tmp_path, "a", heard.url) as one, monitor(one.url) as made:
        made.have(Status.REVOKED)
        await until(lambda: all_fire(one), WITHIN)
        await until(lambda: _value(heard.of(REFUSED)), WITHIN)
        (before,) = await one.alerts()
        # As Prometheus posts it: its own words and times, a generatorURL, the same labels.
        moment = time.time() - 1
        as_prometheus = {
            "labels": before["labels"],
            "annotations": {"summary": "Argo CD refuses a token.", "description": "as Prometheus says it"},
            "startsAt": _with_nanoseconds(moment),
            "endsAt": _with_nanoseconds(moment + 240),
            "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
        }
        for _ in range(5):
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"{one.url}/api/v2/alerts", json=[as_prometheus]) as response,
            ):
                assert response.status == 200
            await asyncio.sleep(0.7)
        (after,) = await one.alerts()
        assert after["fingerprint"] == before["fingerprint"]
        assert after["startsAt"] == before["startsAt"], "the earlier one"
        assert heard.of(REFUSED) == ["firing"]


def _with_nanoseconds(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + ".123456789Z"


async def test_a_restart_of_the_monitor_pages_nobody_again(tmp_path: Path, heard: Receiver) -> None:
    async with alertmanager(tmp_path, "a", heard.url) as one, monitor(one.url) as made:
        made.have(Status.REVOKED)
        await until(lambda: all_fire(one), WITHIN)
        await until(lambda: _value(heard.of(REFUSED)), WITHIN)
        (before,) = await one.alerts()
        await made.stop()
        # The new process does not know the token yet, for longer than an alert lasts that nobody tells any more.
        made.have(Status.PENDING)
        made.start()
        ends = time.monotonic() + 4 * QUICK_RESEND + 2
        while time.monotonic() < ends:
            assert await all_fire(one)
            await asyncio.sleep(0.2)
        (after,) = await one.alerts()
        assert after["startsAt"] == before["startsAt"]
        assert after["annotations"] == before["annotations"]
        made.have(Status.VALID)
        await until(lambda: none_fire(one), WITHIN)
        await until(lambda: _is(["firing", "resolved"], lambda: _value(heard.of(REFUSED))), WITHIN)


async def test_the_end_of_the_monitor_alone_ends_no_alert(tmp_path: Path) -> None:
    async with alertmanager(tmp_path, "a") as one, monitor(one.url) as made:
        made.have(Status.REVOKED)
        await until(lambda: all_fire(one), WITHIN)
        await made.stop()
        await asyncio.sleep(QUICK_RESEND)
        assert await all_fire(one)


async def test_a_removed_target_is_told_as_over(tmp_path: Path) -> None:
    async with alertmanager(tmp_path, "a") as one, monitor(one.url) as made:
        made.have(Status.REVOKED)
        made.have(Status.REVOKED, "other")
        await until(lambda: _is(2, lambda: _number(one)), WITHIN)
        del made.targets["production"]
        await until(lambda: _is(1, lambda: _number(one)), WITHIN)
        (left,) = await one.alerts()
        assert left["labels"]["target"] == "other"


async def _number(one: Alertmanager) -> int:
    return len(await one.alerts())


async def test_with_password_certificate_and_path_prefix(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    served = authority.issue_cert("127.0.0.1")
    served.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    served.private_key_pem.write_to_path(tmp_path / "tls.key")
    web = {
        "tls_server_config": {"cert_file": str(tmp_path / "tls.crt"), "key_file": str(tmp_path / "tls.key")},
        "basic_auth_users": {"monitor": HASHED},
    }
    (tmp_path / "web.yml").write_text(yaml.safe_dump(web))
    (tmp_path / "password").write_text("wrong\n")
    ports = Ports()
    arguments = [f"--web.config.file={tmp_path / 'web.yml'}", "--web.route-prefix=/am", "--log.level=debug"]
    url = f"https://127.0.0.1:{ports.web}/am"
    settings = {
        "username": "monitor",
        "password_file": str(tmp_path / "password"),
        "tls": TlsSettings(ca_file=str(tmp_path / "ca.crt")),
    }
    async with (
        alertmanager(tmp_path, "a", ports=ports, arguments=arguments, listens_only=True),
        monitor(url, **settings) as made,
    ):
        made.have(Status.REVOKED)
        await until(lambda: _failed(made, url), WITHIN)
        (tmp_path / "password").write_text(f"{PASSWORD}\n")
        await until(lambda: _succeeded(made, url), WITHIN)


async def _failed(made: Monitor, url: str) -> bool:
    return (await counted(made))[f'notification_failures_total{{alertmanager="{url}"}}'] > 0


async def _succeeded(made: Monitor, url: str) -> bool:
    counts = await counted(made)
    return (
        counts[f'notifications_total{{alertmanager="{url}"}}']
        > counts[f'notification_failures_total{{alertmanager="{url}"}}']
    )
