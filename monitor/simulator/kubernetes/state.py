"""The state of a simulated cluster: objects, their history, who may do what, and the levers. No sockets, no sleep.

An object is a plain dict that is replaced and never changed, so that history and watches share it. Each write takes
the next resourceVersion of one counter for everything, as etcd does. Time and randomness come from outside, so a run
can be repeated.
"""

from __future__ import annotations

import random
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from monitor.ports import Clock
from monitor.simulator.kubernetes.access import Access
from monitor.simulator.kubernetes.faults import Faults, matches
from monitor.simulator.kubernetes.wire import Object

if TYPE_CHECKING:
    from monitor.simulator.kubernetes.watches import Watch

HISTORY = 10_000
LOG = 10_000
NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Where an object is kept. One store serves all versions of a group."""

    group: str
    plural: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Change:
    """One write. before is None for a creation, after for a deletion (then `before` is as it was)."""

    version: int
    key: Key
    before: Object | None = field(repr=False)
    after: Object | None = field(repr=False)


@dataclass(slots=True)
class Recorded:
    """One request as the log has it. status 0: it was not answered."""

    at: float
    user: str
    verb: str
    path: str
    manager: str = ""
    status: int = 0


class ClusterState:
    """One cluster. `verbs.handle` answers from it; `kubectl` and `controllers` change it as people and controllers do."""

    def __init__(self, clock: Clock, *, seed: int = 0, first_version: int = 1000) -> None:
        self.clock = clock
        self.access = Access()
        self.faults = Faults()
        self.requests: deque[Recorded] = deque(maxlen=LOG)
        self.version = first_version
        self.compacted = first_version
        self.gone_as_status = False  # a watch from a compacted version: HTTP 410 instead of an event in a stream
        self.bookmark_seconds = 60.0
        self.random = random.Random(seed)  # noqa: S311 - repeatable on purpose; it protects nothing
        self._objects: dict[Key, Object] = {}
        self._history: deque[Change] = deque()
        self._watches: list[Watch] = []
        self._away_until = float("-inf")

    # --- objects ---------------------------------------------------------------------------------------------------

    def get(self, key: Key, *, at: int | None = None) -> Object | None:
        """The object; at: as it was at that version."""
        if at is not None:
            for change in self._history:
                if change.version > at and change.key == key:
                    return change.before
        return self._objects.get(key)

    def all(self, group: str, plural: str, namespace: str = "", *, at: int | None = None) -> list[Object]:
        """The objects of a resource in order of namespace and name. namespace "": everywhere."""
        objects = self._objects
        if at is not None:
            objects = dict(objects)
            for change in reversed(self._history):
                if change.version <= at:
                    break
                if change.before is None:
                    objects.pop(change.key, None)
                else:
                    objects[change.key] = change.before
        wanted = (
            key for key in objects if key.plural == plural and key.group == group and namespace in ("", key.namespace)
        )
        return [objects[key] for key in sorted(wanted)]

    def write(self, key: Key, after: Object | None) -> Object | None:
        """Replaces an object (None: deletes it) and tells the watches. Returns it with its new version."""
        self.version += 1
        before = self._objects.get(key)
        if after is None:
            self._objects.pop(key, None)
        else:
            after = {**after, "metadata": {**after["metadata"], "resourceVersion": str(self.version)}}
            self._objects[key] = after
        change = Change(self.version, key, before, after)
        self._history.append(change)
        if len(self._history) > HISTORY:
            self.compacted = self._history.popleft().version
        for watch in tuple(self._watches):
            watch.see(change)
        return after

    def changes_since(self, version: int) -> Iterator[Change]:
        """The writes after that version that are still known."""
        return (change for change in self._history if change.version > version)

    # --- small needs of a write ------------------------------------------------------------------------------------

    def timestamp(self) -> str:
        """Now, to the second, as Kubernetes writes it."""
        return datetime.fromtimestamp(int(self.clock.now()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def new_uid(self) -> str:
        """A fresh uid."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def suffix(self, length: int = 5) -> str:
        """The random end of a generated name."""
        return "".join(self.random.choices(NAME_LETTERS, k=length))

    # --- watches ---------------------------------------------------------------------------------------------------

    @property
    def watches(self) -> tuple[Watch, ...]:
        """The watches that are open."""
        return tuple(self._watches)

    def opened(self, watch: Watch) -> None:
        """A watch wants to be told."""
        self._watches.append(watch)

    def closed(self, watch: Watch) -> None:
        """It no longer does."""
        if watch in self._watches:
            self._watches.remove(watch)

    # --- levers ----------------------------------------------------------------------------------------------------

    def compact(self, version: int | None = None) -> None:
        """Forgets the history up to that version (the present one): watches and lists from before get 410."""
        self.compacted = max(self.compacted, self.version if version is None else version)
        while self._history and self._history[0].version <= self.compacted:
            self._history.popleft()

    def drop_watches(self, path: str = "*") -> int:
        """Cuts the open watches of these paths, as a proxy that closes idle connections. Returns how many."""
        return self._to_watches(path, lambda watch: watch.cut())

    def silence_watches(self, path: str = "*") -> int:
        """The open watches of these paths hear nothing from now on, though they stay open."""
        return self._to_watches(path, lambda watch: watch.silence())

    def expire_watches(self, path: str = "*") -> int:
        """The open watches of these paths get an ERROR event with 410 and end."""
        return self._to_watches(path, lambda watch: watch.expire())

    def go_away(self, seconds: float) -> None:
        """Nothing listens for so long; open watches are cut."""
        self._away_until = self.clock.monotonic() + seconds
        self.drop_watches()

    def come_back(self) -> None:
        """Ends `go_away` now."""
        self._away_until = float("-inf")

    @property
    def away(self) -> bool:
        """Whether nothing listens at present."""
        return self.clock.monotonic() < self._away_until

    def count(self, verb: str = "*", path: str = "*", user: str = "*") -> int:
        """How many requests of that kind are in the log."""
        return len(self.asked(verb, path, user))

    def asked(self, verb: str = "*", path: str = "*", user: str = "*") -> list[Recorded]:
        """The requests of that kind in the log. Patterns as in `faults`."""
        return [
            each
            for each in self.requests
            if matches(each.verb, verb) and matches(each.path, path) and matches(each.user, user)
        ]

    def _to_watches(self, path: str, lever: Callable[[Watch], None]) -> int:
        hit = [watch for watch in self._watches if matches(watch.path, path)]
        for watch in hit:
            lever(watch)
        return len(hit)
