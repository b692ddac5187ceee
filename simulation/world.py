"""One world from its begin to its end: servers, replicas of the monitor, consumers, people, and who keeps watch.

    world = World(plan, seed=7)
    world.play()              # raises nothing: `world.violation` says what did not hold, `world.trace` what happened

Everything that is drawn while it runs comes out of the seed, so the same plan and seed give the same run.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from monitor.config import address
from monitor.config.address import ServiceName
from monitor.config.settings import (
    InSecret,
    InstallationSettings,
    KubernetesSettings,
    LeaseSettings,
    RotationSettings,
    Settings,
    TargetSettings,
    WorkloadSettings,
)
from monitor.core.model import Mode
from monitor.simulator.api import handle
from monitor.simulator.calls import verify
from monitor.simulator.faults import Front
from monitor.simulator.messages import Request, Response
from monitor.simulator.rbac import Role
from monitor.simulator.settings import Settings as ArgoCDSettings
from monitor.simulator.state import BOTH, ArgoCDState
from monitor.simulator.tokens import TokenRefusedError

from simulation.argocd_objects import ArgoCDObjects
from simulation.argocd_pods import SERVICE, ArgoCDPods, Door, by_a_stranger
from simulation.argocd_way import Line
from simulation.chronicle import Trace
from simulation.cluster import NAMESPACE, PASSWORD, TARGET, TOKEN, WORKLOAD, Cluster
from simulation.consumers import Consumers
from simulation.invariants import Invariants
from simulation.loop import SimulatedLoop
from simulation.machine import TrueClock
from simulation.people import People
from simulation.plan import Moment, Plan
from simulation.replica import Replica
from simulation.weather import BY_A_PROXY, CONNECT, Kind, Side, Spell, Weather

ACCOUNT = "ci"
LOOK = 5.0
LONG_AGO = 600.0
# How many of the clients are told that a server which restarts has closed their connections.
TOLD_OF_THE_END = 0.7
# For how long nobody interferes, at least, before the monitor's own word counts that it waits for something.
PATIENCE = 150.0


class World:
    """Everything of one run. `violation`: the first thing that did not hold, None when all did."""

    def __init__(self, plan: Plan, seed: int = 0) -> None:
        self.plan = plan
        self.seed = seed
        self.violation: str | None = None
        self.calm_since: float | None = None
        self.healed_at: float | None = None
        self.loop = SimulatedLoop()
        self.loop.set_exception_handler(self._defect)
        self.rolled = random.Random(f"world {seed}")
        self.clock = TrueClock(self.loop)
        self.trace = Trace(self.loop.time)
        self.weather = Weather(random.Random(f"weather {seed}"))
        for spell in plan.spells:
            self.weather.add(spell)
        self.password = f"the first password {seed:08d}"
        self.secrets: list[str] = [self.password]
        self._chosen = 0
        self._restarts = 0
        self._lines: list[Line] = []
        self.argocd = ArgoCDState(
            clock=self.clock.now,
            seed=seed,
            replica_lags=plan.lags,
            choose_replica=lambda: self._chosen,
        )
        self.loop.now = -LONG_AGO  # every replica of Argo CD has known the account for long
        self.argocd.create_account(ACCOUNT, password=self.password, role=Role.READONLY)
        self.loop.now = 0.0
        self._front = Front(self.argocd)
        self._truths: dict[tuple[int, str], tuple[ArgoCDSettings, bool, float]] = {}
        self.settings = settings_of(plan)
        self.cluster = Cluster(self)
        self.pods = ArgoCDPods(self)
        self.objects = ArgoCDObjects(self)
        self.people = People(self)
        self.consumers = Consumers(self)
        self.invariants = Invariants(self)
        self.replicas = [Replica(self, name) for name in "abc"[: plan.replicas]]
        for replica, skew in zip(self.replicas, plan.skews, strict=False):
            replica.clock.wrong_by = skew

    # --- its course --------------------------------------------------------------------------------------------------------

    def play(self) -> None:
        """From the begin to the end, or to the first violation."""
        try:
            self.loop.run_until_complete(self._play())
        except Exception as error:  # noqa: BLE001 - whatever it is: a seed that fails must not end the others
            self.violate(f"the simulation ended with {type(error).__name__}: {error}")

    def bury(self) -> None:
        """Forgets the processes, once nobody listens any more: only now may their `finally` run."""
        self.loop.set_exception_handler(lambda loop, context: None)
        for replica in self.replicas:
            replica.bury()
        self.loop.close()

    async def _play(self) -> None:
        self.cluster.prepare()
        self.pods.prepare()
        self.objects.prepare()
        self.people.prepare()
        self.consumers.begin()
        self.cluster.goes_on()
        for moment in self.plan.moments:
            self.outside(moment.at, self._happen, moment)
        for number, replica in enumerate(self.replicas):
            self.outside(0.5 * number, replica.start)
        while self.now < self.plan.active and self.violation is None:
            await asyncio.sleep(LOOK * self.plan.stretch)
            self._look()
        self.calm_since = self.now
        self._calm_down()
        end = self.now + self.plan.calm
        while self.now < end and self.violation is None and self.healed_at is None:
            await asyncio.sleep(LOOK * self.plan.stretch)
            self._look()
            if self.invariants.all_is_well():
                self.healed_at = self.now
            elif self.now - self.calm_since > PATIENCE and self.invariants.waits_for_long(end):
                break
        if self.violation is None:
            self.invariants.at_the_end()

    def _look(self) -> None:
        self.consumers.look()
        self.people.look()
        self.invariants.look()

    def replica(self, name: str) -> Replica:
        """The replica of the monitor with that name."""
        return next(replica for replica in self.replicas if replica.name == name)

    def _happen(self, moment: Moment) -> None:
        if self.calm_since is None:
            self.trace.tell(f"people: {moment.what} {moment.given or ''}".rstrip())
            getattr(self.people, moment.what)(*moment.given)
            self.invariants.something_changed()

    def _calm_down(self) -> None:
        self.trace.tell("from now on nobody interferes")
        self.weather.clear_up()
        self.people.mend()
        for replica in self.replicas:
            replica.start()

    def violate(self, what: str) -> None:
        """Something did not hold. The first one counts."""
        if self.violation is None:
            self.violation = what
            self.trace.tell(f"VIOLATION: {what}")

    def _defect(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        del loop
        error = context.get("exception")
        task = context.get("task")
        named = f" of task {task.get_name()}" if isinstance(task, asyncio.Task) else ""
        self.violate(f"an error that nobody caught{named}: {context.get('message')}: {type(error).__name__} {error}")

    # --- time and chance ---------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return self.loop.now

    def latency(self) -> float:
        """Of one way over the network."""
        return self.plan.latency * (0.5 + self.rolled.random())

    def outside(self, delay: float, do: Callable[..., object], *arguments: object) -> asyncio.TimerHandle:
        """Does something in so many seconds, whoever died meanwhile."""
        return self.loop.outside(delay, do, *arguments)

    # --- Argo CD -----------------------------------------------------------------------------------------------------------

    def weather_at(self, side: Side, what: str, sender: str, address: str) -> Spell | None:
        """What befalls this request to Argo CD, or to one of its pods, before which there is no proxy."""
        if address:
            self.invariants.pods.is_asked(address, sender)
        if not what.startswith("GET"):
            self.trace.tell(f"{sender} sends {what}")  # whoever listens may change the weather for this very request
        spell = self.weather.hit(side, self.now, what)
        if spell is None or (address and spell.kind in BY_A_PROXY):
            return None
        self.trace.tell(f"argocd {what} is hit by: {spell.kind}" + (f" at {address}" if address else ""))
        return spell

    def pick_replica(self, address: str) -> int | Door:
        """Who takes a new connection: to that pod, "" for any that the Service leads to."""
        there = self.pods.at(address) if address else self.any_replica()
        return there if isinstance(there, Door) or not self.argocd.restarting() else Door.SHUT

    def any_replica(self) -> int:
        """One of Argo CD's replicas."""
        return self.rolled.randrange(len(self.plan.lags)) if len(self.plan.lags) > 1 else 0

    def connecting_is_hit(self) -> Kind | None:
        """What befalls a connection to Argo CD that is being made: refused, or its name is not found."""
        spell = self.weather.hit(Side.ARGOCD, self.now, CONNECT)
        return spell.kind if spell is not None else None

    def opened(self, line: Line) -> None:
        """A connection to Argo CD is open."""
        self._lines = [open_ for open_ in self._lines if not open_.is_closing()]
        self._lines.append(line)

    def restarts(self, replica: int | Door) -> int:
        """How often that replica of Argo CD was restarted, alone or with all."""
        return 0 if isinstance(replica, Door) else self._restarts + self.pods.lives(replica)

    def restart_argocd(self, outage: float) -> None:
        """Nothing listens for so long, connections are cut, and counters of failed logins are gone."""
        self._restarts += 1
        self.argocd.restart(outage)
        self.pods.withhold(outage)
        self._tell_of_the_end(self._lines)

    def replace_pod(self, replica: int, noticed_after: float) -> None:
        """One pod of Argo CD makes room for a new one at another address; the EndpointSlice has it so much later."""
        self.pods.replace(replica, noticed_after)
        self._tell_of_the_end([line for line in self._lines if line.replica == replica])

    def _tell_of_the_end(self, lines: list[Line]) -> None:
        for line in lines:
            if self.rolled.random() < TOLD_OF_THE_END:
                line.ended_by_the_server()

    def argocd_serves(self) -> bool:
        """Whether it listens."""
        return not self.argocd.restarting()

    def serve(self, request: Request, line: Line, sent: float, proxy: Kind | None) -> Response:
        """A request arrives at Argo CD."""
        replica, sender = line.replica, line.sender
        if isinstance(replica, Door):
            return by_a_stranger(line.address, request)
        self._chosen = replica
        before = self.argocd.settings
        if proxy is not None:
            self._front.fault = BY_A_PROXY[proxy]
            answer = self._front(request)
        else:
            answer = handle(self.argocd, request, replica)
        if request.method != "GET" or answer.status != 200:
            self.trace.tell(f"argocd {request.method} {request.target} of {sender}: {answer.status}")
        if proxy in (None, Kind.STRIPPED, Kind.CACHING):  # the others answer by themselves
            self.invariants.argocd_was_asked(request, answer, before, sender, sent)
        return answer

    def accepted_by(self, token: str, replica: int) -> bool:
        """Whether that replica of Argo CD accepts the token, as the account."""
        settings = self.argocd.seen_by(replica)
        place = (id(settings), token)
        known = self._truths.get(place)
        if known is not None and known[0] is settings and self.clock.now() < known[2]:
            return known[1]
        try:
            caller = verify(self.argocd, settings, token)
            accepted = caller.name == ACCOUNT
            ends = float(caller.claims.get("exp", 1e18)) if accepted else 1e18
        except TokenRefusedError:
            accepted, ends = False, 1e18
        if len(self._truths) > 200:
            self._truths.clear()
        self._truths[place] = (settings, accepted, ends)
        return accepted

    def accepted_but_for_its_account(self, token: str) -> bool:
        """Whether the token would be accepted if its account were there, enabled, and with both capabilities."""
        settings = self.argocd.settings
        mended = replace(settings.accounts[ACCOUNT], declared=True, enabled=True, capabilities=BOTH)
        try:
            return verify(self.argocd, settings.with_account(mended), token).name == ACCOUNT
        except TokenRefusedError:
            return False

    def everywhere(self, token: str | None) -> bool | None:
        """Whether every replica accepts the token; None where they are not of one mind."""
        if token is None:
            return False
        seen = {self.accepted_by(token, replica) for replica in range(len(self.plan.lags))}
        return seen.pop() if len(seen) == 1 else None

    def live_keys(self) -> set[str]:
        """The ids of the account's keys that have not expired."""
        account = self.argocd.settings.accounts[ACCOUNT]
        now = self.clock.now()
        return {key.id for key in account.keys if not key.expires_at or key.expires_at > now}


def settings_of(plan: Plan) -> Settings:
    """The configuration of the monitor in that world."""
    rotation = RotationSettings(
        expires_in=plan.expires_in,
        every=plan.every,
        drill_every=plan.drill_every,
        grace=plan.grace,
        settle=plan.settle,
        longest_wait=plan.longest_wait,
        restart_consumers=plan.restarts,
        workloads=(WorkloadSettings("Deployment", WORKLOAD),) if plan.restarts else (),
    )
    target = TargetSettings(
        name=TARGET,
        address=address.of_service(SERVICE),
        mode=Mode.PASSWORD if plan.by_password else Mode.TOKEN,
        token_source=InSecret(*TOKEN, NAMESPACE),
        password_source=InSecret(*PASSWORD, NAMESPACE) if plan.by_password else None,
        username=ACCOUNT if plan.by_password else None,
        expected_account=ACCOUNT,
        service=ServiceName(SERVICE) if plan.every_replica else None,
        installation=InstallationSettings(NAMESPACE) if plan.watch_argocd else None,
        namespace=NAMESPACE,
        interval=plan.interval,
        account_interval=plan.account_interval,
        rotation=rotation,
    )
    lease = LeaseSettings(enabled=plan.elected, namespace=NAMESPACE)
    return Settings((target,), kubernetes=KubernetesSettings(namespace=NAMESPACE, lease=lease))
