"""The pods of Argo CD and their addresses, where a world asks each of them: who is where, and what the EndpointSlice says.

Each replica is one pod at a time. A pod that is replaced leaves its address to nobody, or to somebody else's pod, and the
slice may say so late. The Service leads to pods that run, whatever the slice says meanwhile: what is looked at here is
the monitor, which knows no more than the slice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from monitor.simulator.kubernetes import services
from monitor.simulator.messages import Request, Response

if TYPE_CHECKING:
    from simulation.world import World

NAMESPACE = "codefresh"
SERVICE = "argo-cd-server"
JSON = {"content-type": "application/json"}


class Door(Enum):
    """What there is at an address, where it is no replica of Argo CD."""

    SHUT = "nothing listens"
    SILENT = "what is sent there is lost"
    STRANGER = "somebody else's pod"


@dataclass(slots=True)
class Pod:
    """The present pod of one replica. until (virtual seconds): walled off, and out of the slice for not being ready."""

    name: str
    address: str
    walled_until: float = 0.0
    unready_until: float = 0.0


class ArgoCDPods:
    """Of one world. lost_at: when an address left the slice. orderly_since: since when the slice has each pod, and no other.

    Without the feature there are no addresses, and nothing is written.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._made = 0
        self._pods: list[Pod] = []
        self._lives = [0] * len(world.plan.lags)
        self._listed: frozenset[str] = frozenset()
        self._withheld_until = 0.0
        self.lost_at: dict[str, float] = {}
        self.orderly_since = float("inf")

    def prepare(self) -> None:
        """A pod for each replica, and the slice."""
        if self._world.plan.every_replica:
            self._pods = [self._new(replica) for replica in range(len(self._lives))]
            self.publish()

    # --- the way to them -------------------------------------------------------------------------------------------------

    def lives(self, replica: int) -> int:
        """How many pods of that replica are gone: connections to them are dead."""
        return self._lives[replica]

    def at(self, address: str) -> int | Door:
        """Who takes a new connection to that address."""
        for replica, pod in enumerate(self._pods):
            if pod.address == address:
                return Door.SILENT if self._world.now < pod.walled_until else replica
        # Addresses are given anew in no order that anybody knows: one to a stranger, one to nobody, one to one that is mute.
        return (Door.STRANGER, Door.SHUT, Door.STRANGER, Door.SILENT)[int(address.rpartition(".")[2]) % 4]

    def is_listed(self, address: str) -> bool:
        """Whether the slice has it now."""
        return address in self._listed

    def askable(self) -> list[int]:
        """The replicas whose pods are in the slice, and would answer there."""
        now = self._world.now
        return [
            replica for replica, pod in enumerate(self._pods) if pod.address in self._listed and now >= pod.walled_until
        ]

    # --- what befalls them -----------------------------------------------------------------------------------------------

    def replace(self, replica: int, noticed_after: float) -> None:
        """A new pod at another address, whose cache is new; the slice has it so much later."""
        self._world.argocd.unstick(replica)
        self._lives[replica] += 1
        self._pods[replica] = self._new(replica)
        self._disorderly()
        self._world.outside(noticed_after, self.publish)

    def wall_off(self, replica: int, seconds: float) -> None:
        """New connections to its address get no answer for so long: a NetworkPolicy, a node that is half gone."""
        self._pods[replica].walled_until = self._world.now + seconds
        self._for_a_while(seconds)

    def unready(self, replica: int, seconds: float) -> None:
        """Out of the slice for so long. It runs, and would answer whoever asks."""
        self._pods[replica].unready_until = self._world.now + seconds
        self._for_a_while(seconds)

    def withhold(self, seconds: float) -> None:
        """No pod is in the slice for so long: Argo CD is down, or a selector finds nothing."""
        self._withheld_until = max(self._withheld_until, self._world.now + seconds)
        self._for_a_while(seconds)

    def mend(self) -> None:
        """All is as it should be."""
        self._withheld_until = 0.0
        for pod in self._pods:
            pod.walled_until = pod.unready_until = 0.0
        self.publish()

    def publish(self) -> None:
        """The slice as it should be now."""
        if not self._pods:
            return
        world = self._world
        pods = [
            services.Pod(pod.name, pod.address, ready=world.now >= max(pod.unready_until, self._withheld_until))
            for pod in self._pods
        ]
        services.publish(world.cluster.state, NAMESPACE, SERVICE, pods)
        listed = frozenset(pod.address for pod in pods if pod.ready)
        for gone in self._listed - listed:
            self.lost_at[gone] = world.now
        self._listed = listed
        self._see_whether_orderly()

    def _for_a_while(self, seconds: float) -> None:
        if not self._pods:
            return
        self._disorderly()
        self.publish()
        self._world.outside(seconds, self.publish)

    def _disorderly(self) -> None:
        self.orderly_since = float("inf")

    def _see_whether_orderly(self) -> None:
        if len(self.askable()) == len(self._listed) == len(self._pods):
            self.orderly_since = min(self.orderly_since, self._world.now)

    def _new(self, replica: int) -> Pod:
        self._made += 1
        return Pod(f"{SERVICE}-{replica}-{self._made}", f"10.0.{replica}.{self._made}")


def by_a_stranger(address: str, request: Request) -> Response:
    """What somebody else's pod answers: the server of another product, or another Argo CD, which does not know the token."""
    if int(address.rpartition(".")[2]) % 4 == 0:
        return Response(404, {"content-type": "text/plain"}, b"not found")
    if request.target.endswith("/session/userinfo"):
        return Response(200, JSON, b"{}")
    return Response(401, JSON, b'{"error": "no session information", "code": 16, "message": "no session information"}')
