"""Tokens in files: what is read when, and what is told when it cannot be."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from monitor.adapters.files import MAX_BYTES, SETTLED_AFTER, FileSource, FileWatch, PlainSource
from monitor.core.credential import Unsendable, inspect
from monitor.core.secret import Secret
from monitor.core.status import Status
from monitor.ports import Credential

from tests.adapters.places import Mounted, as_somebody, folder_of_somebody, never_blocking

OLD = 1_000_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "token"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were opened."""
    names: list[str] = []
    real = os.open

    def noted(name, *arguments, **named):
        names.append(str(name))
        return real(name, *arguments, **named)

    monkeypatch.setattr(os, "open", noted)
    return names


def later(path: Path) -> float:
    """A time at which the file has settled."""
    return max(path.stat().st_mtime, path.stat().st_ctime) + SETTLED_AFTER + 1.0


def verdict_of(credential: Credential) -> Status | str:
    """What the check makes of it before anything is sent."""
    found = inspect(credential.token, credential.problem, readable=credential.readable)
    return found.status if isinstance(found, Unsendable) else found.reveal()


async def test_the_token_is_what_the_file_holds(path: Path) -> None:
    path.write_text("a.b.c\n")
    credential = await FileSource(path).read()
    assert verdict_of(credential) == "a.b.c"
    assert (credential.problem, credential.readable) == ("", True)


async def test_a_token_in_the_configuration_is_always_the_same() -> None:
    source = PlainSource(Secret("a.b.c"))
    assert (await source.read()) == Credential(Secret("a.b.c"))
    assert source.where == "the configuration"


async def test_a_settled_file_is_not_opened_again(path: Path, opened: list[str]) -> None:
    path.write_text("a.b.c\n")
    source = FileSource(path, now=lambda: later(path))
    for _ in range(5):
        assert verdict_of(await source.read()) == "a.b.c"
    assert opened == [str(path)]


async def test_a_second_look_opens_the_file_itself(path: Path, opened: list[str]) -> None:
    path.write_text("a.b.c\n")
    source = FileSource(path, now=lambda: later(path))
    await source.read()
    assert verdict_of(await source.read(ask=True)) == "a.b.c"
    assert len(opened) == 2


async def test_a_file_that_changes_within_a_tick_is_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same inode, size and times: only the time since the change tells that there may be another content."""
    monkeypatch.setattr("monitor.adapters.files._signature", lambda found: (0, 0, found.st_size, found.st_ino))
    path.write_text("first\n")
    os.utime(path, (OLD, OLD))  # as `cp -p` leaves it: when it was changed here is another time
    now = path.stat().st_ctime + SETTLED_AFTER - 0.5
    source = FileSource(path, now=lambda: now)
    assert verdict_of(await source.read()) == "first"
    path.write_text("other\n")
    assert verdict_of(await source.read()) == "other"


async def test_a_changed_file_is_read_however_old_it_claims_to_be(path: Path) -> None:
    """`cp -p` and `rsync -t` bring old times along."""
    path.write_text("first\n")
    source = FileSource(path, now=lambda: later(path))
    assert verdict_of(await source.read()) == "first"
    path.write_text("other\n")
    os.utime(path, (OLD, OLD))
    assert verdict_of(await source.read()) == "other"


async def test_a_clock_that_is_behind_the_files_hides_no_change(path: Path) -> None:
    path.write_text("first\n")
    source = FileSource(path, now=lambda: OLD)
    assert verdict_of(await source.read()) == "first"
    path.write_text("other\n")
    assert verdict_of(await source.read()) == "other"


async def test_a_mounted_secret_is_read_again_when_kubernetes_swaps_it(tmp_path: Path) -> None:
    mounted = Mounted(tmp_path / "secret", "first")
    source = FileSource(mounted.path, now=lambda: later(mounted.path))
    watch = FileWatch(lambda: [mounted.path])
    watch.changed()
    assert verdict_of(await source.read()) == "first"
    mounted.swap("other")
    assert watch.changed() == {mounted.path}
    assert verdict_of(await source.read()) == "other"
    assert watch.changed() == set()


async def test_a_file_that_is_gone_is_a_missing_token_and_comes_back(path: Path) -> None:
    source = FileSource(path)
    path.write_text("a.b.c")
    await source.read()
    path.unlink()
    credential = await source.read()
    assert verdict_of(credential) is Status.MISSING
    assert credential.readable
    assert credential.problem == f"file {path} does not exist: write the token into it"
    path.write_text("d.e.f")
    assert verdict_of(await source.read()) == "d.e.f"


async def test_a_path_through_a_file_leads_to_no_token(path: Path) -> None:
    path.write_text("a.b.c")
    assert verdict_of(await FileSource(path / "token").read()) is Status.MISSING


@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n\t"], ids=repr)
async def test_an_empty_file_is_a_missing_token(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert verdict_of(await FileSource(path).read()) is Status.MISSING


async def test_a_file_that_may_not_be_read_keeps_the_value_and_says_so() -> None:
    with folder_of_somebody() as folder, as_somebody():
        path = folder / "token"
        path.write_text("a.b.c")
        source = FileSource(path, now=lambda: later(path))
        await source.read()
        path.chmod(0)
        lost = [await source.read() for _ in range(3)]
        assert verdict_of(lost[-1]) == "a.b.c"
        assert not lost[-1].readable
        assert {found.problem for found in lost} == {
            f"the value read before is used: file {path} cannot be read: Permission denied:"
            " let the user of the monitor read it"
        }
        path.chmod(0o600)
        assert (await source.read()) == Credential(Secret("a.b.c"))


async def test_a_file_that_could_never_be_read_is_no_refusal() -> None:
    with folder_of_somebody() as folder, as_somebody():
        path = folder / "token"
        path.write_text("a.b.c")
        path.chmod(0)
        assert verdict_of(await FileSource(path).read()) is Status.PENDING


async def test_what_was_gone_does_not_come_back_with_an_unreadable_file() -> None:
    with folder_of_somebody() as folder, as_somebody():
        path = folder / "token"
        path.write_text("a.b.c")
        source = FileSource(path)
        await source.read()
        path.unlink()
        await source.read()
        path.write_text("d.e.f")
        path.chmod(0)
        assert verdict_of(await source.read()) is Status.PENDING


async def test_a_pipe_never_blocks_the_checks(path: Path) -> None:
    os.mkfifo(path)
    with never_blocking():
        credential = await FileSource(path).read()
    assert credential.problem.endswith("is not a regular file: give the path of a file with the token")
    assert verdict_of(credential) is Status.PENDING


async def test_a_file_that_turns_into_a_pipe_at_the_last_moment_never_blocks(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text("a.b.c")
    real = os.open

    def swapped(name, *arguments, **named):
        path.unlink()
        os.mkfifo(path)
        return real(name, *arguments, **named)

    monkeypatch.setattr(os, "open", swapped)
    with never_blocking():
        credential = await FileSource(path).read()
    assert "is not a regular file" in credential.problem


async def test_no_look_leaves_anything_open(path: Path, tmp_path: Path) -> None:
    path.write_text("a.b.c")
    sources = [FileSource(name) for name in (path, tmp_path, tmp_path / "none")]
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        token, folder, none = [await source.read(ask=True) for source in sources]
        assert verdict_of(token) == "a.b.c"
        assert folder.problem.endswith("is not a regular file: give the path of a file with the token")
        assert verdict_of(none) is Status.MISSING
    assert len(list(Path("/proc/self/fd").iterdir())) == before


async def test_a_device_and_a_socket_are_never_opened(tmp_path: Path, opened: list[str]) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for path in ("/dev/null", "/dev/tty", tmp_path / "socket"):
            assert "is not a regular file" in (await FileSource(path).read()).problem
    assert opened == []


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"], ids=ascii)
async def test_a_name_that_no_file_can_have_is_told(tmp_path: Path, name: str) -> None:
    credential = await FileSource(f"{tmp_path}/{name}").read()
    assert credential.problem.endswith("is no name that a file can have: correct it in the configuration")
    assert credential.problem.isprintable()
    assert verdict_of(credential) is Status.PENDING


@pytest.mark.parametrize("name", ["n" * 300, "a/" * 3000], ids=["name", "path"])
async def test_a_path_that_is_too_long_is_told_in_one_short_line(tmp_path: Path, name: str) -> None:
    credential = await FileSource(tmp_path / name).read()
    assert credential.problem.endswith("cannot be read: File name too long: give a shorter path")
    assert len(credential.problem) < 300


async def test_links_that_lead_in_a_circle_are_told(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert (await FileSource(tmp_path / "a").read()).problem.endswith(
        "correct the path: its symbolic links lead nowhere"
    )


@pytest.mark.parametrize("filler", ["x", "é", "\n"], ids=["letters", "two bytes each", "line ends"])
async def test_a_file_that_is_too_large_is_read_no_further_and_told(path: Path, filler: str) -> None:
    path.write_text("a.b.c" + filler * 10 * MAX_BYTES)
    credential = await FileSource(path).read()
    assert credential.token is not None
    assert len(credential.token) == MAX_BYTES + 1
    assert credential.problem == f"file {path} has more than {MAX_BYTES} bytes: write the token alone into it"


async def test_the_largest_file_is_read_whole(path: Path) -> None:
    path.write_text("x" * MAX_BYTES)
    credential = await FileSource(path).read()
    assert credential.problem == ""
    assert verdict_of(credential) == "x" * MAX_BYTES


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x01", b"a.b.\xe9", b"\x7fELF\x02\x01\xff"], ids=repr)
async def test_what_is_not_text_is_malformed_and_told(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    credential = await FileSource(path).read()
    assert verdict_of(credential) is Status.MALFORMED
    assert credential.problem == f"file {path} is not text: write the token alone into it"


async def test_no_problem_shows_the_token(path: Path) -> None:
    path.write_bytes(b"eyJhbGciOiJIUzI1NiJ9.secret\xff")
    credential = await FileSource(path).read()
    assert "secret" not in repr(credential)
    assert "secret" not in credential.problem


def test_a_watch_tells_of_files_that_appear_change_and_vanish(tmp_path: Path) -> None:
    kept, made, gone = (tmp_path / name for name in ("kept", "made", "gone"))
    kept.write_text("1")
    gone.write_text("1")
    watch = FileWatch(lambda: [kept, made, gone, tmp_path / "a\0b"])
    assert watch.changed() == set()
    assert watch.changed() == set()
    made.write_text("1")
    gone.unlink()
    assert watch.changed() == {made, gone}
    kept.write_text("22")
    assert watch.changed() == {kept}
    assert watch.changed() == set()


def test_a_file_that_is_watched_from_now_on_has_not_changed(tmp_path: Path) -> None:
    paths = [tmp_path / "a"]
    (tmp_path / "b").write_text("1")
    watch = FileWatch(lambda: paths)
    watch.changed()
    paths.append(tmp_path / "b")
    assert watch.changed() == set()
