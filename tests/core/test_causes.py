"""The words of Argo CD 2.x and 3.x, and what each means."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor.core.causes import WORDINGS, find_wording
from monitor.core.claims import Claims
from monitor.core.status import Kind, Status

CI = Claims(token_id="tm-1", subject="ci:apiKey", issuer="argocd")
V3 = "invalid session: "

WORDS: list[tuple[str, Status, str]] = [
    (V3 + "account ci does not have token with id tm-1", Status.REVOKED, "the API key tm-1 was deleted from account ci"),
    (V3 + "account ci is disabled", Status.ACCOUNT_DISABLED, "account ci is disabled"),
    (V3 + "account ci does not have 'apiKey' capability", Status.CAPABILITY_MISSING, "account ci does not have the capability apiKey"),
    (V3 + "account ci does not have 'login' capability", Status.CAPABILITY_MISSING, "account ci does not have the capability login"),
    (V3 + "rpc error: code = NotFound desc = account 'ci' does not exist", Status.ACCOUNT_MISSING, "account ci does not exist any more"),
    (V3 + "account 'ci' does not exist", Status.ACCOUNT_MISSING, "account ci does not exist any more"),
    (V3 + 'appproject.argoproj.io "shop" not found', Status.ACCOUNT_MISSING, "the project shop of"),
    (V3 + "role 'deploy' does not exist in project 'shop'", Status.ACCOUNT_MISSING, "the project role deploy of"),
    (
        V3 + "JWT token for role 'ci' issued at '1' does not exist in project 'default'",
        Status.REVOKED,
        "the token was deleted from its project role",
    ),
    (V3 + "issued token for role does not exist", Status.REVOKED, "the token was deleted from its project role"),
    (V3 + "account password has changed since token issued", Status.PASSWORD_CHANGED, "the password of account ci was changed"),
    (V3 + "Account password has changed since token issued", Status.PASSWORD_CHANGED, "the password of account ci was changed"),
    (V3 + "token has invalid claims: token is expired", Status.EXPIRED, "the token has expired"),
    (V3 + "Token is expired", Status.EXPIRED, "the token has expired"),
    (V3 + "token has invalid claims: token is not valid yet", Status.NOT_YET_VALID, "dated in the future"),
    (V3 + "Token is not valid yet", Status.NOT_YET_VALID, "dated in the future"),
    (V3 + "Token used before issued", Status.NOT_YET_VALID, "dated in the future"),
    (V3 + "token signature is invalid: signature is invalid", Status.SIGNING_KEY_CHANGED, "server.secretkey"),
    (V3 + "signature is invalid", Status.SIGNING_KEY_CHANGED, "another Argo CD"),
    (V3 + "token is malformed: could not base64 decode header: illegal base64 data at input byte 6", Status.MALFORMED, "not a token"),
    (V3 + "token is unverifiable: error while executing keyfunc: unexpected signing method: none", Status.MALFORMED, "not a token"),
    (V3 + "token is unverifiable: signing method (alg) is unspecified", Status.MALFORMED, "not a token"),
    (V3 + "illegal base64 data at input byte 6", Status.MALFORMED, "not a token"),
    (V3 + "unexpected signing method: none", Status.MALFORMED, "not a token"),
    (V3 + "signing method (alg) is unavailable.", Status.MALFORMED, "not a token"),
    (V3 + "signing method (alg) is unspecified.", Status.MALFORMED, "not a token"),
    (V3 + "token contains an invalid number of segments", Status.MALFORMED, "not a token"),
    (V3 + "invalid character 'x' looking for beginning of value", Status.MALFORMED, "not a token"),
    (V3 + "unexpected end of JSON input", Status.MALFORMED, "not a token"),
    (V3 + "json: cannot unmarshal number into Go value", Status.MALFORMED, "not a token"),
    (V3 + "token has invalid claims: invalid type for claim: exp is invalid", Status.MALFORMED, "not a token"),
    (V3 + "iat '1795627502' is not a number", Status.MALFORMED, "not a token"),
    (V3 + 'could not parse NumericData: json: invalid number literal, trying to unmarshal "\\"soon\\"" into Number', Status.MALFORMED, "not a token"),
    (V3 + "could not convert json number value to float: strconv.ParseFloat: value out of range", Status.MALFORMED, "not a token"),
    (V3 + "json: unsupported type: float64", Status.MALFORMED, "not a token"),
    (V3 + "EOF", Status.MALFORMED, "not a token"),
    (V3 + "unexpected EOF", Status.MALFORMED, "not a token"),
    (V3 + "rpc error: code = NotFound desc = account '' does not exist", Status.MALFORMED, "names no account"),
    (V3 + 'appproject.argoproj.io "" not found', Status.MALFORMED, "names no account"),
    (V3 + "token does not have iat claim", Status.MALFORMED, "not a token"),
    (V3 + "token does not have a unique identifier (jti claim) and cannot be validated", Status.MALFORMED, "carries no id (jti)"),
    (V3 + "SSO is not configured", Status.FOREIGN_ISSUER, "the token was issued by argocd"),
    (V3 + "failed to verify the token", Status.FOREIGN_ISSUER, "it has ended"),
    (V3 + "token is revoked, please re-login", Status.REVOKED, "ended by a log-out"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "status", "words"), WORDS, ids=[text.removeprefix(V3) for text, _, _ in WORDS])
def test_a_known_wording_has_its_meaning(text: str, status: Status, words: str) -> None:
    found, cause = find_wording(text, replace(CI, unreadable=status is Status.MALFORMED))
    assert found is status
    assert cause.startswith(words) or words in cause
    assert "{" not in cause


def test_every_row_of_the_table_is_the_first_to_match_some_known_text() -> None:
    first = [next(row for row in WORDINGS if row.pattern.search(text)) for text, _, _ in WORDS]
    unused = [row.pattern.pattern for row in WORDINGS if row not in first]
    assert unused == []


def test_a_foreign_issuer_is_named() -> None:
    claims = Claims(issuer="https://elsewhere.example")
    assert find_wording(V3 + "SSO is not configured", claims)[1] == (
        "the token was issued by https://elsewhere.example, not by Argo CD"
    )
    assert "issued by nobody" in find_wording(V3 + "SSO is not configured", Claims())[1]


def test_before_3_5_a_token_without_an_id_reads_as_revoked_and_is_malformed() -> None:
    found, cause = find_wording(V3 + "token is revoked, please re-login", Claims(subject="ci"))
    assert found is Status.MALFORMED
    assert "jti" in cause


def test_an_unknown_wording_is_rejected_with_its_text() -> None:
    assert find_wording("invalid session: the moon is full", CI) == (
        Status.REJECTED,
        "Argo CD refused the token in words that are not known: invalid session: the moon is full",
    )


def test_the_account_of_the_servers_words_goes_before_that_of_the_token() -> None:
    assert find_wording("account other is disabled", CI)[1] == "account other is disabled"


@pytest.mark.parametrize("name", ["{id}", "{0}", "{", "}", "%s", "{account.__class__}"])
def test_braces_in_a_name_stay_what_they_are(name: str) -> None:
    assert find_wording(f"account {name} is disabled", CI)[1] == f"account {name} is disabled"
    claims = Claims(token_id=name, subject=f"{name}:apiKey", issuer=name)
    assert name in find_wording("password has changed since token issued", claims)[1]


@given(st.text(max_size=300))
def test_any_text_of_a_refusal_stays_a_refusal(text: str) -> None:
    assert find_wording(text, Claims())[0].kind is Kind.REFUSED


@pytest.mark.parametrize(
    "text",
    [
        'strconv.ParseBool: parsing "no": invalid syntax',
        'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"',
        "invalid character 'b' looking for beginning of object key string",
    ],
)
def test_settings_that_argo_cd_cannot_read_are_not_held_against_the_token(text: str) -> None:
    status, cause = find_wording(V3 + text, CI)
    assert status is Status.REJECTED
    assert not status.facts.mended_by_minting
    assert "its own settings" in cause
    assert text in cause


@pytest.mark.parametrize("claim", ["sub", "jti"])
def test_a_claim_of_a_type_that_2_x_cannot_read_is_no_matter_of_settings(claim: str) -> None:
    text = f"json: cannot unmarshal number into Go struct field RegisteredClaims.{claim} of type string"
    status, cause = find_wording(V3 + text, CI)
    assert status is Status.MALFORMED
    assert "settings" not in cause


def test_an_end_of_file_on_the_way_to_an_issuer_says_nothing_of_the_token() -> None:
    text = V3 + 'failed to query provider "https://sso.example": Get "https://sso.example": EOF'
    assert find_wording(text, Claims(issuer="https://sso.example"))[0] is Status.REJECTED


def test_an_id_with_the_words_of_a_refusal_in_it_stays_an_id() -> None:
    key_id = "x does not have token with id y"
    claims = replace(CI, token_id=key_id)
    assert find_wording(f"{V3}account ci does not have token with id {key_id}", claims) == (
        Status.REVOKED,
        f"the API key {key_id} was deleted from account ci",
    )


@pytest.mark.parametrize(("off", "words"), [(-5, "5 characters too short"), (2, "2 characters too long")])
def test_a_token_that_is_not_whole_is_told_from_a_changed_signing_key(off: int, words: str) -> None:
    text = V3 + "token signature is invalid: signature is invalid"
    status, cause = find_wording(text, replace(CI, signature_off=off))
    assert status is Status.SIGNING_KEY_CHANGED
    assert words in cause
    assert "too" not in find_wording(text, CI)[1]
