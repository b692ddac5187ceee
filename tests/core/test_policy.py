"""Why a key is replaced, and why not: the reasons as a table, the ages and the times."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from monitor.core.claims import Claims, read_claims
from monitor.core.journal import Journal, Purpose
from monitor.core.policy import (
    LEFT_TO_OTHERS,
    Policy,
    Why,
    next_rotation,
    owner,
    renewal_time,
    why_not,
    why_rotate,
)
from monitor.core.status import Kind, Status

from tests.core.rotation_samples import BY_PASSWORD, BY_RENEWAL, MENDED, NOT_MENDED, UNTOLD
from tests.core.samples import DAY, NOW, api_key, jwt

MONTH = 30 * DAY


def why(status: Status | None = Status.VALID, policy: Policy = BY_PASSWORD, **changes: Any) -> Why:
    values: dict[str, Any] = {"journal": Journal(), "issued_at": NOW - DAY, "expires_at": None, **changes}
    return Why(NOW, policy, status=status, **values)


def reason(facts: Why) -> str | None:
    found = why_rotate(facts)
    return found[1] if found else None


def ending(days_left: float, lifetime: float = MONTH, **changes: Any) -> Why:
    ends = NOW + days_left * DAY
    return why(**{"issued_at": ends - lifetime, "expires_at": ends, **changes})


def test_a_valid_key_that_never_ends_is_left_alone() -> None:
    assert why_rotate(why()) is None


@pytest.mark.parametrize("status", MENDED)
def test_what_a_new_key_mends_is_mended_where_a_login_is_possible(status: Status) -> None:
    assert reason(why(status)) == f"the token is {status}"
    assert why_rotate(why(status, BY_RENEWAL)) is None


def test_the_list_of_what_a_new_key_mends_is_that_of_the_design() -> None:
    names = {"revoked", "expired", "password_changed", "signing_key_changed", "malformed", "missing"}
    assert {status.value for status in MENDED} == names


@pytest.mark.parametrize("demanded", [False, True])
@pytest.mark.parametrize("status", NOT_MENDED)
def test_what_a_new_key_does_not_mend_never_leads_to_one_not_even_on_demand(status: Status, demanded: bool) -> None:
    every = replace(BY_PASSWORD, every=1.0, drill_every=1.0)
    assert why_rotate(why(status, every, expires_at=NOW, demanded=demanded)) is None


@pytest.mark.parametrize("status", [*UNTOLD, None])
def test_while_it_cannot_be_told_nothing_is_rotated(status: Status | None) -> None:
    every = replace(BY_PASSWORD, every=1.0, drill_every=1.0)
    assert why_rotate(why(status, every, expires_at=NOW, demanded=True)) is None


def test_a_token_of_another_account_is_replaced_only_when_a_person_asks() -> None:
    every = replace(BY_PASSWORD, every=1.0, drill_every=1.0)
    assert why_rotate(why(Status.WRONG_ACCOUNT, every, expires_at=NOW)) is None
    assert reason(why(Status.WRONG_ACCOUNT, every, demanded=True)) == "a person asked for it"


@pytest.mark.parametrize("policy", [BY_PASSWORD, BY_RENEWAL], ids=["password", "renew"])
def test_an_ending_key_is_replaced_at_two_thirds_of_its_life(policy: Policy) -> None:
    assert why_rotate(ending(10.1, policy=policy)) is None
    assert reason(ending(9.9, policy=policy)) == "the token ends soon"


def test_renew_before_decides_where_it_is_given() -> None:
    policy = replace(BY_PASSWORD, renew_before=5 * DAY)
    assert why_rotate(ending(5.1, policy=policy)) is None
    assert reason(ending(4.9, policy=policy)) == "the token ends soon"


def test_a_life_shorter_than_renew_before_does_not_renew_without_end() -> None:
    policy = replace(BY_PASSWORD, renew_before=60 * DAY)
    assert renewal_time(ending(30, policy=policy)) == NOW + 10 * DAY


def test_a_key_just_made_is_not_renewed_at_once_however_wrong_the_clock_of_argo_cd_is() -> None:
    ours = Journal(owned=("tm-1",), current="tm-1", rotated_at=NOW - 60)
    assert why_rotate(ending(-1, lifetime=DAY, journal=ours)) is None
    assert reason(ending(-1, lifetime=DAY, journal=replace(ours, rotated_at=NOW - DAY))) is not None


def test_a_foreign_key_is_renewed_in_time_whenever_the_last_rotation_was() -> None:
    journal = Journal(owned=("tm-1",), current="by-hand", rotated_at=NOW - 60)
    assert reason(ending(1, journal=journal)) == "the token ends soon"


def test_a_key_without_a_known_beginning_is_renewed_when_it_ends() -> None:
    assert renewal_time(ending(1, issued_at=None)) == NOW + DAY


def test_the_schedule_counts_from_the_last_rotation_or_from_the_issue_whichever_is_later() -> None:
    policy = replace(BY_RENEWAL, every=MONTH)
    assert reason(why(policy=policy, issued_at=NOW - 31 * DAY)) == "the schedule says so"
    assert why_rotate(why(policy=policy, issued_at=NOW - 29 * DAY)) is None
    rotated = Journal(rotated_at=NOW - DAY)
    assert why_rotate(why(policy=policy, issued_at=NOW - 31 * DAY, journal=rotated)) is None
    assert why_rotate(why(policy=policy, issued_at=None)) is None


def test_a_token_that_another_writer_keeps_fresh_is_left_to_them_for_two_days_and_almost_to_its_end() -> None:
    policy = replace(BY_PASSWORD, every=DAY)
    taken = Journal(overtaken_at=NOW - LEFT_TO_OTHERS + 60)
    assert why_rotate(why(policy=policy, issued_at=NOW - 9 * DAY, journal=taken)) is None
    assert why_rotate(ending(9, journal=taken)) is None
    assert reason(ending(2.9, journal=taken)) == "the token ends soon"
    assert reason(ending(9, journal=Journal(overtaken_at=NOW - LEFT_TO_OTHERS - 60))) == "the token ends soon"
    assert reason(ending(9, journal=taken, policy=BY_RENEWAL)) == "the token ends soon"
    assert reason(why(Status.REVOKED, policy, journal=taken)) == "the token is revoked"
    assert reason(why(policy=policy, journal=taken, demanded=True)) == "a person asked for it"


def test_a_drill_is_held_when_none_was_or_its_time_has_come_and_never_instead_of_the_real_thing() -> None:
    policy = replace(BY_PASSWORD, drill_every=7 * DAY)
    assert why_rotate(why(policy=policy)) == (Purpose.DRILL, "a fire drill is due")
    assert why_rotate(why(policy=policy, journal=Journal(drilled_at=NOW - 6 * DAY))) is None
    assert why_rotate(why(policy=policy, journal=Journal(drilled_at=NOW - 8 * DAY))) is not None
    assert why_rotate(why(Status.EXPIRING, policy, expires_at=NOW + 1)) == (Purpose.REPLACE, "the token ends soon")
    assert why_rotate(why(Status.REVOKED, replace(BY_RENEWAL, drill_every=1.0))) is None


def test_without_a_password_a_person_can_ask_only_while_the_key_lives() -> None:
    assert reason(why(policy=BY_RENEWAL, demanded=True)) == "a person asked for it"
    assert why_rotate(why(Status.REVOKED, BY_RENEWAL, demanded=True)) is None


@pytest.mark.parametrize("status", Status)
def test_it_is_always_said_why_nothing_is_done_about_a_token_that_is_not_in_order(status: Status) -> None:
    said = why_not(why(status, BY_RENEWAL))
    in_order = status in (Status.VALID, Status.EXPIRING, Status.INSUFFICIENT_PERMISSIONS)
    assert bool(said) is not in_order
    if status.kind is Kind.REFUSED:
        assert status.value in said


def test_the_account_of_the_configuration_decides() -> None:
    assert owner(BY_PASSWORD, Claims(), works=False) == ("ci", "")
    assert owner(BY_PASSWORD, read_claims(api_key("other")), works=True) == ("ci", "")


ANY = replace(BY_RENEWAL, account=None)


def test_without_one_it_is_the_account_of_the_token_that_argo_cd_accepts() -> None:
    assert owner(ANY, read_claims(api_key("deployer")), works=True) == ("deployer", "")


def test_a_token_that_argo_cd_does_not_accept_is_not_believed() -> None:
    assert owner(ANY, read_claims(api_key("admin")), works=False) == (None, "")


@pytest.mark.parametrize(
    ("claims", "word"),
    [
        ({"iss": "argocd", "sub": "proj:default:ci"}, "project role"),
        ({"iss": "https://dex.example", "sub": "someone"}, "single sign-on"),
        ({"iss": "argocd"}, "names no account"),
    ],
)
def test_a_token_that_no_key_can_follow_says_so_with_what_to_do(claims: dict[str, str], word: str) -> None:
    account, said = owner(ANY, read_claims(jwt(claims)), works=True)
    assert account is None
    assert word in said
    assert "use an API key of an account" in said


def test_people_are_told_when_the_key_is_replaced_next() -> None:
    monthly = replace(BY_PASSWORD, every=MONTH)
    assert next_rotation(why()) is None
    assert next_rotation(ending(20)) == NOW + 10 * DAY
    assert next_rotation(why(policy=monthly)) == NOW + 29 * DAY
    assert next_rotation(ending(100, 120 * DAY, policy=monthly)) == NOW + 10 * DAY


@pytest.mark.parametrize("status", [*UNTOLD, *MENDED, *NOT_MENDED])
def test_of_a_token_that_is_not_accepted_no_time_is_promised(status: Status) -> None:
    assert next_rotation(ending(20, status=status)) is None
