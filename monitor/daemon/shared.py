"""What the targets of one process share, and targets and rotators made over it: for the service and for commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType

from monitor.adapters.argocd.tls import TlsContexts
from monitor.adapters.kubernetes.endpoint_watch import EndpointWatch, Place
from monitor.adapters.kubernetes.secret_watch import SecretWatch
from monitor.adapters.kubernetes.secrets import SecretReader
from monitor.config.settings import Settings, TargetSettings
from monitor.daemon.assembly import Assembly
from monitor.daemon.platform import THIS_MACHINE, Platform
from monitor.daemon.rotating import RotatorAssembly
from monitor.ports import Announcer, Clock
from monitor.services.fleet import Target
from monitor.services.rotator import Rotator

# Commands check once, and wait no longer than this for the list of a Service's replicas.
FIRST_LIST = 5.0


class Shared:
    """Connections, TLS contexts, the way to Kubernetes. `async with` closes them.

    on_secret(namespace, name): called when a watched Secret changed; without it no Secret is watched (commands).
    """

    def __init__(
        self,
        settings: Settings,
        platform: Platform = THIS_MACHINE,
        on_secret: Callable[[str | None, str], None] | None = None,
    ) -> None:
        self.clock: Clock = platform.clock
        self.connections = platform.connections(self.clock)
        self.distant = platform.distant(self.clock)
        self.contexts = TlsContexts()
        self.kubernetes = platform.kubernetes(settings.kubernetes, self.clock)
        self.watch = SecretWatch(self.kubernetes, on_secret, platform.chance) if on_secret else None
        self.endpoints = EndpointWatch(self.kubernetes, platform.chance)
        self.secrets = SecretReader(self.kubernetes, self.watch)
        self.assembly = Assembly(
            self.connections, self.distant, self.contexts, self.clock, self.secrets, self.endpoints
        )
        self.rotating = RotatorAssembly(self.assembly, self.kubernetes, settings, platform)

    async def __aenter__(self) -> Shared:
        """Nothing is opened before it is needed."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the watches, and closes every connection."""
        if self.watch is not None:
            await self.watch.close()
        await self.endpoints.close()
        await self.connections.close()
        await self.distant.close()
        await self.kubernetes.close()

    def follow_services(self, targets: Iterable[TargetSettings]) -> None:
        """Makes the Services of these targets the ones whose replicas are known."""
        services = (target.service for target in targets)
        self.endpoints.set_wanted(Place(found.namespace, found.name) for found in services if found is not None)
        self.endpoints.start()

    async def know_replicas(self, targets: Iterable[TargetSettings]) -> None:
        """Finds the replicas of these targets' Services, for a command, which checks once."""
        self.follow_services(targets)
        await self.endpoints.first_heard(FIRST_LIST)

    def target(self, settings: TargetSettings) -> Target:
        """One target, to be checked."""
        return self.assembly.target(settings)

    def announcer(self, settings: TargetSettings) -> Announcer | None:
        """Who tells what happens to a target's Secret; None where its token is not in one, or nobody wants it."""
        return self.rotating.announcer(settings)

    def rotator(self, settings: TargetSettings, target: Target) -> Rotator | None:
        """The rotator of a target; None where its key is never replaced."""
        return self.rotating.rotator(settings, target)
