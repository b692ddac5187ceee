"""Counts failed logins and logins under way, of one replica (util/session and server/session/ratelimiter.go).

Five failures of a name lock it until 300 s have gone by without a further *counted* failure; attempts made while
locked are refused without being counted. More than 50 logins at once are refused too. Both with the same words as a
wrong password: the client cannot tell them apart.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_FAILURES = 5
WINDOW_SECONDS = 300
MAX_AT_ONCE = 50
MAX_NAMES = 10_000


@dataclass(frozen=True, slots=True)
class Failures:
    """How often in a row a name failed, and when last."""

    count: int
    last: float


class LoginGate:
    """The counters of one replica. They live in its memory: another replica knows nothing of them."""

    def __init__(self) -> None:
        self._failures: dict[str, Failures] = {}
        self._busy_until: list[float] = []

    def is_full(self, now: float) -> bool:
        """Whether as many logins are under way as are let in at once."""
        self._busy_until = [until for until in self._busy_until if until > now]
        return len(self._busy_until) >= MAX_AT_ONCE

    def occupy(self, until: float) -> None:
        """A login takes its place until then."""
        self._busy_until.append(until)

    def is_locked(self, name: str, now: float) -> bool:
        """Whether that name is locked out."""
        failures = self._failures.get(name)
        return failures is not None and failures.count >= MAX_FAILURES and now - failures.last <= WINDOW_SECONDS

    def failed(self, name: str, now: float) -> None:
        """Counts a failure; what is older than the window is forgotten first."""
        self._forget_old(now)
        known = self._failures.pop(name, Failures(0, now))
        if len(self._failures) >= MAX_NAMES:
            del self._failures[next(iter(self._failures))]
        self._failures[name] = Failures(known.count + 1, now)

    def succeeded(self, name: str, now: float) -> None:
        """A success clears the count of its name."""
        self._forget_old(now)
        self._failures.pop(name, None)

    def failures(self, name: str) -> int:
        """The count of a name, for a test or a demo to show."""
        known = self._failures.get(name)
        return known.count if known else 0

    def _forget_old(self, now: float) -> None:
        self._failures = {
            name: failures for name, failures in self._failures.items() if now - failures.last <= WINDOW_SECONDS
        }
