"""Where targets are found beside the configuration file, out of settings: labelled objects, a directory.

Without the section `discovery` the targets are those of the file. A changed section needs a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from monitor.adapters.kubernetes.target_objects import Room, TargetObjects
from monitor.adapters.target_directory import TargetDirectory
from monitor.cluster import KubernetesApi
from monitor.config.settings import DiscoverySettings, Settings
from monitor.ports import Clock
from monitor.services.discovery import Discovery, Errors


class Discovering:
    """The sources of one process, and the service that merges what they find."""

    INTERVAL = Discovery.INTERVAL

    def __init__(
        self, settings: Settings, kubernetes: KubernetesApi, clock: Clock, errors: Errors, chance: Callable[[], float]
    ) -> None:
        found = settings.discovery or DiscoverySettings()
        self._objects = _objects(found, kubernetes, chance)
        directories = (TargetDirectory(found.directory),) if found.directory is not None else ()
        self.service = Discovery(settings, (*directories, *self._objects), clock, errors)

    def start(self) -> None:
        """Begins to look for objects."""
        for place in self._objects:
            place.start(len(self._objects))

    async def close(self) -> None:
        """Ends; waits for what ran."""
        await asyncio.gather(*(place.close() for place in self._objects))


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
