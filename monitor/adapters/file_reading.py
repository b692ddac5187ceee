"""Reading small files of other people's: bounded, never waiting for a writer, and with words for what goes wrong.

Nothing but a regular file is ever opened: a pipe would wait for somebody to write into it, a device may do worse.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from monitor.core.text import printable

MAX_SHOWN = 160
# Those that the system has (Windows lacks most of them).
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY"))

_REMEDIES: dict[int, str] = {
    errno.EPERM: "see whether it is immutable (lsattr) or belongs to another user",
    errno.EROFS: "mount that file system writable, or give another path",
    errno.ENOSPC: "free space on that file system",
    errno.EDQUOT: "free space, or raise the quota",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EISDIR: "give the path of a file",
    errno.ENOTDIR: "correct the path: a part of it is no directory",
    errno.ELOOP: "correct the path: its symbolic links lead nowhere",
    errno.ENAMETOOLONG: "give a shorter path",
    errno.EBUSY: "it is a mount of its own (subPath, or a file given to a container): mount its directory instead",
    errno.EIO: "check the disk",
    errno.ESTALE: "mount the network file system again",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the limit of open files (sysctl fs.file-max)",
    errno.ENOLCK: "that file system has no locks: use a local one",
    errno.EOPNOTSUPP: "that file system lacks what is needed (locks, renaming): use a local one",
    errno.ENOSYS: "that file system lacks what is needed (locks, renaming): use a local one",
}


class NotAFileError(Exception):
    """What is there is a directory, a pipe, a device or a socket; it was not opened."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds, `limit` and one bytes at most, and what `fstat` said before it was read."""

    data: bytes = field(repr=False)
    facts: os.stat_result


def read_file(name: str | Path, limit: int, *, folder: int | None = None) -> Content:
    """Reads a regular file. folder: a directory's descriptor, below which `name` is no symbolic link.

    Raises NotAFileError, OSError, and ValueError for what is no path at all. More than `limit` bytes show as one more.
    """
    follow = folder is None
    if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=follow).st_mode):
        raise NotAFileError
    # It may have become something else by now: O_NONBLOCK and the second look see to that.
    descriptor = os.open(name, _FLAGS if follow else _FLAGS | os.O_NOFOLLOW, dir_fd=folder)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise NotAFileError
        pieces: list[bytes] = []
        left = limit + 1
        while left > 0 and (piece := os.read(descriptor, left)):
            pieces.append(piece)
            left -= len(piece)
        return Content(b"".join(pieces), facts)
    finally:
        os.close(descriptor)


def shown(path: str | Path) -> str:
    """A path as people see it."""
    return printable(str(path), MAX_SHOWN)


def in_words(error: OSError, permission: str) -> str:
    """What went wrong and what to do. permission: the remedy where the right to do it is missing."""
    reason = error.strerror or type(error).__name__
    remedy = permission if error.errno == errno.EACCES else _REMEDIES.get(error.errno or 0, "look at the file system")
    return f"{reason}: {remedy}"
