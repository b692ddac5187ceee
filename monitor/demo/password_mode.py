"""The demo's second act: password mode. The monitor replaces the key itself, while a consumer keeps calling."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from monitor.config import address
from monitor.config.settings import (
    HttpSettings,
    InFile,
    RotationSettings,
    Settings,
    TargetSettings,
)
from monitor.core.journal import State
from monitor.core.model import Mode
from monitor.core.report import TargetReport
from monitor.core.status import Status
from monitor.daemon.daemon import Daemon
from monitor.demo.consumer import Calls, Consumer
from monitor.demo.stage import INTERVAL, TIMEOUT, write_private
from monitor.simulator.app import running
from monitor.simulator.faults import Front
from monitor.simulator.rbac import Role
from monitor.simulator.state import ArgoCDState

TARGET = "gitops"
ACCOUNT = "codefresh"
GRACE = 2.0
SETTLE = 1.0
# For a machine that is very busy: on others all is done within seconds.
LONGEST_WAIT = 120.0
LOOK = 0.02


@dataclass
class Scenery:
    """The running pieces. `files` has the token of the consumers and the password of the monitor."""

    argocd: ArgoCDState
    daemon: Daemon
    consumer: Consumer
    files: Path

    def report(self) -> TargetReport:
        """What the monitor says of the target."""
        report = self.daemon.report(TARGET)
        if report is None:
            raise LookupError(TARGET)
        return report

    def keys(self) -> set[str]:
        """The keys of the account, as Argo CD lists them."""
        account = self.argocd.settings.account(ACCOUNT)
        return {key.id for key in account.keys} if account else set()

    def used(self) -> str | None:
        """The key that the monitor last found accepted in the consumers' file."""
        report = self.report()
        return report.verdict.token_id if report.verdict.accepted else None

    def rotations(self) -> int:
        """How many rotations ended."""
        rotation = self.report().rotation
        return rotation.rotations if rotation else 0

    def at_rest(self) -> bool:
        """Whether the rotation has nothing to do."""
        rotation = self.report().rotation
        return rotation is not None and rotation.state is State.IDLE


@dataclass(frozen=True, slots=True)
class Event:
    """One event. done: whether it ended as it should. refusals: whether refused calls are part of it."""

    title: str
    deed: Callable[[Scenery], None]
    done: Callable[[Scenery], bool]
    refusals: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """How an event ended. calls: of the consumer, from the event to its end. wrong: what must not have been."""

    event: Event
    seconds: float
    calls: Calls
    report: TargetReport
    wrong: tuple[str, ...]


def _delete_key(here: Scenery) -> None:
    used = here.used()
    if used is not None:
        here.argocd.revoke_key(ACCOUNT, used)


def _change_password(here: Scenery) -> None:
    here.argocd.change_password(ACCOUNT, "the second password")
    write_private(here.files / "password", "the second password")


def _change_password_in_secret(here: Scenery) -> None:
    here.argocd.change_password(ACCOUNT, "the third password")


def _new_key_in_use(number: int) -> Callable[[Scenery], bool]:
    """Done when that many rotations ended, the consumers' key is accepted, and no other key is left."""
    return lambda here: here.rotations() == number and here.at_rest() and here.keys() == {here.used()}


EVENTS: tuple[Event, ...] = (
    Event("The monitor starts with a password, and there is no key yet", lambda here: None, _new_key_in_use(1), True),
    Event("Somebody deletes the key in the UI", _delete_key, _new_key_in_use(2), True),
    Event(
        "A person asks for a new key: the old one lives until the new one is in use",
        lambda here: here.daemon.demand(TARGET),
        _new_key_in_use(3),
        False,
    ),
    Event("The password is changed, and the monitor is given the new one", _change_password, _new_key_in_use(4), True),
    Event(
        "The password is changed again and nobody tells the monitor: one login is tried, and no more",
        _change_password_in_secret,
        lambda here: (
            here.report().verdict.status is Status.PASSWORD_CHANGED
            and (rotation := here.report().rotation) is not None
            and rotation.login_failures == 1
            and bool(rotation.waiting_for)
        ),
        True,
    ),
)


async def play(tell: Callable[[Ended], None], folder: Path) -> bool:
    """Plays the act. True when all went as it should."""
    right = True
    async with _scenery(folder) as here:
        for event in EVENTS:
            ended = await _perform(here, event)
            tell(ended)
            right = right and not ended.wrong
    return right


async def _perform(here: Scenery, event: Event) -> Ended:
    before, started = here.consumer.calls.copy(), time.monotonic()
    event.deed(here)
    wrong: list[str] = []
    while not event.done(here):
        if time.monotonic() - started > LONGEST_WAIT:
            wrong.append(f"this was not done within {LONGEST_WAIT:g} s")
            break
        await asyncio.sleep(LOOK)
    calls = here.consumer.calls.since(before)
    if not event.refusals and calls.refused + calls.unanswered:
        wrong.append(f"{calls.refused + calls.unanswered} calls of the consumer failed")
    return Ended(event, time.monotonic() - started, calls, here.report(), tuple(wrong))


@asynccontextmanager
async def _scenery(folder: Path) -> AsyncIterator[Scenery]:
    state = ArgoCDState(clock=time.time, seed=int(time.time()), wording="3")
    state.create_account(ACCOUNT, password="the first password", role=Role.READONLY)  # noqa: S106 - of a simulation
    write_private(folder / "password", "the first password")
    async with running(Front(state)) as url:
        target = TargetSettings(
            name=TARGET,
            address=address.of_url(url),
            mode=Mode.PASSWORD,
            token_source=InFile(str(folder / "token")),
            password_source=InFile(str(folder / "password")),
            username=ACCOUNT,
            expected_account=ACCOUNT,
            interval=INTERVAL,
            timeout=TIMEOUT,
            account_interval=2.0,
            rotation=RotationSettings(grace=GRACE, settle=SETTLE),
        )
        settings = Settings(targets=(target,), http=HttpSettings("127.0.0.1", 0), state_dir=str(folder))
        async with Daemon(settings) as daemon, Consumer(url, folder / "token") as consumer:
            yield Scenery(state, daemon, consumer, folder)
