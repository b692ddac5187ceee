"""What a credential looks like before it is sent: trimmed, and refused where no server could ever take it.

Also the control: a token that must be refused, made from the real one by breaking its signature.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass

from monitor.core.claims import has_token_shape
from monitor.core.secret import Secret
from monitor.core.status import Status

# An API key has 400 characters; a token of an identity provider can have tens of thousands (one word a group). What
# is sent and refused is refused by Argo CD: the bound is where no server's header limit is any more.
MAX_TOKEN = 64 * 1024
# As UTF-8 gives it, and as its bytes and those of UTF-16 read where each byte is a character.
_BYTE_ORDER_MARKS = ("\ufeff", "\u00ef\u00bb\u00bf", "\u00ff\u00fe", "\u00fe\u00ff")
_NAMED = re.compile(r"(?:export\s+)?[A-Za-z_][\w.-]*\s*[=:]\s*(?:Bearer\s+)?[\"']?eyJ", re.ASCII)
# Every token begins with `{"` in base64.
_BEGINNING = b"eyJ"


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
        cause = "the value has characters outside ASCII, which no token has"
        return Unsendable(Status.MALFORMED, cause + disguise(value))
    if " " in value or not value.isprintable():
        cause = "the value has spaces, line ends or control characters inside, which no token has"
        return Unsendable(Status.MALFORMED, cause + disguise(value))
    return Secret(value)


def disguise(value: str) -> str:
    """What is around the token, where it is one of the usual mistakes: `: it is in quotes`; "" for anything else."""
    if value.startswith(_BYTE_ORDER_MARKS) or "\0" in value:
        return ": it was saved with a byte order mark or in UTF-16"
    if value[:7].lower() == "bearer ":
        return ": it begins with the word Bearer"
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'`":
        return ": it is in quotes"
    if value.startswith("{"):
        return ": it is JSON, of which the token may be a part"
    if _NAMED.match(value):
        return ": it begins with a name, of which the token is the value"
    if _is_encoded(value):
        return ": it is a token in base64; in `data` of a Secret it is to be encoded once, in `stringData` not at all"
    return ""


def _is_encoded(value: str) -> bool:
    """Whether the value is a whole token in base64, also over several lines."""
    try:
        inner = base64.b64decode("".join(value.split()), validate=True)
    except ValueError:
        return False
    return inner.startswith(_BEGINNING) and inner.count(b".") == 2


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
