"""TLS that is not as it should be: each fault by its name, nothing sent, and no way around it but `insecure`."""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from monitor.adapters.argocd.client import ArgoCDClient, Endpoint
from monitor.adapters.argocd.connections import Connections
from monitor.adapters.argocd.keys import ArgoCDKeys
from monitor.adapters.argocd.tls import TlsContexts, Trust
from monitor.core.effects import Refused
from monitor.core.model import Answer, Fault, FaultKind, Reply
from monitor.core.questions import Question, Topic
from monitor.core.secret import Secret

from tests.adapters.argocd.test_client_hostile import Clock
from tests.adapters.argocd.wire import HOST, LOGGED_IN, Talk, Visit, always, answer, serving

TOKEN = Secret("eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJ0bS1jYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ")
USERINFO = Question(Topic.USERINFO)
LONG_AGO, YESTERDAY = dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
TOMORROW, FAR_AWAY = dt.datetime.now(dt.UTC) + dt.timedelta(days=1), dt.datetime(2050, 1, 1, tzinfo=dt.UTC)


class Authority:
    """A CA and what it signs."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def server(
        self, *names: str, not_before: dt.datetime | None = None, not_after: dt.datetime | None = None
    ) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*(names or (HOST,)), not_before=not_before, not_after=not_after).configure_cert(context)
        return context

    def asking_for_certificates(self) -> ssl.SSLContext:
        context = self.server()
        self._ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def pair(self, folder: Path) -> tuple[str, str]:
        """Certificate and key of a client."""
        made = self._ca.issue_cert("monitor@example.com")
        names = folder / "client.crt", folder / "client.key"
        made.cert_chain_pems[0].write_to_path(names[0])
        made.private_key_pem.write_to_path(names[1])
        return str(names[0]), str(names[1])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


async def told(url: str, trust: Trust, *, timeout: float = 10.0, server_name: str | None = None) -> Answer:
    clock = Clock()
    connections = Connections(clock.monotonic)
    endpoint = Endpoint(url, trust, server_name=server_name, timeout=timeout)
    try:
        found = await ArgoCDClient(endpoint, connections, TlsContexts(), clock).ask(USERINFO, TOKEN)
    finally:
        await connections.close()
    assert TOKEN.reveal() not in repr(found)
    return found


def trusted(authority: Authority) -> Trust:
    return Trust(ca_file=str(authority.file))


async def test_a_certificate_that_the_ca_signed_is_trusted(authority: Authority) -> None:
    async with serving(always(answer()), authority.server()) as server:
        found = await told(server.url, trusted(authority))
    assert isinstance(found, Reply)
    assert found.body == LOGGED_IN


CERTIFICATES = {
    "expired": ({"not_before": LONG_AGO, "not_after": YESTERDAY}, FaultKind.TLS_EXPIRED),
    "not yet valid": ({"not_before": TOMORROW, "not_after": FAR_AWAY}, FaultKind.TLS_NOT_YET_VALID),
}


@pytest.mark.parametrize(("times", "kind"), CERTIFICATES.values(), ids=CERTIFICATES)
async def test_a_certificate_out_of_its_time_is_told_and_nothing_is_sent(
    authority: Authority, times: dict[str, dt.datetime], kind: FaultKind
) -> None:
    async with serving(always(answer()), authority.server(**times)) as server:
        found = await told(server.url, trusted(authority))
    assert isinstance(found, Fault)
    assert (found.kind, server.requests) == (kind, [])
    assert found.detail


@pytest.mark.parametrize("names", [("argocd.example.com",), ("127.0.0.2",), ("localhost",)], ids=str)
async def test_a_certificate_for_another_host_is_told(authority: Authority, names: tuple[str, ...]) -> None:
    async with serving(always(answer()), authority.server(*names)) as server:
        found = await told(server.url, trusted(authority))
    assert isinstance(found, Fault)
    assert (found.kind, server.requests) == (FaultKind.TLS_WRONG_HOST, [])


async def test_the_name_of_the_server_can_be_configured(authority: Authority) -> None:
    async with serving(always(answer()), authority.server("argocd.example.com")) as server:
        found = await told(server.url, trusted(authority), server_name="argocd.example.com")
        other = await told(server.url, trusted(authority), server_name="other.example.com")
    assert isinstance(found, Reply)
    assert isinstance(other, Fault)
    assert other.kind is FaultKind.TLS_WRONG_HOST


async def test_a_certificate_of_an_unknown_authority_is_told(authority: Authority, tmp_path: Path) -> None:
    async with serving(always(answer()), authority.server()) as server:
        for trust in (Trust(), trusted(Authority(tmp_path))):
            found = await told(server.url, trust)
            assert isinstance(found, Fault)
            assert found.kind is FaultKind.TLS_UNKNOWN_CA
    assert server.requests == []


async def test_insecure_takes_any_certificate(authority: Authority) -> None:
    context = authority.server("elsewhere.example.com", not_before=LONG_AGO, not_after=YESTERDAY)
    async with serving(always(answer()), context) as server:
        found = await told(server.url, Trust(insecure=True))
    assert isinstance(found, Reply)


async def test_a_server_that_wants_a_certificate_gets_one_or_it_is_told(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.pair(tmp_path)
    async with serving(always(answer()), authority.asking_for_certificates()) as server:
        with_it = await told(server.url, Trust(str(authority.file), certificate, key))
        without = await told(server.url, trusted(authority))
    assert isinstance(with_it, Reply)
    assert isinstance(without, Fault)
    assert without.kind in (FaultKind.TLS_OTHER, FaultKind.RESET)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_over_tls_that_is_too_old_nothing_is_sent(authority: Authority) -> None:
    context = authority.server()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    async with serving(always(answer()), context) as server:
        found = await told(server.url, trusted(authority))
    assert isinstance(found, Fault)
    assert server.requests == []


async def greets_in_plain_text(visit: Visit) -> None:
    await visit.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await visit.hung_up()


async def hangs_up(visit: Visit) -> None:
    visit.reset()


async def says_nothing(visit: Visit) -> None:
    await visit.hung_up()


async def sends_nonsense_for_ever(visit: Visit) -> None:
    while True:
        await visit.send(b"\x16\x03\x03\x40\x00" + b"\0" * 0x4000)
        await asyncio.sleep(0)


HANDSHAKES = {
    "plain text": (greets_in_plain_text, 10.0, {FaultKind.TLS_NOT_SPOKEN}),
    "a reset": (hangs_up, 10.0, {FaultKind.RESET}),
    "silence": (says_nothing, 0.2, {FaultKind.TIMEOUT}),
    "nonsense for ever": (sends_nonsense_for_ever, 0.5, {FaultKind.TLS_OTHER, FaultKind.RESET, FaultKind.TIMEOUT}),
}


@pytest.mark.parametrize(("talk", "timeout", "kinds"), HANDSHAKES.values(), ids=HANDSHAKES)
async def test_a_handshake_that_comes_to_nothing_is_a_fault_by_the_deadline(
    talk: Talk, timeout: float, kinds: set[FaultKind]
) -> None:
    async with serving(talk) as server:
        found = await told(server.url.replace("http:", "https:"), Trust(insecure=True), timeout=timeout)
    assert isinstance(found, Fault)
    assert found.kind in kinds


async def test_plain_text_to_a_port_of_tls_is_a_fault(authority: Authority) -> None:
    async with serving(always(answer()), authority.server()) as server:
        found = await told(server.url.replace("https:", "http:"), Trust())
    assert isinstance(found, Fault)
    assert found.kind in (FaultKind.RESET, FaultKind.NOT_HTTP)
    assert server.requests == []


async def test_a_tls_connection_that_breaks_off_inside_an_answer_is_a_fault(authority: Authority) -> None:
    async def talk(visit: Visit) -> None:
        await visit.request()
        await visit.send(answer(b"x" * 1000)[:-500])
        visit.reset()

    async with serving(talk, authority.server()) as server:
        found = await told(server.url, trusted(authority))
    assert isinstance(found, Fault)
    assert found.kind is FaultKind.RESET


@pytest.mark.parametrize("content", [None, b"", b"junk"], ids=["no file", "empty", "junk"])
async def test_a_ca_that_cannot_be_used_is_told_and_nothing_is_sent(
    authority: Authority, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    async with serving(always(answer()), authority.server()) as server:
        found = await told(server.url, Trust(ca_file=str(file)))
        clock = Clock()
        connections = Connections(clock.monotonic)
        keys = ArgoCDKeys(Endpoint(server.url, Trust(ca_file=str(file))), connections, TlsContexts())
        minted = await keys.mint("ci", "tm-1", None, TOKEN)
        await connections.close()
    assert isinstance(found, Fault)
    assert found.kind is FaultKind.TLS_OTHER
    assert isinstance(minted, Refused), "nothing was sent, so no key can have been made"
    assert str(file) in minted.why
    assert server.connections == 0


async def test_a_key_with_a_passphrase_is_told_and_nobody_is_asked_for_it(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.pair(tmp_path)
    plain = serialization.load_pem_private_key(Path(key).read_bytes(), None)
    kind = serialization.PrivateFormat.PKCS8
    locked = plain.private_bytes(serialization.Encoding.PEM, kind, serialization.BestAvailableEncryption(b"hunter2"))
    Path(key).write_bytes(locked)
    found = await told("https://127.0.0.1:1", Trust(str(authority.file), certificate, key))
    assert isinstance(found, Fault)
    assert (found.kind, "passphrase" in found.detail) == (FaultKind.TLS_OTHER, True)


async def test_a_monitor_without_free_files_is_not_told_as_a_bad_certificate(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(contexts: TlsContexts, trust: Trust) -> ssl.SSLContext:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(TlsContexts, "get", full)
    found = await told("https://127.0.0.1:1", trusted(authority))
    assert isinstance(found, Fault)
    assert found.kind is FaultKind.OUT_OF_FILES


async def test_nothing_is_minted_over_a_connection_that_is_not_trusted(authority: Authority) -> None:
    """Refused: nothing was sent, so no key can have been made."""
    async with serving(always(answer()), authority.server()) as server:
        connections = Connections(Clock().monotonic)
        outcome = await ArgoCDKeys(Endpoint(server.url), connections, TlsContexts()).mint("ci", "tm-1", None, TOKEN)
        await connections.close()
    assert isinstance(outcome, Refused)
    assert "tls_unknown_ca" in outcome.why
    assert server.requests == []


def test_a_changed_ca_is_used_and_junk_keeps_the_old_one(authority: Authority, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(authority.file.read_bytes())
    trust, contexts = Trust(ca_file=str(file)), TlsContexts()
    first = contexts.get(trust)
    assert contexts.get(trust) is first
    file.write_text("junk")
    problem = contexts.refresh(trust)
    assert problem
    assert str(file) in problem
    assert contexts.get(trust) is first
    file.write_bytes(Authority(tmp_path).file.read_bytes())
    assert contexts.refresh(trust) is None
    assert contexts.get(trust) is not first
