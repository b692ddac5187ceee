"""Telling Alertmanager over the wire: what is sent, what its answers mean, and that no credential goes astray."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import trustme
from aiohttp import web
from monitor.adapters.alertmanager import AlertmanagerSink, Credential
from monitor.adapters.argocd.tls import Trust
from monitor.adapters.http_call import HttpCaller
from monitor.core.alert_texts import Outgoing
from monitor.core.delivery import Accepted, Active, Failed, Receipt, Unacceptable

from tests.adapters.scripted import Request, always, serving

ALERT = Outgoing(
    {"alertname": "TokenMonitorTokenRefused", "severity": "critical", "target": "production"},
    {"summary": "Argo CD refuses a token."},
    1_795_000_000.9,
    1_795_000_240.0,
)
PASSWORD = "hunter2"


@asynccontextmanager
async def sink(
    url: str,
    credential: Credential | None = None,
    *,
    trust: Trust | None = None,
    server_name: str | None = None,
    place: dict[str, str] | None = None,
    timeout: float = 5.0,
) -> AsyncIterator[AlertmanagerSink]:
    caller = HttpCaller(trust or Trust(), server_name, timeout)
    try:
        yield AlertmanagerSink(url, caller, credential, place)
    finally:
        await caller.close()


async def told(url: str, credential: Credential | None = None, **more: object) -> Receipt:
    async with sink(url, credential, **more) as made:  # type: ignore[arg-type]
        return await made.tell([ALERT])


def why(receipt: Receipt) -> str:
    assert isinstance(receipt, Failed)
    assert ": " in receipt.why, "what to do is missing"
    assert PASSWORD not in receipt.why
    return receipt.why


async def test_alerts_are_posted_as_alertmanager_takes_them() -> None:
    async with serving() as server:
        assert await told(server.url) == Accepted()
        (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/api/v2/alerts")
    assert request.headers["Content-Type"] == "application/json"
    assert "Authorization" not in request.headers
    assert json.loads(request.body) == [
        {
            "labels": dict(ALERT.labels),
            "annotations": dict(ALERT.annotations),
            "startsAt": "2026-11-18T11:06:40Z",
            "endsAt": "2026-11-18T11:10:40Z",
        }
    ]


async def test_a_path_prefix_stands_before_the_api() -> None:
    async with serving() as server, sink(f"{server.url}/monitoring/am") as made:
        assert made.name == f"{server.url}/monitoring/am"
        await made.tell([ALERT])
        await made.active()
        assert [request.path.partition("?")[0] for request in server.requests] == ["/monitoring/am/api/v2/alerts"] * 2


async def test_a_password_is_read_again_at_every_request(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    async with serving() as server:
        credential = Credential(str(file), "mönitor")
        assert await told(server.url, credential) == Accepted()
        file.write_text("changed: ü")
        assert await told(server.url, credential) == Accepted()
        sent = [request.headers["Authorization"] for request in server.requests]
    assert sent == ["Basic " + b64encode(text.encode()).decode() for text in ("mönitor:hunter2", "mönitor:changed: ü")]


async def test_a_bearer_token_is_read_again_at_every_request(tmp_path: Path) -> None:
    file = tmp_path / "token"
    async with serving() as server:
        for token in ("first", "second\r\n"):
            file.write_text(token)
            assert await told(server.url, Credential(str(file))) == Accepted()
        assert [r.headers["Authorization"] for r in server.requests] == ["Bearer first", "Bearer second"]


def _nothing(file: Path) -> None:
    pass


def _directory(file: Path) -> None:
    file.mkdir()


def _pipe(file: Path) -> None:
    os.mkfifo(file)


def _holding(data: bytes) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(data) and None  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_nothing, "does not exist"),
        (_directory, "not a regular file"),
        (_pipe, "not a regular file"),
        (_holding(b""), "does not hold one line"),
        (_holding(b"hunter2\nX-Injected: yes"), "does not hold one line"),
        (_holding(b"\xff\xfe"), "is not text"),
        (_holding(b"x" * 70_000), "does not hold one line"),
        (_holding(b"hunter2 and more"), "holds no bearer token"),
    ],
)
async def test_a_credential_that_cannot_be_used_is_said_and_nothing_is_sent(
    make: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    make(tmp_path / "token")
    async with serving() as server:
        assert said in why(await told(server.url, Credential(str(tmp_path / "token"))))
        assert not server.requests


REDIRECT = always(302, Location="http://127.0.0.1:1/login")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (always(200, b"<html>Sign in</html>", "text/html"), "answers with a page"),
        (REDIRECT, "sends elsewhere (302)"),
        (always(400, b"<html>bad</html>", "text/html"), "answered 400"),
        (always(401), "refuses the credential (401)"),
        (always(403), "refuses the credential (403)"),
        (always(404, b"nope", "text/plain"), "has no such API (404)"),
        (always(405), "has no such API (405)"),
        (always(415, b'{"code":415,"message":"unsupported media type"}'), "answered 415 unsupported media type"),
        (always(429), "asks for fewer requests"),
        (always(500), "failed to answer (500)"),
        (always(503, b'{"message":"x"}'), "failed to answer (503)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_answer_that_is_no_receipt_says_what_to_do(
    answer: Callable[[Request], web.StreamResponse], said: str
) -> None:
    async with serving(answer) as server:
        assert said in why(await told(server.url))
        assert len(server.requests) == 1, "nothing is repeated, and no redirect is followed"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (always(400, b'"invalid label set: invalid name \\"0bad\\""'), 'invalid label set: invalid name "0bad"'),
        (always(422, b'{"code":601,"message":"0.generatorURL in body"}'), "0.generatorURL in body"),
        (always(400, b"not json"), ""),
        (always(400, b"[1]"), ""),
        (always(413, b"too large", "text/plain"), ""),
        (always(400, json.dumps("x" * 5000 + "\x1b").encode()), "x" * 199 + "…"),
    ],
)
async def test_a_refused_alert_is_told_apart_from_a_failure(
    answer: Callable[[Request], web.StreamResponse], said: str
) -> None:
    async with serving(answer) as server:
        assert await told(server.url) == Unacceptable(said)


async def test_nobody_there_is_said(unused_tcp_port: int) -> None:
    assert "cannot be reached: refused" in why(await told(f"http://127.0.0.1:{unused_tcp_port}"))


async def test_a_server_that_never_answers_has_a_deadline() -> None:
    held: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        assert "cannot be reached: timeout" in why(await told(f"http://127.0.0.1:{port}", timeout=0.05))
        for writer in held:
            writer.transport.abort()


async def test_an_endless_answer_is_cut_off() -> None:
    async with serving(always(200, b"x" * 100_000)) as server:
        assert "more than" in why(await told(server.url))


async def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving() as server:
        assert await told(server.url) == Accepted()


def server_context(authority: trustme.CA, name: str = "127.0.0.1", *, asks: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    if asks:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    return str(tmp_path / "ca.crt")


async def test_a_certificate_is_checked_against_the_given_authority(authority: trustme.CA, ca_file: str) -> None:
    async with serving(context=server_context(authority)) as server:
        assert await told(server.url, trust=Trust(ca_file)) == Accepted()
        assert "cannot be trusted: tls_unknown_ca" in why(await told(server.url))
        assert await told(server.url, trust=Trust(insecure=True)) == Accepted()
        assert len(server.requests) == 2


async def test_another_name_can_be_expected_in_it(authority: trustme.CA, ca_file: str) -> None:
    async with serving(context=server_context(authority, "am.example.com")) as server:
        assert "cannot be trusted: tls_wrong_host" in why(await told(server.url, trust=Trust(ca_file)))
        assert await told(server.url, trust=Trust(ca_file), server_name="am.example.com") == Accepted()


async def test_the_monitor_shows_its_own_certificate(authority: trustme.CA, ca_file: str, tmp_path: Path) -> None:
    mine = authority.issue_cert("monitor.example.com")
    mine.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    mine.private_key_pem.write_to_path(tmp_path / "tls.key")
    trust = Trust(ca_file, str(tmp_path / "tls.crt"), str(tmp_path / "tls.key"))
    async with serving(context=server_context(authority, asks=True)) as server:
        assert await told(server.url, trust=trust) == Accepted()
        assert isinstance(await told(server.url, trust=Trust(ca_file)), Failed)


async def test_a_changed_authority_is_read_again(authority: trustme.CA, tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    trustme.CA().cert_pem.write_to_path(file)
    async with serving(context=server_context(authority)) as server, sink(server.url, trust=Trust(str(file))) as made:
        assert isinstance(await made.tell([ALERT]), Failed)
        authority.cert_pem.write_to_path(file)
        assert await made.tell([ALERT]) == Accepted()
        file.write_text("junk")
        assert await made.tell([ALERT]) == Accepted(), "the old one goes on"


async def test_a_ca_file_that_is_not_there_is_said() -> None:
    assert 'cannot be used: "/nowhere/ca" does not exist' in why(
        await told("https://127.0.0.1:1", trust=Trust("/nowhere/ca"))
    )


async def test_a_port_without_tls_is_said() -> None:
    async with serving() as server:
        assert "does not speak TLS" in why(await told(server.url.replace("http", "https")))


LISTED = [
    {
        "labels": {"alertname": "TokenMonitorTokenRefused", "target": "production"},
        "annotations": {"summary": "s"},
        "startsAt": "2026-11-18T11:06:40.123456789Z",
        "status": {"state": "suppressed"},
    }
]


async def test_it_is_asked_for_our_alerts_of_this_place_only() -> None:
    async with (
        serving(always(200, json.dumps(LISTED).encode())) as server,
        sink(server.url, place={"namespace": 'a"ü', "cluster": ""}) as made,
    ):
        found = await made.active()
        (request,) = server.requests
    assert request.method == "GET"
    assert parse_qs(request.path.partition("?")[2]) == {"filter": ['alertname=~"TokenMonitor.+"', r'namespace="a\"ü"']}
    assert found == (Active(LISTED[0]["labels"], LISTED[0]["annotations"], 1_795_000_000.123456),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"nonsense", b"[" * 100_000, b"\xff"],
    ids=["empty", "an object", "no JSON", "too deep", "no text"],
)
async def test_a_list_that_is_none_is_a_failure(body: bytes) -> None:
    async with serving(always(200, body)) as server, sink(server.url) as made:
        assert "does not list its alerts" in why(await made.active())


async def test_what_is_no_alert_in_the_list_is_passed_over() -> None:
    odd: list[object] = [
        None, 1, [], {}, {"labels": {}, "annotations": {}}, {**LISTED[0], "startsAt": "yesterday"},
        {**LISTED[0], "startsAt": 5}, {**LISTED[0], "labels": {"a": 1}}, {**LISTED[0], "annotations": None},
        {**LISTED[0], "startsAt": "0001-01-01T00:00:00Z"},
    ]  # fmt: skip
    async with serving(always(200, json.dumps([*odd, *LISTED]).encode())) as server, sink(server.url) as made:
        found = await made.active()
        assert not isinstance(found, Failed)
        assert [alert.labels["target"] for alert in found] in (["production"], ["production", "production"])


@pytest.mark.parametrize(("status", "said"), [(400, "refuses the question"), (401, "refuses the credential")])
async def test_a_question_that_is_not_answered_is_a_failure(status: int, said: str) -> None:
    async with serving(always(status, b'"bad matcher"')) as server, sink(server.url) as made:
        assert said in why(await made.active())


async def test_after_the_end_nothing_is_sent() -> None:
    async with serving() as server:
        caller = HttpCaller(Trust(), None, 5.0)
        made = AlertmanagerSink(server.url, caller)
        await made.tell([ALERT])
        await caller.close()
        assert isinstance(await made.tell([ALERT]), Failed)
        assert len(server.requests) == 1
