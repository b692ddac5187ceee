"""The closed list of statuses: what each says, its class, its exit code, and whether minting a new key can mend it.

Everything that speaks of statuses (metrics, exit codes, alerts, pages, documents) is made from this list or held
to it by a test. The names are a contract with users' alerts: add, never rename.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Kind(enum.Enum):
    """What a status says of the token; the value is the exit code of `token-monitor check`."""

    ACCEPTED = 0  # Argo CD accepts the token
    ATTENTION = 1  # accepted, but a person has to do something
    REFUSED = 2  # Argo CD itself refused this token
    UNKNOWN = 3  # it cannot be told


class Status(enum.StrEnum):
    """One word for what a check found. `facts` gives the rest."""

    VALID = "valid"
    EXPIRING = "expiring"
    WRONG_ACCOUNT = "wrong_account"
    INSUFFICIENT_PERMISSIONS = "insufficient_permissions"
    REVOKED = "revoked"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    ACCOUNT_DISABLED = "account_disabled"
    ACCOUNT_MISSING = "account_missing"
    CAPABILITY_MISSING = "capability_missing"
    PASSWORD_CHANGED = "password_changed"
    SIGNING_KEY_CHANGED = "signing_key_changed"
    MALFORMED = "malformed"
    FOREIGN_ISSUER = "foreign_issuer"
    MISSING = "missing"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    TLS_ERROR = "tls_error"
    NOT_ARGOCD = "not_argocd"
    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"
    PENDING = "pending"

    @property
    def facts(self) -> StatusFacts:
        """The row of this status in the table below."""
        return FACTS[self]

    @property
    def kind(self) -> Kind:
        """The class of this status."""
        return FACTS[self].kind

    @property
    def accepted(self) -> bool | None:
        """True, False, or None when it cannot be told."""
        return ACCEPTED_BY_KIND[self.kind]

    @property
    def exit_code(self) -> int:
        """Exit code of `token-monitor check`: 0, 1, 2 or 3."""
        return self.kind.value


@dataclass(frozen=True, slots=True)
class StatusFacts:
    """One row: what the status means for a reader, and whether a newly minted key mends it (design.md)."""

    kind: Kind
    meaning: str
    mended_by_minting: bool = False


ACCEPTED_BY_KIND: dict[Kind, bool | None] = {
    Kind.ACCEPTED: True,
    Kind.ATTENTION: True,
    Kind.REFUSED: False,
    Kind.UNKNOWN: None,
}

FACTS: dict[Status, StatusFacts] = {
    Status.VALID: StatusFacts(Kind.ACCEPTED, "Argo CD accepts the token."),
    Status.EXPIRING: StatusFacts(Kind.ATTENTION, "The token is accepted and expires within the configured time.", True),
    Status.WRONG_ACCOUNT: StatusFacts(
        Kind.ATTENTION, "The token is accepted, but it belongs to another account than the configured one."
    ),
    Status.INSUFFICIENT_PERMISSIONS: StatusFacts(
        Kind.ATTENTION, "The token is accepted, but lacks a permission that its consumer needs."
    ),
    Status.REVOKED: StatusFacts(Kind.REFUSED, "The key was deleted from its account.", True),
    Status.EXPIRED: StatusFacts(Kind.REFUSED, "The time of the token is over.", True),
    Status.NOT_YET_VALID: StatusFacts(Kind.REFUSED, "The token is dated in the future of the Argo CD server's clock."),
    Status.ACCOUNT_DISABLED: StatusFacts(Kind.REFUSED, "The account is switched off."),
    Status.ACCOUNT_MISSING: StatusFacts(Kind.REFUSED, "The account, project or role does not exist any more."),
    Status.CAPABILITY_MISSING: StatusFacts(Kind.REFUSED, "The account is not allowed to use tokens of this kind."),
    Status.PASSWORD_CHANGED: StatusFacts(
        Kind.REFUSED, "The account's password was changed, which ends all its older keys.", True
    ),
    Status.SIGNING_KEY_CHANGED: StatusFacts(
        Kind.REFUSED, "The token was not signed with the server's present signing key.", True
    ),
    Status.MALFORMED: StatusFacts(Kind.REFUSED, "The value is not a token that Argo CD can read.", True),
    Status.FOREIGN_ISSUER: StatusFacts(Kind.REFUSED, "The token was not issued by Argo CD."),
    Status.MISSING: StatusFacts(Kind.REFUSED, "There is no token: no Secret, no key in it, or an empty value.", True),
    Status.REJECTED: StatusFacts(
        Kind.REFUSED, "Argo CD refused the token for a reason that is not known, or some of its replicas do."
    ),
    Status.UNREACHABLE: StatusFacts(Kind.UNKNOWN, "Argo CD did not answer."),
    Status.TLS_ERROR: StatusFacts(Kind.UNKNOWN, "No trusted TLS connection could be made."),
    Status.NOT_ARGOCD: StatusFacts(Kind.UNKNOWN, "The answers are not those of an Argo CD API that checks tokens."),
    Status.THROTTLED: StatusFacts(Kind.UNKNOWN, "Something on the way asks for fewer requests."),
    Status.SERVER_ERROR: StatusFacts(Kind.UNKNOWN, "Argo CD or a proxy before it failed to answer."),
    Status.PENDING: StatusFacts(Kind.UNKNOWN, "The token has not been checked yet."),
}
