"""What a token says of itself, read without trusting it.

Hints only: nobody has verified the signature here, so a hint may choose which account is asked about or word a
cause, and never decides whether a token is accepted. Any nonsense is survived: the answer is then `Claims()`.
Shape of the claims: facts of `argocd/README.md` (iss=argocd, sub=NAME:apiKey | NAME:login | NAME | proj:P:R).
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from dataclasses import dataclass

from monitor.core.text import printable

MAX_PAYLOAD_CHARS = 16 * 1024
MAX_TEXT = 200
# Go's time.Time and int64 seconds are far wider; year 9999 is what our own dates can carry.
MAX_EPOCH = 253_402_300_799
ARGOCD_ISSUER = "argocd"
# Characters of a signature (RFC 7518, 3.2: as many bits as the hash has).
_SIGNATURE_LENGTHS = {"HS256": 43, "HS384": 64, "HS512": 86}


@dataclass(frozen=True, slots=True)
class Claims:
    """Hints of a token. Times are epoch seconds, None when absent or nonsense.

    token_id: fit to be shown. exact_id: as the token has it, where that is another text; what lists are searched for.
    unreadable: header or claims are no JSON objects. signature_off: characters that the signature is too long (too
    short: below 0) for its algorithm; 0 as well where that is not known.
    """

    token_id: str | None = None
    subject: str | None = None
    issuer: str | None = None
    issued_at: float | None = None
    not_before: float | None = None
    expires_at: float | None = None
    exact_id: str | None = None
    unreadable: bool = False
    signature_off: int = 0

    @property
    def key_id(self) -> str | None:
        """The id of the key exactly as its account lists it."""
        return self.exact_id or self.token_id

    @property
    def is_project_role(self) -> bool:
        """Whether the subject is `proj:PROJECT:ROLE` (rbacpolicy.GetProjectRoleFromSubject in Argo CD)."""
        parts = (self.subject or "").split(":")
        return len(parts) == 3 and parts[0] == "proj"

    @property
    def account(self) -> str | None:
        """The account that the token claims to belong to; None for project roles and for no subject."""
        if not self.subject or self.is_project_role:
            return None
        return self.subject.split(":", 1)[0] or None

    @property
    def capability(self) -> str:
        """`apiKey` or `login`; the old style without a capability counts as `apiKey` (sessionmanager.go)."""
        parts = (self.subject or "").split(":")
        return "login" if len(parts) > 1 and parts[1] == "login" else "apiKey"


def has_token_shape(token: str) -> bool:
    """Whether Argo CD takes the value for a token at all: three parts between dots (util/jwt IsValid)."""
    return len(token.split(".", 2)) == 3


def read_claims(token: str) -> Claims:
    """Reads the payload of `token`. Never raises for the token's content."""
    parts = token.split(".")
    if len(parts) != 3 or len(parts[1]) > MAX_PAYLOAD_CHARS:
        return Claims(unreadable=True)
    header, payload = _json_object(parts[0]), _json_object(parts[1])
    if payload is None:
        return Claims(unreadable=True)
    token_id, exact_id = _text(payload.get("jti")), payload.get("jti")
    algorithm = header.get("alg") if header is not None else None
    expected = _SIGNATURE_LENGTHS.get(algorithm) if isinstance(algorithm, str) else None
    return Claims(
        token_id=token_id,
        subject=_text(payload.get("sub")),
        issuer=_text(payload.get("iss")),
        issued_at=epoch(payload.get("iat")),
        not_before=epoch(payload.get("nbf")),
        expires_at=epoch(payload.get("exp")),
        exact_id=exact_id if isinstance(exact_id, str) and exact_id != token_id else None,
        unreadable=header is None,
        signature_off=len(parts[2]) - expected if expected is not None else 0,
    )


def epoch(value: object) -> float | None:
    """A moment in epoch seconds from a JSON number or a string of digits (int64 comes as both), else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        value = int(value)
    if not isinstance(value, int | float):
        return None
    # An int of thousands of digits does not fit a float: compare before converting.
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return float(value) if 0 < value <= MAX_EPOCH else None


def _json_object(part: str) -> dict[str, object] | None:
    if len(part) > MAX_PAYLOAD_CHARS:
        return None
    try:
        found: object = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _text(value: object) -> str | None:
    return printable(value, MAX_TEXT) if isinstance(value, str) and value else None
