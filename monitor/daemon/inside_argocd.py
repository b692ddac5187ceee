"""What changes inside the Argo CDs of targets leads to looks at their tokens: the watch, and the rounds, out of settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from monitor.adapters.kubernetes.argocd_watch import ArgoCDWatch
from monitor.cluster import KubernetesApi
from monitor.config.settings import TargetSettings
from monitor.core.argocd_objects import Part
from monitor.ports import Clock
from monitor.services.argocd_changes import ArgoCDChanges, Look


class InsideArgoCD:
    """Nothing is opened where no target asks for it."""

    def __init__(self, kubernetes: KubernetesApi, clock: Clock, look: Look, chance: Callable[[], float]) -> None:
        self._changes = ArgoCDChanges(clock, look)
        self._watch = ArgoCDWatch(kubernetes, self._changed, chance)

    def set_targets(self, targets: Iterable[TargetSettings]) -> None:
        """Makes these the targets; installations that stay are not disturbed."""
        installations: dict[str | None, list[str]] = {}
        for target in targets:
            if target.installation is not None:
                installations.setdefault(target.installation.namespace, []).append(target.name)
        self._changes.set_targets(installations)
        self._watch.set_wanted(installations)

    def start(self) -> None:
        """Begins to watch."""
        self._watch.start()

    async def close(self) -> None:
        """Ends; waits for what ran."""
        self._changes.close()
        await self._watch.close()

    def _changed(self, namespace: str | None, part: Part) -> None:
        # What the settings decide shows in the account and the control, too.
        self._changes.changed(namespace, full=part is Part.SETTINGS)
