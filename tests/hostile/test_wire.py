"""Servers that lead elsewhere, flood, pack and remember (numbers 7 to 10, 14, 18 and 21 of the list of hostile inputs)."""

from __future__ import annotations

import gzip
import socket
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from monitor.adapters.alertmanager import AlertmanagerSink
from monitor.adapters.argocd.tls import Trust
from monitor.adapters.clock import SystemClock
from monitor.adapters.heartbeat import PingedService
from monitor.adapters.http_call import HttpCaller
from monitor.adapters.kubernetes.connection import KubernetesConnection
from monitor.config.found import read_target
from monitor.config.load import settings_of
from monitor.config.settings import KubernetesSettings
from monitor.core.addresses import is_metadata, is_near
from monitor.core.discovery import Found, Origin
from monitor.core.effects import Refused, Unknown
from monitor.core.secret import Secret
from monitor.core.status import Kind, Status
from monitor.daemon.shared import Shared
from monitor.simulator.kubernetes.app import write_kubeconfig

from tests.adapters.argocd.wire import LOGGED_IN, Talk, always, answer, endlessly, once, serving
from tests.fair_time import fairly
from tests.hostile.peers import SOON, TOKEN, checked, judged, judged_by, target

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_07_a_redirect_is_never_followed(status: str) -> None:
    """7. Redirects, also to another port of the same host and to the same path: nobody else gets the token."""
    async with serving(always(answer(LOGGED_IN))) as elsewhere:
        for place in (
            elsewhere.url,
            f"//127.0.0.1:{elsewhere.port}/api",
            "/again",
            "https://127.0.0.1/",
            "file:///etc/passwd",
        ):
            verdict = await judged_by(always(answer(b"", f"Location: {place}", status=status)))
            assert (verdict.status, verdict.accepted) == (Status.NOT_ARGOCD, None)
            assert "redirects" in verdict.cause
    assert elsewhere.connections == 0


async def test_07_neither_is_one_of_a_login_or_of_a_new_key() -> None:
    """7. The password and the session would go along; 307 and 308 would even repeat the POST."""
    async with serving(always(answer(b'{"token":"stolen"}'))) as elsewhere:
        away = answer(b"", f"Location: {elsewhere.url}/", status="307 Temporary Redirect")
        async with serving(always(away)) as server:
            settings = settings_of(
                {"targets": [{"name": "a", "url": server.url, "auth": {"type": "token", "token": "t"}}]}
            )
            async with Shared(settings) as shared:
                keys = shared.assembly.keys(settings.targets[0])
                assert isinstance(await keys.login("admin", Secret("the password")), Refused)
                assert isinstance(await keys.mint("admin", "tm-1", None, Secret(TOKEN)), Refused)
                assert isinstance(await keys.keys("admin", Secret(TOKEN)), Refused)
                assert isinstance(await keys.delete("admin", "tm-1", Secret(TOKEN)), Refused)
    assert elsewhere.connections == 0
    assert len(server.requests) == 4


BOMBS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "gzip, gzip": lambda raw: gzip.compress(gzip.compress(raw)),
}


@pytest.mark.parametrize("coding", [*BOMBS, "br", "zstd"])
async def test_08_a_compression_bomb_is_not_unpacked(coding: str) -> None:
    """8. We ask for `identity` and unpack nothing, so 30 MB stay 30 KB, and they are no JSON."""
    bomb = BOMBS.get(coding, gzip.compress)(b'{"loggedIn":true}' + b" " * 30_000_000)
    async with serving(always(answer(bomb, f"Content-Encoding: {coding}"))) as server:
        tracemalloc.start()
        try:
            verdict = await judged(server.url)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert all("Accept-Encoding: identity\r\n" in request for request in server.requests)
    assert verdict.status is Status.NOT_ARGOCD
    assert peak < 4_000_000


FLOODS: dict[str, Talk] = {
    "endless chunks": endlessly(CHUNKED, b"400\r\n" + b"x" * 1024 + b"\r\n"),
    "endless tiny chunks": endlessly(CHUNKED, b"1\r\nx\r\n" * 500),
    "a chunk without an end": endlessly(CHUNKED + b"ffffffffff\r\n", b"x" * 4096),
    "10,000 headers": once(answer(LOGGED_IN, *(f"X-{number}: y" for number in range(10_000)))),
    "endless headers": endlessly(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 500),
    "a header without an end": endlessly(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 4096),
    "endless promises (100)": endlessly(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "endless early hints (103)": endlessly(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100),
    "endless trailers": endlessly(CHUNKED + b"1\r\nx\r\n0\r\n", b"X: y\r\n" * 500),
}


@pytest.mark.parametrize("talk", FLOODS.values(), ids=FLOODS)
async def test_09_a_flood_ends_by_the_deadline_in_little_memory_and_says_nothing_about_the_token(talk: Talk) -> None:
    """9. Endless chunks; 10,000 headers; a flood of 1xx."""
    started = time.monotonic()
    tracemalloc.start()
    try:
        verdict = await judged_by(talk, timeout=SOON)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert verdict.status.kind is Kind.UNKNOWN
    assert peak < 6_000_000
    # Not one deadline a question: a server that gives no answer once is not asked further in this check.
    assert time.monotonic() - started < fairly(10 * SOON)


async def test_10_bytes_after_an_answer_close_the_connection_and_answer_no_other_question() -> None:
    """10. Else `loggedIn: true` for one token would be the answer about the next one, or about the control."""
    forged = answer(LOGGED_IN)
    async with serving(always(answer(b"{}") + forged)) as server:
        async with target(server.url) as found:
            for _ in range(3):
                assert (await checked(found)).accepted is not True
        assert server.connections == len(server.requests), "a connection that said too much is not used again"


async def test_14_no_cookie_is_kept() -> None:
    """14. `Set-Cookie`: whoever set one would be told it again, and Argo CD takes `argocd.token` for a token."""
    cookies = ("Set-Cookie: argocd.token=stolen; Path=/", "Set-Cookie: a=b; Max-Age=99999", "Set-Cookie2: c=d")
    async with serving(always(answer(LOGGED_IN, *cookies))) as server:
        # Cookies of an address are kept by nobody; those of a name would be.
        async with target(server.url.replace("127.0.0.1", "localhost")) as found:
            for _ in range(3):
                await checked(found)
        assert len(server.requests) > 3
        assert not any("cookie" in request.lower() for request in server.requests)


# --- 18. where names lead ------------------------------------------------------------------------------------------------

METADATA = ("169.254.169.254", "169.254.170.2", "[fe80::1]", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16")
DISGUISED = ("[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]")


@pytest.mark.parametrize("host", [*METADATA, *DISGUISED])
async def test_18_no_token_is_sent_to_the_metadata_service_of_a_cloud(host: str) -> None:
    """18. Metadata address: refused before anything is connected, whoever wrote it. Told with what to look at."""
    started = time.monotonic()
    verdict = await judged(f"http://{host}", timeout=5.0)
    assert verdict.status is Status.UNREACHABLE
    assert "no token is sent" in verdict.cause
    assert "resolves" in verdict.remedy
    assert time.monotonic() - started < fairly(1.0), "nothing was tried"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What names stand for now; may be changed at any time, as whoever owns a name may do."""
    known: dict[str, str] = {}
    real = socket.getaddrinfo

    def resolve(host: Any, *arguments: Any, **named: Any) -> Any:
        return real(known.get(host, host), *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


async def test_18_a_name_that_comes_to_lead_to_the_metadata_service_is_found_at_the_next_connection(
    names: dict[str, str],
) -> None:
    """18. DNS rebinding: the address is looked at when it is connected to, so that it does not help to change the name
    after it was looked at."""
    async with serving(always(answer(LOGGED_IN))) as server:
        names["argocd.example.com"] = "127.0.0.1"
        url = f"http://argocd.example.com:{server.port}"
        async with target(url) as found:
            assert (await checked(found)).status is not Status.UNREACHABLE
        for bound in ("169.254.169.254", "fe80::1", "::ffff:169.254.169.254"):
            names["argocd.example.com"] = bound
            verdict = await judged(url)
            assert (verdict.status, "no token is sent" in verdict.cause) == (Status.UNREACHABLE, True)


async def test_18_no_password_goes_there_either(names: dict[str, str]) -> None:
    """18. A login, and a new key, over the same connections: nothing was sent, so it is refused and not unknown."""
    names["argocd.example.com"] = "169.254.169.254"
    settings = settings_of(
        {"targets": [{"name": "a", "url": "http://argocd.example.com", "auth": {"type": "token", "token": "t"}}]}
    )
    async with Shared(settings) as shared:
        keys = shared.assembly.keys(settings.targets[0])
        for outcome in (
            await keys.login("admin", Secret("the password")),
            await keys.mint("admin", "tm-1", None, Secret(TOKEN)),
        ):
            assert not isinstance(outcome, Unknown)
            assert isinstance(outcome, Refused)
            assert "forbidden_address" in outcome.why


@pytest.mark.parametrize("near", ["127.0.0.1", "0.0.0.0", "::1", "::ffff:127.0.0.1", "169.254.169.254"])
async def test_18_a_target_found_in_kubernetes_does_not_reach_this_machine_by_a_name(
    near: str, names: dict[str, str]
) -> None:
    """18. Its writer need not be the monitor's owner: neither sidecars nor the node are theirs to reach. A configured
    target may be on this machine (a sidecar, a tunnel), as its owner says so."""
    async with serving(always(answer(LOGGED_IN))) as server:
        names["argocd.example.com"] = near
        text = f"{{url: 'http://argocd.example.com:{server.port}', auth: {{type: token, tokenSecretKeyRef: {{name: t, key: k}}}}}}"
        found = Found(Origin("ConfigMap", "team-a", "prod"), Secret(text), name="prod")
        whole = settings_of(
            {"targets": [], "discovery": {"kubernetes": {"namespaces": ["team-a"]}}},
        )
        settings = read_target(found, whole)
        async with Shared(whole) as shared:
            keys = shared.assembly.keys(settings)
            outcome = await keys.login("admin", Secret("the password"))
        assert isinstance(outcome, Refused)
        assert server.connections == 0
        if near == "127.0.0.1":
            assert (await judged(f"http://argocd.example.com:{server.port}")).status is not Status.UNREACHABLE


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "192.168.1.1", "172.16.0.1", "fd00::1", "100.64.0.1", "8.8.8.8", "2001:db8::1"]
)
def test_18_the_addresses_of_clusters_and_companies_are_nobodys_metadata(address: str) -> None:
    assert not is_metadata(address)
    assert not is_near(address)


# --- 21. proxies -----------------------------------------------------------------------------------------------------------

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "ws_proxy", "no_proxy")


async def test_21_no_proxy_of_the_environment_is_asked_by_anybody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """21. Proxy variables: neither for Argo CD (http and https), nor for Kubernetes, Alertmanager and the heartbeat.
    Who needs a proxy to reach Argo CD gives its address as the url; a credential takes no way that nobody configured."""
    async with serving(always(answer(LOGGED_IN))) as proxy, serving(always(answer(b"{}"))) as server:
        for name in PROXIES:
            monkeypatch.setenv(name, "" if name == "no_proxy" else proxy.url)
        await judged(server.url)
        await judged(server.url.replace("http://", "https://"), tls={"insecure": True}, timeout=SOON)
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url, "a bearer token", namespace="a")
        connection = KubernetesConnection(KubernetesSettings(str(kubeconfig)), SystemClock())
        await connection.request("GET", "/api/v1/namespaces/a/secrets/x")
        async for _ in connection.watch("/api/v1/namespaces/a/secrets", query={"timeoutSeconds": "1"}, silence=1.0):
            break
        await connection.close()
        caller = HttpCaller(Trust(), None, 2.0)
        await AlertmanagerSink(server.url, caller).active()
        await PingedService(Secret(f"{server.url}/ping"), "GET", caller).beat()
        await caller.close()
    assert proxy.connections == 0
    assert len(server.requests) >= 5
