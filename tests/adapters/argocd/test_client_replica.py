"""One replica of a server, asked at its own address: as the Service is spoken to, and certified as the Service is."""

from __future__ import annotations

import ssl

import pytest
from monitor.adapters.argocd.client import ArgoCDClient
from monitor.adapters.argocd.connections import Connections
from monitor.adapters.argocd.tls import TlsContexts
from monitor.config import address
from monitor.config.settings import InFile, TargetSettings, TlsSettings
from monitor.core.endpoint_slices import Replica
from monitor.core.model import Answer, Fault, FaultKind, Mode, Reply
from monitor.core.questions import Question, Topic
from monitor.core.secret import Secret
from monitor.daemon.assembly import replica_of
from monitor.services.every_replica import REPLICA_TIMEOUT

from tests.adapters.argocd.certificates import Authority, authority
from tests.adapters.argocd.test_client_hostile import Clock
from tests.adapters.argocd.wire import HOST, always, answer, serving

TOKEN = Secret("eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJ0bS1jYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ")
USERINFO = Question(Topic.USERINFO)
SERVICE = "argocd-server.argocd.svc"


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca"))


def target(url: str, **tls: str) -> TargetSettings:
    return TargetSettings("a", address.of_url(url), Mode.TOKEN, InFile("/t"), tls=TlsSettings(**tls), timeout=5.0)  # type: ignore[arg-type]


async def asked(settings: TargetSettings, port: int, times: int = 1) -> Answer:
    connections = Connections(Clock().monotonic)
    endpoint = replica_of(settings, Replica("argocd-server-a", HOST, port))
    client = ArgoCDClient(endpoint, connections, TlsContexts(), Clock())
    try:
        for _ in range(times):
            found = await client.ask(USERINFO, TOKEN)
    finally:
        await connections.close()
    return found


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        (f"http://{SERVICE}", SERVICE, "/api/v1/session/userinfo"),
        (f"http://{SERVICE}:8080/argocd", f"{SERVICE}:8080", "/argocd/api/v1/session/userinfo"),
    ],
)
async def test_it_hears_the_name_of_the_service_over_one_kept_connection(url: str, host: str, path: str) -> None:
    async with serving(always(answer())) as server:
        assert isinstance(await asked(target(url), server.port, times=3), Reply)
        assert server.connections == 1
        for request in server.requests:
            lines = request.split("\r\n")
            assert lines[0] == f"GET {path} HTTP/1.1"
            assert [line for line in lines if line.lower().startswith("host:")] == [f"Host: {host}"]


async def test_its_certificate_is_that_of_the_service(ca: Authority) -> None:
    async with serving(always(answer()), ca.server(SERVICE)) as server:
        found = await asked(target(f"https://{SERVICE}", ca_file=str(ca.file)), server.port)
    assert isinstance(found, Reply)
    assert f"Host: {SERVICE}\r\n" in server.requests[0]


async def test_a_name_that_is_configured_is_the_one_of_the_certificate(ca: Authority) -> None:
    settings = target(f"https://{SERVICE}", ca_file=str(ca.file), server_name="argocd.example.com")
    async with serving(always(answer()), ca.server("argocd.example.com")) as server:
        assert isinstance(await asked(settings, server.port), Reply)


@pytest.mark.parametrize("name", ["another.argocd.svc", HOST])
async def test_whoever_has_the_address_without_the_service_s_certificate_gets_no_token(
    ca: Authority, name: str
) -> None:
    context: ssl.SSLContext = ca.server(name)
    async with serving(always(answer()), context) as server:
        found = await asked(target(f"https://{SERVICE}", ca_file=str(ca.file)), server.port)
    assert isinstance(found, Fault)
    assert found.kind is FaultKind.TLS_WRONG_HOST
    assert server.requests == []


def test_it_has_less_time_than_the_service_where_that_has_much() -> None:
    replica = Replica("a", "fd00::1", 8080)
    endpoint = replica_of(target(f"http://{SERVICE}/argocd"), replica)
    assert (endpoint.base, endpoint.timeout) == ("http://[fd00::1]:8080/argocd", REPLICA_TIMEOUT)
