"""What one replica tells another over the wire, and what another one makes of an answer that is no such thing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest
from monitor.adapters.peers import HttpPeers
from monitor.adapters.server import pages
from monitor.adapters.server.server import Server
from monitor.core.exchange import Silent, Speaker, told
from monitor.core.sharding import Part
from monitor.core.whole import Replica, Whole

from tests.adapters.argocd.wire import Talk, always, answer, mute, serving
from tests.adapters.server.conftest import HOST, NOW, World, report

ME = Speaker("monitor-a", NOW, 2)
OWN = [report("a"), report("b")]
WHOLE = Whole(
    Replica(0, "monitor-a", "http://10.0.0.1:8080", 2),
    (Replica(1, "monitor-b", "http://10.0.0.2:8080", 0, "no answer within 1 s"),),
    Part(0, (0, 1)),
    slots=2,
)


@asynccontextmanager
async def sharing(world: World) -> AsyncIterator[str]:
    """The address of a replica that shares its targets."""
    sources = replace(world.sources(), own=lambda: (ME, lambda: OWN), whole=lambda: WHOLE)
    server = Server(sources, HOST, 0)
    await server.start()
    try:
        yield f"http://{HOST}:{server.port}"
    finally:
        await server.stop(0.1)


async def asked(origin: str, deadline: float = 5.0) -> bytes | Silent:
    peers = HttpPeers(deadline)
    try:
        return await peers.ask(origin)
    finally:
        await peers.close()


async def test_a_replica_tells_of_the_targets_that_it_checks_itself(world: World) -> None:
    async with sharing(world) as origin:
        assert await asked(origin) == b"".join(told(OWN, ME))


async def test_a_replica_that_shares_with_nobody_says_so(world: World, serve) -> None:  # type: ignore[no-untyped-def]
    server = await serve()
    found = await asked(f"http://{HOST}:{server.port}")
    assert found == Silent("HTTP 404: no token-monitor that shares targets")


@pytest.mark.parametrize(
    ("talk", "why"),
    [
        (always(answer(b"<html>")), "HTTP 200: no token-monitor"),
        (always(answer(b"{}", status="500 Oh").replace(b"/json", b"/x-ndjson")), "HTTP 500: no token-monitor"),
        (mute, "timeout"),
    ],
    ids=["a page", "an error", "nothing"],
)
async def test_what_answers_otherwise_is_silent_and_why(talk: Talk, why: str) -> None:
    async with serving(talk) as server:
        found = await asyncio.wait_for(asked(server.url, deadline=5.0 if "HTTP" in why else 0.05), 10)
    assert isinstance(found, Silent)
    assert why in found.why


async def test_nobody_there_and_no_address_are_silent(unused_tcp_port: int) -> None:
    assert isinstance(await asked(f"http://{HOST}:{unused_tcp_port}"), Silent)
    assert await asked("http://[") == Silent("its address is none")


async def test_status_says_who_checks_how_much_and_what_is_missing(world: World) -> None:
    async with sharing(world) as origin, aiohttp.ClientSession(origin) as session:
        async with session.get("/status") as found:
            shards = (await found.json())["shards"]
        async with session.get("/status?target=production") as found:
            assert "shards" not in await found.json()
        async with session.get("/", headers={"Accept": "text/html"}) as found:
            assert "monitor-b" in await found.text()
    assert (shards["share"], len(shards["replicas"]), len(shards["missing"])) == ("part", 2, 1)


@pytest.mark.parametrize(("count", "pauses"), [(0, 0), (99, 0), (250, 2)])
def test_long_answers_let_others_have_their_turn(count: int, pauses: int) -> None:
    taken: list[float] = []
    reports = [report(f"t{number}") for number in range(count)]
    pages.shard(reports, ME, taken.append)
    assert len(taken) == pauses
    pages.status(reports, NOW, "1.2.3", taken.append)
    assert len(taken) == 2 * pauses
