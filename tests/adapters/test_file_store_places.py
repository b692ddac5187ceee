"""Where the token's file lies, whose it is, and what the file system says: kept, followed, or told with what to do."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import subprocess
from pathlib import Path

import pytest
from monitor.adapters import atomic_file
from monitor.adapters.file_stores import MAX_TOKEN_BYTES
from monitor.core.effects import Done, Refused, Unknown

from tests.adapters.places import NOBODY, ROOT, Mounted, as_somebody, file_system, folder_of_somebody
from tests.adapters.token_file import LOCK, NEW, OLD, before, beside, fail, replaced, store_of, why, written

OTHERS = 12345


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path)


# --- mode and owner ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o644], ids=oct)
async def test_the_mode_that_the_file_has_is_kept(path: Path, mode: int) -> None:
    path.chmod(mode)
    mask = os.umask(0o077)
    try:
        assert await replaced(path) == Done()
    finally:
        os.umask(mask)
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


def flush_of_directory(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    real = os.fsync

    def flush(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            fail(number)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", flush)
