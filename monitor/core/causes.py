"""What each wording of a refusal means: one ordered table, for the words of Argo CD 2.x and 3.x.

A refusal is a 401 with code 16. The texts are recorded in `argocd/recordings/{2.8,3.6}` (named beside each row), were
seen on a server of 3.6, 3.3 or 2.14, or come from Argo CD's source (file named). A text that matches no row is `rejected`: refused,
cause unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from monitor.core.claims import ARGOCD_ISSUER, Claims
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


NO_ID = "the token carries no id (jti), so Argo CD cannot look it up"

WORDINGS: tuple[Wording, ...] = (
    _row(
        r"account (?P<account>.+?) does not have token with id",
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
        r"account '' does not exist|appproject\S* \"\" not found",
        Status.MALFORMED,
        "the token names no account (claim sub), so Argo CD cannot look it up",
        "seen: a token without a subject, and one of `proj::`",
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
        r"unique identifier \(jti",
        Status.MALFORMED,
        NO_ID,
        "source: util/session/sessionmanager.go Parse since 3.4; those before say that the token is revoked",
    ),
    _row(
        r"token is malformed|illegal base64|unexpected signing method|token is unverifiable"
        r"|invalid number of segments|invalid character|unexpected end of JSON"
        r"|cannot unmarshal|signing method .* is (?:unavailable|unspecified)|does not have iat claim"
        r"|invalid type for claim|tokenstring should not contain|(?:iat|exp|nbf) '.*' is not a number"
        r"|could not parse NumericDat[ae]|could not convert json number|json: unsupported type"
        r"|^invalid session: (?:unexpected )?EOF$",
        Status.MALFORMED,
        "the value is not a token that Argo CD can read",
        "recordings malformed-token, forged-token (alg-none); seen: claims of another type than a number (each time"
        " 2.14 has words of its own), claims that are cut off (2.14: EOF)",
    ),
    _row(
        r"failed to verify the token",
        Status.FOREIGN_ISSUER,
        "the token was issued by {issuer}, not by Argo CD, which could not verify it: it has ended, it is not meant for"
        " this Argo CD, or its issuer could not be asked",
        "seen where SSO is configured: common.TokenVerificationError",
    ),
    _row(
        r"SSO is not configured",
        Status.FOREIGN_ISSUER,
        "the token was issued by {issuer}, not by Argo CD",
        "recording forged-token (other-issuer)",
    ),
    # Last of the known: a session that was logged out, and, before 3.4, any token without an id.
    _row(
        r"token is revoked",
        Status.REVOKED,
        "the token was ended by a log-out",
        "source: util/session/sessionmanager.go IsTokenRevoked",
    ),
)

NO_SESSION = "no session information"

# Words about what Argo CD holds itself, with which it refuses every token: a switch in argocd-cm that is neither true
# nor false, a time or a list of keys in argocd-secret that it cannot read (each seen on a server of 3.6).
_OWN_SETTINGS = re.compile(
    r"strconv\.ParseBool|parsing time \"|^invalid session: (?:invalid character|unexpected end of JSON|json: cannot)",
    re.IGNORECASE,
)
SETTINGS_REMEDY = (
    "Correct what these words name in ConfigMap argocd-cm (`accounts.NAME.enabled`) or Secret argocd-secret"
    " (`accounts.NAME.passwordMtime`, `admin.tokens`); the token then works again at once. A new token would not help."
)


def find_wording(text: str, claims: Claims) -> tuple[Status, str]:
    """Status and cause for the text of a refusal. Unknown wording gives `rejected` with the text itself."""
    if is_of_own_settings(text, claims):
        return Status.REJECTED, f"Argo CD cannot read its own settings, and so refuses every token: {text}"
    for row in WORDINGS:
        match = row.pattern.search(text)
        if match is None:
            continue
        if "token is revoked" in text and claims.token_id is None:
            return Status.MALFORMED, NO_ID
        words = {
            "account": claims.account or "of the token",
            "id": claims.token_id or "(without an id)",
            "issuer": claims.issuer or "nobody",
        }
        words.update({name: value for name, value in match.groupdict().items() if value})
        cause = row.cause.format_map(words)
        if row.status is Status.SIGNING_KEY_CHANGED and claims.signature_off:
            much, size = abs(claims.signature_off), "short" if claims.signature_off < 0 else "long"
            cause += f", or the value is not whole: its signature is {much} characters too {size}"
        return row.status, cause
    return Status.REJECTED, f"Argo CD refused the token in words that are not known: {text}"


def is_of_own_settings(text: str, claims: Claims) -> bool:
    """Whether the refusal is about Argo CD's settings. 2.x says the same of JSON in a token that it cannot read.

    Of a claim whose type is wrong it names the type that claims have there (seen on 2.14: `RegisteredClaims.sub`).
    """
    if claims.issuer != ARGOCD_ISSUER or claims.unreadable or "RegisteredClaims" in text:
        return False
    return _OWN_SETTINGS.search(text) is not None
