"""The token and the journal in files: replaced as a whole or not at all, and every outcome says what to do."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from monitor.adapters import atomic_file
from monitor.adapters.file_stores import MAX_JOURNAL_BYTES, MAX_TOKEN_BYTES, FileCredentialStore, FileJournalStore
from monitor.core.effects import Conflict, Done, Refused, Unknown
from monitor.core.secret import Secret
from monitor.ports import CredentialStore, JournalStore, Stored
from structlog.testing import capture_logs

from tests.adapters.places import NOBODY, ROOT, Mounted, as_somebody, file_system, folder_of_somebody

REPOSITORY = Path(__file__).parents[2]
OLD, NEW = Secret("eyJold.eyJold.old"), Secret("eyJnew.eyJnew.new")
OTHERS = 12345
BRIEF = 0.02


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A token's file, as the demo and people write it."""
    path = tmp_path / "token"
    path.write_text(f"{OLD.reveal()}\n")
    path.chmod(0o600)
    return path


def store_of(path: Path, **limits: float) -> FileCredentialStore:
    return FileCredentialStore(path, **{"patience": BRIEF, **limits})


async def replaced(path: Path, token: Secret = NEW, **limits: float) -> Done | Conflict | Refused | Unknown:
    """What comes of replacing the token that is there now."""
    store = store_of(path, **limits)
    return await store.write(token, (await store.read()).version)


def why(outcome: object) -> str:
    """The words of an outcome that has some. They hold no token, and they are one line that ends with a remedy."""
    text = outcome.problem if isinstance(outcome, Stored) else outcome.why  # type: ignore[attr-defined]
    assert not any(token.reveal() in f"{text} {outcome!r}" for token in (OLD, NEW))
    assert text.isprintable()
    assert len(text) < 400, "longer texts are cut, and the remedy is at their end"
    return str(text)


def beside(path: Path) -> set[str]:
    """What is in the directory besides the file."""
    return {entry.name for entry in path.parent.iterdir()} - {path.name}


LOCK = ".token.token-monitor.lock"


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
    before = os.umask(0)
    try:
        assert await store.write(NEW, None) == Done()
    finally:
        os.umask(before)
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


def before(monkeypatch: pytest.MonkeyPatch, name: str, happens: Callable[[], object]) -> None:
    """Lets something happen before a call of the system."""
    real = getattr(os, name)

    def after_that(*arguments: Any, **named: Any) -> Any:
        happens()
        return real(*arguments, **named)

    monkeypatch.setattr(os, name, after_that)


# --- the lock ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process at work: locks belong to open files, so one of our own is as good."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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


# --- mode and owner ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o644], ids=oct)
async def test_the_mode_that_the_file_has_is_kept(path: Path, mode: int) -> None:
    path.chmod(mode)
    before = os.umask(0o077)
    try:
        assert await replaced(path) == Done()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


async def test_the_new_token_is_for_its_owner_alone_until_it_is_in_place(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.chmod(0o400)
    modes = []

    def look() -> None:
        (new,) = path.parent.glob(".token.token-monitor-*[0-9a-f]")
        modes.append(stat.S_IMODE(new.stat().st_mode))

    before(monkeypatch, "write", look)
    assert await replaced(path) == Done()
    assert set(modes) == {0o400}


@pytest.mark.skipif(not ROOT, reason="only root gives files away")
async def test_the_owner_is_kept(path: Path) -> None:
    os.chown(path, OTHERS, OTHERS)
    path.chmod(0o640)
    assert await replaced(path) == Done()
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (OTHERS, OTHERS, 0o640)


@pytest.mark.skipif(not ROOT, reason="only root makes files of other users")
@pytest.mark.parametrize(
    ("owner", "group", "mode", "expected"),
    [
        pytest.param(OTHERS, NOBODY, 0o644, Done(), id="everybody reads it"),
        pytest.param(OTHERS, NOBODY, 0o640, Done(), id="the group is ours and reads it"),
        pytest.param(OTHERS, OTHERS, 0o644, Done(), id="another group, and everybody reads it"),
        pytest.param(NOBODY, OTHERS, 0o640, "make the monitor's user a member of that group", id="a group of others"),
        pytest.param(NOBODY, OTHERS, 0o600, Done(), id="a group that may not read it"),
    ],
)
async def test_whoever_read_the_old_token_can_read_the_new_one(
    owner: int, group: int, mode: int, expected: object
) -> None:
    with folder_of_somebody() as folder:
        path = folder / "token"
        path.write_text(OLD.reveal())
        os.chown(path, owner, group)
        path.chmod(mode)
        with as_somebody():
            outcome = await replaced(path)
        if isinstance(expected, str):
            assert isinstance(outcome, Refused)
            assert why(outcome).endswith(expected)
            assert path.read_text() == OLD.reveal()
        else:
            assert outcome == expected
            now = path.stat()
            assert now.st_gid == group or not now.st_mode & stat.S_IRWXG


@pytest.mark.skipif(not ROOT, reason="only root gives files away")
async def test_a_file_that_only_its_owner_could_read_is_not_taken_from_him(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A root that reads everything and may give nothing away: CAP_CHOWN dropped, or a squashed root of NFS."""
    os.chown(path, OTHERS, OTHERS)
    monkeypatch.setattr(os, "fchown", lambda *_: fail(errno.EPERM))
    outcome = await replaced(path)
    assert isinstance(outcome, Refused)
    assert why(outcome).endswith("or let the group or everybody read the file")
    assert path.read_text() == f"{OLD.reveal()}\n"


async def test_an_access_list_is_kept(path: Path) -> None:
    """Read access for user 12345, by a list: `setfacl -m u:12345:r`."""
    entries = [(1, 6, 0xFFFFFFFF), (2, 4, OTHERS), (4, 0, 0xFFFFFFFF), (16, 4, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)]
    value = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + permission.to_bytes(2, "little") + who.to_bytes(4, "little")
        for tag, permission, who in entries
    )
    try:
        os.setxattr(path, "system.posix_acl_access", value)
    except OSError:
        pytest.skip("this file system has no access lists")
    assert await replaced(path) == Done()
    assert os.getxattr(path, "system.posix_acl_access") == value


# --- places that cannot be written -------------------------------------------------------------------------------------


async def test_a_mounted_secret_is_read_and_never_written(tmp_path: Path) -> None:
    mounted = Mounted(tmp_path / "secret", OLD.reveal())
    link = tmp_path / "link"
    link.symlink_to(mounted.path)
    for path in (mounted.path, link, mounted.folder / "..data" / "token", mounted.path.resolve()):
        store = store_of(path)
        found = await store.read()
        assert found.token == OLD
        outcome = await store.write(NEW, found.version)
        assert isinstance(outcome, Refused)
        assert why(outcome).endswith("which cannot be written: name the Secret itself (tokenSecretKeyRef)")
    assert mounted.path.read_text() == OLD.reveal()
    assert isinstance(await store_of(mounted.folder / "new").write(NEW, None), Refused)
    assert {entry.name for entry in mounted.folder.iterdir()} == {"token", "..data", mounted.path.resolve().parent.name}


async def test_the_target_of_a_link_is_replaced_and_the_link_stays(path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    one, two = elsewhere / "one", elsewhere / "two"
    one.symlink_to("../token")
    two.symlink_to("one")
    assert await replaced(two) == Done()
    assert (str(one.readlink()), str(two.readlink())) == ("../token", "one")
    assert path.read_text() == f"{NEW.reveal()}\n"
    assert {entry.name for entry in elsewhere.iterdir()} == {"one", "two"}


async def test_a_link_to_a_file_that_is_not_there_yet_gets_its_file(path: Path) -> None:
    path.unlink()
    link = path.with_name("link")
    link.symlink_to(path)
    store = store_of(link)
    assert (await store.read()).version is None
    assert await store.write(NEW, None) == Done()
    assert link.is_symlink()
    assert path.read_text() == f"{NEW.reveal()}\n"


async def test_links_that_lead_in_a_circle_are_told(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    found = await store_of(tmp_path / "a").read()
    assert not found.readable
    assert why(found).endswith("correct the path: its symbolic links lead nowhere")
    assert isinstance(await store_of(tmp_path / "a").write(NEW, None), Refused)


@pytest.mark.parametrize("kind", ["directory", "pipe", "root"])
async def test_what_is_no_file_is_told_and_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "token" if kind != "root" else Path("/")
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    found = await store_of(path).read()
    assert not found.readable
    assert why(found).endswith("is not a regular file: give the path of a file")
    outcome = await store_of(path).write(NEW, None)
    assert isinstance(outcome, Refused)
    assert "is not a regular file" in why(outcome)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xff\xfe\x00", id="no text"),
        pytest.param(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", id="a key"),
        pytest.param(b"server: x\ntoken: y\n", id="a configuration"),
        pytest.param(b"a\0b", id="NUL"),
        pytest.param(b"x" * (MAX_TOKEN_BYTES + 1), id="too large"),
        pytest.param(b"\n" * (MAX_TOKEN_BYTES + 1), id="too many line ends"),
    ],
)
async def test_a_file_of_something_else_is_never_overwritten(path: Path, content: bytes) -> None:
    """A mistaken path must not cost anybody a file. It is not readable either, so that no key is made for it."""
    path.write_bytes(content)
    found = await store_of(path).read()
    assert (found.token, found.version, found.readable) == (None, None, False)
    assert "correct the path" in why(found)
    real = atomic_file.read_file(path, 2 * MAX_TOKEN_BYTES)
    outcome = await store_of(path).write(NEW, atomic_file.version_of(real))
    assert isinstance(outcome, Refused)
    assert "correct the path" in why(outcome)
    assert path.read_bytes() == content


async def test_a_directory_that_is_missing_is_told_before_a_key_is_made(tmp_path: Path) -> None:
    store = store_of(tmp_path / "missing" / "token")
    found = await store.read()
    assert (found.readable, found.version) == (False, None)
    assert why(found).endswith("does not exist: make it, or correct the path")
    outcome = await store.write(NEW, None)
    assert isinstance(outcome, Refused)
    assert why(outcome).endswith("does not exist: make it, or correct the path")


async def test_a_path_through_a_file_is_told(path: Path) -> None:
    found = await store_of(path / "token").read()
    assert not found.readable
    assert why(found).endswith("correct the path: a part of it is no directory")
    assert isinstance(await store_of(path / "token").write(NEW, None), Refused)


@pytest.mark.parametrize(
    "name", ["a\0b", "a\ud800b", "n" * 250, "n" * 300], ids=lambda name: ascii(name[:5]) + str(len(name))
)
async def test_a_name_that_no_file_can_have_is_told(tmp_path: Path, name: str) -> None:
    store = store_of(Path(f"{tmp_path}/{name}"))
    outcome = await store.write(NEW, None)
    assert isinstance(outcome, Refused)
    assert why(outcome).endswith(("correct the path", "give a shorter path"))
    found = await store.read()
    assert found.token is None


async def test_a_directory_that_may_not_be_written_is_told() -> None:
    with folder_of_somebody() as folder, as_somebody():
        path = folder / "token"
        path.write_text(OLD.reveal())
        folder.chmod(0o500)
        outcome = await replaced(path)
        assert isinstance(outcome, Refused)
        assert why(outcome).endswith("let the monitor's user read the file, and write in its directory")
        assert path.read_text() == OLD.reveal()


async def test_a_token_that_may_not_be_read_is_told_and_not_replaced() -> None:
    with folder_of_somebody() as folder, as_somebody():
        path = folder / "token"
        path.write_text(OLD.reveal())
        version = (await store_of(path).read()).version
        path.chmod(0o200)
        found = await store_of(path).read()
        assert (found.token, found.version, found.readable) == (None, None, False)
        assert why(found).endswith("Permission denied: let the monitor's user read it")
        assert isinstance(await store_of(path).write(NEW, version), Refused)


async def test_a_full_disk_leaves_the_old_token(tmp_path: Path) -> None:
    with file_system(tmp_path / "disk", "size=16k") as disk:
        path = disk / "token"
        path.write_text(OLD.reveal())
        with (disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while filler.write(b"x" * 4096):
                pass
        outcome = await replaced(path)
        assert isinstance(outcome, Refused)
        assert why(outcome).endswith("No space left on device: free space on that file system")
        assert path.read_text() == OLD.reveal()
        assert beside(path) == {LOCK, "filler"}
        (disk / "filler").unlink()
        assert await replaced(path) == Done()


async def test_a_read_only_file_system_is_told(tmp_path: Path) -> None:
    with file_system(tmp_path / "disk", "size=64k") as disk:
        path = disk / "token"
        path.write_text(OLD.reveal())
        assert await replaced(path, OLD) == Done()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True, timeout=10)
        outcome = await replaced(path)
        assert isinstance(outcome, Refused)
        assert why(outcome).endswith("Read-only file system: mount that file system writable, or give another path")
        assert path.read_text() == f"{OLD.reveal()}\n"


async def test_a_file_that_is_a_mount_of_its_own_is_told(path: Path, tmp_path: Path) -> None:
    """A Secret mounted by subPath, or `docker run -v FILE:FILE`: it cannot be replaced by renaming."""
    place = tmp_path / "place"
    place.touch()
    if subprocess.run(["mount", "--bind", path, place], capture_output=True, check=False, timeout=10).returncode:
        pytest.skip("nothing may be mounted here")
    try:
        outcome = await replaced(place)
    finally:
        subprocess.run(["umount", "-l", place], check=True, timeout=10)
    assert isinstance(outcome, Refused)
    assert why(outcome).endswith("mount its directory instead")
    assert path.read_text() == f"{OLD.reveal()}\n"


FAULTS = [
    pytest.param("write", errno.ENOSPC, "free space on that file system", id="no space"),
    pytest.param("write", errno.EDQUOT, "free space, or raise the quota", id="over the quota"),
    pytest.param("write", errno.EIO, "check the disk", id="a bad disk"),
    pytest.param("fsync", errno.EIO, "check the disk", id="a bad disk that tells late"),
    pytest.param("fsync", errno.ENOSPC, "free space on that file system", id="no space, told late"),
    pytest.param("replace", errno.EACCES, "write in its directory", id="no right to rename"),
    pytest.param(
        "replace", errno.EPERM, "see whether it is immutable (lsattr) or belongs to another user", id="immutable"
    ),
    pytest.param("scandir", errno.EIO, "check the disk", id="a bad directory"),
    pytest.param(
        "fchmod", errno.EPERM, "see whether it is immutable (lsattr) or belongs to another user", id="no modes"
    ),
]


@pytest.mark.parametrize(("call", "number", "remedy"), FAULTS)
async def test_what_fails_before_the_token_is_in_place_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, remedy: str
) -> None:
    before(monkeypatch, call, lambda: fail(number))
    outcome = await replaced(path)
    monkeypatch.undo()
    assert isinstance(outcome, Refused)
    assert why(outcome).endswith(remedy)
    assert path.read_text() == f"{OLD.reveal()}\n"
    assert beside(path) == {LOCK}


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP], ids=errno.errorcode.get)
async def test_a_file_system_without_locks_is_told(path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *_: fail(number))
    outcome = await replaced(path)
    assert isinstance(outcome, Refused)
    assert why(outcome).endswith("use a local one")


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOENT], ids=errno.errorcode.get)
async def test_a_renaming_whose_outcome_is_lost_is_unknown(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    before(monkeypatch, "replace", lambda: fail(number))
    outcome = await replaced(path)
    assert isinstance(outcome, Unknown)
    assert "is not known" in why(outcome)


async def test_a_directory_that_cannot_be_flushed_makes_it_unknown(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new token is there, and a power cut may take it away again."""
    flush_of_directory(monkeypatch, errno.EIO)
    outcome = await replaced(path)
    assert isinstance(outcome, Unknown)
    assert why(outcome).endswith("it was written, look again")


async def test_a_file_system_that_flushes_no_directory_is_good_enough(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush_of_directory(monkeypatch, errno.EINVAL)
    assert await replaced(path) == Done()


async def test_the_content_is_flushed_before_it_takes_the_name_and_the_directory_after(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    for name in ("write", "fsync", "replace"):
        before(monkeypatch, name, lambda name=name: order.append(name))
    assert await replaced(path) == Done()
    assert order == ["write", "fsync", "replace", "fsync"]


def fail(number: int) -> None:
    raise OSError(number, os.strerror(number))


def flush_of_directory(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    real = os.fsync

    def flush(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            fail(number)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", flush)


# --- a file system that hangs ------------------------------------------------------------------------------------------


class Hanging:
    """A file system that does not come back from a flush until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()
        self.hangs = threading.Event()
        before(monkeypatch, "fsync", self._hang)

    def _hang(self) -> None:
        self.hangs.set()
        self.go.wait(10)


@pytest.fixture
async def hanging(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hanging]:
    hanging = Hanging(monkeypatch)
    yield hanging
    hanging.go.set()
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_a_file_system_that_hangs_is_unknown_by_the_deadline_and_begins_nothing_late(
    path: Path, hanging: Hanging
) -> None:
    store = store_of(path, deadline=BRIEF)
    version = (await store.read()).version
    outcome = await store.write(NEW, version)
    assert isinstance(outcome, Unknown)
    assert "did not answer within 0.02 s" in why(outcome)
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


# --- the journal -------------------------------------------------------------------------------------------------------


async def test_the_journal_is_made_at_the_first_write_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "journal"
    store = FileJournalStore(path)
    assert await store.read() == ("", None)
    assert not path.parent.exists()
    before = os.umask(0)
    try:
        version = await store.write('{"a": 1}', None)
    finally:
        os.umask(before)
    assert isinstance(version, str)
    assert await store.read() == ('{"a": 1}', version)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_each_write_gives_the_version_for_the_next_one(tmp_path: Path) -> None:
    store = FileJournalStore(tmp_path / "journal")
    version: Any = None
    for number in range(4):
        version = await store.write(str(number), version)
        assert await store.read() == (str(number), version)


async def test_a_journal_that_another_replica_wrote_is_not_overwritten(tmp_path: Path) -> None:
    one, two = FileJournalStore(tmp_path / "journal"), FileJournalStore(tmp_path / "journal")
    version = await one.write("one", None)
    assert await two.write("two", None) == Conflict()
    assert isinstance(await two.write("two", version), str)  # type: ignore[arg-type]
    assert await one.write("three", version) == Conflict()  # type: ignore[arg-type]
    assert (await one.read())[0] == "two"  # type: ignore[index]


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604], ids=oct)
async def test_a_journal_that_others_can_read_is_closed_to_them_and_told(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "journal"
    path.write_text("pending")
    path.chmod(mode)
    store = FileJournalStore(path)
    with capture_logs() as logs:
        text, version = await store.read()  # type: ignore[misc]
        assert (await store.read()) == (text, version)
    assert text == "pending"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [(entry["log_level"], entry["mode"]) for entry in logs] == [("warning", f"0{mode:o}")]
    assert "token-monitor rotate" in logs[0]["remedy"]
    assert "pending" not in str(logs)
    assert isinstance(await store.write("next", version), str)


@pytest.mark.skipif(not ROOT, reason="only root makes files of other users")
async def test_a_journal_of_another_user_that_others_can_read_is_refused() -> None:
    with folder_of_somebody() as folder:
        path = folder / "journal"
        path.write_text("pending")
        path.chmod(0o644)
        with as_somebody():
            outcome = await FileJournalStore(path).read()
        assert isinstance(outcome, Unknown)
        assert "others may read the journal" in why(outcome)


@pytest.mark.skipif(not ROOT, reason="only root makes files of other users")
async def test_a_command_that_root_runs_leaves_the_journal_to_the_monitor() -> None:
    with folder_of_somebody() as folder:
        path = folder / "journal"
        with as_somebody():
            version = await FileJournalStore(path).write("one", None)
        version = await FileJournalStore(path).write("two", version)  # type: ignore[arg-type]
        with as_somebody():
            assert await FileJournalStore(path).read() == ("two", version)


async def test_a_journal_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    store = FileJournalStore(path)
    version = await store.write("x" * MAX_JOURNAL_BYTES, None)
    assert isinstance(version, str)
    outcome = await store.write("x" * (MAX_JOURNAL_BYTES + 1), version)
    assert isinstance(outcome, Refused)
    path.write_text("x" * (MAX_JOURNAL_BYTES + 1))
    found = await store.read()
    assert isinstance(found, Unknown)
    assert "move the file away" in why(found)


async def test_a_damaged_journal_is_given_to_whoever_reads_it_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"\xff\xfe{")
    path.chmod(0o600)
    found = await FileJournalStore(path).read()
    assert isinstance(found, tuple)
    assert found[0] == "\ufffd\ufffd{"
    assert path.read_bytes() == b"\xff\xfe{"


async def test_a_journal_in_a_mounted_secret_is_refused_before_any_key_is_made(tmp_path: Path) -> None:
    mounted = Mounted(tmp_path / "secret", OLD.reveal())
    outcome = await FileJournalStore(mounted.folder / "journal").write("{}", None)
    assert isinstance(outcome, Refused)
    assert "Kubernetes mounted" in why(outcome)


async def test_a_state_directory_that_cannot_be_made_is_told() -> None:
    with folder_of_somebody() as folder, as_somebody():
        folder.chmod(0o500)
        outcome = await FileJournalStore(folder / "state" / "journal").write("{}", None)
        assert isinstance(outcome, Refused)
        assert "Permission denied" in why(outcome)


async def test_a_journal_that_cannot_be_looked_at_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    found = await FileJournalStore(tmp_path / "journal").read()
    assert isinstance(found, Unknown)
    assert "is not a regular file" in why(found)
