"""One small file that is replaced as a whole, by compare-and-swap, so that a crash leaves the old content or the new.

The new content goes into a file of its own beside it, is flushed, and takes the name in one step; then the directory
is flushed too. A lock file beside it keeps a second process out while versions are compared. Somebody who writes
without the lock is seen, unless it happens between the last look and the renaming, which are microseconds apart.
All of it blocks: call it from a thread.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from monitor.adapters.file_reading import Content, NotAFileError, in_words, read_file, shown

PRIVATE = 0o600
LOCK_LOOK = 0.02
# What a crash leaves behind is one file; more entries than this are not looked through for it.
MAX_SCANNED = 4096
MAX_SWEPT = 32
# How Kubernetes lays out a mounted Secret (atomic_writer.go): `token -> ..data/token`, `..data -> ..2026_01_31_…`.
_MOUNTED = re.compile(r"\.\.(data(_tmp)?|\d{4}_\d\d_\d\d_.+)")
# With these the system says that it renamed nothing; with another one it may have: a network file system that repeats
# a request whose answer was lost says ENOENT of its own success.
_NOT_RENAMED = frozenset(
    {errno.EACCES, errno.EPERM, errno.EBUSY, errno.EROFS, errno.EXDEV, errno.EISDIR, errno.ENOSPC, errno.EDQUOT}
)
# Where there is a lock that cannot be opened: another user's, a symbolic link, a directory.
_NOT_OURS = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.EISDIR})
# Not every file system can flush a directory, and those that cannot have nothing to flush.
_NO_FLUSH = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS})
WRITE_PERMISSION = "let the monitor's user read the file, and write in its directory"


class NotDoneError(Exception):
    """Nothing was changed. The text says why, and what to do."""


class NotKnownError(Exception):
    """It may have been done or not, or could not be looked at. The text says why, and what to do."""


class ChangedError(Exception):
    """Another version is there: nothing was written."""


@dataclass(frozen=True, slots=True)
class _Lock:
    descriptor: int
    folder: int
    name: str

    def is_held(self) -> bool:
        """Whether the locked file is still the one of that name: a lock that was deleted keeps nobody out."""
        return _identity(self.folder, self.name) == _identity_of(os.fstat(self.descriptor))


class AtomicFile:
    """The file at `path`, of `limit` bytes at most. patience: seconds to wait for the lock.

    own: it is the monitor's own: mode 0600 whatever it was before, and its directory is made (0700) where there is none.
    Any other file keeps the mode that it has. The owner is kept in either case.
    """

    def __init__(self, path: Path, limit: int, *, patience: float = 2.0, own: bool = False) -> None:
        self._path = path
        self._limit = limit
        self._patience = patience
        self._own = own

    @property
    def where(self) -> str:
        """The place in words."""
        return f"file {shown(self._path)}"

    def read(self) -> Content | None:
        """What it holds, None where there is no such file. Raises NotKnownError."""
        try:
            return self._bounded(read_file(self._path, self._limit))
        except FileNotFoundError:
            if self._own or os.path.lexists(Path(os.path.realpath(self._path)).parent):
                return None
            raise NotKnownError(self._no_folder()) from None
        except NotDoneError as error:
            raise NotKnownError(str(error)) from None
        except (NotAFileError, OSError, ValueError) as error:
            raise NotKnownError(self._why_not("read", error, "let the monitor's user read it")) from None

    def replace(
        self,
        data: bytes,
        version: str | None,
        *,
        late: Callable[[], bool] = lambda: False,
        keep: Callable[[Content], str | None] = lambda _: None,
    ) -> Content:
        """Writes `data` where the version is still `version` (None: there must be no file), and reads it back.

        late: whether it is too late to begin with what cannot be undone. keep: why what is there must not be replaced.
        Raises ChangedError, NotDoneError, NotKnownError.
        """
        if len(data) > self._limit:
            raise NotDoneError(
                f"{len(data)} bytes are more than {self.where} may have ({self._limit}): nothing was written;"
                " look at what makes them so many"
            )
        try:
            place, name = self._place()
            if self._own:
                _make_folder(place)
            folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NotDoneError(self._no_folder()) from None
        except (NotAFileError, OSError, ValueError) as error:
            raise NotDoneError(self._why_not("written", error, WRITE_PERMISSION)) from None
        try:
            lock = self._lock(folder, f".{name}.token-monitor.lock")
            try:
                return self._swap(lock, name, data, version, late, keep)
            finally:
                os.close(lock.descriptor)
        except (NotAFileError, OSError) as error:
            # Of what comes with the renaming and after it, `_swap` itself tells.
            raise NotDoneError(self._why_not("written", error, WRITE_PERMISSION)) from None
        finally:
            os.close(folder)

    def _place(self) -> tuple[Path, str]:
        """Directory and name of the file itself, once symbolic links are followed."""
        target = os.path.realpath(self._path)
        folder, name = os.path.split(target)
        if not name:
            raise NotAFileError
        beside = self._path.absolute().parent / "..data"
        if any(_MOUNTED.fullmatch(part) for part in Path(target).parts) or os.path.lexists(beside):
            raise NotDoneError(
                f"{self.where} is in a Secret or ConfigMap that Kubernetes mounted, which cannot be written:"
                " name the Secret itself (tokenSecretKeyRef)"
            )
        return Path(folder), name

    # --- the lock ----------------------------------------------------------------------------------------------------

    def _lock(self, folder: int, name: str) -> _Lock:
        """Waits for the lock, `patience` at most. It is never deleted: two could hold locks of the same name then."""
        until = time.monotonic() + self._patience
        while True:
            lock = _Lock(self._open_lock(folder, name), folder, name)
            held = False
            try:
                fcntl.flock(lock.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held = lock.is_held()
            except BlockingIOError:
                pass
            finally:
                if not held:
                    os.close(lock.descriptor)
            if held:
                return lock
            if time.monotonic() >= until:
                raise NotKnownError(
                    f"another process holds the lock {shown(name)} of {self.where}, so nothing was written:"
                    " stop the second monitor that uses this file"
                )
            time.sleep(LOCK_LOOK)

    def _open_lock(self, folder: int, name: str) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            descriptor = os.open(name, flags, PRIVATE, dir_fd=folder)
        except OSError as error:
            if error.errno not in _NOT_OURS or _identity(folder, name) is None:
                raise
            raise NotDoneError(
                f"the lock {shown(name)} of {self.where} cannot be opened ({error.strerror}): run the monitor as the"
                " user that it belongs to, or delete it while no monitor runs"
            ) from None
        around = os.fstat(folder)
        if os.geteuid() == 0 and around.st_uid != 0:
            # A command that root runs must not lock out the monitor that runs as somebody else.
            _changed_owner(descriptor, around.st_uid, around.st_gid)
        return descriptor

    # --- compare and swap --------------------------------------------------------------------------------------------

    def _swap(
        self,
        lock: _Lock,
        name: str,
        data: bytes,
        version: str | None,
        late: Callable[[], bool],
        keep: Callable[[Content], str | None],
    ) -> Content:
        folder = lock.folder
        _sweep(folder, name)
        old = self._look(folder, name)
        if (None if old is None else version_of(old)) != version:
            raise ChangedError
        if old is not None and (why := keep(old)) is not None:
            raise NotDoneError(why)
        new = f"{_prefix(name)}{secrets.token_hex(8)}"
        try:
            self._make(folder, name, new, data, old)
            if late():
                raise NotDoneError(f"{self.where} could not be written in time: nothing was changed; look at the disk")
            if not lock.is_held() or _identity(folder, name) != (None if old is None else _identity_of(old.facts)):
                raise ChangedError
            self._rename(folder, new, name)
        except BaseException:
            with suppress(OSError):
                os.unlink(new, dir_fd=folder)
            raise
        return self._settle(folder, name, data)

    def _rename(self, folder: int, new: str, name: str) -> None:
        try:
            os.replace(new, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            if error.errno in _NOT_RENAMED:
                raise
            raise NotKnownError(
                f"whether {self.where} was written is not known: {in_words(error, WRITE_PERMISSION)}"
            ) from None

    def _make(self, folder: int, name: str, new: str, data: bytes, old: Content | None) -> None:
        """The new content, flushed, in a file of its own that looks like the old one."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(new, flags, PRIVATE, dir_fd=folder)
        try:
            if old is not None:
                self._make_alike(descriptor, folder, name, old.facts)
            left = memoryview(data)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _make_alike(self, descriptor: int, folder: int, name: str, old: os.stat_result) -> None:
        """Owner, mode and access list of the old file. Refused where whoever read it could not read the new one."""
        new = os.fstat(descriptor)
        mode = PRIVATE if self._own else stat.S_IMODE(old.st_mode) & 0o777
        same_owner = new.st_uid == old.st_uid or _changed_owner(descriptor, old.st_uid, -1)
        same_group = new.st_gid == old.st_gid or _changed_owner(descriptor, -1, old.st_gid)
        for_all, for_group = bool(mode & stat.S_IROTH), bool(mode & stat.S_IRGRP)
        if not (same_owner or for_all or (same_group and for_group)):
            raise NotDoneError(
                f"{self.where} belongs to user {old.st_uid}, who could not read what the monitor writes: run the"
                " monitor as that user, or let the group or everybody read the file"
            )
        if for_group and not (same_group or for_all):
            raise NotDoneError(
                f"{self.where} is for group {old.st_gid}, which could not read what the monitor writes: make the"
                " monitor's user a member of that group"
            )
        if not self._own:
            _copy_attributes(folder, name, descriptor)
        os.fchmod(descriptor, mode if same_group else mode & ~stat.S_IRWXG)

    def _settle(self, folder: int, name: str, data: bytes) -> Content:
        """After the renaming: makes it last, and sees it."""
        try:
            _flush_folder(folder)
            found = self._look(folder, name)
        except (NotAFileError, OSError, NotDoneError) as error:
            why = self._why_not("read back", error, "let the monitor's user read it")
            raise NotKnownError(f"{why}; it was written, look again") from None
        if found is None or found.data != data:
            raise ChangedError
        return found

    def _look(self, folder: int, name: str) -> Content | None:
        try:
            return self._bounded(read_file(name, self._limit, folder=folder))
        except FileNotFoundError:
            return None

    def _bounded(self, found: Content) -> Content:
        if len(found.data) > self._limit:
            raise NotDoneError(
                f"{self.where} has more than {self._limit} bytes, so it is something else than what belongs there:"
                " correct the path, or move the file away"
            )
        return found

    def _no_folder(self) -> str:
        return f"the directory of {self.where} does not exist: make it, or correct the path"

    def _why_not(self, done: str, error: Exception, permission: str) -> str:
        match error:
            case NotAFileError():
                return f"{self.where} is not a regular file: give the path of a file"
            case OSError():
                return f"{self.where} cannot be {done}: {in_words(error, permission)}"
            case NotDoneError():
                return str(error)
            case _:
                return f"{self.where} is no name that a file can have: correct the path"


def version_of(found: Content) -> str:
    """Changes with each content, and also when the same content is written again. Holds nothing of the content."""
    facts = found.facts
    digest = hashlib.sha256(found.data).hexdigest()[:16]
    return f"{facts.st_ino}-{facts.st_mtime_ns}-{len(found.data)}-{digest}"


def _prefix(name: str) -> str:
    return f".{name}.token-monitor-"


def _sweep(folder: int, name: str) -> None:
    """Deletes what crashed writers left. Whoever holds the lock is the only one who writes: they are all leftovers."""
    ours = re.compile(re.escape(_prefix(name)) + r"[0-9a-f]{16}")
    left: list[str] = []
    with os.scandir(folder) as entries:
        for count, entry in enumerate(entries):
            if count >= MAX_SCANNED or len(left) >= MAX_SWEPT:
                break
            if ours.fullmatch(entry.name):
                left.append(entry.name)
    for name in left:
        with suppress(OSError):
            os.unlink(name, dir_fd=folder)


def _identity(folder: int, name: str) -> tuple[int, int, int] | None:
    try:
        return _identity_of(os.stat(name, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        return None


def _identity_of(facts: os.stat_result) -> tuple[int, int, int]:
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


def _changed_owner(descriptor: int, user: int, group: int) -> bool:
    try:
        os.fchown(descriptor, user, group)
    except OSError:
        return False
    return True


def _copy_attributes(folder: int, name: str, descriptor: int) -> None:
    """The label that SELinux goes by, and the access control list. Raises OSError where the list cannot be kept."""
    if not hasattr(os, "getxattr"):
        return
    old = f"/proc/self/fd/{folder}/{name}"
    with suppress(OSError):
        os.setxattr(descriptor, "security.selinux", os.getxattr(old, "security.selinux"))
    try:
        access = os.getxattr(old, "system.posix_acl_access")
    except OSError:
        return  # there is none, or no such thing on this file system
    os.setxattr(descriptor, "system.posix_acl_access", access)


def _make_folder(folder: Path) -> None:
    if folder.exists():
        return
    folder.mkdir(0o700, parents=True, exist_ok=True)
    above = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _flush_folder(above)
    finally:
        os.close(above)


def _flush_folder(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in _NO_FLUSH:
            raise
