"""Watches the EndpointSlices of Services, and knows the pods that answer for each of them.

One reflector a Service, whatever number of targets it has, and of each slice only addresses and ports stay here. A
list by label cannot be limited to names, so the permission is for all EndpointSlices of the namespace. Where it lacks,
or where nothing was heard for long, nobody is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from monitor.adapters.kubernetes.following import Followed, Followers
from monitor.adapters.kubernetes.reflector import Reflector
from monitor.cluster import Answer
from monitor.core.endpoint_slices import GROUP, PLURAL, SERVICE_LABEL, Behind, Slice, behind, read_slice
from monitor.core.watching import DENIED

# Until then it is no trouble that a Service's replicas are not known yet.
BEGINNING = 30.0
# How old what is known may be: longer than a watch may be silent (`core.watching.SILENCE`) and is then begun anew, so that
# nobody stops asking meanwhile. Not much longer: an address that is no longer a replica's may be anybody's.
TRUSTED = 120.0


class Place(NamedTuple):
    """A Service. namespace: None for the connection's own."""

    namespace: str | None
    name: str


class _Watched(Followed[Slice]):
    """One Service, and why it may not be followed. heard: set once it is known, or known why it is not."""

    __slots__ = ("began", "denied", "heard", "place")

    def __init__(self, place: Place, began: float) -> None:
        super().__init__()
        self.place = place
        self.began = began
        self.denied = ""
        self.heard = asyncio.Event()


class EndpointWatch(Followers[Place, _Watched]):
    """Follows the Services that are wanted, between `start` and `close`."""

    def set_wanted(self, places: Iterable[Place]) -> None:
        """Makes these Services the ones that are followed; those that stay are not disturbed."""
        self._want(places)

    async def first_heard(self, within: float) -> None:
        """Waits until each Service is known, or why it is not, at most so many seconds. What is not known then is trouble."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                for watched in tuple(self._watched.values()):
                    await watched.heard.wait()
        for watched in self._watched.values():
            watched.began = float("-inf")

    def service(self, place: Place) -> str:
        """`NAMESPACE/NAME`."""
        return f"{place.namespace or self._api.namespace}/{place.name}"

    def look(self, place: Place, scheme: str, port: int) -> Behind:
        """Who answers for the Service now, spoken to with `scheme` on its `port`. Without asking."""
        watched = self._watched.get(place)
        if watched is None:
            return Behind((), 0)
        now = self._api.clock.monotonic()
        reflector = watched.reflector
        if reflector is None or not reflector.heard_within(TRUSTED, now):
            return Behind((), 0, self._unknown(watched, now))
        found = behind(reflector.known.values(), scheme, port)
        if not found.total and not found.problem:
            fix = "see that its pods are ready, and write server.svc as NAME.NAMESPACE where it is in another namespace"
            return Behind((), 0, f"Service {self.service(place)} has no ready replica: {fix}")
        return found

    def _unknown(self, watched: _Watched, now: float) -> str:
        said = f"the replicas of Service {self.service(watched.place)} are not known, only the Service is asked"
        if watched.denied:
            fix = f"allow list and watch on {PLURAL}.{GROUP} there, as `token-monitor doctor --rbac` prints it"
            return f"{said} ({watched.denied}): {fix}, or take everyReplica out of the target"
        if now - watched.began < BEGINNING:
            return ""
        why = watched.following.why if watched.following is not None else ""
        return (
            f"{said}{f' ({why})' if why else ''}: see that the monitor reaches the Kubernetes API"
            " (`token-monitor doctor`), or take everyReplica out of the target"
        )

    def _make(self, place: Place) -> _Watched:
        return _Watched(place, self._api.clock.monotonic())

    def _named(self, watched: _Watched) -> tuple[str, str]:
        return "replicas of Service", watched.place.name

    def _unused(self, watched: _Watched) -> None:
        watched.heard.set()

    def _reflector(self, watched: _Watched) -> Reflector[Slice]:
        def listed() -> None:
            watched.denied = ""
            watched.heard.set()

        return Reflector(
            self._api,
            f"/apis/{GROUP}/v1/namespaces/{watched.place.namespace or self._api.namespace}/{PLURAL}",
            read_slice,
            self._chance,
            label_selector=f"{SERVICE_LABEL}={watched.place.name}",
            on_list=listed,
            on_refused=lambda answer: self._refused(watched, answer),
        )

    def _refused(self, watched: _Watched, answer: Answer) -> None:
        """Said in the reports of the targets, and logged there."""
        if answer.status in DENIED:
            watched.denied = answer.message or f"HTTP {answer.status}"
            watched.heard.set()


class WatchedService:
    """One Service as the targets see it (`monitor.ports.ServiceReplicas`)."""

    __slots__ = ("_place", "_port", "_scheme", "_watch")

    def __init__(self, watch: EndpointWatch, place: Place, scheme: str, port: int) -> None:
        self._watch = watch
        self._place = place
        self._scheme = scheme
        self._port = port

    @property
    def service(self) -> str:
        """`NAMESPACE/NAME`."""
        return self._watch.service(self._place)

    def look(self) -> Behind:
        """Who answers for it now."""
        return self._watch.look(self._place, self._scheme, self._port)
