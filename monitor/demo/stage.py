"""What the demo plays on: one simulated Argo CD, one monitor, and token files that consumers would use."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from monitor.config import address
from monitor.config.settings import HttpSettings, InFile, Settings, TargetSettings
from monitor.core.model import Mode
from monitor.core.status import Status
from monitor.daemon.daemon import Daemon
from monitor.simulator.app import running
from monitor.simulator.faults import Front
from monitor.simulator.rbac import Role
from monitor.simulator.state import ArgoCDState

INTERVAL = 0.5
# Nothing in the story is a server that keeps silent; on a busy machine the simulated one may take its time.
TIMEOUT = 10.0
# Target -> account whose key it uses.
ACCOUNTS = {"production": "admin", "staging": "ci", "portal": "robot"}


@dataclass
class Stage:
    """The running pieces. `history` has every status that a target showed, since the act began."""

    front: Front
    daemon: Daemon
    folder: Path
    keys: dict[str, str] = field(default_factory=dict)
    history: dict[str, list[Status]] = field(default_factory=dict)

    @property
    def argocd(self) -> ArgoCDState:
        """The simulated server, with its levers."""
        return self.front.state

    def new_key(self, target: str) -> str:
        """Makes an API key for the target's account and puts it where its consumer reads it. Returns the id."""
        number = sum(name.startswith(target) for name in self.keys.values()) + 1
        key_id = f"{target}-{number}"
        token = self.argocd.mint_key(ACCOUNTS[target], key_id)
        write_private(self.folder / target, token)
        self.keys[key_id] = key_id
        self.keys[target] = key_id
        return key_id

    def observe(self) -> None:
        """Notes what each target shows now."""
        for report in self.daemon.fleet.reports():
            seen = self.history.setdefault(report.name, [])
            if not seen or seen[-1] is not report.verdict.status:
                seen.append(report.verdict.status)


def write_private(path: Path, value: str) -> None:
    """Replaces the file at once, readable by its owner only, as a mounted Secret changes."""
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(value + "\n")
    new.replace(path)


@asynccontextmanager
async def stage(folder: Path, port: int) -> AsyncIterator[Stage]:
    """Sets everything up; the monitor listens on loopback, `port` (0: a free one)."""
    state = ArgoCDState(clock=time.time, seed=int(time.time()), wording="3")
    state.create_account("ci", password="the password of ci", role=Role.READONLY)  # noqa: S106 - of a simulation
    state.create_account("robot", role=Role.READONLY)
    state.set_capabilities("admin", "login", "apiKey")
    front = Front(state)
    async with running(front) as url:
        settings = Settings(
            targets=tuple(
                TargetSettings(
                    name=name,
                    address=address.of_url(url),
                    mode=Mode.TOKEN,
                    token_source=InFile(str(folder / name)),
                    expected_account=account,
                    interval=INTERVAL,
                    timeout=TIMEOUT,
                    account_interval=2.0,
                )
                for name, account in ACCOUNTS.items()
            ),
            http=HttpSettings("127.0.0.1", port),
        )
        set_up = Stage(front, Daemon(settings), folder)
        for name in ACCOUNTS:
            set_up.new_key(name)
        async with set_up.daemon:
            yield set_up
