"""How soon it is known: a changed Secret, a revocation at the interval, a revocation where Argo CD's objects are watched.

Each is measured from before the change is made outside until the monitor says so, in its log or on /status.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.fleet.load import address
from bench.fleet.outside import KEY, NAMESPACE, installation, secret_name
from bench.fleet.processes import Helper, Monitor, helper, monitor
from bench.fleet.tokens import key_id, token

REVOCATION_INTERVAL = 15
# An interval in which nothing happens by itself: what is found out was told by a watch.
NEVER = "10m"
LOOK = 0.005
GIVEN_UP = 40.0
ACCOUNTS_SPREAD = 15.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Changed:
    """Seconds until each change was judged. rss: MiB of the monitor, with a watch for each Secret."""

    seconds: list[float]
    rss: float


async def changed_secrets(targets: int, changes: int, folder: Path, say: Say) -> Changed:
    """Writes new tokens into watched Secrets: every second one is good, the others are refused."""
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(helper("bench.fleet.stub"))
        outside = await stack.enter_async_context(
            helper("bench.fleet.outside", "--secrets", str(targets), "--folder", str(folder))
        )
        found = [
            {
                "name": f"argocd-{number:05d}",
                "url": f"http://{address(number)}:{stub.said['http']}",
                "auth": {"type": "token", "tokenSecretKeyRef": {"name": secret_name(number), "key": KEY}},
            }
            for number in range(targets)
        ]
        running = await stack.enter_async_context(monitor(configuration(found, outside, NEVER), folder))
        await _watched(outside, targets)
        await _judged(running, targets)
        rss = running.usage().rss
        say(f"{targets} watched Secrets: {rss:.0f} MiB")
        order = _some(targets, changes)
        return Changed([await _until_judged(running, outside, number, targets + number) for number in order], rss)


async def revocations(accounts: int, folder: Path, say: Say, *, watched: bool) -> list[float]:
    """Seconds until a revocation is known. watched: through Argo CD's own objects, else at the interval."""
    async with AsyncExitStack() as stack:
        outside = await stack.enter_async_context(
            helper("bench.fleet.outside", "--accounts", str(accounts), "--folder", str(folder))
        )
        found: list[dict[str, Any]] = []
        for number, key in enumerate(outside.said["keys"]):
            one: dict[str, Any] = {
                "name": f"argocd-{number:05d}",
                "url": outside.said["argocd"],
                "auth": {"type": "token", "token": key},
            }
            if watched:
                one["watchArgoCD"] = {"namespace": installation(number)}
            found.append(one)
        interval = NEVER if watched else REVOCATION_INTERVAL
        running = await stack.enter_async_context(monitor(configuration(found, outside, interval), folder))
        await _judged(running, accounts)
        if watched:
            await _watched(outside, 2 * accounts)
        at: dict[str, float] = {}
        order = list(range(accounts))
        random.shuffle(order)
        for number in order:
            at[f"argocd-{number:05d}"] = time.time()
            await outside.ask(do="revoke", number=number, tell=watched)
            await asyncio.sleep(ACCOUNTS_SPREAD / accounts)
        say(f"{accounts} keys are revoked")
        return await _refused(running, at)


def configuration(targets: Sequence[dict[str, Any]], outside: Helper, interval: str | int) -> dict[str, Any]:
    """With the simulated Kubernetes."""
    return {
        "interval": interval,
        "accountInterval": NEVER,
        "http": {"port": 0},
        "log": {"format": "json"},
        "kubernetes": {"kubeconfig": outside.said["kubeconfig"], "namespace": NAMESPACE, "events": False},
        "targets": list(targets),
    }


async def _watched(outside: Helper, count: int) -> None:
    async with asyncio.timeout(GIVEN_UP):
        while (await outside.ask(do="watches"))["watches"] < count:
            await asyncio.sleep(0.1)


async def _judged(running: Monitor, targets: int) -> None:
    async with asyncio.timeout(GIVEN_UP):
        while sum(line.get("status") == "valid" for line in running.lines()) < targets:
            await asyncio.sleep(0.5)


def _some(targets: int, changes: int) -> list[int]:
    return random.sample(range(targets), min(targets, changes))


async def _until_judged(running: Monitor, outside: Helper, number: int, other: int) -> float:
    good = number % 2 == 0
    value = token(other) if good else f"{token(other)[:-8]}AAAAAAAA"
    wanted = key_id(value.encode())
    began = time.monotonic()
    await outside.ask(do="secret", number=number, token=value)
    async with asyncio.timeout(GIVEN_UP):
        while True:
            page = json.loads(await running.get(f"/status?target=argocd-{number:05d}"))
            seen = page["targets"][0]
            if seen["accepted"] is good and (seen["token_id"] == wanted or not good):
                return time.monotonic() - began
            await asyncio.sleep(LOOK)


async def _refused(running: Monitor, at: dict[str, float]) -> list[float]:
    seen: dict[str, float] = {}
    async with asyncio.timeout(GIVEN_UP):
        while len(seen) < len(at):
            for line in running.lines():
                if line.get("event") == "verdict changed" and line.get("accepted") is False:
                    moment = datetime.fromisoformat(str(line["timestamp"])).timestamp()
                    seen.setdefault(str(line["target"]), moment)
            await asyncio.sleep(0.2)
    return [seen[name] - began for name, began in at.items()]
