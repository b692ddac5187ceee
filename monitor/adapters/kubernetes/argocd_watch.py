"""Watches the objects in which Argo CD keeps its accounts, and says when what decides about a token may have changed.

Two reflectors an installation. Of ConfigMap argocd-cm only a digest of what decides stays here; of Secret
argocd-secret only the metadata is asked for, and its contents never come. Where that is not allowed nothing breaks:
tokens are tested at their interval.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from monitor.adapters.kubernetes.following import Following, spread
from monitor.adapters.kubernetes.reflector import Key, Reflector
from monitor.cluster import Answer, KubernetesApi
from monitor.core.argocd_objects import Part, fingerprint
from monitor.core.watching import DENIED

log = structlog.get_logger(__name__)

PLURALS = {Part.SETTINGS: "configmaps", Part.KEYS: "secrets"}

# namespace (None: the connection's own) and which of the two.
Place = tuple[str | None, Part]


@dataclass(frozen=True, slots=True)
class _Sight:
    """An object as it stands; mark None: there is none."""

    mark: str | None


class _Watched:
    """One object: who follows it, and what was last seen of it."""

    __slots__ = ("following", "namespace", "part", "reflector", "seen", "told")

    def __init__(self, place: Place) -> None:
        self.namespace, self.part = place
        self.seen: _Sight | None = None
        self.told = False
        self.reflector: Reflector[str] | None = None
        self.following: Following | None = None


class ArgoCDWatch:
    """Follows the installations that are wanted, between `start` and `close`.

    on_change(namespace, part): called in the moment in which an object is seen to be another than before, with the
    namespace as it was given. What is seen first is no change.
    """

    def __init__(
        self, api: KubernetesApi, on_change: Callable[[str | None, Part], None], chance: Callable[[], float]
    ) -> None:
        self._api = api
        self._on_change = on_change
        self._chance = chance
        self._watched: dict[Place, _Watched] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._started = False

    async def __aenter__(self) -> ArgoCDWatch:
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
        self.set_wanted(())
        while self._ending:
            await asyncio.wait(tuple(self._ending))

    def set_wanted(self, namespaces: Iterable[str | None]) -> None:
        """Makes the installations in these namespaces the ones that are followed; those that stay are not disturbed."""
        wanted = {(namespace, part): None for namespace in namespaces for part in Part}
        for place in self._watched.keys() - wanted.keys():
            following = self._watched.pop(place).following
            if following is not None and (task := following.end()) is not None:
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
        self._watched |= {place: _Watched(place) for place in wanted if place not in self._watched}
        if self._started:
            self._begin()

    def in_touch(self, namespace: str | None) -> bool:
        """Whether a change in this installation would be seen now, whichever of the two objects it is in."""
        now = self._api.clock.monotonic()
        reflectors = [watched.reflector for part in Part if (watched := self._watched.get((namespace, part)))]
        return bool(reflectors) and all(one is not None and one.in_touch(now) for one in reflectors)

    def _begin(self) -> None:
        added = [watched for watched in self._watched.values() if watched.following is None]
        for watched in added:
            watched.following = self._following(watched)
            watched.following.begin(spread(self._chance(), len(added)))

    def _following(self, watched: _Watched) -> Following:
        def begun() -> Reflector[str]:
            watched.reflector = self._reflector(watched)
            return watched.reflector

        def ended() -> None:
            watched.reflector = None
            if watched.following is not None and watched.following.why and not watched.told:
                fix = "see to the way to the Kubernetes API, or take watchArgoCD out of the target"
                self._unwatched(watched, watched.namespace, watched.following.why, fix)

        return Following(self._api, begun, ended, kind=watched.part.value, name=watched.namespace or "")

    def _reflector(self, watched: _Watched) -> Reflector[str]:
        part = watched.part
        key = Key(watched.namespace or self._api.namespace, part.value)

        def keep(found: Mapping[str, Any]) -> str | None:
            return _mark(part, found) if found["metadata"].get("name") == key.name else None

        def look() -> None:
            self._see(watched, _Sight(reflector.get(key)))

        def listed() -> None:
            watched.told = False
            look()

        reflector = Reflector(
            self._api,
            f"/api/v1/namespaces/{key.namespace}/{PLURALS[part]}",
            keep,
            self._chance,
            field_selector=f"metadata.name={key.name}",
            metadata_only=part is Part.KEYS,
            on_change=lambda _: look(),
            on_list=listed,
            on_refused=lambda answer: self._refused(watched, key, answer),
        )
        return reflector

    def _see(self, watched: _Watched, sight: _Sight) -> None:
        before, watched.seen = watched.seen, sight
        place = (watched.namespace, watched.part)
        if before is not None and before != sight and self._watched.get(place) is watched:
            log.debug("changed inside Argo CD", namespace=watched.namespace, object=watched.part.value)
            self._on_change(*place)

    def _refused(self, watched: _Watched, key: Key, answer: Answer) -> None:
        """Told once an object, until it is mended."""
        if answer.status not in DENIED or watched.told:
            return
        fix = (
            f"allow list and watch on {PLURALS[watched.part]}, resourceNames [{key.name}], as"
            " `token-monitor doctor --rbac` prints it, or take watchArgoCD out of the target"
        )
        if answer.status == 406:
            fix = "see that nothing answers in place of the Kubernetes API, or take watchArgoCD out of the target"
        self._unwatched(watched, key.namespace, answer.message or f"HTTP {answer.status}", fix)

    def _unwatched(self, watched: _Watched, namespace: str | None, problem: str, fix: str) -> None:
        watched.told = True
        log.warning(
            f"{part_words(watched.part)} of Argo CD may not be watched: what happens to a token there is seen at the"
            " next check, and no sooner",
            namespace=namespace,
            problem=problem,
            fix=fix,
        )


def part_words(part: Part) -> str:
    """`ConfigMap argocd-cm`, `Secret argocd-secret`."""
    return f"{'ConfigMap' if part is Part.SETTINGS else 'Secret'} {part.value}"


def _mark(part: Part, found: Mapping[str, Any]) -> str:
    """What is kept of an object: equal while nothing that matters changed."""
    if part is Part.KEYS:
        metadata = found["metadata"]
        return f"{metadata.get('uid', '')}/{metadata.get('resourceVersion', '')}"
    data = found.get("data")
    return fingerprint(data if isinstance(data, Mapping) else {})
