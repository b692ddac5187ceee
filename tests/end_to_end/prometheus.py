"""A real Prometheus that scrapes every second, evaluates rules every second, and tells Alertmanagers.

async with prometheus(tmp_path, scrape=[monitor.address], rules=rule_file(options), tell=[am.url]) as prom:
    await until(lambda: prom.query('tokenmonitor_token_accepted == 0'), 20)
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.end_to_end.programs import HOST, answers, free_port, get, program, started

PACE = "1s"
# Prometheus tells an alert as over after four times this: one that gets no turn for some seconds ends no alert.
RESEND = "5s"


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples that an expression yields now: each with `metric` and `value`. The test fails for an error."""
        answer = await get(f"{self.url}/api/v1/query", {"query": expression})
        assert answer["status"] == "success", answer
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    async def alerts(self) -> list[dict[str, Any]]:
        """What is pending or firing, with labels, annotations and state."""
        found: list[dict[str, Any]] = (await get(f"{self.url}/api/v1/alerts"))["data"]["alerts"]
        return found

    async def firing(self) -> set[str]:
        """The names of what fires."""
        return {alert["labels"]["alertname"] for alert in await self.alerts() if alert["state"] == "firing"}

    async def rule_problems(self) -> list[str]:
        """What went wrong at the last evaluation of any rule."""
        groups = (await get(f"{self.url}/api/v1/rules"))["data"]["groups"]
        return [rule["lastError"] for group in groups for rule in group["rules"] if rule.get("lastError")]


@asynccontextmanager
async def prometheus(
    folder: Path,
    *,
    scrape: Sequence[str],
    rules: str = "groups: []\n",
    tell: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
) -> AsyncIterator[Prometheus]:
    """Runs one until the block is left. scrape: addresses of monitors; tell: of Alertmanagers; labels: of each target."""
    binary = program("prometheus", "prometheus")
    home = folder / "prometheus"
    home.mkdir()
    (home / "rules.yml").write_text(quick(rules))
    config = {
        "global": {"scrape_interval": PACE, "scrape_timeout": PACE, "evaluation_interval": PACE},
        "rule_files": ["rules.yml"],
        "scrape_configs": [
            {
                "job_name": "token-monitor",
                "static_configs": [{"targets": [_host(url) for url in scrape], "labels": dict(labels or {})}],
            }
        ],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [_host(url) for url in tell]}]}]},
    }
    (home / "prometheus.yml").write_text(yaml.safe_dump(config))
    url = f"http://{HOST}:{free_port()}"
    command = [
        binary,
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        f"--web.listen-address={_host(url)}",
        f"--rules.alert.resend-delay={RESEND}",
    ]
    async with started(command, home / "log", lambda: answers(f"{url}/-/ready")):
        yield Prometheus(url)


def quick(rules: str) -> str:
    """The same rules, evaluated every second; how long an alert must hold is left as it is."""
    return re.sub(r"(?m)^(\s+)interval: .*$", rf"\1interval: {PACE}", rules)


def _host(url: str) -> str:
    return urlsplit(url).netloc
