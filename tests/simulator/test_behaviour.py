"""What the recordings do not show: arithmetic of the lock-out, lagging replicas, switches, and the order of checks."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from monitor.simulator.api import Request, Response, handle
from monitor.simulator.faults import Fault, Front
from monitor.simulator.messages import Broken
from monitor.simulator.rbac import Policy, Role
from monitor.simulator.settings import ProjectRole
from monitor.simulator.state import ArgoCDState
from monitor.simulator.wording import Version

START = 1_800_000_000.0
USERINFO = "/api/v1/session/userinfo"
OWN_ACCOUNT = "/api/v1/account/ci"
PASSWORD = "right-password"


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def installation(clock: Clock, **options: Any) -> ArgoCDState:
    state = ArgoCDState(clock=clock, seed=1, **options)
    state.create_account("ci", password=PASSWORD)
    return state


@pytest.fixture
def state(clock: Clock) -> ArgoCDState:
    return installation(clock)


def ask(
    state: ArgoCDState, method: str, target: str, token: str = "", body: object = None, replica: int = 0
) -> Response:
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    sent = b"" if body is None else json.dumps(body).encode()
    return handle(state, Request(method, target, headers, sent), replica)


def get(state: ArgoCDState, target: str, token: str = "", replica: int = 0) -> Any:
    return json.loads(ask(state, "GET", target, token, replica=replica).body)


def is_accepted(state: ArgoCDState, token: str, replica: int = 0) -> bool:
    return get(state, USERINFO, token, replica).get("loggedIn") is True


def reason(state: ArgoCDState, token: str) -> str:
    answer = ask(state, "GET", OWN_ACCOUNT, token)
    assert answer.status == 401
    text: str = json.loads(answer.body)["message"]
    return text.removeprefix("invalid session: ")


def log_in(state: ArgoCDState, password: str = PASSWORD, name: str = "ci", replica: int = 0) -> Response:
    return ask(state, "POST", "/api/v1/session", body={"username": name, "password": password}, replica=replica)


# --- the lock-out ------------------------------------------------------------------------------------------------


def test_four_failures_do_not_lock_and_a_success_clears_them(state: ArgoCDState) -> None:
    for _ in range(4):
        assert log_in(state, "wrong").status == 401
    assert log_in(state).status == 200
    assert state.gates[0].failures("ci") == 0


def test_five_failures_lock_the_right_password_out_until_more_than_300_seconds_are_over(
    state: ArgoCDState, clock: Clock
) -> None:
    for _ in range(5):
        log_in(state, "wrong")
    clock.now += 300
    refused = log_in(state)
    assert (refused.status, json.loads(refused.body)["message"]) == (401, "Invalid username or password")
    clock.now += 1
    assert log_in(state).status == 200


def test_an_attempt_while_locked_is_not_counted(state: ArgoCDState, clock: Clock) -> None:
    for _ in range(5):
        log_in(state, "wrong")
    clock.now += 200
    log_in(state, "wrong")
    assert state.gates[0].failures("ci") == 5
    clock.now += 101
    assert log_in(state).status == 200


def test_failures_older_than_the_window_are_forgotten(state: ArgoCDState, clock: Clock) -> None:
    for _ in range(4):
        log_in(state, "wrong")
    clock.now += 301
    log_in(state, "wrong")
    assert state.gates[0].failures("ci") == 1


def test_each_failure_keeps_the_window_open(state: ArgoCDState, clock: Clock) -> None:
    for _ in range(5):
        assert log_in(state, "wrong").status == 401
        clock.now += 299
    assert json.loads(log_in(state).body)["code"] == 16


def test_the_lock_out_belongs_to_one_replica(clock: Clock) -> None:
    state = installation(clock, replica_lags=(0.0, 0.0))
    for _ in range(5):
        log_in(state, "wrong", replica=0)
    assert log_in(state, replica=0).status == 401
    assert log_in(state, replica=1).status == 200


def test_the_right_password_of_a_disabled_account_is_neither_counted_nor_let_in(state: ArgoCDState) -> None:
    state.disable_account("ci")
    answer = log_in(state)
    assert json.loads(answer.body)["message"] == "Account ci is disabled"
    assert state.gates[0].failures("ci") == 0


def test_unknown_names_are_counted_like_known_ones(state: ArgoCDState) -> None:
    log_in(state, name="nobody")
    assert state.gates[0].failures("nobody") == 1


def test_the_fifty_first_login_at_once_is_refused_without_waiting(state: ArgoCDState, clock: Clock) -> None:
    answers = [log_in(state) for _ in range(51)]
    assert [answer.status for answer in answers].count(200) == 50
    assert answers[-1].delay == 0
    clock.now += 1.0
    assert log_in(state).status == 200


def test_every_checked_login_waits_between_half_a_second_and_one(state: ArgoCDState) -> None:
    delays = [log_in(state, password).delay for password in (PASSWORD, "wrong", "wrong", PASSWORD)]
    assert all(0.5 <= delay <= 1.0 for delay in delays)
    assert len(set(delays)) == 4


# --- replicas ----------------------------------------------------------------------------------------------------


def test_a_lagging_replica_accepts_a_revoked_key_until_it_has_caught_up(clock: Clock) -> None:
    state = installation(clock, replica_lags=(0.0, 3.0))
    token = state.mint_key("ci", "tm-1")
    clock.now += 10
    state.revoke_key("ci", "tm-1")
    clock.now += 2.9
    assert not is_accepted(state, token, replica=0)
    assert is_accepted(state, token, replica=1)
    clock.now += 0.1
    assert not is_accepted(state, token, replica=1)


def test_a_replica_sees_its_own_writes_at_once(clock: Clock) -> None:
    state = installation(clock, replica_lags=(0.0, 3.0))
    clock.now += 10
    session = state.open_session("ci")
    minted = ask(state, "POST", f"{OWN_ACCOUNT}/token", session, {"id": "tm-1"}, replica=1)
    token = json.loads(minted.body)["token"]
    assert is_accepted(state, token, replica=1)


def test_a_replica_whose_watch_is_dead_sees_no_change_until_it_writes_itself_or_is_replaced(clock: Clock) -> None:
    state = installation(clock, replica_lags=(0.0, 0.0))
    token = state.mint_key("ci", "tm-1")
    state.stick(1)
    state.revoke_key("ci", "tm-1")
    clock.now += 90 * 86_400
    assert [is_accepted(state, token, replica=number) for number in range(state.replicas)] == [False, True]
    state.mint_key("ci", "tm-2", replica=1)
    assert not is_accepted(state, token, replica=1), "Argo CD reads anew after a write of its own"
    for mend in (lambda: state.unstick(1), lambda: state.restart(0.0)):
        token = state.mint_key("ci")
        state.stick(1)
        state.disable_account("ci")
        assert is_accepted(state, token, replica=1)
        mend()
        assert not is_accepted(state, token, replica=1)
        state.enable_account("ci")


def test_the_address_of_a_pod_leads_to_its_replica_whatever_the_service_s_does(clock: Clock) -> None:
    state = installation(clock, replica_lags=(0.0, 0.0), choose_replica=lambda: 0)
    state.stick(1)
    request = Request("GET", USERINFO, {"authorization": f"Bearer {state.mint_key('ci', 'tm-1')}"})
    fronts = (Front(state), Front(state, replica=0), Front(state, replica=1), Front(state, Fault.HANG, replica=0))
    assert [front(request).body for front in fronts[:3]] == [front(request).body for front in (fronts[0],) * 2] + [
        b"{}"
    ]
    assert fronts[3](request).broken is Broken.HANG


def test_requests_go_where_the_chooser_sends_them(clock: Clock) -> None:
    turns = iter([1, 0])
    state = installation(clock, replica_lags=(0.0, 3.0), choose_replica=lambda: next(turns))
    token = state.mint_key("ci", "tm-1")
    request = Request("GET", USERINFO, {"authorization": f"Bearer {token}"})
    assert [json.loads(handle(state, request).body) for _ in range(2)] == [
        {},
        {"loggedIn": True, "username": "ci", "iss": "argocd"},
    ]


def test_a_clock_that_is_put_back_leaves_the_newest_settings_in_force(state: ArgoCDState, clock: Clock) -> None:
    state.disable_account("ci")
    clock.now -= 3600
    assert log_in(state).status == 401


# --- switches of the whole server --------------------------------------------------------------------------------


def test_without_authentication_nobody_is_anybody_and_everybody_may_do_everything(state: ArgoCDState) -> None:
    token = state.mint_key("ci", "tm-1")
    state.disable_authentication()
    for presented in (token, "not-a-jwt", ""):
        assert get(state, USERINFO, presented) == {}
        assert get(state, OWN_ACCOUNT, presented)["name"] == "ci"
        assert get(state, "/api/v1/account/can-i/clusters/delete/x", presented) == {"value": "yes"}
    assert ask(state, "DELETE", f"{OWN_ACCOUNT}/token/tm-1").status == 200


@pytest.mark.parametrize(
    ("role", "status", "answer"),
    [(Role.NONE, 403, "no"), (Role.READONLY, 200, "yes"), (Role.ADMIN, 200, "yes")],
    ids=["none", "readonly", "admin"],
)
def test_under_anonymous_access_a_revoked_token_gets_what_anonymous_may_see(
    state: ArgoCDState, role: Role, status: int, answer: str
) -> None:
    token = state.mint_key("ci", "tm-1")
    state.revoke_key("ci", "tm-1")
    state.set_anonymous(role)
    assert get(state, USERINFO, token) == {}
    assert ask(state, "GET", OWN_ACCOUNT, token).status == status
    assert get(state, "/api/v1/account/can-i/applications/get/default/x", token) == {"value": answer}


def test_a_refusal_to_anonymous_names_no_subject(state: ArgoCDState) -> None:
    state.set_anonymous(Role.NONE)
    assert get(state, OWN_ACCOUNT)["message"] == "permission denied: accounts, get, ci"


def test_a_new_signing_key_cuts_connections_while_the_server_restarts(state: ArgoCDState, clock: Clock) -> None:
    token = state.mint_key("ci", "tm-1")
    state.change_signing_key(outage=4)
    assert ask(state, "GET", USERINFO, token).broken is Broken.REFUSED
    clock.now += 4
    assert reason(state, token) == "token signature is invalid: signature is invalid"
    assert is_accepted(state, state.open_session("ci"))


# --- keys and accounts -------------------------------------------------------------------------------------------


def test_an_id_that_is_made_again_brings_the_old_token_back_to_life(state: ArgoCDState, clock: Clock) -> None:
    old = state.mint_key("ci", "tm-1")
    state.revoke_key("ci", "tm-1")
    assert not is_accepted(state, old)
    clock.now += 5
    state.mint_key("ci", "tm-1")
    assert is_accepted(state, old)


def test_a_removed_account_comes_back_with_its_keys(state: ArgoCDState) -> None:
    token = state.mint_key("ci", "tm-1")
    state.remove_account("ci")
    assert reason(state, token) == "rpc error: code = NotFound desc = account 'ci' does not exist"
    state.create_account("ci")
    assert is_accepted(state, token)


def test_a_key_minted_in_the_second_of_a_password_change_lives(state: ArgoCDState, clock: Clock) -> None:
    old = state.mint_key("ci", "tm-1")
    clock.now += 1.5
    state.change_password("ci", "another-one")
    new = state.mint_key("ci", "tm-2")
    assert (is_accepted(state, old), is_accepted(state, new)) == (False, True)
    assert {key["id"] for key in get(state, OWN_ACCOUNT, new)["tokens"]} == {"tm-1", "tm-2"}


@pytest.mark.parametrize(
    ("id_", "status"),
    [("tm-1", 200), ("a%2Fb", 404), ("a%3Ab", 404)],
    ids=["url-safe", "slash", "colon"],
)
def test_only_a_url_safe_id_can_be_deleted(state: ArgoCDState, id_: str, status: int) -> None:
    for made in ("tm-1", "a/b", "a:b"):
        state.mint_key("ci", made)
    session = state.open_session("ci")
    assert ask(state, "DELETE", f"{OWN_ACCOUNT}/token/{id_}", session).status == status


def test_an_account_without_a_role_may_read_itself_and_nobody_else(state: ArgoCDState) -> None:
    token = state.mint_key("ci", "tm-1")
    assert get(state, OWN_ACCOUNT, token)["name"] == "ci"
    assert ask(state, "GET", "/api/v1/account/admin", token).status == 403
    assert [account["name"] for account in get(state, "/api/v1/account", token)["items"]] == ["ci"]
    state.set_role("ci", Role.READONLY)
    assert ask(state, "GET", "/api/v1/account/admin", token).status == 200


def test_a_key_is_expired_from_the_second_that_it_names(state: ArgoCDState, clock: Clock) -> None:
    token = state.mint_key("ci", "tm-1", 60)
    clock.now += 59.9
    assert is_accepted(state, token)
    clock.now = START + 60
    assert reason(state, token) == "token has invalid claims: token is expired"


def test_numbers_can_be_written_as_text(state: ArgoCDState) -> None:
    token = state.mint_key("ci", "tm-1", 60)
    state.numbers_as_text = True
    assert get(state, OWN_ACCOUNT, token)["tokens"] == [
        {"id": "tm-1", "issuedAt": "1800000000", "expiresAt": "1800000060"}
    ]


@pytest.mark.parametrize(
    ("sent", "status", "message"),
    [
        ({"currentPassword": PASSWORD, "newPassword": "long-enough"}, 200, None),
        ({"currentPassword": "wrong", "newPassword": "long-enough"}, 400, "current password does not match"),
        (
            {"currentPassword": PASSWORD, "newPassword": "short"},
            500,
            "new password does not match the following expression: ^.{8,32}$",
        ),
        (
            {"name": "admin", "currentPassword": PASSWORD, "newPassword": "long-enough"},
            403,
            "permission denied: accounts, update, admin, sub: ci, iat: 2027-01-15T08:00:00Z",
        ),
    ],
    ids=["own", "wrong-current", "too-short", "of-another"],
)
def test_an_account_changes_its_own_password(
    state: ArgoCDState, sent: dict[str, str], status: int, message: str | None
) -> None:
    answer = ask(state, "PUT", "/api/v1/account/password", state.open_session("ci"), sent)
    assert (answer.status, json.loads(answer.body).get("message")) == (status, message)
    assert log_in(state, "long-enough").status == (200 if status == 200 else 401)


def test_a_session_that_ends_within_five_minutes_is_renewed_by_cookie(state: ArgoCDState, clock: Clock) -> None:
    token = state.open_session("ci")
    assert "set-cookie" not in ask(state, "GET", OWN_ACCOUNT, token).headers
    clock.now += 24 * 3600 - 299
    cookie = ask(state, "GET", OWN_ACCOUNT, token).headers["set-cookie"]
    assert is_accepted(state, cookie.removeprefix("argocd.token=").partition(";")[0])


def test_a_long_token_comes_in_several_cookies(state: ArgoCDState) -> None:
    token = state.open_session("ci")
    cookies = f"argocd.token=2:{token[:50]}; argocd.token-1={token[50:]}"
    answer = handle(state, Request("GET", USERINFO, {"cookie": cookies}))
    assert json.loads(answer.body)["username"] == "ci"


# --- tokens of project roles -------------------------------------------------------------------------------------


def test_a_token_of_a_project_role_may_do_what_its_role_says_until_it_is_revoked(
    state: ArgoCDState, clock: Clock
) -> None:
    policies = (Policy("applications", "sync", "default/*"),)
    state.create_project("default", {"deploy": ProjectRole(policies)})
    token = state.mint_project_token("default", "deploy", "p-1")
    assert get(state, "/api/v1/account/can-i/applications/sync/default/x", token) == {"value": "yes"}
    assert get(state, "/api/v1/account/can-i/applications/sync/other/x", token) == {"value": "no"}
    clock.now += 1
    state.revoke_project_token("default", "deploy", int(START), "p-1")
    assert reason(state, token) == (
        "JWT token for role 'deploy' issued at '1800000000' does not exist in project 'default'"
    )


def test_project_tokens_of_one_second_are_told_apart_by_id(state: ArgoCDState) -> None:
    state.create_project("default", {"deploy": ProjectRole()})
    for id_ in ("p-1", "p-2"):
        state.mint_project_token("default", "deploy", id_)
    state.revoke_project_token("default", "deploy", int(START), "p-2")
    role = state.settings.project_role("default", "deploy")
    assert role is not None
    assert [token.id for token in role.tokens] == ["p-1"]


@pytest.mark.parametrize(
    ("project", "role", "status", "message"),
    [
        ("nowhere", "deploy", 404, 'appprojects.argoproj.io "nowhere" not found'),
        ("default", "nobody", 404, "project 'default' does not have role 'nobody'"),
        (
            "default",
            "deploy",
            403,
            "permission denied: projects, update, default, sub: ci, iat: 2027-01-15T08:00:00Z",
        ),
    ],
    ids=["no-project", "no-role", "no-permission"],
)
def test_a_project_token_is_not_minted_without_project_role_and_permission(
    state: ArgoCDState, project: str, role: str, status: int, message: str
) -> None:
    state.create_project("default", {"deploy": ProjectRole()})
    target = f"/api/v1/projects/{project}/roles/{role}/token"
    answer = ask(state, "POST", target, state.open_session("ci"), {})
    assert (answer.status, json.loads(answer.body)["message"]) == (status, message)


# --- which fault is named ----------------------------------------------------------------------------------------

OTHER_KEY = b"the key of another server, long enough"
CLAIMS = {"iss": "argocd", "sub": "ci:apiKey", "nbf": int(START), "iat": int(START), "jti": "tm-1"}
EXPIRED = CLAIMS | {"exp": int(START) - 1}
EARLY = CLAIMS | {"nbf": int(START) + 60}


@pytest.mark.parametrize(
    ("wording", "claims", "forged", "text"),
    [
        ("3", EXPIRED, True, "token signature is invalid: signature is invalid"),
        ("2", EXPIRED, True, "signature is invalid"),
        ("3", EARLY, False, "token has invalid claims: token is not valid yet"),
        ("2", EARLY, False, "Token is not valid yet"),
        ("3", EARLY | EXPIRED | {"nbf": int(START) + 60}, False,
         "token has invalid claims: token is expired, token is not valid yet"),
        ("2", EXPIRED | {"nbf": int(START) + 60}, False, "Token is not valid yet"),
        ("2", CLAIMS | {"iat": int(START) + 60}, False, "Token used before issued"),
        ("3", EXPIRED | {"iss": "elsewhere"}, True, "SSO is not configured"),
        ("3", {**CLAIMS, "jti": ""}, False,
         "token does not have a unique identifier (jti claim) and cannot be validated"),
        ("2", {**CLAIMS, "jti": ""}, False, "token is revoked, please re-login"),
        ("3", {"iss": "argocd", "sub": "ci:apiKey"}, False, "token does not have iat claim"),
        ("3", CLAIMS | {"sub": "ci"}, False, "account ci does not have token with id tm-1"),
    ],
    ids=[
        "3-expired-and-forged", "2-expired-and-forged", "3-early", "2-early", "3-both-times", "2-both-times",
        "2-issued-later", "issuer-first", "3-no-id", "2-no-id", "no-issue-time", "old-subject-is-a-key",
    ],
)  # fmt: skip
def test_of_several_faults_the_server_names_the_one_it_meets_first(
    clock: Clock, wording: Version, claims: dict[str, Any], forged: bool, text: str
) -> None:
    state = installation(clock, wording=wording)
    token = jwt.encode(claims, OTHER_KEY) if forged else state.sign(claims)
    assert reason(state, token) == text


def test_a_disabled_account_is_named_before_its_revoked_key(state: ArgoCDState) -> None:
    token = state.mint_key("ci", "tm-1")
    state.revoke_key("ci", "tm-1")
    state.set_capabilities("ci", "login")
    assert reason(state, token) == "account ci does not have 'apiKey' capability"
    state.disable_account("ci")
    assert reason(state, token) == "account ci is disabled"


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("a.b.c.d", "token is malformed: token contains an invalid number of segments"),
        ("e30.e30.x", "token is unverifiable: signing method (alg) is unspecified"),
        ("eyJhbGciOiJYIn0.e30.x", "token is unverifiable: signing method (alg) is unavailable"),
        ("W10.e30.x", "token is malformed: could not JSON decode header: json: cannot unmarshal array into Go value"
         " of type map[string]interface {}"),
        ("eyJhbGciOiJIUzI1NiJ9.e$.x", "token is malformed: could not base64 decode claim: illegal base64 data at"
         " input byte 1"),
    ],
    ids=["four-parts", "no-algorithm", "unknown-algorithm", "header-a-list", "claims-not-base64"],
)  # fmt: skip
def test_a_malformed_token_is_described_as_go_does(state: ArgoCDState, token: str, text: str) -> None:
    assert reason(state, token) == text


def test_a_bad_body_is_told_before_the_token_is_looked_at(state: ArgoCDState) -> None:
    answer = ask(state, "POST", f"{OWN_ACCOUNT}/token", "not-a-jwt", {"expiresIn": "60"})
    assert answer.status == 400


# --- between client and server -----------------------------------------------------------------------------------


def through(front: Front, token: str) -> Response:
    return front(Request("GET", USERINFO, {"authorization": f"Bearer {token}"}))


@pytest.mark.parametrize(
    ("fault", "status", "broken"),
    [
        (Fault.REFUSED, 0, Broken.REFUSED),
        (Fault.HANG, 0, Broken.HANG),
        (Fault.SERVER_ERROR, 500, None),
        (Fault.UNAVAILABLE, 503, None),
        (Fault.THROTTLED, 429, None),
        (Fault.LOGIN_PAGE, 200, None),
        (Fault.REDIRECT_302, 302, None),
        (Fault.REDIRECT_307, 307, None),
    ],
    ids=lambda value: str(value),
)
def test_a_fault_answers_in_place_of_the_server_until_it_is_lifted(
    state: ArgoCDState, fault: Fault, status: int, broken: Broken | None
) -> None:
    token = state.mint_key("ci", "tm-1")
    front = Front(state, fault)
    answer = through(front, token)
    assert (answer.status, answer.broken) == (status, broken)
    assert b"loggedIn" not in answer.body
    front.fault = None
    assert b"loggedIn" in through(front, token).body


def test_a_throttled_client_is_told_when_to_come_back(state: ArgoCDState) -> None:
    assert through(Front(state, Fault.THROTTLED), "").headers["retry-after"] == "30"


def test_a_proxy_that_strips_the_header_makes_a_good_token_look_absent(state: ArgoCDState) -> None:
    assert through(Front(state, Fault.STRIPPED_AUTHORIZATION), state.mint_key("ci")).body == b"{}"


def test_a_caching_proxy_gives_everybody_the_first_answer(state: ArgoCDState) -> None:
    front = Front(state, Fault.CACHING)
    first = through(front, state.mint_key("ci"))
    assert through(front, "not-a-jwt") == first
    front.forget()
    assert through(front, "not-a-jwt").body == b"{}"


# --- repeatability -----------------------------------------------------------------------------------------------


def test_two_runs_with_the_same_clock_and_seed_are_the_same(clock: Clock) -> None:
    def run() -> list[Response]:
        state = installation(clock)
        return [log_in(state), log_in(state, "wrong"), ask(state, "GET", OWN_ACCOUNT, state.mint_key("ci"))]

    assert run() == run()


def test_signing_keys_and_password_hashes_are_not_printed(state: ArgoCDState) -> None:
    shown = repr(state.settings)
    assert repr(state.settings.signing_key) not in shown
    assert str(state.settings.accounts["ci"].password_hash) not in shown


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"iat": "5"}, "iat '5' is not a number"),
        ({"iat": None}, "iat '<nil>' is not a number"),
        ({"iat": True}, "iat 'true' is not a number"),
        ({"sub": "proj::"}, 'appproject.argoproj.io "" not found'),
        (
            {"sub": "proj:default:ci"},
            "JWT token for role 'ci' issued at '1800000000' does not exist in project 'default'",
        ),
    ],
)
def test_a_token_that_nobody_hands_out_is_refused_in_the_words_of_the_server(
    state: ArgoCDState, changes: dict[str, object], text: str
) -> None:
    """As a server of 3.6 answered to each."""
    claims = {"iss": "argocd", "sub": "ci:apiKey", "iat": int(START), "nbf": int(START), "jti": "x", **changes}
    token = state.sign(claims)
    assert get(state, OWN_ACCOUNT, token)["message"] == f"invalid session: {text}"


def test_the_whole_build_is_told_where_nobody_has_to_sign_in(state: ArgoCDState) -> None:
    assert "GoVersion" not in get(state, "/api/version")
    state.set_anonymous(Role.NONE)
    assert "GoVersion" in get(state, "/api/version")


@pytest.mark.parametrize(("version", "status"), [("3", 307), ("2", 301)])
@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("//api/v1/session/userinfo", USERINFO),
        ("/api//v1/session/userinfo?x=1", f"{USERINFO}?x=1"),
        ("/api/v1/account/can-i/applications/get/../x", "/api/v1/account/can-i/applications/x"),
        ("/api/v1/account/./ci/", "/api/v1/account/ci/"),
        ("/..", "/"),
    ],
)
def test_a_path_that_is_not_clean_is_redirected(
    clock: Clock, version: Version, status: int, target: str, location: str
) -> None:
    """As Go's router does with a server of 3.6; older ones of Go say 301."""
    answer = ask(installation(clock, wording=version), "GET", target)
    assert (answer.status, answer.headers["location"]) == (status, location)


def test_of_two_slashes_in_an_object_one_arrives(state: ArgoCDState) -> None:
    """So it was on a server of 3.6: a policy with the whole URL does not fit a question about it."""
    state.create_project("default", {"ci": ProjectRole((Policy("clusters", "get", "https:/a"),))})
    token = state.mint_project_token("default", "ci")
    assert get(state, "/api/v1/account/can-i/clusters/get/https%3A%2F%2Fa", token) == {"value": "yes"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("[]", "array into Go value of type account.CreateTokenRequest"),
        ('"x"', "string into Go value of type account.CreateTokenRequest"),
        ('{"expiresIn":1e3}', "number 1e3 into Go struct field CreateTokenRequest.expiresIn of type int64"),
        ('{"expiresIn":1.50}', "number 1.50 into Go struct field CreateTokenRequest.expiresIn of type int64"),
        (
            '{"expiresIn":99999999999999999999}',
            "number 99999999999999999999 into Go struct field CreateTokenRequest.expiresIn of type int64",
        ),
        ('{"expiresIn":"60"}', "string into Go struct field CreateTokenRequest.expiresIn of type int64"),
        ('{"id":5}', "number into Go struct field CreateTokenRequest.id of type string"),
    ],
)
def test_a_body_of_another_type_is_refused_in_the_words_of_go(state: ArgoCDState, body: str, words: str) -> None:
    """As a server of 3.6 answered."""
    headers = {"content-type": "application/json"}
    answer = handle(state, Request("POST", f"{OWN_ACCOUNT}/token", headers, body.encode()))
    assert (answer.status, json.loads(answer.body)["message"]) == (400, f"json: cannot unmarshal {words}")


@pytest.mark.parametrize(("body", "status"), [('{"id":"a"}x', 200), ('{"id":"b"', 400), ("{", 400), ("  ", 200)])
def test_of_a_body_the_first_value_is_read(state: ArgoCDState, body: str, status: int) -> None:
    """As servers of 3.6, 3.3 and 2.14 answered."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {state.mint_key('ci')}"}
    answer = handle(state, Request("POST", f"{OWN_ACCOUNT}/token", headers, body.encode()))
    assert answer.status == status
    assert status == 200 or json.loads(answer.body)["message"] == "unexpected EOF"


_NUMERIC = "could not parse NumericData: json: "
_FIELD = "into Go struct field RegisteredClaims."


@pytest.mark.parametrize(
    ("claims", "text"),
    [
        ('{"exp":"soon"}', _NUMERIC + r'invalid number literal, trying to unmarshal "\"soon\"" into Number'),
        ('{"sub":5,"exp":[]}', _NUMERIC + "cannot unmarshal array into Go value of type json.Number"),
        ('{"iat":true}', _NUMERIC + "cannot unmarshal bool into Go value of type json.Number"),
        ('{"nbf":{}}', _NUMERIC + "cannot unmarshal object into Go value of type json.Number"),
        ('{"iat":"1800000000"}', "Token used before issued"),
        ('{"iat":null}', "Token used before issued"),
        ('{"nbf":null}', "Token is not valid yet"),
        ('{"exp":null}', "Token is expired"),
        ('{"sub":5,"jti":[]}', f"json: cannot unmarshal number {_FIELD}sub of type string"),
        ('{"iss":["argocd"]}', f"json: cannot unmarshal array {_FIELD}iss of type string"),
        ('{"aud":5}', "json: unsupported type: float64"),
        ('{"aud":["a",{}]}', "json: unsupported type: map[string]interface {}"),
        ('{"aud":["a"]}', "account '' does not exist"),
        ('{"aud":"a"}', "account '' does not exist"),
        ("[]", "json: cannot unmarshal array into Go value of type jwt.RegisteredClaims"),
        ("", "EOF"),
        ('{"iss"', "unexpected EOF"),
    ],
)
def test_2_x_reads_claims_by_their_types(clock: Clock, claims: str, text: str) -> None:
    """As a server of 2.14 answered. The claims that the row leaves out are good ones, and none is there twice."""
    state = installation(clock, wording="2")
    if claims.startswith("{") and claims.endswith("}"):
        claims = json.dumps({"iss": "argocd", "iat": int(START), **json.loads(claims)})
    header = _segment(b'{"alg":"HS256"}')
    signed = f"{header}.{_segment(claims.encode())}"
    signature = jwt.get_algorithm_by_name("HS256").sign(signed.encode(), state.settings.signing_key)
    said = reason(state, f"{signed}.{_segment(signature)}")
    assert said.removeprefix("rpc error: code = NotFound desc = ") == text


def _segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.mark.parametrize(("version", "answer"), [("3", "yes"), ("2", "no")])
def test_who_may_only_read_sees_sets_of_applications_from_3_2_on(clock: Clock, version: Version, answer: str) -> None:
    """Seen on 3.3 and 2.14."""
    state = installation(clock, wording=version, default_role=Role.READONLY)
    question = "/api/v1/account/can-i/applicationsets/get/default/x"
    assert get(state, question, state.mint_key("ci")) == {"value": answer}


@pytest.mark.parametrize(("version", "answer"), [("3", "no"), ("2", "yes")])
def test_logs_are_for_everybody_in_2_x(clock: Clock, version: Version, answer: str) -> None:
    """Seen on 2.14, and in the source of 2.8: enforced only with server.rbac.log.enforce.enable."""
    state = installation(clock, wording=version)
    assert get(state, "/api/v1/account/can-i/logs/get/default/x", state.mint_key("ci")) == {"value": answer}


@pytest.mark.parametrize(("expires_in", "lives"), [(9 * 10**9, True), (10**10, False), (2**62, False)])
def test_a_lifetime_of_292_years_and_more_runs_over(state: ArgoCDState, expires_in: int, lives: bool) -> None:
    """Seen on a server of 3.6: a key for 10,000,000,000 s was over when it was made."""
    assert is_accepted(state, state.mint_key("ci", "long", expires_in)) is lives
