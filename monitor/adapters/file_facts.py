"""A look at files of credentials and directories of journals for `doctor`: who may read and write them. Reads nothing."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from monitor.core.doctor import FileFacts, Purpose
from monitor.core.text import printable

MAX_PATH = 300


def look_at(path: str, purpose: Purpose, *, written: bool = False) -> FileFacts:
    """The facts of `path`, as the user sees it who runs this. Never raises for what the file system does."""
    shown = printable(path, MAX_PATH)
    is_directory = purpose in (Purpose.JOURNALS, Purpose.FOLDER)
    try:
        found = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return FileFacts(shown, purpose, written, exists=False)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no path"
        return FileFacts(shown, purpose, written, problem=f"cannot be looked at: {printable(reason, MAX_PATH)}")
    right = os.W_OK | os.X_OK if is_directory else os.W_OK
    return FileFacts(
        shown,
        purpose,
        written,
        fits=stat.S_ISDIR(found.st_mode) if is_directory else stat.S_ISREG(found.st_mode),
        readable=os.access(path, os.R_OK),
        writable=os.access(path, right),
        mode=stat.S_IMODE(found.st_mode),
    )
