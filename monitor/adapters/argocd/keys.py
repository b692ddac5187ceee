"""Logging in, and making and deleting API keys: the calls that change something inside Argo CD.

Each is sent once, over a fresh connection, and never repeated by itself. What comes back is told as done, refused
(nothing was changed) or unknown (it may have been), after the recordings create-token, delete-token, login, logout.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from http.cookies import SimpleCookie
from ssl import SSLError
from typing import Literal
from urllib.parse import quote

import aiohttp
from yarl import URL

from monitor.adapters.argocd.client import MAX_ACCOUNT_BODY, MAX_BODY, Endpoint, bounded_body
from monitor.adapters.argocd.connections import Connections
from monitor.adapters.argocd.faults import to_fault
from monitor.adapters.argocd.tls import UNUSABLE, TlsContexts, unusable_fault
from monitor.core.answers import CODE_NOT_FOUND, json_object, read_account, read_error
from monitor.core.effects import Done, Listed, Minted, Refused, Unknown
from monitor.core.model import Fault, Reply
from monitor.core.secret import Secret

MAX_TOKEN = 16 * 1024
COOKIE = "argocd.token"
# A login takes 0.5 to 1 s on purpose, more when several are under way (recording login-overload).
LOGIN_DEADLINE = 20.0


class ArgoCDKeys:
    """The keys of accounts of one server."""

    def __init__(self, endpoint: Endpoint, connections: Connections, contexts: TlsContexts) -> None:
        self._endpoint = endpoint
        self._connections = connections
        self._contexts = contexts

    async def login(self, username: str, password: Secret) -> Minted | Refused | Unknown:
        """Opens a session. One refusal proves nothing about the password (recording login-lockout), yet counts."""
        body = {"username": username, "password": password.reveal()}
        reply = await self._send("POST", "/api/v1/session", body=body, deadline=LOGIN_DEADLINE)
        if not isinstance(reply, Reply):
            return reply
        if (token := _token(reply)) is not None:
            return Minted(token)
        error = read_error(reply)
        if error is not None and reply.status in (400, 401, 403):
            return Refused(f"the login of {username} was refused: {error.message}", login=True)
        return _unexpected(reply, "the login")

    async def logout(self, session: Secret) -> None:
        """Ends a session: only the cookie does (recording logout)."""
        cookie: SimpleCookie = SimpleCookie()
        cookie[COOKIE] = session.reveal()
        await self._send("POST", "/auth/logout", cookie=f"{COOKIE}={cookie[COOKIE].coded_value}")

    async def mint(
        self, account: str, key_id: str, expires_in: int | None, token: Secret
    ) -> Minted | Refused | Unknown:
        """Creates a key. A server error may hide a key that was made: unknown, and the list decides."""
        body = {"name": account, "id": key_id, **({"expiresIn": expires_in} if expires_in else {})}
        reply = await self._send("POST", f"{_account(account)}/token", token=token, body=body)
        if not isinstance(reply, Reply):
            return reply
        if (minted := _token(reply)) is not None:
            return Minted(minted)
        error = read_error(reply)
        if error is not None and (reply.status in (400, 401, 403, 404) or "apiKey capability" in error.message):
            return Refused(f"Argo CD made no key for account {account}: {error.message}")
        return _unexpected(reply, "the new key")

    async def keys(self, account: str, token: Secret) -> Listed | Refused | Unknown:
        """Every key of the account that was not deleted."""
        reply = await self._send("GET", _account(account), token=token, limit=MAX_ACCOUNT_BODY)
        if not isinstance(reply, Reply):
            return reply
        page = read_account(reply)
        if page is not None and page.name == account:
            return Listed(page.keys)
        if page is not None:
            return Unknown(f"another account's page came for {account}: see whether a proxy caches answers")
        error = read_error(reply)
        if error is not None and reply.status in (401, 403, 404):
            return Refused(f"the account {account} could not be read: {error.message}")
        return _unexpected(reply, f"reading the account {account}")

    async def delete(self, account: str, key_id: str, token: Secret) -> Done | Refused | Unknown:
        """Deletes a key; a key that is not there is done (recording delete-token)."""
        reply = await self._send("DELETE", f"{_account(account)}/token/{quote(key_id, safe='')}", token=token)
        if not isinstance(reply, Reply):
            return reply
        error = read_error(reply)
        if reply.status == 200 and json_object(reply.body) is not None:
            return Done()
        if error is not None and error.code == CODE_NOT_FOUND:
            return Done()
        if error is not None and reply.status in (400, 401, 403):
            return Refused(f"the key {key_id} was not deleted: {error.message}")
        return _unexpected(reply, f"deleting the key {key_id}")

    async def _send(
        self,
        method: Literal["GET", "POST", "DELETE"],
        path: str,
        *,
        token: Secret | None = None,
        cookie: str | None = None,
        body: Mapping[str, object] | None = None,
        limit: int = MAX_BODY,
        deadline: float | None = None,
    ) -> Reply | Refused | Unknown:
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token.reveal()}"
        if cookie is not None:
            headers["Cookie"] = cookie
        url = URL(self._endpoint.base + path, encoded=True)
        try:
            context = self._contexts.get(self._endpoint.trust) if url.scheme == "https" else False
        except UNUSABLE as error:
            return _not_sent(unusable_fault(self._endpoint.trust, error))
        try:
            async with (
                asyncio.timeout(deadline or self._endpoint.timeout),
                self._connections.fresh().request(
                    method,
                    url,
                    headers=headers,
                    data=json.dumps(body).encode() if body is not None else None,
                    allow_redirects=False,
                    ssl=context,
                    server_hostname=self._endpoint.server_name,
                ) as response,
            ):
                content = await bounded_body(response, limit)
                if content is None:
                    return Unknown(f"the answer is larger than {limit} bytes")
                return Reply(response.status, content)
        except (aiohttp.ClientConnectorError, SSLError, UnicodeError) as error:
            return _not_sent(to_fault(error))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            fault = to_fault(error)
            return Unknown(f"the answer was lost: {fault.kind} {fault.detail}".rstrip())


def _not_sent(fault: Fault) -> Refused:
    return Refused(f"no connection: {fault.kind} {fault.detail}".rstrip())


def _account(name: str) -> str:
    return f"/api/v1/account/{quote(name, safe='')}"


def _token(reply: Reply) -> Secret | None:
    found = json_object(reply.body) if reply.status == 200 else None
    value = found.get("token") if found else None
    if isinstance(value, str) and 0 < len(value) <= MAX_TOKEN and value.isascii() and value.isprintable():
        return Secret(value)
    return None


def _unexpected(reply: Reply, what: str) -> Refused | Unknown:
    if 300 <= reply.status < 400 or reply.status in (404, 405, 415, 429):
        return Refused(f"{what} did not reach Argo CD (HTTP {reply.status})")
    return Unknown(f"what came of {what} is not known (HTTP {reply.status})")
