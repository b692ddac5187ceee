"""Argo CD's own objects in the cluster, where a world lets the monitor watch them: ConfigMap argocd-cm, Secret argocd-secret.

Argo CD keeps its accounts there, so whoever changes something writes one of them in that moment; the replicas of Argo CD
follow later, each with its lag. Only what concerns accounts is written, with the names that Argo CD gives it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from monitor.core.argocd_objects import Part
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.settings import Settings

if TYPE_CHECKING:
    from simulation.world import World

NAMESPACE = "codefresh"
MANAGER = "argocd-server"


class ArgoCDObjects:
    """Of one world. changed_at: when one of them was written last, in virtual seconds.

    Without the feature nothing is written.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._written: dict[Part, dict[str, str]] = {}
        self.changed_at = float("-inf")

    def prepare(self) -> None:
        """The objects as they are, and from now on whenever something changes."""
        if self._world.plan.watch_argocd:
            self._world.argocd.on_change = self.write
            self.write()

    def write(self) -> None:
        """Writes what changed."""
        settings = self._world.argocd.settings
        for part, data in ((Part.SETTINGS, _declared(settings)), (Part.KEYS, _kept(settings))):
            if self._written.get(part) == data:
                continue
            self._written[part] = data
            self.changed_at = self._world.now
            state = self._world.cluster.state
            if part is Part.KEYS:
                kubectl.put_secret(state, NAMESPACE, part.value, data, manager=MANAGER)
            else:
                metadata = {"name": part.value, "namespace": NAMESPACE}
                object_ = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
                kubectl.put(state, object_, manager=MANAGER)


def _declared(settings: Settings) -> dict[str, str]:
    """What argocd-cm has of the accounts."""
    found: dict[str, str] = {}
    for account in settings.accounts.values():
        if account.declared:
            found[f"accounts.{account.name}"] = ", ".join(account.capabilities)
            found[f"accounts.{account.name}.enabled"] = "true" if account.enabled else "false"
    return found


def _kept(settings: Settings) -> dict[str, str]:
    """What argocd-secret has of them."""
    found = {"server.secretkey": settings.signing_key.hex()}
    for account in settings.accounts.values():
        found[f"accounts.{account.name}.password"] = account.password_hash or ""
        keys = [{"id": key.id, "iat": key.issued_at, "exp": key.expires_at} for key in account.keys]
        found[f"accounts.{account.name}.tokens"] = json.dumps(keys)
    return found
