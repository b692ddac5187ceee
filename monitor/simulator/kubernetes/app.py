"""The simulated API over HTTP: bearer tokens name users, watches are chunked streams of JSON lines.

All decisions are in `verbs` and `faults`; here a request becomes a value and back, and a connection that is to break
is cut. A refused connection cannot be told from a broken one here: the port is open.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import yaml
from aiohttp import web

from monitor.simulator.kubernetes.access import ANONYMOUS
from monitor.simulator.kubernetes.front import Broken, Front, lines
from monitor.simulator.kubernetes.problems import unauthorized
from monitor.simulator.kubernetes.state import ClusterState
from monitor.simulator.kubernetes.watches import Watch
from monitor.simulator.kubernetes.wire import JSON, Object, Request, Response

STOP_SECONDS = 1.0
HANG_SECONDS = 600.0
MAX_BODY = 3 * 1024 * 1024
BEARER = "Bearer "


@asynccontextmanager
async def running(
    state: ClusterState,
    users: Mapping[str, str],
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    latency: Callable[[], float] = lambda: 0.0,
) -> AsyncIterator[str]:
    """Serves until the block is left; gives the base URL. users: bearer token to user name. Port 0 takes a free one."""
    shell = _Shell(Front(state, latency), users)
    runner = web.ServerRunner(
        web.Server(shell.serve, handler_cancellation=True, access_log=None), shutdown_timeout=STOP_SECONDS
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        state.drop_watches()
        await runner.cleanup()


def write_kubeconfig(path: Path, url: str, token: str, *, namespace: str = "default", user: str = "simulated") -> Path:
    """A kubeconfig (0600) with one context, for kubectl and for the monitor. Returns `path`."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "simulated", "cluster": {"server": url}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "simulated", "context": {"cluster": "simulated", "user": user, "namespace": namespace}}],
        "current-context": "simulated",
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config), "utf-8")
    return path


class _Shell:
    """Turns a request of aiohttp into a value, and the answer back."""

    __slots__ = ("_front", "_users")

    def __init__(self, front: Front, users: Mapping[str, str]) -> None:
        self._front, self._users = front, users

    async def serve(self, message: web.BaseRequest) -> web.StreamResponse:
        user = self._user(message.headers.get("authorization", ""))
        if user is None:
            return _plain(unauthorized().response())
        request = Request(
            user,
            message.method,
            message.rel_url.raw_path,
            dict(message.query),
            await _body(message),
            message.headers.get("content-type", JSON),
            message.headers.get("accept", JSON),
            message.headers.get("user-agent", ""),
        )
        outcome = await self._front.ask(request)
        if outcome is Broken.SILENT:
            await asyncio.sleep(HANG_SECONDS)
        if isinstance(outcome, Broken):
            return _cut(message)
        return await _stream(message, outcome) if isinstance(outcome, Watch) else _plain(outcome)

    def _user(self, authorization: str) -> str | None:
        return self._users.get(authorization.removeprefix(BEARER)) if authorization else ANONYMOUS


async def _body(message: web.BaseRequest) -> bytes:
    raw = b""
    async for chunk in message.content.iter_any():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise web.HTTPRequestEntityTooLarge(MAX_BODY, len(raw))
    return raw


async def _stream(message: web.BaseRequest, watch: Watch) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": JSON})
    response.enable_chunked_encoding()
    try:
        await response.prepare(message)
        async with aclosing(lines(watch)) as due:
            async for line in due:
                await response.write(_json(line) + b"\n")
        if watch.broken:
            return _cut(message)
        await response.write_eof()
    except ConnectionError:
        pass  # the client has gone
    finally:
        watch.close()
    return response


def _plain(response: Response) -> web.Response:
    if response.text is not None:
        return web.Response(status=response.status, text=response.text, headers=response.headers)
    headers = {"content-type": JSON, "cache-control": "no-cache, private", **response.headers}
    return web.Response(status=response.status, body=_json(response.body) + b"\n", headers=headers)


def _cut(message: web.BaseRequest) -> web.Response:
    if message.transport is not None:
        message.transport.abort()
    return web.Response(status=503)  # goes nowhere: the connection is gone


def _json(value: Object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
