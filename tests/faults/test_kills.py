"""SIGKILL in a loop, at any moment of the real process: no key is lost, none is left over, nobody is locked out.

Killed in the middle of one rotation, in each state: tests/behaviour/test_process.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest
from monitor.adapters.clock import SystemClock
from monitor.config.load import settings_of

from tests.behaviour.process import monitor
from tests.behaviour.service import ACCOUNT, PASSWORD, TARGET, Outside, service, until
from tests.faults.real import in_files, key_in, live

pytestmark = [pytest.mark.slow, pytest.mark.long]

LOGIN = "/api/v1/session"
# `make kills` has more of them.
KILLS = int(os.environ.get("KILLS", "6"))


def ending_key(world: Outside, name: str) -> str:
    """A key of a person's that ends in ten minutes, so that it is due; it works, so that no login is needed."""
    clock, world.argocd.clock = world.argocd.clock, lambda: time.time() - 3000.0
    try:
        return world.argocd.mint_key(ACCOUNT, name, 3600)
    finally:
        world.argocd.clock = clock


def owned(journal: Path) -> set[str]:
    """The keys that the journal says are ours; what is half written is an error."""
    return set(json.loads(journal.read_text())["owned"]) if journal.exists() else set()


def state_of(journal: Path) -> dict[str, object]:
    """What the journal holds, without the pending token."""
    values = json.loads(journal.read_text()) if journal.exists() else {}
    return {name: value for name, value in values.items() if value and name != "token"}


@pytest.mark.slow
async def test_killed_at_any_moment_again_and_again_it_loses_no_key_and_ends_in_order(
    world: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(9)
    token, journal = world.folder / "token", world.folder / f"token-monitor-journal-{TARGET}"
    configuration = in_files(world, world.folder, PASSWORD, interval="1s")
    for number in range(KILLS):
        if number % 2 == 0:
            token.write_text(ending_key(world, f"by-hand-{number}"))
        async with monitor(configuration, world.folder, f"run-{number}") as process:
            await asyncio.sleep(chance.random() * 1.2)
            await process.kill()
        ours = {key_id for key_id in live(world) if key_id.startswith("tm-")}
        assert len(ours) <= 3
        assert ours <= owned(journal), "a key that the journal does not know would be lost"
        assert key_in(token) in live(world), "the file holds a key that works"
    # Two hours later whatever may still have been on its way, or in somebody's hands, is swept.
    monkeypatch.setattr(SystemClock, "now", lambda self: time.time() + 7200.0)
    settings = settings_of(configuration)
    (target,) = settings.targets
    quick = replace(target, rotation=replace(target.rotation, settle=0.0))
    async with service(replace(settings, targets=(quick,))):
        await until(
            lambda: {key for key in live(world) if key.startswith("tm-")} == {key_in(token)},
            30.0,
            lambda: (state_of(journal), live(world), key_in(token)),
        )
        await until(lambda: json.loads(journal.read_text())["state"] == "idle", 30.0)
    by_hand = {key_id for key_id in live(world) if not key_id.startswith("tm-")}
    assert by_hand == {f"by-hand-{number}" for number in range(0, KILLS, 2)}, "nobody else's key was deleted"
    assert json.loads(journal.read_text())["logins"]["failures"] == []
    assert [path.name for path in world.folder.iterdir() if ".tmp" in path.name] == []


@pytest.mark.slow
async def test_killed_again_and_again_with_a_wrong_password_it_tries_once(world: Outside) -> None:
    """Kubernetes restarts what crashes within seconds; five failures in five minutes would lock the human out."""
    configuration = in_files(world, world.folder, "a wrong password")
    logins = counted_logins(world)
    chance = random.Random(3)
    for number in range(max(3, KILLS // 4)):
        async with monitor(configuration, world.folder, f"run-{number}") as process:
            await asyncio.sleep(chance.random() * 1.5)
            await process.kill()
    async with monitor(configuration, world.folder, "last") as process:
        await asyncio.sleep(2.0)
        code, _seconds = await process.terminate()
        assert code == 0
    assert len(logins) <= 1
    assert world.argocd.gates[0].failures(ACCOUNT) <= 1
    assert live(world) == set()


def counted_logins(world: Outside) -> list[float]:
    """The times of the logins that arrive at Argo CD from now on."""
    arrived: list[float] = []
    handle = world.front._handle

    def counting(request: object) -> object:
        if request.target.startswith(LOGIN) and request.method == "POST":  # type: ignore[attr-defined]
            arrived.append(time.monotonic())
        return handle(request)  # type: ignore[arg-type]

    world.front._handle = counting  # type: ignore[method-assign,assignment]
    return arrived
