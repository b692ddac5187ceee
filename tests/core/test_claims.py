"""Reading a token's own words: hints where there are some, nothing where there is nonsense."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor.core.claims import MAX_EPOCH, MAX_TEXT, Claims, epoch, has_token_shape, read_claims

from tests.core.samples import NOW, jwt, segment


def raw_token(payload: bytes) -> str:
    return f"{segment({'alg': 'HS256'})}.{segment(payload)}.c2ln"


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("garbage", id="no dots"),
        pytest.param("a.b", id="two parts"),
        pytest.param("a.b.c.d", id="four parts"),
        pytest.param("..", id="empty parts"),
        pytest.param("a.!!!!.c", id="not base64"),
        pytest.param("a.A.c", id="one base64 character"),
        pytest.param("a.ünïcode.c", id="not ASCII"),
        pytest.param("a.\ud800\udfff.c", id="surrogates"),
        pytest.param(f"a.{segment(b'[' * 200_000)}.c", id="200,000 deep"),
        pytest.param(raw_token(b"[" * 12_000), id="as deep as the bound lets through"),
        pytest.param(raw_token(b'{"a":' * 2_400), id="deep objects"),
        pytest.param(raw_token(b'{"exp":' + b"9" * 5_000 + b"}"), id="a number of 5,000 digits"),
        pytest.param(raw_token(b'{"sub":"ci"' + b" " * 1_000_000 + b"}"), id="huge"),
        pytest.param(raw_token(b"\xff\xfe\xfd"), id="not text"),
        pytest.param(raw_token(b"[1,2]"), id="an array"),
        pytest.param(raw_token(b'"text"'), id="a string"),
        pytest.param(raw_token(b"null"), id="null"),
        pytest.param(raw_token(b'{"sub":"ci"'), id="cut off"),
    ],
)
def test_a_token_without_readable_claims_gives_none(token: str) -> None:
    assert read_claims(token) == Claims(unreadable=True)


@pytest.mark.parametrize(
    "value",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1e999",
        "true",
        "false",
        "null",
        "-1",
        "0",
        "[1]",
        "{}",
        '"soon"',
        '""',
        '"-5"',
        '"1.5"',
        '"１２３"',
        '"' + "9" * 19 + '"',
        "9" * 4000,
        str(MAX_EPOCH + 1),
        "1e300",
    ],
)
def test_a_nonsense_time_is_no_time_and_spares_the_other_claims(value: str) -> None:
    claims = read_claims(raw_token(f'{{"exp":{value},"iat":{value},"nbf":{value},"sub":"ci:apiKey"}}'.encode()))
    assert (claims.expires_at, claims.issued_at, claims.not_before, claims.account) == (None, None, None, "ci")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, 1.0), ("1795000000", NOW), (1795000000.5, NOW + 0.5), (MAX_EPOCH, float(MAX_EPOCH)), (10**400, None)],
    ids=["one", "int64 as a string", "a fraction", "the last second of 9999", "beyond any float"],
)
def test_a_time_is_a_number_or_a_string_of_digits(value: object, expected: float | None) -> None:
    assert epoch(value) == expected


@pytest.mark.parametrize(
    ("subject", "account", "capability", "project"),
    [
        ("admin:apiKey", "admin", "apiKey", False),
        ("admin:login", "admin", "login", False),
        ("admin", "admin", "apiKey", False),
        ("proj:default:ci", None, "apiKey", True),
        ("proj:default", "proj", "apiKey", False),
        (":apiKey", None, "apiKey", False),
        ("", None, "apiKey", False),
        ("CgVhZG1pbhIEZGV4", "CgVhZG1pbhIEZGV4", "apiKey", False),
    ],
)
def test_the_subject_tells_account_capability_and_project_role(
    subject: str, account: str | None, capability: str, project: bool
) -> None:
    claims = read_claims(jwt({"sub": subject}))
    assert (claims.account, claims.capability, claims.is_project_role) == (account, capability, project)


@pytest.mark.parametrize("value", [1, True, None, ["ci"], {"a": 1}, ""])
def test_a_claim_that_is_no_text_is_absent(value: object) -> None:
    claims = read_claims(jwt({"sub": value, "jti": value, "iss": value}))
    assert (claims.subject, claims.token_id, claims.issuer) == (None, None, None)


def test_texts_are_bounded_and_carry_nothing_that_disguises_a_line() -> None:
    claims = read_claims(jwt({"sub": "a\u202eb\nc\x1b[31m\ud800", "jti": "x" * 5_000}))
    assert claims.subject == "a\\u202eb\\nc\\x1b[31m\\ud800"
    assert claims.token_id is not None
    assert len(claims.token_id) == MAX_TEXT


@pytest.mark.parametrize(
    ("key_id", "shown"), [("x" * 250, "x" * 199 + "…"), ("a\tb", "a\\tb"), ("schlüssel", "schlüssel")]
)
def test_an_id_is_shown_without_harm_and_searched_for_as_it_is(key_id: str, shown: str) -> None:
    claims = read_claims(jwt({"jti": key_id}))
    assert (claims.token_id, claims.key_id) == (shown, key_id)


@pytest.mark.parametrize(
    ("token", "unreadable", "off"),
    [
        (f"{segment({'alg': 'HS256'})}.e30.{'s' * 43}", False, 0),
        (f"{segment({'alg': 'HS256'})}.e30.{'s' * 38}", False, -5),
        (f"{segment({'alg': 'HS512'})}.e30.{'s' * 87}", False, 1),
        (f"{segment({'alg': 'RS256'})}.e30.s", False, 0),
        (f"{segment({'alg': 5})}.e30.s", False, 0),
        ("a.e30.s", True, 0),
        (f'"{segment({"alg": "HS256"})}.e30.{"s" * 43}"', True, 0),
    ],
)
def test_a_token_tells_whether_it_can_be_read_and_is_whole(token: str, unreadable: bool, off: int) -> None:
    claims = read_claims(token)
    assert (claims.unreadable, claims.signature_off) == (unreadable, off)


def test_padding_is_taken_with_and_without() -> None:
    payload = base64.urlsafe_b64encode(b'{"sub":"ci:apiKey"}').decode()
    assert payload.endswith("=")
    assert read_claims(f"a.{payload}.c").account == read_claims(f"a.{payload.rstrip('=')}.c").account == "ci"


@pytest.mark.parametrize(
    ("value", "shaped"), [("a.b.c", True), ("..", True), ("a.b.c.d", True), ("a.b", False), ("", False)]
)
def test_three_parts_make_the_shape_of_a_token(value: str, shaped: bool) -> None:
    assert has_token_shape(value) is shaped


@given(st.text())
def test_no_value_whatever_breaks_the_reader(value: str) -> None:
    read_claims(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["sub", "jti", "iss", "exp", "iat", "nbf"]), JSON))
def test_whatever_the_claims_hold_the_hints_are_bounded(payload: dict[str, object]) -> None:
    claims = read_claims(raw_token(json.dumps(payload).encode()))
    for text in (claims.subject, claims.token_id, claims.issuer):
        assert text is None or (0 < len(text) <= MAX_TEXT and "\n" not in text)
    for moment in (claims.expires_at, claims.issued_at, claims.not_before):
        assert moment is None or 0 < moment <= MAX_EPOCH
