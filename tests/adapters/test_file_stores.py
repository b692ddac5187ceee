"""The token in a file: replaced as a whole or not at all, by one writer at a time, whatever ends him."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from monitor.adapters.file_stores import MAX_TOKEN_BYTES, FileCredentialStore, FileJournalStore
from monitor.core.effects import Conflict, Done, Refused, Unknown
from monitor.core.secret import Secret
from monitor.ports import CredentialStore, JournalStore

from tests.adapters.places import NOBODY, ROOT, as_somebody, folder_of_somebody
from tests.adapters.token_file import BRIEF, LOCK, NEW, OLD, before, beside, locked, replaced, store_of, why, written

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path)


# --- what is read and written ------------------------------------------------------------------------------------------


async def test_the_token_is_read_without_its_line_end_and_written_with_one(path: Path) -> None:
    store = store_of(path)
    found = await store.read()
    assert (found.token, found.readable, found.problem) == (OLD, True, "")
    assert await store.write(NEW, found.version) == Done()
    assert path.read_bytes() == f"{NEW.reveal()}\n".encode()
    assert (await store.read()).token == NEW
    assert beside(path) == {LOCK}


async def test_a_token_that_is_not_there_yet_gets_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    store = store_of(tmp_path / "token")
    found = await store.read()
    assert (found.token, found.version, found.readable) == (None, None, True)
    assert why(found).endswith("does not exist: write the token into it")
    mask = os.umask(0)
    try:
        assert await store.write(NEW, None) == Done()
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    assert (await store.read()).token == NEW


async def test_an_empty_file_holds_no_token_and_can_be_written(path: Path) -> None:
    path.write_text(" \n")
    found = await store_of(path).read()
    assert (found.token, found.readable) == (None, True)
    assert found.version is not None
    assert why(found).endswith("is empty: write the token into it")
    assert await replaced(path) == Done()


async def test_the_stores_are_what_the_rotation_asks_for(tmp_path: Path) -> None:
    credential: CredentialStore = FileCredentialStore(tmp_path / "token")
    journal: JournalStore = FileJournalStore(str(tmp_path / "journal"))
    assert (await credential.read()).token is None
    assert await journal.read() == ("", None)


async def test_the_largest_token_is_written_and_a_larger_one_is_not(path: Path) -> None:
    largest = Secret("x" * (MAX_TOKEN_BYTES - 1))
    assert await replaced(path, largest) == Done()
    outcome = await replaced(path, Secret("x" * MAX_TOKEN_BYTES))
    assert isinstance(outcome, Refused)
    assert "nothing was written" in why(outcome)
    assert (await store_of(path).read()).token == largest


@pytest.mark.parametrize("token", ["", "a\nb", "a\0b", "\x1b[31m", "é", "\ud800"], ids=ascii)
async def test_what_is_no_token_is_not_written(path: Path, token: str) -> None:
    outcome = await replaced(path, Secret(token))
    assert isinstance(outcome, Refused)
    assert why(outcome).endswith("make another key")
    assert path.read_text() == f"{OLD.reveal()}\n"


# --- compare and swap --------------------------------------------------------------------------------------------------


def rewrite(path: Path) -> None:
    path.write_text("eyJ.else.x\n")


def rewrite_in_place_with_the_same(path: Path) -> None:
    path.write_text(path.read_text())
    os.utime(path, ns=(1, 1))


def rewrite_and_hide_it(path: Path) -> None:
    facts = path.stat()
    path.write_text(path.read_text().upper())
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def replace_by_the_same(path: Path) -> None:
    other = path.with_name("other")
    shutil.copy2(path, other)
    other.replace(path)


CHANGES = [rewrite, rewrite_in_place_with_the_same, rewrite_and_hide_it, replace_by_the_same, Path.unlink]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_what_somebody_else_wrote_is_never_overwritten(path: Path, change: Callable[[Path], None]) -> None:
    store = store_of(path)
    version = (await store.read()).version
    change(path)
    theirs = path.read_bytes() if path.exists() else None
    assert await store.write(NEW, version) == Conflict()
    assert (path.read_bytes() if path.exists() else None) == theirs
    assert beside(path) == {LOCK}


async def test_a_file_that_appeared_meanwhile_is_not_overwritten(path: Path) -> None:
    assert await store_of(path).write(NEW, None) == Conflict()
    assert path.read_text() == f"{OLD.reveal()}\n"


async def test_each_write_makes_another_version_also_of_the_same_content(path: Path) -> None:
    store = store_of(path)
    versions = []
    for token in (NEW, OLD, OLD, NEW, NEW):
        versions.append((await store.read()).version)
        assert await store.write(token, versions[-1]) == Done()
    assert len(set(versions)) == len(versions)
    assert not any(OLD.reveal() in str(version) for version in versions)


async def test_somebody_who_writes_without_the_lock_at_the_last_moment_is_seen(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = iter([lambda: path.write_text("eyJ.else.x\n")])
    before(monkeypatch, "fsync", lambda: next(once, bool)())
    assert await replaced(path) == Conflict()
    assert path.read_text() == "eyJ.else.x\n"
    assert beside(path) == {LOCK}


async def test_somebody_who_writes_right_after_us_is_seen(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.replace

    def and_then(*arguments: Any, **named: Any) -> None:
        real(*arguments, **named)
        path.write_text("eyJ.else.x\n")

    monkeypatch.setattr(os, "replace", and_then)
    assert await replaced(path) == Conflict()


# --- the lock ----------------------------------------------------------------------------------------------------------


async def test_a_lock_that_another_process_holds_is_unknown_and_nothing_is_written(path: Path) -> None:
    with locked(path.parent / LOCK):
        outcome = await replaced(path)
    assert isinstance(outcome, Unknown)
    assert why(outcome).endswith("so nothing was written: stop the second monitor that uses this file")
    assert path.read_text() == f"{OLD.reveal()}\n"
    assert await replaced(path) == Done()


async def test_a_lock_that_is_let_go_in_time_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.ExitStack() as held:
        held.enter_context(locked(path.parent / LOCK))
        monkeypatch.setattr("monitor.adapters.atomic_file.time.sleep", lambda _: held.close())
        assert await replaced(path, patience=60.0, deadline=60.0) == Done()


async def test_a_lock_that_was_deleted_while_it_was_held_keeps_nobody_out(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who tidies up: two processes could then hold locks of the same name."""

    def tidy_up() -> None:
        (path.parent / LOCK).unlink()
        (path.parent / LOCK).touch()

    once = iter([tidy_up])
    before(monkeypatch, "fsync", lambda: next(once, bool)())
    assert await replaced(path) == Conflict()
    assert path.read_text() == f"{OLD.reveal()}\n"


async def test_a_lock_that_is_deleted_before_it_is_held_is_made_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = iter([(path.parent / LOCK).unlink])
    real = fcntl.flock

    def too_late(descriptor: int, operation: int) -> None:
        next(once, bool)()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", too_late)
    assert await replaced(path) == Done()


async def test_reading_waits_for_no_lock(path: Path) -> None:
    with locked(path.parent / LOCK):
        assert (await store_of(path).read()).token == OLD


async def test_two_names_of_one_file_share_a_lock(path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "link").symlink_to(path)
    with locked(path.parent / LOCK):
        assert isinstance(await replaced(elsewhere / "link"), Unknown)


@pytest.mark.parametrize("obstacle", ["a link", "a directory"])
async def test_what_lies_in_the_place_of_the_lock_is_never_followed(path: Path, obstacle: str) -> None:
    victim = path.parent / "victim"
    lock = path.parent / LOCK
    lock.symlink_to(victim) if obstacle == "a link" else lock.mkdir()
    outcome = await replaced(path)
    assert isinstance(outcome, Refused)
    assert why(outcome).endswith("or delete it while no monitor runs")
    assert not victim.exists()


@pytest.mark.skipif(not ROOT, reason="only root makes files of other users")
async def test_a_lock_of_another_user_is_told() -> None:
    with folder_of_somebody() as folder:
        (folder / "token").write_text(OLD.reveal())
        os.chown(folder / "token", NOBODY, NOBODY)
        (folder / LOCK).touch(0o600)
        with as_somebody():
            outcome = await replaced(folder / "token")
        assert isinstance(outcome, Refused)
        assert "run the monitor as the user that it belongs to" in why(outcome)


@pytest.mark.skipif(not ROOT, reason="only root makes files of other users")
async def test_a_command_that_root_runs_does_not_lock_out_the_monitor() -> None:
    with folder_of_somebody() as folder:
        path = folder / "token"
        with as_somebody():
            path.write_text(OLD.reveal())
        assert await replaced(path) == Done()
        with as_somebody():
            assert await replaced(path, OLD) == Done()


# --- crashes, and two processes ----------------------------------------------------------------------------------------


def played(story: str, folder: Path) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-m", "tests.adapters.file_store_crashes", story, str(folder)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    result: dict[str, Any] = json.loads(run.stdout)
    return result


def test_a_kill_at_any_call_leaves_the_old_token_or_the_new_one(tmp_path: Path) -> None:
    result = played("each-call", tmp_path)
    assert result["steps"] > 20
    assert result["contents"] == ["new" * 3000, "old" * 2000]
    assert result["last"] == "new" * 3000
    assert max(result["leftovers"]) == 1, "what a crash leaves is deleted by the next writer"
    assert result["leftovers"][-1] == 0


def test_a_kill_at_any_moment_leaves_the_old_token_or_the_new_one(tmp_path: Path) -> None:
    result = played("any-moment", tmp_path)
    assert set(result["contents"]) <= {"new" * 3000, "old" * 2000}
    assert result["last"] == "last\n"
    assert result["left"] == [LOCK, "token"]


def test_of_two_processes_exactly_one_wins_each_version(tmp_path: Path) -> None:
    result = played("two", tmp_path)
    one, two = (set(found["won"]) for found in result["results"])
    assert not one & two
    assert one | two == set(range(1, len(one) + len(two) + 1))
    assert result["last"] == str(len(one) + len(two))
    assert sum(found["lost"] for found in result["results"]) > 0


async def test_only_leftovers_of_this_very_file_are_deleted(path: Path) -> None:
    ours = [path.parent / f".token.token-monitor-{number:016x}" for number in range(3)]
    others = [
        path.parent / name
        for name in (
            ".other.token-monitor-0123456789abcdef",
            ".token.token-monitor-0123",
            ".token.token-monitor-0123456789abcdef0",
            ".token.token-monitor-0123456789abcdeX",
            "token.bak",
        )
    ]
    for leftover in (*ours, *others):
        leftover.write_text(OLD.reveal())
    (path.parent / ".token.token-monitor-00000000000000aa").mkdir()
    assert await replaced(path) == Done()
    assert not any(leftover.exists() for leftover in ours)
    assert all(other.exists() for other in others)


async def test_nothing_stays_open(path: Path, tmp_path: Path) -> None:
    journal = FileJournalStore(tmp_path / "journal", patience=BRIEF)
    await replaced(path)
    count = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        assert await replaced(path) == Done()
        assert await store_of(path).write(NEW, "stale") == Conflict()
        await journal.write("{}", (await journal.read())[1])  # type: ignore[index]
        with locked(tmp_path / LOCK):
            await replaced(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == count


# --- a file system that hangs ------------------------------------------------------------------------------------------


class Hanging:
    """A file system that does not come back from a flush until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()
        self.hangs = threading.Event()
        before(monkeypatch, "fsync", self._hang)

    def _hang(self) -> None:
        self.hangs.set()
        self.go.wait(60)


@pytest.fixture
async def hanging(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hanging]:
    hanging = Hanging(monkeypatch)
    yield hanging
    hanging.go.set()
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_a_file_system_that_hangs_is_unknown_by_the_deadline_and_begins_nothing_late(
    path: Path, hanging: Hanging
) -> None:
    # Long enough for a thread that a busy machine starts late to get as far as the flush.
    store = store_of(path, deadline=0.5)
    version = (await store_of(path).read()).version
    outcome = await store.write(NEW, version)
    assert isinstance(outcome, Unknown)
    assert "did not answer within 0.5 s" in why(outcome)
    assert hanging.hangs.is_set()
    again = await asyncio.gather(store.write(NEW, version), store.read())
    assert "still does not answer" in why(again[0])
    assert not again[1].readable  # type: ignore[union-attr]
    hanging.go.set()
    await come_back(store)
    assert path.read_text() == f"{OLD.reveal()}\n"
    assert beside(path) == {LOCK}
    assert await store_of(path).write(NEW, version) == Done()


async def test_a_write_that_is_cancelled_begins_nothing_late(path: Path, hanging: Hanging) -> None:
    store = store_of(path, deadline=60.0)
    version = (await store.read()).version
    writing = asyncio.create_task(store.write(NEW, version))
    await asyncio.to_thread(hanging.hangs.wait, 10)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    hanging.go.set()
    await come_back(store)
    assert path.read_text() == f"{OLD.reveal()}\n"


async def come_back(store: FileCredentialStore) -> None:
    """Until the thread that hung is through."""
    unfinished = store._thread._unfinished
    assert unfinished is not None
    assert await asyncio.to_thread(unfinished.wait, 10)
