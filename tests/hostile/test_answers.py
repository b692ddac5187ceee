"""Answers that are not what they seem (numbers 11, 12, 13, 15 and 16 of the list of hostile inputs)."""

from __future__ import annotations

import json
from io import StringIO

import pytest
import structlog
from monitor.adapters import logs
from monitor.core.status import Kind, Status

from tests.adapters.argocd.wire import LOGGED_IN, REFUSED, Talk, Visit, always, answer
from tests.hostile.peers import TOKEN, judged_by

PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body>loggedIn: true</body></html>"
SIGN_IN = answer(PAGE).replace(b"application/json", b"text/html; charset=utf-8")


def unlike_the_control(true: bytes, control: bytes = answer(REFUSED, status="401 Unauthorized")) -> Talk:
    """Says one thing about the token, and another about the control: the most dangerous liar there is."""

    async def talk(visit: Visit) -> None:
        while await visit.request():
            own = f"Bearer {TOKEN}\r\n" in visit.last
            await visit.send(true if own else control)

    return talk


@pytest.mark.parametrize("body", [PAGE, b'{"loggedIn":true,"username":"codefresh"}'], ids=["a page", "JSON as a page"])
async def test_11_a_login_page_with_status_200_is_not_argocd(body: bytes) -> None:
    """11. An HTML page of a single sign-on with 200: cannot tell, and the remedy says where to look."""
    verdict = await judged_by(always(SIGN_IN))
    assert (verdict.status, verdict.accepted) == (Status.NOT_ARGOCD, None)
    assert "HTML" in verdict.cause
    assert "login page" in verdict.remedy
    # Whatever it is served as, a page before Argo CD that lets everything through says nothing about the token.
    everything = answer(body).replace(b"application/json", b"text/html")
    assert (await judged_by(always(everything))).status is Status.NOT_ARGOCD


NOT_TRUE = {
    "a text": b'{"loggedIn":"true","username":"codefresh"}',
    "a capital": b'{"loggedIn":"True"}',
    "a number": b'{"loggedIn":1,"username":"codefresh"}',
    "a list": b'{"loggedIn":[true]}',
    "an object": b'{"loggedIn":{"value":true}}',
    "null": b'{"loggedIn":null,"username":"codefresh"}',
    "twice, the good one last": b'{"loggedIn":false,"loggedIn":true,"username":"codefresh"}',
    "twice, the good one first": b'{"loggedIn":true,"loggedIn":false,"username":"codefresh"}',
    "twice by an escape": b'{"loggedIn":false,"logged\\u0049n":true}',
    "another case": b'{"loggedin":true,"username":"codefresh"}',
    "in a list": b'[{"loggedIn":true}]',
    "the whole of it null": b"null",
    "true alone": b"true",
    "behind a byte order mark": b'\xef\xbb\xbf{"loggedIn":true}',
    "in UTF-16": '{"loggedIn":true}'.encode("utf-16"),
    "with more behind it": b'{"loggedIn":true}{"loggedIn":true}',
    "with a comment": b'{"loggedIn":true/* */}',
    "with NaN": b'{"loggedIn":true,"x":NaN}',
    "one level down": b'{"result":{"loggedIn":true}}',
    "cut off": b'{"loggedIn":true,"username":"code',
    "nothing": b"",
    "deep": b'{"loggedIn":true,"x":' + b"[" * 60_000,
}


@pytest.mark.parametrize("body", NOT_TRUE.values(), ids=NOT_TRUE)
@pytest.mark.parametrize("status", ["200 OK", "203 From elsewhere", "201 Created"])
async def test_12_only_a_json_boolean_true_makes_a_token_accepted(body: bytes, status: str) -> None:
    """12. `{"loggedIn":"true"}`, duplicate keys, null: never accepted, also where the control is refused as it should be."""
    verdict = await judged_by(unlike_the_control(answer(body, status=status)))
    assert verdict.accepted is not True
    assert verdict.status.kind in (Kind.UNKNOWN, Kind.REFUSED)


async def test_12_a_true_boolean_is_accepted_so_that_the_rest_means_something() -> None:
    verdict = await judged_by(unlike_the_control(answer(LOGGED_IN)))
    assert verdict.status is Status.VALID


async def test_13_another_account_than_the_configured_one_is_told() -> None:
    """13. Another username: design.md calls it `wrong_account` ("accepted, but needs a person"), not `identity_mismatch`."""
    liar = unlike_the_control(answer(b'{"loggedIn":true,"username":"somebody","iss":"argocd"}'))
    verdict = await judged_by(liar, auth={"username": "codefresh"})
    assert (verdict.status, verdict.status.kind) == (Status.WRONG_ACCOUNT, Kind.ATTENTION)
    assert "somebody" in verdict.cause
    for name in (b'""', b"7", b"null", b'["codefresh"]'):
        nameless = answer(b'{"loggedIn":true,"username":%s}' % name)
        verdict = await judged_by(unlike_the_control(nameless), auth={"username": "codefresh"})
        assert verdict.status is Status.WRONG_ACCOUNT


def error(message: str, status: str = "401 Unauthorized", code: int = 16) -> bytes:
    return answer(json.dumps({"error": message, "message": message, "code": code}).encode(), status=status)


@pytest.mark.parametrize(
    "said",
    [
        f"invalid session: {TOKEN}",
        f"no {TOKEN[:40]} here",
        f"account {TOKEN.split('.')[1]} does not have token with id {TOKEN.split('.')[2]}",
        "x" * 280 + TOKEN,
        TOKEN[1:-1],
    ],
    ids=["whole", "its beginning", "as names", "cut off by the bound", "without its ends"],
)
@pytest.mark.parametrize(("status", "code"), [("401 Unauthorized", 16), ("403 Forbidden", 7), ("500 Oops", 13)])
async def test_15_an_error_that_quotes_the_token_does_not_bring_it_back(said: str, status: str, code: int) -> None:
    """15. An error body that echoes the token: redacted (`checked` looks for each part of it in all that is told)."""
    verdict = await judged_by(always(error(said, status, code)))
    assert verdict.accepted is not True
    run = 20
    assert not any(TOKEN[at : at + run] in verdict.cause for at in range(len(TOKEN) - run))


@pytest.mark.parametrize(
    "said",
    ["\x1b[31mred\x1b[0m", "\u202egnp.exe", "a\r\nlevel=error forged", "\u2028\u2029", "\x00\x07\x08", "\u200b\ufeff", "\U000e0041", "\ud800"],
    ids=ascii,
)  # fmt: skip
async def test_16_control_and_bidirectional_characters_are_escaped(said: str) -> None:
    """16. ANSI and bidi in messages, names and the log: `checked` sees that all that is told is printable, on one line."""
    verdict = await judged_by(always(error(f"invalid session: {said}!")))
    assert verdict.status is Status.REJECTED
    assert verdict.cause.endswith("!")
    named = json.dumps({"loggedIn": True, "username": said, "iss": said}).encode()
    assert (await judged_by(unlike_the_control(answer(named)))).accepted is not None
    assert (
        await judged_by(always(answer(b"", f"Location: http://{'x' * 80}/\x1b", status="302 Found")))
    ).accepted is None
    written = StringIO()
    logs.configure("console", "debug", written)
    structlog.get_logger("hostile").warning("told", said=said, **{f"key{said}": said})
    line = written.getvalue().removesuffix("\n")
    assert "\n" not in line
    assert line.isprintable()
