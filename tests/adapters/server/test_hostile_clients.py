"""Clients that send nonsense, too much, too slowly, or do not read. No real waiting: the limits are made short."""

import asyncio
import json
from contextlib import asynccontextmanager, suppress

import pytest
from monitor.adapters.server.limits import Limits

from tests.adapters.server.conftest import HOST, report

SHORT = 0.05
# Waited for as well, and long enough for a busy machine to come from the connection to its request.
IDLE = 0.5
PATIENCE = 30.0  # of the test; never reached unless the server hangs
LARGE = b"x" * 20_000_000


@asynccontextmanager
async def connected(server, **options):
    reader, writer = await asyncio.open_connection(HOST, server.port, **options)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def told(server, request: bytes) -> bytes:
    """Sends `request` and reads until the server closes."""
    async with connected(server) as (reader, writer):
        writer.write(request)
        return await asyncio.wait_for(reader.read(-1), PATIENCE)


async def is_served(server) -> bool:
    answer = await told(server, b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    return answer.startswith(b"HTTP/1.1 200")


def asked(path: str = "/livez", *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]).encode(
        "latin-1"
    )


REFUSED = {
    "one large header": asked("/livez", "X: " + "a" * 9000),
    "a large header that never ends": b"GET /livez HTTP/1.1\r\nX: " + b"a" * 200_000,
    "many headers": asked("/livez", *[f"X{n}: a" for n in range(200)]),
    "a long url": asked("/livez?" + "a" * 5000),
    "a url that never ends": b"GET /" + b"a" * 200_000,
    "an unknown method": asked(method="STEAL"),
    "a method that never ends": b"A" * 100_000,
    "tls to a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 600,
    "http/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "zeros": b"\x00" * 100 + b"\r\n\r\n",
    "two lengths": asked("/livez", "Content-Length: 5", "Content-Length: 6") + b"hello",
    "length and chunks": asked("/livez", "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "a negative length": asked("/livez", "Content-Length: -1"),
    "a control character in a header": asked("/livez", "X: a\x01b\x00c"),
    "a token in a bad request": asked("/livez", "Authorization: Bearer eyJhbGciOi.eyJpc3Mi.c2ln\x00"),
}


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED)
async def test_nonsense_is_a_bad_request_without_an_echo(request_, serve, caplog):
    server = await serve()
    answer = await told(server, request_)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ", 2)[1] == b"400"
    assert body == b"Bad request.\n"
    assert b"Server: token-monitor" in head
    assert b"X-Content-Type-Options: nosniff" in head
    assert not caplog.records  # strangers do not fill the log
    assert await is_served(server)


ODD = {
    "many query parameters": (asked("/healthz?" + "&".join(f"a{n}=1" for n in range(500))), b"200"),
    "many empty parameters": (asked("/healthz?" + "&" * 3900), b"200"),
    "broken escapes": (asked("/healthz?target=%zz%"), b"404"),
    "two slashes": (asked("//healthz"), b"404"),
    "climbing": (asked("/../healthz"), b"404"),
    "another host's url": (asked("http://example.com/livez"), b"200"),
    "a websocket": (asked("/livez", "Connection: Upgrade", "Upgrade: websocket"), b"200"),
    "a tunnel": (asked("example.com:443", method="CONNECT"), b"404"),
    "everything": (asked("*", method="OPTIONS"), b"404"),
    "expects 100": (asked("/livez", "Expect: 100-continue", "Content-Length: 3", method="POST"), b"405"),
    "a body with a get": (asked("/livez", "Content-Length: 5") + b"hello", b"200"),
    "an endless body": (asked("/status", "Content-Length: 99999999999", method="POST") + b"x" * 100_000, b"405"),
    "a bomb": (asked("/livez", "Content-Encoding: gzip", "Content-Length: 4") + b"\x1f\x8b\x08\x00", b"200"),
}


@pytest.mark.parametrize(("request_", "code"), ODD.values(), ids=ODD)
async def test_odd_requests_get_an_ordinary_answer(request_, code, serve):
    server = await serve(Limits(body=SHORT, idle=PATIENCE))
    answer = await told(server, request_)
    assert answer.split(b" ", 2)[1] == code
    assert await is_served(server)


@pytest.mark.parametrize(
    "sent", [b"", b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "], ids=["nothing", "half a request"]
)
async def test_a_client_that_does_not_finish_its_request_is_cut_off(sent, serve):
    server = await serve(Limits(idle=SHORT))
    with suppress(ConnectionResetError):  # where it had not read yet what it was sent
        assert await told(server, sent) == b""
    assert await is_served(await serve())


async def test_a_kept_connection_ends_when_nothing_more_comes(serve):
    server = await serve(Limits(idle=IDLE))
    answer = await told(server, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.endswith(b"\r\n\r\nok\n")


async def test_a_client_that_does_not_read_is_cut_off_and_its_answer_let_go(serve, world):
    world.metrics = large
    server = await serve(Limits(request=SHORT))
    async with connected(server, limit=1024) as (reader, writer):
        writer.write(asked("/metrics"))
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        await wait_until(lambda: seats(server) == 0)
    assert await is_served(server)


async def large() -> bytes:
    return LARGE


async def test_a_long_answer_arrives_whole(serve, world):
    world.metrics = large
    server = await serve()
    answer = await told(server, asked("/metrics"))
    assert answer.partition(b"\r\n\r\n")[2] == LARGE


async def test_a_page_that_takes_too_long_is_given_up(serve, world):
    async def never() -> bytes:
        await asyncio.Event().wait()
        return b""

    world.metrics = never
    server = await serve(Limits(request=SHORT))
    answer = await told(server, asked("/metrics"))
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"Retry-After" in answer
    assert await is_served(server)


async def test_a_defect_of_ours_is_a_500_without_details(serve, world):
    async def fails() -> bytes:
        raise ValueError("the secret reason")

    world.metrics = fails
    server = await serve()
    answer = await told(server, asked("/metrics"))
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"secret reason" not in answer
    assert b"nosniff" in answer
    assert await is_served(server)


async def test_when_too_much_is_asked_at_once_probes_are_still_answered(serve, world):
    go = asyncio.Event()

    async def waits() -> bytes:
        await go.wait()
        return b"done\n"

    world.metrics = waits
    server = await serve(Limits(requests=2))
    for _ in range(3):
        assert (await told(server, asked("/status"))).startswith(b"HTTP/1.1 200"), "what is over counts no more"
    first = [asyncio.create_task(told(server, asked("/metrics"))) for _ in range(2)]
    await wait_until(lambda: server._routes._at_work == 2)
    assert (await told(server, asked("/metrics"))).startswith(b"HTTP/1.1 503")
    assert (await told(server, asked("/status"))).startswith(b"HTTP/1.1 503")
    assert (await told(server, asked("/livez"))).startswith(b"HTTP/1.1 200")
    assert (await told(server, asked("/readyz"))).startswith(b"HTTP/1.1 200")
    go.set()
    assert all(answer.endswith(b"done\n") for answer in await asyncio.gather(*first))
    assert server._routes._at_work == 0
    assert (await told(server, asked("/status"))).startswith(b"HTTP/1.1 200")


async def test_a_flood_of_connections_cannot_shut_out_a_newcomer(serve):
    server = await serve(Limits(connections=5))
    idle = [await asyncio.open_connection(HOST, server.port) for _ in range(20)]
    assert await is_served(server)
    assert seats(server) <= 5
    assert await asyncio.wait_for(idle[0][0].read(), PATIENCE) == b""  # the one that idled longest had to go
    for _, writer in idle:
        writer.transport.abort()


async def test_a_connection_at_work_is_not_the_one_that_gives_way(serve, world):
    go = asyncio.Event()

    async def waits() -> bytes:
        await go.wait()
        return b"done\n"

    world.metrics = waits
    server = await serve(Limits(connections=2))
    scrape = asyncio.create_task(told(server, asked("/metrics")))
    await wait_until(lambda: server._routes._at_work == 1)
    async with connected(server) as (later, _):
        for _ in range(5):
            assert await is_served(server)
        assert await asyncio.wait_for(later.read(), PATIENCE) == b"", "it idled, and had to go"
    go.set()
    assert (await scrape).endswith(b"done\n")


async def test_a_connection_that_was_answered_idles_again_and_gives_way(serve):
    server = await serve(Limits(connections=1))
    async with connected(server) as (reader, writer):
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await asyncio.wait_for(reader.readuntil(b"ok\n"), PATIENCE)).startswith(b"HTTP/1.1 200")
        assert await is_served(server)
        assert await asyncio.wait_for(reader.read(), PATIENCE) == b""


async def test_pipelined_requests_are_answered_in_order(serve, world):
    world.targets = [report("a"), report("b")]
    server = await serve()
    requests = b"".join(f"GET /status?target={n} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for n in "abab" * 20)
    answer = await told(server, requests + asked("/livez"))
    names = [
        json.loads(part.partition(b"\r\n\r\n")[2])["targets"][0]["target"] for part in answer.split(b"HTTP/1.1 ")[1:-1]
    ]
    assert names == list("abab" * 20)


async def test_clients_that_leave_at_any_moment_leave_nothing_behind(serve, world):
    world.metrics = large
    server = await serve()
    request = asked("/metrics")
    for sent in range(0, len(request) + 1, 7):
        async with connected(server) as (_, writer):
            writer.write(request[:sent])
            await writer.drain()
    await wait_until(lambda: seats(server) == 0)
    assert await is_served(server)


def seats(server) -> int:
    return len(server._http.seats)


async def wait_until(condition) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.001)
