"""Whatever bytes come over a socket, no client of ours fails otherwise than it says, and our own server goes on.

Answers to our clients, and requests to our own server, are right ones with a few things wrong. One event loop and one
server serve all examples of a test, so that what one example leaves behind would be seen by the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor.adapters.alertmanager import AlertmanagerSink
from monitor.adapters.argocd.tls import Trust
from monitor.adapters.clock import SystemClock
from monitor.adapters.heartbeat import PingedService
from monitor.adapters.http_call import HttpCaller
from monitor.adapters.kubernetes.connection import KubernetesConnection
from monitor.adapters.server.limits import Limits
from monitor.adapters.server.server import Server
from monitor.cluster import Answer, Event, NoAnswer
from monitor.config.load import settings_of
from monitor.config.settings import KubernetesSettings
from monitor.core.delivery import Failed
from monitor.core.effects import Done, Listed, Minted, Refused, Unknown
from monitor.core.secret import Secret
from monitor.daemon.shared import Shared
from monitor.simulator.kubernetes.app import write_kubeconfig

from tests.adapters.argocd.wire import REFUSED, Visit, answer, serving
from tests.adapters.server.conftest import HOST, World
from tests.fair_time import fairly
from tests.hostile.bending import bent_bytes, examples
from tests.hostile.peers import TOKEN, checked

PATIENCE = 30.0
NOT_LOGGED_IN = answer(b'{"loggedIn":false,"username":"codefresh","iss":"argocd"}')
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"


class Parrot:
    """Says the same bytes to every request, then ends the connection. `said` may be changed at any time."""

    def __init__(self) -> None:
        self.said = b""

    async def __call__(self, visit: Visit) -> None:
        await visit.request()
        await visit.send(self.said)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One loop for all examples."""
    with asyncio.Runner() as running:
        yield running


def within(loop: asyncio.Runner, story: Coroutine[Any, Any, None]) -> None:
    async def tell() -> None:
        async with asyncio.timeout(PATIENCE):
            await story

    loop.run(tell())


@pytest.fixture(scope="module")
def parrot(runner: asyncio.Runner) -> Iterator[tuple[Parrot, str]]:
    """A server that repeats what it was told to say, and its address."""
    bird = Parrot()

    @asynccontextmanager
    async def opened() -> AsyncIterator[str]:
        async with serving(bird) as server:
            yield server.url

    opening = opened()
    url = runner.run(opening.__aenter__())
    yield bird, url
    runner.run(opening.__aexit__(None, None, None))


@given(said=bent_bytes(NOT_LOGGED_IN) | bent_bytes(CHUNKED) | bent_bytes(answer(REFUSED, status="401 Unauthorized")) | st.binary(max_size=60))  # fmt: skip
@examples(80)
def test_answers_of_argocd(said: bytes, runner: asyncio.Runner, parrot: tuple[Parrot, str]) -> None:
    """No check of them fails, and none says "accepted"; no change is said to be done that may not have been."""
    bird, url = parrot
    bird.said = said

    async def ask() -> None:
        target = {"name": "a", "url": url, "auth": {"type": "token", "token": TOKEN}}
        settings = settings_of({"targets": [target], "timeout": "150ms"})
        async with Shared(settings) as shared:
            found = settings.targets[0]
            assert (await checked(shared.target(found))).accepted is not True
            keys = shared.assembly.keys(found)
            assert isinstance(await keys.login("admin", Secret("a password canary")), Minted | Refused | Unknown)
            assert isinstance(await keys.keys("admin", Secret(TOKEN)), Listed | Refused | Unknown)
            assert isinstance(await keys.mint("admin", "tm-1", None, Secret(TOKEN)), Minted | Refused | Unknown)
            outcome = await keys.delete("admin", "tm-1", Secret(TOKEN))
            assert isinstance(outcome, Done | Refused | Unknown)
            await keys.logout(Secret(TOKEN))

    within(runner, ask())


SECRET = json.dumps(
    {"kind": "Secret", "metadata": {"name": "t", "resourceVersion": "7"}, "data": {"token": "eA=="}}
).encode()
LINES = json.dumps({"type": "ADDED", "object": json.loads(SECRET)}).encode() + b"\n"
WATCH = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + LINES * 3


@given(said=bent_bytes(answer(SECRET)) | bent_bytes(WATCH) | bent_bytes(CHUNKED))
@examples(30)
def test_answers_of_a_kubernetes_api(
    said: bytes, runner: asyncio.Runner, parrot: tuple[Parrot, str], tmp_path: Path
) -> None:
    bird, url = parrot
    bird.said = said

    async def ask() -> None:
        config = write_kubeconfig(tmp_path / "kubeconfig", url, "a bearer token", namespace="a")
        connection = KubernetesConnection(KubernetesSettings(str(config)), SystemClock(), deadline=0.15)
        assert isinstance(await connection.request("GET", "/api/v1/namespaces/a/secrets/t"), Answer | NoAnswer)
        assert isinstance(
            await connection.request("PATCH", "/api/v1/namespaces/a/secrets/t", body={}), Answer | NoAnswer
        )
        watch = connection.watch("/api/v1/namespaces/a/secrets", query={"timeoutSeconds": "1"}, silence=0.15)
        heard = [item async for item in watch]
        assert all(isinstance(item, Event | Answer | NoAnswer) for item in heard)
        await connection.close()

    within(runner, ask())


@given(said=bent_bytes(answer(b'[{"labels":{"a":"b"},"annotations":{},"startsAt":"2026-11-18T11:07:40Z"}]')) | bent_bytes(CHUNKED))  # fmt: skip
@examples(60)
def test_answers_of_an_alertmanager_and_of_an_uptime_service(
    said: bytes, runner: asyncio.Runner, parrot: tuple[Parrot, str]
) -> None:
    bird, url = parrot
    bird.said = said

    async def ask() -> None:
        caller = HttpCaller(Trust(), None, 0.15)
        sink = AlertmanagerSink(url, caller)
        await sink.tell([])
        active = await sink.active()
        assert isinstance(active, Failed) or len(active) <= 1
        beaten = await PingedService(Secret(f"{url}/a-secret-address"), "GET", caller).beat()
        assert beaten is None or "a-secret-address" not in beaten
        await caller.close()

    within(runner, ask())


# --- our own server ------------------------------------------------------------------------------------------------------------

REQUESTS = (
    b"GET /healthz?target=production HTTP/1.1\r\nHost: x\r\nAccept: application/health+json\r\nConnection: close\r\n\r\n",
    b"GET /?q=a&sort=name&page=2 HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nAccept-Encoding: gzip;q=0.5\r\nIf-None-Match: \"x\"\r\n\r\n",
    b"POST /status HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /livez\r\n",
    b"HEAD /assets/page.css HTTP/1.0\r\nExpect: 100-continue\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
)  # fmt: skip
SHORT = Limits(idle=0.05, body=0.05, request=1.0)
AUTHORIZATION = b"Authorization: Bearer a-token-canary\r\n"


@pytest.fixture(scope="module")
def server(runner: asyncio.Runner) -> Iterator[Server]:
    async def start() -> Server:
        made = Server(World().sources(), HOST, 0, limits=SHORT)
        await made.start()
        return made

    made = runner.run(start())
    yield made
    runner.run(made.stop(0.1))


async def told(server: Server, request: bytes) -> bytes:
    """Sends these bytes, and reads until the server closes: at once, or when nothing more comes."""
    reader, writer = await asyncio.open_connection(HOST, server.port)
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(-1), PATIENCE)
    except ConnectionResetError:
        return b""
    finally:
        writer.transport.abort()


async def serves(server: Server) -> bool:
    """Whether it answers one of a few: on a busy machine a request may come after the short idle time."""
    for _ in range(10):
        answered = await told(server, b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        if answered:
            return answered.endswith(b"\r\n\r\nok\n")
    return False


@given(request_=st.sampled_from(REQUESTS).flatmap(bent_bytes) | st.binary(max_size=200))
@examples(150)
def test_requests_to_our_own_server(request_: bytes, runner: asyncio.Runner, server: Server) -> None:
    """It answers in its own words or hangs up, quotes nobody's credential, fails at nothing, and serves the next one."""
    sent = request_.replace(b"\r\n", b"\r\n" + AUTHORIZATION, 1)

    async def ask() -> None:
        answered = await told(server, sent)
        assert answered == b"" or answered.startswith((b"HTTP/1.", b"HTTP/0.9 400"))
        assert b"canary" not in answered
        assert not any(b" %d " % code in answered[:16] for code in (500, 501, 502))
        assert await serves(server)

    within(runner, ask())


TRICKLES: dict[str, Callable[[int], bytes]] = {
    "a header that never ends": lambda n: b"GET /livez HTTP/1.1\r\nX: " if n == 0 else b"y",
    "headers that never end": lambda n: b"GET /livez HTTP/1.1\r\n" if n == 0 else b"X: y\r\n",
    "empty lines": lambda n: b"\r\n",
    "a body that never ends": lambda n: b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n" if n == 0 else b"y",
    "chunks that never end": lambda n: b"POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" if n == 0 else b"1\r\ny\r\n",
}  # fmt: skip


@pytest.mark.parametrize("piece", TRICKLES.values(), ids=TRICKLES)
def test_a_client_that_sends_a_little_now_and_then_is_cut_off(
    piece: Callable[[int], bytes], runner: asyncio.Runner, server: Server
) -> None:
    """A slow-loris: what counts is a whole request, not a sign of life."""

    async def ask() -> None:
        reader, writer = await asyncio.open_connection(HOST, server.port)

        async def trickle() -> None:
            for number in range(100_000):
                writer.write(piece(number))
                await asyncio.sleep(0.02)

        sending = asyncio.create_task(trickle())
        began = asyncio.get_running_loop().time()
        try:
            with contextlib.suppress(ConnectionResetError):
                await reader.read(-1)
        finally:
            sending.cancel()
            await asyncio.wait([sending])
            writer.transport.abort()
        assert asyncio.get_running_loop().time() - began < fairly(2.0)

    within(runner, ask())


@pytest.mark.parametrize(
    "request_",
    [b"GET /healthz\r\n", b"GET /healthz\r\n\r\n", b"GET\r\n\r\n", b"/healthz\r\n\r\n", b"GET /healthz HTTP/0.9\r\n\r\n", b"GET /healthz HTTP/9.9\r\n\r\n", b"\r\n\r\n\r\nGET /nothing\r\n\r\n"],
    ids=ascii,
)  # fmt: skip
def test_a_request_of_another_age_is_a_bad_request(request_: bytes, runner: asyncio.Runner, server: Server) -> None:
    """HTTP/0.9 has no headers, and so none of those that protect a page: found here, it was answered as any other."""

    async def ask() -> None:
        answered = await told(server, request_)
        assert answered == b"" or answered.split(b" ", 2)[1] == b"400", answered

    within(runner, ask())


def test_pipelined_rubbish_behind_a_good_request_costs_the_connection_only(
    runner: asyncio.Runner, server: Server
) -> None:
    async def ask() -> None:
        good = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
        for rubbish in (
            b"\x00" * 50 + b"\r\n\r\n",
            b"GET /livez",
            b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
            good * 200,
        ):
            answered = await told(server, good + rubbish)
            assert answered.startswith((b"HTTP/1.1 200", b"HTTP/1.0 400"))
            assert answered.count(b"HTTP/1.1 200") <= 201
        await asyncio.gather(*(told(server, good * 50) for _ in range(20)))
        assert (await told(server, good)).startswith(b"HTTP/1.1 200")

    within(runner, ask())
