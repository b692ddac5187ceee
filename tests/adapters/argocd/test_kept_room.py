"""Connections are kept while files may be open for them; where there is no more room, checks go on without."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import structlog
from monitor.adapters import open_files
from monitor.adapters.argocd.client import ArgoCDClient, Endpoint
from monitor.adapters.argocd.connections import Connections
from monitor.adapters.argocd.tls import TlsContexts
from monitor.adapters.clock import SystemClock
from monitor.adapters.open_files import RESERVED, Room
from monitor.core.model import Reply
from monitor.core.questions import Question, Topic
from monitor.core.secret import Secret

from tests.adapters.argocd.wire import Server, always, answer, serving

USERINFO = Question(Topic.USERINFO)
TOKEN = Secret("eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJ4In0.c2lnbmF0dXJl")


class Clock(SystemClock):
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@asynccontextmanager
async def two_servers(room: Room, clock: Clock) -> AsyncIterator[tuple[Sequence[ArgoCDClient], Sequence[Server]]]:
    """Two clients over the same connections; how many connections each server saw."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(serving(always(answer()))) for _ in range(2)]
        connections = Connections(clock.monotonic, room=room)
        stack.push_async_callback(connections.close)
        clients = [ArgoCDClient(Endpoint(server.url), connections, TlsContexts(), clock) for server in servers]
        yield clients, servers


async def ask(client: ArgoCDClient, times: int) -> None:
    for _ in range(times):
        assert isinstance(await client.ask(USERINFO, TOKEN), Reply)


async def test_beyond_the_room_each_check_makes_a_connection_of_its_own() -> None:
    async with two_servers(Room(1), Clock()) as (clients, servers):
        await ask(clients[0], 3)
        await ask(clients[1], 3)
        await ask(clients[0], 3)
        assert [server.connections for server in servers] == [1, 3]


async def test_room_is_given_back_when_connections_grow_old_and_at_the_end() -> None:
    room, clock = Room(5), Clock()
    async with two_servers(room, clock) as (clients, _):
        for client in clients:
            await ask(client, 2)
        assert room.left == 3
        for _ in range(3):
            clock.ahead += 300.0
            for client in clients:
                await ask(client, 2)
            assert room.left == 3, "those that were kept before have gone"
    assert room.left == 5


def test_a_part_of_the_files_is_for_other_things() -> None:
    assert open_files.places(1_048_576) > 20_000
    assert open_files.places(RESERVED + 200) == 100
    assert open_files.places(256) == 0


@pytest.mark.parametrize(("limit", "warns"), [(1024, True), (RESERVED + 2_000, False)])
def test_too_few_files_are_told_with_how_many_are_needed(limit: int, warns: bool) -> None:
    with structlog.testing.capture_logs() as told:
        open_files.tell(limit, 1000)
    assert bool(told) is warns
    if warns:
        assert str(RESERVED + 2_000) in told[0]["fix"]
