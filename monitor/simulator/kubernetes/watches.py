"""One watch: which changes it tells, in which words, and when it says that it is alive or ends. Without waiting.

`see` is told each write; `take` gives the lines that are due at a time; `next_at` says when to ask again. An object
that begins or ceases to fit the selector is ADDED or DELETED, whatever happened to it. Bookmarks are no heartbeat:
while nothing is written since the version that the watch began at, none is sent (storage/cacher/cache_watcher.go).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from monitor.simulator.kubernetes import events
from monitor.simulator.kubernetes.problems import expired
from monitor.simulator.kubernetes.selectors import Selection
from monitor.simulator.kubernetes.state import Change, ClusterState
from monitor.simulator.kubernetes.views import View
from monitor.simulator.kubernetes.wire import Object

MAX_WAITING = 10_000
# What is due within a microsecond is due: a timer may come that much early, and would come again and again.
GRAIN = 1e-6
BEFORE_THE_END = 2.0
TOO_OLD = "too old resource version: {asked} ({oldest})"


class Watch:
    """An open watch. `wake` is called whenever something may be due."""

    def __init__(
        self,
        state: ClusterState,
        view: View,
        selection: Selection,
        *,
        path: str,
        namespace: str,
        bookmarks: bool,
        began_at: int,
        ends_at: float,
    ) -> None:
        self.path = path
        self.broken = False
        self.wake: Callable[[], None] | None = None
        self._state = state
        self._view = view
        self._selection = selection
        self._namespace = namespace
        self._ends_at = ends_at
        self._cut_at = float("inf")
        self._silent = False
        self._done = False
        self._began_at = began_at
        self._lines: deque[Object] = deque()
        now = state.clock.monotonic()
        # The last bookmark comes two seconds before the end (k8s.io/apiserver/pkg/storage/cacher).
        last = ends_at - BEFORE_THE_END
        self._bookmark_at = min(now + state.bookmark_seconds, last) if bookmarks and now < last else float("inf")
        state.opened(self)

    # --- what the state tells --------------------------------------------------------------------------------------

    def start_with(self, objects: list[Object]) -> None:
        """The present objects, for a watch that named no version."""
        self._lines.extend(_line("ADDED", self._view.one(each)) for each in objects)

    def catch_up(self, changes: Iterable[Change]) -> None:
        """The writes since the version that was asked for; what is told of them belongs to the beginning."""
        for change in changes:
            if self.see(change):
                self._began_at = change.version

    def see(self, change: Change) -> bool:
        """One write. Returns whether it is told."""
        resource = self._view.resource
        place = (change.key.group, change.key.plural)
        if place != (resource.stored_group, resource.plural) or self._namespace not in ("", change.key.namespace):
            return False
        before, after = self._shown(change.before), self._shown(change.after)
        was, is_ = (each is not None and self._selection.matches(each) for each in (before, after))
        if after is not None and is_:
            self._add(_line("MODIFIED" if was else "ADDED", self._view.one(after)))
        elif before is not None and was:
            last = {**before, "metadata": {**before["metadata"], "resourceVersion": str(change.version)}}
            self._add(_line("DELETED", self._view.one(last)))
        return was or is_

    def expire(self, message: str | None = None) -> None:
        """An ERROR event with 410, and the end."""
        words = message or TOO_OLD.format(asked=self._state.compacted, oldest=self._state.version)
        self._add(_line("ERROR", expired(words).status))
        self._ends_at = float("-inf")

    def cut(self) -> None:
        """The connection breaks now; what waits is lost."""
        self.cut_in(0.0)

    def cut_in(self, seconds: float) -> None:
        """The connection breaks in so many seconds."""
        self._cut_at = self._state.clock.monotonic() + seconds
        self._woken()

    def silence(self) -> None:
        """The connection stays open, and nothing comes any more."""
        self._silent = True

    # --- what a shell asks -----------------------------------------------------------------------------------------

    def take(self) -> list[Object]:
        """The lines that are due now. Afterwards `broken` or `finished` may hold."""
        now = self.now() + GRAIN
        if now >= self._cut_at:
            self.broken = True
            return []
        if self._silent:
            return []
        lines = list(self._lines)
        self._lines.clear()
        if now >= self._bookmark_at:
            if self._state.version > self._began_at:
                lines.append(_line("BOOKMARK", self._view.bookmark(self._state.version)))
            later = now + self._state.bookmark_seconds
            last = self._ends_at - BEFORE_THE_END
            self._bookmark_at = min(later, last) if now < last else float("inf")
        self._done = now >= self._ends_at
        return lines

    @property
    def finished(self) -> bool:
        """Whether the server ends it in good order."""
        return self._done

    def now(self) -> float:
        """The time that `next_at` goes by."""
        return self._state.clock.monotonic()

    def next_at(self) -> float:
        """When something is due at the latest (monotonic seconds), unless `wake` calls first."""
        return self._cut_at if self._silent else min(self._bookmark_at, self._ends_at, self._cut_at)

    def close(self) -> None:
        """Nobody listens any more."""
        self._state.closed(self)
        self.wake = None

    def _shown(self, object_: Object | None) -> Object | None:
        if object_ is not None and self._view.resource.group == events.GROUP:
            return events.from_core(object_)
        return object_

    def _add(self, line: Object) -> None:
        if len(self._lines) >= MAX_WAITING:
            self._cut_at = float("-inf")  # a reader that does not keep up is cut, as by the real one
        else:
            self._lines.append(line)
        self._woken()

    def _woken(self) -> None:
        if self.wake is not None:
            self.wake()


def _line(type_: str, object_: Object) -> Object:
    return {"type": type_, "object": object_}
