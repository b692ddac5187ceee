"""A value that never prints.

Every credential travels through the program inside `Secret`: `repr`, `str`, f-strings, logging, pickling and
JSON show `***` or refuse. Only `reveal()` gives the value, so a search for that word finds each use.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Never, final


@final
class Secret:
    """Holds one credential (token or password). Two are equal when their values are, compared in constant time."""

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """The value itself. Call it where the value leaves the process for its owner, and nowhere else."""
        return self.__value

    def fingerprint(self) -> str:
        """First 12 hex digits of the SHA-256: tells two values apart, in memory only (never shown)."""
        return hashlib.sha256(self.__value.encode("utf-8", "surrogatepass")).hexdigest()[:12]

    def __len__(self) -> int:
        return len(self.__value)

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine, theirs = self.__value, other.reveal()
        return hmac.compare_digest(mine.encode("utf-8", "surrogatepass"), theirs.encode("utf-8", "surrogatepass"))

    def __hash__(self) -> int:
        return hash(self.__value)

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "Secret(***)"

    def __reduce__(self) -> Never:
        raise TypeError("a Secret is not pickled: it would leave the process in clear text")
