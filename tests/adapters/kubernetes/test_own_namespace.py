"""Where the monitor finds itself, before anything is asked: the same as what the connection then goes by."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from monitor.adapters.clock import SystemClock
from monitor.adapters.kubernetes import way
from monitor.adapters.kubernetes.connection import KubernetesConnection
from monitor.adapters.kubernetes.own_namespace import own_namespace
from monitor.cluster import NoAnswer
from monitor.config.settings import KubernetesSettings

CLUSTER = {"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    contexts = [
        {"name": "plain", "context": {"cluster": "c"}},
        {"name": "placed", "context": {"cluster": "c", "namespace": "codefresh"}},
    ]
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump({"current-context": "placed", "contexts": contexts, "clusters": [CLUSTER]}))
    return file


@pytest.mark.parametrize(
    ("context", "namespace", "own"),
    [(None, None, "codefresh"), ("plain", None, "default"), ("placed", "monitoring", "monitoring")],
    ids=["the context in use", "a context without a namespace", "written"],
)
async def test_it_is_what_the_connection_goes_by(
    kubeconfig: Path, context: str | None, namespace: str | None, own: str
) -> None:
    settings = KubernetesSettings(str(kubeconfig), context, namespace)
    opened = KubernetesConnection(settings, SystemClock())
    assert await opened.ready() is None
    await opened.close()
    assert own_namespace(settings) == own == opened.namespace


def test_in_a_pod_it_is_that_of_the_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kubeconfig: Path) -> None:
    file = tmp_path / "namespace"
    file.write_text("monitoring")
    monkeypatch.setattr(way, "NAMESPACE_FILE", file)
    assert own_namespace(KubernetesSettings()) == "monitoring"
    assert own_namespace(KubernetesSettings(str(kubeconfig))) == "codefresh", "a kubeconfig that is named comes first"


NO_KUBECONFIG = {
    "no YAML": "a: [",
    "a control character": "\x00",
    "empty": "",
    "a text": "nothing of it",
    "a list": "[1]",
    "contexts that are none": "current-context: x\ncontexts: [5]\n",
    "a context that is not there": "current-context: x\ncontexts: []\n",
    "users that are none": "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nusers: {u: 1}\n",
}


@pytest.mark.parametrize("text", NO_KUBECONFIG.values(), ids=NO_KUBECONFIG.keys())
async def test_of_a_file_that_is_no_kubeconfig_nothing_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    settings = KubernetesSettings(str(file))
    assert own_namespace(settings) is None
    opened = KubernetesConnection(settings, SystemClock())
    answer = await opened.request("GET", "/api")
    await opened.close()
    assert isinstance(answer, NoAnswer)
    assert answer.why.startswith("no way to the Kubernetes API: ")


def test_without_any_kubeconfig_nothing_is_told(tmp_path: Path) -> None:
    assert own_namespace(KubernetesSettings(str(tmp_path / "none"))) is None


async def test_where_there_is_neither_a_pod_nor_a_kubeconfig_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(way, "NAMESPACE_FILE", tmp_path / "no pod")
    monkeypatch.setattr(way, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    opened = KubernetesConnection(KubernetesSettings(), SystemClock())
    problem = await opened.ready()
    await opened.close()
    assert problem == (
        f"no way to the Kubernetes API: there is no service account of a pod, and no kubeconfig at {tmp_path / 'none'};"
        " run in a pod with a service account, or give kubernetes.kubeconfig"
    )
