"""The real process on a disk that is full, or becomes read-only: nothing is minted that could not be kept, and it heals.

What the store does at each call of the system: tests/adapters/test_file_store_places.py, and its processes that are
killed at each call: tests/adapters/file_store_crashes.py.
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Any

from tests.adapters.places import file_system
from tests.behaviour.process import monitor
from tests.behaviour.service import PASSWORD, TARGET, Outside, until
from tests.faults.real import in_files, key_in, live, until_it_says


def fill(disk: Path) -> None:
    """Leaves no room for anything on it."""
    for size in (4096, 1):
        with (disk / f"filler-{size}").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while filler.write(b"x" * size):
                pass


def empty(disk: Path) -> None:
    for file in disk.glob("filler-*"):
        file.unlink()


async def test_with_a_full_disk_no_key_is_made_and_with_room_one_is(world: Outside, tmp_path: Path) -> None:
    with file_system(tmp_path / "disk", "size=64k") as disk:
        fill(disk)
        async with monitor(in_files(world, disk, PASSWORD), world.folder) as process:
            said = await until_it_says(process, lambda said: "free space" in problem(said))
            assert "free space on that file system" in problem(said)
            assert said[TARGET]["status"] == "missing"
            assert live(world) == set(), "the journal comes first: what it cannot hold is not made"
            empty(disk)
            await until_it_says(process, lambda said: said[TARGET]["status"] == "valid", 120.0)
            assert live(world) == {key_in(disk / "token")}
            assert "Traceback" not in process.log


async def test_on_a_disk_that_became_read_only_the_token_is_judged_and_nothing_is_made(
    world: Outside, tmp_path: Path
) -> None:
    with file_system(tmp_path / "disk", "size=256k") as disk:
        async with monitor(in_files(world, disk, PASSWORD), world.folder) as process:
            await until_it_says(
                process, lambda said: said[TARGET]["status"] == "valid" and said[TARGET]["rotation"]["rotations"] == 1
            )
            await until(lambda: live(world) == {key_in(disk / "token")})
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True, timeout=10)
            (key_id,) = live(world)
            world.argocd.revoke_key("codefresh", key_id)
            said = await until_it_says(process, lambda said: "mount that file system" in problem(said))
            assert said[TARGET]["status"] == "revoked"
            assert live(world) == set()
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True, timeout=10)
            await until_it_says(process, lambda said: said[TARGET]["status"] == "valid", 120.0)
            assert live(world) == {key_in(disk / "token")}


def problem(said: dict[str, dict[str, Any]]) -> str:
    rotation = said[TARGET]["rotation"]
    return str(rotation["problem"]) if rotation else ""
