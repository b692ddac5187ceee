"""An Argo CD that costs next to nothing: the answers of a recorded 3.6, on every address of 127.0.0.0/8.

A process of its own (`python -m bench.fleet.stub [--cert-file FILE --key-file FILE]`): HTTP on one port, HTTPS on
another, both printed as JSON in one line. It ends when its standard input does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import ssl
import sys
from typing import cast

import uvloop

from bench.fleet.tokens import ACCOUNT, ISSUED_AT, SIGNATURE, key_id

GOOD = SIGNATURE.encode()
BACKLOG = 4096


def answer(status: str, body: object) -> bytes:
    """A whole answer with the headers that argocd-server sends."""
    text = json.dumps(body, separators=(",", ":")).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nGrpc-Metadata-Content-Type: application/grpc\r\n"
    return f"{head}Vary: Accept\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text


REFUSED = "invalid session: token signature is invalid: signature is invalid"
ACCEPTED = answer("200 OK", {"loggedIn": True, "username": ACCOUNT, "iss": "argocd"})
NOBODY = answer("200 OK", {})
UNAUTHENTICATED = answer("401 Unauthorized", {"error": REFUSED, "code": 16, "message": REFUSED})
NOT_FOUND = answer("404 Not Found", {"error": "not found", "code": 5, "message": "not found"})


class Stub(asyncio.Protocol):
    """One connection."""

    __slots__ = ("_buffer", "_transport")

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own has no such class

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0 and self._transport is not None:
            request, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
            self._transport.write(_answer(request))


def _answer(request: bytes) -> bytes:
    path = request.split(b" ", 2)[1]
    good = GOOD in request
    if path == b"/api/v1/session/userinfo":
        return ACCEPTED if good else NOBODY
    if not good:
        return UNAUTHENTICATED
    if path == b"/api/v1/account/" + ACCOUNT.encode():
        return _account(request)
    return NOT_FOUND


def _account(request: bytes) -> bytes:
    start = request.lower().find(b"authorization: bearer ") + len(b"authorization: bearer ")
    key = key_id(request[start:].split(b"\r\n", 1)[0])
    keys = [{"id": key, "issuedAt": ISSUED_AT}]
    return answer("200 OK", {"name": ACCOUNT, "enabled": True, "capabilities": ["apiKey"], "tokens": keys})


async def serve(context: ssl.SSLContext | None) -> None:
    """Serves until standard input ends."""
    loop = asyncio.get_running_loop()
    ports: dict[str, int] = {}
    plain = await loop.create_server(Stub, "0.0.0.0", 0, backlog=BACKLOG)
    ports["http"] = plain.sockets[0].getsockname()[1]
    if context is not None:
        secure = await loop.create_server(Stub, "0.0.0.0", 0, ssl=context, backlog=BACKLOG)
        ports["https"] = secure.sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cert-file")
    parser.add_argument("--key-file")
    given = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    context = None
    if given.cert_file:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(given.cert_file, given.key_file)
    uvloop.run(serve(context))


if __name__ == "__main__":
    main()
