"""Which pods may still call with an older key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from monitor.adapters.kubernetes.pods import KEY_ID, belongs_to, runs_older, selector_of

SINCE = 1_795_000_000.0


def at(seconds: float) -> str:
    """A time so many seconds after the new key was published, as the API writes it."""
    return datetime.fromtimestamp(SINCE + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod(
    started: float | None = None, *, phase: str = "Running", key_id: str | None = None, **status: Any
) -> dict[str, Any]:
    containers = [{"state": {"running": {"startedAt": at(started)}}}] if started is not None else []
    return {
        "metadata": {"name": "p", "annotations": {KEY_ID: key_id} if key_id else {}},
        "spec": {"nodeName": "node-1"},
        "status": {"phase": phase, "startTime": at(-600), "containerStatuses": containers, **status},
    }


def waiting(reason: str) -> list[dict[str, Any]]:
    return [{"state": {"waiting": {"reason": reason}}}]


def test_a_pod_that_started_before_the_key_was_published_runs_with_the_old_one() -> None:
    assert runs_older(pod(-60), "tm-new", SINCE)


def test_a_pod_that_started_after_it_runs_with_the_new_one() -> None:
    assert not runs_older(pod(60), "tm-new", SINCE)


def test_a_container_that_was_restarted_in_an_old_pod_has_read_the_secret_again() -> None:
    restarted = pod(60)
    restarted["status"]["startTime"] = at(-86_400)
    assert not runs_older(restarted, "tm-new", SINCE)


def test_one_old_container_of_two_makes_the_pod_old() -> None:
    mixed = pod(60, initContainerStatuses=[{"state": {"running": {"startedAt": at(-60)}}}])
    assert runs_older(mixed, "tm-new", SINCE)


def test_a_pod_of_the_new_template_runs_with_the_new_key_whatever_its_clock_says() -> None:
    assert not runs_older(pod(-60, key_id="tm-new"), "tm-new", SINCE)
    assert runs_older(pod(-60, key_id="tm-before"), "tm-new", SINCE)
    assert runs_older(pod(-60, key_id="tm-new"), "tm-new.1", SINCE), "made while the write of tm-new was undone"


def test_a_start_in_the_very_second_of_the_publication_counts_as_before_it() -> None:
    assert runs_older(pod(0), "tm-new", SINCE + 0.9)


def test_a_pod_that_is_being_terminated_counts_until_its_containers_are_gone() -> None:
    ending = pod(-60)
    ending["metadata"]["deletionTimestamp"] = at(30)
    assert runs_older(ending, "tm-new", SINCE)
    ending["status"]["containerStatuses"] = [{"state": {"terminated": {"exitCode": 0}}}]
    assert not runs_older(ending, "tm-new", SINCE)


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_finished_pod_never_counts(phase: str) -> None:
    assert not runs_older(pod(-60, phase=phase), "tm-new", SINCE)


@pytest.mark.parametrize("reason", ["CrashLoopBackOff", "ImagePullBackOff", "CreateContainerConfigError"])
def test_a_container_that_waits_to_be_made_reads_the_secret_when_it_is(reason: str) -> None:
    assert not runs_older(pod(containerStatuses=waiting(reason)), "tm-new", SINCE)


def test_a_container_that_was_being_made_when_the_key_was_published_may_have_the_old_one() -> None:
    assert runs_older(pod(containerStatuses=waiting("ContainerCreating")), "tm-new", SINCE)
    assert runs_older(pod(), "tm-new", SINCE)
    assert not runs_older(pod(startTime=at(60)), "tm-new", SINCE)


def test_a_pod_without_a_node_has_not_read_anything() -> None:
    unscheduled = pod(phase="Pending")
    unscheduled["spec"] = {}
    assert not runs_older(unscheduled, "tm-new", SINCE)


def test_a_pod_of_a_lost_node_counts_as_it_was_last_seen() -> None:
    assert runs_older(pod(-60, phase="Unknown"), "tm-new", SINCE)


def test_what_cannot_be_read_counts_as_old() -> None:
    assert runs_older(pod(containerStatuses=[{"state": {"running": {"startedAt": "yesterday"}}}]), "tm-new", SINCE)
    assert runs_older(pod(containerStatuses=[{"state": {"running": None}}]), "tm-new", SINCE)


def test_the_selector_of_a_workload_is_written_as_the_api_takes_it() -> None:
    expressions = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "old", "operator": "NotIn", "values": ["yes"]},
        {"key": "there", "operator": "Exists"},
        {"key": "gone", "operator": "DoesNotExist"},
    ]
    workload = {"spec": {"selector": {"matchLabels": {"app": "x"}, "matchExpressions": expressions}}}
    assert selector_of(workload) == "app=x,tier in (a,b),old notin (yes),there,!gone"
    assert selector_of({}) == ""


def owned(kind: str, name: str, *, controller: bool = True) -> dict[str, Any]:
    return {"metadata": {"ownerReferences": [{"kind": kind, "name": name, "controller": controller}]}}


def test_a_pod_of_another_workload_that_the_selector_also_finds_is_not_counted() -> None:
    assert belongs_to(owned("ReplicaSet", "app-proxy-5d4f8c7b9"), "Deployment", "app-proxy")
    assert not belongs_to(owned("ReplicaSet", "app-proxy-canary-5d4f8c7b9"), "Deployment", "app-proxy")
    assert not belongs_to(owned("Job", "app-proxy-5d4f8c7b9"), "Deployment", "app-proxy")
    assert belongs_to(owned("StatefulSet", "store"), "StatefulSet", "store")
    assert not belongs_to(owned("StatefulSet", "store"), "DaemonSet", "store")


def test_a_pod_that_nobody_controls_counts_where_the_selector_finds_it() -> None:
    assert belongs_to({"metadata": {}}, "Deployment", "app-proxy")
    assert belongs_to(owned("Node", "n", controller=False), "Deployment", "app-proxy")
