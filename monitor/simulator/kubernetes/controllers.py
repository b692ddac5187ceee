"""Deployments, StatefulSets and DaemonSets brought about: pods of the present template instead of the old ones.

Nothing rolls by itself: `roll` does one workload, `reconcile` all whose template changed. Between the change and the
roll stands the time in which consumers still run with the old key. A pod has what one needs to tell who runs with
what: labels, annotations, owner, start, phase, readiness, containers with their environment.
"""

from __future__ import annotations

import hashlib
import json

from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.state import NAME_LETTERS, ClusterState
from monitor.simulator.kubernetes.wire import Object

MANAGER = "kube-controller-manager"
WORKLOADS = ("deployments", "statefulsets", "daemonsets")
REVISION = "deployment.kubernetes.io/revision"
_HASH_LABEL = {
    "deployments": "pod-template-hash",
    "statefulsets": "controller-revision-hash",
    "daemonsets": "controller-revision-hash",
}


class NoSuchWorkloadError(LookupError):
    """There is no workload of that name."""


def deployment(
    name: str,
    namespace: str,
    *,
    kind: str = "Deployment",
    replicas: int = 1,
    labels: dict[str, str] | None = None,
    env: list[Object] | None = None,
) -> Object:
    """A plain workload to `kubectl.put`: one container with this environment, pods labelled `app: NAME` and `labels`."""
    container: Object = {"name": name, "image": "registry.invalid/consumer:1", **({"env": env} if env else {})}
    marks = {"app": name, **(labels or {})}
    spec: Object = {
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": marks}, "spec": {"containers": [container]}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": marks},
        "spec": spec if kind == "DaemonSet" else {"replicas": replicas, **spec},
    }


def roll(
    state: ClusterState,
    namespace: str,
    name: str,
    *,
    workload: str = "deployments",
    old_left: int = 0,
    ready: bool = True,
) -> list[str]:
    """Makes the pods of the present template and removes those of others, but for `old_left` of them.

    ready False: the new pods hang in Pending, and every old one stays. Returns the names of the new pods.
    """
    owner = kubectl.get(state, workload, namespace, name)
    if owner is None:
        raise NoSuchWorkloadError(f"{workload} {namespace}/{name}")
    mark = _hash(owner["spec"]["template"])
    holder = _replica_set(state, owner, mark) if workload == "deployments" else owner
    pods = pods_of(state, namespace, name, workload=workload)
    current = [pod for pod in pods if pod["metadata"]["labels"][_HASH_LABEL[workload]] == mark]
    old = [pod for pod in pods if pod not in current]
    wanted = owner["spec"].get("replicas", 1)
    for pod in (old if ready else [])[: len(old) - old_left] + current[wanted:]:
        kubectl.delete(state, "pods", namespace, pod["metadata"]["name"])
    for pod in current[:wanted]:
        if ready and not _is_ready(pod):
            started = _pod_status(state, pod, True)
            kubectl.change_status(state, "pods", namespace, pod["metadata"]["name"], started, manager=MANAGER)
    made: list[str] = []
    for index in range(len(current), wanted):
        template = owner["spec"]["template"]
        pod = _pod(holder, template, workload, mark, _pod_name(state, owner, holder, workload, index))
        taken = kubectl.get(state, "pods", namespace, pod["metadata"]["name"])
        if taken is not None:
            continue  # a StatefulSet's pod keeps its name: the new one waits until the old one is gone
        kept = kubectl.put(state, {**pod, "status": _pod_status(state, pod, ready)}, manager=MANAGER)
        made.append(kept["metadata"]["name"])
    _tell_status(state, owner, workload)
    return made


def reconcile(state: ClusterState) -> list[str]:
    """Rolls each workload that is not as its template says. Returns their names."""
    rolled: list[str] = []
    for workload in WORKLOADS:
        for owner in state.all("apps", workload):
            metadata = owner["metadata"]
            if owner["spec"].get("paused") or settled(
                state, metadata["namespace"], metadata["name"], workload=workload
            ):
                continue
            roll(state, metadata["namespace"], metadata["name"], workload=workload)
            rolled.append(metadata["name"])
    return rolled


def settled(state: ClusterState, namespace: str, name: str, *, workload: str = "deployments") -> bool:
    """Whether exactly the pods run that the present template wants."""
    owner = kubectl.get(state, workload, namespace, name)
    if owner is None:
        return True
    mark = _hash(owner["spec"]["template"])
    pods = pods_of(state, namespace, name, workload=workload)
    fresh = all(pod["metadata"]["labels"][_HASH_LABEL[workload]] == mark for pod in pods)
    return fresh and len(pods) == owner["spec"].get("replicas", 1) and all(_is_ready(pod) for pod in pods)


def pods_of(state: ClusterState, namespace: str, name: str, *, workload: str = "deployments") -> list[Object]:
    """The pods of a workload, by their owners."""
    owner = kubectl.get(state, workload, namespace, name)
    if owner is None:
        return []
    uids = {owner["metadata"]["uid"]}
    uids |= {each["metadata"]["uid"] for each in state.all("apps", "replicasets", namespace) if _owned(each, uids)}
    return [pod for pod in state.all("", "pods", namespace) if _owned(pod, uids)]


def _replica_set(state: ClusterState, owner: Object, mark: str) -> Object:
    metadata, template = owner["metadata"], owner["spec"]["template"]
    namespace, name = metadata["namespace"], f"{metadata['name']}-{mark}"
    mine = {metadata["uid"]}
    others = [each for each in state.all("apps", "replicasets", namespace) if _owned(each, mine)]
    found = next((each for each in others if each["metadata"]["name"] == name), None)
    for each in others:
        if each is not found and each["spec"]["replicas"]:
            scaled: Object = {"spec": {"replicas": 0}}
            kubectl.change(state, "replicasets", namespace, each["metadata"]["name"], scaled, manager=MANAGER)
    revisions = [int(each["metadata"]["annotations"][REVISION]) for each in others]
    if found is None:
        revision = str(max(revisions, default=0) + 1)
        labels = {**(template["metadata"].get("labels") or {}), _HASH_LABEL["deployments"]: mark}
        selector = {"matchLabels": {**owner["spec"]["selector"]["matchLabels"], _HASH_LABEL["deployments"]: mark}}
        about = {"name": name, "namespace": namespace, "labels": labels, "annotations": {REVISION: revision}}
        spec = {
            "replicas": owner["spec"]["replicas"],
            "selector": selector,
            "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
        }
        found = kubectl.put(
            state,
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "metadata": {**about, "ownerReferences": [_reference(owner)]},
                "spec": spec,
            },
            manager=MANAGER,
        )
        told = {REVISION: revision}
        status = owner.get("status", {})
        kubectl.change_status(
            state, "deployments", namespace, metadata["name"], status, annotations=told, manager=MANAGER
        )
    return found


def _pod(holder: Object, template: Object, workload: str, mark: str, name: str) -> Object:
    about = template.get("metadata") or {}
    metadata: Object = {
        "name": name,
        "namespace": holder["metadata"]["namespace"],
        "labels": {**(about.get("labels") or {}), _HASH_LABEL[workload]: mark},
        "ownerReferences": [_reference(holder)],
    }
    metadata |= {"annotations": dict(about["annotations"])} if about.get("annotations") else {}
    spec = {"restartPolicy": "Always", "nodeName": "node-1", **template.get("spec", {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _pod_name(state: ClusterState, owner: Object, holder: Object, workload: str, index: int) -> str:
    if workload == "statefulsets":
        return f"{owner['metadata']['name']}-{index}"
    return f"{holder['metadata']['name']}-{state.suffix()}"


def _pod_status(state: ClusterState, pod: Object, ready: bool) -> Object:
    now = state.timestamp()
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": now}
    running = {"running": {"startedAt": now}} if ready else {"waiting": {"reason": "ContainerCreating"}}
    containers = [
        {"name": each["name"], "ready": ready, "restartCount": 0, "started": ready, "state": running}
        for each in pod["spec"].get("containers", [])
    ]
    return {
        "phase": "Running" if ready else "Pending",
        "startTime": now,
        "conditions": [condition],
        "containerStatuses": containers,
    }


def _tell_status(state: ClusterState, owner: Object, workload: str) -> None:
    namespace, name = owner["metadata"]["namespace"], owner["metadata"]["name"]
    now = kubectl.get(state, workload, namespace, name) or owner
    mark = _hash(now["spec"]["template"])
    pods = pods_of(state, namespace, name, workload=workload)
    ready = sum(1 for pod in pods if _is_ready(pod))
    updated = sum(1 for pod in pods if pod["metadata"]["labels"][_HASH_LABEL[workload]] == mark)
    status: Object = {"observedGeneration": now["metadata"]["generation"]}
    if workload == "daemonsets":
        status |= {"desiredNumberScheduled": 1, "currentNumberScheduled": len(pods), "numberReady": ready}
        status |= {"updatedNumberScheduled": updated, "numberAvailable": ready}
    else:
        status |= {
            "replicas": len(pods),
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "availableReplicas": ready,
        }
    kubectl.change_status(state, workload, namespace, name, status, manager=MANAGER)


def _is_ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _owned(object_: Object, uids: set[str]) -> bool:
    return any(each["uid"] in uids for each in object_["metadata"].get("ownerReferences", []))


def _reference(owner: Object) -> Object:
    metadata = owner["metadata"]
    named = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": metadata["name"], "uid": metadata["uid"]}
    return {**named, "controller": True, "blockOwnerDeletion": True}


def _hash(template: Object) -> str:
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(NAME_LETTERS[byte % len(NAME_LETTERS)] for byte in digest[:10])
