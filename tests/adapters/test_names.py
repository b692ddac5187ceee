"""Looking up names: one that is slow keeps no other from being found, and what was found too late is not lost."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from monitor.adapters.argocd.client import ArgoCDClient, Endpoint
from monitor.adapters.argocd.connections import Connections
from monitor.adapters.argocd.tls import TlsContexts
from monitor.adapters.clock import SystemClock
from monitor.adapters.names import KEPT_TIMES, LONG, LONGEST_KEPT, Names
from monitor.core.model import Fault, FaultKind, Reply
from monitor.core.questions import Question, Topic
from monitor.core.secret import Secret

from tests.adapters.argocd.wire import always, answer, serving
from tests.fair_time import fairly

# More than any loop and its threads look up at once.
DEAD = 40
TOKEN = Secret("eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJ4In0.c2lnbmF0dXJl")


class NameServers:
    """What the system's resolver gets to hear. Names that begin with `dead` are answered when `let_go`."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self._real = socket.getaddrinfo
        self._went_on = threading.Event()

    def let_go(self) -> None:
        """The dead ones answer."""
        self._went_on.set()

    def __call__(self, host: Any, *arguments: Any, **named: Any) -> Any:
        if not str(host).endswith(".example"):
            return self._real(host, *arguments, **named)
        self.asked[host] += 1
        if host.startswith("dead"):
            self._went_on.wait(30.0)
        if host.startswith("none"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self._real("127.0.0.1", *arguments, **named)


@pytest.fixture
def name_servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServers]:
    """Whoever still waits at the end is let go."""
    servers = NameServers()
    monkeypatch.setattr(socket, "getaddrinfo", servers)
    yield servers
    servers.let_go()


class Time:
    """Seconds that go on when they are told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def test_names_whose_servers_are_dead_keep_no_target_from_being_reached(name_servers: NameServers) -> None:
    clock = SystemClock()
    async with serving(always(answer())) as server:
        connections = Connections(clock.monotonic)

        async def ask(host: str, timeout: float) -> Reply | Fault:
            endpoint = Endpoint(f"http://{host}:{server.port}", timeout=timeout)
            return await ArgoCDClient(endpoint, connections, TlsContexts(), clock).ask(Question(Topic.USERINFO), TOKEN)

        dead = [asyncio.create_task(ask(f"dead{number}.example", 60.0)) for number in range(DEAD)]
        async with asyncio.timeout(fairly(5.0)):
            while len(name_servers.asked) < DEAD:
                await asyncio.sleep(0.001)
        assert isinstance(await ask("quick.example", fairly(5.0)), Reply)
        for task in dead:
            task.cancel()
        await asyncio.wait(dead)
        await connections.close()


async def test_who_asks_for_a_name_at_the_same_time_shares_the_answer(name_servers: NameServers) -> None:
    names = Names(Time())
    asking = [asyncio.create_task(names.resolve("dead.example", 80)) for _ in range(5)]
    await asyncio.sleep(0.01)
    name_servers.let_go()
    assert {found[0]["host"] for found in await asyncio.gather(*asking)} == {"127.0.0.1"}
    assert name_servers.asked == {"dead.example": 1}


@pytest.mark.parametrize(
    ("took", "kept"),
    [(LONG, LONG * KEPT_TIMES), (5.0, 5.0 * KEPT_TIMES), (60.0, LONGEST_KEPT)],
)
async def test_what_came_too_late_for_who_asked_is_there_for_who_asks_next(
    name_servers: NameServers, took: float, kept: float
) -> None:
    time = Time()
    names = Names(time)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await names.resolve("dead.example", 80)
    time.seconds = took
    name_servers.let_go()
    while names._asking:
        await asyncio.sleep(0.001)
    time.seconds = took + kept - 0.1
    assert (await names.resolve("dead.example", 80))[0]["port"] == 80
    assert name_servers.asked == {"dead.example": 1}
    time.seconds = took + kept
    await names.resolve("dead.example", 80)
    assert name_servers.asked == {"dead.example": 2}


async def test_what_was_found_soon_is_asked_again(name_servers: NameServers) -> None:
    names = Names(Time())
    for _ in range(2):
        await names.resolve("quick.example", 80)
    assert name_servers.asked == {"quick.example": 2}


async def test_what_was_kept_does_not_stay_for_ever(name_servers: NameServers) -> None:
    time = Time()
    names = Names(time)
    for number in range(3):
        asking = asyncio.create_task(names.resolve(f"quick{number}.example", 80))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.seconds += 2.0
        await asking
        time.seconds += 100.0
    assert len(names._kept) == 1


async def test_a_name_that_does_not_exist_is_told_as_dns_also_where_nobody_waits(name_servers: NameServers) -> None:
    names = Names(Time())
    with pytest.raises(socket.gaierror):
        await names.resolve("none.example", 80)
    waiting = asyncio.create_task(names.resolve("none.example", 80))
    await asyncio.sleep(0)
    waiting.cancel()
    while names._asking:
        await asyncio.sleep(0.001)
    assert name_servers.asked == {"none.example": 2}


async def test_so_many_are_looked_up_at_once_and_no_more(name_servers: NameServers) -> None:
    names = Names(Time(), lookups=2)
    asking = [asyncio.create_task(names.resolve(f"dead{number}.example", 80)) for number in range(4)]
    async with asyncio.timeout(fairly(5.0)):
        while len(name_servers.asked) < 2:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)
    assert len(name_servers.asked) == 2
    name_servers.let_go()
    await asyncio.gather(*asking)
    assert len(name_servers.asked) == 4


async def test_the_end_waits_for_no_name_server(name_servers: NameServers) -> None:
    names = Names(Time(), lookups=1)
    asking = [asyncio.create_task(names.resolve(f"dead{number}.example", 80)) for number in range(2)]
    await asyncio.sleep(0.01)
    async with asyncio.timeout(fairly(5.0)):
        await names.close()
        await asyncio.wait(asking)
    assert all(task.cancelled() for task in asking)
    assert not names._asking


async def test_a_machine_without_another_thread_says_so(
    name_servers: NameServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async with serving(always(answer())) as server:
        connections = Connections(SystemClock().monotonic)
        client = ArgoCDClient(
            Endpoint(f"http://quick.example:{server.port}"), connections, TlsContexts(), SystemClock()
        )
        monkeypatch.setattr(threading.Thread, "start", start)
        told = await client.ask(Question(Topic.USERINFO), TOKEN)
        assert told == Fault(FaultKind.DNS, "no thread is left to look up a name")
        await connections.close()
