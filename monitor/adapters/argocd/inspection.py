"""A look at an Argo CD's address for `doctor`: name, connection, certificate, and what answers there. No token is sent.

A certificate that does not count is described all the same. Python only takes apart a certificate that it trusts, so a
second connection trusts the very one that the first one showed.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from monitor.adapters.argocd.client import Endpoint, bounded_body
from monitor.adapters.argocd.connections import Connections
from monitor.adapters.argocd.faults import to_fault
from monitor.adapters.argocd.tls import UNUSABLE, TlsContexts, unusable_fault
from monitor.core.doctor import CertificateFacts, ServerFacts
from monitor.core.model import Fault, FaultKind
from monitor.core.text import printable

VERSION = "/api/version"
MAX_BODY = 64 * 1024
MAX_WORDS = 100
MAX_NAMES = 20
# X509_V_FLAG_NO_CHECK_TIME (openssl/x509_vfy.h): an expired certificate is to be described, too.
NO_CHECK_TIME = 0x200000


class ServerInspection:
    """Looks at one server. Never raises for what the network or the server does."""

    def __init__(self, endpoint: Endpoint, connections: Connections, contexts: TlsContexts) -> None:
        self._endpoint = endpoint
        self._connections = connections
        self._contexts = contexts
        parts = urlsplit(endpoint.base)
        self._tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)

    async def inspect(self) -> ServerFacts:
        """Each step has the target's own deadline."""
        facts = ServerFacts(self._endpoint.base, verified=not self._endpoint.trust.insecure)
        try:
            async with asyncio.timeout(self._endpoint.timeout):
                found = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError) as error:
            fault = to_fault(error)
            return replace(
                facts, fault=fault if fault.kind is FaultKind.TIMEOUT else Fault(FaultKind.DNS, fault.detail)
            )
        facts = replace(facts, addresses=tuple(dict.fromkeys(str(address[4][0]) for address in found)))
        if self._tls:
            facts = await self._with_certificate(facts)
        return facts if facts.fault is not None else await self._with_answer(facts)

    async def _with_certificate(self, facts: ServerFacts) -> ServerFacts:
        try:
            context = self._contexts.get(self._endpoint.trust)
        except UNUSABLE as error:
            return replace(facts, fault=unusable_fault(self._endpoint.trust, error))
        shown = await self._shown(context)
        if isinstance(shown, Fault):
            # Without a check, to see what there is.
            unchecked = await self._shown(_unchecked())
            described = await self._described(unchecked[0]) if not isinstance(unchecked, Fault) else None
            return replace(facts, fault=shown, certificate=described)
        raw, details = shown
        return replace(facts, certificate=_certificate(details) if details else await self._described(raw))

    async def _described(self, raw: bytes) -> CertificateFacts | None:
        context = _unchecked()
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | NO_CHECK_TIME
        try:
            context.load_verify_locations(cadata=raw)
        except (ssl.SSLError, ValueError):
            return None
        shown = await self._shown(context)
        return None if isinstance(shown, Fault) or not shown[1] else _certificate(shown[1])

    async def _shown(self, context: ssl.SSLContext) -> tuple[bytes, Mapping[str, Any]] | Fault:
        """The server's certificate, and its details where the context checks it."""
        try:
            async with asyncio.timeout(self._endpoint.timeout):
                _, writer = await asyncio.open_connection(
                    self._host, self._port, ssl=context, server_hostname=self._endpoint.server_name or self._host
                )
        except (OSError, TimeoutError, UnicodeError, ValueError) as error:
            return to_fault(error)
        found: ssl.SSLObject = writer.get_extra_info("ssl_object")
        raw, details = found.getpeercert(binary_form=True) or b"", found.getpeercert() or {}
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()
        return raw, details

    async def _with_answer(self, facts: ServerFacts) -> ServerFacts:
        url = URL(self._endpoint.base + VERSION, encoded=True)
        try:
            context = self._contexts.get(self._endpoint.trust) if self._tls else False
            async with (
                asyncio.timeout(self._endpoint.timeout),
                self._connections.fresh().get(
                    url, allow_redirects=False, ssl=context, server_hostname=self._endpoint.server_name
                ) as response,
            ):
                body = await bounded_body(response, MAX_BODY)
        except (aiohttp.ClientError, OSError, TimeoutError, UnicodeError) as error:
            return replace(facts, fault=to_fault(error))
        return replace(
            facts,
            status=response.status,
            content_type=printable(response.headers.get("Content-Type", ""), MAX_WORDS).lower(),
            location=printable(response.headers.get("Location", ""), 300),
            version=_version(response.status, body),
        )


def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _version(status: int, body: bytes | None) -> str | None:
    """`{"Version": "v3.6.0"}`, as only Argo CD says it; those who are not signed in get no more."""
    if status != 200 or body is None:
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    version = value.get("Version") if isinstance(value, dict) else None
    return printable(version, MAX_WORDS) if isinstance(version, str) and version else None


def _certificate(details: Mapping[str, Any]) -> CertificateFacts:
    """What `ssl` makes of a certificate, in our terms."""
    names = tuple(printable(str(value), MAX_WORDS) for _, value in details.get("subjectAltName", ())[:MAX_NAMES])
    not_after = details.get("notAfter")
    return CertificateFacts(
        subject=_name(details.get("subject", ())),
        issuer=_name(details.get("issuer", ())),
        names=names,
        not_after=float(ssl.cert_time_to_seconds(str(not_after))) if not_after else None,
    )


def _name(parts: Sequence[Sequence[tuple[str, str]]]) -> str:
    """`CN=argocd, O=Argo CD`: a common name first, else all of it."""
    pairs = [(key, value) for part in parts for key, value in part]
    common = [value for key, value in pairs if key == "commonName"]
    text = common[0] if common else ", ".join(f"{key}={value}" for key, value in pairs)
    return printable(text, MAX_WORDS) or "(without a name)"
