"""Who runs with which key: workloads, their pods, and the time between a change and its roll."""

from __future__ import annotations

import pytest
from monitor.simulator.kubernetes import controllers, kubectl
from monitor.simulator.kubernetes.controllers import deployment, roll
from monitor.simulator.kubernetes.wire import Object

from tests.simulator.kubernetes.stage import NAMESPACE, Desk

KEY = "token-monitor/key"


@pytest.fixture
def desk() -> Desk:
    return Desk()


def annotate(desk: Desk, key: str, workload: str = "deployments") -> None:
    patch = {"spec": {"template": {"metadata": {"annotations": {KEY: key}}}}}
    kubectl.change(desk.state, workload, NAMESPACE, "web", patch, manager="token-monitor")


def pods(desk: Desk, workload: str = "deployments") -> list[Object]:
    return controllers.pods_of(desk.state, NAMESPACE, "web", workload=workload)


def keys(desk: Desk, workload: str = "deployments") -> list[str]:
    return sorted(pod["metadata"].get("annotations", {}).get(KEY, "-") for pod in pods(desk, workload))


def test_pods_are_of_the_template_and_know_whose_they_are(desk: Desk) -> None:
    env = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "argocd-token", "key": "token"}}}]
    kubectl.put(desk.state, deployment("web", NAMESPACE, replicas=2, labels={"tier": "front"}, env=env))
    made = roll(desk.state, NAMESPACE, "web")
    assert len(made) == 2
    pod = kubectl.get(desk.state, "pods", NAMESPACE, made[0])
    assert pod is not None
    assert pod["metadata"]["labels"] | {"app": "web", "tier": "front"} == pod["metadata"]["labels"]
    assert pod["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"
    assert pod["spec"]["containers"][0]["env"] == env
    assert (pod["status"]["phase"], pod["status"]["startTime"]) == ("Running", desk.state.timestamp())
    owner = kubectl.get(desk.state, "replicasets", NAMESPACE, pod["metadata"]["ownerReferences"][0]["name"])
    assert owner is not None
    assert owner["metadata"]["ownerReferences"][0]["name"] == "web"


def test_a_changed_template_reaches_the_pods_with_the_roll_and_not_before(desk: Desk) -> None:
    kubectl.put(desk.state, deployment("web", NAMESPACE, replicas=2))
    roll(desk.state, NAMESPACE, "web")
    old = {pod["metadata"]["uid"] for pod in pods(desk)}
    annotate(desk, "tm-2")
    assert keys(desk) == ["-", "-"]
    assert not controllers.settled(desk.state, NAMESPACE, "web")
    desk.clock.passed = 30
    roll(desk.state, NAMESPACE, "web")
    assert keys(desk) == ["tm-2", "tm-2"]
    assert not old & {pod["metadata"]["uid"] for pod in pods(desk)}
    assert controllers.settled(desk.state, NAMESPACE, "web")


def test_a_roll_of_what_has_not_changed_restarts_nobody(desk: Desk) -> None:
    kubectl.put(desk.state, deployment("web", NAMESPACE, replicas=2))
    roll(desk.state, NAMESPACE, "web")
    before = pods(desk)
    version = desk.state.version
    assert roll(desk.state, NAMESPACE, "web") == []
    assert (pods(desk), desk.state.version) == (before, version)


def test_a_roll_can_leave_old_pods_behind(desk: Desk) -> None:
    kubectl.put(desk.state, deployment("web", NAMESPACE, replicas=3))
    roll(desk.state, NAMESPACE, "web")
    annotate(desk, "tm-2")
    roll(desk.state, NAMESPACE, "web", old_left=1)
    assert keys(desk) == ["-", "tm-2", "tm-2", "tm-2"]
    roll(desk.state, NAMESPACE, "web")
    assert keys(desk) == ["tm-2"] * 3


def test_new_pods_that_do_not_start_leave_the_old_ones_running(desk: Desk) -> None:
    kubectl.put(desk.state, deployment("web", NAMESPACE))
    roll(desk.state, NAMESPACE, "web")
    annotate(desk, "tm-2")
    roll(desk.state, NAMESPACE, "web", ready=False)
    assert [(pod["status"]["phase"], pod["metadata"].get("annotations")) for pod in pods(desk)] in (
        [("Running", None), ("Pending", {KEY: "tm-2"})],
        [("Pending", {KEY: "tm-2"}), ("Running", None)],
    )
    assert not controllers.settled(desk.state, NAMESPACE, "web")
    roll(desk.state, NAMESPACE, "web")
    assert [(pod["status"]["phase"], pod["metadata"]["annotations"]) for pod in pods(desk)] == [
        ("Running", {KEY: "tm-2"})
    ]


def test_the_deployment_tells_how_far_it_is(desk: Desk) -> None:
    kubectl.put(desk.state, deployment("web", NAMESPACE, replicas=2))
    roll(desk.state, NAMESPACE, "web")
    annotate(desk, "tm-2")
    owner = kubectl.get(desk.state, "deployments", NAMESPACE, "web")
    assert owner is not None
    assert (owner["metadata"]["generation"], owner["status"]["observedGeneration"]) == (2, 1)
    roll(desk.state, NAMESPACE, "web", old_left=1)
    owner = kubectl.get(desk.state, "deployments", NAMESPACE, "web")
    assert owner is not None
    assert owner["status"] == {
        "observedGeneration": 2,
        "replicas": 3,
        "updatedReplicas": 2,
        "readyReplicas": 3,
        "availableReplicas": 3,
    }
    assert owner["metadata"]["annotations"] == {controllers.REVISION: "2"}


def test_the_pods_of_a_stateful_set_keep_their_names(desk: Desk) -> None:
    kubectl.put(desk.state, deployment("web", NAMESPACE, kind="StatefulSet", replicas=2))
    assert roll(desk.state, NAMESPACE, "web", workload="statefulsets") == ["web-0", "web-1"]
    annotate(desk, "tm-2", "statefulsets")
    roll(desk.state, NAMESPACE, "web", workload="statefulsets", old_left=1)
    assert keys(desk, "statefulsets") == ["-", "tm-2"]
    roll(desk.state, NAMESPACE, "web", workload="statefulsets")
    assert keys(desk, "statefulsets") == ["tm-2", "tm-2"]
    assert [pod["metadata"]["name"] for pod in pods(desk, "statefulsets")] == ["web-0", "web-1"]


def test_a_daemon_set_has_its_pod(desk: Desk) -> None:
    kubectl.put(desk.state, deployment("web", NAMESPACE, kind="DaemonSet"))
    assert len(roll(desk.state, NAMESPACE, "web", workload="daemonsets")) == 1
    assert pods(desk, "daemonsets")[0]["metadata"]["ownerReferences"][0]["kind"] == "DaemonSet"


def test_scaling_down_removes_pods_and_scaling_up_makes_them(desk: Desk) -> None:
    kubectl.put(desk.state, deployment("web", NAMESPACE, replicas=3))
    roll(desk.state, NAMESPACE, "web")
    for replicas in (1, 4):
        kubectl.change(desk.state, "deployments", NAMESPACE, "web", {"spec": {"replicas": replicas}})
        roll(desk.state, NAMESPACE, "web")
        assert len(pods(desk)) == replicas


def test_reconciling_rolls_what_changed_and_leaves_what_is_paused(desk: Desk) -> None:
    for name in ("web", "api", "paused"):
        kubectl.put(desk.state, deployment(name, NAMESPACE))
    kubectl.change(desk.state, "deployments", NAMESPACE, "paused", {"spec": {"paused": True}})
    assert controllers.reconcile(desk.state) == ["api", "web"]
    assert controllers.reconcile(desk.state) == []
    annotate(desk, "tm-2")
    assert controllers.reconcile(desk.state) == ["web"]
    assert keys(desk) == ["tm-2"]


def test_a_workload_that_is_not_there_cannot_be_rolled(desk: Desk) -> None:
    with pytest.raises(controllers.NoSuchWorkloadError, match="argocd/web"):
        roll(desk.state, NAMESPACE, "web")
