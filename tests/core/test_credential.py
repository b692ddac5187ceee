"""What is sent, what is not, and the control that must be refused."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor.core.claims import has_token_shape
from monitor.core.credential import MAX_TOKEN, Unsendable, control_of, disguise, inspect
from monitor.core.secret import Secret
from monitor.core.status import Kind, Status

from tests.core.samples import SIGNATURE, api_key, jwt

TOKEN = api_key()
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.mark.parametrize("around", ["{}", "{}\n", " {} ", "\r\n{}\r\n", "\t{}\t", "\n\n{}"])
def test_white_space_around_a_token_is_taken_off(around: str) -> None:
    assert inspect(Secret(around.format(TOKEN))) == Secret(TOKEN)


@pytest.mark.parametrize("value", ["garbage", "a.b", "x", "a.b.c.d", "password-in-the-wrong-place", "~" * MAX_TOKEN])
def test_a_value_that_is_no_token_is_sent_all_the_same_for_argo_cd_to_judge(value: str) -> None:
    assert inspect(Secret(value)) == Secret(value)


def test_the_large_token_of_an_identity_provider_is_sent() -> None:
    large = jwt({"iss": "https://login.example", "sub": "jane", "groups": [f"group-{n}" for n in range(1_500)]})
    assert len(large) > 20_000
    assert inspect(Secret(large)) == Secret(large)


@pytest.mark.parametrize(
    ("value", "status", "words"),
    [
        ("", Status.MISSING, "empty"),
        (" \n\t ", Status.MISSING, "empty"),
        (f"{TOKEN[:9]}\n{TOKEN[9:]}", Status.MALFORMED, "line ends"),
        (f"{TOKEN[:9]}\r{TOKEN[9:]}", Status.MALFORMED, "line ends"),
        (f"{TOKEN[:9]}\t{TOKEN[9:]}", Status.MALFORMED, "spaces"),
        (f"Bearer {TOKEN}", Status.MALFORMED, "spaces"),
        (f"{TOKEN[:9]}\0{TOKEN[9:]}", Status.MALFORMED, "control characters"),
        (f"{TOKEN}\x7f", Status.MALFORMED, "control characters"),
        (f"\ufeff{TOKEN}", Status.MALFORMED, "ASCII"),
        (f"{TOKEN}é", Status.MALFORMED, "ASCII"),
        (f"{TOKEN}\ud800", Status.MALFORMED, "ASCII"),
        ("x" * (1024 * 1024), Status.MALFORMED, "1048576 characters"),
    ],
    ids=[
        "empty",
        "blank",
        "inner LF",
        "inner CR",
        "inner tab",
        "with the scheme",
        "NUL",
        "DEL",
        "BOM",
        "accent",
        "surrogate",
        "1 MiB",
    ],
)
def test_what_no_header_can_carry_is_not_sent(value: str, status: Status, words: str) -> None:
    found = inspect(Secret(value))
    assert isinstance(found, Unsendable)
    assert found.status is status
    assert words in found.cause
    assert TOKEN[:9] not in found.cause


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (f"\ufeff{TOKEN}", "byte order mark"),
        (f"\ufeff{TOKEN}".encode().decode("latin-1"), "byte order mark"),
        (TOKEN.encode("utf-16").decode("latin-1"), "UTF-16"),
        (TOKEN.encode("utf-16-le").decode(), "UTF-16"),
        (f"Bearer {TOKEN}", "the word Bearer"),
        (f'"{TOKEN}"', "in quotes"),
        (f"'{TOKEN}'", "in quotes"),
        (f'{{"token":"{TOKEN}"}}', "JSON"),
        (f"ARGOCD_AUTH_TOKEN={TOKEN}", "a name"),
        (f"export ARGOCD_AUTH_TOKEN='{TOKEN}'", "a name"),
        (f"argocd.token={TOKEN}", "a name"),
        (f"token: {TOKEN}", "a name"),
        (f"Authorization: Bearer {TOKEN}", "a name"),
        (base64.b64encode(TOKEN.encode()).decode(), "in base64"),
        (base64.encodebytes(TOKEN.encode()).decode(), "in base64"),
    ],
)
def test_a_usual_mistake_around_a_token_is_named(value: str, words: str) -> None:
    assert words in disguise(value.strip())
    found = inspect(Secret(value))
    assert isinstance(found, Secret) or words in found.cause


@pytest.mark.parametrize("value", [TOKEN, "garbage", "", '"', "a.b.c", f"{TOKEN}=", base64.b64encode(b"eyJ").decode()])
def test_where_no_mistake_is_seen_none_is_named(value: str) -> None:
    assert disguise(value) == ""


@given(st.text() | st.text(alphabet=BASE64 + '=. \n"{\0').map(lambda text: base64.b64encode(text.encode()).decode()))
def test_any_text_is_in_some_disguise_or_in_none(value: str) -> None:
    words = disguise(value)
    assert words == "" or words.startswith(": it ")


def test_no_secret_is_missing_with_the_words_of_its_source() -> None:
    assert inspect(None, "Secret codefresh/argocd-token does not exist") == Unsendable(
        Status.MISSING, "Secret codefresh/argocd-token does not exist"
    )
    assert inspect(None) == Unsendable(Status.MISSING, "there is no token")


def test_an_unreadable_source_is_no_refusal() -> None:
    found = inspect(None, "403 for Secret codefresh/argocd-token", readable=False)
    assert found == Unsendable(Status.PENDING, "403 for Secret codefresh/argocd-token")
    assert Status.PENDING.kind is Kind.UNKNOWN


def test_the_last_known_token_is_used_while_the_source_cannot_be_read() -> None:
    assert inspect(Secret(TOKEN), "403", readable=False) == Secret(TOKEN)


def test_the_control_differs_from_the_token_in_the_signature_alone() -> None:
    control = control_of(Secret(TOKEN)).reveal()
    assert control != TOKEN
    assert control.split(".")[:2] == TOKEN.split(".")[:2]
    assert len(control) == len(TOKEN)


def decoded(signature: str) -> bytes:
    return base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))


@given(st.binary(min_size=3, max_size=512))
def test_the_signature_of_the_control_is_another_one_when_decoded(signature: bytes) -> None:
    """A change of bits that base64 leaves unread would be the same signature, and the control the token itself."""
    text = base64.urlsafe_b64encode(signature).decode().rstrip("=")
    control = control_of(Secret(f"e30.e30.{text}")).reveal()
    head, payload, broken = control.split(".")
    assert (head, payload) == ("e30", "e30")
    assert decoded(broken) != signature
    assert len(decoded(broken)) == len(signature)


@given(st.text(alphabet=BASE64 + ".=!", min_size=1, max_size=80))
def test_the_control_always_has_the_shape_of_a_token_and_is_never_the_token(value: str) -> None:
    control = control_of(Secret(value)).reveal()
    assert has_token_shape(control)
    assert control != value
    assert control.isascii()


@pytest.mark.parametrize("value", ["garbage", "a.b", "a.b.", "a.b.c", "..", "a..xyz"])
def test_where_no_signature_can_be_broken_the_control_is_made_up(value: str) -> None:
    control = control_of(Secret(value)).reveal()
    assert control.count(".") == 2
    assert value.strip(".") not in control.split(".")


def test_the_control_of_the_control_is_no_way_back() -> None:
    assert control_of(control_of(Secret(f"e30.e30.{SIGNATURE}"))) != Secret(f"e30.e30.{SIGNATURE}")
