"""What happens to a token inside Argo CD is known within a second: in real time, on the simulators and on real servers.

The tokens are checked every ten minutes, so nothing but the watch can be what finds it out. On a real installation keys
are deleted through Argo CD's API and accounts switched off in argocd-cm; it writes and follows its objects by itself.
"""

from __future__ import annotations

import asyncio
import base64
import os
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from monitor.adapters.clock import SystemClock
from monitor.config import address
from monitor.config.settings import (
    InClear,
    InstallationSettings,
    KubernetesSettings,
    Settings,
    TargetSettings,
)
from monitor.core.model import Mode
from monitor.core.secret import Secret
from monitor.daemon.inside_argocd import InsideArgoCD
from monitor.daemon.shared import Shared
from monitor.daemon.ticker import Ticker
from monitor.services.checker import Checked
from monitor.services.fleet import Fleet
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.access import Rule
from monitor.simulator.kubernetes.app import running, write_kubeconfig
from monitor.simulator.kubernetes.state import ClusterState

from tests.contract.argocd.lab import ACCOUNT, URL, Lab, real, simulated
from tests.contract.kubernetes.conftest import ADMIN_TOKEN, KUBECONFIG
from tests.fair_time import fairly

# What design.md promises where the watch on Argo CD's own objects is allowed.
AT_ONCE = 1.0
PATIENCE = 30.0
MONITOR = "monitor"
NAMESPACE = os.environ.get("TOKEN_MONITOR_TEST_NAMESPACE", "argocd")
BOTH_REAL = bool(KUBECONFIG) and URL in os.environ


@dataclass
class Installation:
    """An Argo CD with the Kubernetes API that it keeps its accounts in. state: of the simulated API."""

    lab: Lab
    kubeconfig: Path
    state: ClusterState | None = None

    async def written(self, part: str, **data: str) -> None:
        """A real Argo CD (or its administrator) has written its object already; the simulated one does not."""
        if self.state is None:
            return
        kind = "Secret" if part == "argocd-secret" else "ConfigMap"
        found = {"apiVersion": "v1", "kind": kind, "metadata": {"name": part, "namespace": NAMESPACE}, "data": data}
        kubectl.put(self.state, found)

    async def revoke(self, key_id: str) -> None:
        await self.lab.revoke(key_id)
        await self.written("argocd-secret", **{"accounts.ci.tokens": base64.b64encode(secrets.token_bytes(9)).decode()})

    async def enable(self, enabled: bool) -> None:
        assert self.lab.settings is not None
        await self.lab.settings.enable(enabled)
        await self.written("argocd-cm", **{"accounts.ci": "apiKey, login", "accounts.ci.enabled": str(enabled).lower()})


@pytest.fixture(params=["simulated", "real"])
async def installation(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Installation]:
    if request.param == "real":
        if not BOTH_REAL:
            pytest.skip(f"{URL} and TOKEN_MONITOR_TEST_KUBECONFIG name no real installation")
        async with real() as lab:
            yield Installation(lab, Path(KUBECONFIG))
        return
    state = ClusterState(SystemClock())
    state.access.restrict(
        MONITOR,
        Rule("list,watch", "configmaps", "", (NAMESPACE,), ("argocd-cm",)),
        Rule("list,watch", "secrets", "", (NAMESPACE,), ("argocd-secret",)),
    )
    async with simulated("3") as lab, running(state, {ADMIN_TOKEN: MONITOR}) as url:
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", url, ADMIN_TOKEN, namespace=NAMESPACE)
        made = Installation(lab, kubeconfig, state)
        await made.written("argocd-secret", **{"accounts.ci.tokens": "W10="})
        await made.written("argocd-cm", **{"accounts.ci": "apiKey, login"})
        yield made


@dataclass
class Monitoring:
    """The parts of the service that matter here, running."""

    fleet: Fleet
    changes: list[tuple[float, str]] = field(default_factory=list)

    def checked(self, name: str, checked: Checked, lateness: float) -> None:
        report = self.fleet.report(name)
        assert report is not None
        self.changes.append((time.monotonic(), report.verdict.status.value))

    async def shows(self, status: str, since: float, seconds: float) -> float:
        """Waits until the target has that status; how long after `since` that was."""
        async with asyncio.timeout(seconds):
            while not (times := [at for at, shown in self.changes if shown == status and at >= since]):
                await asyncio.sleep(0.005)
        return times[0] - since


@asynccontextmanager
async def monitoring(installation: Installation, token: str) -> AsyncIterator[Monitoring]:
    target = TargetSettings(
        name="watched",
        address=address.of_url(installation.lab.url),
        mode=Mode.TOKEN,
        token_source=InClear(Secret(token)),
        expected_account=ACCOUNT,
        interval=600.0,
        account_interval=600.0,
        installation=InstallationSettings(NAMESPACE),
    )
    settings = Settings((target,), kubernetes=KubernetesSettings(kubeconfig=str(installation.kubeconfig)))
    async with Shared(settings) as shared:
        heard: list[Monitoring] = []

        class Listener:
            def checked(self, name: str, checked: Checked, lateness: float) -> None:
                heard[0].checked(name, checked, lateness)

        fleet = Fleet(shared.clock, lambda: 0.5, Listener(), lambda: ticker.wake())
        heard.append(Monitoring(fleet))
        ticker = Ticker(shared.clock, fleet.next_due, fleet.dispatch)
        inside = InsideArgoCD(shared.kubernetes, shared.clock, fleet.argocd_changed, random.random)
        fleet.set_targets([shared.target(target)])
        inside.set_targets(settings.targets)
        ticker.start()
        inside.start()
        try:
            await heard[0].shows("valid", 0.0, PATIENCE)
            await watched(inside)
            yield heard[0]
        finally:
            ticker.stop()
            await inside.close()
            await fleet.close(1.0)


async def watched(inside: InsideArgoCD) -> None:
    async with asyncio.timeout(PATIENCE):
        while not inside._watch.in_touch(NAMESPACE):
            await asyncio.sleep(0.01)


async def measured(monitor: Monitoring, status: str, change: Callable[[], Awaitable[None]]) -> float:
    """How long after the change began its status is shown."""
    since = time.monotonic()
    changing = asyncio.ensure_future(change())
    try:
        return await monitor.shows(status, since, PATIENCE)
    finally:
        await changing


async def test_a_revocation_is_known_within_a_second(installation: Installation) -> None:
    took = []
    for _ in range(3):
        key_id, token = await installation.lab.mint()
        async with monitoring(installation, token) as monitor:
            took.append(await measured(monitor, "revoked", lambda key_id=key_id: installation.revoke(key_id)))
    print(f"revoked: known after {', '.join(f'{seconds:.3f}' for seconds in took)} s")
    assert max(took) <= fairly(AT_ONCE)


async def test_an_account_that_is_disabled_and_enabled_is_known_within_a_second(installation: Installation) -> None:
    _, token = await installation.lab.mint()
    async with monitoring(installation, token) as monitor:
        off = await measured(monitor, "account_disabled", lambda: installation.enable(False))
        await asyncio.sleep(AT_ONCE)  # rounds keep a distance
        on = await measured(monitor, "valid", lambda: installation.enable(True))
    print(f"disabled: known after {off:.3f} s; enabled: after {on:.3f} s")
    assert max(off, on) <= fairly(AT_ONCE)


@pytest.mark.slow
async def test_a_key_that_is_made_beside_it_shows_no_refusal(installation: Installation) -> None:
    _, token = await installation.lab.mint()
    async with monitoring(installation, token) as monitor:
        monitor.changes.clear()
        other, _ = await installation.lab.mint()
        await installation.written("argocd-secret", **{"accounts.ci.tokens": "W3t9XQ=="})
        await monitor.shows("valid", 0.0, PATIENCE)
        rounds = len(monitor.changes)
        await installation.revoke(other)
        async with asyncio.timeout(PATIENCE):
            while len(monitor.changes) == rounds:
                await asyncio.sleep(0.01)
        await asyncio.sleep(4.5)
        shown = [status for _, status in monitor.changes]
    assert set(shown) == {"valid"}
    assert 2 <= len(shown) <= 4, "a round for each, and a late one"
