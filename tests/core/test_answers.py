"""Bodies as they come: what Argo CD writes is read, what anything else writes is not taken for it."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor.core.answers import (
    MAX_MESSAGE,
    MAX_NAME,
    UserInfo,
    read_account,
    read_can_i,
    read_error,
    read_refusal,
    read_userinfo,
    was_served,
)
from monitor.core.model import Answer, Fault, FaultKind, Key, Reply

from tests.core.samples import FORBIDDEN, LOGIN_PAGE, NO, YES, account_page, answer, error, refusal

ACCEPTING = b'{"loggedIn":true,"username":"ci","iss":"argocd"}'

NO_USERINFO: list[tuple[str, bytes]] = [
    ("text true", b'{"loggedIn":"true"}'),
    ("one", b'{"loggedIn":1}'),
    ("null", b'{"loggedIn":null}'),
    ("array", b'{"loggedIn":[true]}'),
    ("object", b'{"loggedIn":{"value":true}}'),
    ("an array around it", b'[{"loggedIn":true}]'),
    ("doubled key", b'{"loggedIn":false,"loggedIn":true}'),
    ("doubled key, twice the same", b'{"loggedIn":true,"loggedIn":true}'),
    ("doubled key deeper", b'{"loggedIn":true,"x":{"a":1,"a":2}}'),
    ("NaN", b'{"loggedIn":NaN}'),
    ("NaN beside", b'{"loggedIn":true,"x":NaN}'),
    ("Infinity beside", b'{"loggedIn":true,"x":-Infinity}'),
    ("deep", b'{"loggedIn":true,"x":' + b"[" * 60_000),
    ("a number of 5,000 digits", b'{"loggedIn":true,"x":' + b"9" * 5_000 + b"}"),
    ("empty", b""),
    ("blank", b"  \n"),
    ("cut off", ACCEPTING[:-1]),
    ("two documents", ACCEPTING + ACCEPTING),
    ("byte order mark", b"\xef\xbb\xbf" + ACCEPTING),
    ("UTF-16", ACCEPTING.decode().encode("utf-16")),
    ("UTF-16 without a mark", ACCEPTING.decode().encode("utf-16-le")),
    ("UTF-32", ACCEPTING.decode().encode("utf-32")),
    ("invalid UTF-8", b'{"loggedIn":true,"username":"\xff"}'),
    ("surrogate in UTF-8", b'{"loggedIn":true,"username":"\xed\xa0\x80"}'),
    ("compressed", gzip.compress(ACCEPTING)),
    ("single quotes", b"{'loggedIn':true}"),
    ("HTML", LOGIN_PAGE.body),
    ("a bare true", b"true"),
]


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in NO_USERINFO])
def test_only_a_json_object_with_a_boolean_is_userinfo(body: bytes) -> None:
    assert read_userinfo(Reply(200, body, "application/json")) is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (ACCEPTING, UserInfo(True, "ci", "argocd")),
        (b"{}", UserInfo(False)),
        (b'{"loggedIn":false}', UserInfo(False)),
        (b' {"loggedIn" : true } \n', UserInfo(True)),
        (b'{"loggedIn":true,"username":7,"iss":null}', UserInfo(True)),
        (b'{"LoggedIn":true,"loggedin":true}', UserInfo(False)),
        (b'{"loggedIn":true,"username":"a\\u202eb"}', UserInfo(True, "a\\u202eb")),
    ],
)
def test_userinfo_is_read_as_argo_cd_writes_it(body: bytes, expected: UserInfo) -> None:
    assert read_userinfo(Reply(200, body)) == expected


@pytest.mark.parametrize("status", [0, 100, 201, 203, 204, 206, 301, 304, 400, 401, 403, 500, 503, 999])
def test_userinfo_with_another_status_than_200_is_none(status: int) -> None:
    assert read_userinfo(Reply(status, ACCEPTING)) is None


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (refusal("invalid session: x"), "invalid session: x"),
        (answer({"code": 16, "error": "only the older field"}, 401), "only the older field"),
        (refusal("a\nb\u202e"), "a\\nb\\u202e"),
        (error(401, 7, "x"), None),
        (error(403, 16, "x"), None),
        (error(200, 16, "x"), None),
        (error(500, 16, "x"), None),
        (error(429, 16, "x"), None),
        (refusal(""), None),
        (refusal(" "), None),
        (answer({"code": "16", "message": "x"}, 401), None),
        (answer({"code": 16.0, "message": "x"}, 401), None),
        (answer({"code": True, "message": "x"}, 401), None),
        (answer({"code": 16}, 401), None),
        (answer({"code": 16, "message": ["x"]}, 401), None),
        (answer({"code": 401, "message": "Unauthorized"}, 401), None),
        (answer({"error": "unauthorized"}, 401), None),
        (answer([], 401), None),
        (Reply(401, b"Unauthorized"), None),
        (Reply(401, b'{"code":16,"code":16,"message":"x"}'), None),
        (Reply(401), None),
        (Fault(FaultKind.RESET), None),
        (None, None),
    ],
)
def test_only_a_401_with_code_16_and_words_is_argo_cds_refusal(reply: Answer | None, expected: str | None) -> None:
    assert read_refusal(reply) == expected


def test_a_message_is_bounded() -> None:
    found = read_error(refusal("x" * 100_000))
    assert found is not None
    assert len(found.message) == MAX_MESSAGE


def test_an_account_is_read_with_numbers_as_text_and_repeated_capabilities() -> None:
    found = read_account(
        answer(
            {
                "name": "ci",
                "enabled": True,
                "capabilities": ["apiKey", "login", "apiKey"],
                "tokens": [
                    {"id": "a", "issuedAt": "1795000000", "expiresAt": "1795000100"},
                    {"id": "b", "issuedAt": 1795000000},
                    {"id": "c", "issuedAt": "soon", "expiresAt": True},
                ],
            }
        )
    )
    assert found is not None
    assert (found.name, found.enabled, found.capabilities) == ("ci", True, frozenset({"apiKey", "login"}))
    assert found.keys == (Key("a", 1795000000.0, 1795000100.0), Key("b", 1795000000.0), Key("c"))
    assert found.key("b") == Key("b", 1795000000.0)
    assert found.key("z") is None
    assert found.key(None) is None


def test_a_field_that_is_left_out_is_false_or_empty() -> None:
    found = read_account(answer({"name": "ci"}))
    assert found is not None
    assert (found.enabled, found.capabilities, found.keys) == (False, frozenset(), ())


def test_what_has_the_wrong_type_in_an_account_is_left_out() -> None:
    found = read_account(
        answer(
            {
                "name": "ci",
                "enabled": "true",
                "capabilities": ["apiKey", 1, None, ["login"], {}],
                "tokens": [None, 1, "id", [], {}, {"id": 7}, {"id": "kept"}],
            }
        )
    )
    assert found is not None
    assert (found.enabled, found.capabilities, found.keys) == (False, frozenset({"apiKey"}), (Key("kept"),))
    other = read_account(answer({"name": "ci", "capabilities": "apiKey", "tokens": {"id": "a"}}))
    assert other is not None
    assert (other.capabilities, other.keys) == (frozenset(), ())


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": None}, {"name": ["ci"]}, [], "ci", {"enabled": True}])
def test_a_page_without_a_name_is_no_account(body: object) -> None:
    assert read_account(answer(body)) is None
    assert read_account(answer({"name": "ci"}, 404)) is None


def test_the_name_of_an_account_is_bounded() -> None:
    found = read_account(answer({"name": "x" * 5_000}))
    assert found is not None
    assert len(found.name) == MAX_NAME


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"value": "yes"}, True),
        ({"value": "no"}, False),
        ({"value": True}, None),
        ({"value": "Yes"}, None),
        ({"value": ["yes"]}, None),
        ({"value": {"yes": 1}}, None),
        ({}, None),
        ([], None),
    ],
)
def test_can_i_is_yes_no_or_nothing(body: object, expected: bool | None) -> None:
    assert read_can_i(answer(body)) is expected
    assert read_can_i(answer(body, 400)) is None


@pytest.mark.parametrize(
    ("reply", "served"),
    [
        (YES, True),
        (NO, True),
        (account_page(), True),
        (FORBIDDEN, True),
        (error(404, 5, "account 'ci' does not exist"), True),
        (error(404, 7, "x"), False),
        (error(403, 403, "another product"), False),
        (error(400, 3, "x"), False),
        (refusal("x"), False),
        (LOGIN_PAGE, False),
        (answer({}), False),
        (answer({"status": "ok"}), False),
        (Reply(403, b"Forbidden"), False),
        (Reply(404, b"404 page not found"), False),
        (Fault(FaultKind.TIMEOUT), False),
        (None, False),
    ],
)
def test_served_is_what_argo_cd_itself_answered(reply: Answer | None, served: bool) -> None:
    assert was_served(reply) is served


@given(st.binary(max_size=300), st.sampled_from([200, 401, 403, 404, 500]))
def test_no_body_whatever_breaks_a_reader(body: bytes, status: int) -> None:
    reply = Reply(status, body)
    for read in (read_userinfo, read_account, read_can_i, read_error, read_refusal, was_served):
        read(reply)
