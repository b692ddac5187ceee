"""What a credential looks like before it is sent: trimmed, and refused where no server could ever take it.

Also the control: a token that must be refused, made from the real one by breaking its signature.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from monitor.core.claims import has_token_shape
from monitor.core.secret import Secret
from monitor.core.status import Status

# An API key has 400 characters; a token of an identity provider can have tens of thousands (one word a group). What
# is sent and refused is refused by Argo CD: the bound is where no server's header limit is any more.
MAX_TOKEN = 64 * 1024


@dataclass(frozen=True, slots=True)
class Unsendable:
    """A value that is not sent: its status and the cause in words."""

    status: Status
    cause: str


def inspect(raw: Secret | None, problem: str = "", *, readable: bool = True) -> Secret | Unsendable:
    """The token to send (white space around it is taken off), or why there is none to send."""
    if raw is None and not readable:
        # Nobody has looked at the token: that is "not checked yet", and no reason to page anybody about it.
        return Unsendable(Status.PENDING, problem or "the token cannot be read")
    if raw is None:
        return Unsendable(Status.MISSING, problem or "there is no token")
    value = raw.reveal().strip()
    if not value:
        return Unsendable(Status.MISSING, problem or "the token is empty")
    if len(value) > MAX_TOKEN:
        return Unsendable(
            Status.MALFORMED, f"the value has {len(value)} characters; a token has a few hundred, {MAX_TOKEN} at most"
        )
    if not value.isascii():
        return Unsendable(Status.MALFORMED, "the value has characters outside ASCII, which no token has")
    if " " in value or not value.isprintable():
        return Unsendable(
            Status.MALFORMED, "the value has spaces, line ends or control characters inside, which no token has"
        )
    return Secret(value)


def control_of(token: Secret) -> Secret:
    """`token` with a broken signature; a made-up token where there is no signature to break."""
    value = token.reveal()
    head, dot, signature = value.rpartition(".")
    if not has_token_shape(value) or not dot or len(signature) < 4:
        return Secret(f"{_segment({'alg': 'HS256', 'typ': 'JWT'})}.{_segment({'iss': 'argocd', 'sub': 'admin'})}.AAAA")
    # The first half, not the end: the last character of base64 may carry bits that nobody reads.
    middle = len(signature) // 2
    other = "A" if signature[middle] != "A" else "B"
    return Secret(f"{head}.{signature[:middle]}{other}{signature[middle + 1 :]}")


def _segment(value: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
