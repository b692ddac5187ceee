"""Signs and reads JWTs as the API server does: the same checks in the same order, with the same words.

The order decides which of several faults is named. Both versions first look at the issuer without checking anything
(VerifyToken), then parse again with the key. 3.x (golang-jwt v5): signature's base64, algorithm, signature, times.
2.x (v4): claims of a wrong type, algorithm, then times and signature together, and of several faults the last one is
named.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import jwt

from monitor.simulator.go_decoding import DecodingError, check_registered_claims, decode_base64, decode_object
from monitor.simulator.wording import Text, Wording

ISSUER = "argocd"
_HMAC = frozenset({"HS256", "HS384", "HS512"})
_ALGORITHMS = _HMAC | {
    "none", "EdDSA", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512",
}  # fmt: skip


class TokenRefusedError(Exception):
    """Why the token is not accepted, in the server's words."""


def claims_for(subject: str, now: int, expires_in: int, token_id: str) -> dict[str, Any]:
    """The claims of a new token, in Go's order; only a positive `expires_in` gives it an end (so -5 is for ever)."""
    claims: dict[str, Any] = {"iss": ISSUER, "sub": subject}
    if expires_in > 0:
        # Nanoseconds in 64 bits: 292 years and more come out as some other time, mostly one that is over.
        claims["exp"] = now + int(((expires_in * 10**9 + 2**63) % 2**64 - 2**63) / 10**9)
    return {**claims, "nbf": now, "iat": now, "jti": token_id}


def sign(claims: Mapping[str, Any], key: bytes) -> str:
    """The token, with the header in Go's order."""
    return jwt.encode(dict(claims), key, algorithm="HS256", sort_headers=True)


def is_jwt_shaped(token: str) -> bool:
    """jwtutil.IsValid: at least two dots. Anything else is not even looked at."""
    return token.count(".") >= 2


def read(token: str, key: bytes, now: float, wording: Wording) -> Mapping[str, Any]:
    """The claims of a token that this server signed and that is valid now; otherwise `TokenRefusedError`."""
    header, claims, signature = _unverified(token, wording)
    if claims.get("iss") != ISSUER:
        raise TokenRefusedError(wording.say(Text.SSO_NOT_CONFIGURED))
    check = _check_like_v5 if wording.version == "3" else _check_like_v4
    fault = check(_Parts(token.rpartition(".")[0], header["alg"], signature, claims), key, now, wording)
    if fault is not None:
        raise TokenRefusedError(fault)
    return claims


def number(claims: Mapping[str, Any], name: str) -> float | None:
    """A claim that is a number, else None."""
    value = claims.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


class _Parts:
    __slots__ = ("alg", "claims", "signature", "signed")

    def __init__(self, signed: str, alg: str, signature: str, claims: Mapping[str, Any]) -> None:
        self.signed, self.alg, self.signature, self.claims = signed, alg, signature, claims


@lru_cache(maxsize=1024)  # one token is read again and again, in simulations a million times
def _unverified(token: str, wording: Wording) -> tuple[Mapping[str, Any], Mapping[str, Any], str]:
    parts = token.split(".")
    if len(parts) != 3:
        raise TokenRefusedError(wording.say(Text.SEGMENTS))
    header_says = (Text.HEADER_NOT_BASE64, Text.HEADER_NOT_JSON)
    claims_say = (Text.CLAIMS_NOT_BASE64, Text.CLAIMS_NOT_JSON)
    if wording.version == "2" and parts[0].lower().startswith("bearer "):
        raise TokenRefusedError(wording.say(Text.BEARER_IN_TOKEN))
    header = _segment(parts[0], header_says, "map[string]interface {}", wording)
    if wording.version == "2":
        claims = _segment(parts[1], claims_say, "jwt.RegisteredClaims", wording, stream=True)
        try:
            check_registered_claims(claims)
        except DecodingError as error:
            raise TokenRefusedError(wording.say(Text.CLAIMS_NOT_JSON, error=error)) from None
    else:
        claims = _segment(parts[1], claims_say, "jwt.MapClaims", wording)
    if not isinstance(header.get("alg"), str):
        raise TokenRefusedError(wording.say(Text.ALG_MISSING))
    if header["alg"] not in _ALGORITHMS:
        raise TokenRefusedError(wording.say(Text.ALG_UNKNOWN))
    return MappingProxyType(header), MappingProxyType(claims), parts[2]


def _segment(
    segment: str, says: tuple[Text, Text], go_type: str, wording: Wording, *, stream: bool = False
) -> dict[str, Any]:
    not_base64, not_json = says
    try:
        data = decode_base64(segment)
    except DecodingError as error:
        raise TokenRefusedError(wording.say(not_base64, error=error)) from None
    try:
        return decode_object(data, go_type, stream=stream)
    except DecodingError as error:
        raise TokenRefusedError(wording.say(not_json, error=error)) from None


def _check_like_v5(parts: _Parts, key: bytes, now: float, wording: Wording) -> str | None:
    try:
        signature = decode_base64(parts.signature)
    except DecodingError as error:
        return wording.say(Text.SIGNATURE_NOT_BASE64, error=error)
    if parts.alg not in _HMAC:
        return wording.say(Text.ALG_UNEXPECTED, alg=parts.alg)
    if not _signed_by(parts.signed, parts.alg, signature, key):
        return wording.say(Text.SIGNATURE_INVALID)
    faults = []
    expires_at, not_before = number(parts.claims, "exp"), number(parts.claims, "nbf")
    if "exp" in parts.claims and expires_at is None:
        faults.append("invalid type for claim: exp is invalid")
    elif expires_at and now >= expires_at:  # 0 counts as absent
        faults.append(wording.say(Text.EXPIRED))
    if "nbf" in parts.claims and not_before is None:
        faults.append("invalid type for claim: nbf is invalid")
    elif not_before and now < not_before:
        faults.append(wording.say(Text.NOT_YET_VALID))
    return wording.say(Text.CLAIMS_INVALID, error=", ".join(faults)) if faults else None


def _check_like_v4(parts: _Parts, key: bytes, now: float, wording: Wording) -> str | None:
    if parts.alg not in _HMAC:
        return wording.say(Text.ALG_UNEXPECTED, alg=parts.alg)
    fault = None
    second = int(now)
    expires_at, issued_at, not_before = (number(parts.claims, name) for name in ("exp", "iat", "nbf"))
    # One that is there and no number (null, or digits in a text) is never in time.
    if (expires_at and second >= expires_at) or ("exp" in parts.claims and expires_at is None):
        fault = wording.say(Text.EXPIRED)
    if (issued_at and second < issued_at) or ("iat" in parts.claims and issued_at is None):
        fault = "Token used before issued"
    if (not_before and second < not_before) or ("nbf" in parts.claims and not_before is None):
        fault = wording.say(Text.NOT_YET_VALID)
    try:
        signature = decode_base64(parts.signature)
    except DecodingError as error:
        return wording.say(Text.SIGNATURE_NOT_BASE64, error=error)
    return fault if _signed_by(parts.signed, parts.alg, signature, key) else wording.say(Text.SIGNATURE_INVALID)


@lru_cache(maxsize=1024)
def _signed_by(signed: str, alg: str, signature: bytes, key: bytes) -> bool:
    return bool(jwt.get_algorithm_by_name(alg).verify(signed.encode(), key, signature))
