"""What happened, in order: the last lines for people, a digest of all of them to compare two runs, and what was heard.

Listeners are scenarios that act at a certain moment: "when a request to make a key arrives".
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

KEPT = 400


@dataclass(slots=True)
class Listener:
    """Acts when the `skip + 1`-th event that fits `match` happens, once."""

    match: str
    act: Callable[[], object]
    skip: int = 0
    done: bool = False


class Trace:
    """The events of one world. kept: how many of the last ones people are shown."""

    def __init__(self, now: Callable[[], float], kept: int = KEPT) -> None:
        self.lines: deque[str] = deque(maxlen=kept)
        self.count = 0
        self._now = now
        self._digest = hashlib.blake2b(digest_size=16)
        self._listeners: list[Listener] = []

    @property
    def digest(self) -> str:
        """The same for two runs where the same happened in the same order at the same times."""
        return self._digest.hexdigest()

    def tell(self, event: str) -> None:
        """Something happened."""
        line = f"{self._now():12.4f}  {event}"
        self.count += 1
        self.lines.append(line)
        self._digest.update(line.encode("utf-8", "replace"))
        if self._listeners:
            self._hear(event)

    def when(self, match: str, act: Callable[[], object], *, skip: int = 0) -> Listener:
        """Does `act` in the moment of the `skip + 1`-th event that fits the shell pattern `match`."""
        listener = Listener(match, act, skip)
        self._listeners.append(listener)
        return listener

    def _hear(self, event: str) -> None:
        for listener in tuple(self._listeners):
            if not fnmatchcase(event, listener.match):
                continue
            if listener.skip > 0:
                listener.skip -= 1
                continue
            listener.done = True
            self._listeners.remove(listener)
            listener.act()
