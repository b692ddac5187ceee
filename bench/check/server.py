"""A small, fast stand-in for argocd-server, in a process of its own: HTTP and HTTPS, kept connections, counts.

It does as little as it can, so that what is measured is whoever asks. It answers as Argo CD's recordings do: the token
is good, the control is refused, the account has one key.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, cast

import uvloop

from bench.child import config, serve

HOST = "127.0.0.1"
HEADERS = "Content-Type: application/json\r\nGrpc-Metadata-Content-Type: application/grpc\r\nVary: Origin\r\n"


def response(status: str, body: str) -> bytes:
    """One answer, with headers as argocd-server sends them."""
    head = f"HTTP/1.1 {status}\r\n{HEADERS}Date: Wed, 25 Nov 2026 12:00:00 GMT\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


USERINFO = response("200 OK", '{"loggedIn":true,"username":"codefresh","iss":"argocd"}')
NOBODY = response("200 OK", "{}")
ACCOUNT = response(
    "200 OK",
    '{"name":"codefresh","enabled":true,"capabilities":["apiKey"],"tokens":[{"id":"bench","issuedAt":"1795000000"}]}',
)
REFUSED = response(
    "401 Unauthorized",
    '{"error":"invalid session: signature is invalid","code":16,"message":"invalid session: signature is invalid"}',
)
YES = response("200 OK", '{"value":"yes"}')


class Counts:
    """What arrived since the start."""

    def __init__(self) -> None:
        self.requests = 0
        self.connections = 0


class Argocd(asyncio.Protocol):
    """One connection."""

    def __init__(self, counts: Counts, token: bytes) -> None:
        self._counts = counts
        self._token = token
        self._transport: asyncio.Transport | None = None
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self._counts.connections += 1

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while (end := self._pending.find(b"\r\n\r\n")) >= 0:
            head, self._pending = self._pending[:end], self._pending[end + 4 :]
            self._counts.requests += 1
            if self._transport is not None:
                self._transport.write(self._answer(head))

    def _answer(self, head: bytes) -> bytes:
        good = self._token in head
        if head.startswith(b"GET /api/v1/session/userinfo "):
            return USERINFO if good else NOBODY
        if not good:
            return REFUSED
        return YES if head.startswith(b"GET /api/v1/account/can-i/") else ACCOUNT


async def main() -> None:
    """Listens until the parent goes."""
    given = config()
    counts = Counts()
    loop = asyncio.get_running_loop()

    def protocol() -> Argocd:
        return Argocd(counts, given["token"].encode())

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(given["cert_file"])
    plain = await loop.create_server(protocol, HOST, 0, backlog=4096)
    encrypted = await loop.create_server(protocol, HOST, 0, backlog=4096, ssl=context)

    async def answer(command: dict[str, Any]) -> dict[str, Any]:
        return {
            "http": plain.sockets[0].getsockname()[1],
            "https": encrypted.sockets[0].getsockname()[1],
            "requests": counts.requests,
            "connections": counts.connections,
        }

    await serve(answer)


if __name__ == "__main__":
    uvloop.run(main())
