"""The simulator behind a socket: plain, TLS, faults of the connection, and a clean stop."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp
import pytest
import trustme
from monitor.simulator.app import running
from monitor.simulator.faults import Fault, Front
from monitor.simulator.state import ArgoCDState
from yarl import URL

USERINFO = "/api/v1/session/userinfo"


class FakeSleep:
    """Notes how long was waited for, and does not wait."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def state() -> ArgoCDState:
    state = ArgoCDState(seed=7)
    state.create_account("ci", password="secret-1")
    return state


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_key_is_accepted_until_it_is_revoked(state: ArgoCDState) -> None:
    token = state.mint_key("ci", "tm-1")
    async with running(state) as url, aiohttp.ClientSession(url) as client:
        async with client.get(USERINFO, headers=bearer(token)) as answer:
            assert await answer.json() == {"loggedIn": True, "username": "ci", "iss": "argocd"}
        state.revoke_key("ci", "tm-1")
        async with client.get(USERINFO, headers=bearer(token)) as answer:
            assert await answer.json() == {}


async def test_a_login_waits_as_long_as_the_answer_says(state: ArgoCDState) -> None:
    sleep = FakeSleep()
    async with running(state, sleep=sleep) as url, aiohttp.ClientSession(url) as client:
        login = {"username": "ci", "password": "secret-1"}
        async with client.post("/api/v1/session", json=login) as answer:
            assert answer.status == 200
            assert "token" in await answer.json()
    assert len(sleep.seconds) == 1
    assert 0.5 <= sleep.seconds[0] <= 1.0


async def test_a_percent_encoded_slash_reaches_the_server_as_it_was_sent(state: ArgoCDState) -> None:
    token = state.mint_key("ci", "a/b")
    async with running(state) as url, aiohttp.ClientSession() as client:
        target = URL(f"{url}/api/v1/account/ci/token/a%2Fb", encoded=True)
        headers = bearer(token) | {"Content-Type": "application/json"}
        async with client.delete(target, headers=headers) as answer:
            assert (answer.status, await answer.text()) == (404, "Not Found\n")


@pytest.mark.parametrize("broken", ["restart", "fault"])
async def test_a_refused_connection_is_cut_without_an_answer(state: ArgoCDState, broken: str) -> None:
    front = Front(state)
    async with running(front) as url, aiohttp.ClientSession(url) as client:
        if broken == "restart":
            state.restart(60)
        else:
            front.fault = Fault.REFUSED
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.get(USERINFO)


async def test_a_hanging_server_does_not_keep_the_simulator_from_stopping(state: ArgoCDState) -> None:
    loop = asyncio.get_running_loop()
    begin = loop.time()
    async with running(Front(state, Fault.HANG)) as url, aiohttp.ClientSession(url) as client:
        with pytest.raises(TimeoutError):
            await client.get(USERINFO, timeout=aiohttp.ClientTimeout(total=0.05))
    assert loop.time() - begin < 30, "nobody waits for it for the minute that aiohttp grants"


async def test_tls_is_served_to_those_who_trust_the_certificate(state: ArgoCDState, authority: trustme.CA) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    token = state.mint_key("ci", "tm-1")
    async with running(state, ssl=server_context(authority)) as url, aiohttp.ClientSession(url) as client:
        assert url.startswith("https://")
        async with client.get(USERINFO, headers=bearer(token), ssl=trusting) as answer:
            assert (await answer.json())["loggedIn"] is True
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await client.get(USERINFO, headers=bearer(token))


async def test_plain_http_on_a_tls_port_is_redirected_to_https(state: ArgoCDState, authority: trustme.CA) -> None:
    async with running(state, ssl=server_context(authority)) as url, aiohttp.ClientSession() as client:
        plain = url.replace("https", "http") + USERINFO
        async with client.get(plain, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (307, url + USERINFO)


async def test_tls_to_a_plain_port_fails_as_a_connection_error(state: ArgoCDState) -> None:
    async with running(state) as url, aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.get(url.replace("http", "https") + USERINFO, ssl=False)


async def test_nothing_listens_once_the_simulator_has_stopped(state: ArgoCDState, authority: trustme.CA) -> None:
    for context in (None, server_context(authority)):
        async with running(state, ssl=context) as url:
            pass
        async with aiohttp.ClientSession() as client:
            with pytest.raises(aiohttp.ClientConnectorError):
                await client.get(url + USERINFO, ssl=False)
