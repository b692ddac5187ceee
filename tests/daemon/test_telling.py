"""From settings to those who are told: whoever is not configured costs nothing, and whoever is hears of it."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

from monitor.config.settings import (
    AlertmanagerSettings,
    AlertSettings,
    HeartbeatSettings,
    InClear,
    InFile,
    Settings,
)
from monitor.core.alerts import Thresholds
from monitor.core.report import TargetReport
from monitor.core.secret import Secret
from monitor.core.status import Status
from monitor.daemon.telling import Telling, place_of
from monitor.metrics import Metrics
from prometheus_client import CollectorRegistry

from tests.adapters.scripted import serving
from tests.core.alert_samples import report

NOBODY = Settings(())


class Clock:
    """Goes as fast as the test wants; in step with the time of day, which requests are dated by."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return self.passed


def reports() -> list[TargetReport]:
    refused = report(Status.REVOKED, at=time.time(), since=time.time() - 3600)
    return [replace(refused, told=refused.verdict)]


def telling(settings: Settings, clock: Clock, metrics: Metrics | None = None) -> Telling:
    return Telling(settings, reports, clock, metrics or Metrics(CollectorRegistry(), "1.2.3"), lambda: None)


async def told(made: Telling) -> None:
    """One tick, and what it started."""
    await made.tick()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    names = ("tell", "heartbeat")
    await asyncio.gather(*(task for task in others if task.get_name().startswith(names)))


async def test_where_nobody_is_configured_nothing_happens() -> None:
    made = telling(NOBODY, Clock())
    before = asyncio.all_tasks()
    await made.tick()
    assert asyncio.all_tasks() == before
    await made.close(0.1)


async def test_the_settings_reach_the_wire(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hunter2")
    async with serving() as server:
        settings = AlertmanagerSettings(
            (f"{server.url}/am",),
            labels=(("cluster", "eu-1"),),
            bearer_token_file=str(tmp_path / "token"),
            resend_interval=30,
        )
        alerts = AlertSettings(Thresholds(refused_for=1), "https://runbooks.example.com")
        made = telling(replace(NOBODY, alertmanager=settings, alerts=alerts), Clock())
        await told(made)
        await made.close(0.1)
    asked, posted = server.requests
    assert (asked.method, posted.method) == ("GET", "POST")
    assert {each.path.partition("?")[0] for each in server.requests} == {"/am/api/v2/alerts"}
    assert {each.headers["Authorization"] for each in server.requests} == {"Bearer hunter2"}
    (alert,) = json.loads(posted.body)
    assert alert["labels"]["cluster"] == "eu-1"
    assert alert["annotations"]["runbook_url"].startswith("https://runbooks.example.com/")


async def test_the_counters_of_each_alertmanager_start_at_zero() -> None:
    metrics = Metrics(CollectorRegistry(), "1.2.3")
    urls = ("http://127.0.0.1:1", "http://127.0.0.1:2/am")
    made = telling(replace(NOBODY, alertmanager=AlertmanagerSettings(urls)), Clock(), metrics)
    text = (await metrics.render()).decode()
    for name in ("notifications_total", "notification_failures_total"):
        for url in urls:
            assert f'tokenmonitor_{name}{{alertmanager="{url}"}} 0.0' in text
    await made.close(0.1)


async def test_the_heart_beats_where_the_settings_say(tmp_path: Path) -> None:
    async with serving() as server:
        (tmp_path / "url").write_text(f"{server.url}/from-a-file")
        for url in (InClear(Secret(f"{server.url}/in-clear")), InFile(str(tmp_path / "url"))):
            clock = Clock()
            made = telling(replace(NOBODY, heartbeat=HeartbeatSettings(url, "POST", interval=30)), clock)
            await told(made)
            clock.passed = 30
            await told(made)
            await made.close(0.1)
    assert [(each.method, each.path) for each in server.requests] == [("POST", "/in-clear"), ("POST", "/from-a-file")]


def test_in_a_pod_its_namespace_is_a_label_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "namespace"
    plain = AlertmanagerSettings(("http://127.0.0.1:1",))
    assert place_of(plain, file) == {}
    file.write_text("codefresh\n")
    assert place_of(plain, file) == {"namespace": "codefresh"}
    assert place_of(replace(plain, labels=(("cluster", "eu"),)), file) == {"namespace": "codefresh", "cluster": "eu"}
    for other in ("", "elsewhere"):
        assert place_of(replace(plain, labels=(("namespace", other),)), file) == {"namespace": other}
