"""Servers that lie, stall, flood and echo: every question ends by its deadline, and no token comes back in an error.

A question to a hostile server may end in any fault. It never ends in the answer to another question, never takes
memory without bound, and never goes anywhere but to the address that was configured.
"""

from __future__ import annotations

import asyncio
import gzip
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from monitor.adapters.argocd.client import MAX_ACCOUNT_BODY, MAX_BODY, MAX_RETRY_AFTER, ArgoCDClient, Endpoint
from monitor.adapters.argocd.connections import Connections
from monitor.adapters.argocd.tls import TlsContexts
from monitor.core.model import Answer, Fault, FaultKind, Reply
from monitor.core.questions import Question, Topic
from monitor.core.secret import Secret

from tests.adapters.argocd.wire import LOGGED_IN, REFUSED, Talk, Visit, always, answer, endlessly, mute, once, serving

NOW = 1_795_000_000.0
TOKEN = Secret("eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJ0bS1jYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ")
USERINFO = Question(Topic.USERINFO)
ACCOUNT = Question(Topic.ACCOUNT, account="ci")
# A deadline that is waited for, and one that is not.
SOON, PATIENT = 0.15, 20.0
SOMEBODY_ELSE = answer(b'{"loggedIn":true,"username":"somebody else","iss":"argocd"}')
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


class Clock:
    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def named(url: str) -> str:
    return url.replace("127.0.0.1", "localhost")


@asynccontextmanager
async def client_of(url: str, timeout: float = PATIENT) -> AsyncIterator[ArgoCDClient]:
    clock = Clock()
    connections = Connections(clock.monotonic)
    try:
        yield ArgoCDClient(Endpoint(url, timeout=timeout), connections, TlsContexts(), clock)
    finally:
        await connections.close()


async def told_by(talk: Talk, question: Question = USERINFO, timeout: float = PATIENT) -> Answer:
    """The answer to one question. Afterwards the server has nobody left to talk to."""
    async with serving(talk) as server:
        async with client_of(server.url, timeout) as client:
            found = await client.ask(question, TOKEN)
        await server.quiet()
        assert server.connections <= 1, "a question is not repeated on a connection that was new"
    if isinstance(found, Fault):
        assert not any(part in repr(found) for part in TOKEN.reveal().split("."))
        assert found.detail.isprintable()
        assert len(found.detail) <= 160
    return found


async def fault_of(talk: Talk, question: Question = USERINFO, timeout: float = PATIENT) -> FaultKind | Answer:
    found = await told_by(talk, question, timeout)
    return found.kind if isinstance(found, Fault) else found


# --- honest ones, so that the rest means something ------------------------------------------------------------------------


async def test_an_honest_answer_is_given_as_it_came() -> None:
    reply = await told_by(once(answer(LOGGED_IN)))
    assert reply == Reply(200, LOGGED_IN, "application/json", fresh_connection=True)


async def test_what_is_sent_is_the_token_and_no_more() -> None:
    async with serving(always(answer())) as server, client_of(server.url + "/argocd") as client:
        await client.ask(USERINFO, TOKEN)
        await client.ask(Question(Topic.ACCOUNT, account="a/b c%?"), TOKEN)
        await client.ask(Question(Topic.PERMISSION, permission="applications/get/*/x y"), TOKEN)
    heads = [request.split("\r\n") for request in server.requests]
    assert [head[0] for head in heads] == [
        "GET /argocd/api/v1/session/userinfo HTTP/1.1",
        "GET /argocd/api/v1/account/a%2Fb%20c%25%3F HTTP/1.1",
        "GET /argocd/api/v1/account/can-i/applications/get/*/x%20y HTTP/1.1",
    ]
    for head in heads:
        names = {line.partition(":")[0].lower() for line in head[1:] if line}
        assert names == {"host", "authorization", "accept", "accept-encoding", "user-agent"}
        assert f"Authorization: Bearer {TOKEN.reveal()}" in head
        assert "Accept-Encoding: identity" in head
    assert server.connections == 1


# --- slow and endless ------------------------------------------------------------------------------------------------------


async def never_greets(visit: Visit) -> None:
    """Takes the connection and reads nothing."""
    await visit.hung_up()


async def one_byte_at_a_time(visit: Visit) -> None:
    await visit.request()
    await visit.send(answer(b"x" * 1000)[:-1000])
    while True:
        await visit.send(b"x")
        await asyncio.sleep(0.01)


async def head_one_byte_at_a_time(visit: Visit) -> None:
    await visit.request()
    await visit.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await visit.send(b"X: y\r\n")
        await asyncio.sleep(0.01)


STALLING = {
    "no answer": mute,
    "no reading": never_greets,
    "a body that stops": lambda visit: stalls(visit, answer(b"x" * 100)[:-50]),
    "a head that stops": lambda visit: stalls(visit, b"HTTP/1.1 200 OK\r\nContent-Ty"),
    "a status line that stops": lambda visit: stalls(visit, b"HT"),
    "a chunk that stops": lambda visit: stalls(visit, CHUNKED + b"ff\r\nx"),
    "no last chunk": lambda visit: stalls(visit, CHUNKED + b"1\r\nx\r\n"),
    "a body without a length that does not end": lambda visit: stalls(visit, b"HTTP/1.1 200 OK\r\n\r\n{}"),
    "one byte at a time": one_byte_at_a_time,
    "a promise to go on": lambda visit: stalls(visit, b"HTTP/1.1 100 Continue\r\n\r\n"),
    "early hints": lambda visit: stalls(visit, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
}


async def stalls(visit: Visit, start: bytes) -> None:
    await visit.request()
    await visit.send(start)
    await visit.hung_up()


@pytest.mark.parametrize("talk", STALLING.values(), ids=STALLING)
async def test_a_server_that_stalls_is_a_timeout_by_the_deadline(talk: Talk) -> None:
    started = asyncio.get_running_loop().time()
    assert await fault_of(talk, timeout=SOON) is FaultKind.TIMEOUT
    assert asyncio.get_running_loop().time() - started < PATIENT


async def test_headers_that_trickle_in_for_ever_end_the_question() -> None:
    assert await fault_of(head_one_byte_at_a_time, timeout=SOON) in (FaultKind.TIMEOUT, FaultKind.NOT_HTTP)


FLOODS = {
    "endless chunks": (CHUNKED, b"400\r\n" + b"x" * 1024 + b"\r\n", {FaultKind.TOO_LARGE}),
    "endless tiny chunks": (CHUNKED, b"1\r\nx\r\n" * 500, {FaultKind.TOO_LARGE, FaultKind.TIMEOUT}),
    "an endless body without a length": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 4096, {FaultKind.TOO_LARGE}),
    "an endless body of a small length": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"x" * 4096,
        {FaultKind.NOT_HTTP, FaultKind.RESET},
    ),
    "one chunk without an end": (CHUNKED + b"ffffffffff\r\n", b"x" * 4096, {FaultKind.TOO_LARGE}),
    "an endless extension of a chunk": (
        CHUNKED + b"1;",
        b"x" * 4096,
        {FaultKind.NOT_HTTP, FaultKind.RESET, FaultKind.TIMEOUT},
    ),
    "endless trailers": (CHUNKED + b"1\r\nx\r\n0\r\n", b"X: y\r\n" * 500, {FaultKind.NOT_HTTP, FaultKind.RESET}),
    "an endless header": (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 4096, {FaultKind.NOT_HTTP}),
    "an endless name of a header": (b"HTTP/1.1 200 OK\r\n", b"x" * 4096, {FaultKind.NOT_HTTP}),
    "an endless reason": (b"HTTP/1.1 200 ", b"x" * 4096, {FaultKind.NOT_HTTP}),
    "endless headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 500, {FaultKind.NOT_HTTP}),
    "endless promises to go on": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, {FaultKind.TIMEOUT, FaultKind.NOT_HTTP}),
    "endless early hints": (
        b"",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100,
        {FaultKind.TIMEOUT, FaultKind.NOT_HTTP},
    ),
    "endless line ends": (b"", b"\r\n" * 2000, {FaultKind.TIMEOUT, FaultKind.NOT_HTTP}),
    "endless nonsense": (b"", b"x" * 4096, {FaultKind.NOT_HTTP}),
}


@pytest.mark.parametrize(("start", "piece", "expected"), FLOODS.values(), ids=FLOODS)
async def test_a_flood_ends_in_a_fault_and_takes_little_memory(
    start: bytes, piece: bytes, expected: set[FaultKind]
) -> None:
    # Where the deadline is no proper end, it must not come first on a busy machine.
    timeout = 0.5 if FaultKind.TIMEOUT in expected else PATIENT
    tracemalloc.start()
    try:
        found = await fault_of(endlessly(start, piece), timeout=timeout)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found in expected
    assert peak < 4_000_000


async def test_ten_thousand_headers_are_no_answer() -> None:
    many = [f"X-{number}: y" for number in range(10_000)]
    assert await fault_of(once(answer(LOGGED_IN, *many))) is FaultKind.NOT_HTTP


@pytest.mark.parametrize("flood", [b"HTTP/1.1 100 Continue\r\n\r\n" * 50, b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5])
async def test_what_comes_before_the_answer_is_not_taken_for_it(flood: bytes) -> None:
    found = await told_by(once(flood + answer(LOGGED_IN)))
    assert isinstance(found, Fault) or (found.status, found.body) == (200, LOGGED_IN)


# --- large and packed ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "limit"), [(USERINFO, MAX_BODY), (ACCOUNT, MAX_ACCOUNT_BODY)], ids=["userinfo", "account"]
)
async def test_an_answer_has_a_largest_size(question: Question, limit: int) -> None:
    largest = await told_by(once(answer(b"x" * limit)), question)
    assert isinstance(largest, Reply)
    assert len(largest.body) == limit
    assert await told_by(once(answer(b"x" * (limit + 1))), question) == Fault(
        FaultKind.TOO_LARGE, f"more than {limit} bytes"
    )


async def test_a_length_that_is_too_large_is_not_waited_for() -> None:
    head = answer().replace(f"Content-Length: {len(LOGGED_IN)}".encode(), b"Content-Length: 99999999999")
    assert await fault_of(lambda visit: stalls(visit, head)) is FaultKind.TOO_LARGE


@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)], ids=["gzip", "deflate"]
)
async def test_a_compressed_bomb_is_not_unpacked(coding: str, pack: type) -> None:
    """We ask for `identity`; what comes packed all the same is bytes that are no JSON."""
    bomb = pack(b" " * 30_000_000)
    tracemalloc.start()
    try:
        found = await told_by(once(answer(bomb, f"Content-Encoding: {coding}")))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(found, Reply)
    assert found.body == bomb
    assert peak < 4_000_000


# --- elsewhere -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_an_answer_and_is_not_followed(status: str) -> None:
    async with serving(always(answer())) as elsewhere:
        for target in (elsewhere.url, f"//127.0.0.1:{elsewhere.port}/", "/api/v1/session/userinfo?again"):
            found = await told_by(once(answer(b"", f"Location: {target}", status=status)))
            assert isinstance(found, Reply)
            assert (found.status, found.location) == (int(status[:3]), target)
    assert elsewhere.requests == []


async def test_a_refresh_header_or_an_alternative_service_leads_nowhere() -> None:
    async with serving(always(answer())) as elsewhere:
        headers = (f"Refresh: 0; url={elsewhere.url}", f'Alt-Svc: h2="127.0.0.1:{elsewhere.port}"')
        async with serving(always(answer(LOGGED_IN, *headers))) as server, client_of(server.url) as client:
            for _ in range(3):
                await client.ask(USERINFO, TOKEN)
    assert (elsewhere.connections, len(server.requests)) == (0, 3)


async def test_cookies_are_not_kept() -> None:
    cookies = ("Set-Cookie: argocd.token=stolen; Path=/", "Set-Cookie: a=b")
    # Cookies of an address are kept by nobody; those of a name would be.
    async with serving(always(answer(LOGGED_IN, *cookies))) as server, client_of(named(server.url)) as client:
        for fresh in (False, False, True):
            await client.ask(USERINFO, TOKEN, fresh=fresh)
    assert len(server.requests) == 3
    assert not any("cookie" in request.lower() for request in server.requests)


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(always(answer())) as proxy, serving(always(answer())) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        async with client_of(server.url) as client:
            await client.ask(USERINFO, TOKEN)
    assert (proxy.connections, len(server.requests)) == (0, 1)


# --- answers that are not answers ------------------------------------------------------------------------------------------

BROKEN = {
    "nothing": (b"", {FaultKind.RESET}),
    "half a status line": (b"HTTP/1.1 2", {FaultKind.RESET, FaultKind.NOT_HTTP}),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-", {FaultKind.RESET, FaultKind.NOT_HTTP}),
    "half a body": (answer(b"x" * 100)[:-50], {FaultKind.RESET}),
    "half a chunk": (CHUNKED + b"ff\r\nx", {FaultKind.RESET}),
    "no last chunk": (CHUNKED + b"1\r\nx\r\n", {FaultKind.RESET}),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", {FaultKind.NOT_HTTP}),
    "http/2": (b"\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x80", {FaultKind.NOT_HTTP}),
    "a tls alert": (b"\x15\x03\x01\x00\x02\x02\x46", {FaultKind.NOT_HTTP}),
    "a bare page": (b"<html>hello</html>", {FaultKind.NOT_HTTP}),
    "two lengths": (answer(b"{}", "Content-Length: 5"), {FaultKind.NOT_HTTP}),
    "a length and chunks": (answer(b"{}", "Transfer-Encoding: chunked"), {FaultKind.NOT_HTTP, FaultKind.RESET}),
    "a negative length": (answer(b"").replace(b": 0", b": -1"), {FaultKind.NOT_HTTP}),
    "a length that is no number": (answer(b"").replace(b": 0", b": 1e3"), {FaultKind.NOT_HTTP}),
    "a chunk of no size": (CHUNKED + b"zz\r\nx\r\n", {FaultKind.NOT_HTTP, FaultKind.RESET}),
    "a status that is no number": (answer(status="2x0 OK"), {FaultKind.NOT_HTTP}),
    "a status of four digits": (answer(status="2000 OK"), {FaultKind.NOT_HTTP}),
    "a header without a colon": (answer(LOGGED_IN, "nonsense"), {FaultKind.NOT_HTTP}),
    "a control character in a header": (answer(LOGGED_IN, "X: a\x01b\0c"), {FaultKind.NOT_HTTP}),
}


@pytest.mark.parametrize(("data", "expected"), BROKEN.values(), ids=BROKEN)
async def test_what_is_no_answer_is_a_fault(data: bytes, expected: set[FaultKind]) -> None:
    assert await fault_of(once(data)) in expected


async def test_a_connection_that_is_reset_is_a_fault() -> None:
    async def talk(visit: Visit) -> None:
        await visit.request()
        visit.reset()

    assert await fault_of(talk) is FaultKind.RESET


async def test_an_upgrade_that_nobody_asked_for_is_no_200() -> None:
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    found = await told_by(lambda visit: stalls(visit, upgrade + LOGGED_IN), timeout=SOON)
    assert isinstance(found, Fault) or found.status == 101


async def test_a_body_that_is_not_text_is_given_as_it_came() -> None:
    found = await told_by(once(answer(b"\xff\xfe\0\x1b[31m", "Content-Type: text/plain; charset=\xe9")))
    assert isinstance(found, Reply)
    assert found.body == b"\xff\xfe\0\x1b[31m"


async def test_the_type_of_an_answer_is_told_in_small_letters() -> None:
    found = await told_by(once(answer().replace(b"application/json", b"Text/HTML; charset=UTF-8")))
    assert isinstance(found, Reply)
    assert found.content_type == "text/html; charset=utf-8"


async def test_headers_that_are_kept_are_bounded() -> None:
    long = "x" * 4000
    head = answer(b"", f"Location: http://{long}", status="302 Found").replace(b"application/json", long.encode())
    found = await told_by(once(head))
    assert isinstance(found, Reply)
    assert len(found.location) <= 300
    assert len(found.content_type) <= 100


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("99999999999999999999", MAX_RETRY_AFTER),
        ("Wed, 18 Nov 2026 11:07:40 GMT", 60.0),
        ("Wed, 18 Nov 2026 11:07:40 -0000", 60.0),
        ("Wed, 18 Nov 2020 11:07:40 GMT", 0.0),
        ("0000000120", 120.0),
        ("9" * 400, MAX_RETRY_AFTER),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER),
        ("Wed, 18 Nov 2026 11:07:40 +9999999", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", None),
        ("soon", None),
        ("", None),
        (" \t ", None),
    ],
)
async def test_how_long_a_server_asks_to_wait_is_bounded(
    value: str, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")  # the zone of this machine is nobody's
    time.tzset()
    data = answer(b"", status="429 Too Many Requests").replace(
        b"Content-Length", b"Retry-After: " + value.encode() + b"\r\nContent-Length"
    )
    found = await told_by(once(data))
    monkeypatch.undo()
    time.tzset()
    assert isinstance(found, Reply)
    assert found.retry_after == seconds


# --- kept connections ------------------------------------------------------------------------------------------------------


async def test_bytes_after_an_answer_are_not_the_answer_to_the_next_question() -> None:
    async with serving(always(answer(LOGGED_IN) + SOMEBODY_ELSE)) as server, client_of(server.url) as client:
        for _ in range(5):
            found = await client.ask(USERINFO, TOKEN)
            assert isinstance(found, Reply)
            assert found.body == LOGGED_IN
        assert (len(server.requests), server.connections) == (5, 5)


async def test_bytes_that_come_while_nothing_is_asked_are_not_the_answer_to_the_next_question() -> None:
    taken_in, said = asyncio.Event(), asyncio.Event()

    async def talk(visit: Visit) -> None:
        while await visit.request():
            await visit.send(answer(LOGGED_IN))
            if visit.number == 1:
                await taken_in.wait()
                await visit.send(SOMEBODY_ELSE)
                await visit.arrived()
                said.set()

    async with serving(talk) as server, client_of(server.url) as client:
        await client.ask(USERINFO, TOKEN)
        taken_in.set()
        await said.wait()
        await asyncio.sleep(0.01)  # into the idle connection: the loop looks at it once more
        for _ in range(3):
            found = await client.ask(USERINFO, TOKEN)
            assert isinstance(found, Reply)
            assert found.body == LOGGED_IN
        assert len(server.requests) == 4


async def test_a_connection_is_kept_and_a_fresh_one_is_not() -> None:
    async with serving(always(answer())) as server, client_of(server.url) as client:
        replies = [await client.ask(USERINFO, TOKEN) for _ in range(3)]
        assert [reply.fresh_connection for reply in replies if isinstance(reply, Reply)] == [True, False, False]
        assert server.connections == 1
        fresh = [await client.ask(USERINFO, TOKEN, fresh=True) for _ in range(2)]
        assert all(isinstance(reply, Reply) and reply.fresh_connection for reply in fresh)
        assert server.connections == 3
    await server.quiet()


async def test_a_kept_connection_that_died_unseen_is_replaced_once() -> None:
    async def dies_at_the_second(visit: Visit) -> None:
        await visit.request()
        await visit.send(answer())
        await visit.request()
        visit.reset()

    async with serving(dies_at_the_second) as server, client_of(server.url) as client:
        for _ in range(2):
            found = await client.ask(USERINFO, TOKEN)
            assert isinstance(found, Reply)
            assert found.fresh_connection
        assert (server.connections, len(server.requests)) == (2, 3)


async def test_a_server_that_always_hangs_up_is_asked_no_more_than_twice() -> None:
    async def talk(visit: Visit) -> None:
        await visit.request()
        if visit.number == 1:
            await visit.send(answer())
            await visit.request()
        visit.reset()

    async with serving(talk) as server, client_of(server.url) as client:
        await client.ask(USERINFO, TOKEN)
        assert await client.ask(USERINFO, TOKEN) == Fault(FaultKind.RESET)
        assert len(server.requests) == 3


async def test_after_an_answer_that_is_too_large_the_connection_is_not_used_again() -> None:
    async def talk(visit: Visit) -> None:
        while await visit.request():
            await visit.send(answer(b"x" * 10 * MAX_BODY)[: 2 * MAX_BODY] if visit.number == 1 else answer(LOGGED_IN))

    async with serving(talk) as server, client_of(server.url) as client:
        assert isinstance(await client.ask(USERINFO, TOKEN), Fault)
        found = await client.ask(USERINFO, TOKEN)
        assert isinstance(found, Reply)
        assert found.body == LOGGED_IN
        assert server.connections == 2


async def test_a_question_that_is_given_up_takes_its_connection_along() -> None:
    async def talk(visit: Visit) -> None:
        await visit.request()
        if visit.number > 1:
            await visit.send(answer(REFUSED, status="401 Unauthorized"))
        await visit.hung_up()

    async with serving(talk) as server, client_of(server.url) as client:
        asking = asyncio.create_task(client.ask(USERINFO, TOKEN))
        async with asyncio.timeout(5):
            while not server.requests:
                await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        found = await client.ask(USERINFO, TOKEN)
        assert isinstance(found, Reply)
        assert (found.status, server.connections) == (401, 2)


# --- no server at all, and what is told --------------------------------------------------------------------------------------


async def test_a_closed_port_is_refused() -> None:
    async with serving(mute) as server:
        url = server.url
    async with client_of(url) as client:
        assert await client.ask(USERINFO, TOKEN) == Fault(FaultKind.REFUSED)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..b.example"], ids=["a long label", "an empty label"])
async def test_a_name_that_is_no_host_name_is_a_fault_of_dns(host: str) -> None:
    async with client_of(f"http://{host}:1") as client:
        found = await client.ask(USERINFO, TOKEN)
    assert isinstance(found, Fault)
    assert found.kind is FaultKind.DNS


async def test_after_the_end_there_is_no_answer_and_no_exception() -> None:
    async with serving(always(answer())) as server:
        async with client_of(server.url) as client:
            await client.ask(USERINFO, TOKEN)
        found = await client.ask(USERINFO, TOKEN)
    assert isinstance(found, Fault)


@pytest.mark.parametrize("fill", ["X: {}", "Location: {}", "Content-Type: {}"])
async def test_a_server_that_echoes_the_token_gets_it_into_no_fault_and_no_log(
    fill: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    echo = fill.format(TOKEN.reveal())
    broken = (
        answer(LOGGED_IN, echo, TOKEN.reveal()),
        answer(LOGGED_IN, echo, status=f"2x0 {TOKEN.reveal()}"),
        f"{TOKEN.reveal()}\r\n\r\n".encode(),
        answer(TOKEN.reveal().encode() * 2000, echo),
    )
    for data in broken:
        assert isinstance(await told_by(once(data)), Fault)
    assert not any(part in caplog.text for part in TOKEN.reveal().split("."))
