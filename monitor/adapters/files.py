"""Tokens in files and in the configuration, and a look at which files changed.

A file is read again when its inode, size or times changed: Kubernetes swaps mounted Secrets by a symbolic link, which
shows as another inode. A file that cannot be read keeps the last value known, and says so; one that is gone has none.
Reads are bounded and never wait for a writer (a pipe is refused), so they need no thread.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from monitor.adapters.file_reading import NotAFileError, in_words, read_file, shown
from monitor.core.secret import Secret
from monitor.ports import Credential

MAX_BYTES = 64 * 1024
# File systems count time in ticks (FAT: 2 s). Two writes within one tick look the same, so a file that changed this
# short a time ago is read again.
SETTLED_AFTER = 2.0
Signature = tuple[int, int, int, int]


class PlainSource:
    """A token written into the configuration."""

    __slots__ = ("_credential",)

    def __init__(self, secret: Secret) -> None:
        self._credential = Credential(secret)

    @property
    def where(self) -> str:
        """The place in words."""
        return "the configuration"

    async def read(self, *, ask: bool = False) -> Credential:
        """Always the same value."""
        return self._credential


class FileSource:
    """A token in a file. now: epoch seconds, on the clock that stamps files."""

    __slots__ = ("_credential", "_now", "_path", "_signature")

    def __init__(self, path: str | Path, now: Callable[[], float] = time.time) -> None:
        self._path = Path(path)
        self._now = now
        self._signature: Signature | None = None
        self._credential = Credential(None, readable=False)

    @property
    def where(self) -> str:
        """The place in words."""
        return f"file {shown(self._path)}"

    async def read(self, *, ask: bool = False) -> Credential:
        """The present value; the file is only opened when it changed, or when it is asked for (`ask`)."""
        try:
            if ask or self._signature is None or _signature(self._path.stat()) != self._signature:
                self._load()
        except (FileNotFoundError, NotADirectoryError):
            self._signature = None
            self._credential = Credential(None, f"{self.where} does not exist: write the token into it")
        except NotAFileError:
            return self._lost("is not a regular file: give the path of a file with the token")
        except OSError as error:
            return self._lost(f"cannot be read: {in_words(error, 'let the user of the monitor read it')}")
        except ValueError:
            return self._lost("is no name that a file can have: correct it in the configuration")
        return self._credential

    def _load(self) -> None:
        found = read_file(self._path, MAX_BYTES)
        changed = max(found.facts.st_mtime, found.facts.st_ctime)
        self._signature = _signature(found.facts) if self._now() - changed > SETTLED_AFTER else None
        self._credential = self._credential_of(found.data)

    def _credential_of(self, raw: bytes) -> Credential:
        # latin-1 keeps every byte as one character: the check sees characters that no token has.
        if len(raw) > MAX_BYTES:
            problem = f"{self.where} has more than {MAX_BYTES} bytes: write the token alone into it"
            return Credential(Secret(raw.decode("latin-1")), problem)
        try:
            return Credential(Secret(raw.decode()))
        except UnicodeDecodeError:
            problem = f"{self.where} is not text: write the token alone into it"
            return Credential(Secret(raw.decode("latin-1")), problem)

    def _lost(self, problem: str) -> Credential:
        kept = "the value read before is used: " if self._credential.token is not None else ""
        return Credential(self._credential.token, f"{kept}{self.where} {problem}", readable=False)


class FileWatch:
    """Which of some files changed since the last look."""

    __slots__ = ("_paths", "_seen")

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
    except (OSError, ValueError):
        return None


def _signature(found: os.stat_result) -> Signature:
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
