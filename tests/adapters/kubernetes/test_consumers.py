"""The consumers: restarted once a key, waited for while they run with an older one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from monitor.adapters.kubernetes.consumers import CODEFRESH, MAX_NAMES, Consumer, KubernetesConsumers, Workload
from monitor.adapters.kubernetes.pods import KEY_ID
from monitor.core.effects import Consumers, Done, Refused, Unknown
from monitor.simulator.kubernetes import controllers, kubectl
from monitor.simulator.kubernetes.access import Rule
from monitor.simulator.kubernetes.state import Key

from tests.adapters.kubernetes.stage import EPOCH, MONITOR, NAMESPACE, Stage

APPS = f"apis/apps/v1/namespaces/{NAMESPACE}"
PROXY = Workload("Deployment", selector="app=cap-app-proxy")
PLURALS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}


async def workload(
    stage: Stage, name: str, labels: Mapping[str, str], *, kind: str = "Deployment", **spec: Any
) -> None:
    template = {"metadata": {"labels": dict(labels)}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    body = {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": {"selector": {"matchLabels": dict(labels)}, "template": template, **spec},
    }
    await stage.by_hand("POST", f"{APPS}/{PLURALS[kind]}", body)


async def proxy(stage: Stage, **spec: Any) -> None:
    await workload(stage, "cap-app-proxy", {"app": "cap-app-proxy"}, **spec)


async def pod(
    stage: Stage,
    name: str,
    started: float,
    *,
    key_id: str | None = None,
    owner: str = "cap-app-proxy-abc",
    **status: Any,
) -> None:
    """A running pod of the app-proxy, started so many seconds after the key was published."""
    at = datetime.fromtimestamp(EPOCH + started, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {"app": "cap-app-proxy"},
            "annotations": {KEY_ID: key_id} if key_id else {},
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": "u", "controller": True}
            ],
        },
        "spec": {"nodeName": "node-1", "containers": [{"name": "c", "image": "i"}]},
        "status": {
            "phase": "Running",
            "startTime": at,
            "containerStatuses": [{"name": "c", "state": {"running": {"startedAt": at}}}],
            **status,
        },
    }
    await stage.by_hand("POST", f"api/v1/namespaces/{NAMESPACE}/pods", body)
    # The status of a new pod is its kubelet's to write.
    await stage.by_hand("PATCH", f"api/v1/namespaces/{NAMESPACE}/pods/{name}/status", {"status": body["status"]})


def consumers(stage: Stage, *workloads: Workload) -> KubernetesConsumers:
    return KubernetesConsumers(stage.api, NAMESPACE, workloads or (PROXY,))


def annotation(stage: Stage, name: str, kind: str = "Deployment") -> str | None:
    found = stage.state.get(Key("apps", PLURALS[kind], NAMESPACE, name))
    assert found is not None
    value = found["spec"]["template"]["metadata"].get("annotations", {}).get(KEY_ID)
    return None if value is None else str(value)


# --- restarting ----------------------------------------------------------------------------------------------------


async def test_the_pod_template_is_annotated_with_the_id_of_the_key(stage: Stage) -> None:
    await proxy(stage)
    assert await consumers(stage).restart("tm-1") == Done()
    assert annotation(stage, "cap-app-proxy") == "tm-1"


async def test_the_same_key_again_sends_nothing_and_restarts_nobody(stage: Stage) -> None:
    await proxy(stage)
    await consumers(stage).restart("tm-1")
    assert await consumers(stage).restart("tm-1") == Done()
    assert stage.state.count("patch", user=MONITOR) == 1
    assert await consumers(stage).restart("tm-2") == Done()
    assert annotation(stage, "cap-app-proxy") == "tm-2"


async def test_all_else_of_the_workload_stays_as_it_is(stage: Stage) -> None:
    await proxy(stage, replicas=3)
    path = f"{APPS}/deployments/cap-app-proxy"
    await stage.by_hand(
        "PATCH", path, {"spec": {"template": {"metadata": {"annotations": {"checksum/config": "abc"}}}}}
    )
    before = stage.state.get(Key("apps", "deployments", NAMESPACE, "cap-app-proxy"))
    await consumers(stage).restart("tm-1")
    after = stage.state.get(Key("apps", "deployments", NAMESPACE, "cap-app-proxy"))
    assert before is not None
    assert after is not None
    assert after["spec"]["template"]["metadata"]["annotations"] == {"checksum/config": "abc", KEY_ID: "tm-1"}
    assert after["spec"]["template"]["spec"] == before["spec"]["template"]["spec"]
    assert after["spec"]["replicas"] == 3
    assert after["metadata"]["labels"] == before["metadata"]["labels"]


async def test_those_that_read_the_secret_themselves_are_not_restarted(stage: Stage) -> None:
    await proxy(stage)
    await workload(stage, "gitops-operator", {"app": "gitops-operator"})
    for name in ("argo-gateway", "cluster-event-reporter", "runtime-event-reporter", "sources-server"):
        await workload(stage, name, {"app.kubernetes.io/name": name})
    assert await consumers(stage, *CODEFRESH).restart("tm-1") == Done()
    assert annotation(stage, "cap-app-proxy") == "tm-1"
    assert annotation(stage, "gitops-operator") is None
    assert annotation(stage, "sources-server") is None


async def test_workloads_that_are_not_named_are_left_alone(stage: Stage) -> None:
    await proxy(stage)
    await workload(stage, "billing", {"app": "billing"})
    await consumers(stage).restart("tm-1")
    assert annotation(stage, "billing") is None


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
async def test_every_kind_of_workload_is_restarted_by_name(stage: Stage, kind: str) -> None:
    await workload(stage, "mine", {"app": "mine"}, kind=kind)
    assert await consumers(stage, Workload(kind, "mine")).restart("tm-1") == Done()
    assert annotation(stage, "mine", kind) == "tm-1"


async def test_a_selector_that_finds_nothing_has_nothing_to_restart(stage: Stage) -> None:
    assert await consumers(stage).restart("tm-1") == Done()


async def test_a_name_that_does_not_exist_is_told(stage: Stage) -> None:
    outcome = await consumers(stage, Workload("Deployment", "typo")).restart("tm-1")
    assert isinstance(outcome, Refused)
    assert "deployment/typo does not exist" in outcome.why


async def test_a_workload_that_two_selectors_find_is_restarted_once(stage: Stage) -> None:
    await proxy(stage)
    twice = consumers(stage, PROXY, Workload("Deployment", "cap-app-proxy"))
    assert await twice.restart("tm-1") == Done()
    assert stage.state.count("patch", user=MONITOR) == 1


async def test_more_workloads_than_a_page_holds_are_all_restarted(stage: Stage) -> None:
    for number in range(130):
        await workload(stage, f"shard-{number}", {"app": "cap-app-proxy", "shard": str(number)})
    assert await consumers(stage).restart("tm-1") == Done()
    assert annotation(stage, "shard-129") == "tm-1"


async def test_without_permission_to_patch_the_fix_names_verb_and_workload(stage: Stage) -> None:
    await proxy(stage)
    stage.allow(Rule("list", "deployments", "apps"))
    outcome = await consumers(stage).restart("tm-1")
    assert isinstance(outcome, Refused)
    assert "the verb patch on deployments.apps, resourceNames [cap-app-proxy]" in outcome.why


async def test_without_permission_to_list_the_fix_names_the_verb(stage: Stage) -> None:
    stage.allow()
    outcome = await consumers(stage).restart("tm-1")
    assert isinstance(outcome, Refused)
    assert "the verb list on deployments.apps" in outcome.why
    outcome = await consumers(stage, Workload("Deployment", "mine")).restart("tm-1")
    assert isinstance(outcome, Refused)
    assert "the verb get on deployments.apps, resourceNames [mine]" in outcome.why


async def test_one_that_may_not_be_restarted_keeps_nobody_else_from_it(stage: Stage) -> None:
    await workload(stage, "a", {"app": "cap-app-proxy", "n": "a"})
    await workload(stage, "b", {"app": "cap-app-proxy", "n": "b"})
    stage.allow(Rule("list", "deployments", "apps"), Rule("patch", "deployments", "apps", names=("b",)))
    outcome = await consumers(stage).restart("tm-1")
    assert isinstance(outcome, Refused)
    assert "deployment/a" in outcome.why
    assert annotation(stage, "b") == "tm-1"


async def test_a_lost_answer_is_an_unknown_outcome_and_the_next_attempt_restarts_nobody_twice(stage: Stage) -> None:
    await proxy(stage)
    stage.state.faults.lose_answers("patch")
    assert isinstance(await consumers(stage).restart("tm-1"), Unknown)
    assert annotation(stage, "cap-app-proxy") == "tm-1"
    assert await consumers(stage).restart("tm-1") == Done()
    assert stage.state.count("patch", user=MONITOR) == 1


@pytest.mark.parametrize("verb", ["list", "patch"])
async def test_an_api_in_trouble_is_an_unknown_outcome(stage: Stage, verb: str) -> None:
    await proxy(stage)
    stage.state.faults.answer(503, verb)
    assert isinstance(await consumers(stage).restart("tm-1"), Unknown)


@pytest.mark.parametrize(
    ("kind", "spec", "fix"),
    [
        ("Deployment", {"paused": True}, "kubectl rollout resume deployment/mine"),
        ("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, "delete them"),
    ],
)
async def test_a_workload_that_would_not_restart_by_itself_is_told_with_the_fix(
    stage: Stage, kind: str, spec: dict[str, Any], fix: str
) -> None:
    await workload(stage, "mine", {"app": "mine"}, kind=kind, **spec)
    for _ in range(2):
        outcome = await consumers(stage, Workload(kind, "mine")).restart("tm-1")
        assert isinstance(outcome, Refused)
        assert fix in outcome.why
    assert annotation(stage, "mine", kind) == "tm-1"


@pytest.mark.parametrize(
    "wrong", [("Deployment", None, None), ("Deployment", "a", "app=a"), ("Deployment", "", ""), ("Job", "a", None)]
)
def test_a_workload_without_a_name_or_selector_would_be_every_one_and_is_refused(wrong: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"workload|kind"):
        Workload(*wrong)


# --- who still runs with the old key -------------------------------------------------------------------------------


async def test_pods_from_before_the_rotation_are_named(stage: Stage) -> None:
    await proxy(stage)
    await pod(stage, "old", -3600)
    await pod(stage, "annotated", 5, key_id="tm-1", owner="cap-app-proxy-def")
    await pod(stage, "restarted", 60)
    looked = await consumers(stage).look("tm-1", EPOCH)
    assert looked == Consumers(("deployment/cap-app-proxy (pod old)",))


async def test_when_the_last_old_pod_is_gone_nobody_is_named(stage: Stage) -> None:
    await proxy(stage)
    await pod(stage, "old", -3600)
    await stage.by_hand("DELETE", f"api/v1/namespaces/{NAMESPACE}/pods/old")
    await pod(stage, "new", 5, key_id="tm-1")
    assert await consumers(stage).look("tm-1", EPOCH) == Consumers(())


@pytest.mark.parametrize(("kind", "plural"), list(PLURALS.items()))
async def test_a_restart_is_waited_for_until_the_controller_has_replaced_every_pod(
    stage: Stage, kind: str, plural: str
) -> None:
    replicas = 1 if kind == "DaemonSet" else 2
    kubectl.put(stage.state, controllers.deployment("mine", NAMESPACE, kind=kind, replicas=replicas))
    controllers.reconcile(stage.state)
    stage.clock.passed = 600.0
    them = consumers(stage, Workload(kind, "mine"))
    published = stage.clock.now()
    await them.restart("tm-1")
    looked = await them.look("tm-1", published)
    assert isinstance(looked, Consumers)
    assert looked.old is not None
    assert len(looked.old) == replicas
    controllers.roll(stage.state, NAMESPACE, "mine", workload=plural)
    assert await them.look("tm-1", published) == Consumers(())
    await them.restart("tm-1")
    assert controllers.settled(stage.state, NAMESPACE, "mine", workload=plural)


async def test_a_pod_that_finished_is_not_waited_for(stage: Stage) -> None:
    await proxy(stage)
    await pod(stage, "done", -3600, phase="Failed")
    assert await consumers(stage).look("tm-1", EPOCH) == Consumers(())


async def test_those_that_read_the_secret_themselves_are_not_waited_for(stage: Stage) -> None:
    await proxy(stage)
    await pod(stage, "old", -3600)
    live = Workload("Deployment", selector="app=cap-app-proxy", live=True)
    assert await consumers(stage, live).look("tm-1", EPOCH) == Consumers(())


async def test_a_pod_of_another_workload_under_the_same_labels_is_not_waited_for(stage: Stage) -> None:
    await proxy(stage)
    await pod(stage, "alien", -3600, owner="another-app-abc")
    assert await consumers(stage).look("tm-1", EPOCH) == Consumers(())


async def test_a_workload_that_does_not_exist_has_nobody_to_wait_for(stage: Stage) -> None:
    assert await consumers(stage, Workload("Deployment", "typo")).look("tm-1", EPOCH) == Consumers(())


@pytest.mark.parametrize("allowed", [(), (Rule("list", "deployments", "apps"),)])
async def test_without_permission_to_see_pods_the_grace_period_alone_decides(
    stage: Stage, allowed: tuple[Rule, ...]
) -> None:
    await proxy(stage)
    await pod(stage, "old", -3600)
    stage.allow(*allowed)
    assert await consumers(stage).look("tm-1", EPOCH) == Consumers(None)


@pytest.mark.parametrize("path", ["*/deployments", "*/pods"])
async def test_an_api_in_trouble_never_looks_like_nobody(stage: Stage, path: str) -> None:
    await proxy(stage)
    await pod(stage, "old", -3600)
    stage.state.faults.answer(500, "list", path)
    assert isinstance(await consumers(stage).look("tm-1", EPOCH), Unknown)
    stage.state.faults.lose_answers("list", path)
    assert isinstance(await consumers(stage).look("tm-1", EPOCH), Unknown)


async def test_an_api_without_a_configuration_never_looks_like_nobody(stage: Stage) -> None:
    stage.api.problem = "no kubeconfig"
    unresolved = KubernetesConsumers(stage.api, None, (PROXY,))
    assert await unresolved.look("tm-1", EPOCH) == Unknown("deployments: no kubeconfig")
    assert await unresolved.restart("tm-1") == Unknown("deployments: no kubeconfig")


async def test_the_names_are_bounded_and_every_page_is_looked_at(stage: Stage) -> None:
    await proxy(stage)
    for number in range(110):
        await pod(stage, f"new-{number:03}", 60)
    await pod(stage, "zz-old", -60)
    assert await consumers(stage).look("tm-1", EPOCH) == Consumers(("deployment/cap-app-proxy (pod zz-old)",))
    for number in range(60):
        await pod(stage, f"old-{number}", -60)
    looked = await consumers(stage).look("tm-1", EPOCH)
    assert isinstance(looked, Consumers)
    assert looked.old is not None
    assert len(looked.old) == MAX_NAMES


# --- for status and doctor -----------------------------------------------------------------------------------------


async def test_every_consumer_is_listed_with_the_key_that_its_template_has(stage: Stage) -> None:
    await proxy(stage)
    await workload(stage, "gitops-operator", {"app": "gitops-operator"})
    them = consumers(stage, PROXY, Workload("Deployment", selector="app=gitops-operator", live=True))
    await them.restart("tm-1")
    assert await them.present() == (
        Consumer("deployment/cap-app-proxy", live=False, key_id="tm-1"),
        Consumer("deployment/gitops-operator", live=True),
    )


async def test_what_is_not_found_or_not_permitted_is_listed_with_the_reason(stage: Stage) -> None:
    them = consumers(stage, PROXY, Workload("StatefulSet", "typo"))
    missing, typo = await them.present()
    assert missing == Consumer(
        "deployments with app=cap-app-proxy", live=False, problem="there is none in this namespace"
    )
    assert "statefulset/typo does not exist" in typo.problem
    stage.allow()
    assert all("give the monitor's service account" in each.problem for each in await them.present())
