"""Three processes that share the targets, one of them killed: what design.md promises, with a real Alertmanager."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from monitor.core.claims import read_claims
from monitor.simulator.messages import Request, Response

from tests.behaviour.process import Monitor, monitor
from tests.behaviour.service import ACCOUNT, KEY, NAMESPACE, REPLICAS, Door, Outside, until, until_told
from tests.end_to_end.alertmanager import Alertmanager, alertmanager, receiver
from tests.fair_time import fairly

pytestmark = [pytest.mark.slow, pytest.mark.long]

# design.md, "Figures to reach".
AFTER_CRASH, AFTER_STOP = 20.0, 3.0
INTERVAL = 3.0
NAMES = tuple(f"target-{number:02}" for number in range(36))
# Those whose token Argo CD refuses, from the beginning.
REFUSED = NAMES[::4]
ALERT = "TokenMonitorTokenRefused"
# The shortest that may be configured: four of these after the last telling, Alertmanager takes an alert as over.
RESEND = 10.0


@dataclass
class Seen:
    """When Argo CD was asked about each token, by seconds of this process's clock."""

    asked: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def watch(self, door: Door) -> None:
        answer = type(door).__call__

        def noting(front: Door, request: Request) -> Response:
            token = request.header("authorization").removeprefix("Bearer ")
            if request.target.startswith("/api/v1/session/userinfo") and token:
                self.asked[read_claims(token).token_id or ""].append(time.monotonic())
            return answer(front, request)

        door.__class__ = type("Noting", (type(door),), {"__call__": noting})

    def longest_gap(self, since: float) -> float:
        """The longest time since then for which any target was not checked."""
        now = time.monotonic()
        return max(longest([since, *(at for at in self.asked[name] if since < at), now]) for name in NAMES)

    async def all_asked(self, since: float, times: int) -> None:
        """Waits until each was checked so often."""
        await until(lambda: all(sum(at > since for at in self.asked[name]) >= times for name in NAMES), 90.0)

    def most_in_a_second(self, since: float, until: float) -> int:
        times = sorted(at for name in NAMES for at in self.asked[name] if since < at < until)
        return max(sum(1 for other in times if at <= other < at + 1.0) for at in times)


def longest(times: list[float]) -> float:
    return max(later - earlier for earlier, later in pairwise(times))


def configuration(world: Outside, replica: str, told: str) -> dict[str, Any]:
    return {
        "interval": f"{INTERVAL:g}s",
        "timeout": "5s",
        "http": {"port": 0},
        "log": {"format": "json"},
        "kubernetes": {
            "kubeconfig": world.kubernetes(replica).kubeconfig,
            "namespace": NAMESPACE,
            "events": False,
            "shards": {"enabled": True},
        },
        "alerts": {"thresholds": {"refusedFor": "1s"}},
        "alertmanager": {"urls": [told], "resendInterval": f"{RESEND:g}s"},
        "targets": [
            {
                "name": name,
                "url": world.url,
                "auth": {"type": "token", "username": ACCOUNT, "tokenSecretKeyRef": {"name": name, "key": KEY}},
            }
            for name in NAMES
        ],
    }


def tokens(world: Outside) -> None:
    """A key for each target; some are revoked."""
    for name in NAMES:
        world.put_token(world.new_token(name), name)
    for name in REFUSED:
        world.argocd.revoke_key(ACCOUNT, name)


def holders(world: Outside) -> list[str]:
    found = world.cluster.all("coordination.k8s.io", "leases", NAMESPACE)
    return [holder for lease in found if (holder := str(lease["spec"].get("holderIdentity") or ""))]


def addresses(processes: Iterable[Monitor]) -> list[str]:
    return [re.findall(r'"http": "(http://[^"]+)"', process.log)[0] for process in processes]


async def told(address: str, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(address + path) as answer:
        return answer.status, await answer.text()


async def test_three_shards_one_killed_and_one_ended(world: Outside, tmp_path: Path) -> None:
    tokens(world)
    seen = Seen()
    seen.watch(world.front)
    async with AsyncExitStack() as stack:
        heard = await stack.enter_async_context(receiver())
        manager = await stack.enter_async_context(
            alertmanager(tmp_path, "alertmanager", heard.url, group_by=["target"])
        )
        one, other, third = await asyncio.gather(
            *(
                stack.enter_async_context(monitor(configuration(world, name, manager.url), tmp_path, name))
                for name in REPLICAS.values()
            )
        )
        await until(lambda: len(holders(world)) == 3, 20.0)
        await until(lambda: len(heard.of(ALERT)) == len(REFUSED), 40.0, lambda: heard.of(ALERT))
        await asyncio.sleep(2 * INTERVAL)
        steady = seen.most_in_a_second(time.monotonic() - 2 * INTERVAL, time.monotonic())

        killed_at = time.monotonic()
        await third.kill()
        await until(lambda: len(holders(world)) == 3, 1.0)  # nobody has noticed yet
        await seen.all_asked(killed_at + INTERVAL, times=2)
        unchecked = seen.longest_gap(killed_at - INTERVAL)
        assert unchecked < fairly(AFTER_CRASH) + INTERVAL
        most = seen.most_in_a_second(killed_at, time.monotonic())
        assert most <= steady + len(NAMES), f"{most} in a second; {steady} before"
        for address in addresses((one, other)):
            status, text = await told(address, "/status")
            shown = {target["target"]: target["status"] for target in json.loads(text)["targets"]}
            assert status == 200
            assert shown == {name: "revoked" if name in REFUSED else "valid" for name in NAMES}

        await until_told(lambda: renewed(manager, killed_at), 4 * RESEND)
        assert heard.of(ALERT) == ["firing"] * len(REFUSED), "neither over nor told twice"
        assert Counter(alert["labels"]["target"] for alert in await manager.alerts()) == Counter(REFUSED)

        ended_at = time.monotonic()
        code, _ = await other.terminate()
        assert code == 0
        await seen.all_asked(ended_at + INTERVAL, times=1)
        unchecked_after_stop = seen.longest_gap(ended_at - INTERVAL)
        assert unchecked_after_stop < fairly(AFTER_STOP) + INTERVAL
        assert heard.of(ALERT) == ["firing"] * len(REFUSED)
        print(
            f"unchecked for {unchecked:.1f} s after a crash, {unchecked_after_stop:.1f} s after a stop; {most} checks in a second"
        )
        for process in (one, other, third):
            assert "Traceback" not in process.log


async def renewed(manager: Alertmanager, since: float) -> bool:
    """Whether somebody has told of each alert since then: what was last told before would be over sooner."""
    ends = [datetime.fromisoformat(alert["endsAt"]).timestamp() - time.time() for alert in await manager.alerts()]
    return min(ends) > 4 * RESEND - (time.monotonic() - since)
