"""Tokens and answers for the tests of the core, each made by one short call."""

from __future__ import annotations

import base64
import json

from monitor.core.model import Reply

NOW = 1_795_000_000.0
DAY = 86_400.0
SIGNATURE = "k3Vd0m9Zt1q-7YwXb2HnLr8sPaEuJf5oCgTi4KxWvQM"


def segment(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def jwt(claims: object, signature: str = SIGNATURE) -> str:
    return f"{segment({'alg': 'HS256', 'typ': 'JWT'})}.{segment(claims)}.{signature}"


def api_key(account: str = "ci", key_id: str = "tm-1", **claims: object) -> str:
    return jwt({"iss": "argocd", "sub": f"{account}:apiKey", "jti": key_id, "iat": int(NOW - DAY), **claims})


def answer(body: object, status: int = 200) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, raw, "application/json")


def error(status: int, code: int, message: str) -> Reply:
    """An error as Argo CD's gateway writes it."""
    return answer({"error": message, "code": code, "message": message}, status)


def refusal(message: str) -> Reply:
    return error(401, 16, message)


def userinfo(username: str = "ci") -> Reply:
    return answer({"loggedIn": True, "username": username, "iss": "argocd"})


def account_page(
    name: str = "ci", *keys: str, enabled: bool = True, capabilities: tuple[str, ...] = ("apiKey",)
) -> Reply:
    page: dict[str, object] = {"name": name, "capabilities": list(capabilities)}
    if enabled:
        page["enabled"] = True
    if keys:
        page["tokens"] = [{"id": key, "issuedAt": str(int(NOW - DAY))} for key in keys]
    return answer(page)


NOT_LOGGED_IN = answer({})
YES = answer({"value": "yes"})
NO = answer({"value": "no"})
LOGIN_PAGE = Reply(200, b"<!doctype html><html><title>Sign in</title></html>", "text/html; charset=utf-8")
FORBIDDEN = error(403, 7, "permission denied: accounts, get, ci")
