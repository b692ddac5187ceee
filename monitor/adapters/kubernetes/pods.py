"""Whether a pod still runs with an older key: a pure look at what the API tells of it.

An environment variable from a Secret is read when a container is made, so a container knows the key that the Secret
held shortly before its start. Where it cannot be told, a pod counts as old: an old key that lives longer harms less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from monitor.adapters.kubernetes.calls import mapping

# On the pod template of a consumer that was restarted: the id of the key that it starts with, and a number where the
# write of it was undone and made again (`Journal.mark`).
KEY_ID = "tokenmonitor.io/key-id"
# A node's clock may be ahead of ours; the API gives whole seconds, cut off.
CLOCKS_DIFFER = 2.0
OVER = ("Succeeded", "Failed")
# Its containers may have been made already, with what the Secret held then. Other reasons to wait (a crash, an image
# that cannot be pulled) come before a container is made anew.
BEING_MADE = ("ContainerCreating", "PodInitializing", "")


def runs_older(pod: Mapping[str, Any], key_id: str, since: float) -> bool:
    """Whether `pod` may call with an older key than `key_id`, which is in the Secret since `since` (epoch seconds).

    A pod that is being terminated counts until its containers are gone; a finished one never does.
    """
    metadata, status = mapping(pod.get("metadata")), mapping(pod.get("status"))
    if status.get("phase") in OVER or mapping(metadata.get("annotations")).get(KEY_ID) == key_id:
        return False
    containers = [*_states(status, "initContainerStatuses"), *_states(status, "containerStatuses")]
    running = [mapping(state["running"]).get("startedAt") for state in containers if "running" in state]
    if running:
        return any(_seconds(started) < since + CLOCKS_DIFFER for started in running)
    if not mapping(pod.get("spec")).get("nodeName"):
        return False
    being_made = not containers or any(
        str(mapping(state["waiting"]).get("reason", "")) in BEING_MADE for state in containers if "waiting" in state
    )
    return being_made and _seconds(status.get("startTime") or metadata.get("creationTimestamp")) < since + CLOCKS_DIFFER


def selector_of(workload: Mapping[str, Any]) -> str:
    """The label selector of a workload's pods, as the API takes it in a query; "" where it has none."""
    selector = mapping(mapping(workload.get("spec")).get("selector"))
    terms = [f"{key}={value}" for key, value in mapping(selector.get("matchLabels")).items()]
    expressions = selector.get("matchExpressions")
    for expression in expressions if isinstance(expressions, list) else []:
        key, values = mapping(expression).get("key"), mapping(expression).get("values")
        among = ",".join(map(str, values)) if isinstance(values, list) else ""
        match mapping(expression).get("operator"):
            case "In":
                terms.append(f"{key} in ({among})")
            case "NotIn":
                terms.append(f"{key} notin ({among})")
            case "Exists":
                terms.append(f"{key}")
            case "DoesNotExist":
                terms.append(f"!{key}")
    return ",".join(terms)


def belongs_to(pod: Mapping[str, Any], kind: str, name: str) -> bool:
    """Whether a pod that the selector of `kind` `name` found is its own: selectors may overlap, owners do not."""
    references = mapping(pod.get("metadata")).get("ownerReferences")
    owners = [mapping(owner) for owner in references] if isinstance(references, list) else []
    owner = next((owner for owner in owners if owner.get("controller")), None)
    if owner is None:
        return True
    owned_by = str(owner.get("name", ""))
    if kind == "Deployment":
        # Its ReplicaSets are named after it and a digest without dashes.
        return owner.get("kind") == "ReplicaSet" and owned_by.rpartition("-")[0] == name
    return owner.get("kind") == kind and owned_by == name


def _states(status: Mapping[str, Any], field: str) -> Sequence[Mapping[str, Any]]:
    found = status.get(field)
    return [mapping(mapping(one).get("state")) for one in found] if isinstance(found, list) else []


def _seconds(moment: object) -> float:
    """Epoch seconds of an RFC 3339 time; long ago where it is none."""
    try:
        return datetime.fromisoformat(str(moment)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
