"""Targets as the fleet runs them, out of settings: address, credential source, expectations."""

from __future__ import annotations

from collections.abc import Callable

from monitor.adapters.argocd.client import ArgoCDClient, Endpoint
from monitor.adapters.argocd.connections import Connections
from monitor.adapters.argocd.tls import TlsContexts, Trust
from monitor.adapters.files import FileSource, PlainSource
from monitor.config.settings import InClear, InFile, InSecret, Source, TargetSettings
from monitor.core.model import Expectation
from monitor.ports import Clock, CredentialSource
from monitor.services.checker import Checker
from monitor.services.fleet import Target

SecretSources = Callable[[InSecret], CredentialSource]


class Assembly:
    """Builds targets over what the process shares: connections, TLS contexts, the Kubernetes connection."""

    def __init__(
        self, connections: Connections, contexts: TlsContexts, clock: Clock, secret_sources: SecretSources
    ) -> None:
        self._connections = connections
        self._contexts = contexts
        self._clock = clock
        self._secret_sources = secret_sources

    def target(self, settings: TargetSettings) -> Target:
        """One target."""
        source = self._source(settings.token_source)
        expected = Expectation(
            mode=settings.mode,
            account=settings.expected_account,
            expiring_within=settings.expiring_within,
            permissions=settings.required_permissions,
            where=source.where,
        )
        endpoint = Endpoint(
            base=settings.address.url,
            trust=trust_of(settings),
            server_name=settings.tls.server_name,
            timeout=settings.timeout,
        )
        client = ArgoCDClient(endpoint, self._connections, self._contexts, self._clock)
        return Target(
            name=settings.name,
            server=settings.address.url,
            expected=expected,
            interval=settings.interval,
            account_interval=settings.account_interval,
            timeout=settings.timeout,
            checker=Checker(client, source, expected, self._clock),
            settings=settings,
        )

    def _source(self, source: Source) -> CredentialSource:
        match source:
            case InClear(secret):
                return PlainSource(secret)
            case InFile(path):
                return FileSource(path)
            case InSecret():
                return self._secret_sources(source)


def trust_of(settings: TargetSettings) -> Trust:
    """How the server of a target proves itself."""
    tls = settings.tls
    return Trust(tls.ca_file, tls.cert_file, tls.key_file, tls.insecure)
