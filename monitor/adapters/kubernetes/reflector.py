"""Knows the objects of a collection (or the one of a name) without asking for them: lists once, then watches.

`core/watching` decides; here it is done, and what was heard is kept. Of each object only what the caller's `keep`
takes out of it stays in memory. A reflector is one task and no timer of its own, so that a process can run thousands.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

import structlog

from monitor.adapters.kubernetes.calls import seconds
from monitor.cluster import Answer, Event, KubernetesApi, NoAnswer
from monitor.core.watching import (
    SILENCE,
    Ended,
    Expired,
    Happening,
    Heard,
    List,
    Listed,
    Lost,
    Reflection,
    Refused,
    Silent,
    Watch,
    after,
    in_touch,
    next_step,
    turn_seconds,
)

log = structlog.get_logger(__name__)

# An answer is bounded (4 MiB), so long collections come in pages, which get smaller where objects are large; more pages
# than this is no collection of ours.
PAGE = 100
MAX_PAGES = 1000
LONGEST_RETRY = 3600.0
JSON = "application/json"
# With these the API leaves out everything but the metadata, and says so by the kind of what it sends.
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL, PARTIAL_LIST = "PartialObjectMetadata", "PartialObjectMetadataList"
# What is taken for the API's answer where it sent whole objects all the same: 406, as it says itself where it cannot.
UNASKED = Answer(406, {"message": "whole objects were sent where the metadata alone was asked for"})

Kept = TypeVar("Kept")


class Key(NamedTuple):
    """Which object. namespace: empty for those that have none."""

    namespace: str
    name: str


class Reflector(Generic[Kept]):
    """Keeps up with one collection, given by its path and selectors.

    keep: what stays of an object; None where nothing of it is wanted. metadata_only: nothing else is asked for, and what
    comes all the same is dropped unseen.
    on_change: called in the moment in which something else is known of an object, once `get` gives it (also: made,
    gone). on_list: called after each list. on_refused: called for each answer that refuses. chance: 0 to 1, the jitter.
    """

    __slots__ = (
        "_api",
        "_chance",
        "_heard_at",
        "_keep",
        "_kept",
        "_metadata_only",
        "_on_change",
        "_on_list",
        "_on_refused",
        "_page",
        "_path",
        "_selectors",
        "_state",
        "synced_at",
    )

    def __init__(
        self,
        api: KubernetesApi,
        path: str,
        keep: Callable[[Mapping[str, Any]], Kept | None],
        chance: Callable[[], float],
        *,
        field_selector: str = "",
        label_selector: str = "",
        metadata_only: bool = False,
        on_change: Callable[[Key], None] | None = None,
        on_list: Callable[[], None] | None = None,
        on_refused: Callable[[Answer], None] | None = None,
    ) -> None:
        self._api = api
        self._path = path
        self._keep = keep
        self._chance = chance
        self._selectors = {
            name: value
            for name, value in (("fieldSelector", field_selector), ("labelSelector", label_selector))
            if value
        }
        self._metadata_only = metadata_only
        self._on_change = on_change
        self._on_list = on_list
        self._on_refused = on_refused
        self._kept: dict[Key, Kept] = {}
        self._page = PAGE
        self._state = Reflection()
        self._heard_at = float("-inf")
        # When the whole collection was listed last, in monotonic seconds; None: never yet.
        self.synced_at: float | None = None

    def get(self, key: Key) -> Kept | None:
        """What is kept of an object. See `in_touch` for what it is worth."""
        return self._kept.get(key)

    @property
    def known(self) -> Mapping[Key, Kept]:
        """What is kept of each object, as it changes."""
        return MappingProxyType(self._kept)

    def in_touch(self, now: float) -> bool:
        """Whether what is kept may be taken for the present state: listed, watched, and heard of in the last 90 s."""
        return in_touch(self._state, self._heard_at, now)

    def heard_within(self, seconds: float, now: float) -> bool:
        """Whether what is kept was the state at some moment in the last so many seconds, in touch now or not."""
        return self.synced_at is not None and now - self._heard_at <= seconds

    async def run(self) -> None:
        """Keeps up until it is cancelled. Never ends by itself, and never raises for what the API does."""
        while True:
            step = next_step(self._state)
            await asyncio.sleep(step.wait)
            match step:
                case List():
                    self._follow(await self._list())
                case Watch(version):
                    self._follow(await self._watch(version))

    def _follow(self, happening: Happening) -> None:
        connected = self._state.connected
        self._state = after(self._state, happening, self._chance())
        if connected and not self._state.connected:
            log.debug("out of touch", path=self._path, why=type(happening).__name__, **self._selectors)

    async def _list(self) -> Happening:
        found: dict[Key, Kept] = {}
        query = dict(self._selectors)
        accept = METADATA_LIST if self._metadata_only else JSON
        for _ in range(MAX_PAGES):
            query["limit"] = str(self._page)
            answer = await self._api.request("GET", self._path, query=query, accept=accept)
            if isinstance(answer, NoAnswer) and answer.too_large and self._page > 1:
                self._page = max(1, self._page // 4)
                continue
            if isinstance(answer, NoAnswer):
                return Lost()
            if answer.status != 200:
                return self._refused(answer)
            if self._metadata_only and answer.body.get("kind") != PARTIAL_LIST:
                return self._refused(UNASKED)
            items = answer.body.get("items") or []
            version, more = _list_metadata(answer.body)
            if not version or not isinstance(items, list):
                return Lost()  # somebody else's page: nothing may follow from it, least of all that all is gone
            for item in items:
                self._collect(item, found)
            if not more:
                self._replace(found)
                return Listed(version)
            query["continue"] = more
        log.error("a collection has too many objects to be watched: narrow it by a label", path=self._path)
        return Lost()

    async def _watch(self, version: str) -> Happening:
        began = heard = self._now()
        query = {
            **self._selectors,
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(turn_seconds(self._chance())),
        }
        accept = METADATA if self._metadata_only else JSON
        events = self._api.watch(self._path, query=query, silence=SILENCE, accept=accept)
        try:
            async for item in events:
                match item:
                    case Event():
                        heard = self._now()
                        if (failed := self._take(item, heard - began)) is not None:
                            return failed
                    case Answer():
                        return self._refused(item)
                    case NoAnswer():
                        now = self._now()
                        return Silent() if now - heard >= SILENCE - 1.0 else Lost(now - began)
        finally:
            if isinstance(events, AsyncGenerator):
                await events.aclose()
        return Ended(self._now() - began)

    def _take(self, event: Event, lasted: float) -> Happening | None:
        """Applies one line of the watch. Returns what ends the watch, if the line does."""
        if event.type == "ERROR":
            code = event.object.get("code")
            return self._refused(Answer(code if isinstance(code, int) else 500, event.object), lasted)
        if self._metadata_only and event.object.get("kind") != PARTIAL:
            return self._refused(UNASKED)
        self._heard_at = self._now()
        metadata = event.object.get("metadata")
        version = metadata.get("resourceVersion") if isinstance(metadata, Mapping) else None
        self._state = after(self._state, Heard(version if isinstance(version, str) else None), 0.0)
        if event.type in ("ADDED", "MODIFIED", "DELETED") and (key := _key(event.object)) is not None:
            kept = self._kept_of(event.object) if event.type != "DELETED" else None
            if self._set(key, kept) and self._on_change is not None:
                self._on_change(key)
        return None

    def _refused(self, answer: Answer, lasted: float = 0.0) -> Happening:
        if answer.status == 410:
            return Expired(lasted)
        if self._on_refused is not None:
            self._on_refused(answer)
        details = answer.body.get("details")
        asked = details.get("retryAfterSeconds") if isinstance(details, Mapping) else None
        return Refused(answer.status, seconds(asked, LONGEST_RETRY) or 0.0)

    def _collect(self, item: object, found: dict[Key, Kept]) -> None:
        if not isinstance(item, Mapping) or (key := _key(item)) is None:
            return
        kept = self._kept_of(item)
        if kept is not None:
            found[key] = kept

    def _kept_of(self, found: Mapping[str, Any]) -> Kept | None:
        return self._keep({"metadata": found["metadata"]} if self._metadata_only else found)

    def _replace(self, found: dict[Key, Kept]) -> None:
        self._heard_at = self.synced_at = self._now()
        gone = [key for key in self._kept if key not in found]
        changed = [key for key in gone if self._set(key, None)]
        changed += [key for key, kept in found.items() if self._set(key, kept)]
        if self._on_change is not None:
            for key in changed:
                self._on_change(key)
        if self._on_list is not None:
            self._on_list()

    def _set(self, key: Key, kept: Kept | None) -> bool:
        """Remembers; whether that is news. The newer one is kept in any case: equality may leave parts out."""
        before = self._kept.pop(key, None)
        if kept is not None:
            self._kept[key] = kept
        return before != kept

    def _now(self) -> float:
        return self._api.clock.monotonic()


def _list_metadata(body: Mapping[str, Any]) -> tuple[str, str]:
    """Version of a list, and where it goes on; empty where there is none."""
    metadata = body.get("metadata")
    if not isinstance(metadata, Mapping):
        return "", ""
    version, more = metadata.get("resourceVersion"), metadata.get("continue")
    return version if isinstance(version, str) else "", more if isinstance(more, str) else ""


def _key(found: Mapping[str, Any]) -> Key | None:
    metadata = found.get("metadata")
    if not isinstance(metadata, Mapping):
        return None
    namespace, name = metadata.get("namespace", ""), metadata.get("name")
    return Key(str(namespace), name) if isinstance(name, str) and name else None
