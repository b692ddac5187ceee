"""Logging in, and making, listing and deleting keys: done, refused or unknown, as real servers answered.

The recordings give the answers that Argo CD has; the simulator gives what they lead to; a scripted server gives those
that nobody should have, and the lost ones. Refused must mean that nothing was changed: all else is unknown.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from monitor.adapters.argocd.client import MAX_ACCOUNT_BODY, MAX_BODY, Endpoint
from monitor.adapters.argocd.connections import Connections
from monitor.adapters.argocd.keys import MAX_TOKEN, ArgoCDKeys
from monitor.adapters.argocd.tls import TlsContexts
from monitor.core.effects import Done, Listed, Minted, Refused, Unknown
from monitor.core.model import Key
from monitor.core.secret import Secret
from monitor.simulator.app import running
from monitor.simulator.faults import Fault, Front
from monitor.simulator.messages import Request, Response
from monitor.simulator.state import ArgoCDState

from tests.adapters.argocd.wire import HOST, Talk, Visit, answer, mute, once, serving
from tests.recordings.load import VERSIONS, Exchange, scenario

CANARY = Secret("eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJ0bS1jYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ")
PASSWORD = Secret("correct horse battery staple")
Outcome = Done | Listed | Minted | Refused | Unknown | None
Call = Callable[[ArgoCDKeys], Awaitable[Outcome]]

CALLS: dict[str, Call] = {
    "login": lambda keys: keys.login("ci", PASSWORD),
    "mint": lambda keys: keys.mint("ci", "tm-1", 3600, CANARY),
    "keys": lambda keys: keys.keys("ci", CANARY),
    "delete": lambda keys: keys.delete("ci", "tm-1", CANARY),
    "logout": lambda keys: keys.logout(CANARY),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
each_version = pytest.mark.parametrize("version", VERSIONS)


@asynccontextmanager
async def keys_of(url: str, timeout: float = 10.0) -> AsyncIterator[ArgoCDKeys]:
    connections = Connections(lambda: 0.0)
    try:
        yield ArgoCDKeys(Endpoint(url, timeout=timeout), connections, TlsContexts())
    finally:
        await connections.close()


class Script:
    """A server with one answer, which remembers what it was asked."""

    def __init__(self, response: Response) -> None:
        self.response = response
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        return self.response


async def after(response: Response, call: Call) -> Outcome:
    """What comes of a call that is answered like that. It is sent once, whatever the answer."""
    script = Script(response)
    async with running(script) as url, keys_of(url) as keys:
        outcome = await call(keys)
    assert len(script.requests) == 1
    return checked(outcome)


def checked(outcome: Outcome) -> Outcome:
    """No outcome shows a secret."""
    shown = repr(outcome)
    assert not any(secret.reveal() in shown for secret in (CANARY, PASSWORD))
    assert "\n" not in shown
    return outcome


def recorded(exchange: Exchange) -> Response:
    return Response(exchange.status, dict(exchange.headers), exchange.body)


def error(status: int, code: int, message: str) -> Response:
    body = json.dumps({"error": message, "code": code, "message": message}).encode()
    return Response(status, {"content-type": "application/json"}, body)


def told(value: object, status: int = 200) -> Response:
    return Response(status, {"content-type": "application/json"}, json.dumps(value).encode())


# --- what real servers answered --------------------------------------------------------------------------------------------

LOGINS: dict[tuple[str, str], type[Outcome] | bool] = {
    ("login", "good"): Minted,
    ("login", "wrong-password"): True,
    ("login", "unknown-user"): True,
    ("login", "empty-username"): True,
    ("login", "empty-password"): True,
    ("login", "no-password-set"): True,
    ("login", "token-in-request"): True,
    ("login", "not-json"): True,
    ("login", "long-username"): True,
    ("login", "form"): False,
    ("login-lockout", "wrong-6"): True,
    ("login-lockout", "right-password-while-locked"): True,
    ("account-disabled", "login"): True,
    ("account-removed", "login"): True,
    ("login-capability-removed", "login"): True,
    ("password-changed", "login-old-password"): True,
    ("password-changed", "login-new-password"): Minted,
    ("api-key-capability-removed", "login"): Minted,
}


@each_version
@pytest.mark.parametrize(("name", "expected"), LOGINS.items(), ids=["/".join(name) for name in LOGINS])
async def test_a_login_is_done_or_counts_as_a_refused_password(
    version: str, name: tuple[str, str], expected: type[Outcome] | bool
) -> None:
    """One such answer proves nothing about the password, and yet each may be one of the five that lock."""
    outcome = await after(recorded(scenario(version, name[0]).exchange(name[1])), CALLS["login"])
    if isinstance(expected, bool):
        assert isinstance(outcome, Refused)
        assert outcome.login is expected
    else:
        assert isinstance(outcome, expected)


async def test_a_login_among_too_many_counts_as_a_refused_password_too() -> None:
    outcome = await after(recorded(scenario("3.6", "login-overload").exchange("login-75")), CALLS["login"])
    assert outcome == Refused("the login of ci was refused: Invalid username or password", login=True)


MINTINGS: dict[tuple[str, str], type[Outcome]] = {
    ("create-token", "plain"): Minted,
    ("create-token", "with-id-and-expiry"): Minted,
    ("create-token", "by-api-key-itself"): Minted,
    ("create-token", "own-token-without-rbac"): Minted,
    ("create-token", "odd-id"): Minted,
    ("create-token", "same-id-again"): Unknown,  # a late answer to our own request, or somebody else's id
    ("create-token", "expiry-as-string"): Refused,
    ("create-token", "no-content-type"): Refused,
    ("create-token", "unknown-account"): Refused,
    ("create-token", "other-account-without-rbac"): Refused,
    ("create-token", "by-revoked"): Refused,
    ("account-disabled", "create-token"): Minted,  # and does not work: what is minted is proven
    ("api-key-capability-removed", "create-token"): Refused,
}


@each_version
@pytest.mark.parametrize(("name", "expected"), MINTINGS.items(), ids=["/".join(name) for name in MINTINGS])
async def test_a_key_is_made_or_not_or_it_is_not_known(
    version: str, name: tuple[str, str], expected: type[Outcome]
) -> None:
    exchange = scenario(version, name[0]).exchange(name[1])
    outcome = await after(recorded(exchange), CALLS["mint"])
    assert isinstance(outcome, expected)
    if isinstance(outcome, Minted):
        assert outcome.token.reveal() == json.loads(exchange.body)["token"]
    elif isinstance(outcome, Refused) and exchange.status != 415:
        assert json.loads(exchange.body)["message"] in outcome.why


DELETIONS: dict[tuple[str, str], type[Outcome]] = {
    ("delete-token", "ok"): Done,
    ("delete-token", "own-without-rbac"): Done,
    ("delete-token", "own-key-deletes-itself"): Done,
    ("delete-token", "unknown-id"): Done,
    ("delete-token", "unknown-account"): Done,
    ("delete-token", "without-rbac"): Refused,
    ("delete-token", "without-content-type"): Refused,
    ("delete-token", "odd-id"): Refused,  # 404 as plain text is "not Argo CD's API", never "no such key"
    ("delete-token", "then"): Refused,
}


@each_version
@pytest.mark.parametrize(("name", "expected"), DELETIONS.items(), ids=["/".join(name) for name in DELETIONS])
async def test_a_key_is_deleted_also_when_there_was_none(
    version: str, name: tuple[str, str], expected: type[Outcome]
) -> None:
    outcome = await after(recorded(scenario(version, name[0]).exchange(name[1])), CALLS["delete"])
    assert isinstance(outcome, expected)


@each_version
async def test_the_keys_of_an_account_are_listed_with_their_times(version: str) -> None:
    exchange = scenario(version, "account-read").exchange("own")
    outcome = await after(recorded(exchange), CALLS["keys"])
    listed = json.loads(exchange.body)["tokens"]
    assert isinstance(outcome, Listed)
    assert outcome.keys == tuple(Key(key["id"], key["issuedAt"], key.get("expiresAt")) for key in listed)
    assert len(outcome.keys) >= 3


async def test_three_hundred_keys_are_listed_and_a_list_that_was_cut_off_is_unknown() -> None:
    """The recording holds the beginning of such a list (15,578 bytes); here it goes on in the same way."""
    cut = scenario("3.6", "many-keys").exchange("account").body
    assert isinstance(await after(Response(200, {}, cut), CALLS["keys"]), Unknown)
    keys = b",".join(b'{"id":"many-1795468476-%d","issuedAt":1795468515}' % number for number in reversed(range(300)))
    outcome = await after(Response(200, {}, cut[: cut.index(b"[{") + 1] + keys + b"]}"), CALLS["keys"])
    assert isinstance(outcome, Listed)
    assert len(outcome.keys) == 300


async def test_the_page_of_another_account_is_no_list() -> None:
    """A proxy that caches: what is not listed there would count as gone here."""
    assert isinstance(await after(told({"name": "admin", "tokens": []}), CALLS["keys"]), Unknown)


LISTINGS: dict[tuple[str, str], tuple[type[Outcome], ...]] = {
    ("revoked-api-key", "account"): (Refused,),
    ("account-disabled", "account"): (Refused,),
    ("account-read", "unknown"): (Refused, Unknown),
    ("account-read", "trailing-slash"): (Refused,),
    ("account-read", "accounts-list"): (Unknown,),
}


@each_version
@pytest.mark.parametrize(("name", "expected"), LISTINGS.items(), ids=["/".join(name) for name in LISTINGS])
async def test_what_is_no_list_is_never_taken_for_an_empty_one(
    version: str, name: tuple[str, str], expected: tuple[type[Outcome], ...]
) -> None:
    """An id that is not listed counts as gone: a list must be one."""
    outcome = await after(recorded(scenario(version, name[0]).exchange(name[1])), CALLS["keys"])
    assert isinstance(outcome, expected)


@pytest.mark.parametrize("name", ["cookie", "bearer", "post-cookie", "delete-session", "api-key-as-cookie"])
async def test_no_answer_to_a_logout_matters(name: str) -> None:
    assert await after(recorded(scenario("3.6", "logout").exchange(name)), CALLS["logout"]) is None


# --- what is sent ----------------------------------------------------------------------------------------------------------


async def sent(call: Call) -> Request:
    script = Script(told({}))
    async with running(script) as url, keys_of(url + "/argocd") as keys:
        await call(keys)
    (request,) = script.requests
    return request


async def test_a_login_sends_the_password_as_json_and_no_token() -> None:
    request = await sent(CALLS["login"])
    assert (request.method, request.target) == ("POST", "/argocd/api/v1/session")
    assert json.loads(request.body) == {"username": "ci", "password": PASSWORD.reveal()}
    assert request.header("content-type") == "application/json"
    assert not request.header("authorization")
    assert not request.header("cookie")


@pytest.mark.parametrize(
    ("expires_in", "expected"), [(3600, {"expiresIn": 3600}), (None, {}), (0, {})], ids=["an hour", "never", "zero"]
)
async def test_the_expiry_of_a_new_key_is_a_number_or_left_out(
    expires_in: int | None, expected: dict[str, int]
) -> None:
    """A text is refused (400), and a negative number makes a key that never expires."""
    request = await sent(lambda keys: keys.mint("ci", "tm-1", expires_in, CANARY))
    assert (request.method, request.target) == ("POST", "/argocd/api/v1/account/ci/token")
    assert json.loads(request.body) == {"name": "ci", "id": "tm-1", **expected}
    assert request.header("authorization") == f"Bearer {CANARY.reveal()}"
    assert request.header("content-type") == "application/json"


async def test_a_deletion_says_that_it_speaks_json() -> None:
    """Without a content type it is refused with 415, body or none."""
    request = await sent(CALLS["delete"])
    assert (request.method, request.target) == ("DELETE", "/argocd/api/v1/account/ci/token/tm-1")
    assert request.header("content-type") == "application/json"


async def test_a_logout_sends_the_session_as_a_cookie_alone() -> None:
    """With a bearer header it is a 400, and `DELETE /api/v1/session` ends nothing."""
    request = await sent(CALLS["logout"])
    assert (request.method, request.target) == ("POST", "/argocd/auth/logout")
    assert request.header("cookie") == f"argocd.token={CANARY.reveal()}"
    assert not request.header("authorization")


@pytest.mark.parametrize("call", ["keys", "mint", "delete"])
async def test_names_from_outside_stay_one_part_of_the_path(call: str) -> None:
    name, key_id = "../admin?x=/#", "a/../b c"
    calls: dict[str, Call] = {
        "keys": lambda keys: keys.keys(name, CANARY),
        "mint": lambda keys: keys.mint(name, key_id, None, CANARY),
        "delete": lambda keys: keys.delete(name, key_id, CANARY),
    }
    account = "/argocd/api/v1/account/..%2Fadmin%3Fx%3D%2F%23"
    paths = {"keys": account, "mint": f"{account}/token", "delete": f"{account}/token/a%2F..%2Fb%20c"}
    assert (await sent(calls[call])).target == paths[call]


# --- what it leads to ------------------------------------------------------------------------------------------------------


@pytest.fixture
def argocd() -> ArgoCDState:
    state = ArgoCDState(login_seconds=(0.0, 0.0))
    state.create_account("ci", password=PASSWORD.reveal())
    return state


async def test_the_whole_way_of_a_key(argocd: ArgoCDState) -> None:
    async with running(argocd) as url, keys_of(url) as keys:
        session = await keys.login("ci", PASSWORD)
        assert isinstance(session, Minted)
        first = await keys.mint("ci", "tm-1", 3600, session.token)
        assert isinstance(first, Minted)
        second = await keys.mint("ci", "tm-2", None, first.token)
        assert isinstance(second, Minted)
        listed = await keys.keys("ci", second.token)
        assert isinstance(listed, Listed)
        assert {(key.id, key.expires_at is None) for key in listed.keys} == {("tm-1", False), ("tm-2", True)}
        assert await keys.delete("ci", "tm-1", second.token) == Done()
        assert await keys.delete("ci", "tm-1", second.token) == Done()
        assert isinstance(await keys.keys("ci", first.token), Refused)
        await keys.logout(session.token)
        assert isinstance(await keys.keys("ci", session.token), Refused)
        await keys.logout(second.token)
        assert isinstance(await keys.keys("ci", second.token), Listed), "a key without an end is not logged out"


@pytest.mark.parametrize("as_text", [False, True], ids=["numbers", "texts"])
async def test_times_come_as_numbers_or_as_texts(argocd: ArgoCDState, as_text: bool) -> None:
    argocd.numbers_as_text = as_text
    token = Secret(argocd.mint_key("ci", "tm-1", 3600))
    async with running(argocd) as url, keys_of(url) as keys:
        listed = await keys.keys("ci", token)
    assert isinstance(listed, Listed)
    (key,) = listed.keys
    assert key.issued_at is not None
    assert key.expires_at == key.issued_at + 3600


async def test_a_wrong_password_locks_nobody_out_by_one_call(argocd: ArgoCDState) -> None:
    async with running(argocd) as url, keys_of(url) as keys:
        for _ in range(4):
            outcome = await keys.login("ci", Secret("wrong"))
            assert isinstance(outcome, Refused)
            assert outcome.login
        assert isinstance(await keys.login("ci", PASSWORD), Minted), "four calls are four attempts"


async def test_a_login_may_take_longer_than_a_check(argocd: ArgoCDState) -> None:
    """Argo CD makes each one wait 0.5 to 1 s on purpose, and more when it is busy."""
    slow = ArgoCDState(login_seconds=(0.2, 0.2))
    slow.create_account("ci", password=PASSWORD.reveal())
    async with running(slow) as url, keys_of(url, timeout=0.1) as keys:
        assert isinstance(await keys.login("ci", PASSWORD), Minted)


async def test_another_account_is_refused_without_rights(argocd: ArgoCDState) -> None:
    token = Secret(argocd.mint_key("ci", "tm-1"))
    argocd.set_capabilities("admin", "login", "apiKey")
    async with running(argocd) as url, keys_of(url) as keys:
        assert isinstance(await keys.mint("admin", "tm-2", None, token), Refused)
        assert isinstance(await keys.delete("admin", "tm-2", token), Refused)
        assert not isinstance(await keys.keys("admin", token), Listed)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault.SERVER_ERROR, Unknown),
        (Fault.UNAVAILABLE, Unknown),
        (Fault.THROTTLED, Refused),
        (Fault.LOGIN_PAGE, Unknown),
        (Fault.REDIRECT_302, Refused),
        (Fault.REDIRECT_307, Refused),
        (Fault.REFUSED, Unknown),
    ],
)
@every_call
async def test_what_stands_between_us_and_argocd_is_never_done(
    argocd: ArgoCDState, call: Call, fault: Fault, expected: type[Outcome]
) -> None:
    async with running(Front(argocd, fault)) as url, keys_of(url) as keys:
        outcome = checked(await call(keys))
    if outcome is not None:
        assert isinstance(outcome, expected)
        assert not getattr(outcome, "login", False), "nobody looked at the password"


# --- answers that nobody should have ---------------------------------------------------------------------------------------

NONSENSE = {
    "an empty object": told({}),
    "a list": told([]),
    "null": told(None),
    "nothing": Response(200),
    "no json": Response(200, {"content-type": "application/json"}, b"{"),
    "a page": Response(200, {"content-type": "text/html"}, b"<html></html>"),
    "a token that is a number": told({"token": 5}),
    "an empty token": told({"token": ""}),
    "a token of two lines": told({"token": "a.b\nc"}),
    "a token beyond ASCII": told({"token": "a.b.\u00e9"}),
    "a token that is too long": told({"token": "x" * (MAX_TOKEN + 1)}),
    "two tokens": Response(200, {}, b'{"token":"a.b.c","token":"d.e.f"}'),
    "a token with 201": told({"token": "a.b.c"}, 201),
    "a token with 500": told({"token": "a.b.c"}, 500),
    "a code without words": told({"code": 2}, 500),
    "too much": Response(200, {}, b"[" + b" " * MAX_ACCOUNT_BODY + b"]"),
}


@pytest.mark.parametrize("response", NONSENSE.values(), ids=NONSENSE)
@pytest.mark.parametrize("call", ["login", "mint", "keys"])
async def test_nonsense_is_unknown(call: str, response: Response) -> None:
    assert isinstance(await after(response, CALLS[call]), Unknown)


@pytest.mark.parametrize("response", [told([]), Response(200), NONSENSE["a page"], told({}, 500)], ids=str)
async def test_only_an_object_with_200_means_deleted(response: Response) -> None:
    assert isinstance(await after(response, CALLS["delete"]), Unknown)


async def test_the_largest_answers_are_taken() -> None:
    assert isinstance(await after(told({"token": "x" * MAX_TOKEN}), CALLS["mint"]), Minted)
    keys = [{"id": f"tm-{number}", "issuedAt": 1} for number in range(MAX_ACCOUNT_BODY // 40)]
    outcome = await after(told({"name": "ci", "tokens": keys}), CALLS["keys"])
    assert isinstance(outcome, Listed)
    assert len(outcome.keys) == len(keys)
    assert MAX_BODY < MAX_ACCOUNT_BODY


@pytest.mark.parametrize("status", [401, 403])
@every_call
async def test_a_proxy_that_refuses_says_nothing_about_password_and_key(call: Call, status: int) -> None:
    """Only Argo CD's own errors have a numeric code and words."""
    outcome = await after(told({"message": "access denied"}, status), call)
    assert outcome is None or isinstance(outcome, Unknown)


async def test_an_error_of_argocd_is_told_in_its_own_words_made_harmless() -> None:
    outcome = await after(error(403, 7, "permission \x1b[31mdenied\n\u202e" + "x" * 10_000), CALLS["mint"])
    assert isinstance(outcome, Refused)
    assert outcome.why.startswith("Argo CD made no key for account ci: permission \\x1b[31mdenied\\n\\u202exxx")
    assert len(outcome.why) < 400


# --- lost answers ----------------------------------------------------------------------------------------------------------


async def reset(visit: Visit) -> None:
    await visit.request()
    visit.reset()


LOST: dict[str, Talk] = {
    "reset": reset,
    "hung up": once(b""),
    "half a body": once(answer(b'{"token":"a.b.c"}')[:-5]),
    "no http": once(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "no answer": mute,
}


@pytest.mark.parametrize("talk", LOST.values(), ids=LOST)
@every_call
async def test_a_lost_answer_is_unknown_and_nothing_is_sent_again(
    call: Call, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.adapters.argocd.keys.LOGIN_DEADLINE", 0.3)
    async with serving(talk) as server, keys_of(server.url, timeout=0.3) as keys:
        outcome = checked(await call(keys))
        assert (server.connections, len(server.requests)) == (1, 1)
    if outcome is not None:
        assert isinstance(outcome, Unknown)
        assert outcome.why.startswith("the answer was lost: ")


@every_call
async def test_without_a_connection_nothing_was_sent_and_it_is_refused(call: Call) -> None:
    async with serving(mute) as server:
        url = server.url
    async with keys_of(url) as keys:
        outcome = checked(await call(keys))
    if outcome is not None:
        assert isinstance(outcome, Refused)
        assert outcome.why.startswith("no connection: refused")
        assert not outcome.login


@every_call
async def test_a_name_that_is_no_host_name_is_refused_without_an_exception(call: Call) -> None:
    async with keys_of(f"http://{'a' * 64}.example") as keys:
        outcome = checked(await call(keys))
    assert outcome is None or isinstance(outcome, Refused)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@every_call
async def test_neither_password_nor_token_follows_a_redirect(call: Call, status: int) -> None:
    elsewhere = Script(told({"token": "a.b.c"}))
    async with running(elsewhere) as target:
        await after(Response(status, {"location": f"{target}/"}), call)
    assert elsewhere.requests == []


async def test_each_call_has_a_connection_of_its_own_and_keeps_no_cookie() -> None:
    cookie = "Set-Cookie: argocd.token=stolen; Path=/"

    async def talk(visit: Visit) -> None:
        while await visit.request():
            await visit.send(answer(b"{}", cookie))

    async with serving(talk) as server, keys_of(server.url.replace(HOST, "localhost")) as keys:
        for call in CALLS.values():
            await call(keys)
        await server.quiet()
    assert server.connections == len(CALLS)
    assert not any("stolen" in request for request in server.requests)


async def test_a_call_that_is_cancelled_leaves_no_connection() -> None:
    async with serving(mute) as server, keys_of(server.url) as keys:
        calling = asyncio.create_task(keys.mint("ci", "tm-1", None, CANARY))
        async with asyncio.timeout(5):
            while not server.requests:
                await asyncio.sleep(0)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        await server.quiet()
