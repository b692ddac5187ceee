"""Turns a change inside an Argo CD installation into looks at all of its targets, in rounds (`core.rounds`).

One timer for everything: however many installations and targets there are, nobody sleeps for one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from monitor.core.rounds import LOOKS_PER_SECOND, Rounds, after_change, begin
from monitor.ports import Clock

# Looks of a round that fall into this time are taken together.
GRAIN = 0.02
NEVER = float("inf")


class Look(Protocol):
    """Has a target checked soon (`Fleet.argocd_changed`)."""

    def __call__(self, name: str, *, full: bool) -> None:
        """full: with the account and the control."""
        ...


@dataclass(slots=True)
class _Walk:
    """A round that is under way. at: the target that comes next."""

    began: float
    full: bool
    targets: Sequence[str]
    at: int = 0

    @property
    def due(self) -> float:
        return self.began + self.at / LOOKS_PER_SECOND


@dataclass(slots=True)
class _Installation:
    targets: Sequence[str]
    rounds: Rounds = field(default_factory=Rounds)
    walk: _Walk | None = None


class ArgoCDChanges:
    """The rounds of every installation. An installation is named by its namespace (None: the monitor's own)."""

    def __init__(self, clock: Clock, look: Look) -> None:
        self._clock = clock
        self._look = look
        self._installations: dict[str | None, _Installation] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER
        self._closed = False

    def set_targets(self, targets: Mapping[str | None, Sequence[str]]) -> None:
        """Makes these the installations, with the names of their targets. Rounds that are due stay due."""
        kept: dict[str | None, _Installation] = {}
        for namespace, names in targets.items():
            known = self._installations.get(namespace) or _Installation(())
            known.targets = tuple(names)
            kept[namespace] = known
        self._installations = kept

    def changed(self, namespace: str | None, *, full: bool) -> None:
        """Something changed inside an installation."""
        found = self._installations.get(namespace)
        if found is None:
            return
        found.rounds = after_change(found.rounds, self._clock.monotonic(), len(found.targets), full=full)
        self._wake_at(_due(found))

    def close(self) -> None:
        """Ends; nothing is looked at any more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _wake_at(self, due: float) -> None:
        if due >= self._timer_at or self._closed:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        pause = max(0.0, due - self._clock.monotonic())
        self._timer = asyncio.get_running_loop().call_later(pause, self._run)

    def _run(self) -> None:
        self._timer, self._timer_at = None, NEVER
        now = self._clock.monotonic()
        for found in self._installations.values():
            self._go_on(found, now)
        self._wake_at(min(map(_due, self._installations.values()), default=NEVER))

    def _go_on(self, found: _Installation, now: float) -> None:
        if found.walk is None and _due(found) <= now + GRAIN:
            started, found.rounds = begin(found.rounds, now)
            found.walk = _Walk(now, started.full, found.targets)
        walk = found.walk
        while walk is not None and walk.at < len(walk.targets) and walk.due <= now + GRAIN:
            self._look(walk.targets[walk.at], full=walk.full)
            walk.at += 1
        if walk is not None and walk.at >= len(walk.targets):
            found.walk = None


def _due(found: _Installation) -> float:
    """When something is to be done. A round waits for the one before it."""
    if found.walk is not None:
        return found.walk.due
    return NEVER if found.rounds.due is None else found.rounds.due
