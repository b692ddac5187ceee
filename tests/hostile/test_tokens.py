"""Values that pass for a token (numbers 1 to 6 of the list of hostile inputs): not sent, or sent and judged truly."""

from __future__ import annotations

import base64
import json
import tracemalloc
from pathlib import Path

import pytest
from monitor.core.claims import Claims, read_claims
from monitor.core.credential import MAX_TOKEN
from monitor.core.status import Kind, Status
from monitor.simulator.app import running
from monitor.simulator.faults import Front
from monitor.simulator.state import ArgoCDState

from tests.adapters.argocd.wire import LOGGED_IN, REFUSED, always, answer, serving
from tests.hostile.peers import TOKEN, judged, judged_in_file

# Accepts whatever it is sent, and is found out by the control; so nothing here is refused by luck.
CREDULOUS = always(answer(LOGGED_IN))


def jwt(payload: bytes | str | object, header: object = None) -> str:
    """A token with this payload; text and bytes as they are."""
    if isinstance(payload, str):
        payload = payload.encode()
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    head = json.dumps(header or {"alg": "HS256", "typ": "JWT"}).encode()
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (head, raw, b"signature-of-none"))


@pytest.mark.parametrize(
    "inside", [b"\r\n", b"\n", b"\r", b"\0", b"\r\nX-Injected: yes\r\n", b"\x7f", b"\t", b" ", b"\x1b[2J"], ids=repr
)
async def test_01_a_token_with_a_control_character_inside_is_malformed_and_is_not_sent(
    inside: bytes, tmp_path: Path
) -> None:
    """1. Interior CR, LF, NUL: `malformed`, unsent."""
    async with serving(CREDULOUS) as server:
        raw = TOKEN.encode().replace(b".", inside + b".", 1)
        assert (await judged_in_file(raw, server.url, tmp_path)).status is Status.MALFORMED
        assert server.connections == 0


@pytest.mark.parametrize("around", [b"%s\n", b"%s\r\n", b"\n%s\n\n", b" \t%s ", b"%s\0"], ids=repr)
async def test_01_white_space_around_a_token_is_taken_off_and_nothing_else_is(around: bytes, tmp_path: Path) -> None:
    """1. A trailing line end is stripped: `echo TOKEN > file` makes one. A NUL is none."""
    async with serving(always(answer(REFUSED, status="401 Unauthorized"))) as server:
        verdict = await judged_in_file(around % TOKEN.encode(), server.url, tmp_path)
        sent = {
            line for request in server.requests for line in request.split("\r\n") if line.startswith("Authorization")
        }
    if b"\0" in around:
        assert (verdict.status, sent) == (Status.MALFORMED, set())
    else:
        assert sent == {f"Authorization: Bearer {TOKEN}"}


@pytest.mark.parametrize("letter", ["é", "ı", "\u202e", "\ufeff", "𝒆", "\u0130", "٣"])
async def test_02_a_token_with_a_letter_outside_ascii_is_malformed_and_is_not_sent(letter: str, tmp_path: Path) -> None:
    """2. Non-ASCII (aiohttp would send it). Bytes that are no UTF-8 as well."""
    async with serving(CREDULOUS) as server:
        for raw in (TOKEN.replace("J", letter, 1).encode(), TOKEN.encode() + b"\xff\xfe"):
            assert (await judged_in_file(raw, server.url, tmp_path)).status is Status.MALFORMED
        assert server.connections == 0


@pytest.mark.parametrize("raw", [b"", b"\n", b" \t\r\n ", b"\n" * 1000], ids=["nothing", "a line", "blanks", "lines"])
async def test_03_an_empty_token_is_missing_and_is_not_sent(raw: bytes, tmp_path: Path) -> None:
    """3. Empty."""
    async with serving(CREDULOUS) as server:
        assert (await judged_in_file(raw, server.url, tmp_path)).status is Status.MISSING
        assert server.connections == 0


async def test_03_a_token_of_a_megabyte_is_malformed_and_is_not_sent(tmp_path: Path) -> None:
    """3. One MiB. Our bound is 64 KiB, not 16: tokens of identity providers that list every group of a person reach
    tens of thousands of characters, and to call one malformed that Argo CD takes would be untrue. What is larger than
    any server's header limit is not sent."""
    async with serving(CREDULOUS) as server:
        for size in (MAX_TOKEN + 1, 1024 * 1024):
            verdict = await judged_in_file(b"x" * size, server.url, tmp_path)
            assert verdict.status is Status.MALFORMED
        assert server.connections == 0


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":['], ids=["lists", "objects", "both"])
async def test_04_a_token_nested_without_end_is_judged_by_the_server_and_breaks_nothing(opening: str) -> None:
    """4. A JWT nested 200,000 deep: as deep as a token that is sent can be, and 200,000 for the reader alone."""
    deep = jwt(opening * (11_000 // len(opening)))
    assert len(deep) <= MAX_TOKEN
    async with serving(always(answer(REFUSED, status="401 Unauthorized"))) as server:
        assert (await judged(server.url, deep)).status is Status.REJECTED
        assert server.requests
    tracemalloc.start()
    try:
        assert read_claims(jwt(opening * 200_000)) == Claims(unreadable=True)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "value",
    ["9" * 5000, "9" * 300, "1e999", "-1e999", "NaN", "Infinity", "true", "false", "-1", "0", "null", '"soon"', "[]", "{}", '"١٢٣"', "1e-400"],
)  # fmt: skip
async def test_05_a_time_that_is_none_makes_no_token_expired_or_valid(value: str) -> None:
    """5. `exp` of 5,000 digits, 1e999, NaN, a truth value, a negative one: no time at all. Only the server decides."""
    token = jwt(f'{{"iss":"argocd","sub":"codefresh:apiKey","jti":"canary","exp":{value},"iat":{value},"nbf":{value}}}')
    assert read_claims(token).expires_at is None
    async with serving(always(answer(REFUSED, status="401 Unauthorized"))) as server:
        verdict = await judged(server.url, token)
    assert (verdict.status, verdict.expires_at, verdict.issued_at) == (Status.REJECTED, None, None)


@pytest.mark.parametrize("version", ["2", "3"])
@pytest.mark.parametrize(
    ("forged", "expected"),
    [
        (jwt({"iss": "argocd", "sub": "ci:apiKey", "jti": "j"}, {"alg": "none", "typ": "JWT"}), Status.MALFORMED),
        (jwt({"iss": "argocd", "sub": "ci:apiKey", "jti": "j"}, {"alg": "None", "typ": "JWT"}), Status.MALFORMED),
        (jwt({"iss": "https://login.example.com", "sub": "ci", "jti": "j"}), Status.FOREIGN_ISSUER),
        (jwt({"sub": "ci:apiKey", "jti": "j"}), Status.FOREIGN_ISSUER),
        (jwt({"iss": "argocd", "sub": "ci:apiKey"}), Status.SIGNING_KEY_CHANGED),
    ],
    ids=["alg none", "alg None", "another issuer", "no issuer", "no jti, signed by nobody"],
)
async def test_06_a_forged_token_is_refused_by_its_own_words(version: str, forged: str, expected: Status) -> None:
    """6. `alg:none`, a wrong `iss`, no `jti`: what the token says of itself is a hint, Argo CD's answer the verdict."""
    state = ArgoCDState(version=version)
    state.create_account("ci", password="of a simulation")
    async with running(Front(state)) as url:
        verdict = await judged(url, forged)
        assert verdict.status.kind is Kind.REFUSED
        assert verdict.status is expected
        # Signed by the server's own key, yet without an id: Argo CD cannot look it up.
        unnamed = state.sign({"iss": "argocd", "sub": "ci:apiKey", "iat": 1_700_000_000})
        assert (await judged(url, unnamed)).accepted is False
