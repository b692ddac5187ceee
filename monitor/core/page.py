"""The page for people: which targets it shows, in which order, and what its first line says. Values in, values out.

A target stands in one of four classes, those of the statuses with two differences: what was not checked lately counts
as "cannot tell", and an accepted token whose source or rotation is in trouble needs a person. Worst first.
`page_row` has what is shown of one target.
"""

from __future__ import annotations

import enum
import heapq
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar
from urllib.parse import urlencode

from monitor.core.report import TargetReport
from monitor.core.status import Kind, Status
from monitor.core.text import printable

MAX_TEXT = 100
# Targets looked at between two pauses, so that others get their turn.
SLICE = 200
_DIGITS = re.compile(r"\d{1,18}")
_Member = TypeVar("_Member", bound=enum.StrEnum)


class Standing(enum.StrEnum):
    """The classes of the page, worst first. The values are those of the parameter `class`."""

    REFUSED = "refused"
    UNKNOWN = "unknown"
    ATTENTION = "attention"
    ACCEPTED = "accepted"

    def words(self, count: int = 1) -> str:
        """For people: `refused`, `cannot tell`, `needs a person`, `accepted`; for several, `need a person`."""
        match self:
            case Standing.UNKNOWN:
                return "cannot tell"
            case Standing.ATTENTION:
                return "needs a person" if count == 1 else "need a person"
            case _:
                return self.value


_OF_KIND = {
    Kind.REFUSED: Standing.REFUSED,
    Kind.UNKNOWN: Standing.UNKNOWN,
    Kind.ATTENTION: Standing.ATTENTION,
    Kind.ACCEPTED: Standing.ACCEPTED,
}
_RANK = {standing: rank for rank, standing in enumerate(Standing)}


class Order(enum.StrEnum):
    """By what the targets are sorted. The values are those of the parameter `sort`; `-` before one turns it round."""

    WORST = "worst"
    NAME = "name"
    SINCE = "since"
    ACCOUNT = "account"
    EXPIRES = "expires"

    @property
    def words(self) -> str:
        """For people."""
        return _ORDERS[self]


_ORDERS = {
    Order.WORST: "worst first",
    Order.NAME: "by name",
    Order.SINCE: "latest change first",
    Order.ACCOUNT: "by account",
    Order.EXPIRES: "soonest expiry first",
}


@dataclass(frozen=True, slots=True)
class Query:
    """What a reader asked for. text: every word of it must be found. standing: only this class.

    turned: the order the other way round. live: whether the page refreshes itself.
    """

    text: str = ""
    standing: Standing | None = None
    order: Order = Order.WORST
    turned: bool = False
    page: int = 1
    live: bool = True

    @property
    def sort(self) -> str:
        """The value of the parameter `sort`."""
        return f"{'-' if self.turned else ''}{self.order}"

    @property
    def filters(self) -> bool:
        """Whether some targets may be left out."""
        return bool(self.text) or self.standing is not None

    def address(self, *, page: int = 1) -> str:
        """The relative address of this query: what is usual is left out."""
        usual = Query()
        given = {
            "q": self.text,
            "class": self.standing.value if self.standing else "",
            "sort": "" if self.sort == usual.sort else self.sort,
            "page": "" if page == 1 else str(page),
            "live": "" if self.live else "off",
        }
        return "./" + (
            f"?{urlencode(said)}" if (said := {name: value for name, value in given.items() if value}) else ""
        )

    def of_class(self, standing: Standing | None) -> str:
        """The address of the same query for another class."""
        return replace(self, standing=standing).address()

    def by(self, name: str) -> str:
        """The address of the same query in another order; in the present one, turned round."""
        order = Order(name)
        return replace(self, order=order, turned=order is self.order and not self.turned).address()

    def moving(self, *, live: bool) -> str:
        """The address of the same query with refreshing on or off."""
        return replace(self, live=live).address(page=self.page)


# The parameters that `read_query` understands.
PARAMETERS = ("q", "class", "sort", "page", "live")


def read_query(given: Mapping[str, str]) -> Query:
    """Out of the parameters of a request. What is not understood counts as not given."""
    sort = given.get("sort", "")
    page = given.get("page", "")
    return Query(
        text=printable(" ".join(given.get("q", "")[: 4 * MAX_TEXT].split()), MAX_TEXT),
        standing=_member(Standing, given.get("class", "")),
        order=_member(Order, sort.removeprefix("-")) or Order.WORST,
        turned=sort.startswith("-") and _member(Order, sort[1:]) is not None,
        page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 7 else 1,
        live=given.get("live") != "off",
    )


def standing_of(report: TargetReport, now: float) -> Standing:
    """The class in which a target stands."""
    standing = _OF_KIND[report.verdict.status.kind]
    if report.verdict.accepted is True and not report.fresh(now):
        return Standing.UNKNOWN
    if standing is Standing.ACCEPTED and _in_trouble(report):
        return Standing.ATTENTION
    return standing


def _in_trouble(report: TargetReport) -> bool:
    """Whether something beside the token needs a person."""
    rotation = report.rotation
    return bool(report.problem) or (rotation is not None and bool(rotation.problem or rotation.stood_down))


@dataclass(frozen=True, slots=True)
class Listing:
    """What one page shows. counts: of all targets. shown: on this page, in order. unseen: the matching others.

    pending: how many were not checked yet; they count as "cannot tell".
    """

    query: Query
    counts: Mapping[Standing, int]
    total: int
    pending: int
    matching: int
    page: int
    pages: int
    first: int
    shown: Sequence[tuple[Standing, TargetReport]]
    unseen: Mapping[Standing, int]

    @property
    def worst(self) -> Standing | None:
        """The worst class that any target is in; None without targets."""
        return next((standing for standing in Standing if self.counts.get(standing)), None)


def listing(
    reports: Sequence[TargetReport], now: float, query: Query, rows: int, pause: Callable[[], None] = lambda: None
) -> Listing:
    """The targets that `query` asks for, `rows` at most; `pause` is called now and then where there are many."""
    words = query.text.casefold().split()
    counts: Counter[Standing] = Counter()
    matching: Counter[Standing] = Counter()
    # Sorted in parts: one sort of ten thousand would let nobody else run until its end.
    parts: list[list[_Found]] = []
    pending = 0
    for start in range(0, len(reports), SLICE):
        part: list[_Found] = []
        for index, report in enumerate(reports[start : start + SLICE], start):
            standing = standing_of(report, now)
            counts[standing] += 1
            pending += report.verdict.status is Status.PENDING
            if query.standing in (None, standing) and (not words or _matches(report, standing, words)):
                matching[standing] += 1
                part.append((_key(report, standing, query.order), index, standing))
        part.sort(reverse=query.turned)
        parts.append(part)
        if start:
            pause()
    total = matching.total()
    pages = max(1, -(-total // rows))
    page = min(query.page, pages)
    first = (page - 1) * rows
    chosen = list(islice(heapq.merge(*parts, reverse=query.turned), first, first + rows))
    matching.subtract(standing for _, _, standing in chosen)
    return Listing(
        query=replace(query, page=page),
        counts=counts,
        total=len(reports),
        pending=pending,
        matching=total,
        page=page,
        pages=pages,
        first=first + 1 if chosen else 0,
        shown=[(standing, reports[index]) for _, index, standing in chosen],
        unseen=+matching,
    )


def headline(counts: Mapping[Standing, int], total: int, pending: int) -> str:
    """The state of all targets in a few words, worst first: `2 refused, 1 cannot tell`. The page's title has it."""
    if total == 0:
        return "no targets"
    if counts.get(Standing.ACCEPTED, 0) == total:
        return "accepted" if total == 1 else f"all {total:,} accepted"
    said = []
    for standing in (Standing.REFUSED, Standing.UNKNOWN, Standing.ATTENTION):
        count = counts.get(standing, 0)
        if standing is Standing.UNKNOWN and pending:
            said.append(f"{pending:,} not checked yet")
            count -= pending
        if count:
            said.append(f"{count:,} {standing.words(count)}")
    # What has not been looked at yet is no reason to worry before what was found.
    return ", ".join(sorted(said, key=lambda words: words.endswith("not checked yet")))


def breakdown(counts: Mapping[Standing, int]) -> str:
    """How many of each class: `3 refused, 9,497 accepted`."""
    return ", ".join(f"{counts[s]:,} {s.words(counts[s])}" for s in Standing if counts.get(s))


# Of plain values only: ten thousand nested ones would keep the garbage collector busy.
_Key = tuple[float | str, ...]
_Found = tuple[_Key, int, Standing]


def natural(name: str) -> str:
    """A key under which `t2` comes before `t10`."""
    return _DIGITS.sub(lambda digits: digits[0].zfill(18), name.casefold())


def _key(report: TargetReport, standing: Standing, order: Order) -> _Key:
    verdict, name = report.verdict, natural(report.name)
    match order:
        case Order.WORST:
            troubled = standing is not Standing.ACCEPTED
            was_refused = report.told is not None and report.told.accepted is False
            return _RANK[standing], 0.0 if was_refused else 1.0, -report.since if troubled else 0.0, name
        case Order.NAME:
            return (name,)
        case Order.SINCE:
            return -report.since, name
        case Order.ACCOUNT:
            return (verdict.account or "\uffff").casefold(), name
        case Order.EXPIRES:
            return verdict.expires_at if verdict.expires_at is not None else float("inf"), name


def _matches(report: TargetReport, standing: Standing, words: Sequence[str]) -> bool:
    verdict = report.verdict
    told = (
        report.name,
        report.server,
        verdict.status.value,
        standing.words(),
        verdict.account or "",
        verdict.cause,
        verdict.token_id or "",
        report.where,
    )
    text = "\n".join(told).casefold()
    return all(word in text for word in words)


def _member(members: type[_Member], value: str) -> _Member | None:
    return members(value) if value in members.__members__.values() else None
