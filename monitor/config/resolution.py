"""From a checked document to `Settings`: each target gets its own values, those of the document, or the defaults."""

from __future__ import annotations

from typing import cast

from monitor.config import address, discovery, model, sections, telling
from monitor.config.address import Address, ServiceName
from monitor.config.settings import (
    PLAIN_TLS,
    AlertmanagerSettings,
    AlertSettings,
    DiscoverySettings,
    HeartbeatMethod,
    HeartbeatSettings,
    HttpSettings,
    InClear,
    InFile,
    InSecret,
    InstallationSettings,
    KubernetesDiscoverySettings,
    KubernetesSettings,
    LeaseSettings,
    LogFormat,
    LogLevel,
    LogSettings,
    RotationSettings,
    Settings,
    ShardsSettings,
    Source,
    TargetSettings,
    TlsSettings,
    WorkloadSettings,
)
from monitor.core.alerts import Thresholds
from monitor.core.model import Mode
from monitor.core.secret import Secret

# What Codefresh's chart uses where its values say nothing (charts/gitops-runtime/values.yaml).
DEFAULT_USERNAME = "admin"
PASSWORD_SECRET = ("argocd-initial-admin-secret", "password")
TOKEN_SECRET = ("argocd-token", "token")


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
