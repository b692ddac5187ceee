"""Whether this replica rotates: by a Lease where there may be replicas, else always.

Only rotations go by it. Without Kubernetes, without rotated targets or without permission every process leads: the
journal's compare-and-swap decides then, as it always does.
"""

from __future__ import annotations

from monitor.adapters.kubernetes.lease import LeaseElection
from monitor.adapters.kubernetes.way import in_pod
from monitor.cluster import KubernetesApi
from monitor.config.permissions import rotates_in_cluster
from monitor.config.settings import Settings
from monitor.daemon.platform import THIS_MACHINE, Platform


class Leading:
    """The election of this process, as far as there is one."""

    def __init__(self, settings: Settings, kubernetes: KubernetesApi, platform: Platform = THIS_MACHINE) -> None:
        lease = settings.kubernetes.lease
        wanted = lease.enabled if lease.enabled is not None else in_pod() and rotates_in_cluster(settings)
        self._election: LeaseElection | None = None
        self._identity = f"{platform.host[:60]}-{platform.token_hex(4)}"
        if wanted:
            self._election = LeaseElection(
                kubernetes, lease.namespace, lease.name, self._identity, platform.clock, platform.chance
            )

    def leads(self) -> bool:
        """Whether this replica may begin a rotation now."""
        return self._election is None or self._election.leads()

    def another_leads(self) -> bool:
        """Whether another replica held the Lease when it was last seen. Neither: nobody is known to lead."""
        return not self.leads() and self.holder not in (None, self._identity)

    @property
    def holder(self) -> str | None:
        """Who leads, for people; None where there is no election, or nobody leads."""
        return self._election.holder if self._election is not None else None

    def start(self) -> None:
        """Stands for election."""
        if self._election is not None:
            self._election.start()

    async def close(self) -> None:
        """Hands over to another replica."""
        if self._election is not None:
            await self._election.close()
