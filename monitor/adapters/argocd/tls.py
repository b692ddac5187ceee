"""TLS contexts, shared by all targets with the same trust: a context with the system's CAs costs 1 MB and 17 ms.

Files are read again when they changed (`refresh`, driven by the daemon's file watch); a file that became junk keeps
the context that was good, and is told to whoever asked.
"""

from __future__ import annotations

import errno
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

# As `config/files` has it: the bundle of a whole system has 220 KB.
MAX_FILE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Trust:
    """How a server proves itself, and how we do. Paths of PEM files; None: the system's CAs, no client certificate."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    insecure: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that the context is made of."""
        return tuple(Path(name) for name in (self.ca_file, self.cert_file, self.key_file) if name)


class TlsContexts:
    """Makes and keeps one `SSLContext` a `Trust`."""

    def __init__(self) -> None:
        self._contexts: dict[Trust, ssl.SSLContext] = {}

    def get(self, trust: Trust) -> ssl.SSLContext:
        """The context for `trust`. Raises OSError or ssl.SSLError when its files are unusable at first use."""
        context = self._contexts.get(trust)
        if context is None:
            context = self._contexts[trust] = make_context(trust)
        return context

    def refresh(self, trust: Trust) -> str | None:
        """Reads the files again. Returns what is wrong with them, in which case the old context stays."""
        try:
            self._contexts[trust] = make_context(trust)
        except (OSError, ssl.SSLError, ValueError) as error:
            return (
                f"{', '.join(str(path) for path in trust.files)}: {error.strerror or type(error).__name__}"
                if (isinstance(error, OSError))
                else str(error)
            )
        return None


def _look_at(path: Path) -> None:
    """Raises OSError for what OpenSSL would read for seconds or wait for without end: 10 MB of certificates, a pipe."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "is not a regular file")
    if found.st_size > MAX_FILE:
        raise OSError(errno.EFBIG, f"is larger than {MAX_FILE // 1024 // 1024} MiB")


def make_context(trust: Trust) -> ssl.SSLContext:
    """A client context: TLS 1.2 or newer, host names checked, unless `insecure` says otherwise."""
    for path in trust.files:
        _look_at(path)
    context = ssl.create_default_context(cafile=trust.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if trust.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if trust.cert_file:
        context.load_cert_chain(trust.cert_file, trust.key_file)
    return context
