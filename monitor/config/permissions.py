"""What a configuration needs of Kubernetes: the table that `doctor` asks by and the chart's Role is held to.

Each row is a call that an adapter makes (`monitor/adapters/kubernetes`). A Secret that does not exist yet can be made
by the monitor (`create`, which RBAC cannot limit to a name) or by whoever installs it; so `create` is always optional.
Which Secrets discovered targets will name nobody knows beforehand: whoever writes such a target sees to it that the
monitor may read its Secret.
"""

from __future__ import annotations

from collections.abc import Iterator

from monitor.config.settings import InSecret, RotationSettings, Settings, TargetSettings
from monitor.core.argocd_objects import Part
from monitor.core.endpoint_slices import GROUP, PLURAL
from monitor.core.permissions import APPS, COORDINATION, CORE, EVENTS, Permission

RESOURCES = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
# The consumer of a GitOps Runtime that must be restarted; its chart gives it this name
# (gitops-runtime-helm, _components/cap-app-proxy/_helpers.tpl `cap-app-proxy.fullname`).
APP_PROXY = "cap-app-proxy"


def needed_permissions(settings: Settings) -> tuple[Permission, ...]:
    """Everything, each once, in the order of the targets; the namespace is None where the monitor's own is meant."""
    found = [permission for target in settings.targets for permission in permissions_of(target, settings)]
    found += shared_permissions(settings)
    return tuple(dict.fromkeys(found))


def permissions_of(target: TargetSettings, settings: Settings) -> tuple[Permission, ...]:
    """What one target needs."""
    return tuple(_of_target(target, events=settings.kubernetes.events))


def shared_permissions(settings: Settings) -> tuple[Permission, ...]:
    """What is needed once, for all targets."""
    leases = _shards(settings) if settings.kubernetes.shards.enabled else _lease(settings)
    return (*leases, *_discovery(settings))


def _shards(settings: Settings) -> Iterator[Permission]:
    why = "replicas share the targets by these; without them each checks all"
    namespace = settings.kubernetes.lease.namespace
    for name in settings.kubernetes.shards.names:
        yield Permission(namespace, COORDINATION, "leases", ("get", "update"), name, why, optional=True)
        yield Permission(namespace, COORDINATION, "leases", ("create",), name, why, optional=True)


def _lease(settings: Settings) -> tuple[Permission, ...]:
    lease = settings.kubernetes.lease
    held = any(isinstance(target.token_source, InSecret) for target in settings.targets) and lease.enabled
    if lease.enabled is False or not (held or rotates_in_cluster(settings)):
        return ()
    why = "replicas agree on the one that rotates; without it each does that work, safely but more often than needed"
    return (
        Permission(lease.namespace, COORDINATION, "leases", ("get", "update"), lease.name, why, optional=True),
        Permission(lease.namespace, COORDINATION, "leases", ("create",), lease.name, why, optional=True),
    )


def rotates_in_cluster(settings: Settings) -> bool:
    """Whether keys that are kept in Secrets are replaced: what replicas have to agree on."""
    rotated = any(target.rotation and isinstance(target.token_source, InSecret) for target in settings.targets)
    return rotated or _rotates_found_ones(settings)


def _rotates_found_ones(settings: Settings) -> bool:
    found = settings.discovery.kubernetes if settings.discovery is not None else None
    return found is not None and found.allow_rotation


def _discovery(settings: Settings) -> Iterator[Permission]:
    found = settings.discovery.kubernetes if settings.discovery is not None else None
    if found is None:
        return
    for namespace in found.namespaces:
        for kind in found.kinds:
            what = "all of the namespace can be read then" if kind == "Secret" else "a list by label has no names"
            why = f"targets are found in labelled {kind}s; it cannot be limited to names: {what}"
            yield Permission(namespace, CORE, f"{kind.lower()}s", ("list", "watch"), None, why)
        if settings.kubernetes.events:
            why = "Events tell beside the Secrets of targets found there what happens to their tokens"
            yield Permission(namespace, EVENTS, "events", ("create", "patch"), None, why, optional=True)


def _of_installation(namespace: str | None) -> Iterator[Permission]:
    why = "what happens to the token inside Argo CD is known within a second; without it, at the next check"
    for resource, part in (("configmaps", Part.SETTINGS), ("secrets", Part.KEYS)):
        yield Permission(namespace, CORE, resource, ("list", "watch"), part.value, why, optional=True)


def _of_replicas(namespace: str | None) -> Iterator[Permission]:
    why = (
        "every replica of argocd-server is asked; it cannot be limited to names; without it, only the Service is asked"
    )
    yield Permission(namespace, GROUP, PLURAL, ("list", "watch"), None, why, optional=True)


def _of_target(target: TargetSettings, *, events: bool) -> Iterator[Permission]:
    token, password, rotation = target.token_source, target.password_source, target.rotation
    if target.installation is not None:
        yield from _of_installation(target.installation.namespace)
    if target.service is not None:
        yield from _of_replicas(target.service.namespace)
    if isinstance(token, InSecret):
        yield from _read(token, "token")
        if events:
            why = "Events tell beside the Secret what happens to the token; without it only logs and metrics do"
            yield Permission(token.namespace, EVENTS, "events", ("create", "patch"), None, why, optional=True)
    if rotation is None:
        return
    if isinstance(password, InSecret):
        yield from _read(password, "password")
    if isinstance(token, InSecret):
        yield Permission(token.namespace, CORE, "secrets", ("patch",), token.name, "the new key is written into it")
        yield _create(token.namespace, token.name)
        journal = "the journal, written before each step of a rotation"
        yield Permission(token.namespace, CORE, "secrets", ("get", "patch"), target.journal_name, journal)
        yield _create(token.namespace, target.journal_name)
    yield from _consumers(target.namespace, rotation)


def _read(source: InSecret, word: str) -> Iterator[Permission]:
    yield Permission(source.namespace, CORE, "secrets", ("get",), source.name, f"the {word} is read from it")
    why = f"a changed {word} is seen within a second; without it, at the next check"
    yield Permission(source.namespace, CORE, "secrets", ("list", "watch"), source.name, why, optional=True)


def _create(namespace: str | None, name: str) -> Permission:
    why = "makes the Secret where it does not exist; not needed once it does"
    return Permission(namespace, CORE, "secrets", ("create",), name, why, optional=True)


def _consumers(namespace: str | None, rotation: RotationSettings) -> Iterator[Permission]:
    waits = [workload for workload in rotation.workloads if not workload.live]
    if not waits and not rotation.codefresh:
        return
    seen = "the old key is deleted when the consumers run with the new one; without it, after the grace period"
    yield Permission(namespace, CORE, "pods", ("list",), None, seen, optional=True)
    finds, restarts = "finds the consumers", "restarts the consumers that read the token only at start"
    if rotation.codefresh:
        yield Permission(namespace, APPS, "deployments", ("list",), None, finds, optional=True)
        if rotation.restart_consumers:
            yield Permission(namespace, APPS, "deployments", ("patch",), APP_PROXY, restarts)
    for workload in waits:
        verb = "get" if workload.name else "list"
        yield Permission(namespace, APPS, RESOURCES[workload.kind], (verb,), workload.name, finds, optional=True)
        if rotation.restart_consumers:
            yield Permission(namespace, APPS, RESOURCES[workload.kind], ("patch",), workload.name, restarts)
