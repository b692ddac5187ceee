"""Watches the Secrets that targets use, each by its name, and says when the data of one is another than it was.

One reflector a Secret: to list and watch one by its name can be allowed by `resourceNames`, a whole namespace need
not be opened. Where that is not allowed nothing breaks: Secrets are then read at each check (`SecretReader`), which
tells here what it saw. Only the wanted keys stay in memory; labels, annotations and other keys changing is no change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from monitor.adapters.kubernetes.following import Followed, Followers
from monitor.adapters.kubernetes.reflector import Key, Reflector
from monitor.adapters.kubernetes.secret_data import SecretData, data_of
from monitor.cluster import Answer, KubernetesApi
from monitor.core.watching import DENIED

log = structlog.get_logger(__name__)

MAX_NAMES_SHOWN = 10

# namespace (None: the connection's own) and name.
Place = tuple[str | None, str]


@dataclass(frozen=True, slots=True)
class Sight:
    """A Secret as it stands; data None: there is none of this name."""

    data: SecretData | None


@dataclass(frozen=True, slots=True)
class WatchedCount:
    """How many Secrets are to be watched, and of how many the present state is known."""

    wanted: int
    in_touch: int


class _Watched(Followed[SecretData]):
    """One Secret, and what was last seen of it, by whatever way."""

    __slots__ = ("key", "keys", "place", "seen")

    def __init__(self, place: Place, keys: frozenset[str]) -> None:
        super().__init__()
        self.place = place
        self.keys = keys
        self.key = Key("", place[1])  # its namespace is known once the connection is ready
        self.seen: Sight | None = None


class SecretWatch(Followers[Place, _Watched]):
    """Follows the wanted Secrets between `start` and `close`.

    on_change(namespace, name): called in the moment in which the data of a wanted Secret is seen to be another than
    before (also: made, deleted), with the namespace as it was given. What is seen first is no change.
    """

    def __init__(
        self, api: KubernetesApi, on_change: Callable[[str | None, str], None], chance: Callable[[], float]
    ) -> None:
        super().__init__(api, chance)
        self._on_change = on_change
        self._keys: dict[Place, frozenset[str]] = {}
        self._denied: dict[str, set[str]] = {}

    def set_wanted(self, wanted: Iterable[tuple[str | None, str, str]]) -> None:
        """Makes these (namespace, name, key) the ones that are followed; those that stay are not disturbed."""
        keys: dict[Place, set[str]] = {}
        for namespace, name, key in wanted:
            keys.setdefault((namespace, name), set()).add(key)
        self._keys = {place: frozenset(names) for place, names in keys.items()}
        for place, watched in tuple(self._watched.items()):
            if watched.keys != self._keys.get(place):
                self._end(place)
        self._want(self._keys)

    def look(self, place: Place) -> Sight | None:
        """The Secret as it stands, without asking; None where that is not known now."""
        watched = self._watched.get(place)
        reflector = watched.reflector if watched is not None else None
        if watched is None or reflector is None or not reflector.in_touch(self._api.clock.monotonic()):
            return None
        return Sight(reflector.get(watched.key))

    def noticed(self, place: Place, found: Mapping[str, Any] | None) -> None:
        """A Secret was read (None: there is none), because `look` did not know. It may know better by now."""
        watched = self._watched.get(place)
        if watched is not None and self.look(place) is None:
            self._see(watched, Sight(None if found is None else data_of(found, watched.keys)))

    def count(self) -> WatchedCount:
        """For metrics and `doctor`."""
        now = self._api.clock.monotonic()
        reflectors = [watched.reflector for watched in self._watched.values()]
        return WatchedCount(len(reflectors), sum(r is not None and r.in_touch(now) for r in reflectors))

    def _make(self, place: Place) -> _Watched:
        return _Watched(place, self._keys[place])

    def _named(self, watched: _Watched) -> tuple[str, str]:
        return "secret", watched.place[1]

    def _end(self, place: Place) -> None:
        self._allowed(self._watched[place])
        super()._end(place)

    def _reflector(self, watched: _Watched) -> Reflector[SecretData]:
        key = watched.key = Key(watched.place[0] or self._api.namespace, watched.place[1])

        def keep(found: Mapping[str, Any]) -> SecretData | None:
            named = found.get("metadata", {}).get("name") == key.name
            return data_of(found, watched.keys) if named else None

        def look() -> None:
            self._see(watched, Sight(reflector.get(key)))

        def listed() -> None:
            self._allowed(watched)
            look()

        reflector = Reflector(
            self._api,
            f"/api/v1/namespaces/{key.namespace}/secrets",
            keep,
            self._chance,
            field_selector=f"metadata.name={key.name}",
            on_change=lambda _: look(),
            on_list=listed,
            on_refused=lambda answer: self._refused(watched, answer),
        )
        return reflector

    def _see(self, watched: _Watched, sight: Sight) -> None:
        before, watched.seen = watched.seen, sight
        if before is not None and before != sight and self._watched.get(watched.place) is watched:
            self._on_change(*watched.place)

    def _allowed(self, watched: _Watched) -> None:
        self._denied.get(watched.key.namespace, set()).discard(watched.key.name)

    def _refused(self, watched: _Watched, answer: Answer) -> None:
        """Told once a namespace, until all of it is mended: one rule allows all of its Secrets."""
        if answer.status not in DENIED:
            return
        denied = self._denied.setdefault(watched.key.namespace, set())
        told = bool(denied)
        denied.add(watched.key.name)
        if told:
            return
        names = sorted(
            {name for place, name in self._watched if (place or self._api.namespace) == watched.key.namespace}
        )
        shown = ", ".join(names[:MAX_NAMES_SHOWN]) + (", …" if len(names) > MAX_NAMES_SHOWN else "")
        log.warning(
            "Secrets may not be watched: they are read at each check, so a change is seen no sooner than that",
            namespace=watched.key.namespace,
            problem=answer.message or f"HTTP {answer.status}",
            fix=f"give the monitor's service account the verbs get, list, watch on secrets, resourceNames [{shown}]",
        )
