"""Where the way to the Kubernetes API cannot be found, that is told once, with what to do; and no file is quoted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import structlog.testing
from monitor.adapters.clock import SystemClock
from monitor.adapters.kubernetes import way
from monitor.adapters.kubernetes.connection import RETRY_CONFIGURATION, KubernetesConnection
from monitor.config.settings import KubernetesSettings
from monitor.simulator.kubernetes.app import write_kubeconfig

SECRET = "sesame-in-a-file"


class Clock(SystemClock):
    """Goes on when it is told to."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the kubeconfig would be; there is none, and this is no pod."""
    monkeypatch.setattr(way, "NAMESPACE_FILE", tmp_path / "no-namespace")
    monkeypatch.setattr(way, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    return tmp_path / "kubeconfig"


async def test_no_configuration_is_told_once_and_again_when_it_is_another_trouble(
    away: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    found = KubernetesConnection(KubernetesSettings(kubeconfig=str(away)), clock)
    with structlog.testing.capture_logs() as told:
        for _ in range(5):
            assert await found.ready() is not None
            clock.seconds += RETRY_CONFIGURATION
        away.write_text("")
        for _ in range(5):
            assert await found.ready() is not None
            clock.seconds += RETRY_CONFIGURATION
        write_kubeconfig(away, "http://127.0.0.1:1", "token")
        assert await found.ready() is None
    await found.close()
    assert [(line["log_level"], line.get("problem")) for line in told] == [
        ("warning", f"there is no {away}"),
        ("warning", f"{away} cannot be used: it is no kubeconfig"),
        ("info", None),
    ]
    assert all(line["fix"] for line in told[:2])
    assert caplog.text == "", "the library has words of its own, at each look"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"3",
        b"users: [",
        f"users: !{SECRET} 3".encode(),
        f"users: *{SECRET}".encode(),
        f"current-context: {SECRET}\nusers: 3".encode(),
        f"users: [{SECRET}]".encode(),
        b"\xff\x00",
        b"{" * 2000,
        b"apiVersion: v1\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
        b"clusters: [{name: a, cluster: {}}]\nusers: [{name: a, user: 3}]\n",
    ],
)
async def test_a_file_that_is_no_kubeconfig_is_told_without_what_is_in_it(away: Path, content: bytes) -> None:
    away.write_bytes(content)
    found = KubernetesConnection(KubernetesSettings(kubeconfig=str(away)), Clock())
    told = await found.ready()
    assert told is not None
    assert f"{away} cannot be used" in told
    assert SECRET not in told
    await found.close()


async def test_in_a_pod_it_says_what_the_pod_lacks(away: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    namespace = away.parent / "namespace"
    namespace.write_text("codefresh")
    monkeypatch.setattr(way, "NAMESPACE_FILE", namespace)
    for name in [name for name in os.environ if name.startswith("KUBERNETES_SERVICE_")]:
        monkeypatch.delenv(name)
    found = KubernetesConnection(KubernetesSettings(), Clock())
    told = await found.ready()
    assert told is not None
    assert "automountServiceAccountToken" in told
    await found.close()
