"""Every text with which a version of Argo CD explains itself, in one table: (3.x, 2.x), or one text for both.

Taken from the recordings of 3.6 and 2.8; where they are silent, from util/session/sessionmanager.go,
server/account/account.go, server/project/project.go of v3 and v2.8, and from golang-jwt v5 (3.x) and v4 (2.x).
Between the two lie: NO_TOKEN_ID, as in 2.x until 3.3; KEY_ID_TAKEN and KEY_CAPABILITY_MISSING, as in 3.x from 2.13 on
(servers of 3.3 and 2.14 were asked).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

Version = Literal["3", "2"]


class Text(Enum):
    """What is said. The words are in the table below."""

    NO_SESSION = auto()
    INVALID_SESSION = auto()
    SSO_NOT_CONFIGURED = auto()
    SEGMENTS = auto()
    BEARER_IN_TOKEN = auto()
    HEADER_NOT_BASE64 = auto()
    HEADER_NOT_JSON = auto()
    CLAIMS_NOT_BASE64 = auto()
    CLAIMS_NOT_JSON = auto()
    SIGNATURE_NOT_BASE64 = auto()
    ALG_MISSING = auto()
    ALG_UNKNOWN = auto()
    ALG_UNEXPECTED = auto()
    SIGNATURE_INVALID = auto()
    CLAIMS_INVALID = auto()
    EXPIRED = auto()
    NOT_YET_VALID = auto()
    NO_ISSUED_AT = auto()
    ISSUED_AT_NO_NUMBER = auto()
    ACCOUNT_MISSING = auto()
    RPC_ACCOUNT_MISSING = auto()
    ACCOUNT_DISABLED = auto()
    CAPABILITY_MISSING = auto()
    NO_TOKEN_ID = auto()
    SESSION_ENDED = auto()
    KEY_REVOKED = auto()
    PASSWORD_CHANGED = auto()
    PROJECT_MISSING = auto()
    PROJECT_TOKEN_REVOKED = auto()
    LOGIN_INVALID = auto()
    LOGIN_ACCOUNT_DISABLED = auto()
    LOGIN_CAPABILITY_MISSING = auto()
    LOGIN_NOTHING_SUPPLIED = auto()
    LOGIN_NAME_TOO_LONG = auto()
    LOGIN_BY_TOKEN = auto()
    KEY_ID_TAKEN = auto()
    KEY_CAPABILITY_MISSING = auto()
    KEY_ID_UNKNOWN = auto()
    PERMISSION_DENIED = auto()
    NOT_IN_LIST = auto()
    PASSWORD_OF_PROJECT = auto()
    PASSWORD_DOES_NOT_MATCH = auto()
    PASSWORD_PATTERN = auto()
    PASSWORD_NO_ISSUE_TIME = auto()
    PROJECT_NOT_FOUND = auto()
    PROJECT_ROLE_MISSING = auto()
    PROJECT_TOKEN_ID_TAKEN = auto()


_MALFORMED = "token is malformed: "
_UNVERIFIABLE = "token is unverifiable: "
_NOT_UPDATED = "failed to update account with new token: "

_TABLE: dict[Text, str | tuple[str, str]] = {
    Text.NO_SESSION: "no session information",
    Text.INVALID_SESSION: "invalid session: {reason}",
    Text.SSO_NOT_CONFIGURED: "SSO is not configured",
    Text.SEGMENTS: (
        _MALFORMED + "token contains an invalid number of segments",
        "token contains an invalid number of segments",
    ),
    Text.BEARER_IN_TOKEN: "tokenstring should not contain 'bearer '",
    Text.HEADER_NOT_BASE64: (_MALFORMED + "could not base64 decode header: {error}", "{error}"),
    Text.HEADER_NOT_JSON: (_MALFORMED + "could not JSON decode header: {error}", "{error}"),
    Text.CLAIMS_NOT_BASE64: (_MALFORMED + "could not base64 decode claim: {error}", "{error}"),
    Text.CLAIMS_NOT_JSON: (_MALFORMED + "could not JSON decode claim: {error}", "{error}"),
    Text.SIGNATURE_NOT_BASE64: (_MALFORMED + "could not base64 decode signature: {error}", "{error}"),
    Text.ALG_MISSING: (
        _UNVERIFIABLE + "signing method (alg) is unspecified",
        "signing method (alg) is unspecified.",
    ),
    Text.ALG_UNKNOWN: (
        _UNVERIFIABLE + "signing method (alg) is unavailable",
        "signing method (alg) is unavailable.",
    ),
    Text.ALG_UNEXPECTED: (
        _UNVERIFIABLE + "error while executing keyfunc: unexpected signing method: {alg}",
        "unexpected signing method: {alg}",
    ),
    Text.SIGNATURE_INVALID: ("token signature is invalid: signature is invalid", "signature is invalid"),
    Text.CLAIMS_INVALID: ("token has invalid claims: {error}", "{error}"),
    Text.EXPIRED: ("token is expired", "Token is expired"),
    Text.NOT_YET_VALID: ("token is not valid yet", "Token is not valid yet"),
    Text.NO_ISSUED_AT: "token does not have iat claim",
    Text.ISSUED_AT_NO_NUMBER: "iat '{value}' is not a number",
    Text.ACCOUNT_MISSING: "account '{name}' does not exist",
    Text.RPC_ACCOUNT_MISSING: "rpc error: code = NotFound desc = account '{name}' does not exist",
    Text.ACCOUNT_DISABLED: "account {name} is disabled",
    Text.CAPABILITY_MISSING: "account {name} does not have '{capability}' capability",
    Text.NO_TOKEN_ID: (
        "token does not have a unique identifier (jti claim) and cannot be validated",
        "token is revoked, please re-login",
    ),
    Text.SESSION_ENDED: "token is revoked, please re-login",
    Text.KEY_REVOKED: "account {name} does not have token with id {id}",
    Text.PASSWORD_CHANGED: "account password has changed since token issued",
    Text.PROJECT_MISSING: 'appproject.argoproj.io "{project}" not found',
    Text.PROJECT_TOKEN_REVOKED: (
        "JWT token for role '{role}' issued at '{issued_at}' does not exist in project '{project}'"
    ),
    Text.LOGIN_INVALID: "Invalid username or password",
    Text.LOGIN_ACCOUNT_DISABLED: "Account {name} is disabled",
    Text.LOGIN_CAPABILITY_MISSING: "Account {name} does not have login capability",
    Text.LOGIN_NOTHING_SUPPLIED: "no credentials supplied",
    Text.LOGIN_NAME_TOO_LONG: "Username is too long (32 bytes max)",
    Text.LOGIN_BY_TOKEN: ("token-based session creation no longer supported. please upgrade argocd cli to v0.7+"),
    Text.KEY_ID_TAKEN: (
        _NOT_UPDATED + "account already has token with id '{id}'",
        "account already has token with id '{id}'",
    ),
    Text.KEY_CAPABILITY_MISSING: (
        _NOT_UPDATED + "account '{name}' does not have apiKey capability",
        "account '{name}' does not have apiKey capability",
    ),
    Text.KEY_ID_UNKNOWN: "token with id '{id}' does not exist",
    Text.PERMISSION_DENIED: "permission denied: {request}",
    Text.NOT_IN_LIST: "[{known}] does not contain {asked}",
    Text.PASSWORD_OF_PROJECT: 'password can only be changed for local users, not user "{name}"',
    Text.PASSWORD_DOES_NOT_MATCH: "current password does not match",
    Text.PASSWORD_PATTERN: (
        "new password does not match the following expression: {pattern}",
        "New password does not match the following expression: {pattern}.",
    ),
    Text.PASSWORD_NO_ISSUE_TIME: (
        "failed to get issue time: unable to extract token claims",
        "unable to extract token claims",
    ),
    Text.PROJECT_NOT_FOUND: 'appprojects.argoproj.io "{project}" not found',
    Text.PROJECT_ROLE_MISSING: "project '{project}' does not have role '{role}'",
    Text.PROJECT_TOKEN_ID_TAKEN: ("rpc error: code = InvalidArgument desc = Token id '{id}' has been used. "),
}


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one major version."""

    version: Version

    def say(self, text: Text, **values: object) -> str:
        """That text, with its blanks filled in."""
        entry = _TABLE[text]
        words = entry if isinstance(entry, str) else entry[0 if self.version == "3" else 1]
        return words.format(**values)
