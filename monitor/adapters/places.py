"""How many questions are put to one server at the same time, and the line of those that wait for it.

A deadline is the server's, so it begins when a question has its place. Counted from its place in the line, it calls a
server dead that has more to answer than it can; and since what got no answer is asked again, it may never come back
from that: of 1,000 targets of a server that took a second for each answer nine of ten stayed "unreachable".
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

# Seconds in the line, whatever happens meanwhile. For a server that is asked far more than it answers.
LONGEST = 600.0
# Of a line in which somebody waits longer than for an answer, people are told this often at most.
TOLD_EVERY = 600.0


class TooManyWaitError(TimeoutError):
    """The server does answer, but not this one within `LONGEST`. Nothing was sent."""


class Places:
    """The places of one server. Whoever comes first is first, in each of two lines. `monotonic` gives seconds.

    server: what it is called in the log; fix: what to do where it answers less than it is asked.
    """

    __slots__ = ("__weakref__", "_answered_at", "_fix", "_free", "_lines", "_monotonic", "_server", "_told_at")

    def __init__(self, monotonic: Callable[[], float], places: int, server: str, fix: str) -> None:
        self._monotonic = monotonic
        self._server = server
        self._fix = fix
        self._free = places
        # Those who go ahead, and the others. Nearly no server ever has any, and deques are large.
        self._lines: tuple[deque[asyncio.Future[None]], ...] = ()
        self._answered_at = float("-inf")
        self._told_at = float("-inf")

    async def take(self, patience: float, *, ahead: bool) -> None:
        """A place, as soon as there is one. ahead: before all those that do not say so, to end what was begun.

        Raises TimeoutError once the server has answered nobody for `patience` seconds of the wait, as all that were before
        in the line know by then, and TooManyWaitError.
        """
        if self._free:
            self._free -= 1
            return
        if not self._lines:
            self._lines = deque(), deque()
        mine = asyncio.get_running_loop().create_future()
        self._lines[0 if ahead else 1].append(mine)
        try:
            await self._wait(mine, patience)
        except BaseException:
            if mine.done():  # it came in the very moment in which nobody waited for it any more
                self._pass_on()
            else:
                mine.cancel()
            raise

    def give_back(self, *, answered: bool) -> None:
        """The place of a question that is over. answered: the server said something."""
        if answered:
            self._answered_at = self._monotonic()
        self._pass_on()

    async def _wait(self, mine: asyncio.Future[None], patience: float) -> None:
        began = self._monotonic()
        longest = began + LONGEST
        while not mine.done():
            now = self._monotonic()
            # Compared as moments, as they are waited for: differences round otherwise, and a wait of no time is no wait.
            given_up_at = max(began, self._answered_at) + patience
            if now >= longest:
                raise TooManyWaitError
            if now >= given_up_at:
                raise TimeoutError
            if now >= began + patience:
                self._tell(now)
            await asyncio.wait((mine,), timeout=min(given_up_at, longest) - now)

    def _tell(self, now: float) -> None:
        """Nothing else says why verdicts grow old: the server answers, so nobody calls it unreachable."""
        if now < self._told_at + TOLD_EVERY:
            return
        self._told_at = now
        log.warning(
            "a server answers less than its targets ask: they wait for their turn, and verdicts grow old",
            server=self._server,
            waiting=sum(not one.done() for line in self._lines for one in line),
            fix=self._fix,
        )

    def _pass_on(self) -> None:
        for line in self._lines:
            while line:
                next_one = line.popleft()
                if not next_one.done():
                    next_one.set_result(None)
                    return
        self._free += 1
