"""Watches the objects in which Argo CD keeps its accounts, and says when what decides about a token may have changed.

Two reflectors an installation. Of ConfigMap argocd-cm only a digest of what decides stays here; of Secret
argocd-secret only the metadata is asked for, and its contents never come. Where that is not allowed nothing breaks:
tokens are tested at their interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from monitor.adapters.kubernetes.following import Followed, Followers
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


class _Watched(Followed[str]):
    """One object, and what was last seen of it."""

    __slots__ = ("namespace", "part", "seen", "told")

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.namespace, self.part = place
        self.seen: _Sight | None = None
        self.told = False


class ArgoCDWatch(Followers[Place, _Watched]):
    """Follows the installations that are wanted, between `start` and `close`.

    on_change(namespace, part): called in the moment in which an object is seen to be another than before, with the
    namespace as it was given. What is seen first is no change.
    """

    def __init__(
        self, api: KubernetesApi, on_change: Callable[[str | None, Part], None], chance: Callable[[], float]
    ) -> None:
        super().__init__(api, chance)
        self._on_change = on_change

    def set_wanted(self, namespaces: Iterable[str | None]) -> None:
        """Makes the installations in these namespaces the ones that are followed; those that stay are not disturbed."""
        self._want((namespace, part) for namespace in namespaces for part in Part)

    def in_touch(self, namespace: str | None) -> bool:
        """Whether a change in this installation would be seen now, whichever of the two objects it is in."""
        now = self._api.clock.monotonic()
        reflectors = [watched.reflector for part in Part if (watched := self._watched.get((namespace, part)))]
        return bool(reflectors) and all(one is not None and one.in_touch(now) for one in reflectors)

    def _make(self, place: Place) -> _Watched:
        return _Watched(place)

    def _named(self, watched: _Watched) -> tuple[str, str]:
        return watched.part.value, watched.namespace or ""

    def _unused(self, watched: _Watched) -> None:
        if watched.following is not None and watched.following.why and not watched.told:
            fix = "see to the way to the Kubernetes API, or take watchArgoCD out of the target"
            self._unwatched(watched, watched.namespace, watched.following.why, fix)

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
