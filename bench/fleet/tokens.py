"""API keys as Argo CD makes them, one a target, all with the one signature that the stub takes for good.

A stub that verified them would cost more than what is measured.
"""

from __future__ import annotations

import base64
import json

ACCOUNT = "ci"
ISSUED_AT = 1_790_000_000
# 32 bytes, as an HMAC with SHA-256 has them.
SIGNATURE = base64.urlsafe_b64encode(b"signature that only benches like").decode().rstrip("=")


def token(number: int) -> str:
    """The API key of a target."""
    claims = {
        "iss": "argocd",
        "sub": f"{ACCOUNT}:apiKey",
        "nbf": ISSUED_AT,
        "iat": ISSUED_AT,
        "jti": f"3f0e51aa-9d0b-4c0c-8f6b-{number:012d}",
    }
    return f"{_segment({'alg': 'HS256', 'typ': 'JWT'})}.{_segment(claims)}.{SIGNATURE}"


def key_id(token: bytes) -> str:
    """The id that a token names."""
    payload = token.split(b".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))["jti"])


def _segment(value: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")
