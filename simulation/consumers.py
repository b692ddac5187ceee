"""Whoever uses the token: reads it as its kind does, calls Argo CD with it, and is refused or not.

The monitor must strand none of them: a refusal that follows from a deletion by the monitor itself is a violation,
unless the consumer could not be moved within the longest wait that its owner allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulation.cluster import TOKEN

if TYPE_CHECKING:
    from simulation.world import World

CALL_EVERY = 20.0
# The kubelet renews a mounted Secret within a minute or so.
KUBELET = 75.0
ROLLOUT = (3.0, 40.0)


@dataclass(slots=True)
class Consumer:
    """One that calls. token: what it holds; read_at: since when."""

    name: str
    kind: str
    token: str | None = None
    read_at: float = 0.0
    refusals: int = 0


class Consumers:
    """All of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._all = {f"{kind}-{place}": Consumer(f"{kind}-{place}", kind) for place, kind in enumerate(_others(world))}
        self._template = ""
        self._rolling = False

    def begin(self) -> None:
        """They start, and call until the world ends."""
        self._template = self._world.cluster.template_version()
        self._new_pods()
        self._world.outside(CALL_EVERY * self._world.plan.stretch, self._turn)

    def look(self) -> None:
        """The controller of the workload notices a changed template."""
        if not self._world.plan.restarts or self._rolling:
            return
        template = self._world.cluster.template_version()
        if template != self._template:
            self._template, self._rolling = template, True
            self._world.outside(self._world.rolled.uniform(*ROLLOUT), self._roll)

    def _roll(self) -> None:
        self._rolling = False
        self._world.cluster.roll()
        self._new_pods()

    def _new_pods(self) -> None:
        if not self._world.plan.restarts:
            return
        names = self._world.cluster.pods()
        for gone in [name for name, one in self._all.items() if one.kind == "env" and name not in names]:
            del self._all[gone]
        for name in names:
            if name not in self._all:
                self._all[name] = Consumer(name, "env", self._world.cluster.read(TOKEN), self._world.now)

    def _turn(self) -> None:
        world = self._world
        present = world.cluster.read(TOKEN)
        for one in self._all.values():
            if one.kind == "live" or (
                one.kind == "mounted" and (one.token is None or world.now - one.read_at >= KUBELET)
            ):
                one.token, one.read_at = present, world.now
            if (
                one.token is not None
                and world.argocd_serves()
                and not world.accepted_by(one.token, world.any_replica())
            ):
                one.refusals += 1
                world.invariants.consumer_refused(one.name, one.token)
        self._world.outside(CALL_EVERY * world.plan.stretch, self._turn)


def _others(world: World) -> list[str]:
    return [kind for kind in world.plan.consumers if kind != "env"]
