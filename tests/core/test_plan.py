"""What `token-monitor rotate --dry-run` shows: the steps in words, or why there are none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from monitor.core.journal import Journal, State
from monitor.core.plan import plan
from monitor.core.policy import HELPED_BY_HAND, Policy
from monitor.core.rotation.situation import Situation
from monitor.core.status import Status

from tests.core.rotation_samples import (
    BY_PASSWORD,
    BY_RENEWAL,
    FOREIGN,
    NOT_MENDED,
    at_rest,
    holding_foreign,
    situation,
    under_way,
)
from tests.core.samples import DAY, NOW

PROVE = "prove the token: accepted as the right account on fresh connections, the control refused"
WRITE = "write the new token where the consumers read it (compare-and-swap), and read it back"
GRACE = "wait: the old key lives on for those who still use it"


def words(s: Situation) -> list[str]:
    return [line.words for line in plan(s)]


def test_the_plan_of_a_rotation_by_the_live_key() -> None:
    assert words(situation(demanded=True)) == [
        "make a key of account ci (never expiring), by the live key",
        "the new key is given time to reach every replica",
        PROVE,
        WRITE,
        GRACE,
        PROVE,
        "delete the key tm-old, by the live key, and see it gone",
    ]


def test_the_plan_of_the_first_key() -> None:
    assert words(situation(Journal(account="ci"), Status.MISSING, version=None, demanded=True)) == [
        "make a key of account ci (never expiring), by a login with the password",
        PROVE,
        WRITE,
        GRACE,
    ]


def test_the_plan_has_the_consumers_that_are_restarted() -> None:
    policy = replace(BY_PASSWORD, restart_consumers=True, watch_consumers=True, expires_in=3600)
    lines = words(situation(demanded=True, policy=policy))
    assert lines[0].startswith("make a key of account ci (expiring in 60 min)")
    assert "restart the consumers that read the token only at start" in lines
    assert "see who runs with the old key" in lines
    assert lines.index("see that the consumers' pods run with the new key") < lines.index(
        "delete the key tm-old, by the live key, and see it gone"
    )


def test_the_times_of_a_plan_are_those_of_the_policy() -> None:
    lines = plan(situation(demanded=True))
    assert lines[0].at == NOW
    assert next(line.at for line in lines if line.words == WRITE) == NOW + BY_PASSWORD.settle
    assert lines[-1].at == NOW + BY_PASSWORD.settle + BY_PASSWORD.grace
    assert [line.state for line in lines][:3] == [State.INTENT, State.MINTED, State.MINTED]


def test_a_foreign_key_that_is_replaced_is_named_with_the_command_that_deletes_it() -> None:
    first = holding_foreign(situation(Journal(account="ci")), token_account="ci", demanded=True)
    assert words(first)[-1] == (
        "the old key by-hand is not ours and lives on: delete it with `argocd account delete-token --account ci by-hand`"
    )
    assert FOREIGN in words(first)[-1]


@pytest.mark.parametrize("status", NOT_MENDED)
def test_a_plan_says_when_a_new_key_would_not_help(status: Status) -> None:
    (said,) = words(situation(status=status, demanded=True))
    assert said.startswith(f"the token is {status}, ")
    assert ("take the token out" if status in HELPED_BY_HAND else "a new key does not mend") in said
    by_renewal = situation(status=status, demanded=True, policy=BY_RENEWAL)
    assert words(by_renewal) == [f"the token is {status}, which a new key does not mend"]


def test_a_plan_says_when_nothing_is_known() -> None:
    lines = words(situation(status=None, demanded=True))
    assert lines == ["whether Argo CD accepts the token is not known, so nothing is changed"]


def test_a_plan_says_when_nothing_is_due() -> None:
    assert words(situation()) == ["nothing: the token is valid"]


def test_a_plan_says_what_a_person_must_do_without_a_password() -> None:
    lines = words(situation(status=Status.REVOKED, policy=BY_RENEWAL, password=None, demanded=True))
    assert lines == ["the token is revoked and there is no password to log in with: put a new token there"]


def test_a_plan_says_when_no_key_can_follow_the_token() -> None:
    project = situation(Journal(current="tm-old"), policy=Policy(None, by_password=False), account=None, demanded=True)
    assert words(replace(project, unrenewable="it is that of a project role: use an API key")) == [
        "it is that of a project role: use an API key"
    ]


def test_a_plan_says_when_a_login_must_wait_or_keys_must_go_first() -> None:
    full = at_rest(owned=("tm-old", "tm-a", "tm-b"), sweep_at=NOW + DAY)
    assert words(situation(full, demanded=True)) == [
        "3 keys of ours may be alive: those that nobody uses are deleted before one is made"
    ]


def test_a_plan_goes_on_from_where_the_rotation_stands() -> None:
    lines = words(situation(under_way(State.VERIFIED), demanded=True))
    assert lines[0] == WRITE
    assert lines[-1].startswith("delete the key tm-old")


def test_a_plan_while_stood_down_on_demand_is_that_of_a_rotation() -> None:
    stood_down = at_rest(stood_down="External Secrets undid it", current=FOREIGN, owned=())
    assert WRITE in words(holding_foreign(situation(stood_down, demanded=True)))
    assert words(holding_foreign(situation(stood_down))) == ["External Secrets undid it"]
