"""Creating, replacing and deleting an object: what the server fills in, checks and counts.

In the order of k8s.io/apiserver/pkg/registry/generic/registry/store.go. An object comes and goes as it is kept; the
words of other versions and the decoding are `verbs`' work. A write that changes nothing makes no new version.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from monitor.simulator.kubernetes import events, ownership, validation
from monitor.simulator.kubernetes.problems import (
    FieldError,
    already_exists,
    bad_request,
    conflict,
    deletion_conflict,
    field_invalid,
    invalid,
    not_found,
    success,
    unexplained,
    version_on_create,
)
from monitor.simulator.kubernetes.resources import Resource
from monitor.simulator.kubernetes.state import ClusterState, Key
from monitor.simulator.kubernetes.wire import Object

STATUS = "status"
_KEPT = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
_CHANGED = {"uid": "deleted and then recreated", "resourceVersion": "modified"}
_TRIES_FOR_A_NAME = 8


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, and how. dry_run: everything but the writing."""

    manager: str
    subresource: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """What a request is about."""

    resource: Resource
    namespace: str
    name: str

    @property
    def key(self) -> Key:
        """Where it is kept."""
        return Key(self.resource.stored_group, self.resource.plural, self.namespace, self.name)


def create(state: ClusterState, place: Place, object_: Object, writer: Writer, *, by_put: bool = False) -> Object:
    """A new object. Its name is that of its metadata, or generated. by_put: a version in it is passed over."""
    resource = place.resource
    metadata = {name: value for name, value in object_["metadata"].items() if name not in (*_KEPT, "managedFields")}
    if metadata.pop("resourceVersion", "") and not by_put:
        raise version_on_create()
    _check_namespace(place, metadata)
    metadata["namespace"] = place.namespace
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = _generated_name(state, place, str(metadata["generateName"]))
    place = Place(resource, place.namespace, str(metadata.get("name", "")))
    metadata |= {"uid": state.new_uid(), "creationTimestamp": state.timestamp()}
    if resource.generation:
        metadata["generation"] = 1
    new = _typed(resource, {**object_, "metadata": _ordered(metadata)})
    new = _defaults(new)
    if resource.status:
        new = {**new, STATUS: {"phase": "Pending"} if resource.plural == "pods" else {}}
    _check(resource, new, None)
    if state.get(place.key) is not None:
        raise already_exists(resource, place.name)
    return _store(state, place, None, new, writer)


def update(state: ClusterState, place: Place, change: Callable[[Object], Object], writer: Writer) -> Object:
    """Replaces an object by what `change` makes of it. A version in it must be the present one."""
    resource = place.resource
    old = state.get(place.key)
    if old is None:
        raise not_found(resource, place.name)
    new = change(old)
    metadata = new["metadata"]
    if metadata.get("name", place.name) != place.name:
        told = f"the name of the object ({metadata['name']}) does not match the name on the URL ({place.name})"
        raise bad_request(told)
    _check_namespace(place, metadata)
    uid = metadata.get("uid")
    if uid and uid != old["metadata"]["uid"]:
        key = f"{resource.storage_path}/{place.namespace}/{place.name}"
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}"
        stored = f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: {why}"
        raise conflict(resource, place.name, stored)
    version = metadata.get("resourceVersion")
    if not version and not resource.blind_put:
        missing = field_invalid("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid(resource.qualified, place.name, [missing])
    if version and not version.isdecimal():
        raise unexplained(f'strconv.ParseUint: parsing "{version}": invalid syntax')
    if version and version != old["metadata"]["resourceVersion"]:
        raise conflict(resource, place.name)
    return _replace(state, place, old, new, writer)


def delete(state: ClusterState, place: Place, preconditions: Object, writer: Writer) -> Object:
    """Deletes an object, or marks it where finalizers hold it. Answers what the real one does."""
    resource = place.resource
    old = state.get(place.key)
    if old is None:
        raise not_found(resource, place.name)
    metadata = old["metadata"]
    for field, label in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        wanted = preconditions.get(field)
        if wanted is not None and wanted != metadata[field]:
            why = (
                f"the {label} in the precondition ({wanted}) does not match the {label} in record ({metadata[field]})."
                f" The object might have been {_CHANGED[field]}"
            )
            raise deletion_conflict(resource, place.name, why)
    if metadata.get("finalizers"):
        if writer.dry_run or "deletionTimestamp" in metadata:
            return old
        marked = {**metadata, "deletionTimestamp": state.timestamp(), "deletionGracePeriodSeconds": 0}
        return _written(state, place, {**old, "metadata": _ordered(marked)})
    if not writer.dry_run:
        state.write(place.key, None)
    return old if resource.deletion_answers_object else success(resource, place.name, metadata["uid"])


def _replace(state: ClusterState, place: Place, old: Object, new: Object, writer: Writer) -> Object:
    resource, kept = place.resource, old["metadata"]
    metadata = {name: value for name, value in new["metadata"].items() if name not in (*_KEPT, "managedFields")}
    metadata |= {name: kept[name] for name in _KEPT if name in kept}
    metadata |= {"name": place.name, "namespace": place.namespace, "resourceVersion": kept["resourceVersion"]}
    new = {**new, "metadata": metadata}
    if resource.status:
        if writer.subresource == STATUS:
            # A status may bring annotations along, which makes no new generation: the revision comes that way.
            annotations = metadata.get("annotations")
            metadata = {**kept, **({"annotations": annotations} if annotations else {})}
            new = {**old, STATUS: new.get(STATUS, {}), "metadata": metadata}
        else:
            new = {**new, STATUS: old.get(STATUS, {})}
    if resource.plural == "secrets" and not new.get("type"):
        new = {**new, "type": old.get("type")}
    new = _defaults(_typed(resource, new))
    if writer.subresource != STATUS and any(_part(new, part) != _part(old, part) for part in resource.generation):
        metadata["generation"] = kept.get("generation", 0) + 1
    _check(resource, new, old)
    if kept.get("deletionTimestamp") and not metadata.get("finalizers"):
        if not writer.dry_run:
            state.write(place.key, None)
        return new
    return _store(state, place, old, new, writer)


def _store(state: ClusterState, place: Place, old: Object | None, new: Object, writer: Writer) -> Object:
    if old is not None and _bare(old) == _bare(new):
        return old
    told = events.from_core if place.resource.group == events.GROUP else _same
    managed = ownership.record(
        None if old is None else told(old),
        told(new),
        manager=writer.manager,
        api_version=place.resource.api_version,
        subresource=writer.subresource,
        time=state.timestamp(),
    )
    metadata = {**new["metadata"], "managedFields": managed}
    if not managed:
        del metadata["managedFields"]
    new = {**new, "metadata": _ordered(metadata)}
    return new if writer.dry_run else _written(state, place, new)


def _written(state: ClusterState, place: Place, new: Object) -> Object:
    written = state.write(place.key, new)
    return written if written is not None else new


def _check(resource: Resource, new: Object, old: Object | None) -> None:
    errors: list[FieldError] = validation.rules(resource, new, old)
    if errors:
        raise invalid(resource.kind_in_errors, str(new["metadata"].get("name", "")), errors)


def _check_namespace(place: Place, metadata: Object) -> None:
    if metadata.get("namespace", place.namespace) not in ("", place.namespace):
        told = "the namespace of the provided object does not match the namespace sent on the request"
        raise bad_request(told)


def _defaults(new: Object) -> Object:
    if new["kind"] == "Event":
        return events.complete(new)
    if new["kind"] == "Secret":
        return {**new, "type": new.get("type") or "Opaque"}
    if new["kind"] in ("Deployment", "StatefulSet", "ReplicaSet"):
        spec = new.get("spec") or {}
        return {**new, "spec": {**spec, "replicas": spec.get("replicas", 1)}}
    return new


def _typed(resource: Resource, new: Object) -> Object:
    # As it is kept: an event of events.k8s.io is one of the core group.
    version = f"{resource.stored_group}/{resource.version}" if resource.stored_group else resource.version
    rest = {name: value for name, value in new.items() if name not in ("kind", "apiVersion")}
    return {"kind": resource.kind, "apiVersion": version, **rest}


def _same(object_: Object) -> Object:
    return object_


def _generated_name(state: ClusterState, place: Place, prefix: str) -> str:
    name = prefix
    for _ in range(_TRIES_FOR_A_NAME):
        name = f"{prefix[:58]}{state.suffix()}"
        if state.get(Place(place.resource, place.namespace, name).key) is None:
            break
    return name


def _part(object_: Object, name: str) -> object:
    return object_["metadata"].get(name) if name == "annotations" else object_.get(name)


def _bare(object_: Object) -> Object:
    """Everything but what the server itself keeps of writes."""
    ignored = ("managedFields", "resourceVersion")
    metadata = {
        name: value for name, value in object_["metadata"].items() if name not in ignored and value not in ({}, None)
    }
    return {**object_, "metadata": metadata}


def _ordered(metadata: Object) -> Object:
    first = ("name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp")
    return {
        name: metadata[name] for name in (*first, *(name for name in metadata if name not in first)) if name in metadata
    }
