"""What befalls requests, and when: spells of bad weather on the way to Argo CD and to the Kubernetes API.

A spell lasts from `begin` to `end` (virtual seconds), befalls each request that fits `match` with probability `chance`,
and `times` of them at most. A scenario names its spells; a seed draws them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from monitor.simulator.faults import Fault
from monitor.simulator.kubernetes.faults import Plan
from monitor.simulator.kubernetes.wire import Attributes


class Side(StrEnum):
    """To whom the requests go."""

    ARGOCD = "argocd"
    KUBERNETES = "kubernetes"


class Kind(StrEnum):
    """What happens to a request. Where no word says otherwise, on both sides."""

    REFUSED = "refused"  # no connection
    DNS = "dns"  # Argo CD: its name is not found
    HANG = "hang"  # nothing happens and nothing comes back
    LOST_REQUEST = "lost request"  # nothing happens, and the connection breaks
    LOST_ANSWER = "lost answer"  # it happens, and the connection breaks
    SILENT_ANSWER = "silent answer"  # it happens, and nothing comes back
    CUT_ANSWER = "cut answer"  # Argo CD: it happens, and half of the answer comes back
    LATE_REQUEST = "late request"  # it happens so much later, also when nobody waits any more
    LATE_ANSWER = "late answer"  # it happens now, and is answered so much later
    UNAVAILABLE = "unavailable"  # a gateway answers 503
    SERVER_ERROR = "server error"  # 500, and nothing happens
    ERROR_AFTER = "error after"  # 500, and it happens
    THROTTLED = "throttled"  # 429
    LOGIN_PAGE = "login page"  # Argo CD: the page of a single sign-on, with 200
    REDIRECT = "redirect"  # Argo CD: to such a page
    STRIPPED = "stripped"  # Argo CD: a proxy takes the credential away
    CACHING = "caching"  # Argo CD: a proxy answers everybody with the first answer
    SILENT_WATCH = "silent watch"  # Kubernetes: opened, and nothing is heard
    DROPPED_WATCH = "dropped watch"  # Kubernetes: cut after so many seconds
    STALE = "stale"  # Kubernetes: reads are served as of some writes ago (only lists: a get is of the present)


BY_A_PROXY = {
    Kind.UNAVAILABLE: Fault.UNAVAILABLE,
    Kind.SERVER_ERROR: Fault.SERVER_ERROR,
    Kind.THROTTLED: Fault.THROTTLED,
    Kind.LOGIN_PAGE: Fault.LOGIN_PAGE,
    Kind.REDIRECT: Fault.REDIRECT_302,
    Kind.STRIPPED: Fault.STRIPPED_AUTHORIZATION,
    Kind.CACHING: Fault.CACHING,
}
# To Argo CD these befall connections that are being made, whatever is to be asked on them; the others, requests.
AT_THE_DOOR = frozenset({Kind.REFUSED, Kind.DNS})
CONNECT = "connect"
WRITES = ("POST ", "DELETE ", "create ", "update ", "patch ", "delete ")
_STATUS = {Kind.UNAVAILABLE: 503, Kind.SERVER_ERROR: 500, Kind.ERROR_AFTER: 500, Kind.THROTTLED: 429}


@dataclass(slots=True)
class Spell:
    """Bad weather. match: shell pattern for `METHOD /path` (Argo CD) or `verb /path` (Kubernetes)."""

    side: Side
    kind: Kind
    begin: float = 0.0
    end: float = float("inf")
    chance: float = 1.0
    match: str = "*"
    times: int | None = None
    seconds: float = 0.0

    @property
    def hinders_reading(self) -> bool:
        """Whether it befalls more than writes."""
        return self.kind in AT_THE_DOOR or not self.match.startswith(WRITES)

    def befalls(self, now: float, what: str, rolled: random.Random) -> bool:
        """Whether this request is hit. Counts."""
        if not self.begin <= now < self.end or self.times == 0:
            return False
        if self.side is Side.ARGOCD and (self.kind in AT_THE_DOOR) is not (what == CONNECT):
            return False
        if what != CONNECT and not fnmatchcase(what, self.match):
            return False
        if self.chance < 1.0 and rolled.random() >= self.chance:
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Weather:
    """The spells of one world."""

    def __init__(self, rolled: random.Random) -> None:
        self.spells: list[Spell] = []
        self._rolled = rolled

    def add(self, spell: Spell) -> Spell:
        """One more spell."""
        self.spells.append(spell)
        return spell

    def clear_up(self) -> None:
        """From now on the sun shines."""
        self.spells.clear()

    def fair(self, side: Side, now: float) -> bool:
        """Whether nothing is in the way of those who only read on that side."""
        return not any(
            spell.side is side and spell.begin <= now < spell.end and spell.times != 0 and spell.hinders_reading
            for spell in self.spells
        )

    def has(self, side: Side, kind: Kind, now: float) -> bool:
        """Whether there is such weather on that side."""
        return any(
            spell.side is side and spell.kind is kind and spell.begin <= now < spell.end for spell in self.spells
        )

    def hit(self, side: Side, now: float, what: str) -> Spell | None:
        """What befalls this request: the first spell that does."""
        for spell in self.spells:
            if spell.side is side and spell.befalls(now, what, self._rolled):
                return spell
        return None

    def plan(self, now: float, asked: Attributes) -> Plan | None:
        """The same for the Kubernetes API, as its simulator takes it."""
        found = self.hit(Side.KUBERNETES, now, f"{asked.verb} {asked.path}")
        return None if found is None else _plan(found, asked)


def _plan(spell: Spell, asked: Attributes) -> Plan | None:
    kind, seconds = spell.kind, spell.seconds
    if kind in _STATUS:
        return Plan(status=_STATUS[kind], effect=kind is Kind.ERROR_AFTER)
    watched = asked.verb == "watch"
    plans = {
        Kind.REFUSED: Plan(refused=True),
        Kind.HANG: Plan(lost_request=True, hang=True),
        Kind.LOST_REQUEST: Plan(lost_request=True),
        Kind.LOST_ANSWER: Plan(lost_answer=True),
        Kind.SILENT_ANSWER: Plan(lost_answer=True, hang=True),
        Kind.LATE_REQUEST: Plan(request_delay=seconds),
        Kind.LATE_ANSWER: Plan(answer_delay=seconds),
        Kind.SILENT_WATCH: Plan(silent=True) if watched else None,
        Kind.DROPPED_WATCH: Plan(dropped_after=seconds) if watched else None,
        Kind.STALE: Plan(stale=3) if asked.verb == "list" else None,
    }
    return plans.get(kind)
