"""The values that the core works on: what is expected of a target, what was asked and answered, what was found."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from monitor.core.claims import Claims
from monitor.core.status import Status

DAY = 86_400.0


class Mode(enum.StrEnum):
    """How the consumer's credential comes to be (Codefresh's `auth.type`)."""

    TOKEN = "token"  # noqa: S105 - the name of the mode
    PASSWORD = "password"  # noqa: S105 - the name of the mode


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a target's owner expects of its token.

    account: the account it must belong to; None when nobody said.
    expiring_within: seconds before the end at which a person is told.
    permissions: `RESOURCE/ACTION/OBJECT` each, as `can-i` takes them.
    where: where the token comes from, in words, for the remedy (`Secret codefresh/argocd-token, key token`).
    password_at: the same of the password with which the monitor makes new keys by itself; "" when it makes none.
    renewed: whether the monitor replaces the token before its end; renew_before: so many seconds before, None: at a third
    of its lifetime. Nobody is told that it expires before that is overdue.
    """

    mode: Mode = Mode.TOKEN
    account: str | None = None
    expiring_within: float = 7 * DAY
    permissions: tuple[str, ...] = ()
    where: str = "the token"
    password_at: str = ""
    renewed: bool = False
    renew_before: float | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, whole and bounded. `retry_after` is in seconds."""

    status: int
    body: bytes = b""
    content_type: str = ""
    location: str = ""
    retry_after: float | None = None
    fresh_connection: bool = False


class FaultKind(enum.StrEnum):
    """Why there is no answer. A closed list; `classify` gives each its status, cause and remedy."""

    DNS = "dns"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    RESET = "reset"
    NO_ROUTE = "no_route"
    FORBIDDEN_ADDRESS = "forbidden_address"
    OUT_OF_FILES = "out_of_files"
    NETWORK = "network"
    TLS_EXPIRED = "tls_expired"
    TLS_NOT_YET_VALID = "tls_not_yet_valid"
    TLS_UNKNOWN_CA = "tls_unknown_ca"
    TLS_WRONG_HOST = "tls_wrong_host"
    TLS_NOT_SPOKEN = "tls_not_spoken"
    TLS_OTHER = "tls_other"
    TOO_LARGE = "too_large"
    NOT_HTTP = "not_http"


@dataclass(frozen=True, slots=True)
class Fault:
    """No answer: the kind, and the details in words (bounded, printable, without the token)."""

    kind: FaultKind
    detail: str = ""


Answer = Reply | Fault


@dataclass(frozen=True, slots=True)
class Account:
    """What Argo CD lists of an account: `GET /api/v1/account/NAME`."""

    name: str
    enabled: bool
    capabilities: frozenset[str]
    keys: tuple[Key, ...] = ()

    def key(self, token_id: str | None) -> Key | None:
        """The listed key with this id, if any."""
        return next((key for key in self.keys if key.id == token_id), None)


@dataclass(frozen=True, slots=True)
class Key:
    """One API key of an account. Times are epoch seconds."""

    id: str
    issued_at: float | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that one check asked and was answered. None: not asked.

    userinfo, account: with the token itself. `account` is the account's page, or a `can-i` question where the
    token names no account (both answer 401 with the cause).
    control_userinfo, control_can_i: with a token that must be refused (broken signature).
    wide_open: `can-i` about a permission that nobody is ever given, asked with the control token.
    permissions: the `can-i` answers for the required permissions, in their order.
    disguise: what is around the token instead of the token alone, in words that end a sentence; "" where nothing is seen.
    """

    claims: Claims = field(default_factory=Claims)
    token_shaped: bool = True
    userinfo: Answer | None = None
    account: Answer | None = None
    control_userinfo: Answer | None = None
    control_can_i: Answer | None = None
    wide_open: Answer | None = None
    permissions: tuple[Answer, ...] = ()
    disguise: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found. Times are epoch seconds; `checked_at` is when the check ended.

    account: that Argo CD names; failing that, the token; failing that, the configuration. anonymous_access: None when not looked at.
    retry_after: seconds that the server asked to wait, at most 900.
    """

    status: Status
    cause: str
    remedy: str
    account: str | None = None
    token_id: str | None = None
    issued_at: float | None = None
    expires_at: float | None = None
    anonymous_access: bool | None = None
    retry_after: float | None = None
    checked_at: float = 0.0
    duration: float = 0.0

    @property
    def accepted(self) -> bool | None:
        """True, False, or None when it cannot be told."""
        return self.status.accepted

    def timed(self, checked_at: float, duration: float) -> Verdict:
        """The same, found at another time. (By hand: `replace` takes twice as long, and each check does this.)"""
        return Verdict(
            self.status,
            self.cause,
            self.remedy,
            self.account,
            self.token_id,
            self.issued_at,
            self.expires_at,
            self.anonymous_access,
            self.retry_after,
            checked_at,
            duration,
        )
