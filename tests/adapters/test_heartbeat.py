"""The heartbeat over the wire: the address is called as it is, and shown to nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from monitor.adapters.argocd.tls import Trust
from monitor.adapters.heartbeat import PingedService
from monitor.adapters.http_call import HttpCaller, Method
from monitor.core.secret import Secret

from tests.adapters.scripted import Request, always, serving

UUID = "6b0d3a5e-1c1f-4c05-b6f1-5a8a3c1f0e77"


@asynccontextmanager
async def service(url: Secret | Path, method: Method = "GET", timeout: float = 5.0) -> AsyncIterator[PingedService]:
    caller = HttpCaller(Trust(), None, timeout)
    try:
        yield PingedService(url, method, caller)
    finally:
        await caller.close()


async def problem(url: Secret | Path) -> str:
    async with service(url) as made:
        said = await made.beat()
    assert said is not None
    assert ": " in said, "what to do is missing"
    assert UUID not in said
    return said


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_the_address_is_called_as_it_is_written(method: Method) -> None:
    async with serving() as server, service(Secret(f"{server.url}/{UUID}/%2F?rid=a%20b"), method) as made:
        assert await made.beat() is None
        (request,) = server.requests
    assert (request.method, request.path) == (method, f"/{UUID}/%2F?rid=a%20b")
    assert request.body == b""


async def test_an_address_in_a_file_is_read_again_at_every_call(tmp_path: Path) -> None:
    file = tmp_path / "url"
    async with serving() as server, service(file) as made:
        for path in ("/first", "/second"):
            file.write_text(f"{server.url}{path}\n")
            assert await made.beat() is None
        assert [request.path for request in server.requests] == ["/first", "/second"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (always(302, Location=f"https://x.example/{UUID}"), "sends elsewhere (302)"),
        (always(404, UUID.encode()), "answered 404"),
        (always(500), "answered 500"),
    ],
    ids=["redirect", "unknown", "broken"],
)
async def test_an_answer_that_is_no_success_is_said(answer: object, said: str) -> None:
    async with serving(answer) as server:  # type: ignore[arg-type]
        assert said in await problem(Secret(f"{server.url}/{UUID}"))
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "text",
    [
        "", "hc-ping.com/x", "ftp://a/b", "http://", "https://user@host/x", "https://host:0/x", "https://host:99999/x",
        "https://host/a b", "https://host/\n", "https://höst/x", "https://host/" + "x" * 3000, "https://[::1/x",
    ],
)  # fmt: skip
async def test_what_is_no_address_is_not_called(text: str, tmp_path: Path) -> None:
    assert "is none" in await problem(Secret(text))
    (tmp_path / "url").write_text(text)
    assert text.endswith("\n") or "is none" in await problem(tmp_path / "url")


async def test_a_file_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    assert "does not exist" in await problem(tmp_path / "url")
    assert "not a regular file" in await problem(tmp_path)
    (tmp_path / "url").write_bytes(b"\xff")
    assert "is not text" in await problem(tmp_path / "url")


async def test_nobody_there_is_said_without_the_address(unused_tcp_port: int) -> None:
    assert "cannot be reached: refused" in await problem(Secret(f"http://127.0.0.1:{unused_tcp_port}/{UUID}"))


async def test_a_body_without_end_is_no_success() -> None:
    def endless(request: Request) -> web.StreamResponse:
        return web.Response(body=b"x" * 200_000)

    async with serving(endless) as server:
        assert "cannot be reached: too_large" in await problem(Secret(f"{server.url}/{UUID}"))
