"""The request that a check writes itself: nothing in it makes two of one, and it is addressed as aiohttp would address it."""

from __future__ import annotations

import aiohttp
import pytest
from monitor.adapters.argocd.exchange import Destination, head_of
from monitor.core.model import Reply
from monitor.core.questions import Question, Topic
from monitor.core.secret import Secret
from yarl import URL

from tests.adapters.argocd.test_client_hostile import TOKEN, USERINFO, client_of
from tests.adapters.argocd.wire import always, answer, serving


@pytest.mark.parametrize("bad", ["\r\nX: y", "\nX: y", "\r", "\0", "\x1b", "\x7f", "é"], ids=ascii)
async def test_a_token_that_would_split_the_request_is_not_sent_and_not_shown(bad: str) -> None:
    async with serving(always(answer())) as server, client_of(server.url) as client:
        with pytest.raises(ValueError, match="cannot carry") as raised:
            await client.ask(USERINFO, Secret(f"canary{bad}"))
        assert "canary" not in str(raised.value)
        assert server.requests == []
        assert isinstance(await client.ask(USERINFO, TOKEN), Reply)


@pytest.mark.parametrize("host", ["a\r\nX: y", "a\nb", "é"], ids=ascii)
def test_a_host_that_would_split_the_request_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="cannot carry"):
        head_of(URL("http://argocd.example/"), host)


@pytest.mark.parametrize(
    "url",
    [
        "http://argocd.example/a",
        "http://argocd.example:80/a",
        "https://argocd.example:443/a",
        "https://argocd.example:8443/a?b=c%20d",
        "https://[2001:db8::1]:8443/a",
        "http://bücher.example/ä",
        "https://argocd.example./a",
    ],
)
async def test_host_path_and_the_place_in_the_pool_are_those_of_aiohttp(url: str) -> None:
    theirs = aiohttp.ClientRequest("GET", URL(url))
    lines = head_of(URL(url), None).split("\r\n")
    assert lines[:2] == [f"GET {theirs.url.raw_path_qs} HTTP/1.1", f"Host: {theirs.headers['Host']}"]
    ours = Destination(URL(url), context=True, server_hostname=None)
    assert ours.connection_key == theirs.connection_key
    assert (ours.is_ssl(), ours.ssl, ours.host, ours.port) == (theirs.is_ssl(), theirs.ssl, theirs.host, theirs.port)


async def test_only_a_question_over_a_fresh_connection_asks_to_close_it() -> None:
    async with serving(always(answer())) as server, client_of(server.url) as client:
        for fresh in (False, True, False):
            await client.ask(Question(Topic.USERINFO), TOKEN, fresh=fresh)
    assert ["Connection: close" in request for request in server.requests] == [False, True, False]
