"""Where targets are found beside the configuration file, out of settings: labelled objects, a directory.

Without the section `discovery` the targets are those of the file. A changed section needs a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from monitor.adapters.kubernetes.target_objects import Room, TargetObjects
from monitor.adapters.target_directory import TargetDirectory
from monitor.cluster import KubernetesApi
from monitor.config.settings import DiscoverySettings, Settings
from monitor.core.discovery import Origin, Trouble
from monitor.daemon.platform import THIS_MACHINE, Platform
from monitor.ports import Clock
from monitor.services.discovery import Discovery, Errors

log = structlog.get_logger(__name__)

# Seconds that a command waits for the list of every place: the deadline of one list, and a second try.
LONGEST_LOOK = 20.0
NO_ANSWER = "could not be looked at in time; look at the way to the Kubernetes API"


class Discovering:
    """The sources of one process, and the service that merges what they find."""

    INTERVAL = Discovery.INTERVAL

    def __init__(
        self, settings: Settings, kubernetes: KubernetesApi, clock: Clock, errors: Errors, platform: Platform
    ) -> None:
        found = settings.discovery or DiscoverySettings()
        self._objects = _objects(found, kubernetes, platform.chance)
        directories = (TargetDirectory(found.directory),) if found.directory is not None else ()
        self.service = Discovery(settings, (*directories, *self._objects), clock, errors, platform.own_namespace)

    def start(self) -> None:
        """Begins to look for objects."""
        for place in self._objects:
            place.start(len(self._objects))

    async def looked(self, longest: float) -> Sequence[Origin]:
        """Waits until every place was looked at, `longest` seconds. Returns those that were not."""
        waiting = {asyncio.create_task(place.looked.wait()): place for place in self._objects}
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=longest)
            for task in late:
                task.cancel()
            return [waiting[task].origin for task in late]
        return ()

    async def close(self) -> None:
        """Ends; waits for what ran."""
        await asyncio.gather(*(place.close() for place in self._objects))


@dataclass(frozen=True, slots=True)
class Discovered:
    """What one look found: the settings with every target, and what cannot be used."""

    settings: Settings
    troubles: Sequence[Trouble]


async def discover_once(
    settings: Settings, kubernetes: KubernetesApi, clock: Clock, platform: Platform = THIS_MACHINE
) -> Discovered:
    """Looks for targets once, for a command. A place that does not answer in time is among the troubles."""
    if settings.discovery is None:
        return Discovered(settings, ())
    discovering = Discovering(settings, kubernetes, clock, _Nobody(), platform)
    discovering.start()
    try:
        late = await discovering.looked(LONGEST_LOOK)
        await discovering.service.refresh()
    finally:
        await discovering.close()
    unseen = [Trouble(origin, NO_ANSWER) for origin in late]
    for trouble in unseen:
        log.warning("targets cannot be looked for", problem=str(trouble))
    return Discovered(replace(settings, targets=discovering.service.targets), (*discovering.service.troubles, *unseen))


class _Nobody:
    """Counts nothing: a command tells of the troubles themselves."""

    def discovery_errors(self, source: str, count: int) -> None:
        """Nothing is kept."""


def _objects(
    found: DiscoverySettings, kubernetes: KubernetesApi, chance: Callable[[], float]
) -> tuple[TargetObjects, ...]:
    if found.kubernetes is None:
        return ()
    room = Room()
    return tuple(
        TargetObjects(kubernetes, kind, namespace, room, chance)
        for namespace in found.kubernetes.namespaces
        for kind in found.kubernetes.kinds
    )
