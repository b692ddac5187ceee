"""This replica's share of the targets, and what the others see of theirs, out of settings.

`adopt` takes over what the slots say since; until then everything here speaks of the share as it is checked. Where
sharing is off there is no such object, and `Leading` decides who rotates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from monitor.adapters.kubernetes.slots import Slots
from monitor.cluster import KubernetesApi
from monitor.config.settings import Settings, TargetSettings
from monitor.core.exchange import Speaker
from monitor.core.report import TargetReport
from monitor.core.sharding import STILL_WATCHED, Part, Spare, Standing, TakeOver, Undecided, share, stand_in
from monitor.core.whole import Replica, Whole, untold
from monitor.daemon.platform import Platform
from monitor.services.replicas import PATIENCE, Replicas

log = structlog.get_logger(__name__)


class Sharing:
    """One replica among several. port: on which it serves its pages, once it does. apply: called with what others knew of
    the targets and how they came, when the share is another.
    """

    def __init__(
        self,
        settings: Settings,
        kubernetes: KubernetesApi,
        platform: Platform,
        port: Callable[[], int],
        apply: Callable[[Mapping[str, TargetReport], TakeOver], None],
    ) -> None:
        self._settings = settings
        self._port = port
        self._apply = apply
        self._clock = platform.clock
        self._address = platform.pod_ip or settings.http.bind
        self.identity = f"{platform.host[:60]}-{platform.token_hex(4)}"
        self._slots = Slots(
            kubernetes,
            settings.kubernetes.lease.namespace,
            settings.kubernetes.shards.prefix,
            settings.kubernetes.shards.slots,
            self.identity,
            self._origin,
            platform.clock,
            platform.chance,
            self._wake,
        )
        self._replicas = Replicas(platform.clock, platform.peers(), self._slots.others)
        self._standing: Standing = Undecided()
        # All targets and the share; since when they are what they are; those of others that this replica checks as well.
        self._names: frozenset[str] = frozenset()
        self._share: frozenset[str] = frozenset()
        self._settled_at = platform.clock.monotonic()
        self._stands_in_for: frozenset[str] = frozenset()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def leads(self) -> bool:
        """Whether this replica may begin a rotation now, of a target of its share."""
        return self._slots.leads()

    def another_leads(self) -> bool:
        """Nobody else does for the targets of this share."""
        return False

    def mine(self, targets: Sequence[TargetSettings]) -> tuple[TargetSettings, ...]:
        """Those that this replica checks."""
        names = frozenset(target.name for target in targets)
        if names != self._names:
            self._names, self._settled_at = names, self._clock.monotonic()
        self._share = share(self._standing, names)
        mine = self._share | (self._stands_in_for & names)
        return tuple(target for target in targets if target.name in mine)

    def gave_up(self, reports: Iterable[TargetReport]) -> None:
        """What this replica saw of targets that others check from now on."""
        self._replicas.gave_up(reports)

    def start(self) -> None:
        """Takes a slot, and begins to ask the others."""
        self._slots.start()
        self._tasks = [
            asyncio.create_task(self._follow(), name="share"),
            asyncio.create_task(self._replicas.run(self._review), name="other replicas"),
        ]

    async def close(self) -> None:
        """Gives its share up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(self._slots.close(), self._replicas.close(), *self._tasks, return_exceptions=True)

    def speaker(self, targets: int) -> Speaker:
        """Who tells, where another replica asks."""
        return Speaker(self.identity, self._clock.now(), targets)

    async def ask(self) -> None:
        """Asks the others, before a page is made."""
        await self._replicas.refresh()
        await self._replicas.read()

    def whole(
        self, targets: Iterable[TargetSettings], own: Callable[[str], TargetReport | None]
    ) -> Iterable[TargetReport]:
        """Every target of the configuration: as this replica sees it, else as another one told, else that nobody did."""
        known = self._replicas.known()
        for target in targets:
            report = own(target.name) or known.get(target.name)
            yield report if report is not None else self._untold(target)

    def one(self, target: TargetSettings, own: TargetReport | None) -> TargetReport:
        """The same for one."""
        return own or self._replicas.known().get(target.name) or self._untold(target)

    def surroundings(self, targets: int) -> Whole:
        """Who checks how much, and what is missing. targets: how many this replica checks."""
        standing = self._standing
        others = tuple(self._replicas.replicas())
        own = Replica(standing.own if isinstance(standing, Part) else None, self.identity, self._origin(), targets, "")
        return Whole(own, others, standing, self._settings.kubernetes.shards.slots)

    def _untold(self, target: TargetSettings) -> TargetReport:
        whole = self.surroundings(0)
        return untold(
            target.name, target.address.url, target.mode, target.interval, target.timeout, whole, self._clock.now()
        )

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._adopt()
            except Exception:
                # A defect in what others tell must not keep this replica from its share.
                log.exception("the share could not be taken over as it should")
                self._standing, self._stands_in_for = self._slots.standing, frozenset()
                self._apply({}, self._slots.membership.take_over)

    async def _adopt(self) -> None:
        """Goes on with what the others know. Who is gone cannot be asked: what it said before has to do."""
        before, standing, taken = self._standing, self._slots.standing, self._slots.membership.take_over
        joins = isinstance(standing, Part) and not isinstance(before, Part)
        if joins:
            await self._replicas.refresh()
        known = {} if isinstance(standing, Spare) else await self._replicas.read()
        self._standing, self._settled_at, self._stands_in_for = standing, self._clock.monotonic(), frozenset()
        self._apply(known, taken)

    def _review(self) -> None:
        """Stands in for replicas that live and tell nothing of their targets: a Lease alone checks nothing."""
        if self._clock.monotonic() - self._settled_at < PATIENCE:
            return
        untold = self._names - self._replicas.told_of() - self._share
        found = stand_in(self._standing, untold)
        if found == self._stands_in_for:
            return
        if found:
            log.warning(
                "other replicas tell nothing of some of their targets, so this one checks them as well",
                targets=len(found),
                example=min(found),
                fix="see `shards` in /status: replicas must reach each other, and have the same configuration",
            )
        self._stands_in_for = found
        self._apply({}, STILL_WATCHED)

    def _wake(self) -> None:
        self._changed.set()

    def _origin(self) -> str:
        address = self._address
        if address in ("", "0.0.0.0", "::"):
            return ""
        host = f"[{address}]" if ":" in address else address
        return f"{'https' if self._settings.http.cert_file else 'http'}://{host}:{self._port()}"
