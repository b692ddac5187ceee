"""What `token-monitor doctor` says of what it found: facts in, findings with their fix out. Nothing is asked here.

One function an area, each over the facts of that area alone: here files, and the address with its certificate. The account
in Argo CD is in `doctor_account`, Kubernetes in `doctor_kubernetes`. A finding that is not "ok" always says what to do.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from monitor.core.classify import FAULT_STATUS
from monitor.core.model import Expectation, Fault, FaultKind
from monitor.core.moments import span
from monitor.core.remedies import fault_remedy

DAY = 86_400.0
# A certificate that ends this soon is somebody's task already (most are renewed 30 days before).
ENDS_SOON = 14 * DAY


class Level(enum.StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"

    @property
    def exit_code(self) -> int:
        """The exit code of `doctor` when this is the worst."""
        return EXIT_CODES[self]


# From best to worst: what fails outranks what could not be told.
SEVERITY = (Level.OK, Level.WARN, Level.UNKNOWN, Level.FAIL)
EXIT_CODES = {Level.OK: 0, Level.WARN: 1, Level.FAIL: 2, Level.UNKNOWN: 3}


class Area(enum.StrEnum):
    """What a finding is about; findings are shown in this order."""

    CONFIGURATION = "configuration"
    FILES = "files"
    ADDRESS = "address"
    SECRETS = "secrets"
    PERMISSIONS = "permissions"
    WRITERS = "writers"
    ARGOCD = "argocd"
    LOGIN = "login"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what, what was found (cause), and what to do (fix, empty where nothing need be)."""

    level: Level
    area: Area
    what: str
    cause: str = ""
    fix: str = ""


def worst(findings: Iterable[Finding]) -> Level:
    """The level that decides; "unknown" when nothing was looked at."""
    return max((finding.level for finding in findings), key=SEVERITY.index, default=Level.UNKNOWN)


# --- files -----------------------------------------------------------------------------------------------------------


class Purpose(enum.StrEnum):
    """What a file or directory is for."""

    TOKEN = "token file"  # noqa: S105 - no credential, a word for one
    PASSWORD = "password file"  # noqa: S105 - no credential, a word for one
    JOURNALS = "directory of journals"
    FOLDER = "directory of the token file"


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A path as the monitor's user sees it. mode: permission bits. problem: why it cannot be looked at, "" if it can.

    written: whether the monitor must write it (a directory: make and replace files in it).
    """

    path: str
    purpose: Purpose
    written: bool = False
    exists: bool = True
    fits: bool = True
    readable: bool = True
    writable: bool = True
    mode: int = 0o600
    problem: str = ""

    @property
    def is_directory(self) -> bool:
        """Whether it has to be a directory."""
        return self.purpose in (Purpose.JOURNALS, Purpose.FOLDER)


def file_findings(facts: FileFacts) -> Iterator[Finding]:
    """A file of a credential, or the directory of the journals."""
    yield (
        Finding(*_file(facts))
        if facts.problem or not _is_fine(facts)
        else Finding(Level.OK, Area.FILES, f"{facts.purpose} {facts.path}", f"mode {facts.mode:o}")
    )


def _is_fine(facts: FileFacts) -> bool:
    loose = facts.mode & (0o022 if facts.is_directory else 0o004)
    usable = facts.exists and facts.fits and facts.readable and (facts.writable or not facts.written)
    return usable and not loose


def _file(facts: FileFacts) -> tuple[Level, Area, str, str, str]:
    what, kind = f"{facts.purpose} {facts.path}", "directory" if facts.is_directory else "regular file"
    level, cause, fix = Level.FAIL, "", ""
    if facts.problem:
        level, cause, fix = Level.UNKNOWN, facts.problem, "let the monitor's user reach it"
    elif not facts.exists:
        made = f"make it: install -d -m 700 {facts.path}" if facts.is_directory else "write the credential into it"
        if facts.purpose is Purpose.TOKEN and facts.written:
            level, made = Level.WARN, "nothing, if the monitor is to make the first key; else write the token into it"
        cause, fix = "does not exist", made
    elif not facts.fits:
        cause, fix = f"is not a {kind}", f"give the path of a {kind}"
    elif not facts.readable:
        cause, fix = "cannot be read", "run doctor as the monitor's user; let that user read it"
    elif facts.written and not facts.writable:
        cause = "cannot be written, so no rotation can be stored there"
        fix = "let the monitor's user write it, and mount it writable"
    elif facts.is_directory:
        level, cause = Level.WARN, f"others may write it (mode {facts.mode:o}), and so replace what is in it"
        fix = f"chmod go-w {facts.path}"
    else:
        level, cause = Level.WARN, f"everybody on this machine may read it (mode {facts.mode:o})"
        fix = f"chmod 600 {facts.path}; for a mounted Secret set defaultMode: 0400"
    return level, Area.FILES, what, cause, fix


# --- the address -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """A server's certificate. names: host names and addresses that it is for. Times are epoch seconds."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_after: float | None


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What is at an address.

    addresses: what the host name resolves to. connection: why no connection could be made. fault: why the connection
    cannot be used as configured (a certificate that does not count) or the request got no answer.
    status, content_type, location: of the answer to `GET /api/version`. version: what it says, None if that is no
    answer of Argo CD.
    """

    url: str
    addresses: tuple[str, ...] = ()
    fault: Fault | None = None
    certificate: CertificateFacts | None = None
    verified: bool = True
    status: int | None = None
    content_type: str = ""
    location: str = ""
    version: str | None = None


_CERTIFICATE_FAULTS = frozenset(
    {
        FaultKind.TLS_EXPIRED,
        FaultKind.TLS_NOT_YET_VALID,
        FaultKind.TLS_UNKNOWN_CA,
        FaultKind.TLS_WRONG_HOST,
        FaultKind.TLS_OTHER,
    }
)


def server_findings(facts: ServerFacts, now: float) -> Iterator[Finding]:
    """Reachable, with a certificate that counts, and an Argo CD."""
    fault = facts.fault
    if fault is not None and fault.kind not in _CERTIFICATE_FAULTS and facts.status is None:
        status, words = FAULT_STATUS[fault.kind]
        cause = f"{words}: {fault.detail}" if fault.detail else words
        yield Finding(Level.FAIL, Area.ADDRESS, facts.url, cause, fault_remedy(fault, status, Expectation()))
        return
    shown = ", ".join(facts.addresses[:5])
    yield Finding(Level.OK, Area.ADDRESS, facts.url, f"can be reached ({shown})" if shown else "can be reached")
    if facts.url.startswith("https://"):
        yield _certificate(facts, now)
    if facts.status is not None:
        yield _answer(facts)


def _certificate(facts: ServerFacts, now: float) -> Finding:
    found, fault = facts.certificate, facts.fault
    described = _described(found, now) if found else "its certificate could not be seen"
    what = "certificate"
    if fault is not None and fault.kind in _CERTIFICATE_FAULTS:
        status, words = FAULT_STATUS[fault.kind]
        cause = f"{words}{f' ({fault.detail})' if fault.detail else ''}; {described}"
        return Finding(Level.FAIL, Area.ADDRESS, what, cause, fault_remedy(fault, status, Expectation()))
    if not facts.verified:
        fix = "give the CA in tls.caFile and remove tls.insecure"
        return Finding(Level.WARN, Area.ADDRESS, what, f"it is not checked (tls.insecure); {described}", fix)
    if found is not None and found.not_after is not None and found.not_after - now < ENDS_SOON:
        fix = "renew the certificate of argocd-server (Secret argocd-server-tls), or of the proxy before it"
        return Finding(Level.WARN, Area.ADDRESS, what, described, fix)
    return Finding(Level.OK, Area.ADDRESS, what, described)


def _described(found: CertificateFacts, now: float) -> str:
    names = ", ".join(found.names[:5]) or found.subject
    issuer = "itself" if found.issuer == found.subject else found.issuer
    ends = "" if found.not_after is None else f", {left(found.not_after - now)}"
    return f"for {names}, issued by {issuer}{ends}"


def left(seconds: float) -> str:
    """How much of a time is left, or how long it is over: `12 d left`, `ended 3 h ago`."""
    return f"{span(seconds)} left" if seconds > 0 else f"ended {span(-seconds)} ago"


def _answer(facts: ServerFacts) -> Finding:
    what = "Argo CD"
    if facts.version is not None:
        return Finding(Level.OK, Area.ADDRESS, what, f"version {facts.version}")
    cause = f"what answers at {facts.url}/api/version is no Argo CD (HTTP {facts.status}"
    cause += f", {facts.content_type})" if facts.content_type else ")"
    fix = "give the address of argocd-server itself, without a login page before it"
    if facts.location:
        cause = f"it redirects to {facts.location}"
        if facts.location.startswith("https://") and facts.url.startswith("http://"):
            fix = "write https:// in server.url; the monitor follows no redirect, since the token would go along"
    elif facts.status == 404:
        fix = "write the path under which Argo CD is served (its --rootpath) into server.rootpath or behind the url"
    return Finding(Level.FAIL, Area.ADDRESS, what, cause, fix)
