"""Targets in a directory: files NAME.yaml with one target each, read anew when they change.

Looked at by name and time as the configuration file is, so a mounted ConfigMap works: its files are symbolic links that
are swapped all together. A directory that cannot be read keeps what was found in it; a file that is gone, takes its
target along. Reads are bounded and never wait for a writer.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from monitor.adapters.file_reading import NotAFileError, in_words, read_file, shown
from monitor.core.discovery import MAX_BYTES, MAX_FOUND, Found, Origin
from monitor.core.secret import Secret
from monitor.core.text import printable

ENDINGS = (".yaml", ".yml")
# File systems count time in ticks (FAT: 2 s): what changed this short a time ago may change again unseen.
SETTLED_AFTER = 2.0
MAX_PATH = 4096
# After a look the next one waits so many times as long as it took: ten thousand files are looked at less often.
REST = 20.0
Signature = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _File:
    """What was read of a file. signature None: read it again at the next look."""

    signature: Signature | None
    found: Found


class TargetDirectory:
    """The files of one directory. now: epoch seconds, on the clock that stamps files."""

    def __init__(self, path: str | Path, now: Callable[[], float] = time.time, limit: int = MAX_FOUND) -> None:
        self._path = Path(path)
        self._now = now
        self._limit = limit
        self._files: dict[str, _File] = {}
        self._problem = ""
        self._rests_until = float("-inf")
        self.version = 0

    @property
    def origin(self) -> Origin:
        """The place as a whole."""
        return Origin("directory", "", shown(self._path))

    @property
    def problem(self) -> str:
        """What keeps it from being looked at, or from being seen whole; "" when nothing does."""
        return self._problem

    def found(self) -> Iterable[Found]:
        """What the files hold, as they were last seen."""
        return [file.found for file in self._files.values()]

    async def look(self) -> None:
        """Looks at each file's name and time, and reads those that changed. In a thread: a disk may be slow."""
        started = time.monotonic()
        if started < self._rests_until:
            return
        files, problem = await asyncio.to_thread(self._look)
        now = time.monotonic()
        self._rests_until = now + REST * (now - started)
        before = {name: file.found for name, file in self._files.items()}
        if problem != self._problem or before != {name: file.found for name, file in files.items()}:
            self.version += 1
        self._files, self._problem = files, problem

    def _look(self) -> tuple[dict[str, _File], str]:
        try:
            with os.scandir(self._path) as entries:
                names = sorted(entry.name for entry in entries if _is_ours(entry.name))
        except FileNotFoundError:
            return self._files, "does not exist; make it or mount it, or correct discovery.directory"
        except (OSError, ValueError) as error:
            words = in_words(error, "let the monitor's user read it") if isinstance(error, OSError) else "not a path"
            return self._files, f"cannot be read: {words}; what was found before goes on"
        problem = ""
        if len(names) > self._limit:
            left = len(names) - self._limit
            problem = f"has {left} files more than are looked at; split them over several monitors"
        files = {name: file for name in names[: self._limit] if (file := self._file(name)) is not None}
        return files, problem

    def _file(self, name: str) -> _File | None:
        path, known = self._path / name, self._files.get(name)
        try:
            if known is not None and known.signature is not None and known.signature == _signature(path.stat()):
                return known
            content = read_file(path, MAX_BYTES)
        except FileNotFoundError:
            # A link that leads nowhere is a mistake; a file that went between two looks is none.
            return (
                _File(None, self._broken(name, "leads nowhere; correct it or remove it")) if path.is_symlink() else None
            )
        except NotAFileError:
            return _File(None, self._broken(name, "is not a regular file; remove it, or give it another ending"))
        except OSError as error:
            words = in_words(error, "let the monitor's user read it")
            return _File(None, self._broken(name, f"cannot be read; {words}"))
        changed = max(content.facts.st_mtime, content.facts.st_ctime)
        signature = _signature(content.facts) if self._now() - changed > SETTLED_AFTER else None
        return _File(signature, self._found(name, content.data))

    def _found(self, name: str, data: bytes) -> Found:
        if len(data) > MAX_BYTES:
            return self._broken(name, f"has more than {MAX_BYTES} bytes; write one target and nothing else")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return self._broken(name, "is not text in UTF-8; write one target in YAML")
        return Found(self._origin(name), Secret(text), name=Path(name).stem)

    def _broken(self, name: str, problem: str) -> Found:
        return Found(self._origin(name), problem=problem)

    def _origin(self, name: str) -> Origin:
        return Origin("file", "", printable(str(self._path / name), MAX_PATH))


def _is_ours(name: str) -> bool:
    return name.endswith(ENDINGS) and not name.startswith(".")


def _signature(found: os.stat_result) -> Signature:
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
