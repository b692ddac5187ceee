"""What the API refuses to store: what cannot be decoded (400), and what breaks a rule of its resource (422).

After pkg/apis/*/validation of Kubernetes, for the parts that a client of Secrets, Leases, Events and workloads meets.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from monitor.simulator.kubernetes import events
from monitor.simulator.kubernetes.problems import (
    FieldError,
    field_forbidden,
    field_invalid,
    field_required,
    field_too_long,
)
from monitor.simulator.kubernetes.resources import Resource
from monitor.simulator.kubernetes.wire import Object

MAX_DATA = 1024 * 1024
MAX_ANNOTATIONS = 256 * 1024
MAX_NAME = 253
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")
_NOT_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and"
    " end with an alphanumeric character (e.g. 'example.com', regex used for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_NOT_LABEL = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and"
    " end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is"
    " '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_NOT_DATA_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or"
    " 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_FROZEN = "field is immutable when `immutable` is set"
_MICRO_TIMES = {"leases": ("spec.acquireTime", "spec.renewTime"), "events": ("eventTime", "series.lastObservedTime")}
# Fields whose type the decoder looks at, for what is reckoned with here.
_SHAPES: Mapping[str, Mapping[str, type]] = {
    "secrets": {"type": str, "immutable": bool},
    "configmaps": {"immutable": bool},
    "leases": {
        "spec": dict,
        "spec.holderIdentity": str,
        "spec.leaseDurationSeconds": int,
        "spec.leaseTransitions": int,
    },
    "events": {
        **dict.fromkeys(("involvedObject", "regarding", "related", "series", "source", "deprecatedSource"), dict),
        **dict.fromkeys(("involvedObject.namespace", "regarding.namespace", "type", "reason", "action"), str),
        **dict.fromkeys(("message", "note", "reportingComponent", "reportingController", "reportingInstance"), str),
        **dict.fromkeys(("series.count", "count", "deprecatedCount"), int),
    },
    "pods": {"spec": dict, "spec.containers": list, "status": dict},
}
_WORKLOAD_SHAPES: Mapping[str, type] = {
    **dict.fromkeys(("spec", "status", "spec.selector", "spec.selector.matchLabels", "spec.template"), dict),
    **dict.fromkeys(("spec.template.metadata", "spec.template.metadata.labels", "spec.template.spec"), dict),
    "spec.replicas": int,
    "spec.template.spec.containers": list,
}
_MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"


class DecodingError(ValueError):
    """What Go's decoder says of a body that is not of its type."""


def decode(resource: Resource, object_: Any) -> Object:
    """The object of a body: types are right, `stringData` is in `data`. Raises `DecodingError`."""
    if not isinstance(object_, dict):
        raise DecodingError(
            "couldn't get version/kind; json parse error: cannot unmarshal into Go value of type struct"
        )
    metadata = object_.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise DecodingError("json: cannot unmarshal into Go struct field .metadata of type v1.ObjectMeta")
    for name in ("labels", "annotations"):
        _strings(metadata.get(name), f"ObjectMeta.metadata.{name}")
    for name in ("name", "namespace", "resourceVersion", "uid", "generateName"):
        _string(metadata.get(name), f"ObjectMeta.metadata.{name}")
    inside: Mapping[str, type] = {"finalizers": str, "ownerReferences": dict}
    for name, element in inside.items():
        _shape(metadata.get(name), list, f"ObjectMeta.metadata.{name}")
        for each in metadata.get(name) or []:
            _shape(each, element, f"ObjectMeta.metadata.{name}")
    decoded = {**object_, "metadata": metadata}
    shapes = _WORKLOAD_SHAPES if resource.stored_group == "apps" else _SHAPES.get(resource.plural, {})
    for path, type_ in shapes.items():
        _shape(_at(decoded, path), type_, f"{resource.kind}.{path}")
    _strings(_at(decoded, "spec.template.metadata.annotations"), f"{resource.kind}.spec.template.metadata.annotations")
    if resource.plural == "secrets":
        decoded = _decode_secret(decoded)
    elif resource.plural == "configmaps":
        _strings(decoded.get("data"), "ConfigMap.data")
    for path in _MICRO_TIMES.get(resource.plural, ()):
        _micro_time(_at(decoded, path))
    return decoded


def rules(resource: Resource, new: Object, old: Object | None) -> list[FieldError]:
    """What is wrong with an object as it is kept. old: what it replaces."""
    errors = _metadata(new["metadata"])
    if resource.plural == "secrets":
        errors += _secret(new, old)
    elif resource.plural == "configmaps":
        errors += _frozen(new, old) + _data(new)
    elif resource.plural == "leases":
        errors += _lease(new)
    elif resource.plural == "events":
        errors += events.rules(new, old, strict=resource.group == events.GROUP)
    elif resource.stored_group == "apps":
        errors += _workload(new, old)
    return errors


def _decode_secret(secret: Object) -> Object:
    data = secret.get("data")
    if data is not None and not isinstance(data, dict):
        raise DecodingError("json: cannot unmarshal into Go struct field Secret.data of type map[string][]uint8")
    values = {name: value or "" for name, value in (data or {}).items()}
    for value in values.values():
        if not isinstance(value, str):
            raise DecodingError("json: cannot unmarshal number into Go struct field Secret.data of type []uint8")
        try:
            base64.b64decode(value.replace("\r", "").replace("\n", ""), validate=True)
        except (binascii.Error, ValueError):
            raise DecodingError(f"illegal base64 data at input byte {_bad_byte(value)}") from None
    _strings(secret.get("stringData"), "Secret.stringData")
    plain = {
        name: base64.b64encode(value.encode()).decode() for name, value in (secret.get("stringData") or {}).items()
    }
    decoded = {name: value for name, value in secret.items() if name not in ("data", "stringData")}
    return {**decoded, "data": {**values, **plain}} if values or plain else decoded


def _metadata(metadata: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    name = metadata.get("name", "")
    if not name:
        errors.append(field_required("metadata.name", "name or generateName is required"))
    elif not _SUBDOMAIN.fullmatch(name):
        errors.append(field_invalid("metadata.name", name, _NOT_SUBDOMAIN))
    elif len(name) > MAX_NAME:
        errors.append(field_invalid("metadata.name", name, f"must be no more than {MAX_NAME} characters"))
    for value in (metadata.get("labels") or {}).values():
        if len(value) > 63:
            errors.append(field_invalid("metadata.labels", value, "must be no more than 63 bytes"))
        elif not _LABEL.fullmatch(value):
            errors.append(field_invalid("metadata.labels", value, _NOT_LABEL))
    annotations = metadata.get("annotations") or {}
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > MAX_ANNOTATIONS:
        errors.append(field_too_long("metadata.annotations", MAX_ANNOTATIONS))
    return errors


def _secret(new: Object, old: Object | None) -> list[FieldError]:
    errors: list[FieldError] = []
    if old is not None and new.get("type") != old.get("type"):
        errors.append(field_invalid("type", new.get("type", ""), "field is immutable"))
    errors += _frozen(new, old) + _data(new)
    if new.get("type") == "kubernetes.io/tls":
        names = ("tls.crt", "tls.key")
        errors += [field_required(f"data[{name}]") for name in names if name not in (new.get("data") or {})]
    return errors


def _frozen(new: Object, old: Object | None) -> list[FieldError]:
    if old is None or not old.get("immutable"):
        return []
    errors = [] if new.get("immutable") else [field_forbidden("immutable", _FROZEN)]
    same = all((new.get(name) or {}) == (old.get(name) or {}) for name in ("data", "binaryData"))
    return errors if same else [*errors, field_forbidden("data", _FROZEN)]


def _data(new: Object) -> list[FieldError]:
    data: Mapping[str, str] = new.get("data") or {}
    errors = [field_invalid(f"data[{name}]", name, _NOT_DATA_KEY) for name in data if not _DATA_KEY.fullmatch(name)]
    encoded = new["kind"] == "Secret"
    size = sum(len(value) * 3 // 4 if encoded else len(value.encode()) for value in data.values())
    return [*errors, field_too_long("data", MAX_DATA)] if size > MAX_DATA else errors


def _lease(new: Object) -> list[FieldError]:
    spec = new.get("spec") or {}
    errors: list[FieldError] = []
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and duration <= 0:
        errors.append(field_invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    if transitions is not None and transitions < 0:
        errors.append(field_invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
    return errors


def _workload(new: Object, old: Object | None) -> list[FieldError]:
    spec = new.get("spec") or {}
    selector = spec.get("selector")
    if not selector:
        return [field_required("spec.selector")]
    errors: list[FieldError] = []
    if old is not None and selector != (old.get("spec") or {}).get("selector"):
        errors.append(field_invalid("spec.selector", selector, "field is immutable"))
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if any(labels.get(name) != value for name, value in (selector.get("matchLabels") or {}).items()):
        why = "`selector` does not match template `labels`"
        errors.append(field_invalid("spec.template.metadata.labels", labels, why))
    return errors


def _strings(value: Any, where: str) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        raise DecodingError(f"json: cannot unmarshal into Go struct field {where} of type map[string]string")
    for each in value.values():
        _string(each, where)


def _string(value: Any, where: str) -> None:
    if value is not None and not isinstance(value, str):
        raise DecodingError(f"json: cannot unmarshal {_go_kind(value)} into Go struct field {where} of type string")


def _shape(value: object, type_: type, where: str) -> None:
    if value is None or (isinstance(value, type_) and (type_ is not int or not isinstance(value, bool))):
        return
    wanted = {dict: "struct", list: "[]struct", int: "int32"}.get(type_, "string")
    raise DecodingError(f"json: cannot unmarshal {_go_kind(value)} into Go struct field {where} of type {wanted}")


def _go_kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, dict):
        return "object"
    return "array" if isinstance(value, list) else "number"


def _micro_time(value: Any) -> None:
    if value is None or (isinstance(value, str) and _MICRO_TIME.fullmatch(value)):
        return
    if not isinstance(value, str):
        raise DecodingError("json: cannot unmarshal number into Go value of type string")
    fraction = re.match(r"\.\d{6}", value[19:])
    rest, wanted = (value[26:], "Z07:00") if fraction else (value[19:], ".000000")
    raise DecodingError(f'parsing time "{value}" as "{_MICRO_LAYOUT}": cannot parse "{rest}" as "{wanted}"')


def _at(object_: Object, path: str) -> Any:
    value: Any = object_
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _bad_byte(value: str) -> int:
    for index, char in enumerate(value):
        if not re.fullmatch(r"[A-Za-z0-9+/=\r\n]", char):
            return index
    return len(value.rstrip("=")) // 4 * 4
