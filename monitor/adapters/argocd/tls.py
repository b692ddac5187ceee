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

from monitor.config import certificates
from monitor.core.model import Fault, FaultKind
from monitor.core.text import printable

# As in the configuration: the bundle of a whole system has 220 KB.
MAX_FILE = certificates.MAX_CERTIFICATES
MAX_SHOWN = 300
# In the log, where a file became junk, and what to do.
NEW_CERTIFICATES = "changed certificates cannot be used; after a restart the monitor would not start with them"
FIX = "correct the file; those before go on until then"
# What is raised for files that cannot be used (ssl.SSLError is an OSError).
UNUSABLE = (OSError, ValueError)


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
        """The context for `trust`. Raises one of `UNUSABLE` when its files cannot be used at first use."""
        context = self._contexts.get(trust)
        if context is None:
            context = self._contexts[trust] = make_context(trust)
        return context

    def refresh(self, trust: Trust) -> str | None:
        """Reads the files again. Returns what is wrong with them, in which case the old context stays."""
        try:
            self._contexts[trust] = make_context(trust)
        except UNUSABLE as error:
            return unusable(trust, error)
        return None


def _look_at(path: Path) -> None:
    """Raises OSError for what OpenSSL would read for seconds or wait for without end: 10 MB of certificates, a pipe."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "is not a regular file")
    if found.st_size > MAX_FILE:
        raise OSError(errno.EFBIG, f"is larger than {MAX_FILE // 1024 // 1024} MiB")


def unusable(trust: Trust, error: Exception) -> str:
    """Which files `make_context` could not use, and why: `"/etc/ca.pem" does not exist`, as the configuration says it."""
    problems = certificates.problems_of(trust.ca_file, trust.cert_file, trust.key_file)
    if problems:
        return printable("; ".join(problem.what for problem in problems), MAX_SHOWN)
    # OpenSSL's own words are for those who know its source.
    reason = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
    reason = reason or "not PEM, or not the key of the certificate"
    return f"{printable(', '.join(map(str, trust.files)), MAX_SHOWN)}: {reason}"


def unusable_fault(trust: Trust, error: Exception) -> Fault:
    """The same as what keeps a request from being made."""
    return Fault(FaultKind.TLS_OTHER, f"the CA or client certificate cannot be used: {unusable(trust, error)}")


def make_context(trust: Trust) -> ssl.SSLContext:
    """A client context: TLS 1.2 or newer, host names checked, unless `insecure` says otherwise. Raises one of `UNUSABLE`."""
    for path in trust.files:
        _look_at(path)
    context = ssl.create_default_context(cafile=trust.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if trust.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if trust.cert_file:
        context.load_cert_chain(trust.cert_file, trust.key_file, password=certificates.no_passphrase)
    return context
