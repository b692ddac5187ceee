"""What is kept of a Secret that was read: the values that are wanted, and which keys there are."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.core.secret import Secret
from monitor.core.text import printable

MAX_NAMES = 10


@dataclass(frozen=True, slots=True)
class SecretData:
    """The wanted values of a Secret, in base64 as they came. Two are equal when these are.

    names: the first keys of the Secret, printable, to tell people what there is instead of what they look for.
    """

    values: Mapping[str, Secret]
    names: tuple[str, ...] = field(default=(), compare=False)

    def value(self, key: str) -> Secret | None:
        """The decoded value. Raises ValueError where it is not base64; None where there is none."""
        raw = self.values.get(key)
        if raw is None:
            return None
        try:
            return Secret(as_text(base64.b64decode(raw.reveal(), validate=True)))
        except binascii.Error:
            raise ValueError("not base64") from None  # the error would not quote it today; no need to rely on that


def as_text(raw: bytes) -> str:
    """A value as the text that it is in UTF-8: a password may have letters beyond ASCII.

    Other bytes become one character each: a token with them is called malformed by the check, not here.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def data_of(found: Mapping[str, Any], keys: Collection[str]) -> SecretData:
    """What is wanted of a Secret as the API gives it."""
    data = found.get("data")
    if not isinstance(data, Mapping):
        return SecretData({})
    names = tuple(printable(str(name), 60) for name in sorted(map(str, data))[:MAX_NAMES])
    return SecretData({key: Secret(str(data[key])) for key in keys if key in data}, names)
