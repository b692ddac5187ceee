"""What a target that was found in Kubernetes may not do, because its writer need not be the monitor's owner.

The monitor reads Secrets and files that such a writer may not, and reaches servers that they do not: without bounds
they would have it do so for them. So a target has to do with the Secrets of its own namespace only, with no file, with
no server that the owner did not allow, and nothing is rotated unless the owner says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from monitor.config.durations import written
from monitor.config.model import Target
from monitor.config.problems import Path
from monitor.config.settings import KubernetesDiscoverySettings, Settings, TargetSettings
from monitor.core.addresses import is_near

Finding = tuple[Path, str, str]


def confined(
    target: Target, resolved: TargetSettings, namespace: str, allowed: KubernetesDiscoverySettings, settings: Settings
) -> Iterator[Finding]:
    """What the target does beyond its bounds. namespace: where it was found. settings: of the configuration file."""
    yield from _credentials(target)
    if target.namespace not in (None, namespace):
        yield ("namespace",), f"is not {namespace}, where the target was found", "leave it out"
    watched = resolved.installation
    if watched is not None and watched.namespace not in (namespace, *allowed.namespaces):
        said = f"is neither {namespace} nor another namespace in which targets are looked for"
        yield ("watchArgoCD", "namespace"), said, "leave watchArgoCD out, or have it added to discovery.kubernetes"
    service = resolved.service
    if service is not None and service.namespace not in (namespace, *allowed.namespaces):
        said = f"is true for a Service that is neither in {namespace} nor where targets are looked for"
        yield ("everyReplica",), said, "leave everyReplica out, or have the namespace added to discovery.kubernetes"
    if resolved.rotation is not None:
        said = "has its key replaced, which the configuration does not allow for targets found in Kubernetes"
        if not allowed.allow_rotation:
            fix = "leave renew out, set rotation.enabled: false, or have discovery.kubernetes.allowRotation set"
            yield ("rotation",), said, fix
    if target.interval is not None and target.interval < settings.interval:
        said = f"is shorter than that of the configuration ({written(settings.interval)})"
        yield ("interval",), said, "leave it out"
    yield from _server(resolved.address.host, allowed)


def _credentials(target: Target) -> Iterator[Finding]:
    for word in ("token", "password"):
        if getattr(target.auth, word) is not None:
            said = "is in clear, which is only for a trial in the configuration file"
            yield ("auth", word), said, f"put it into a Secret of the same namespace, and use {word}SecretKeyRef"
    given = {
        ("auth", "tokenFile"): target.auth.token_file,
        ("auth", "passwordFile"): target.auth.password_file,
        ("tls", "caFile"): target.tls.ca_file,
        ("tls", "certFile"): target.tls.cert_file,
        ("tls", "keyFile"): target.tls.key_file,
    }
    for path, file in given.items():
        if file is not None:
            instead = "leave it out; certificates that are trusted are those of the monitor's system"
            if path[0] == "auth":
                instead = f"use {path[1].removesuffix('File')}SecretKeyRef"
            yield path, "names a file of the monitor, which a target found in Kubernetes may not", instead


def _server(host: str, allowed: KubernetesDiscoverySettings) -> Iterator[Finding]:
    if _is_near(host) and host not in allowed.servers:
        yield ("server",), "is the monitor itself, or the machine that it runs on", "write the address of Argo CD"
    elif allowed.servers and not any(_fits(host, pattern) for pattern in allowed.servers):
        said = f"{host} is no server that the configuration allows for targets found in Kubernetes"
        yield ("server",), said, "correct it, or have it added to discovery.kubernetes.servers"


def _fits(host: str, pattern: str) -> bool:
    host, pattern = host.lower().rstrip("."), pattern.lower().rstrip(".")
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _is_near(host: str) -> bool:
    """Loopback and link-local addresses: sidecars, and the metadata of a cloud."""
    return host == "localhost" or host.endswith(".localhost") or is_near(host)
