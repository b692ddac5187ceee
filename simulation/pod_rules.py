"""What must hold where each replica of Argo CD is asked at its own address (docs/replicas.md).

The rules of `invariants` hold there as everywhere; these are about the addresses, and about replicas that disagree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.core.replicas import Said
from monitor.core.report import TargetReport

from simulation.cluster import TOKEN
from simulation.weather import Kind, Side

if TYPE_CHECKING:
    from simulation.world import World

# For so long after the monitor last heard of it an address may be asked.
TRUSTED = 120.0
# From the look at the slice to the last question of that check: ten seconds at most for each, and for a list before.
A_CHECK = 40.0
# A split that has stayed for so long is a refusal, and before that it is none.
STAYS = 120.0
SLACK = 15.0


class PodRules:
    """Of one world, and what they remember. stale_until: until then the Kubernetes API may have told what was long ago."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stale_until = 0.0
        self._seen_since = 0.0
        self._accepted: frozenset[str] = frozenset()

    def is_asked(self, address: str, sender: str) -> None:
        """A token is sent to that address."""
        world = self._world
        stale = world.now < self._stale_until or world.weather.has(Side.KUBERNETES, Kind.STALE, world.now)
        if stale or world.pods.is_listed(address):
            return
        since = world.now - world.pods.lost_at.get(address, float("-inf"))
        stood_still = max((one.stood_still for one in world.replicas if sender.startswith(one.name)), default=0.0)
        if since > TRUSTED + A_CHECK + stood_still:
            world.violate(f"a token is sent to {address}, which the EndpointSlice lost {since:.0f} s ago")

    def look(self, reports: list[tuple[str, TargetReport]]) -> None:
        """Every few seconds, once all rules were looked at."""
        self._accepted = frozenset(name for name, report in reports if report.verdict.accepted)
        if self._world.weather.has(Side.KUBERNETES, Kind.STALE, self._world.now):
            self._stale_until = self._world.now + TRUSTED

    def look_at_a_split(
        self, reports: list[tuple[str, TargetReport]], since: float, excused: float, *, before: bool | None
    ) -> None:
        """Every few seconds while replicas disagree. since: when that began, or the token came.

        excused: until when something outside of the monitor's reach was in its way. before: what all of them said before.
        """
        world = self._world
        if not world.plan.every_replica:
            return
        token = world.cluster.read(TOKEN) or ""
        if len({world.accepted_by(token, replica) for replica in world.pods.askable()}) < 2:
            self._seen_since = world.now  # who would say otherwise cannot be asked
        for name, report in reports:
            self._of_a_split(name, report, since, excused, before)

    def all_is_well(self, reports: list[tuple[str, TargetReport]]) -> bool:
        """Whether each replica of Argo CD is asked, and says what the others say."""
        count = len(self._world.plan.lags)
        return not self._world.plan.every_replica or all(
            report.replicas is not None and report.replicas.count(Said.ACCEPTED) == report.replicas.total == count
            for _, report in reports
        )

    def _of_a_split(self, name: str, report: TargetReport, since: float, excused: float, before: bool | None) -> None:
        world = self._world
        replica = world.replica(name)
        excused = max(excused, replica.up_since, replica.frozen_until)
        seen = max(since, excused, self._seen_since)
        refused = report.verdict.accepted is False
        if not refused and world.now - seen > STAYS + 2 * world.plan.interval + SLACK:
            world.violate(f"{name} does not tell of replicas that disagree since {world.now - seen:.0f} s")
        # Where something was in the way a replica has no voice, and the others decide.
        checked = report.verdict.checked_at - replica.clock.wrong_by
        # What it found before they disagreed is about another token, or none.
        changed = refused and name in self._accepted and checked >= world.clock.now() - (world.now - since)
        if (
            changed
            and before is True
            and max(excused, world.pods.orderly_since) <= since
            and world.now - since < STAYS - SLACK
        ):
            world.violate(
                f"{name} shows {report.verdict.status} though replicas disagree only since {world.now - since:.0f} s"
            )
