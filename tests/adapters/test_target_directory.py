"""Targets in a directory: files as editors, people and Kubernetes write them, and what a disk does."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from monitor.adapters.target_directory import REST, SETTLED_AFTER, TargetDirectory
from monitor.core.discovery import MAX_BYTES, Found

TEXT = "url: https://argocd.example.com\nauth: {type: token, tokenFile: /run/token}\n"


def later() -> float:
    """So late that no file was just written."""
    return time.time() + 10 * SETTLED_AFTER


class Looking(TargetDirectory):
    """Looks at each call: nothing rests."""

    async def look(self) -> None:
        self._rests_until = float("-inf")
        await super().look()


async def texts(directory: TargetDirectory) -> dict[str, str | None]:
    await directory.look()
    return {Path(one.origin.name).name: one.text.reveal() if one.text else None for one in directory.found()}


async def one(directory: TargetDirectory) -> Found:
    await directory.look()
    (found,) = directory.found()
    return found


async def test_files_come_change_and_go(tmp_path: Path) -> None:
    directory = Looking(tmp_path)
    assert await texts(directory) == {}
    (tmp_path / "portal.yaml").write_text(TEXT)
    (tmp_path / "ci.yml").write_text("x")
    assert await texts(directory) == {"portal.yaml": TEXT, "ci.yml": "x"}
    version = directory.version
    assert await texts(directory) == {"portal.yaml": TEXT, "ci.yml": "x"}
    assert directory.version == version
    (tmp_path / "ci.yml").write_text("y")
    assert (await texts(directory))["ci.yml"] == "y", "also within the same tick of the clock of files"
    (tmp_path / "portal.yaml").unlink()
    assert set(await texts(directory)) == {"ci.yml"}
    assert directory.version == version + 2
    assert directory.problem == ""


async def test_a_target_is_named_after_its_file(tmp_path: Path) -> None:
    (tmp_path / "portal.eu.yaml").write_text(TEXT)
    found = await one(Looking(tmp_path))
    assert (found.name, found.binding, str(found.origin)) == (
        "portal.eu",
        False,
        f"file {tmp_path}/portal.eu.yaml",
    )
    assert found.origin.namespace == "", "a file is not held to the bounds of a namespace"


async def test_what_is_no_target_is_passed_over(tmp_path: Path) -> None:
    for name in (".hidden.yaml", "README.md", "portal.yaml~", "portal.yaml.swp", "#portal.yaml#"):
        (tmp_path / name).write_text(TEXT)
    (tmp_path / "folder").mkdir()
    assert await texts(Looking(tmp_path)) == {}


async def test_a_mounted_config_map_is_followed_through_its_swaps(tmp_path: Path) -> None:
    """..data is a link to a directory with a date; it is replaced by another one in a single step."""

    def swap(number: int, **files: str) -> None:
        (tmp_path / f"..{number}").mkdir()
        for name, text in files.items():
            (tmp_path / f"..{number}" / f"{name}.yaml").write_text(text)
        (tmp_path / "..tmp").symlink_to(f"..{number}")
        (tmp_path / "..tmp").replace(tmp_path / "..data")
        for name in files:
            if not (tmp_path / f"{name}.yaml").is_symlink():
                (tmp_path / f"{name}.yaml").symlink_to(f"..data/{name}.yaml")

    directory = Looking(tmp_path, now=later)
    swap(1, a="first", b="first")
    assert await texts(directory) == {"a.yaml": "first", "b.yaml": "first"}
    swap(2, a="other", b="first")
    assert await texts(directory) == {"a.yaml": "other", "b.yaml": "first"}
    swap(3, a="other")
    (tmp_path / "b.yaml").unlink()
    assert await texts(directory) == {"a.yaml": "other"}


async def test_a_file_is_opened_only_when_it_changed(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(TEXT)
    directory = Looking(tmp_path, now=later)
    first = await one(directory)
    assert await one(directory) is first
    fresh = Looking(tmp_path, now=lambda: (tmp_path / "a.yaml").stat().st_ctime + SETTLED_AFTER / 2)
    assert await one(fresh) is not await one(fresh), "but for one that was just written, which may change unseen"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"x" * (MAX_BYTES + 1), f"has more than {MAX_BYTES} bytes; write one target and nothing else"),
        (b"\xff\xfe", "is not text in UTF-8; write one target in YAML"),
    ],
)
async def test_a_file_that_cannot_be_a_target_is_told(tmp_path: Path, data: bytes, problem: str) -> None:
    (tmp_path / "a.yaml").write_bytes(data)
    (tmp_path / "b.yaml").write_text(TEXT)
    directory = Looking(tmp_path)
    assert await texts(directory) == {"a.yaml": None, "b.yaml": TEXT}
    assert next(iter(directory.found())).problem == problem


async def test_what_is_no_file_is_told_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "nowhere.yaml").symlink_to("/does/not/exist")
    directory = Looking(tmp_path)
    await directory.look()
    problems = {Path(found.origin.name).name: found.problem for found in directory.found()}
    no_file = "is not a regular file; remove it, or give it another ending"
    assert problems == {
        "pipe.yaml": no_file,
        "folder.yaml": no_file,
        "nowhere.yaml": "leads nowhere; correct it or remove it",
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
async def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(TEXT)
    (tmp_path / "a.yaml").chmod(0)
    assert "let the monitor's user read it" in (await one(Looking(tmp_path))).problem


async def test_a_directory_that_is_gone_keeps_what_was_in_it_and_says_so(tmp_path: Path) -> None:
    place = tmp_path / "targets"
    directory = Looking(place)
    assert await texts(directory) == {}
    assert directory.problem == "does not exist; make it or mount it, or correct discovery.directory"
    place.mkdir()
    (place / "a.yaml").write_text(TEXT)
    assert await texts(directory) == {"a.yaml": TEXT}
    assert directory.problem == ""
    place.rename(tmp_path / "away")
    version = directory.version
    assert await texts(directory) == {"a.yaml": TEXT}
    assert directory.problem.startswith("does not exist")
    assert directory.version == version + 1
    (tmp_path / "away").rename(place)
    assert (await texts(directory), directory.problem) == ({"a.yaml": TEXT}, "")


async def test_what_is_no_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path, words in ((tmp_path / "file", "no directory"), (tmp_path / "a\0b", "not a path")):
        directory = Looking(path)
        await directory.look()
        assert words in directory.problem


async def test_more_files_than_are_looked_at_are_told(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"t{number}.yaml").write_text(TEXT)
    directory = Looking(tmp_path, limit=3)
    assert set(await texts(directory)) == {"t0.yaml", "t1.yaml", "t2.yaml"}
    assert directory.problem == "has 2 files more than are looked at; split them over several monitors"


async def test_two_thousand_files_are_looked_at_quickly_and_then_rested_from(tmp_path: Path) -> None:
    for number in range(2000):
        (tmp_path / f"t{number}.yaml").write_text(TEXT)
    directory = TargetDirectory(tmp_path, now=later)
    await directory.look()
    assert len(list(directory.found())) == 2000
    took = []
    for _ in range(5):
        directory._rests_until = 0.0
        began = time.monotonic()
        await directory.look()
        took.append(time.monotonic() - began)
    assert min(took) < 0.5, "a look that a busy machine holds up is not the only one"
    assert directory._rests_until >= began + REST * took[-1] * 0.5
    (tmp_path / "t0.yaml").unlink()
    await directory.look()
    assert len(list(directory.found())) == 2000, "not yet"


async def test_nothing_of_a_file_is_shown(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("auth: {token: swordfish}")
    assert "swordfish" not in repr(await one(Looking(tmp_path)))
