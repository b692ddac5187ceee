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


@dataclass(frozen=True, slots=True)
class Claims:
    """Hints of a token. Times are epoch seconds, None when absent or nonsense."""

    token_id: str | None = None
    subject: str | None = None
    issuer: str | None = None
    issued_at: float | None = None
    not_before: float | None = None
    expires_at: float | None = None

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
        return Claims()
    try:
        raw = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        payload: object = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        return Claims()
    if not isinstance(payload, dict):
        return Claims()
    return Claims(
        token_id=_text(payload.get("jti")),
        subject=_text(payload.get("sub")),
        issuer=_text(payload.get("iss")),
        issued_at=epoch(payload.get("iat")),
        not_before=epoch(payload.get("nbf")),
        expires_at=epoch(payload.get("exp")),
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


def _text(value: object) -> str | None:
    return printable(value, MAX_TEXT) if isinstance(value, str) and value else None
