"""The consumers' token, and the rotation's journal, as files: the stores of those without Kubernetes.

How a file is replaced so that neither a crash nor a second process loses anything: `atomic_file`. Here the outcomes
become those of the ports, and the work is done in a thread, since a file system (of a network, above all) may hang:
what has not come back by the deadline is unknown, begins nothing afterwards, and is waited for by nobody.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import structlog

from monitor.adapters.atomic_file import (
    PRIVATE,
    AtomicFile,
    ChangedError,
    NotDoneError,
    NotKnownError,
    version_of,
)
from monitor.adapters.file_reading import Content, in_words, shown
from monitor.core.effects import Conflict, Done, Refused, Unknown
from monitor.core.secret import Secret
from monitor.ports import Stored

log = structlog.get_logger(__name__)

MAX_TOKEN_BYTES = 64 * 1024
MAX_JOURNAL_BYTES = 1024 * 1024
# Seconds. The lock is given up first, so that it is the lock that is spoken of.
LOCK_PATIENCE = 2.0
DEADLINE = 5.0
OPEN_TO_OTHERS = 0o077

T = TypeVar("T")
Late = Callable[[], bool]


class FileCredentialStore:
    """A file that holds the token and nothing else, with a line end after it. Its mode and owner are kept."""

    def __init__(self, path: str | Path, *, patience: float = LOCK_PATIENCE, deadline: float = DEADLINE) -> None:
        self._file = AtomicFile(Path(path), MAX_TOKEN_BYTES, patience=patience)
        self._thread = _Thread(self._file.where, deadline)

    async def read(self) -> Stored:
        """The present value, without the white space around it. Never raises for what the file system does."""
        found = await self._thread.run(self._read)
        if isinstance(found, Unknown):
            return Stored(None, None, readable=False, problem=found.why)
        if found is None:
            return Stored(None, None, problem=f"{self._file.where} does not exist: write the token into it")
        text, problem = _text_of(found.data)
        if problem:
            # It is not overwritten, so no key is to be made for it: nothing was read of a token.
            return Stored(None, None, readable=False, problem=f"{self._file.where} {problem}")
        if not text:
            return Stored(None, version_of(found), problem=f"{self._file.where} is empty: write the token into it")
        return Stored(Secret(text), version_of(found))

    async def write(self, token: Secret, version: str | None) -> Done | Conflict | Refused | Unknown:
        """Replaces the token where the version is still `version` (None: there is no file), and reads it back.

        A file that holds something else than one line of text is never overwritten: its path may be a mistake.
        """
        value = token.reveal()
        if not value or not value.isascii() or not value.isprintable():
            return Refused("the new token has characters that no token has, so it was not written: make another key")
        data = f"{value}\n".encode()
        written = await self._thread.run(lambda late: self._write(data, version, late))
        return Done() if isinstance(written, Content) else written

    def _read(self, late: Late) -> Content | Unknown | None:
        del late
        try:
            return self._file.read()
        except NotKnownError as error:
            return Unknown(str(error))

    def _write(self, data: bytes, version: str | None, late: Late) -> Content | Conflict | Refused | Unknown:
        return _outcome(lambda: self._file.replace(data, version, late=late, keep=self._why_kept))

    def _why_kept(self, found: Content) -> str | None:
        _, problem = _text_of(found.data)
        return f"nothing was overwritten: {self._file.where} {problem}" if problem else None


class FileJournalStore:
    """A file of mode 0600 that is made at the first write, with its directory (0700) where there is none."""

    def __init__(self, path: str | Path, *, patience: float = LOCK_PATIENCE, deadline: float = DEADLINE) -> None:
        self._path = Path(path)
        self._file = AtomicFile(self._path, MAX_JOURNAL_BYTES, patience=patience, own=True)
        self._thread = _Thread(self._file.where, deadline)

    async def read(self) -> tuple[str, str | None] | Unknown:
        """(text, version); "" and None when there is none yet. One that others may read is closed to them first."""
        found = await self._thread.run(self._read)
        if isinstance(found, Unknown):
            return found
        if found is None:
            return "", None
        if found.facts.st_mode & OPEN_TO_OTHERS:
            log.warning(
                "others could read the journal, which may hold a token; its mode is 0600 now",
                path=shown(self._path),
                mode=f"{found.facts.st_mode & 0o777:04o}",
                remedy="if somebody else has an account on this machine, replace the key: token-monitor rotate TARGET",
            )
        # What is no UTF-8 is no journal either: whoever reads it says so.
        return found.data.decode("utf-8", "replace"), version_of(found)

    async def write(self, text: str, version: str | None) -> str | Conflict | Refused | Unknown:
        """Writes where the version is still `version`. Returns the new version."""
        data = text.encode("utf-8", "surrogatepass")
        written = await self._thread.run(lambda late: self._write(data, version, late))
        return version_of(written) if isinstance(written, Content) else written

    def _read(self, late: Late) -> Content | Unknown | None:
        del late
        try:
            found = self._file.read()
            if found is not None and found.facts.st_mode & OPEN_TO_OTHERS:
                self._path.chmod(PRIVATE)
            return found
        except NotKnownError as error:
            return Unknown(str(error))
        except OSError as error:
            why = in_words(error, "give it to the monitor's user (chown), with mode 0600")
            return Unknown(f"others may read the journal {shown(self._path)}, which may hold a token: {why}")

    def _write(self, data: bytes, version: str | None, late: Late) -> Content | Conflict | Refused | Unknown:
        return _outcome(lambda: self._file.replace(data, version, late=late))


class _Thread:
    """Does blocking work beside the event loop, with a deadline in seconds."""

    def __init__(self, where: str, deadline: float) -> None:
        self._where = where
        self._deadline = deadline
        self._unfinished: threading.Event | None = None

    async def run(self, work: Callable[[Late], T]) -> T | Unknown:
        """What `work` returns, by the deadline. It is told by `late` when nobody waits for it any more."""
        if self._unfinished is not None and not self._unfinished.is_set():
            # One thread that hangs is enough.
            return Unknown(f"{self._where}: the file system still does not answer; see whether its server is up")
        late, finished = threading.Event(), threading.Event()

        def guarded() -> T:
            try:
                return work(late.is_set)
            finally:
                finished.set()

        doing = asyncio.get_running_loop().run_in_executor(None, guarded)
        try:
            await asyncio.wait({doing}, timeout=self._deadline)
        finally:
            if not doing.done():
                late.set()
                self._unfinished = finished
        if not doing.done():
            return Unknown(
                f"{self._where}: the file system did not answer within {self._deadline:g} s;"
                " see whether the disk or the server of the file system is in order"
            )
        return doing.result()


def _outcome(replace: Callable[[], Content]) -> Content | Conflict | Refused | Unknown:
    try:
        return replace()
    except ChangedError:
        return Conflict()
    except NotDoneError as error:
        return Refused(str(error))
    except NotKnownError as error:
        return Unknown(str(error))


def _text_of(data: bytes) -> tuple[str, str]:
    """The text without the white space around it, and what is wrong with it."""
    try:
        text = data.decode().strip()
    except UnicodeDecodeError:
        return "", "is not text: write the token alone into it, or correct the path"
    if len(text.splitlines()) > 1 or "\0" in text:
        return "", "holds more than a token: write the token alone into it, or correct the path"
    return text, ""
