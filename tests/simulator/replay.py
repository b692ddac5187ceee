"""Replays a recorded scenario against the simulator: its world, its steps, and what counts as the same answer.

The world is built from the recording itself: the accounts admin, ci and robot; the keys that the first listing of an
account names (or, where nothing is listed, the keys that are used), without those that the scenario makes. What
happened to the real server between two exchanges stands in `STEPS`. The clock follows the times of issue that the
recording shows.

Tokens are mapped by their claims: signed anew with the simulator's key, where the real server had signed them.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import jwt
from monitor.simulator.api import Request, Response, handle, redirect_to_https
from monitor.simulator.rbac import Role
from monitor.simulator.settings import ProjectRole
from monitor.simulator.state import ArgoCDState
from monitor.simulator.wording import Version

from tests.recordings.load import Exchange, Scenario

WORDINGS: dict[str, Version] = {"3.6": "3", "2.8": "2"}
OTHER_KEY = b"the key of another server, long enough"
PASSWORD = "<password>"  # what the recordings put in place of the real one
HOST = "127.0.0.1:18080"
TLS_HOST = "127.0.0.1:18443"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
JWT = re.compile(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]*")

# Keys that the world holds beside those that a listing or a use shows: the scenario deletes them.
GIVEN: dict[str, dict[str, list[str]]] = {
    "delete-token": {"admin": ["made"], "ci": ["ci-4"]},
    "signing-key-changed": {"admin": ["before-rekey"]},
}
# Tokens that are used although their key is gone.
GONE = {"anon-revoked"}
# Requests whose token was not in an Authorization header: label -> label of the exchange that shows the same token.
COOKIES = {
    ("malformed-token", "cookie"): "trailing-tab-account",
    ("logout", "cookie"): "cookie-then-userinfo",
    ("logout", "post-cookie"): "post-cookie-then-userinfo",
    ("logout", "api-key-as-cookie"): "api-key-then-userinfo",
}


class World:
    """A simulator in the state in which the scenario begins, and its clock."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.now = min(_bearer_times(scenario), default=1_795_463_892.0)
        self.tokens: dict[str, str] = {}
        self.state = ArgoCDState(
            clock=lambda: self.now,
            wording=WORDINGS[scenario.version],
            version="v99.99.99+unknown",
            root_path="argocd" if scenario.name == "root-path" else "",
            default_role=Role.READONLY,  # policy.default of the recorded servers
        )
        self.state.create_account("admin", password=PASSWORD, capabilities=["apiKey", "login"])
        self.state.create_account("ci", password=PASSWORD)
        self.state.create_account("robot", capabilities=["apiKey"])
        self.state.create_project("default", {"ci": ProjectRole()})
        self._give_keys()

    def _give_keys(self) -> None:
        made_here = set(_ids_made(self.scenario))
        listed = _listed_keys(self.scenario)
        used: dict[str, dict[str, tuple[int, int]]] = {}
        for claims in _used_claims(self.scenario):
            name, _, capability = claims["sub"].partition(":")
            if capability == "apiKey" and claims["jti"] not in GONE and name not in listed:
                used.setdefault(name, {})[claims["jti"]] = (claims["iat"], claims.get("exp", 0))
        for name, ids in GIVEN.get(self.scenario.name, {}).items():
            for id_ in ids:
                used.setdefault(name, {}).setdefault(id_, (int(self.now), 0))
        for name, keys in [*listed.items(), *used.items()]:
            if self.state.settings.account(name) is None:
                continue  # the ghost
            for id_, (issued_at, expires_at) in sorted(keys.items(), key=lambda item: item[1][0]):
                if id_ not in made_here:
                    begin, self.now = self.now, float(issued_at)
                    self.state.mint_key(name, id_, expires_at - issued_at if expires_at else 0)
                    self.now = max(begin, self.now)

    def answer(self, exchange: Exchange) -> Response:
        """The simulator's answer to the request of that exchange, after the step that comes before it."""
        request = self._request(exchange)
        step = STEPS.get((self.scenario.name, exchange.label))
        if step is not None:
            step(self)
        self.now = max(self.now, *_times_of(exchange), 0.0)
        if exchange.label == "wrong-root-path-on-plain-server":
            return handle(ArgoCDState(clock=lambda: self.now), request)
        if exchange.label == "plain-http-on-tls-port":
            return redirect_to_https(request)
        return handle(self.state, request)

    def _request(self, exchange: Exchange) -> Request:
        headers = {"host": HOST, "accept-encoding": "gzip, deflate"}
        if self.scenario.name == "tls-self-signed":
            headers["host"] = TLS_HOST
        if exchange.request_content_type is not None:
            headers["content-type"] = exchange.request_content_type
        token = exchange.authorization.removeprefix("Bearer ") if exchange.authorization else ""
        if exchange.authorization is not None:
            headers["authorization"] = "Bearer " + self._token(exchange.label, token)
        headers.update(self._unrecorded_headers(exchange.label))
        body = exchange.request_body
        sent = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        return Request(exchange.method, exchange.path, headers, sent)

    def _unrecorded_headers(self, label: str) -> dict[str, str]:
        twin = COOKIES.get((self.scenario.name, label))
        if twin is not None:
            shown = self.scenario.exchange(twin).authorization or ""
            return {"cookie": f"argocd.token={self._token(twin, shown.removeprefix('Bearer ').strip())}"}
        if self.scenario.name != "malformed-token" or label not in {"lowercase-bearer", "no-scheme", "basic"}:
            return {}
        good = self.tokens[next(iter(self.tokens))]
        known = {"lowercase-bearer": f"bearer {good}", "no-scheme": good, "basic": "Basic YWRtaW46YWRtaW4="}
        return {"authorization": known[label]}

    def _token(self, label: str, recorded: str) -> str:
        claims = claims_of(recorded)
        if claims is None or label.startswith("alg-none"):
            return recorded
        if label.startswith("other-key"):
            return jwt.encode(claims, OTHER_KEY, algorithm="HS256", sort_headers=True)
        text = recorded.strip()
        self.tokens.setdefault(text, self.state.sign(claims))
        token = self.tokens[text] + recorded[len(text) :]
        return token[:-6] if label.startswith("truncated") else token


def _after(seconds: float, change: Callable[[ArgoCDState], object]) -> Callable[[World], None]:
    def step(world: World) -> None:
        world.now += seconds
        change(world.state)

    return step


def _fill_logins(world: World) -> None:
    login = json.dumps({"username": "admin", "password": PASSWORD}).encode()
    for _ in range(60):
        handle(world.state, Request("POST", "/api/v1/session", {"content-type": "application/json"}, login))


# What happened to the server before that exchange.
STEPS: dict[tuple[str, str], Callable[[World], None]] = {
    ("account-disabled", "userinfo"): _after(0, lambda state: state.disable_account("ci")),
    ("account-disabled", "after-enabling-again-userinfo"): _after(0, lambda state: state.enable_account("ci")),
    ("account-removed", "userinfo"): _after(0, lambda state: state.remove_account("ci")),
    ("anonymous-enabled", "valid-userinfo"): _after(0, lambda state: state.set_anonymous(Role.NONE)),
    ("api-key-capability-removed", "userinfo"): _after(0, lambda state: state.set_capabilities("ci", "login")),
    ("expired-api-key", "userinfo"): _after(3, lambda _: None),
    ("login-capability-removed", "session-userinfo"): _after(0, lambda state: state.set_capabilities("ci", "apiKey")),
    ("login-overload", "login-75"): _fill_logins,
    ("password-changed", "key-userinfo"): _after(3, lambda state: state.change_password("ci", "another-password")),
    ("signing-key-changed", "right-after-userinfo"): _after(0, lambda state: state.change_signing_key()),
}


def differences(exchange: Exchange, answer: Response) -> list[str]:
    """What a client could tell apart. Not compared: the headers' order, signatures, and what `_normal` names."""
    if exchange.transport_error is not None:
        return [] if answer.broken is not None else ["answered instead of a transport error"]
    found = []
    if answer.status != exchange.status:
        found.append(f"status {answer.status} for {exchange.status}")
    for name in sorted({*exchange.headers, *answer.headers}):
        theirs, ours = exchange.headers.get(name), answer.headers.get(name)
        if _normal_text(theirs or "") != _normal_text(ours or ""):
            found.append(f"{name} {ours!r} for {theirs!r}")
    if _normal_body(answer.body) != _normal_body(exchange.body):
        found.append(f"body {answer.body!r} for {exchange.body!r}")
    return found


def _normal_body(body: bytes) -> object:
    if body.startswith(b"\x1f\x8b"):
        return gzip.decompress(body)  # two compressors write different bytes for one text
    try:
        return _normal(json.loads(body))
    except ValueError:
        return _normal_text(body.decode())


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        # The cluster's own counter, which no client of ours looks at.
        return {key: "*" if key == "resourceVersion" else _normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_normal(item) for item in value]
    return _normal_text(value) if isinstance(value, str) else value


def _normal_text(text: str) -> str:
    """Ids that the server made up become `UUID`; a token becomes its claims."""
    return UUID.sub("UUID", JWT.sub(lambda found: json.dumps(claims_of(found[0])), text))


def claims_of(token: str) -> dict[str, Any] | None:
    """The claims of a token, unverified; None for what is none."""
    try:
        claims: dict[str, Any] = jwt.decode(token.strip(), options={"verify_signature": False})
    except jwt.PyJWTError:
        return None
    return claims


def _used_claims(scenario: Scenario) -> Iterator[dict[str, Any]]:
    for exchange in scenario.exchanges:
        claims = claims_of((exchange.authorization or "").removeprefix("Bearer "))
        if claims is not None:
            yield claims


def _json_body(exchange: Exchange) -> dict[str, Any]:
    try:
        body = json.loads(exchange.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _ids_made(scenario: Scenario) -> Iterator[str]:
    for exchange in scenario.exchanges:
        claims = claims_of(_json_body(exchange).get("token", ""))
        if claims is not None:
            yield claims["jti"]


def _listed_keys(scenario: Scenario) -> dict[str, dict[str, tuple[int, int]]]:
    """Keys by account as the first listing has them, oldest last; made to be given oldest first."""
    listed: dict[str, dict[str, tuple[int, int]]] = {}
    for exchange in scenario.exchanges:
        body = _json_body(exchange)
        for account in body.get("items") or [body]:
            if "name" in account and account["name"] not in listed:
                keys = account.get("tokens", [])
                listed[account["name"]] = {key["id"]: (key["issuedAt"], key.get("expiresAt", 0)) for key in keys}
    return listed


def _times_of(exchange: Exchange) -> list[float]:
    """When the exchange cannot have been earlier."""
    claims = [claims_of((exchange.authorization or "").removeprefix("Bearer "))]
    claims.append(claims_of(_json_body(exchange).get("token", "")))
    return [float(found["iat"]) for found in claims if found is not None]


def _bearer_times(scenario: Scenario) -> list[float]:
    return [time for exchange in scenario.exchanges for time in _times_of(exchange)]
