"""What the monitor writes to its log, heard by the world that runs: errors are defects, and no line holds a secret."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from simulation.world import World

# Errors that the product tells by intent; every other one is a defect.
EXPECTED_ERRORS: frozenset[str] = frozenset()


class Ear(logging.Handler):
    """Hears one world: lines of structlog and of the standard library, at every level."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.DEBUG)
        self._world = world
        self.lines: list[str] = []

    def heard(self, logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """One line of structlog."""
        del logger
        words = str(event.get("event"))
        line = f"{method} {words} " + " ".join(f"{name}={value}" for name, value in event.items() if name != "event")
        self.lines.append(line)
        if method not in ("debug", "info"):
            self._world.trace.tell(f"log {line[:300]}")
        elif words == "rotation":
            self._world.trace.tell(f"log {line[:200]}")
        if method in ("exception", "critical") or (method == "error" and words not in EXPECTED_ERRORS):
            error = event.get("exc_info")
            self._world.violate(f"the log has an error: {line[:300]} {error if error is not True else _present()}")
        raise structlog.DropEvent

    def emit(self, record: logging.LogRecord) -> None:
        """One line of the standard library.

        What asyncio has to say of this world's loop is told to `World._defect`, as to every handler that a loop has. Its log
        is for loops without one: those of others in this process, whose garbage may happen to be collected now.
        """
        line = record.getMessage()
        self.lines.append(line)
        if record.levelno >= logging.WARNING and record.name != "asyncio":
            self._world.violate(f"the log has: {line[:300]}")

    def check(self) -> None:
        """No line holds a token or a password."""
        text = "\n".join(self.lines)
        for secret in self._world.secrets:
            parts = (secret, secret.rpartition(".")[2]) if secret.count(".") == 2 else (secret,)
            if any(part in text for part in parts):
                self._world.violate("a log line holds a token or a password")


def _present() -> str:
    import traceback

    return traceback.format_exc(limit=-6)


@contextmanager
def hearing(world: World) -> Iterator[Ear]:
    """Hears everything that is logged meanwhile; afterwards all is as before."""
    ear = Ear(world)
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    structlog.configure(
        processors=[ear.heard],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        cache_logger_on_first_use=False,
    )
    root.handlers[:] = [ear]
    root.setLevel(logging.DEBUG)
    try:
        yield ear
    finally:
        structlog.configure(**before)
        root.handlers[:] = handlers
        root.setLevel(level)


@contextmanager
def deaf() -> Iterator[None]:
    """Hears nothing: what the code of dead processes says when it is cleared away is of no interest."""
    before = structlog.get_config()
    structlog.configure(processors=[_drop], cache_logger_on_first_use=False)
    logging.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
        structlog.configure(**before)


def _drop(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    raise structlog.DropEvent
