"""Reuse hides nothing: each target goes through names, handshake and certificate at least every five minutes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from monitor.adapters.argocd.client import ArgoCDClient, Endpoint
from monitor.adapters.argocd.connections import Connections
from monitor.adapters.argocd.tls import TlsContexts
from monitor.core.model import Reply
from monitor.core.questions import Question, Topic

from tests.adapters.argocd.test_client_hostile import TOKEN
from tests.adapters.argocd.wire import always, answer, serving

USERINFO = Question(Topic.USERINFO)


class Time:
    """Passes when it is told to."""

    at = 5000.0

    def now(self) -> float:
        return 1_795_000_000.0 + self.at

    def monotonic(self) -> float:
        return self.at


async def gaps(interval: float, targets: int) -> list[float]:
    """Seconds between two fresh connections of a target, over an hour in which `targets` of one server are checked."""
    clock, began = Time(), Time.at
    connections = Connections(clock.monotonic)
    fresh: dict[int, list[float]] = {number: [] for number in range(targets)}
    asked: dict[int, list[float]] = {number: [] for number in range(targets)}
    async with serving(always(answer())) as server:
        clients = [ArgoCDClient(Endpoint(server.url), connections, TlsContexts(), clock) for _ in range(targets)]
        while clock.at < began + 3600.0:
            for number, client in enumerate(clients):
                asked[number].append(clock.at)
                reply = await client.ask(USERINFO, TOKEN)
                assert isinstance(reply, Reply)
                if reply.fresh_connection:
                    fresh[number].append(clock.at)
                clock.at += interval / targets
        await connections.close()
    moments = [[asked[number][0], *fresh[number], asked[number][-1]] for number in range(targets)]
    return [after - before for times in moments for before, after in pairwise(times)]


@pytest.mark.parametrize("interval", [15.0, 60.0, 76.0, 100.0, 114.0, 149.0, 229.0, 290.0])
@pytest.mark.parametrize("targets", [1, 3])
async def test_no_target_goes_without_a_fresh_connection_for_longer_than_five_minutes(
    interval: float, targets: int
) -> None:
    assert max(await gaps(interval, targets)) <= 300.0


async def test_at_usual_intervals_a_handshake_is_rare() -> None:
    assert len(await gaps(15.0, 1)) <= 3600 / 225 + 2


async def test_connections_that_begin_together_are_not_renewed_together() -> None:
    """Many handshakes in one moment hold up the checks of that moment."""
    clock = Time()
    connections = Connections(clock.monotonic, max_age=100.0, slots=10)
    origins = [f"http://127.0.0.1:{port}" for port in range(1, 501)]
    sessions: dict[str, object] = {}
    renewed: list[int] = []
    for _ in range(100):
        now = {}
        for origin in origins:
            async with connections.kept(origin) as session:
                now[origin] = session
        renewed.append(sum(sessions.get(origin) is not found for origin, found in now.items()))
        sessions = now
        clock.at += 1.0
    await connections.close()
    assert renewed[0] == len(origins)
    assert 0 < max(renewed[1:]) < len(origins) / 5
