"""A look at an address: what it resolves to, its certificate whatever it is worth, and whether Argo CD answers there."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import time
from pathlib import Path

import pytest
from monitor.adapters.argocd.client import Endpoint
from monitor.adapters.argocd.connections import Connections
from monitor.adapters.argocd.inspection import ServerInspection
from monitor.adapters.argocd.tls import TlsContexts, Trust
from monitor.core.doctor import ServerFacts
from monitor.core.model import FaultKind
from monitor.simulator.app import running
from monitor.simulator.faults import Fault, Front
from monitor.simulator.state import ArgoCDState

from tests.adapters.argocd.certificates import Authority, authority
from tests.adapters.argocd.wire import Visit, serving


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return authority(tmp_path)


async def look(url: str, trust: Trust | None = None, *, server_name: str | None = None) -> ServerFacts:
    connections = Connections(time.monotonic)
    try:
        endpoint = Endpoint(url, trust or Trust(), server_name, timeout=5.0)
        return await ServerInspection(endpoint, connections, TlsContexts()).inspect()
    finally:
        await connections.close()


async def look_at_tls(server: ssl.SSLContext, trust: Trust, *, server_name: str | None = None) -> ServerFacts:
    async with running(ArgoCDState(), ssl=server) as url:
        return await look(url, trust, server_name=server_name)


def kind(facts: ServerFacts) -> FaultKind | None:
    return facts.fault.kind if facts.fault else None


async def test_an_argo_cd_over_plain_http_says_its_version() -> None:
    async with running(ArgoCDState(version="v3.3.1")) as url:
        facts = await look(url)
    assert (facts.version, facts.status, facts.fault, facts.certificate) == ("v3.3.1", 200, None, None)
    assert facts.addresses == ("127.0.0.1",)


async def test_a_certificate_that_counts_is_described(ca: Authority) -> None:
    facts = await look_at_tls(ca.server("127.0.0.1", "argocd.example.com"), Trust(ca_file=str(ca.file)))
    assert facts.fault is None
    assert facts.version
    assert facts.certificate is not None
    assert (facts.certificate.subject, facts.certificate.issuer) == ("Argo CD", "Example CA")
    assert facts.certificate.names == ("127.0.0.1", "argocd.example.com")
    assert facts.certificate.not_after == dt.datetime(2046, 1, 1, tzinfo=dt.UTC).timestamp()


@pytest.mark.parametrize(
    ("names", "until", "self_signed", "trusted", "fault"),
    [
        (("127.0.0.1",), 2046, True, True, FaultKind.TLS_UNKNOWN_CA),
        (("127.0.0.1",), 2046, False, False, FaultKind.TLS_UNKNOWN_CA),
        (("other.example.com",), 2046, False, True, FaultKind.TLS_WRONG_HOST),
        (("127.0.0.1",), 2026, False, True, FaultKind.TLS_EXPIRED),
    ],
    ids=["self-signed", "unknown authority", "another name", "expired"],
)
async def test_a_certificate_that_does_not_count_is_described_all_the_same(
    ca: Authority, names: tuple[str, ...], until: int, self_signed: bool, trusted: bool, fault: FaultKind
) -> None:
    end = dt.datetime(until, 2, 1, tzinfo=dt.UTC)
    trust = Trust(ca_file=str(ca.file)) if trusted else Trust()
    facts = await look_at_tls(ca.server(*names, until=end, self_signed=self_signed), trust)
    assert kind(facts) is fault
    assert facts.certificate is not None
    assert facts.certificate.names == names
    assert facts.certificate.issuer == ("Argo CD" if self_signed else "Example CA")
    assert facts.certificate.not_after == end.timestamp()
    assert facts.status is None, "nothing is asked of a server whose certificate does not count"


async def test_a_certificate_that_nobody_checks_is_described_and_the_server_is_asked(ca: Authority) -> None:
    facts = await look_at_tls(ca.server("other.example.com", self_signed=True), Trust(insecure=True))
    assert (facts.fault, facts.verified, facts.status) == (None, False, 200)
    assert facts.certificate is not None
    assert facts.certificate.names == ("other.example.com",)


async def test_the_expected_name_can_be_another_than_the_host(ca: Authority) -> None:
    trust = Trust(ca_file=str(ca.file))
    facts = await look_at_tls(ca.server("argocd.example.com"), trust, server_name="argocd.example.com")
    assert (facts.fault, facts.status) == (None, 200)


async def test_plain_http_on_the_port_of_tls_is_seen_to_redirect(ca: Authority) -> None:
    async with running(ArgoCDState(), ssl=ca.server("127.0.0.1")) as url:
        facts = await look(url.replace("https", "http"))
    assert (facts.status, facts.version) == (307, None)
    assert facts.location.startswith("https://")


async def test_tls_on_a_plain_port_is_no_tls() -> None:
    async with running(ArgoCDState()) as url:
        facts = await look(url.replace("http", "https"))
    assert kind(facts) in (FaultKind.TLS_NOT_SPOKEN, FaultKind.RESET)
    assert facts.certificate is None


async def test_a_host_that_has_no_address_is_told_as_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*arguments: object, **named: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    facts = await look("https://argocd.invalid")
    assert kind(facts) is FaultKind.DNS
    assert facts.addresses == ()


async def test_a_port_where_nothing_listens_is_told_as_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        facts = await look(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert kind(facts) is FaultKind.REFUSED


@pytest.mark.parametrize("fault", [Fault.LOGIN_PAGE, Fault.UNAVAILABLE, Fault.REDIRECT_302])
async def test_what_is_no_argo_cd_gives_no_version(fault: Fault) -> None:
    async with running(Front(ArgoCDState(), fault)) as url:
        facts = await look(url)
    assert facts.version is None
    assert facts.status is not None


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{}", b'{"Version": 3}', b'{"Version": ""}', b'{"version": "v3"}', b"\xff", b"[" * 20_000, b""],
)
async def test_only_the_words_of_argo_cd_are_a_version(body: bytes) -> None:
    async def talk(visit: Visit) -> None:
        while await visit.request():
            await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    async with serving(talk) as server:
        facts = await look(server.url)
    assert (facts.status, facts.version) == (200, None)


async def test_no_token_is_sent_and_the_query_is_one() -> None:
    async def talk(visit: Visit) -> None:
        while await visit.request():
            await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n" + b'{"Version": "v3.6"}')

    async with serving(talk) as server:
        facts = await look(server.url)
    assert facts.version == "v3.6"
    assert len(server.requests) == 1
    assert "authorization" not in server.requests[0].lower()
