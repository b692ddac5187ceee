"""What the program works with: every default resolved, no pydantic, small and frozen.

`resolve` turns a checked document into `Settings`. Each target carries its own effective values, so nobody looks up a
default twice. Where a credential comes from is a `Source`: in clear, a key of a Secret, or a file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal, cast

from monitor.config import address, discovery, model, sections, telling
from monitor.config.address import Address, ServiceName
from monitor.core.alerts import RUNBOOKS, Thresholds
from monitor.core.model import Mode
from monitor.core.secret import Secret

# What Codefresh's chart uses where its values say nothing (charts/gitops-runtime/values.yaml).
DEFAULT_USERNAME = "admin"
PASSWORD_SECRET = ("argocd-initial-admin-secret", "password")
TOKEN_SECRET = ("argocd-token", "token")
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


def resolve(document: model.Document) -> Settings:
    """The settings of a document that passed its model and `rules`."""
    serving, kubernetes = document.http.tls, document.kubernetes
    return Settings(
        targets=tuple(resolve_target(target, document) for target in document.targets),
        interval=document.interval,
        timeout=document.timeout,
        account_interval=document.account_interval,
        expiring_within=document.expiring_within,
        http=HttpSettings(
            document.http.bind,
            document.http.port,
            serving.cert_file if serving else None,
            serving.key_file if serving else None,
        ),
        log=LogSettings(cast("LogFormat", document.log.format), cast("LogLevel", document.log.level)),
        kubernetes=KubernetesSettings(
            kubernetes.kubeconfig,
            kubernetes.context,
            kubernetes.namespace,
            LeaseSettings(
                kubernetes.lease.enabled, kubernetes.lease.name, kubernetes.lease.namespace or kubernetes.namespace
            ),
            kubernetes.events,
            ShardsSettings(
                kubernetes.shards.enabled,
                kubernetes.shards.slots,
                f"{kubernetes.lease.name}-shard",
            ),
        ),
        state_dir=document.state_dir,
        alerts=AlertSettings(Thresholds(**document.alerts.thresholds.whole_seconds), document.alerts.runbooks),
        alertmanager=_alertmanager(document.alertmanager),
        heartbeat=_heartbeat(document.heartbeat),
        discovery=_discovery(document.discovery),
    )


def _alertmanager(found: telling.Alertmanager | None) -> AlertmanagerSettings | None:
    if found is None:
        return None
    basic = found.basic_auth
    return AlertmanagerSettings(
        urls=found.urls,
        labels=tuple(found.labels.items()),
        username=basic.username if basic else None,
        password_file=basic.password_file if basic else None,
        bearer_token_file=found.bearer_token_file,
        tls=_tls(found.tls),
        resend_interval=found.resend_interval,
        timeout=found.timeout,
    )


def _heartbeat(found: telling.Heartbeat | None) -> HeartbeatSettings | None:
    if found is None:
        return None
    url = InClear(found.url) if found.url is not None else InFile(found.url_file or "")
    method = cast("HeartbeatMethod", found.method)
    return HeartbeatSettings(url, method, found.interval, found.timeout, _tls(found.tls))


def _discovery(found: discovery.Discovery | None) -> DiscoverySettings | None:
    if found is None:
        return None
    place = found.kubernetes
    return DiscoverySettings(
        KubernetesDiscoverySettings(place.namespaces, place.kinds, place.servers, place.allow_rotation)
        if place is not None
        else None,
        found.directory,
    )


def resolve_target(target: model.Target, defaults: model.Document | Settings) -> TargetSettings:
    """The settings of one target. defaults: where the values for all are, and the namespace of Secrets."""
    auth = target.auth
    mode = Mode(auth.type)
    namespace = target.namespace or defaults.kubernetes.namespace
    by_password = mode is Mode.PASSWORD
    interval = _either(target.interval, defaults.interval)
    rotates = by_password or target.renew
    return TargetSettings(
        name=target.name,
        address=_address(target),
        mode=mode,
        token_source=_token_source(auth, namespace),
        password_source=_password_source(auth, namespace) if by_password else None,
        username=(auth.username or DEFAULT_USERNAME) if by_password else None,
        expected_account=(auth.username or DEFAULT_USERNAME) if by_password else auth.username,
        tls=_tls(target.tls),
        namespace=namespace,
        interval=interval,
        timeout=_either(target.timeout, defaults.timeout),
        account_interval=max(interval, _either(target.account_interval, defaults.account_interval)),
        expiring_within=_either(target.expiring_within, defaults.expiring_within),
        required_permissions=target.required_permissions,
        unused_in_clear=_unused_in_clear(auth, by_password=by_password),
        without_effect=()
        if rotates
        else tuple(key for key in ("rotation", "consumers") if key in target.model_fields_set),
        rotation=_rotation(target) if rotates and target.rotation.enabled else None,
        installation=_installation(target, namespace),
        service=_service(target) if target.every_replica else None,
    )


def _rotation(target: model.Target) -> RotationSettings:
    rotation, consumers = target.rotation, target.consumers
    return RotationSettings(
        expires_in=int(rotation.expires_in) if rotation.expires_in else None,
        renew_before=rotation.renew_before,
        every=rotation.every,
        drill_every=rotation.drill_every,
        grace=rotation.grace,
        longest_wait=consumers.longest_wait,
        restart_consumers=consumers.restart_consumers,
        codefresh=consumers.preset == "codefresh",
        workloads=tuple(WorkloadSettings(w.kind, w.name, w.selector, w.live) for w in consumers.workloads),
    )


def _installation(target: model.Target, namespace: str | None) -> InstallationSettings | None:
    if target.watch_argocd is None:
        return None
    # `argocd-server.argocd`, `argocd-server.argocd.svc.cluster.local`
    of_service = (target.server.svc or "").split(".")[1:2]
    return InstallationSettings(target.watch_argocd.namespace or (of_service[0] if of_service else namespace))


def _service(target: model.Target) -> ServiceName | None:
    return address.service_of(target.server.svc, target.server.url or target.url)


def _address(target: model.Target) -> Address:
    url = target.server.url or target.url
    if url is not None:
        return address.of_url(url)
    return address.of_service(target.server.svc or "", target.server.port or 80, target.server.rootpath)


def _token_source(auth: model.Auth, namespace: str | None) -> Source:
    # In password mode a token in clear could not be replaced, and Codefresh's runtime does not read it either.
    in_clear = auth.token if auth.type == "token" else None
    return _source(in_clear, auth.token_secret_key_ref, auth.token_file, namespace, TOKEN_SECRET)


def _password_source(auth: model.Auth, namespace: str | None) -> Source:
    return _source(auth.password, auth.password_secret_key_ref, auth.password_file, namespace, PASSWORD_SECRET)


def _source(
    in_clear: Secret | None,
    ref: model.SecretKeyRef | None,
    file: str | None,
    namespace: str | None,
    default: tuple[str, str],
) -> Source:
    if in_clear is not None:
        return InClear(in_clear)
    if ref is not None and ref.name is not None and ref.key is not None:
        return InSecret(ref.name, ref.key, namespace)
    if file is not None:
        return InFile(file)
    return InSecret(*default, namespace)


def _tls(tls: sections.Tls) -> TlsSettings:
    found = TlsSettings(tls.ca_file, tls.cert_file, tls.key_file, tls.insecure, tls.server_name)
    return PLAIN_TLS if found == PLAIN_TLS else found  # one object for the many, at 10,000 targets


def _unused_in_clear(auth: model.Auth, *, by_password: bool) -> tuple[str, ...]:
    unused, name = (auth.token, "token") if by_password else (auth.password, "password")
    return (name,) if unused is not None else ()


def _either(own: float | None, common: float) -> float:
    return common if own is None else own
