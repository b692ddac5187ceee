"""The page for people at `/`: out of reports and a query, through the templates, into a `Page`.

Made for a thread: with very many targets it takes a while, and `pause` gives the event loop its turn in between.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from monitor.adapters.server.pages import Page
from monitor.adapters.server.resources import Assets, load_assets, load_templates
from monitor.core.alerts import RUNBOOKS as NOWHERE
from monitor.core.discovery import Trouble
from monitor.core.moments import relative
from monitor.core.page import Listing, Order, Query, Standing, breakdown, headline, listing, read_query, standing_of
from monitor.core.page_row import BARS, MAX_NAME, Moment, Row, row
from monitor.core.report import TargetReport, rfc3339
from monitor.core.status import Kind
from monitor.core.text import printable

HTML = "text/html; charset=utf-8"
# Nothing but what this server itself sends; no inline style or script, no frame, no base, forms lead back here.
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {"Content-Security-Policy": POLICY, "Vary": "Accept, Accept-Encoding"}
FOR_EVER = "public, max-age=31536000, immutable"
# Seconds between two refreshes, also where there are more targets than this.
REFRESH, REFRESH_MANY, MANY = 10, 30, 1000
# Rows made between two pauses, and how long one lasts.
SLICE = 25
YIELD = 0.0002
NAMES_HINTED = 20
TROUBLES_SHOWN, MAX_TROUBLE = 5, 400
# The bar of all targets, and the least part of a class that has any, in its own units.
WHOLE, LEAST = 1000, 4
FALLING = frozenset({Order.WORST, Order.SINCE})
LEGEND: Mapping[Kind, str] = {
    Kind.ACCEPTED: "accepted",
    Kind.ATTENTION: "needs a person",
    Kind.UNKNOWN: "cannot tell",
    Kind.REFUSED: "refused",
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the page says beside the targets.

    ill: why the monitor itself does not work, None while it does. runbooks: the address below which the runbooks are;
    "" or the placeholder of the configuration: their files are named instead. rows: targets on one page at most.
    troubles: found targets that are not used as they stand. refused: what of the configuration cannot be used. missing: what other replicas should have told and did not.
    """

    now: float
    version: str
    ill: str | None = None
    runbooks: str = ""
    rows: int = 500
    troubles: Sequence[Trouble] = ()
    refused: Sequence[str] = ()
    missing: Sequence[str] = ()


class StatusPage:
    """Makes the page. Templates and files are read once."""

    def __init__(self) -> None:
        self.assets: Assets = load_assets()
        self._template = load_templates().get_template("page.html")
        self._addresses = self.assets.addresses()

    def asset(self, path: str, known: str) -> Page | None:
        """A file of the page; None when there is none at this path. known: the request's If-None-Match."""
        found = self.assets.find(path.removeprefix("/assets/"))
        if found is None:
            return None
        asset, exact = found
        headers = {"ETag": asset.etag, "Cache-Control": FOR_EVER if exact else "no-cache"}
        if asset.etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return Page(304, b"", asset.content_type, headers)
        return Page(200, asset.body, asset.content_type, headers)

    def all(
        self,
        reports: Sequence[TargetReport],
        given: Mapping[str, str],
        around: Surroundings,
        *,
        compressed: bool = False,
        pause: Callable[[float], None] = time.sleep,
    ) -> Page:
        """Every target that the parameters `given` ask for."""
        found = listing(reports, around.now, read_query(given), around.rows, lambda: pause(YIELD))
        shares = tuple(_shares(found))
        words = headline(found.counts, found.total, found.pending)
        html = self._render(
            around,
            found.query,
            words,
            found.worst,
            listing=found,
            headline=f"{words[:1].upper()}{words[1:]}",
            shares=shares,
            whole=shares[-1][1] + shares[-1][2] if shares else WHOLE,
            unseen=breakdown(found.unseen),
            rows=_rows(found, around.now, pause),
            refresh=(REFRESH if found.total <= MANY else REFRESH_MANY) if found.query.live else 0,
        )
        return _page(200, html, compressed=compressed)

    def one(
        self, report: TargetReport, given: Mapping[str, str], around: Surroundings, *, compressed: bool = False
    ) -> Page:
        """One target in depth."""
        standing = standing_of(report, around.now)
        shown = row(report, standing, around.now)
        query = read_query(given)
        refresh = REFRESH if query.live else 0
        html = self._render(around, query, f"{shown.name}: {shown.status}", standing, one=shown, refresh=refresh)
        return _page(200, html, compressed=compressed)

    def unknown(self, name: str, reports: Iterator[TargetReport], around: Surroundings) -> Page:
        """404, with some names that exist."""
        known = [report.name for report in islice(reports, NAMES_HINTED + 1)]
        html = self._render(
            around,
            Query(),
            "no such target",
            None,
            unknown=printable(name, MAX_NAME),
            known=known[:NAMES_HINTED],
            more=len(known) > NAMES_HINTED,
            refresh=REFRESH,
        )
        return _page(404, html, compressed=False)

    def _render(
        self, around: Surroundings, query: Query, title: str, worst: Standing | None, **changing: object
    ) -> str:
        stamp = rfc3339(around.now) or ""
        values: dict[str, object] = {
            "one": None,
            "listing": None,
            "unknown": None,
            "title": title,
            "mark": worst.value if worst else "none",
            "query": query,
            "at": Moment(stamp, f"{stamp[:10]} {stamp[11:19]} UTC", relative(around.now, around.now)),
            "ill": around.ill,
            "troubles": tuple(printable(str(trouble), MAX_TROUBLE) for trouble in around.troubles[:TROUBLES_SHOWN]),
            "troubles_total": len(around.troubles),
            "refused": tuple(printable(words, MAX_TROUBLE) for words in around.refused[:TROUBLES_SHOWN]),
            "refused_total": len(around.refused),
            "missing": tuple(printable(words, MAX_TROUBLE) for words in around.missing[:TROUBLES_SHOWN]),
            "version": around.version,
            "runbooks": "" if around.runbooks == NOWHERE else around.runbooks.rstrip("/"),
            "assets": self._addresses,
            "build": self.assets.build,
            "standings": tuple(Standing),
            "orders": tuple(Order),
            "falling": FALLING,
            "legend": tuple((kind.name.lower(), words) for kind, words in LEGEND.items()),
            "bars": {kind.name.lower(): height for kind, height in BARS.items()},
        }
        return self._template.render(values | changing)


def _rows(found: Listing, now: float, pause: Callable[[float], None]) -> Iterator[Row]:
    for index, (standing, report) in enumerate(found.shown):
        if index % SLICE == SLICE - 1:
            pause(YIELD)
        yield row(report, standing, now)


def _shares(found: Listing) -> Iterator[tuple[Standing, int, int]]:
    """How large a part each class is: where its bar begins, and how wide it is. One of ten thousand is seen too."""
    start = 0
    for standing in Standing:
        count = found.counts.get(standing, 0)
        if count:
            width = max(LEAST, round(WHOLE * count / found.total))
            yield standing, start, width
            start += width


def _page(status: int, html: str, *, compressed: bool) -> Page:
    body = html.strip().encode() + b"\n"
    if not compressed:
        return Page(status, body, HTML, HEADERS)
    # Level 1: a tenth of the size in a few milliseconds. The interpreter's lock is free meanwhile.
    return Page(status, gzip.compress(body, 1, mtime=0), HTML, {**HEADERS, "Content-Encoding": "gzip"})
