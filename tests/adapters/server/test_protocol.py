"""A connection whose answer goes wrong on the way: in our words, without details, and never two answers in one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from monitor.adapters.server.limits import Limits
from monitor.adapters.server.protocol import HttpServer
from structlog.testing import capture_logs

from tests.adapters.server.conftest import HOST

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


async def answered(handler: Handler) -> bytes:
    """All that a client gets."""
    listener = await asyncio.get_running_loop().create_server(HttpServer(handler, Limits()), HOST, 0)
    reader, writer = await asyncio.open_connection(HOST, listener.sockets[0].getsockname()[1])
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.transport.abort()
        listener.close()
        await listener.wait_closed()


async def test_a_defect_is_told_without_details_and_logged() -> None:
    async def broken(request: web.BaseRequest) -> web.StreamResponse:
        raise ValueError("a detail")

    with capture_logs() as logs:
        answer = await answered(broken)
    assert answer.startswith(b"HTTP/1.1 500")
    assert answer.endswith(b"Internal error: see the monitor's log.\n")
    assert b"detail" not in answer
    assert [line["event"] for line in logs] == ["a request could not be answered"]


async def test_a_client_that_has_gone_is_no_defect() -> None:
    async def gone(request: web.BaseRequest) -> web.StreamResponse:
        raise ConnectionResetError("the client does not read")

    with capture_logs() as logs:
        await answered(gone)
    assert logs == []


async def test_an_answer_that_has_begun_is_cut_off_and_no_second_one_follows(caplog: pytest.LogCaptureFixture) -> None:
    async def breaks_off(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 100
        await response.prepare(request)
        await response.write(b"half")
        raise ValueError("a detail")

    answer = await answered(breaks_off)
    assert answer.endswith(b"half")
    assert answer.count(b"HTTP/1.1") == 1
