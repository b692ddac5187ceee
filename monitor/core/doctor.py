"""What `token-monitor doctor` says of what it found: facts in, findings with their fix out. Nothing is asked here.

One function an area, each over the facts of that area alone: files, the address with its certificate, and the account
in Argo CD. Kubernetes is in `doctor_kubernetes`. A finding that is not "ok" always says what to do.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from monitor.core.classify import FAULT_STATUS
from monitor.core.model import Account, Expectation, Fault, FaultKind, Mode, Verdict
from monitor.core.moments import span
from monitor.core.remedies import fault_remedy
from monitor.core.status import Kind, Status

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
    """One thing that was looked at: what, what was found (cause), and what to do (fix, empty when it is fine)."""

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
    left = "" if found.not_after is None else f", {_left(found.not_after - now)}"
    return f"for {names}, issued by {issuer}{left}"


def _left(seconds: float) -> str:
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


# --- the account in Argo CD --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoginFacts:
    """A login that was asked for. accepted: None when it could not be told, or was not tried; why says so."""

    accepted: bool | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What is known of the token and its account.

    account: the account's page, None where it could not be read. permissions: each required one with the answer of
    can-i (None: not answered). rotated: whether the monitor replaces the key. expires_in: of new keys, seconds.
    login: None when none was asked for. has_password: whether the password could be read; password_problem: why not.
    """

    verdict: Verdict
    mode: Mode
    name: str | None
    account: Account | None = None
    permissions: tuple[tuple[str, bool | None], ...] = ()
    rotated: bool = False
    expires_in: int | None = None
    has_password: bool = True
    password_problem: str = ""
    login: LoginFacts | None = None


def account_findings(facts: AccountFacts) -> Iterator[Finding]:
    """The token, its account, what it may do, and how it could be replaced."""
    yield _token(facts)
    if facts.verdict.anonymous_access:
        fix = 'set `users.anonymous.enabled: "false"` in ConfigMap argocd-cm, if nobody needs it'
        yield Finding(Level.WARN, Area.ARGOCD, "anonymous access", "Argo CD also answers those without a token", fix)
    yield from _account(facts)
    for permission, allowed in facts.permissions:
        yield _permission(facts, permission, allowed=allowed)
    if facts.rotated:
        yield from _replacement(facts)


def _token(facts: AccountFacts) -> Finding:
    verdict = facts.verdict
    levels = {
        Kind.ACCEPTED: Level.OK,
        Kind.ATTENTION: Level.WARN,
        Kind.REFUSED: Level.FAIL,
        Kind.UNKNOWN: Level.UNKNOWN,
    }
    level = levels[verdict.status.kind]
    if level is Level.OK:
        return Finding(level, Area.ARGOCD, "token", verdict.cause)
    cause = f"{verdict.status}: {verdict.cause}"
    if verdict.status is Status.MISSING and facts.rotated and facts.mode is Mode.PASSWORD:
        fix = "nothing: the monitor logs in and makes the first key when it runs (or now: token-monitor rotate TARGET)"
        return Finding(Level.WARN, Area.ARGOCD, "token", cause, fix)
    return Finding(level, Area.ARGOCD, "token", cause, verdict.remedy)


def _account(facts: AccountFacts) -> Iterator[Finding]:
    account = facts.account
    if account is None:
        if facts.rotated:
            fix = "look again once a token is accepted"
            if facts.mode is Mode.PASSWORD:
                fix += ", or let doctor log in (--login; a failed login counts against the budget of three a day)"
            name = facts.name or "of the token"
            accepted = facts.verdict.accepted is True
            cause = "could not be read" if accepted else "cannot be looked at without an accepted token"
            yield Finding(Level.UNKNOWN, Area.ARGOCD, f"account {name}", cause, fix)
        return
    what = f"account {account.name}"
    enabled = "admin.enabled" if account.name == "admin" else f"accounts.{account.name}.enabled"
    wanted = {"apiKey"} | ({"login"} if facts.rotated and facts.mode is Mode.PASSWORD else set())
    lacking = sorted(wanted - account.capabilities)
    if not account.enabled:
        yield Finding(Level.FAIL, Area.ARGOCD, what, "is disabled", f'set `{enabled}: "true"` in ConfigMap argocd-cm')
    if lacking:
        cause = f"lacks the capability {' and '.join(lacking)}"
        given = ", ".join(sorted(wanted | account.capabilities))
        fix = f"set `accounts.{account.name}: {given}` in ConfigMap argocd-cm"
        yield Finding(Level.FAIL, Area.ARGOCD, what, cause, fix)
    if account.enabled and not lacking:
        keys = f"{len(account.keys)} key{'' if len(account.keys) == 1 else 's'}"
        cause = f"enabled, with {', '.join(sorted(account.capabilities))}; {keys}"
        yield Finding(Level.OK, Area.ARGOCD, what, cause)


def _permission(facts: AccountFacts, permission: str, *, allowed: bool | None) -> Finding:
    what = f"permission {permission}"
    if allowed:
        return Finding(Level.OK, Area.ARGOCD, what, "yes")
    name = facts.name or (facts.verdict.account or "ACCOUNT")
    if allowed is None:
        fix = "correct the words of requiredPermissions if Argo CD does not know them, or look again later"
        return Finding(Level.UNKNOWN, Area.ARGOCD, what, "Argo CD did not say yes or no", fix)
    resource, action, object_ = permission.split("/", 2)
    line = f"p, {name}, {resource}, {action}, {object_}, allow"
    return Finding(
        Level.WARN, Area.ARGOCD, what, "no", f"add `{line}` to policy.csv of ConfigMap argocd-rbac-cm, or take it out"
    )


def _replacement(facts: AccountFacts) -> Iterator[Finding]:
    if facts.mode is not Mode.PASSWORD:
        return  # a key that renews itself gets as long a life as the one before
    if facts.expires_in is None:
        fix = "set rotation.expiresIn (like 90d) where the consumers allow it: a key that is lost then ends by itself"
        yield Finding(Level.WARN, Area.ARGOCD, "new keys", "never expire (rotation.expiresIn is not set)", fix)
    if facts.name == "admin":
        fix = (
            "make an account for it: `accounts.codefresh: apiKey, login` in ConfigMap argocd-cm, its rights in"
            " argocd-rbac-cm, its password by `argocd account update-password --account codefresh`, and its name in"
            " auth.username"
        )
        cause = (
            "the monitor and people share it: failed logins of one lock the other out, and its key may do everything"
        )
        yield Finding(Level.WARN, Area.ARGOCD, "account admin", cause, fix)
    yield _login(facts)


def _login(facts: AccountFacts) -> Finding:
    what, login = f"login as {facts.name}", facts.login
    if not facts.has_password:
        fix = "put it there or let it be read (see above), or correct auth.passwordSecretKeyRef or auth.passwordFile"
        return Finding(Level.FAIL, Area.LOGIN, what, facts.password_problem or "there is no password", fix)
    if login is None:
        cause = "the password can be read; not tried, as a failed login counts (three a day): --login tries it"
        return Finding(Level.OK, Area.LOGIN, what, cause)
    if login.accepted:
        return Finding(Level.OK, Area.LOGIN, what, "accepted; the session was ended again")
    if login.accepted is None:
        return Finding(
            Level.UNKNOWN, Area.LOGIN, what, login.why, "try again later; a running monitor goes on by itself"
        )
    fix = (
        f"put the present password of {facts.name} where auth.password... says; check that the account is enabled and"
        " has the capability login. Do not try again at once: Argo CD locks an account out after five failures"
    )
    return Finding(Level.FAIL, Area.LOGIN, what, login.why, fix)
