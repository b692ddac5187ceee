"""What Kubernetes and the Prometheus operator take, offline: objects are judged as their API servers would.

Kubernetes' schemas come with the package kubernetes-validate, the operator's definitions are fetched by `scripts/tools`.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.chart.tools import Object, tool

# The oldest that the chart takes, some between, the newest there is.
VERSIONS = ("1.25", "1.29", "1.33", "1.37")
OPERATOR = {"ServiceMonitor": "servicemonitors", "PrometheusRule": "prometheusrules"}
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_OF_DNS = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def faults(thing: Object, version: str) -> list[str]:
    """What the API server of this version of Kubernetes would refuse."""
    validator = _operator(thing["kind"]) if thing["kind"] in OPERATOR else _kubernetes(version, *_identity(thing))
    found = [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in validator.iter_errors(thing)
    ]
    return found + list(_names(thing))


def _identity(thing: Object) -> tuple[str, str]:
    # rbac.authorization.k8s.io/v1 -> rbac-v1, as the files are called
    return thing["kind"].lower(), re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", thing["apiVersion"])


@functools.cache
def _kubernetes(version: str, kind: str, api: str) -> Draft202012Validator:
    folder = resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    schema = json.loads((folder / f"{kind}-{api}.json").read_text("utf-8"))
    return Draft202012Validator(schema, registry=_registry(version))


@functools.cache
def _registry(version: str) -> Registry[Any]:
    folder = resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    definitions = json.loads((folder / "_definitions.json").read_text("utf-8"))
    resource = Resource.from_contents(definitions, default_specification=DRAFT202012)
    return (
        Registry().with_resource("/api/_definitions.json", resource).with_resource(definitions.get("$id", ""), resource)
    )


@functools.cache
def _operator(kind: str) -> Draft202012Validator:
    file = tool("definitions") / f"monitoring.coreos.com_{OPERATOR[kind]}.yaml"
    (version,) = yaml.safe_load(file.read_text("utf-8"))["spec"]["versions"]
    schema = _closed(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    return Draft202012Validator(schema)


def _closed(schema: Any) -> Any:
    """Refuses unknown keys, as the API server does with strict validation of fields."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema and "additionalProperties" not in schema:
        closed["additionalProperties"] = False
    return closed


def _names(thing: Object) -> Iterator[str]:
    """What schemas do not say: names, labels and annotations are refused where they are not well-formed."""
    metadata = thing["metadata"]
    if thing["kind"] not in ("Role", "RoleBinding") and not _SUBDOMAIN.fullmatch(metadata["name"]):
        yield f"metadata.name: {metadata['name']}"
    if thing["kind"] == "Service" and not _LABEL_OF_DNS.fullmatch(metadata["name"]):
        yield f"metadata.name: {metadata['name']} is no name of a Service"
    template = thing.get("spec", {}).get("template", {}).get("metadata", {}) if thing["kind"] == "Deployment" else {}
    for labels in (metadata.get("labels", {}), template.get("labels", {})):
        for key, value in labels.items():
            if not (isinstance(value, str) and _LABEL.fullmatch(value) and _LABEL_KEY.fullmatch(key)):
                yield f"label {key}: {value!r}"
    for key, value in {**metadata.get("annotations", {}), **template.get("annotations", {})}.items():
        if not (isinstance(value, str) and _LABEL_KEY.fullmatch(key)):
            yield f"annotation {key}: {value!r}"
