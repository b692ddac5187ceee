"""Commands that look once ask every replica of a target with `everyReplica`, and say what each of them says."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from monitor.cli.main import run
from monitor.config import address
from monitor.simulator.app import running
from monitor.simulator.faults import Fault, Front
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.access import Rule
from monitor.simulator.kubernetes.services import Pod, publish
from monitor.simulator.rbac import Role
from monitor.simulator.state import ArgoCDState

from tests.cli.conftest import NAMESPACE, Cluster, on_a_thread

Out = pytest.CaptureFixture[str]
SERVICE = "argocd-server"


@dataclass
class Stage:
    """An Argo CD of three replicas behind a Service, and a target in token mode. fronts: the replicas."""

    argocd: ArgoCDState
    fronts: list[Front]
    cluster: Cluster
    config: Path

    def new_token(self, key_id: str) -> None:
        kubectl.put_secret(self.cluster.state, NAMESPACE, "my-token", {"token": self.argocd.mint_key("ci", key_id)})

    def fall_behind(self, replica: int) -> None:
        """It does not hear of the key that is made now."""
        self.argocd.stick(replica)
        self.new_token("k2")

    def json(self, capsys: Out, *command: str) -> tuple[int, Any]:
        code = run([*command, "--config", str(self.config), "--output", "json"])
        return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def stage(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    argocd = ArgoCDState(login_seconds=(0.0, 0.0), replica_lags=(0.0, 0.0, 0.0))
    argocd.create_account("ci", password="simulated", role=Role.READONLY)
    fronts = [Front(argocd, replica=number) for number in range(3)]
    real = socket.getaddrinfo

    def found(host: Any, *rest: Any, **named: Any) -> Any:
        return real("127.0.0.1" if host == f"{SERVICE}.{NAMESPACE}.svc" else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", found)
    with ExitStack() as stack:
        ports = [address.of_url(stack.enter_context(on_a_thread(lambda at=one: running(at)))).port for one in fronts]
        pods = [Pod(f"{SERVICE}-{number}", "127.0.0.1", port) for number, port in enumerate(ports)]
        publish(cluster.state, NAMESPACE, SERVICE, pods)
        config = tmp_path / "monitor.yaml"
        config.write_text(
            f"kubernetes: {{kubeconfig: '{cluster.kubeconfig}'}}\n"
            "targets:\n"
            f"  - {{name: a, server: {{svc: {SERVICE}.{NAMESPACE}.svc, port: {ports[0]}}}, everyReplica: true,\n"
            "     auth: {type: token, username: ci, tokenSecretKeyRef: {name: my-token, key: token}}}\n"
        )
        found_stage = Stage(argocd, fronts, cluster, config)
        found_stage.new_token("k1")
        yield found_stage


def replicas_of(told: Any) -> dict[str, Any]:
    found = [one for one in told["targets"][-1]["findings"] if one["what"] == f"replicas of {NAMESPACE}/{SERVICE}"]
    assert len(found) == 1
    return dict(found[0])


def test_replicas_that_agree_are_counted(stage: Stage, capsys: Out) -> None:
    code, told = stage.json(capsys, "check")
    assert (code, told[0]["status"], told[0]["replicas"]["accepted"]) == (0, "valid", 3)
    assert run(["check", "--config", str(stage.config)]) == 0
    assert capsys.readouterr().out.endswith("\n  replicas 3 of 3 accept it\n")
    code, told = stage.json(capsys, "doctor")
    assert (code, replicas_of(told)["level"], replicas_of(told)["cause"]) == (0, "ok", "3 of 3 accept it")
    code, told = stage.json(capsys, "status")
    assert (code, told[0]["replicas"]["accepted"], told[0]["problem"]) == (0, 3, None)


def test_one_that_is_behind_is_named_with_what_to_do(stage: Stage, capsys: Out) -> None:
    stage.fall_behind(1)
    code, told = stage.json(capsys, "check")
    assert (code, told[0]["status"], told[0]["replicas"]["refused"]) == (0, "valid", 1)
    run(["check", "--config", str(stage.config)])
    out = capsys.readouterr().out
    assert f"\n  replicas 2 of 3 accept it, 1 refuses it ({SERVICE}-1)\n" in out
    assert f"refused by 1 of 3 replicas of {SERVICE} ({SERVICE}-1): a cache that is behind heals by itself" in out
    code, told = stage.json(capsys, "doctor")
    assert (code, replicas_of(told)["level"]) == (1, "warn")
    assert f"`kubectl -n {NAMESPACE} delete pod {SERVICE}-1`" in replicas_of(told)["fix"]
    code, told = stage.json(capsys, "status")
    assert (code, told[0]["problem"].startswith("the token is refused by 1 of 3 replicas")) == (0, True)


def test_the_service_may_lead_to_the_one_that_is_behind(stage: Stage, capsys: Out) -> None:
    stage.fall_behind(0)
    code, told = stage.json(capsys, "check")
    assert (code, told[0]["status"], told[0]["replicas"]["refused"]) == (0, "valid", 1)


def test_one_that_cannot_be_asked_is_told_at_once(stage: Stage, capsys: Out) -> None:
    stage.fronts[2].fault = Fault.SERVER_ERROR
    assert run(["check", "--config", str(stage.config)]) == 0
    assert f"1 of 3 replicas of {SERVICE} cannot be asked ({SERVICE}-2: " in capsys.readouterr().out
    code, told = stage.json(capsys, "doctor")
    assert (code, replicas_of(told)["level"]) == (3, "unknown")
    assert "run it in the monitor's pod" in replicas_of(told)["fix"]


def test_without_the_permission_only_the_service_is_asked_and_the_output_says_so(stage: Stage, capsys: Out) -> None:
    stage.cluster.state.access.restrict(stage.cluster.user, Rule("get", "secrets", "", (NAMESPACE,)))
    code, told = stage.json(capsys, "check")
    assert (code, told[0]["replicas"]["each"]) == (0, [])
    assert "only the Service is asked" in told[0]["replicas"]["problem"]
    assert "endpointslices.discovery.k8s.io" in told[0]["replicas"]["problem"]
    run(["check", "--config", str(stage.config)])
    assert "\n  replicas not known\n           the replicas of Service" in capsys.readouterr().out
    _, told = stage.json(capsys, "doctor")
    assert replicas_of(told)["level"] == "unknown"
