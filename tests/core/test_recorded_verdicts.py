"""What each recorded situation means: one line a situation, for the words of both versions.

The table is read as: in SCENARIO, with the answers labelled PREFIX-userinfo and PREFIX-account (or PREFIX-can-i where
there is no account to read), the verdict is STATUS.
"""

from __future__ import annotations

import pytest
from monitor.core.claims import Claims, has_token_shape, read_claims
from monitor.core.classify import classify
from monitor.core.model import Answer, Expectation, Fault, FaultKind, Observation, Reply
from monitor.core.questions import next_question
from monitor.core.status import Kind, Status

from tests.recordings.load import VERSIONS, Exchange, Scenario, load, scenario

NOW = 1_795_463_950.0  # seconds after most of the 3.6 recordings were made
HOUR = 3600.0

TABLE: list[tuple[str, str, Status, str]] = [
    # scenario, prefix of the labels, verdict, words that its cause must hold
    ("valid-api-key", "", Status.VALID, "account admin"),
    ("valid-api-key-with-expiry", "", Status.EXPIRING, "expires in"),
    ("revoked-api-key", "before-", Status.VALID, "account admin"),
    ("revoked-api-key", "", Status.REVOKED, "to-revoke was deleted from account admin"),
    ("account-disabled", "before-", Status.VALID, "account ci"),
    ("account-disabled", "", Status.ACCOUNT_DISABLED, "account ci is disabled"),
    ("account-disabled", "after-enabling-again-", Status.VALID, "account ci"),
    ("account-removed", "", Status.ACCOUNT_MISSING, "account ci does not exist"),
    ("api-key-capability-removed", "", Status.CAPABILITY_MISSING, "capability apiKey"),
    ("login-capability-removed", "session-before-", Status.EXPIRING, "expires in"),
    ("login-capability-removed", "session-", Status.CAPABILITY_MISSING, "capability login"),
    ("login-capability-removed", "key-", Status.VALID, "account ci"),
    ("expired-api-key", "", Status.EXPIRED, "expired"),
    ("password-changed", "before-", Status.VALID, "account ci"),
    ("password-changed", "key-", Status.PASSWORD_CHANGED, "password of account ci was changed"),
    ("password-changed", "session-", Status.PASSWORD_CHANGED, "password of account ci was changed"),
    ("signing-key-changed", "right-after-", Status.SIGNING_KEY_CHANGED, "server.secretkey"),
    ("signing-key-changed", "after-restart-", Status.SIGNING_KEY_CHANGED, "server.secretkey"),
    ("forged-token", "other-key-", Status.SIGNING_KEY_CHANGED, "another Argo CD"),
    ("forged-token", "alg-none-", Status.MALFORMED, "not a token that Argo CD can read"),
    ("forged-token", "other-issuer-", Status.FOREIGN_ISSUER, "https://elsewhere.example"),
    ("forged-token", "unknown-account-", Status.ACCOUNT_MISSING, "account ghost does not exist"),
    ("malformed-token", "garbage-", Status.MALFORMED, "shape of a token"),
    ("malformed-token", "truncated-", Status.MALFORMED, "not a token that Argo CD can read"),
    ("malformed-token", "trailing-tab-", Status.VALID, "account admin"),
    ("project-role-token", "", Status.VALID, "proj:default:ci"),
    ("anonymous-enabled", "valid-", Status.VALID, "account admin"),
    ("anonymous-enabled", "revoked-", Status.REVOKED, "inferred"),
    ("anonymous-enabled", "garbage-", Status.MALFORMED, "inferred"),
]


def rows() -> list[object]:
    return [
        pytest.param(version, name, prefix, status, words, id=f"{version}-{name}-{prefix or 'itself'}-is-{status}")
        for version in VERSIONS
        for name, prefix, status, words in TABLE
        if any(found.name == name for found in load(version))
    ]


@pytest.mark.parametrize(("version", "name", "prefix", "status", "words"), rows())
def test_a_recorded_situation_gets_its_verdict(
    version: str, name: str, prefix: str, status: Status, words: str
) -> None:
    seen = observation(scenario(version, name), prefix)
    verdict = classify(seen, Expectation(), seen.claims.issued_at + 10 if seen.claims.issued_at else NOW)
    assert (verdict.status, verdict.accepted) == (status, status.accepted)
    assert words in verdict.cause
    assert verdict.remedy


@pytest.mark.parametrize("version", VERSIONS)
def test_every_recorded_userinfo_that_is_not_logged_in_is_never_accepted(version: str) -> None:
    for recorded in load(version):
        for exchange in recorded.exchanges:
            if exchange.path.endswith("/userinfo") and exchange.body == b"{}":
                verdict = classify(Observation(userinfo=reply(exchange)), Expectation(), NOW)
                assert verdict.accepted is not True, f"{recorded.name}/{exchange.label}"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_recorded_page_that_is_no_userinfo_leaves_the_token_untold(version: str) -> None:
    """Whatever a wrong address or a proxy answers to the question, it says nothing about the token."""
    for recorded in load(version):
        for exchange in recorded.exchanges:
            if exchange.transport_error or exchange.path.endswith("/userinfo") or exchange.status == 401:
                continue
            verdict = classify(Observation(userinfo=reply(exchange)), Expectation(), NOW)
            if exchange.status != 200 or not exchange.body.startswith(b"{"):
                assert verdict.status.kind is Kind.UNKNOWN, f"{recorded.name}/{exchange.label}"
            assert verdict.accepted is not True, f"{recorded.name}/{exchange.label}"


@pytest.mark.parametrize(
    ("name", "label", "status"),
    [
        ("root-path", "without-root-path-userinfo", Status.NOT_ARGOCD),
        ("root-path", "wrong-root-path-on-plain-server", Status.NOT_ARGOCD),
        ("tls-self-signed", "plain-http-on-tls-port", Status.NOT_ARGOCD),
    ],
)
def test_a_wrong_address_is_told_as_such(name: str, label: str, status: Status) -> None:
    verdict = classify(Observation(userinfo=reply(scenario("3.6", name).exchange(label))), Expectation(), NOW)
    assert verdict.status is status


@pytest.mark.parametrize("version", VERSIONS)
def test_in_the_steady_state_one_question_is_enough(version: str) -> None:
    seen = Observation(userinfo=reply(scenario(version, "valid-api-key").exchange("userinfo")))
    assert next_question(seen, Expectation(), full=False) is None


def observation(recorded: Scenario, prefix: str) -> Observation:
    """The observation that a check would have made of these answers."""
    labels = {exchange.label: exchange for exchange in recorded.exchanges}
    userinfo = labels[f"{prefix}userinfo"]
    token = (userinfo.authorization or "").removeprefix("Bearer ").strip()
    claims = read_claims(token) if token else Claims()
    cause = labels.get(f"{prefix}can-i" if claims.is_project_role else f"{prefix}account")
    control: Answer | None = None
    wide_open: Answer | None = None
    if recorded.name == "anonymous-enabled":
        # The recordings asked with garbage as well: what a control gets there.
        control = reply(labels["garbage-can-i"]) if "garbage-can-i" in labels else Reply(200, b'{"value":"yes"}')
        wide_open = Reply(200, b'{"value":"no"}')
    return Observation(
        claims=claims,
        token_shaped=has_token_shape(token),
        userinfo=reply(userinfo),
        account=reply(cause) if cause else None,
        control_can_i=control,
        wide_open=wide_open,
    )


def reply(exchange: Exchange) -> Answer:
    if exchange.transport_error:
        return Fault(FaultKind.NETWORK)
    return Reply(
        exchange.status,
        exchange.body,
        exchange.headers.get("content-type", ""),
        exchange.headers.get("location", ""),
    )
