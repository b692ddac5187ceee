"""What each wording of a refusal means: one ordered table, for the words of Argo CD 2.x and 3.x.

A refusal is a 401 with code 16. The texts are recorded in `argocd/recordings/{2.8,3.6}` (named beside each row) or
come from Argo CD's source (file named). A text that matches no row is `rejected`: refused, cause unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from monitor.core.claims import Claims
from monitor.core.status import Status


@dataclass(frozen=True, slots=True)
class Wording:
    """One row: the pattern, what it means, the cause in plain words, and where the text was seen."""

    pattern: re.Pattern[str]
    status: Status
    cause: str
    source: str


def _row(pattern: str, status: Status, cause: str, source: str) -> Wording:
    return Wording(re.compile(pattern, re.IGNORECASE), status, cause, source)


WORDINGS: tuple[Wording, ...] = (
    _row(
        r"account (?P<account>.+) does not have token with id",
        Status.REVOKED,
        "the API key {id} was deleted from account {account}",
        "recording revoked-api-key",
    ),
    _row(
        r"account (?P<account>.+) is disabled",
        Status.ACCOUNT_DISABLED,
        "account {account} is disabled",
        "recording account-disabled",
    ),
    _row(
        r"account (?P<account>.+) does not have '(?P<capability>\w+)' capability",
        Status.CAPABILITY_MISSING,
        "account {account} does not have the capability {capability}",
        "recordings api-key-capability-removed, login-capability-removed",
    ),
    _row(
        r"account '(?P<account>.+)' does not exist",
        Status.ACCOUNT_MISSING,
        "account {account} does not exist any more",
        "recording account-removed",
    ),
    _row(
        r"appproject\S* \"(?P<project>.+)\" not found",
        Status.ACCOUNT_MISSING,
        "the project {project} of the token does not exist any more",
        "source: util/session/sessionmanager.go Parse, project lister",
    ),
    _row(
        r"role '(?P<role>[^']+)' does not exist in project",
        Status.ACCOUNT_MISSING,
        "the project role {role} of the token does not exist any more",
        "source: pkg/apis/application/v1alpha1 GetRoleByName",
    ),
    _row(
        r"JWT token for role '?(?P<role>.+?)'? issued at|issued token for .* does not exist",
        Status.REVOKED,
        "the token was deleted from its project role",
        "source: pkg/apis/application/v1alpha1 GetJWTToken",
    ),
    _row(
        r"password has changed since token issued",
        Status.PASSWORD_CHANGED,
        "the password of account {account} was changed after the token was issued, which ends all older keys",
        "recording password-changed; before 2.6 with a capital letter",
    ),
    _row(
        r"token is expired|token is not valid any more|expired_token",
        Status.EXPIRED,
        "the token has expired",
        "recording expired-api-key (2.8: Token is expired)",
    ),
    _row(
        r"token is not valid yet|used before issued",
        Status.NOT_YET_VALID,
        "the token is dated in the future of the server's clock",
        "golang-jwt v4 and v5 ErrTokenNotValidYet, ErrTokenUsedBeforeIssued",
    ),
    _row(
        r"signature is invalid",
        Status.SIGNING_KEY_CHANGED,
        "the token's signature does not fit the server's signing key: server.secretkey was changed,"
        " or the token belongs to another Argo CD",
        "recordings signing-key-changed, forged-token",
    ),
    _row(
        r"token is malformed|illegal base64|unexpected signing method|token is unverifiable"
        r"|invalid number of segments|unique identifier|invalid character|unexpected end of JSON"
        r"|cannot unmarshal|signing method .* is (?:unavailable|unspecified)|does not have iat claim",
        Status.MALFORMED,
        "the value is not a token that Argo CD can read",
        "recordings malformed-token, forged-token (alg-none); sessionmanager.go Parse for a missing jti",
    ),
    _row(
        r"SSO is not configured|failed to verify the token",
        Status.FOREIGN_ISSUER,
        "the token was issued by {issuer}, not by Argo CD",
        "recording forged-token (other-issuer); common.TokenVerificationError where SSO is configured",
    ),
    # Last of the known: a session that was logged out, and, before 3.5, any token without an id.
    _row(
        r"token is revoked",
        Status.REVOKED,
        "the token was ended by a log-out",
        "source: util/session/sessionmanager.go IsTokenRevoked",
    ),
)

NO_SESSION = "no session information"


def find_wording(text: str, claims: Claims) -> tuple[Status, str]:
    """Status and cause for the text of a refusal. Unknown wording gives `rejected` with the text itself."""
    for row in WORDINGS:
        match = row.pattern.search(text)
        if match is None:
            continue
        if "token is revoked" in text and claims.token_id is None:
            return Status.MALFORMED, "the token carries no id (jti), so Argo CD cannot look it up"
        words = {
            "account": claims.account or "of the token",
            "id": claims.token_id or "(without an id)",
            "issuer": claims.issuer or "nobody",
        }
        words.update({name: value for name, value in match.groupdict().items() if value})
        return row.status, row.cause.format_map(words)
    return Status.REJECTED, f"Argo CD refused the token in words that are not known: {text}"
