"""Whether there is an election, out of settings."""

from __future__ import annotations

import pytest
from monitor.adapters.clock import SystemClock
from monitor.adapters.kubernetes.connection import KubernetesConnection
from monitor.config import address
from monitor.config.settings import (
    InFile,
    InSecret,
    KubernetesSettings,
    LeaseSettings,
    RotationSettings,
    Settings,
    Source,
    TargetSettings,
)
from monitor.core.model import Mode
from monitor.daemon.leading import Leading

SECRET, FILE = InSecret("argocd-token", "token"), InFile("/run/token")


def leading(
    monkeypatch: pytest.MonkeyPatch, *, pod: bool, enabled: bool | None, source: Source, rotates: bool = True
) -> Leading:
    monkeypatch.setattr("monitor.daemon.leading.in_pod", lambda: pod)
    server, rotation = address.of_url("https://argocd.example"), RotationSettings() if rotates else None
    target = TargetSettings("production", server, Mode.TOKEN, source, rotation=rotation)
    settings = Settings((target,), kubernetes=KubernetesSettings(lease=LeaseSettings(enabled)))
    return Leading(settings, KubernetesConnection(settings.kubernetes, SystemClock()))


@pytest.mark.parametrize(
    ("pod", "enabled", "source", "stands"),
    [
        (True, None, SECRET, True),
        (True, None, FILE, False),
        (False, None, SECRET, False),
        (True, False, SECRET, False),
        (False, True, SECRET, True),
        (False, True, FILE, True),
    ],
    ids=["a pod", "a pod with files", "no pod", "switched off", "switched on", "switched on, with files"],
)
async def test_there_is_an_election_where_there_may_be_replicas(
    monkeypatch: pytest.MonkeyPatch, pod: bool, enabled: bool | None, source: Source, stands: bool
) -> None:
    found = leading(monkeypatch, pod=pod, enabled=enabled, source=source)
    assert found.leads() is not stands, "who stands for election does not lead before it has won"
    assert not found.another_leads()
    assert found.holder is None
    await found.close()


async def test_where_nothing_is_rotated_there_is_nothing_to_agree_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert leading(monkeypatch, pod=True, enabled=None, source=SECRET, rotates=False).leads()


async def test_a_replica_that_does_not_lead_any_more_is_no_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = leading(monkeypatch, pod=True, enabled=True, source=SECRET)
    for holder, another in ((None, False), (found._identity, False), ("somebody else", True)):
        monkeypatch.setattr(Leading, "holder", holder)
        assert found.another_leads() is another


async def test_no_two_processes_have_the_same_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {leading(monkeypatch, pod=True, enabled=True, source=SECRET)._identity for _ in range(20)}
    assert len(made) == 20
