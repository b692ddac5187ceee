"""HTTP servers on loopback that answer by a script and note what arrives."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Request:
    """What arrived. path: with the query, as it was sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Script:
    """A server. `answer` may be changed at any time."""

    answer: Callable[[Request], web.StreamResponse]
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    async def serve(self, message: web.BaseRequest) -> web.StreamResponse:
        request = Request(message.method, message.raw_path, dict(message.headers), await message.read())
        self.requests.append(request)
        return self.answer(request)


def always(
    status: int = 200, body: bytes = b"", content_type: str = "application/json", **headers: str
) -> Callable[[Request], web.StreamResponse]:
    return lambda _: web.Response(status=status, body=body, content_type=content_type, headers=headers)


@asynccontextmanager
async def serving(
    answer: Callable[[Request], web.StreamResponse] | None = None, context: ssl.SSLContext | None = None
) -> AsyncIterator[Script]:
    """A server with this script, until the block is left."""
    script = Script(answer or always())
    runner = web.ServerRunner(web.Server(script.serve), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    script.url = f"{'https' if context else 'http'}://{HOST}:{port}"
    try:
        yield script
    finally:
        await runner.cleanup()
