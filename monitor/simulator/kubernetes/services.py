"""A Service's EndpointSlices, as the endpoint slice controller writes them from the pods that the selector finds.

There is no Service object: who asks for its replicas asks for the slices with its name on their label. The controller
makes a slice for each family of addresses and each set of target ports (pkg `k8s.io/endpointslice`, reconciler.go).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.state import ClusterState
from monitor.simulator.kubernetes.wire import Object

MANAGER = "kube-controller-manager"
SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_LABEL = "endpointslice.kubernetes.io/managed-by"


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod behind a Service. terminating: it is on its way out, and still answers where it also is `serving`."""

    name: str
    address: str
    port: int = 8080
    ready: bool = True
    serving: bool | None = None
    terminating: bool = False


def publish(
    state: ClusterState, namespace: str, service: str, pods: Sequence[Pod], *, ports: Sequence[str] = ("http", "https")
) -> None:
    """Makes these pods the ones behind the Service. ports: the names of its ports, which all lead to the pod's one."""
    wanted: dict[str, list[Pod]] = {}
    for pod in pods:
        family = "IPv6" if ":" in pod.address else "IPv4"
        wanted.setdefault(f"{service}-{family.lower()}-{pod.port}", []).append(pod)
    for name, together in wanted.items():
        kubectl.put(state, _slice(name, namespace, service, together, ports), manager=MANAGER)
    for known in tuple(state.all("discovery.k8s.io", "endpointslices", namespace)):
        metadata = known["metadata"]
        if metadata.get("labels", {}).get(SERVICE_LABEL) == service and metadata["name"] not in wanted:
            kubectl.delete(state, "endpointslices", namespace, metadata["name"])


def _slice(name: str, namespace: str, service: str, pods: Sequence[Pod], ports: Sequence[str]) -> Object:
    labels = {SERVICE_LABEL: service, MANAGED_LABEL: "endpointslice-controller.k8s.io"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "addressType": "IPv6" if ":" in pods[0].address else "IPv4",
        "endpoints": [_endpoint(pod, namespace) for pod in pods],
        "ports": [{"name": port, "port": pods[0].port, "protocol": "TCP"} for port in ports],
    }


def _endpoint(pod: Pod, namespace: str) -> Object:
    serving = pod.ready if pod.serving is None else pod.serving
    conditions = {"ready": pod.ready and not pod.terminating, "serving": serving, "terminating": pod.terminating}
    target = {"kind": "Pod", "name": pod.name, "namespace": namespace, "uid": f"uid-of-{pod.name}"}
    return {"addresses": [pod.address], "conditions": conditions, "targetRef": target}
