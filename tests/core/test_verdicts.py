"""What each set of answers means, one line a situation; every status comes out of some line."""

from __future__ import annotations

from dataclasses import replace

import pytest
from monitor.core.claims import Claims
from monitor.core.classify import CHAIN, FAULT_STATUS, MAX_CAUSE, classify, unsent
from monitor.core.model import Expectation, Fault, FaultKind, Observation, Reply, Verdict
from monitor.core.status import FACTS, Kind, Status

from tests.core.samples import (
    DAY,
    FORBIDDEN,
    LOGIN_PAGE,
    NO,
    NOT_LOGGED_IN,
    NOW,
    YES,
    account_page,
    answer,
    error,
    refusal,
    userinfo,
)

CI = Claims(token_id="tm-1", subject="ci:apiKey", issuer="argocd", issued_at=NOW - DAY)
ROLE = Claims(token_id="r", subject="proj:default:ci", issuer="argocd")
REFUSED_CONTROL = refusal("invalid session: signature is invalid")


def accepted(claims: Claims = CI, username: str = "ci", **more: object) -> Observation:
    seen = {"control_userinfo": NOT_LOGGED_IN, "control_can_i": REFUSED_CONTROL, **more}
    return Observation(claims=claims, userinfo=userinfo(username), **seen)  # type: ignore[arg-type]


def refused(text: str, claims: Claims = CI, *, shaped: bool = True) -> Observation:
    return Observation(claims, shaped, NOT_LOGGED_IN, refusal(text))


def anonymous(account: Reply = FORBIDDEN, claims: Claims = CI, wide_open: Reply = NO, **more: bool) -> Observation:
    shaped = more.get("token_shaped", True)
    return Observation(claims, shaped, NOT_LOGGED_IN, account, None, NO, wide_open)


def only(reply: Reply | Fault) -> Observation:
    return Observation(CI, userinfo=reply)


def expiring(seconds: float) -> Observation:
    return accepted(Claims("tm-1", "ci:apiKey", "argocd", expires_at=NOW + seconds))


EXPECTED = Expectation(account="ci", permissions=("applications/get/*/*", "projects/get/*"))

TABLE: list[tuple[str, Observation, Status, str]] = [
    ("accepted", accepted(), Status.VALID, "as account ci"),
    ("accepted in the steady state", only(userinfo()), Status.VALID, "as account ci"),
    ("accepted, subject as the name", accepted(username="ci:apiKey"), Status.VALID, "as account ci"),
    ("accepted, permissions yes", accepted(permissions=(YES, YES)), Status.VALID, "ci"),
    ("accepted, permissions not answered", accepted(permissions=(Reply(500), Fault(FaultKind.RESET))), Status.VALID, "ci"),
    ("accepted, the control not answered", accepted(control_userinfo=Fault(FaultKind.RESET)), Status.VALID, "ci"),
    ("accepted, the account refused meanwhile", accepted(account=refusal("account ci is disabled")), Status.VALID, "ci"),
    ("accepted, anonymous access is on", accepted(account=account_page("ci", "tm-1"), control_can_i=NO, wide_open=NO), Status.VALID, "ci"),
    ("accepted, everybody may do everything", accepted(account=account_page("ci", "tm-1"), control_can_i=YES, wide_open=YES), Status.VALID, "ci"),
    ("accepted, 7 days left", expiring(7 * DAY), Status.EXPIRING, "expires in 7 d"),
    ("accepted, a second more than 7 days left", expiring(7 * DAY + 1), Status.VALID, "ci"),
    ("accepted, 90 minutes left", expiring(5_400), Status.EXPIRING, "expires in 90 min"),
    ("accepted, over by our clock", expiring(-5), Status.EXPIRING, "expires in 0 s"),
    ("another account", accepted(username="admin"), Status.WRONG_ACCOUNT, "as account admin instead of ci"),
    ("no account named", accepted(username=""), Status.WRONG_ACCOUNT, "(without a name)"),
    ("a permission lacks", accepted(permissions=(YES, NO)), Status.INSUFFICIENT_PERMISSIONS, "lacks the permission projects/get/*"),
    ("both lack", accepted(permissions=(NO, NO)), Status.INSUFFICIENT_PERMISSIONS, "applications/get/*/*, projects/get/*"),
    ("one lacks, one was redirected", accepted(permissions=(Reply(301), NO)), Status.INSUFFICIENT_PERMISSIONS, "lacks the permission projects/get/*"),
    ("a permission redirected", accepted(permissions=(Reply(307), YES)), Status.INSUFFICIENT_PERMISSIONS, "cannot be asked for the permission applications/get/*/*"),
    ("control let through", accepted(control_userinfo=userinfo("anyone")), Status.NOT_ARGOCD, "must be refused was accepted"),
    ("control let through and ours not", Observation(CI, True, NOT_LOGGED_IN, Fault(FaultKind.RESET), userinfo("anyone")), Status.NOT_ARGOCD, "must be refused was accepted"),
    ("revoked", refused("account ci does not have token with id tm-1"), Status.REVOKED, "tm-1 was deleted"),
    ("revoked, userinfo refuses", only(refusal("account ci does not have token with id tm-1")), Status.REVOKED, "deleted"),
    ("expired", refused("Token is expired"), Status.EXPIRED, "expired"),
    ("not yet valid", refused("Token is not valid yet"), Status.NOT_YET_VALID, "future"),
    ("disabled", refused("account ci is disabled"), Status.ACCOUNT_DISABLED, "ci is disabled"),
    ("account removed", refused("account 'ci' does not exist"), Status.ACCOUNT_MISSING, "ci does not exist"),
    ("capability", refused("account ci does not have 'apiKey' capability"), Status.CAPABILITY_MISSING, "apiKey"),
    ("password", refused("password has changed since token issued"), Status.PASSWORD_CHANGED, "password of account ci"),
    ("signing key", refused("signature is invalid"), Status.SIGNING_KEY_CHANGED, "server.secretkey"),
    ("malformed", refused("token is malformed: x"), Status.MALFORMED, "not a token"),
    ("no shape", refused("no session information", Claims(), shaped=False), Status.MALFORMED, "three parts"),
    ("malformed, in quotes", replace(refused("token is malformed: x"), disguise=": it is in quotes"), Status.MALFORMED, "can read: it is in quotes"),
    ("signing key, in quotes", replace(refused("signature is invalid"), disguise=": it is in quotes"), Status.SIGNING_KEY_CHANGED, "another Argo CD"),
    ("foreign", refused("SSO is not configured"), Status.FOREIGN_ISSUER, "not by Argo CD"),
    ("project role revoked", refused("JWT token for role 'ci' issued at '1' does not exist in project 'default'", ROLE), Status.REVOKED, "project role"),
    ("unknown words", refused("the moon is full"), Status.REJECTED, "the moon is full"),
    ("header lost", refused("no session information"), Status.NOT_ARGOCD, "Authorization header"),
    ("no authentication", anonymous(account_page(), wide_open=YES), Status.NOT_ARGOCD, "without authentication"),
    ("anonymous, key gone", anonymous(account_page("ci", "other")), Status.REVOKED, "does not list a key tm-1 (inferred"),
    ("anonymous, account disabled", anonymous(account_page("ci", "tm-1", enabled=False)), Status.ACCOUNT_DISABLED, "inferred"),
    ("anonymous, capability gone", anonymous(account_page("ci", "tm-1", capabilities=("login",))), Status.CAPABILITY_MISSING, "inferred"),
    ("anonymous, account gone", anonymous(error(404, 5, "account 'ci' does not exist")), Status.ACCOUNT_MISSING, "account ci does not exist"),
    ("anonymous, over", anonymous(claims=Claims("tm-1", "ci:apiKey", expires_at=NOW)), Status.EXPIRED, "inferred"),
    ("anonymous, another issuer", anonymous(claims=Claims("x", "jane", "https://sso")), Status.FOREIGN_ISSUER, "issued by https://sso"),
    ("anonymous, no shape", anonymous(claims=Claims(), token_shaped=False), Status.MALFORMED, "inferred"),
    ("anonymous, not yet valid", anonymous(account_page("ci", "tm-1"), replace(CI, not_before=NOW + 61)), Status.NOT_YET_VALID, "future"),
    ("anonymous, dated as our clock is behind", anonymous(account_page("ci", "tm-1"), replace(CI, not_before=NOW + 60)), Status.REJECTED, "password"),
    ("anonymous, unreadable", anonymous(claims=Claims(unreadable=True)), Status.MALFORMED, "can read (inferred"),
    ("anonymous, no subject", anonymous(claims=Claims("tm-1", issuer="argocd")), Status.MALFORMED, "names no account"),
    ("anonymous, no id", anonymous(account_page("ci"), Claims(subject="ci:apiKey", issuer="argocd")), Status.MALFORMED, "carries no id"),
    ("anonymous, no issuer, so that nobody looks for its account or its id", anonymous(account_page("ci"), Claims(subject="ci:apiKey")), Status.REJECTED, "password"),
    ("anonymous, neither issuer nor subject", anonymous(claims=Claims("tm-1")), Status.REJECTED, "does not accept"),
    ("anonymous, a long id that is listed", anonymous(account_page("ci", "x" * 250), replace(CI, token_id="x…", exact_id="x" * 250)), Status.REJECTED, "password"),
    ("anonymous, a project role", anonymous(YES, ROLE), Status.REJECTED, "deleted from its project role"),
    ("anonymous without rights", anonymous(FORBIDDEN), Status.REJECTED, "key may have been deleted"),
    ("anonymous, key still listed", anonymous(account_page("ci", "tm-1")), Status.REJECTED, "or a proxy takes"),
    ("anonymous, the page of another account", anonymous(account_page("admin")), Status.REJECTED, "inferred"),
    ("anonymous, a session", anonymous(account_page("ci", capabilities=("login",)), Claims("s", "ci:login")), Status.REJECTED, "session may have been ended"),
    ("replicas disagree", Observation(CI, True, NOT_LOGGED_IN, account_page("ci", "tm-1"), None, REFUSED_CONTROL), Status.SERVER_ERROR, "replicas"),
    ("not asked", Observation(CI), Status.PENDING, "not been checked yet"),
    ("userinfo says no, a 503 follows", Observation(CI, True, NOT_LOGGED_IN, Reply(503)), Status.SERVER_ERROR, "was not answered"),
    ("userinfo says no, silence follows", Observation(CI, True, NOT_LOGGED_IN, Fault(FaultKind.TIMEOUT)), Status.UNREACHABLE, "was not confirmed"),
    ("userinfo says no, silence follows, the control is refused", Observation(CI, True, NOT_LOGGED_IN, Fault(FaultKind.TIMEOUT), None, REFUSED_CONTROL), Status.UNREACHABLE, "was not confirmed"),
    ("userinfo says no, a login page follows", Observation(CI, True, NOT_LOGGED_IN, LOGIN_PAGE, None, LOGIN_PAGE, NO), Status.NOT_ARGOCD, "HTML"),
    ("userinfo says no, a 403 of a proxy follows", Observation(CI, True, NOT_LOGGED_IN, Reply(403, b"no"), None, NO, NO), Status.NOT_ARGOCD, "before Argo CD"),
    ("anonymous, the last question throttled", Observation(CI, True, NOT_LOGGED_IN, FORBIDDEN, None, NO, Reply(429)), Status.THROTTLED, "429"),
    ("anonymous, the last question unknown", anonymous(FORBIDDEN, wide_open=answer({})), Status.NOT_ARGOCD, "was not answered"),
    ("dialogue cut", Observation(CI, True, NOT_LOGGED_IN), Status.NOT_ARGOCD, "not those of Argo CD"),
    ("login page", only(LOGIN_PAGE), Status.NOT_ARGOCD, "page for people (HTML)"),
    ("redirect", only(Reply(302, location="https://sso.example/login")), Status.NOT_ARGOCD, "redirects to https://sso.example"),
    ("redirect to https", only(Reply(307)), Status.NOT_ARGOCD, "not followed"),
    ("404 in text", only(Reply(404, b"404 page not found", "text/plain")), Status.NOT_ARGOCD, "no Argo CD API at this address"),
    ("403 of a proxy", only(Reply(403, b"<h1>Forbidden</h1>", "text/html")), Status.NOT_ARGOCD, "not Argo CD itself"),
    ("401 without Argo CD's JSON", only(Reply(401, b"Unauthorized")), Status.NOT_ARGOCD, "not Argo CD itself"),
    ("401 of another product", only(answer({"code": 401, "message": "Unauthorized"}, 401)), Status.NOT_ARGOCD, "not Argo CD itself"),
    ("407", only(Reply(407)), Status.NOT_ARGOCD, "not Argo CD itself"),
    ("400", only(Reply(400)), Status.NOT_ARGOCD, "HTTP 400"),
    ("204", only(Reply(204)), Status.NOT_ARGOCD, "HTTP 204"),
    ("429", only(Reply(429)), Status.THROTTLED, "fewer requests"),
    ("500 of Argo CD", only(error(500, 13, "redis is gone")), Status.SERVER_ERROR, "HTTP 500: redis is gone"),
    ("502", only(Reply(502)), Status.SERVER_ERROR, "HTTP 502"),
    ("503", only(Reply(503, b"no healthy upstream")), Status.SERVER_ERROR, "HTTP 503"),
    ("504", only(Reply(504)), Status.SERVER_ERROR, "HTTP 504"),
    *((f"fault {kind}", only(Fault(kind, "in words")), FAULT_STATUS[kind][0], "(in words)") for kind in FaultKind),
]  # fmt: skip


@pytest.mark.parametrize(("seen", "status", "words"), [pytest.param(*row, id=name) for name, *row in TABLE])
def test_a_situation_gets_its_verdict(seen: Observation, status: Status, words: str) -> None:
    verdict = classify(seen, EXPECTED, NOW)
    assert verdict.status is status
    assert words in verdict.cause
    assert verdict.remedy


def test_every_status_comes_out_of_some_situation() -> None:
    found = {status for _, _, status, _ in TABLE} | {Status.MISSING}
    assert unsent(Status.MISSING, "there is no token", EXPECTED, NOW).status is Status.MISSING
    assert found == set(Status) == set(FACTS)


@pytest.mark.parametrize("seen", [pytest.param(seen, id=name) for name, seen, _, _ in TABLE])
def test_each_rule_holds_alone_so_that_their_order_decides_nothing(seen: Observation) -> None:
    speaking = [rule.__name__ for rule in CHAIN if rule(seen, EXPECTED, NOW) is not None]
    assert len(speaking) <= 1


def test_every_rule_of_the_chain_speaks_in_some_situation() -> None:
    silent = [rule.__name__ for rule in CHAIN if not any(rule(seen, EXPECTED, NOW) for _, seen, _, _ in TABLE)]
    assert silent == []


@pytest.mark.parametrize("kind", FaultKind)
def test_a_request_without_an_answer_says_nothing_about_the_token(kind: FaultKind) -> None:
    for seen in (only(Fault(kind)), Observation(CI, True, NOT_LOGGED_IN, Fault(kind))):
        assert classify(seen, EXPECTED, NOW).status.kind is Kind.UNKNOWN


@pytest.mark.parametrize("status", range(100, 600))
def test_no_status_of_http_alone_says_anything_about_the_token(status: int) -> None:
    assert classify(only(Reply(status)), EXPECTED, NOW).accepted is None


def test_a_token_of_a_project_role_is_named_by_its_role_and_replaced_by_another_of_it() -> None:
    deleted = refused("JWT token for role 'ci' issued at '1' does not exist in project 'default'", ROLE)
    verdict = classify(deleted, Expectation(), NOW)
    assert verdict.account == "proj:default:ci"
    assert "`argocd proj role create-token default ci`" in verdict.remedy


def test_where_neither_argo_cd_nor_the_token_names_an_account_it_is_the_configured_one() -> None:
    assert classify(Observation(userinfo=Fault(FaultKind.TIMEOUT)), EXPECTED, NOW).account == "ci"
    assert classify(only(Fault(FaultKind.TIMEOUT)), Expectation(account="another"), NOW).account == "ci"
    assert classify(only(answer({"loggedIn": False, "username": "eve"})), EXPECTED, NOW).account == "ci", "as nobody"


def test_unknown_words_are_cut_and_cannot_disguise_a_line() -> None:
    verdict = classify(refused("x\n\x1b[2J\u202e" + "y" * 5_000), EXPECTED, NOW)
    assert verdict.status is Status.REJECTED
    assert "x\\n\\x1b[2J\\u202eyy" in verdict.cause
    assert len(verdict.cause) <= MAX_CAUSE
    assert verdict.cause.isprintable()


@pytest.mark.parametrize(("asked", "waits"), [(30.0, 30.0), (900.0, 900.0), (86_400.0, 900.0), (None, None)])
def test_the_pause_that_a_server_asks_for_is_kept_up_to_15_minutes(asked: float | None, waits: float | None) -> None:
    throttled = Reply(429, retry_after=asked)
    assert classify(only(throttled), EXPECTED, NOW).retry_after == waits
    later = Observation(CI, True, NOT_LOGGED_IN, FORBIDDEN, None, throttled)
    assert classify(later, EXPECTED, NOW).retry_after == waits


def test_the_clock_alone_never_makes_a_token_refused() -> None:
    for now in (0.0, NOW, NOW + 10_000 * DAY):
        assert classify(expiring(0), EXPECTED, now).accepted is True


@pytest.mark.parametrize(
    ("control", "anonymous_access"),
    [
        (None, None),
        (NO, True),
        (YES, True),
        (FORBIDDEN, True),
        (REFUSED_CONTROL, False),
        (Reply(503), None),
        (LOGIN_PAGE, None),
    ],
)
def test_anonymous_access_is_told_by_what_the_control_gets(
    control: Reply | None, anonymous_access: bool | None
) -> None:
    assert classify(accepted(control_can_i=control), EXPECTED, NOW).anonymous_access is anonymous_access


def test_times_come_from_the_token_and_else_from_the_accounts_list() -> None:
    page = answer({"name": "ci", "tokens": [{"id": "tm-1", "issuedAt": "5", "expiresAt": str(int(NOW + DAY))}]})
    verdict = classify(accepted(Claims("tm-1", "ci:apiKey"), account=page), EXPECTED, NOW)
    assert (verdict.status, verdict.issued_at, verdict.expires_at) == (Status.EXPIRING, 5.0, NOW + DAY)
    assert classify(accepted(), EXPECTED, NOW).issued_at == NOW - DAY


def test_only_a_permission_with_an_url_is_said_to_be_asked_for_without_a_slash() -> None:
    url = replace(EXPECTED, permissions=("clusters/get/https://example.org",))
    assert "drops a slash" in classify(accepted(permissions=(NO,)), url, NOW).remedy
    assert "drops a slash" not in classify(accepted(permissions=(NO,)), EXPECTED, NOW).remedy


def test_a_permission_that_argo_cd_does_not_know_is_a_matter_of_the_configuration() -> None:
    seen = accepted(permissions=(YES, error(400, 3, "[applications ...] does not contain projetcs")))
    verdict: Verdict = classify(seen, EXPECTED, NOW)
    assert verdict.status is Status.INSUFFICIENT_PERMISSIONS
    assert "requiredPermissions" in verdict.remedy


HOUR = 3600.0
HOURLY = Claims("tm-1", "ci:apiKey", "argocd", issued_at=NOW - 0.5 * HOUR, expires_at=NOW + 0.5 * HOUR)
AGEING = Claims("tm-1", "ci:apiKey", "argocd", issued_at=NOW - 0.8 * HOUR, expires_at=NOW + 0.2 * HOUR)


@pytest.mark.parametrize(
    ("claims", "expected", "status"),
    [
        pytest.param(HOURLY, Expectation(), Status.EXPIRING, id="nobody renews it"),
        pytest.param(HOURLY, Expectation(renewed=True), Status.VALID, id="it will be renewed in time"),
        pytest.param(AGEING, Expectation(renewed=True), Status.EXPIRING, id="it should have been renewed"),
        pytest.param(
            AGEING, Expectation(renewed=True, renew_before=0.25 * HOUR), Status.VALID, id="it has just come to its turn"
        ),
        pytest.param(
            AGEING, Expectation(renewed=True, renew_before=0.3 * HOUR), Status.EXPIRING, id="its turn was missed"
        ),
        pytest.param(
            replace(HOURLY, subject="proj:default:ci"),
            Expectation(renewed=True),
            Status.EXPIRING,
            id="no key follows that of a project role",
        ),
        pytest.param(
            replace(HOURLY, subject="jane", issuer="https://sso"),
            Expectation(renewed=True),
            Status.EXPIRING,
            id="no key follows that of a single sign-on",
        ),
    ],
)
def test_a_token_that_the_monitor_renews_is_expiring_only_when_that_is_late(
    claims: Claims, expected: Expectation, status: Status
) -> None:
    assert classify(accepted(claims), expected, NOW).status is status
