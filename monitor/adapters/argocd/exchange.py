"""One GET over one connection of aiohttp's pool: its connector and its parser, without its session between them.

Two thirds of what a request costs in aiohttp is general: redirects, cookies, proxies, bodies, middlewares, none of
which a check has (docs/benchmark.md). What decides about safety stays aiohttp's: names, TLS, the pool and its bounds,
and the parser with its limits. This module writes the request, waits for the answer, and gives the connection back.
"""

from __future__ import annotations

from dataclasses import dataclass
from ssl import SSLContext

import aiohttp
from aiohttp import ClientRequest
from aiohttp.hdrs import CONTENT_LENGTH
from aiohttp.streams import StreamReader
from multidict import CIMultiDictProxy
from yarl import URL

MAX_HEADERS = 100
MAX_HEADER_BYTES = 8190
# So much of a body may wait to be read; then the server has to wait.
BUFFER = 64 * 1024
# The deadline is around the whole of a question; nothing in it has one of its own.
NO_TIMEOUT = aiohttp.ClientTimeout(total=None)
ACCEPTED = "Accept: application/json\r\nAccept-Encoding: identity\r\nUser-Agent: token-monitor\r\n"


class Destination(ClientRequest):
    """Where to connect to, as aiohttp's connector takes it: a request without all that makes it dear to have."""

    def __init__(self, url: URL, context: SSLContext | bool, server_hostname: str | None) -> None:
        self.url = self.original_url = url
        self.method = "GET"
        self.server_hostname = server_hostname
        self.proxy = self.proxy_auth = self.proxy_headers = None
        self._ssl = context


@dataclass(frozen=True, slots=True)
class Received:
    """An answer. body: None when it was longer than the limit."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes | None


def head_of(url: URL, host: str | None) -> str:
    """The request up to its token. host: the Host header, where it is not that of the URL."""
    head = f"GET {url.raw_path_qs} HTTP/1.1\r\nHost: {host or url.host_port_subcomponent}\r\n{ACCEPTED}"
    _refuse_what_splits(url.raw_path_qs, host or "")
    return f"{head}Authorization: Bearer "


async def exchange(
    connector: aiohttp.BaseConnector, destination: Destination, head: str, token: str, limit: int, *, last: bool
) -> Received:
    """Asks and waits for the whole answer. last: the connection is not to be used again.

    Raises what aiohttp raises: ClientError, and `HttpProcessingError` for what is no HTTP.
    """
    _refuse_what_splits(token)
    connection = await connector.connect(destination, [], NO_TIMEOUT)
    try:
        protocol = connection.protocol
        transport = None if protocol is None else protocol.transport
        if protocol is None or transport is None or transport.is_closing():
            raise aiohttp.ServerDisconnectedError
        protocol.set_response_params(
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=BUFFER,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
        )
        end = "\r\nConnection: close\r\n\r\n" if last else "\r\n\r\n"
        transport.write(f"{head}{token}{end}".encode("ascii"))
        message, content = await protocol.read()
        while 100 <= message.code <= 199 and message.code != 101:  # interim answers, as many as fit into the deadline
            message, content = await protocol.read()
        body = await bounded(content, message.headers.get(CONTENT_LENGTH, ""), limit)
    except BaseException:
        connection.close()
        raise
    if body is None:
        connection.close()
    else:
        connection.release()  # which closes what said more than its answer, or wants to be closed
    return Received(message.code, message.headers, body)


async def bounded(content: StreamReader, length: str, limit: int) -> bytes | None:
    """The whole body, or None when it is longer than `limit`. length: what the server says, digits or nothing."""
    if length.isdigit() and (len(length) > 18 or int(length) > limit):
        return None
    chunks: list[bytes] = []
    size = 0
    while chunk := await content.readany():
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _refuse_what_splits(*parts: str) -> None:
    """A line end would make two requests of one. What is refused is not shown: it may be the token."""
    for part in parts:
        if not (part.isascii() and part.isprintable()):
            raise ValueError("a request cannot carry line ends, control characters or characters outside ASCII")
