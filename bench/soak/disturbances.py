"""What happens to the service during a soak, all of it again and again: each disturbance has its rhythm.

None of it may cost logins: a login whose answer is lost counts as a failed one, three of which are a day's budget, and
a soak that stops rotating shows nothing. So outages begin only while every token is in order.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from monitor.simulator.faults import Fault

from bench.soak.world import IN_FILE, IN_SECRET, OTHERS, World

PAGES = ("/", "/status", "/healthz", "/readyz", "/livez", "/?target=other-1", "/healthz?target=in-secret", "/nothing")
OUTAGE = 3.0
ORDER_WITHIN = 60.0
BROKEN = "targets: [{name: broken}\n"


@dataclass(frozen=True, slots=True)
class Disturbance:
    """every: seconds between two of them. quiet: only while every token is in order."""

    name: str
    every: float
    do: Callable[[], Awaitable[None]]
    quiet: bool = False


class Disturbances:
    """All of them, against one world and one monitor. done: how often each was."""

    def __init__(self, world: World, url: str, file: Path, in_order: Callable[[], Awaitable[bool]]) -> None:
        self._world = world
        self._url = url
        self._file = file
        self._in_order = in_order
        self._one_at_a_time = asyncio.Lock()
        self._chance = random.Random(8)
        self._faults = itertools.cycle([fault for fault in Fault if fault is not Fault.CACHING])
        self._others = itertools.cycle([OTHERS // 2, OTHERS, 0, OTHERS])
        self._harms = itertools.cycle(itertools.product((IN_SECRET, IN_FILE), (False, False, True)))
        self.done: Counter[str] = Counter()
        self.waited = 0
        self.all = (
            Disturbance("scrape", 5.0, lambda: self._get("/metrics")),
            Disturbance("page", 2.0, lambda: self._get(self._chance.choice(PAGES))),
            Disturbance("client that hangs up", 3.0, self._hang_up),
            Disturbance("key deleted or token lost", 11.0, self._revoke, quiet=True),
            Disturbance("key replaced by hand", 17.0, self._replace),
            Disturbance("watches cut", 13.0, self._cut),
            Disturbance("watches expired (410)", 37.0, self._expire),
            Disturbance("configuration changed", 23.0, self._reload),
            Disturbance("configuration broken", 53.0, self._break),
            Disturbance("Argo CD restarted", 41.0, self._restart_argocd, quiet=True),
            Disturbance("Kubernetes API restarted", 47.0, self._restart_kubernetes, quiet=True),
            Disturbance("fault before Argo CD", 19.0, self._fault, quiet=True),
            Disturbance("password changed", 59.0, self._password, quiet=True),
        )

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for one in self.all:
                group.create_task(self._repeat(one))

    async def _repeat(self, one: Disturbance) -> None:
        await asyncio.sleep(one.every * 0.5)
        while True:
            if one.quiet:
                async with self._one_at_a_time:
                    await self._order()
                    await one.do()
            else:
                await one.do()
            self.done[one.name] += 1
            await asyncio.sleep(one.every * self._chance.uniform(0.8, 1.2))

    async def _order(self) -> None:
        """Waits until every token is in order; for a while at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ORDER_WITHIN):
                while True:
                    if await self._in_order():
                        return
                    await asyncio.sleep(0.2)
        self.waited += 1

    async def _get(self, path: str) -> None:
        timeout = aiohttp.ClientTimeout(total=20)
        with suppress(aiohttp.ClientError, TimeoutError):
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(self._url + path) as answer:
                await answer.read()

    async def _hang_up(self) -> None:
        host, _, port = self._url.removeprefix("http://").rpartition(":")
        with suppress(OSError):
            _, writer = await asyncio.open_connection(host, int(port))
            sent = self._chance.choice(
                [b"", b"GET /met", b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01nonsense\r\n"]
            )
            writer.write(sent)
            await writer.drain()
            await asyncio.sleep(self._chance.uniform(0.0, 0.05))
            writer.transport.abort()

    async def _revoke(self) -> None:
        # Keys that only ever vanish are replaced more and more rarely: every third time it is the token that is lost.
        account, lost = next(self._harms)
        (self._world.lose if lost else self._world.revoke)(account)

    async def _replace(self) -> None:
        self._world.new_plain_token()

    async def _cut(self) -> None:
        self._world.cluster.drop_watches()

    async def _expire(self) -> None:
        self._world.cluster.compact()
        self._world.cluster.expire_watches()

    async def _reload(self) -> None:
        self._world.reload(self._file, others=next(self._others))

    async def _break(self) -> None:
        self._world.reload(self._file, BROKEN)
        await asyncio.sleep(2.5)
        self._world.reload(self._file)

    async def _restart_argocd(self) -> None:
        await self._world.close("argocd")
        await asyncio.sleep(OUTAGE)
        await self._world.open_argocd()

    async def _restart_kubernetes(self) -> None:
        await self._world.close("kubernetes")
        await asyncio.sleep(OUTAGE)
        await self._world.open_kubernetes()

    async def _fault(self) -> None:
        self._world.front.fault = next(self._faults)
        await asyncio.sleep(OUTAGE)
        self._world.front.fault = None

    async def _password(self) -> None:
        self._world.change_password(self._chance.choice([IN_SECRET, IN_FILE]))
