"""The cluster's administrator, and whoever else writes into it: puts, changes, deletes and looks, without requests.

`manager` is the name under which it stands in managedFields, so that other writers can be played: a person
(`kubectl-edit`), Argo CD (`argocd-controller`), External Secrets (`external-secrets`).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from monitor.simulator.kubernetes import ownership, patches, validation, writes
from monitor.simulator.kubernetes.problems import ProblemError
from monitor.simulator.kubernetes.resources import RESOURCES, Resource, of_kind
from monitor.simulator.kubernetes.state import ClusterState
from monitor.simulator.kubernetes.wire import Object
from monitor.simulator.kubernetes.writes import STATUS, Place, Writer

MANAGER = "kubectl-create"


def put(state: ClusterState, object_: Object, *, manager: str = MANAGER) -> Object:
    """Creates the object or replaces what is there, its status too. Gives it as it is kept."""
    resource = of_kind(object_["apiVersion"], object_["kind"])
    metadata = object_["metadata"]
    place = Place(resource, metadata.get("namespace", "default"), metadata.get("name", ""))
    wanted = validation.decode(resource, object_)
    if place.name and state.get(place.key) is not None:
        kept = writes.update(state, place, lambda _: wanted, Writer(manager))
    else:
        kept = writes.create(state, place, wanted, Writer(manager))
    if resource.status and object_.get(STATUS):
        name = kept["metadata"]["name"]
        kept = change_status(state, resource.plural, place.namespace, name, object_[STATUS], manager=manager)
    return kept


def change(
    state: ClusterState, plural: str, namespace: str, name: str, patch: Object, *, manager: str = MANAGER
) -> Object:
    """Merges `patch` into an object. null deletes."""
    resource = _resource(plural)

    def changed(old: Object) -> Object:
        return validation.decode(resource, patches.merge(old, patch))

    return writes.update(state, Place(resource, namespace, name), changed, Writer(manager))


def change_status(
    state: ClusterState,
    plural: str,
    namespace: str,
    name: str,
    status: Object,
    *,
    annotations: Mapping[str, str] | None = None,
    manager: str = MANAGER,
) -> Object:
    """Replaces the status of an object and adds annotations, as its controller or kubelet does."""

    def changed(old: Object) -> Object:
        metadata = old["metadata"]
        marks = {**metadata.get("annotations", {}), **(annotations or {})}
        return {**old, STATUS: status, "metadata": {**metadata, "annotations": marks}}

    return writes.update(state, Place(_resource(plural), namespace, name), changed, Writer(manager, STATUS))


def get(state: ClusterState, plural: str, namespace: str, name: str) -> Object | None:
    """The object as it is kept, if it is there."""
    return state.get(Place(_resource(plural), namespace, name).key)


def delete(state: ClusterState, plural: str, namespace: str, name: str) -> bool:
    """Deletes it. Returns whether it was there."""
    try:
        writes.delete(state, Place(_resource(plural), namespace, name), {}, Writer("kubectl-delete"))
    except ProblemError as problem:
        if problem.status["code"] == 404:
            return False
        raise
    return True


# --- Secrets -------------------------------------------------------------------------------------------------------


def put_secret(
    state: ClusterState,
    namespace: str,
    name: str,
    data: Mapping[str, str],
    *,
    type_: str = "Opaque",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    immutable: bool = False,
    manager: str = MANAGER,
) -> Object:
    """Creates or replaces a Secret with these values (plain, as UTF-8)."""
    metadata: Object = {"name": name, "namespace": namespace}
    metadata |= {"labels": dict(labels)} if labels else {}
    metadata |= {"annotations": dict(annotations)} if annotations else {}
    secret: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": type_}
    secret |= {"immutable": True} if immutable else {}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return put(state, {**secret, "data": encoded}, manager=manager)


def set_value(
    state: ClusterState, namespace: str, name: str, key: str, value: str | None, *, manager: str = "kubectl-edit"
) -> Object:
    """Changes one key of a Secret; None takes it away."""
    encoded = None if value is None else base64.b64encode(value.encode()).decode()
    return change(state, "secrets", namespace, name, {"data": {key: encoded}}, manager=manager)


def value(state: ClusterState, namespace: str, name: str, key: str) -> str | None:
    """One value of a Secret, if it is there."""
    secret = get(state, "secrets", namespace, name)
    encoded = None if secret is None else (secret.get("data") or {}).get(key)
    return None if encoded is None else base64.b64decode(encoded).decode()


def last_writer(state: ClusterState, namespace: str, name: str, key: str) -> str | None:
    """The manager that wrote that key of a Secret last."""
    secret = get(state, "secrets", namespace, name)
    return None if secret is None else ownership.last_writer(secret, "data", key)


def _resource(plural: str) -> Resource:
    return next(resource for resource in RESOURCES if resource.plural == plural)
