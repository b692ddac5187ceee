"""Whether anything that the service wrote holds a credential, in any of the forms in which one shows."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import StringIO
from urllib.parse import quote

import structlog
from monitor.adapters import logs

# Shorter pieces are words that may stand anywhere.
SHORTEST = 12
LOGGERS = ("", "aiohttp", "asyncio", "apscheduler", "kubernetes_asyncio", "kubernetes_asyncio.client.rest", "monitor")


def forms(secret: str) -> set[str]:
    """A credential as it is, its parts between dots, and both in base64, escaped for JSON and for URLs."""
    pieces = {secret, *(part for part in secret.split(".") if len(part) >= SHORTEST)}
    found: set[str] = set()
    for piece in pieces:
        found |= {piece, json.dumps(piece)[1:-1], repr(piece)[1:-1], quote(piece), quote(piece, safe="")}
        for start in range(3):  # base64 has another look at each of three places
            encoded = base64.b64encode(b"x" * start + piece.encode()).decode()
            found |= {encoded[4:-4], encoded[4:-4].replace("+", "-").replace("/", "_")}
    return {form for form in found if len(form) >= SHORTEST}


def leaks(text: str, secrets: Iterable[str]) -> list[str]:
    """The forms that stand in `text`, each with what stands around it."""
    found = []
    for secret in secrets:
        for form in forms(secret):
            at = text.find(form)
            if at >= 0:
                found.append(f"{form!r} in …{text[max(0, at - 200) : at + len(form) + 80]}…")
    return found


class _Everything(logging.Handler):
    """Writes each record with all that it carries, as a handler of somebody else's might."""

    def __init__(self, stream: StringIO) -> None:
        super().__init__(logging.DEBUG)
        self._stream = stream
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._stream.write(f"{self.format(record)} {record.args!r} {record.__dict__!r}\n")


@contextmanager
def everything_that_is_logged() -> Iterator[StringIO]:
    """The log as the product writes it at level debug, and everything that any logger is told besides."""
    written = StringIO()
    before = {name: logging.getLogger(name).level for name in LOGGERS}
    root = logging.getLogger()
    handlers = root.handlers[:]
    logs.configure("json", "debug", written)
    root.addHandler(_Everything(written))
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        yield written
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:] = handlers
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
        structlog.reset_defaults()
