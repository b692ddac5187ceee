"""Directories as others make them: a Secret that Kubernetes mounted, one that another user reads, a tiny disk."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534
ROOT = os.geteuid() == 0


class Mounted:
    """A mounted Secret: `token -> ..data/token`, `..data -> ..TIME/`, swapped as a whole (atomic_writer.go)."""

    def __init__(self, folder: Path, token: str) -> None:
        self.folder = folder
        self._number = 0
        folder.mkdir()
        self.swap(token)
        self.path = folder / "token"
        self.path.symlink_to("..data/token")

    def swap(self, token: str) -> None:
        """The kubelet's way to a new content."""
        self._number += 1
        version = self.folder / f"..2026_11_23_19_58_50.{self._number:09}"
        version.mkdir()
        (version / "token").write_text(token)
        new = self.folder / "..data_tmp"
        new.symlink_to(version.name)
        new.replace(self.folder / "..data")


@contextmanager
def never_blocking() -> Iterator[None]:
    """Fails where the block waits for something inside a system call, instead of hanging there."""

    def ring(*_: object) -> None:
        raise TimeoutError("it blocked")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 5.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def as_somebody() -> Iterator[None]:
    """Root may do everything: for the while of this block a root that runs the tests is an ordinary user."""
    if not ROOT:
        yield
        return
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@contextmanager
def folder_of_somebody() -> Iterator[Path]:
    """A directory that belongs to the user of `as_somebody`, with nothing above that keeps him out."""
    with tempfile.TemporaryDirectory(prefix="token-monitor-") as name:
        folder = Path(name)
        if ROOT:
            os.chown(folder, NOBODY, NOBODY)
        yield folder
        folder.chmod(0o700)


@contextmanager
def file_system(folder: Path, options: str) -> Iterator[Path]:
    """A file system of its own in memory (`size=16k`, `ro`), where the tests may mount one."""
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False, timeout=10
    )
    if mounted.returncode:
        pytest.skip("nothing may be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True, timeout=10)
