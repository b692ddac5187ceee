"""What the monitor must be allowed to do in Kubernetes, and the Roles that allow exactly that.

`monitor.config.permissions` says what a configuration needs; here is what a permission is, and how permissions become
Roles with names only, one a namespace (nothing cluster-wide). Two rules of RBAC shape it: `create` cannot be limited
to a name, since there is none yet, and neither can a list that selects by label.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

CORE = ""
APPS = "apps"
COORDINATION = "coordination.k8s.io"
EVENTS = "events.k8s.io"
RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Permission:
    """Verbs on one kind of object in one namespace.

    namespace: None for the monitor's own. group: "" for the core API. name: None where no single object is meant.
    why: what it is for, in words. optional: without it the monitor does its work, and less well; `why` says how.
    """

    namespace: str | None
    group: str
    resource: str
    verbs: tuple[str, ...]
    name: str | None
    why: str
    optional: bool = False

    @property
    def resource_name(self) -> str | None:
        """The name that a rule can be limited to; None where RBAC knows none."""
        return None if "create" in self.verbs else self.name

    @property
    def full_resource(self) -> str:
        """`deployments.apps`, as kubectl takes it."""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    def __str__(self) -> str:
        what = f"{self.full_resource}/{self.name}" if self.name else self.full_resource
        return f"{', '.join(self.verbs)} {what}" + (f" in {self.namespace}" if self.namespace else "")


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Who gets the permissions."""

    namespace: str
    name: str

    @property
    def user(self) -> str:
        """The user name that the API knows it by."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that every service account of its namespace is in."""
        return ("system:serviceaccounts", f"system:serviceaccounts:{self.namespace}", "system:authenticated")


def in_namespace(permissions: Iterable[Permission], own: str) -> tuple[Permission, ...]:
    """The same with the monitor's own namespace filled in; what several targets need is there once."""
    placed = (replace(permission, namespace=permission.namespace or own) for permission in permissions)
    first: dict[tuple[str | None, str, str, str | None, tuple[str, ...]], Permission] = {}
    for one in placed:
        first.setdefault((one.namespace, one.group, one.resource, one.name, one.verbs), one)
    return tuple(first.values())


def roles(permissions: Iterable[Permission], account: ServiceAccount) -> tuple[dict[str, Any], ...]:
    """A Role and a RoleBinding for each namespace, as plain objects ready for `kubectl apply`."""
    by_namespace: dict[str, list[Permission]] = {}
    for permission in in_namespace(permissions, account.namespace):
        by_namespace.setdefault(permission.namespace or account.namespace, []).append(permission)
    return tuple(
        manifest
        for namespace, needed in sorted(by_namespace.items())
        for manifest in (_role(namespace, needed, account), _binding(namespace, account))
    )


def _role(namespace: str, needed: list[Permission], account: ServiceAccount) -> dict[str, Any]:
    # Verbs of each object first, then the objects that have the same verbs share a rule.
    verbs: dict[tuple[str, str, str | None], dict[str, None]] = {}
    for permission in needed:
        place = (permission.group, permission.resource, permission.resource_name)
        verbs.setdefault(place, {}).update(dict.fromkeys(permission.verbs))
    shared: dict[tuple[str, str, tuple[str, ...], bool], list[str]] = {}
    for (group, resource, name), allowed in verbs.items():
        names = shared.setdefault((group, resource, tuple(sorted(allowed)), name is not None), [])
        if name is not None:
            names.append(name)
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "Role",
        "metadata": {"name": account.name, "namespace": namespace},
        "rules": [
            {
                "apiGroups": [group],
                "resources": [resource],
                **({"resourceNames": sorted(names)} if names else {}),
                "verbs": list(allowed),
            }
            for (group, resource, allowed, _), names in sorted(shared.items())
        ],
    }


def _binding(namespace: str, account: ServiceAccount) -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": account.name, "namespace": namespace},
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": account.name},
        "subjects": [{"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}],
    }
