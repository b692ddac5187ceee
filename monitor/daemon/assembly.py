"""Targets as the fleet runs them, out of settings: address, credential source, expectations."""

from __future__ import annotations

from monitor.adapters.argocd.client import ArgoCDClient, Endpoint
from monitor.adapters.argocd.connections import Connections
from monitor.adapters.argocd.keys import ArgoCDKeys
from monitor.adapters.argocd.tls import TlsContexts, Trust
from monitor.adapters.files import FileSource, PlainSource
from monitor.adapters.kubernetes.endpoint_watch import EndpointWatch, Place, WatchedService
from monitor.adapters.kubernetes.secrets import KubernetesSecretSource, SecretReader
from monitor.config.settings import InClear, InFile, InSecret, Source, TargetSettings
from monitor.core.endpoint_slices import Replica
from monitor.core.model import Expectation
from monitor.ports import ArgoCD, Clock, CredentialSource
from monitor.services.checker import Checker
from monitor.services.every_replica import REPLICA_TIMEOUT, EveryReplica
from monitor.services.fleet import Target


class Assembly:
    """Builds targets over what the process shares: connections (`distant`: never to this machine), TLS contexts, Secrets.

    endpoints: the watch on the replicas of Services.
    """

    def __init__(
        self,
        connections: Connections,
        distant: Connections,
        contexts: TlsContexts,
        clock: Clock,
        secrets: SecretReader,
        endpoints: EndpointWatch,
    ) -> None:
        self._connections = connections
        self._distant = distant
        self._contexts = contexts
        self._clock = clock
        self._secrets = secrets
        self._endpoints = endpoints

    @property
    def clock(self) -> Clock:
        """The clock of the process."""
        return self._clock

    def target(self, settings: TargetSettings) -> Target:
        """One target."""
        source = self.source(settings.token_source)
        expected = Expectation(
            mode=settings.mode,
            account=settings.expected_account,
            expiring_within=settings.expiring_within,
            permissions=settings.required_permissions,
            where=source.where,
            renewed=settings.rotation is not None,
            renew_before=settings.rotation.renew_before if settings.rotation else None,
            password_at=str(settings.password_source) if settings.rotation and settings.password_source else "",
        )
        client = ArgoCDClient(endpoint_of(settings), self.connections(settings), self._contexts, self._clock)
        checker = Checker(client, source, expected, self._clock)
        return Target(
            name=settings.name,
            server=settings.address.url,
            expected=expected,
            interval=settings.interval,
            account_interval=settings.account_interval,
            timeout=settings.timeout,
            checker=checker,
            settings=settings,
            every_replica=self._every_replica(settings, checker, source, expected),
        )

    def _every_replica(
        self, settings: TargetSettings, checker: Checker, source: CredentialSource, expected: Expectation
    ) -> EveryReplica | None:
        service = settings.service
        if service is None:
            return None
        connections = self.connections(settings)

        def connect(replica: Replica) -> ArgoCD:
            return ArgoCDClient(replica_of(settings, replica), connections, self._contexts, self._clock)

        def through(argocd: ArgoCD) -> Checker:
            return Checker(argocd, source, expected, self._clock)

        address = settings.address
        place = Place(service.namespace, service.name)
        replicas = WatchedService(self._endpoints, place, address.scheme, address.port)
        return EveryReplica(settings.name, checker, source, replicas, connect, through, self._clock)

    def keys(self, settings: TargetSettings) -> ArgoCDKeys:
        """The keys of accounts of a target's server."""
        return ArgoCDKeys(endpoint_of(settings), self.connections(settings), self._contexts)

    def connections(self, settings: TargetSettings) -> Connections:
        """Over which a target's server is reached: those that never lead to this machine, where it is kept away."""
        return self._distant if settings.kept_away else self._connections

    def source(self, source: Source) -> CredentialSource:
        """Where a token or a password is read."""
        match source:
            case InClear(secret):
                return PlainSource(secret)
            case InFile(path):
                return FileSource(path)
            case InSecret(name, key, namespace):
                return KubernetesSecretSource(self._secrets, namespace, name, key)


def endpoint_of(settings: TargetSettings) -> Endpoint:
    """The server of a target."""
    return Endpoint(
        base=settings.address.url,
        trust=trust_of(settings),
        server_name=settings.tls.server_name,
        timeout=settings.timeout,
    )


def replica_of(settings: TargetSettings, replica: Replica) -> Endpoint:
    """One replica of a target's server: it is spoken to as the Service is, so that its certificate fits."""
    address = settings.address
    return Endpoint(
        base=f"{address.scheme}://{replica.host}{address.rootpath}",
        trust=trust_of(settings),
        server_name=settings.tls.server_name or address.host,
        timeout=min(settings.timeout, REPLICA_TIMEOUT),
        host=address.origin.partition("://")[2],
    )


def trust_of(settings: TargetSettings) -> Trust:
    """How the server of a target proves itself."""
    tls = settings.tls
    return Trust(tls.ca_file, tls.cert_file, tls.key_file, tls.insecure)
