"""The real process among real faults: limits of the system, killed at any moment, names that do not resolve."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from monitor.core.claims import read_claims

from tests.behaviour.process import Monitor
from tests.behaviour.service import ACCOUNT, ANSWERS_WITHIN, TARGET, Outside
from tests.fair_time import fairly

PATIENCE = 20.0


def limited(*limits: str) -> tuple[str, ...]:
    """The command that sets limits (of `ulimit`, hard and soft) and becomes the process."""
    return "sh", "-c", f'{"; ".join(f"ulimit {limit}" for limit in limits)}; exec "$@"', "sh"


def in_files(world: Outside, folder: Path, password: str, **changes: Any) -> dict[str, Any]:
    """A configuration with one target in password mode, all of whose files are in that folder."""
    (world.folder / "password").write_text(password)
    auth = {
        "type": "password",
        "username": ACCOUNT,
        "tokenFile": str(folder / "token"),
        "passwordFile": str(world.folder / "password"),
    }
    target = {"name": TARGET, "url": world.url, "auth": auth, "rotation": {"grace": "0s"}, **changes}
    return {**around([target]), "stateDir": str(folder)}


def around(targets: list[dict[str, Any]]) -> dict[str, Any]:
    """A configuration of these targets that are looked at each second."""
    return {"interval": "1s", "timeout": "2s", "http": {"port": 0}, "log": {"format": "json"}, "targets": targets}


def live(world: Outside) -> set[str]:
    """The keys of the account."""
    return world.keys()


def key_in(file: Path) -> str | None:
    """The id of the key that a file holds."""
    return read_claims(file.read_text().strip()).token_id if file.exists() else None


async def told(process: Monitor) -> dict[str, dict[str, Any]]:
    """What /status says, by the name of the target."""
    timeout = aiohttp.ClientTimeout(total=ANSWERS_WITHIN)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{process.url}/status") as answer:
        return {target["target"]: target for target in (await answer.json(content_type=None))["targets"]}


async def until_it_says(
    process: Monitor, condition: Callable[[dict[str, dict[str, Any]]], object], seconds: float = PATIENCE
) -> dict[str, dict[str, Any]]:
    """Waits until what it says is so."""
    began = time.monotonic()
    while True:
        found = await told(process)
        if condition(found):
            return found
        waited = time.monotonic() - began
        assert waited < seconds or waited < fairly(seconds), f"after {waited:.1f} s it still says {found}"
        await asyncio.sleep(0.1)


def statuses_of(process: Monitor, target: str) -> list[str]:
    """Every status that the log ever told of a target."""
    import json

    lines = (json.loads(line) for line in process.log.splitlines() if line.startswith("{"))
    return [line["status"] for line in lines if line.get("target") == target and "status" in line]
