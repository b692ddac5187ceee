"""Lines out of a stream that comes in pieces, bounded."""

from __future__ import annotations

from collections.abc import Iterator


class LineTooLongError(Exception):
    """A line is longer than anything that is expected here."""


class Lines:
    """Collects pieces into lines of at most `limit` bytes. Empty lines are left out."""

    __slots__ = ("_limit", "_pieces", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def unfinished(self) -> bool:
        """Whether a line was begun that has no end yet."""
        return self._size > 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that `data` completes. Raises `LineTooLongError`, after which the stream is of no use."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._keep(data[start:end])
            start = end + 1
            line = b"".join(self._pieces)
            self._pieces, self._size = [], 0
            if line.strip():
                yield line
        self._keep(data[start:])

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            raise LineTooLongError
        if piece:
            self._pieces.append(piece)
