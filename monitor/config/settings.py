"""What the program works with: every default resolved, no pydantic, small and frozen.

`resolution` makes them of a checked document. Each target carries its own effective values, so nobody looks up a default
twice. Where a credential comes from is a `Source`: in clear, a key of a Secret, or a file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal

from monitor.config.address import Address, ServiceName
from monitor.core.alerts import RUNBOOKS, Thresholds
from monitor.core.model import Mode
from monitor.core.secret import Secret

# What stands before the target's name in the name of its journal, a Secret or a file (design.md).
JOURNAL = "token-monitor-journal-"


@dataclass(frozen=True, slots=True)
class InClear:
    """A credential written into the configuration."""

    secret: Secret

    def __str__(self) -> str:
        return "the configuration"


@dataclass(frozen=True, slots=True)
class InSecret:
    """A key of a Kubernetes Secret. namespace: None for the one the monitor finds itself in."""

    name: str
    key: str
    namespace: str | None = None

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"Secret {place}, key {self.key}"


@dataclass(frozen=True, slots=True)
class InFile:
    """A file."""

    path: str

    def __str__(self) -> str:
        return f"file {self.path}"


Source = InClear | InSecret | InFile
HeartbeatMethod = Literal["GET", "HEAD", "POST"]
LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How a target's certificate is checked."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    insecure: bool = False
    server_name: str | None = None


PLAIN_TLS = TlsSettings()


@dataclass(frozen=True, slots=True)
class WorkloadSettings:
    """A workload that uses the token. live: it reads the Secret through the API and needs no restart."""

    kind: str
    name: str | None = None
    selector: str | None = None
    live: bool = False


@dataclass(frozen=True, slots=True)
class RotationSettings:
    """How the key of a target is replaced. Durations are seconds.

    settle: how long a new key is given to reach every replica of Argo CD; not in the file, shorter in the demo.
    """

    expires_in: int | None = None
    renew_before: float | None = None
    every: float | None = None
    drill_every: float | None = None
    grace: float = 600.0
    settle: float = 15.0
    longest_wait: float = 3600.0
    restart_consumers: bool = False
    codefresh: bool = False
    workloads: tuple[WorkloadSettings, ...] = ()


@dataclass(frozen=True, slots=True)
class InstallationSettings:
    """The Argo CD that a target is watched inside of. namespace: None for the one the monitor finds itself in."""

    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """One target. Durations are seconds.

    expected_account: whom the token must belong to; None when nobody said (token mode without a username).
    username, password_source: who logs in, and with what; None in token mode.
    rotation: None when the key is never replaced.
    token_source: where the consumers' token is read; in password mode also where the minted key is kept.
    installation: where to see what changes inside Argo CD; None where that is not watched.
    kept_away: no connection is made to this machine itself, whatever the name of the server resolves to.
    service: the Service whose replicas are asked each for itself; None where they are not.
    unused_in_clear, without_effect: keys of the file that were given and do nothing, for the warnings.
    """

    name: str
    address: Address
    mode: Mode
    token_source: Source
    password_source: Source | None = None
    username: str | None = None
    expected_account: str | None = None
    tls: TlsSettings = PLAIN_TLS
    namespace: str | None = None
    interval: float = 15.0
    timeout: float = 10.0
    account_interval: float = 300.0
    expiring_within: float = 604_800.0
    required_permissions: tuple[str, ...] = ()
    unused_in_clear: tuple[str, ...] = ()
    without_effect: tuple[str, ...] = ()
    rotation: RotationSettings | None = None
    installation: InstallationSettings | None = None
    kept_away: bool = False
    service: ServiceName | None = None

    @property
    def journal_name(self) -> str:
        """The name of the rotation's journal: of a Secret beside the token's, or of a file."""
        return JOURNAL + self.name


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Where the monitor's own pages are served; https when both files are given."""

    bind: str = "127.0.0.1"
    port: int = 8080
    cert_file: str | None = None
    key_file: str | None = None


@dataclass(frozen=True, slots=True)
class LogSettings:
    """format: auto, json or console; level: debug, info, warning or error."""

    format: LogFormat = "auto"
    level: LogLevel = "info"


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """The election among replicas. enabled: None for "in a pod only". namespace: None for the monitor's own."""

    enabled: bool | None = None
    name: str = "token-monitor"
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class ShardsSettings:
    """Whether replicas share the targets. Their Leases are called `PREFIX-0` and so on, in the namespace of the Lease."""

    enabled: bool = False
    slots: int = 4
    prefix: str = "token-monitor-shard"

    @property
    def names(self) -> tuple[str, ...]:
        """The Leases."""
        return tuple(f"{self.prefix}-{number}" for number in range(self.slots))


@dataclass(frozen=True, slots=True)
class KubernetesSettings:
    """How the Kubernetes API is found; None: in-cluster, else KUBECONFIG or ~/.kube/config."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    lease: LeaseSettings = LeaseSettings()
    events: bool = True
    shards: ShardsSettings = ShardsSettings()


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """When alerts fire, and where their runbooks are."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    runbooks: str = RUNBOOKS


@dataclass(frozen=True, slots=True)
class AlertmanagerSettings:
    """The Alertmanagers that are told directly. labels: of every alert, beside its own. Durations are seconds.

    username: with password_file; else bearer_token_file, or neither.
    """

    urls: tuple[str, ...]
    labels: tuple[tuple[str, str], ...] = ()
    username: str | None = None
    password_file: str | None = None
    bearer_token_file: str | None = None
    tls: TlsSettings = PLAIN_TLS
    resend_interval: float = 60.0
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class HeartbeatSettings:
    """The uptime service that is called while the monitor works. Durations are seconds."""

    url: InClear | InFile
    method: HeartbeatMethod = "GET"
    interval: float = 60.0
    timeout: float = 10.0
    tls: TlsSettings = PLAIN_TLS


@dataclass(frozen=True, slots=True)
class KubernetesDiscoverySettings:
    """Labelled objects that are targets. kinds: ConfigMap, Secret. servers: hosts they may name, () for any."""

    namespaces: tuple[str, ...]
    kinds: tuple[str, ...] = ("ConfigMap",)
    servers: tuple[str, ...] = ()
    allow_rotation: bool = False


@dataclass(frozen=True, slots=True)
class DiscoverySettings:
    """Where targets are found beside the file. directory: of files with one target each."""

    kubernetes: KubernetesDiscoverySettings | None = None
    directory: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration, checked and resolved."""

    targets: tuple[TargetSettings, ...]
    interval: float = 15.0
    timeout: float = 10.0
    account_interval: float = 300.0
    expiring_within: float = 604_800.0
    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()
    kubernetes: KubernetesSettings = KubernetesSettings()
    state_dir: str | None = None
    alerts: AlertSettings = AlertSettings()
    alertmanager: AlertmanagerSettings | None = None
    heartbeat: HeartbeatSettings | None = None
    discovery: DiscoverySettings | None = None

    def journal_of(self, target: TargetSettings) -> InSecret | InFile | None:
        """Where the journal of a target's rotation is kept; None where its token cannot be replaced."""
        match target.token_source:
            case InSecret(namespace=namespace):
                return InSecret(target.journal_name, "journal", namespace)
            case InFile(path):
                return InFile(str(PurePath(self.state_dir or PurePath(path).parent) / target.journal_name))
            case InClear():
                return None
