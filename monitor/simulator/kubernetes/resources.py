"""The resources that are served, as one table; what sets them apart is a column.

Columns as in the strategies of Kubernetes (`pkg/registry/*/strategy.go`): who may create by PUT (leases, events),
who may write without a version (all but leases), what counts generations, what a deletion
answers with.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource in one version of its group.

    stored_group: where it is kept (events.k8s.io shows the events of the core group in other words).
    generation: the fields whose change makes a new generation. status: kept apart, written by `/status` only.
    """

    group: str
    version: str
    plural: str
    kind: str
    stored_group: str
    generation: tuple[str, ...] = ()
    status: bool = False
    created_by_put: bool = False
    blind_put: bool = True
    deletion_answers_object: bool = False
    selectable: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`secrets`, `leases.coordination.k8s.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def kind_in_errors(self) -> str:
        """`Secret`, `Lease.coordination.k8s.io`."""
        return f"{self.kind}.{self.stored_group}" if self.stored_group else self.kind

    @property
    def storage_path(self) -> str:
        """Where etcd has it, as some errors tell: `/registry/secrets`."""
        return f"/registry/{self.plural}"

    def path(self, namespace: str, name: str = "") -> str:
        """Where it is found."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}{scope}/{self.plural}{f'/{name}' if name else ''}"


_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_CORE_EVENT = (*(f"involvedObject.{name}" for name in _INVOLVED), "reason", "reportingComponent", "source", "type")
_NEW_EVENT = (*(f"regarding.{name}" for name in _INVOLVED), "reason", "reportingController", "type")
_POD = ("spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase", "status.podIP")

RESOURCES = (
    Resource("", "v1", "secrets", "Secret", "", selectable=("type",)),
    Resource("", "v1", "configmaps", "ConfigMap", ""),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", "", deletion_answers_object=True),
    Resource("", "v1", "pods", "Pod", "", ("spec",), status=True, deletion_answers_object=True, selectable=_POD),
    Resource("", "v1", "events", "Event", "", created_by_put=True, selectable=_CORE_EVENT),
    Resource("events.k8s.io", "v1", "events", "Event", "", created_by_put=True, selectable=_NEW_EVENT),
    Resource(
        "coordination.k8s.io", "v1", "leases", "Lease", "coordination.k8s.io", created_by_put=True, blind_put=False
    ),
    # A Deployment counts a change of its own annotations, too (registry/apps/deployment/strategy.go).
    Resource("apps", "v1", "deployments", "Deployment", "apps", ("spec", "annotations"), status=True),
    Resource("apps", "v1", "statefulsets", "StatefulSet", "apps", ("spec",), status=True),
    Resource("apps", "v1", "daemonsets", "DaemonSet", "apps", ("spec",), status=True),
    Resource("apps", "v1", "replicasets", "ReplicaSet", "apps", ("spec",), status=True),
    Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", "discovery.k8s.io", ("endpoints", "ports")),
)

REVIEWS = "selfsubjectaccessreviews"
REVIEWS_GROUP = "authorization.k8s.io"

_BY_PLACE = {(resource.group, resource.version, resource.plural): resource for resource in RESOURCES}
_BY_KIND = {(resource.api_version, resource.kind): resource for resource in RESOURCES}
_GROUP_VERSIONS = {(resource.group, resource.version) for resource in RESOURCES} | {(REVIEWS_GROUP, "v1")}


def find(group: str, version: str, plural: str) -> Resource | None:
    """The resource of that path; None where it is not served."""
    return _BY_PLACE.get((group, version, plural))


def of_kind(api_version: str, kind: str) -> Resource:
    """The resource of an object. KeyError where it is not served."""
    return _BY_KIND[api_version, kind]


def served(group: str, version: str) -> bool:
    """Whether the group has that version at all."""
    return (group, version) in _GROUP_VERSIONS
