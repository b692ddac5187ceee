"""What can happen to a request between a client and the API, and what a server with a problem of its own says.

Each lever is set for a verb and a path (shell patterns, `*` by default) and counts: `times` requests after the first
`skip` that fit; times None lasts until `clear`. `plan` says what befalls one request; carrying it out is `front`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from monitor.simulator.kubernetes.wire import Attributes


class Kind(StrEnum):
    """What befalls a request."""

    REFUSED = "refused"  # no connection: nothing was sent
    LOST_REQUEST = "lost request"  # nothing happens, and there is no answer
    LOST_ANSWER = "lost answer"  # it happens, and there is no answer
    STATUS = "status"  # the server answers with a fault of its own
    LATE_REQUEST = "late request"  # it arrives later, even when nobody waits any more
    LATE_ANSWER = "late answer"  # it happens now and is answered later
    STALE = "stale"  # a read is served from an older version
    SILENT_WATCH = "silent watch"  # opened, and then nothing
    DROPPED_WATCH = "dropped watch"  # opened, and cut after so many seconds


@dataclass(slots=True)
class Lever:
    """One fault that is set. `hits` counts what it has befallen."""

    kind: Kind
    verb: str = "*"
    path: str = "*"
    user: str = "*"
    times: int | None = 1
    skip: int = 0
    seconds: float = 0.0
    status: int = 0
    effect: bool = False
    hang: bool = False
    versions: int = 0
    hits: int = 0

    def takes(self, asked: Attributes) -> bool:
        """Whether it befalls this request; counts."""
        if not (matches(asked.verb, self.verb) and matches(asked.path, self.path) and matches(asked.user, self.user)):
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.hits += 1
        return True


@dataclass(frozen=True, slots=True)
class Plan:
    """What befalls one request. hang: a lost one is not cut but never answered.

    status: answered instead; with `effect` it happens all the same. stale: so many versions behind. dropped_after:
    seconds until its watch is cut.
    """

    refused: bool = False
    lost_request: bool = False
    lost_answer: bool = False
    hang: bool = False
    status: int = 0
    effect: bool = False
    request_delay: float = 0.0
    answer_delay: float = 0.0
    stale: int = 0
    silent: bool = False
    dropped_after: float | None = None


class Faults:
    """The faults that are set. `decide`, where given, is asked first: a seeded chance for simulations."""

    def __init__(self) -> None:
        self.levers: list[Lever] = []
        self.decide: Callable[[Attributes], Plan | None] | None = None

    def refuse(
        self, verb: str = "*", path: str = "*", *, user: str = "*", times: int | None = 1, skip: int = 0
    ) -> Lever:
        """Connections are refused."""
        return self.add(Lever(Kind.REFUSED, verb, path, user, times, skip))

    def lose_requests(
        self,
        verb: str = "*",
        path: str = "*",
        *,
        user: str = "*",
        times: int | None = 1,
        skip: int = 0,
        hang: bool = False,
    ) -> Lever:
        """Requests get lost: nothing happens, and nobody knows. hang: until the client's deadline."""
        return self.add(Lever(Kind.LOST_REQUEST, verb, path, user, times, skip, hang=hang))

    def lose_answers(
        self,
        verb: str = "*",
        path: str = "*",
        *,
        user: str = "*",
        times: int | None = 1,
        skip: int = 0,
        hang: bool = False,
    ) -> Lever:
        """Answers get lost: it happens, and nobody knows. hang: until the client's deadline."""
        return self.add(Lever(Kind.LOST_ANSWER, verb, path, user, times, skip, hang=hang))

    def answer(
        self,
        status: int,
        verb: str = "*",
        path: str = "*",
        *,
        user: str = "*",
        times: int | None = 1,
        skip: int = 0,
        effect: bool = False,
    ) -> Lever:
        """The server answers 429, 500, 503, 504, 410 ... effect: what was asked happens all the same."""
        return self.add(Lever(Kind.STATUS, verb, path, user, times, skip, status=status, effect=effect))

    def delay_requests(
        self, seconds: float, verb: str = "*", path: str = "*", *, user: str = "*", times: int | None = 1, skip: int = 0
    ) -> Lever:
        """Requests arrive so much later; one that its client gave up arrives, too."""
        return self.add(Lever(Kind.LATE_REQUEST, verb, path, user, times, skip, seconds))

    def delay_answers(
        self, seconds: float, verb: str = "*", path: str = "*", *, user: str = "*", times: int | None = 1, skip: int = 0
    ) -> Lever:
        """What was asked happens now; the answer comes so much later."""
        return self.add(Lever(Kind.LATE_ANSWER, verb, path, user, times, skip, seconds))

    def stale_reads(
        self, versions: int, verb: str = "*", path: str = "*", *, user: str = "*", times: int | None = 1, skip: int = 0
    ) -> Lever:
        """Gets and lists are served as of so many versions (writes to anything) ago."""
        return self.add(Lever(Kind.STALE, verb, path, user, times, skip, versions=versions))

    def silent_watches(self, path: str = "*", *, user: str = "*", times: int | None = 1, skip: int = 0) -> Lever:
        """Watches that are opened stay silent: no event, no bookmark, no end."""
        return self.add(Lever(Kind.SILENT_WATCH, "watch", path, user, times, skip))

    def dropped_watches(
        self, seconds: float, path: str = "*", *, user: str = "*", times: int | None = 1, skip: int = 0
    ) -> Lever:
        """Watches that are opened are cut after so many seconds."""
        return self.add(Lever(Kind.DROPPED_WATCH, "watch", path, user, times, skip, seconds))

    def add(self, lever: Lever) -> Lever:
        """Sets a fault; the returned lever counts its `hits`."""
        self.levers.append(lever)
        return lever

    def clear(self) -> None:
        """No fault is left."""
        self.levers.clear()
        self.decide = None

    def plan(self, asked: Attributes) -> Plan:
        """What befalls this request. Counts it."""
        if self.decide is not None and (decided := self.decide(asked)) is not None:
            return decided
        if not self.levers:
            return _NOTHING
        taken = [lever for lever in self.levers if lever.takes(asked)]
        self.levers = [lever for lever in self.levers if lever.times is None or lever.hits < lever.times]
        kinds = {lever.kind for lever in taken}
        status = next((lever for lever in taken if lever.kind is Kind.STATUS), None)
        drops = [lever.seconds for lever in taken if lever.kind is Kind.DROPPED_WATCH]
        return Plan(
            refused=Kind.REFUSED in kinds,
            lost_request=Kind.LOST_REQUEST in kinds,
            lost_answer=Kind.LOST_ANSWER in kinds,
            hang=any(lever.hang for lever in taken),
            status=status.status if status is not None else 0,
            effect=status is not None and status.effect,
            request_delay=sum(lever.seconds for lever in taken if lever.kind is Kind.LATE_REQUEST),
            answer_delay=sum(lever.seconds for lever in taken if lever.kind is Kind.LATE_ANSWER),
            stale=max((lever.versions for lever in taken), default=0),
            silent=Kind.SILENT_WATCH in kinds,
            dropped_after=min(drops, default=None),
        )


_NOTHING = Plan()


def matches(value: str, pattern: str) -> bool:
    """Shell patterns, case counts; `*` fits everything."""
    return pattern == "*" or fnmatchcase(value, pattern)
