"""A look at files and directories for `doctor`: what is there, of what kind, and who may do what with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from monitor.adapters.file_facts import look_at
from monitor.core.doctor import FileFacts, Purpose


def test_a_file_is_described_and_not_read(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hunter2")
    file.chmod(0o640)
    before = file.stat().st_atime_ns
    assert look_at(str(file), Purpose.TOKEN, written=True) == FileFacts(str(file), Purpose.TOKEN, True, mode=0o640)
    assert file.stat().st_atime_ns == before


@pytest.mark.parametrize("path", ["nothing", "file/below"])
def test_what_is_not_there_is_told(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    assert not look_at(str(tmp_path / path), Purpose.TOKEN).exists


def test_a_pipe_and_a_directory_are_no_files_and_nobody_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not look_at(str(tmp_path / "pipe"), Purpose.TOKEN).fits
    assert not look_at(str(tmp_path), Purpose.TOKEN).fits
    assert look_at(str(tmp_path), Purpose.JOURNALS).fits
    (tmp_path / "file").touch()
    assert not look_at(str(tmp_path / "file"), Purpose.JOURNALS).fits


def test_a_mounted_secret_is_seen_through_its_links(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "token").touch(mode=0o600)
    (tmp_path / "..data").symlink_to("data")
    (tmp_path / "token").symlink_to("..data/token")
    facts = look_at(str(tmp_path / "token"), Purpose.TOKEN)
    assert (facts.fits, facts.mode) == (True, 0o600)


def test_what_cannot_be_looked_at_says_why(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    facts = look_at(str(loop), Purpose.TOKEN)
    assert facts.problem.startswith("cannot be looked at: ")
    assert look_at("\0", Purpose.TOKEN).problem
