"""Tokens in files and in the configuration, and a look at which files changed.

A file is read again when its inode, size or times changed: Kubernetes swaps mounted Secrets by a symbolic link, which
shows as another inode. A file that cannot be read keeps the last value known, and says so.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from monitor.core.secret import Secret
from monitor.ports import Credential

MAX_BYTES = 64 * 1024
Signature = tuple[int, int, int, int]


class PlainSource:
    """A token written into the configuration."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    @property
    def where(self) -> str:
        """The place in words."""
        return "the configuration"

    async def read(self) -> Credential:
        """Always the same value."""
        return Credential(self._secret)


class FileSource:
    """A token in a file."""

    __slots__ = ("_credential", "_path", "_signature")

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._signature: Signature | None = None
        self._credential = Credential(None, readable=False)

    @property
    def where(self) -> str:
        """The place in words."""
        return f"file {self._path}"

    async def read(self) -> Credential:
        """The present value; the file is only opened when it changed. Small local files: no thread is worth it."""
        try:
            found = self._path.stat()
            if not stat.S_ISREG(found.st_mode):
                return self._lost(f"{self._path} is not a regular file: give the path of a file with the token")
            signature = _signature(found)
            if signature != self._signature or self._credential.problem:
                self._credential = Credential(Secret(_read(self._path)))
                self._signature = signature
        except FileNotFoundError:
            self._signature = None
            return Credential(None, f"file {self._path} does not exist: write the token into it")
        except OSError as error:
            return self._lost(f"file {self._path} cannot be read ({error.strerror}): let the monitor's user read it")
        return self._credential

    def _lost(self, problem: str) -> Credential:
        return Credential(self._credential.token, problem, readable=False)


class FileWatch:
    """Which of some files changed since the last look."""

    def __init__(self, paths: Callable[[], Iterable[Path]]) -> None:
        self._paths = paths
        self._seen: dict[Path, Signature | None] = {}

    def changed(self) -> set[Path]:
        """Files that appeared, vanished or changed. A path that was not asked about before counts as unchanged."""
        now = {path: _look(path) for path in set(self._paths())}
        changed = {path for path, signature in now.items() if path in self._seen and self._seen[path] != signature}
        self._seen = now
        return changed


def _look(path: Path) -> Signature | None:
    try:
        return _signature(path.stat())
    except OSError:
        return None


def _signature(found: object) -> Signature:
    return (
        getattr(found, "st_mtime_ns", 0),
        getattr(found, "st_ctime_ns", 0),
        getattr(found, "st_size", 0),
        getattr(found, "st_ino", 0),
    )


def _read(path: Path) -> str:
    with path.open("rb") as file:
        # latin-1 keeps every byte as one character: what is no ASCII is called malformed by the check, not here.
        return file.read(MAX_BYTES + 1).decode("latin-1")
