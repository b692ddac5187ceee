"""Token Monitor's whole check as the service does it, in a process of its own.

APScheduler ticks, the fleet dispatches, the token comes from a watched Secret, the real client asks over real
connections, the verdict is tracked, and metrics and reactions are told. What is left out is what is no part of a
check: pages, alerts, rotation, the watch on files. Under saturation the fleet is dispatched directly, since the ticker
leaves 10 ms between its runs.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import random
import sys
from typing import Any, cast

import uvloop
from monitor.adapters import logs
from monitor.adapters.argocd.client import ArgoCDClient, Endpoint
from monitor.adapters.argocd.connections import Connections
from monitor.adapters.argocd.tls import TlsContexts, Trust
from monitor.adapters.clock import SystemClock
from monitor.adapters.kubernetes.secret_watch import SecretWatch
from monitor.adapters.kubernetes.secrets import KubernetesSecretSource, SecretReader
from monitor.core.model import Expectation, Verdict
from monitor.core.schedule import phase_of
from monitor.core.status import Status
from monitor.daemon.ticker import Ticker
from monitor.metrics import Metrics
from monitor.services.checker import Checked, Checker
from monitor.services.fleet import Fleet, Target
from monitor.services.reactions import Reactions
from monitor.simulator.kubernetes.api import SimulatedKubernetes
from monitor.simulator.kubernetes.state import ClusterState
from prometheus_client import CollectorRegistry

from bench.check.regimes import IN_FLIGHT, RATE, Regime
from bench.child import config, cpu_seconds, serve

NAMESPACE = "codefresh"
# A check of a target is due again at once, so that all of them are always in flight.
AT_ONCE = 1e-6
NEVER = 1e9
DEADLINE = 200.0


class _Leader:
    """This process, and no other."""

    def leads(self) -> bool:
        return True

    def another_leads(self) -> bool:
        return False


class Twice:
    """A checker that does everything twice, to see whether that is noticed (`bench.check.guard`)."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker

    async def check(self, *, full: bool, fresh: bool = False, last: Checked | None = None) -> Checked:
        once = await self._checker.check(full=full, fresh=fresh, last=last)
        return await self._checker.check(full=full, fresh=fresh, last=once)


class Bench:
    """One fleet under one regime; kept between rounds, so that connections and memory are those of a steady state."""

    def __init__(self, product: Product, base: str, regime: Regime, *, full: bool, twice: bool) -> None:
        self._clock = product.clock
        self._metrics = Metrics(CollectorRegistry(), "bench")
        self._reactions = Reactions(self._metrics, self._shown, lambda name: None, _Leader())
        self._fleet = Fleet(product.clock, random.SystemRandom().random, self, self._wake)
        self._regime = regime
        self._running = False
        self._ticker: Ticker | None = None
        self._dispatching: asyncio.Task[None] | None = None
        self._good = self._done = self._all = self._awaited = 0
        self._reached = asyncio.Event()
        self._interval = AT_ONCE if regime is Regime.SATURATED else 1.0
        count = IN_FLIGHT if regime is Regime.SATURATED else round(RATE)
        self._warm_up = 4 * count if regime is Regime.SATURATED else round(1.5 * count)
        self._fleet.set_targets([self._target(product, base, name, full=full, twice=twice) for name in evenly(count)])

    def _target(self, product: Product, base: str, name: str, *, full: bool, twice: bool) -> Target:
        expected = Expectation(account="codefresh", where="Secret codefresh/argocd-token, key token")
        source = KubernetesSecretSource(product.reader, NAMESPACE, "argocd-token", "token")
        client = ArgoCDClient(Endpoint(base, product.trust), product.connections, product.contexts, product.clock)
        checker = Checker(client, source, expected, product.clock)
        if twice:
            checker = cast("Checker", Twice(checker))
        account_interval = 0.0 if full else NEVER
        return Target(name, base, expected, self._interval, account_interval, 10.0, checker)

    async def round(self, checks: int) -> dict[str, float]:
        """CPU seconds and valid verdicts of `checks` checks or a few more, after a warm-up."""
        self._all = 0
        self._start()
        await self._until(self._warm_up)
        self._good = self._done = 0
        before = cpu_seconds()
        await self._until(checks)
        used, done, good = cpu_seconds() - before, self._done, self._good
        self._stop()
        ended = -1
        while ended != self._all:  # those in flight end, and nothing of this round falls into the next one
            ended = self._all
            await asyncio.sleep(0.1)
        return {"cpu": used, "checks": done, "good": good, "all": self._all}

    def _start(self) -> None:
        self._running = True
        if self._regime is Regime.PACED:
            self._ticker = Ticker(self._clock, self._fleet.next_due, self._fleet.dispatch)
            self._ticker.start()
        else:
            self._wake()

    def _stop(self) -> None:
        self._running = False
        if self._ticker is not None:
            self._ticker.stop()
            self._ticker = None

    def _wake(self) -> None:
        """What the fleet calls when something is due earlier. Saturated: it is dispatched in this turn of the loop."""
        if self._ticker is not None:
            self._ticker.wake()
        elif self._running and self._dispatching is None:
            self._dispatching = asyncio.create_task(self._dispatch())

    async def _dispatch(self) -> None:
        self._dispatching = None
        await self._fleet.dispatch()

    async def _until(self, checks: int) -> None:
        self._awaited = self._done + checks
        self._reached.clear()
        async with asyncio.timeout(DEADLINE):
            await self._reached.wait()

    def checked(self, name: str, checked: Checked, lateness: float) -> None:
        """The fleet's listener: the service's own, and a count."""
        self._reactions.checked(name, checked, lateness)
        self._all += 1
        self._done += 1
        self._good += checked.verdict.status is Status.VALID
        if self._done >= self._awaited:
            self._reached.set()

    def _shown(self, name: str) -> Verdict | None:
        return self._fleet.shown(name)


class Product:
    """What the targets of a process share."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.clock = SystemClock()
        self.connections = Connections(self.clock.monotonic)
        self.contexts = TlsContexts()
        self.trust = Trust(ca_file=given["ca_file"])
        self.kubernetes = SimulatedKubernetes(
            ClusterState(self.clock, seed=1), "bench", self.clock, namespace=NAMESPACE
        )
        self.watch = SecretWatch(self.kubernetes, lambda namespace, name: None, random.SystemRandom().random)
        self.reader = SecretReader(self.kubernetes, self.watch)
        self._benches: dict[tuple[str, Regime, bool, bool], Bench] = {}

    async def start(self, token: str) -> None:
        """Puts the token where it is read."""
        data = {"token": base64.b64encode(token.encode()).decode()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "argocd-token"}, "data": data}
        await self.kubernetes.request("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", body=secret)
        self.watch.set_wanted([(NAMESPACE, "argocd-token", "token")])
        self.watch.start()

    async def round(self, command: dict[str, Any]) -> dict[str, float]:
        """One round."""
        regime, full, twice = Regime(command["regime"]), bool(command.get("full")), bool(command.get("twice"))
        key = (command["base"], regime, full, twice)
        bench = self._benches.get(key)
        if bench is None:
            bench = self._benches[key] = Bench(self, command["base"], regime, full=full, twice=twice)
        if "profile" in command:
            return await _profiled(bench, command)
        return await bench.round(command["checks"])


def evenly(count: int) -> list[str]:
    """Names whose turns, which follow from the name, lie evenly in the interval: as the others are paced."""
    names: list[str] = []
    for slot in range(count):
        tries = (f"target-{slot}-{number}" for number in itertools.count())
        names.append(next(name for name in tries if abs(phase_of(name) * count - slot - 0.5) < 0.1))
    return names


async def _profiled(bench: Bench, command: dict[str, Any]) -> dict[str, float]:
    """The same under cProfile, which makes everything slower: shares count, not times."""
    import cProfile

    await bench.round(command["checks"] // 10)
    profile = cProfile.Profile()
    profile.enable()
    found = await bench.round(command["checks"])
    profile.disable()
    profile.dump_stats(command["profile"])
    return found


async def main() -> None:
    """Answers with the CPU time and the number of valid verdicts of each round."""
    given = config()
    logs.configure("console", "error", sys.stderr)
    product = Product(given)
    await product.start(given["token"])
    await serve(product.round)
    await product.watch.close()
    await product.connections.close()


if __name__ == "__main__":
    uvloop.run(main())
