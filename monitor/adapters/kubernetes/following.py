"""Reflectors that run: begun spread out, begun anew after a defect, ended and waited for."""

from __future__ import annotations

import asyncio
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import structlog

from monitor.adapters.kubernetes.reflector import Reflector
from monitor.cluster import KubernetesApi

log = structlog.get_logger(__name__)

RETRY_CONFIGURATION = 10.0
AFTER_DEFECT = 60.0
# Many that begin together are spread, so that neither the API nor the requests of the checks have to wait for them.
BEGINNINGS_PER_SECOND = 200.0

Kept = TypeVar("Kept")


class Following:
    """One reflector as a task. make: a new reflector, once the API's configuration is found. ended: it is of no use now.

    why: what keeps the configuration from being found, and what to do; "" when nothing does.
    kind: what is watched, for the log; name: of the object or collection.
    """

    __slots__ = ("_api", "_ended", "_kind", "_make", "_name", "task", "why")

    def __init__(
        self,
        api: KubernetesApi,
        make: Callable[[], Reflector[Any]],
        ended: Callable[[], None],
        *,
        kind: str,
        name: str,
    ) -> None:
        self._api = api
        self._make = make
        self._ended = ended
        self._kind = kind
        self._name = name
        self.task: asyncio.Task[None] | None = None
        self.why = ""

    def begin(self, pause: float) -> None:
        """Begins after so many seconds; nothing where it has begun."""
        if self.task is None:
            self.task = asyncio.create_task(self._run(pause), name=f"watch {self._kind} {self._name}")

    def end(self) -> asyncio.Task[None] | None:
        """Ends it; the task is the caller's to wait for."""
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
        return task

    async def _run(self, pause: float) -> None:
        while True:
            await asyncio.sleep(pause)
            pause = RETRY_CONFIGURATION
            try:
                self.why = await self._api.ready() or ""
                if not self.why:
                    await self._make().run()
            except Exception as error:  # noqa: BLE001
                log.error("defect while watching", kind=self._kind, name=self._name, defect=outline(error))
                pause = AFTER_DEFECT
            self._ended()


class Followed(Generic[Kept]):
    """One place that is followed: by whom, and the reflector while it is of use."""

    __slots__ = ("following", "reflector")

    def __init__(self) -> None:
        self.reflector: Reflector[Kept] | None = None
        self.following: Following | None = None


Place = TypeVar("Place", bound=Hashable)
One = TypeVar("One", bound=Followed[Any])


class Followers(ABC, Generic[Place, One]):
    """Reflectors by the places that are wanted, one each, between `start` and `close`. chance: 0 to 1, the jitter."""

    def __init__(self, api: KubernetesApi, chance: Callable[[], float]) -> None:
        self._api = api
        self._chance = chance
        self._watched: dict[Place, One] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._started = False

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.close()

    def start(self) -> None:
        """Begins to follow what is wanted."""
        self._started = True
        self._begin()

    async def close(self) -> None:
        """Ends; waits for what ran."""
        self._started = False
        self._want(())
        while self._ending:
            await asyncio.wait(tuple(self._ending))

    @abstractmethod
    def _make(self, place: Place) -> One:
        """What is kept of a place that is new."""

    @abstractmethod
    def _reflector(self, watched: One) -> Reflector[Any]:
        """A new reflector of it, once the API's configuration is found."""

    @abstractmethod
    def _named(self, watched: One) -> tuple[str, str]:
        """Its kind and name, for the log."""

    def _unused(self, watched: One) -> None:
        """Its reflector is of no use now."""

    def _want(self, places: Iterable[Place]) -> None:
        """Makes these places the ones that are followed; those that stay are not disturbed."""
        wanted = dict.fromkeys(places)
        for place in [place for place in self._watched if place not in wanted]:
            self._end(place)
        self._watched |= {place: self._make(place) for place in wanted if place not in self._watched}
        if self._started:
            self._begin()

    def _begin(self) -> None:
        added = [watched for watched in self._watched.values() if watched.following is None]
        for watched in added:
            watched.following = self._following(watched)
            watched.following.begin(spread(self._chance(), len(added)))

    def _end(self, place: Place) -> None:
        following = self._watched.pop(place).following
        if following is not None and (task := following.end()) is not None:
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def _following(self, watched: One) -> Following:
        def begun() -> Reflector[Any]:
            watched.reflector = reflector = self._reflector(watched)
            return reflector

        def ended() -> None:
            watched.reflector = None
            self._unused(watched)

        kind, name = self._named(watched)
        return Following(self._api, begun, ended, kind=kind, name=name)


def spread(chance: float, together: int) -> float:
    """How long one of so many that begin together waits. chance: 0 to 1."""
    return chance * together / BEGINNINGS_PER_SECOND


def outline(error: Exception) -> str:
    """What kind of error, and where. No traceback: some ways to show one show the values in it, here a whole Secret."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return " < ".join((type(error).__name__, *(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames))))
