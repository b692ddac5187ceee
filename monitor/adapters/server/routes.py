"""Which page a request gets. Only GET and HEAD, and nothing that changes anything.

`/` is a page for browsers and a text for everybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from monitor.adapters.server import pages
from monitor.adapters.server.limits import Limits
from monitor.adapters.server.pages import Page
from monitor.adapters.server.status_page import StatusPage, Surroundings
from monitor.core.discovery import Trouble
from monitor.core.exchange import Speaker
from monitor.core.report import TargetReport
from monitor.core.whole import Whole
from monitor.metrics import CONTENT_TYPE, snapshot

log = structlog.get_logger(__name__)

METHODS = ("GET", "HEAD")
ASSETS = "/assets/"
SHARD = "/shard"
ONE_TARGET = "Give `target` once, or not at all for every target."


async def _nobody() -> None:
    """There are no other replicas."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the pages' content comes from.

    report: one target, None when there is none of that name. metrics: the text of a scrape.
    alive: why the dispatcher does not work, None while it does. ready: whether the first targets are being checked.
    runbooks: the address below which the runbooks are, for links to them; "": none, so their files are named.
    troubles: found targets that are not used as they stand. refused: what of the configuration cannot be used as it is now.
    ask: called before a page of all targets, so that other replicas can be asked. whole: who checks how much, None where
    nothing is shared. own: the answer to another replica, None where nothing is shared.
    """

    reports: Callable[[], Iterable[TargetReport]]
    report: Callable[[str], TargetReport | None]
    metrics: Callable[[], Awaitable[bytes]]
    alive: Callable[[], str | None]
    ready: Callable[[], bool]
    now: Callable[[], float]
    version: str
    runbooks: str = ""
    troubles: Callable[[], Sequence[Trouble]] = tuple
    refused: Callable[[], Sequence[str]] = tuple
    ask: Callable[[], Awaitable[None]] = _nobody
    whole: Callable[[], Whole | None] = lambda: None
    own: Callable[[], tuple[Speaker, Callable[[], Iterable[TargetReport]]] | None] = lambda: None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as pages depend on it.

    targets: every value of the parameter `target`. given: the parameters of the page for people. encodings: of
    Accept-Encoding. known: the versions that the client has (If-None-Match).
    """

    method: str
    path: str
    targets: Sequence[str] = ()
    verbose: bool = False
    accept: str = ""
    encodings: str = ""
    known: str = ""
    given: Mapping[str, str] = field(default_factory=dict)


class Routes:
    """Answers requests. Probes are always answered; the rest, within `limits.requests` at the same time."""

    def __init__(self, sources: Sources, limits: Limits) -> None:
        self._sources = sources
        self._limits = limits
        self._renderings = asyncio.Semaphore(limits.renderings)
        self._at_work = 0
        self._for_people = StatusPage()
        self._probes: Mapping[str, Callable[[Asked], Page]] = {
            "/livez": self._livez,
            "/readyz": self._readyz,
        }
        self._pages: Mapping[str, Callable[[Asked], Awaitable[Page]]] = {
            "/": self._people,
            "/healthz": self._healthz,
            "/status": self._status,
            "/metrics": self._metrics,
        }
        # For other replicas, where targets are shared.
        self._hidden: Mapping[str, Callable[[Asked], Awaitable[Page]]] = {SHARD: self._shard}

    async def answer(self, asked: Asked) -> Page:
        """The page for `asked`, within the deadline. Never raises for what was asked."""
        try:
            async with asyncio.timeout(self._limits.request):
                return await self._page(asked)
        except TimeoutError:
            log.warning("a page took too long", path=asked.path, seconds=self._limits.request)
            return pages.text(503, "This took too long. Try again later.", retry_after="5")
        except Exception:
            log.exception("a page could not be made", path=asked.path)
            return pages.text(500, "Internal error: see the monitor's log.")

    async def _page(self, asked: Asked) -> Page:
        probe = self._probes.get(asked.path)
        page = self._pages.get(asked.path) or self._hidden.get(asked.path)
        if asked.path == "/" and not pages.wants_html(asked.accept):
            probe = _index
        if asked.path.startswith(ASSETS):
            probe = self._asset
        if probe is None and page is None:
            return self._no_such_page()
        if asked.method not in METHODS:
            return pages.text(405, "Only GET and HEAD: nothing here changes anything.", allow=", ".join(METHODS))
        if probe is not None:
            return probe(asked)
        if page is None or self._at_work >= self._limits.requests:
            return pages.text(503, "Too many requests at the same time. Try again later.", retry_after="1")
        self._at_work += 1
        try:
            return await page(asked)
        finally:
            self._at_work -= 1

    def _livez(self, asked: Asked) -> Page:
        return pages.probe("livez", [("loop", None), ("dispatcher", self._sources.alive())], verbose=asked.verbose)

    def _readyz(self, asked: Asked) -> Page:
        reason = None if self._sources.ready() else "not ready yet: starting"
        return pages.probe("readyz", [("started", reason)], verbose=asked.verbose)

    def _asset(self, asked: Asked) -> Page:
        return self._for_people.asset(asked.path, asked.known) or self._no_such_page()

    def _no_such_page(self) -> Page:
        return pages.text(404, f"No such page. There are: {' '.join((*self._probes, *self._pages))}")

    async def _people(self, asked: Asked) -> Page:
        await self._sources.ask()
        whole = self._sources.whole()
        around = Surroundings(
            now=self._sources.now(),
            version=self._sources.version,
            ill=self._sources.alive(),
            runbooks=self._sources.runbooks,
            rows=self._limits.rows,
            troubles=self._sources.troubles(),
            refused=self._sources.refused(),
            missing=whole.missing if whole is not None else (),
        )
        compressed = pages.takes_gzip(asked.encodings)
        match asked.targets:
            case []:
                reports = await snapshot(self._sources.reports)
                async with self._renderings:
                    return await asyncio.to_thread(
                        self._for_people.all, reports, asked.given, around, compressed=compressed
                    )
            case [name]:
                report = self._sources.report(name)
                if report is None:
                    return self._for_people.unknown(name, iter(self._sources.reports()), around)
                return self._for_people.one(report, asked.given, around, compressed=compressed)
            case _:
                return pages.text(400, ONE_TARGET)

    async def _healthz(self, asked: Asked) -> Page:
        chosen = await self._chosen(asked)
        if isinstance(chosen, Page):
            return chosen
        as_json = pages.wants_health_json(asked.accept)
        async with self._renderings:
            return await asyncio.to_thread(
                pages.health,
                chosen,
                self._sources.now(),
                self._sources.version,
                as_json=as_json,
                lines=self._limits.lines,
            )

    async def _status(self, asked: Asked) -> Page:
        chosen = await self._chosen(asked)
        if isinstance(chosen, Page):
            return chosen
        troubles = None if asked.targets else self._sources.troubles()
        whole = None if asked.targets else self._sources.whole()
        refused = self._sources.refused()
        async with self._renderings:
            return await asyncio.to_thread(
                pages.status_in_thread, chosen, self._sources.now(), self._sources.version, troubles, whole, refused
            )

    async def _shard(self, asked: Asked) -> Page:
        own = self._sources.own()
        if own is None:
            return pages.text(404, "This replica shares its targets with nobody.")
        speaker, reports = own
        taken = await snapshot(reports)
        async with self._renderings:
            return await asyncio.to_thread(pages.shard_in_thread, taken, speaker)

    async def _metrics(self, asked: Asked) -> Page:
        return Page(200, await self._sources.metrics(), CONTENT_TYPE)

    async def _chosen(self, asked: Asked) -> Sequence[TargetReport] | Page:
        """The targets that were asked about, or why that cannot be answered."""
        await self._sources.ask()
        match asked.targets:
            case []:
                return await snapshot(self._sources.reports)
            case [name]:
                report = self._sources.report(name)
                return pages.unknown_target(name, self._sources.reports()) if report is None else (report,)
            case _:
                return pages.text(400, ONE_TARGET)


def _index(asked: Asked) -> Page:
    return pages.index()
