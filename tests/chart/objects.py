"""What tests want to know of rendered objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from tests.chart.tools import RELEASE, Object

# (namespace, group/resource, name or "*", verb)
Right = tuple[str, str, str, str]


def of_kind(objects: Iterable[Object], kind: str) -> list[Object]:
    """All objects of a kind."""
    return [found for found in objects if found["kind"] == kind]


def one(objects: Iterable[Object], kind: str, name: str | None = None) -> Object:
    """The only object of a kind, or the one of that name."""
    (found,) = (item for item in of_kind(objects, kind) if name in (None, item["metadata"]["name"]))
    return found


def configuration(objects: Iterable[Object], name: str = RELEASE) -> dict[str, Any]:
    """The monitor's configuration, as the ConfigMap has it."""
    read: dict[str, Any] = yaml.safe_load(one(objects, "ConfigMap", name)["data"]["token-monitor.yaml"])
    return read


def pod_template(objects: Iterable[Object]) -> Object:
    """The template of the Deployment's pods."""
    template: Object = one(objects, "Deployment")["spec"]["template"]
    return template


def container(objects: Iterable[Object]) -> Object:
    """The container of the Deployment's pods."""
    (found,) = pod_template(objects)["spec"]["containers"]
    return found


def rights(objects: Iterable[Object]) -> set[Right]:
    """Every verb that the Roles give, each as a row."""
    return {
        (role["metadata"]["namespace"], place(group, resource), name, verb)
        for role in of_kind(objects, "Role")
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", ["*"])
        for verb in rule["verbs"]
    }


def place(group: str, resource: str) -> str:
    """`secrets`, `leases.coordination.k8s.io`."""
    return f"{resource}.{group}" if group else resource


def texts(value: Any) -> Iterator[str]:
    """Every text within a value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from texts(key)
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    else:
        yield str(value)
