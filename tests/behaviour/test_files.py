"""Without Kubernetes: the token and the password in files, the journal beside them, and many of them."""

from __future__ import annotations

import asyncio
import stat
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from monitor.config.settings import HttpSettings, InFile, KubernetesSettings, Settings, TargetSettings
from monitor.core.claims import read_claims
from monitor.core.status import Status

from tests.behaviour.canaries import everything_that_is_logged, leaks
from tests.behaviour.service import ACCOUNT, PASSWORD, TARGET, Outside, Service, service, until
from tests.fair_time import fairly

# Files are looked at every 0.2 s here.
NOTICED = 1.0
FEW, MANY = 200, 2000
# Beside the spread of the first checks, 200 a second.
SLACK = 10.0


def write(path: Path, value: str) -> None:
    """Replaces the file at once, as a mounted Secret changes."""
    new = path.with_name(f"{path.name}.new")
    new.touch(mode=0o600)
    new.write_text(f"{value}\n")
    new.replace(path)


class Files:
    """A folder with the consumers' token and the password, and one with the journals."""

    def __init__(self, world: Outside) -> None:
        self.world = world
        self.token = world.folder / "secrets" / "token"
        self.password = world.folder / "secrets" / "password"
        self.state = world.folder / "state"
        self.token.parent.mkdir(mode=0o700)
        self.state.mkdir(mode=0o700)
        write(self.password, PASSWORD)

    def settings(self, **changes: Any) -> Settings:
        sources = {"token_source": InFile(str(self.token)), "password_source": InFile(str(self.password))}
        target = self.world.password_target(namespace=None, interval=60.0, **{**sources, **changes})
        return self.of(target)

    def of(self, *targets: TargetSettings) -> Settings:
        # A kubeconfig that does not exist: nothing may look for a cluster.
        nowhere = KubernetesSettings(str(self.world.folder / "no-kubeconfig"))
        return Settings(targets, http=HttpSettings("127.0.0.1", 0), kubernetes=nowhere, state_dir=str(self.state))

    def key_in_use(self) -> str | None:
        return read_claims(self.token.read_text().strip()).token_id if self.token.exists() else None


@pytest.fixture
def files(world: Outside) -> Files:
    return Files(world)


async def in_use(running: Service, files: Files, rotations: int) -> str:
    """The key in use, once that many rotations ended and no other is left."""
    await until(
        lambda: (
            running.status() is Status.VALID
            and running.rotation().rotations == rotations
            and files.world.keys() == {files.key_in_use()}
        ),
        seen=lambda: (running.report(), files.world.keys()),
    )
    return files.key_in_use() or ""


async def test_the_life_of_a_key_in_a_file(files: Files) -> None:
    with everything_that_is_logged() as log:
        async with service(files.settings()) as running:
            first = await in_use(running, files, 1)
            assert stat.S_IMODE(files.token.stat().st_mode) == 0o600
            journals = [path for path in files.state.iterdir() if path.name == f"token-monitor-journal-{TARGET}"]
            assert [stat.S_IMODE(path.stat().st_mode) for path in journals] == [0o600]

            running.daemon.demand(TARGET)
            second = await in_use(running, files, 2)
            assert second != first

            files.world.argocd.revoke_key(ACCOUNT, second)
            running.daemon.fleet.trigger(TARGET)
            third = await in_use(running, files, 3)
            assert (await running.told())["token_id"] == third
            assert (await running.get("/healthz"))[0] == 200
        assert leaks(log.getvalue(), [*files.world.argocd.issued, PASSWORD]) == []
    assert files.world.cluster.count() == 0
    assert sorted(path.name for path in files.token.parent.iterdir() if not path.name.startswith(".")) == [
        "password",
        "token",
    ]


async def test_a_changed_token_file_is_judged_and_adopted(files: Files) -> None:
    write(files.token, files.world.new_token("first"))
    async with service(files.settings()) as running:
        await until(lambda: running.report().verdict.token_id == "first")
        write(files.token, files.world.new_token("second"))
        await until(lambda: running.report().verdict.token_id == "second", NOTICED)
        write(files.token, "garbage")
        await until(lambda: running.status() is Status.MALFORMED, NOTICED)
        await until(lambda: running.status() is Status.VALID)
        assert (files.key_in_use() or "").startswith("tm-"), "a new key mends that"


async def test_a_changed_password_file_wakes_the_rotation(files: Files) -> None:
    files.password.unlink()
    async with service(files.settings()) as running:
        await until(lambda: "no password" in running.rotation().waiting_for)
        write(files.password, PASSWORD)
        await in_use(running, files, 1)


async def test_a_token_file_in_token_mode_is_only_read(files: Files) -> None:
    write(files.token, files.world.new_token("by-hand"))
    files.token.chmod(0o400)
    before = files.token.stat()
    settings = files.of(files.world.target(token_source=InFile(str(files.token)), namespace=None))
    async with service(settings) as running:
        await until(lambda: running.status() is Status.VALID)
        files.world.argocd.revoke_key(ACCOUNT, "by-hand")
        await until(lambda: running.status() is Status.REVOKED)
        assert running.report().rotation is None
        assert (files.token.stat().st_mtime_ns, files.token.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
        files.token.unlink()
        await until(lambda: running.status() is Status.MISSING)
        assert str(files.token) in running.report().verdict.cause
    assert list(files.state.iterdir()) == []


async def test_two_monitors_on_the_same_files_publish_one_key(files: Files) -> None:
    async with AsyncExitStack() as stack:
        both = await asyncio.gather(*(stack.enter_async_context(service(files.settings())) for _ in range(2)))
        await until(
            lambda: files.world.keys() == {files.key_in_use()} and all(each.status() is Status.VALID for each in both),
            seen=lambda: [each.rotation() for each in both],
        )
    assert len([token for token in files.world.argocd.issued if read_claims(token).capability == "apiKey"]) == 1


async def test_a_place_that_cannot_be_written_is_told_and_nothing_is_made(files: Files) -> None:
    settings = files.settings(token_source=InFile(str(files.world.folder / "nowhere" / "token")))
    async with service(settings) as running:
        await until(lambda: running.status() is Status.MISSING)
        await until(lambda: "nowhere" in running.rotation().waiting_for, 2.0, running.rotation)
        assert files.world.keys() == set()


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
async def test_many_targets_get_their_first_verdict_in_seconds_and_end_in_good_order(files: Files, count: int) -> None:
    token = files.world.new_token()
    for number in range(count):
        (files.token.parent / f"t{number}").write_text(token)
    sources = ((f"t{number}", InFile(str(files.token.parent / f"t{number}"))) for number in range(count))
    targets = [
        files.world.target(name, token_source=source, namespace=None, interval=3600.0) for name, source in sources
    ]
    async with service(files.of(*targets)) as running:
        daemon = running.daemon
        took = await until(
            lambda: all(report.verdict.status is Status.VALID for report in daemon.fleet.reports()), 60.0
        )
        assert took < fairly(count / 200 + SLACK)
        assert await running.metric("tokenmonitor_targets") == float(count)
        began = time.monotonic()
    assert time.monotonic() - began < fairly(3.0)
