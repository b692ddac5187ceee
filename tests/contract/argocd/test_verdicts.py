"""What happens to a token inside Argo CD, and what a check says of it: on the simulator, and on a real server."""

from __future__ import annotations

import pytest
from monitor.adapters.clock import SystemClock
from monitor.core.model import Expectation
from monitor.core.status import Status
from monitor.simulator.rbac import Role

from tests.contract.argocd.judging import becomes, check, judged
from tests.contract.argocd.lab import ACCOUNT, Lab, Settings


async def test_a_live_key_is_valid_and_the_control_is_refused(lab: Lab) -> None:
    key_id, token = await lab.mint()
    checked = await check(lab, token)
    assert (checked.verdict.status, checked.verdict.account) == (Status.VALID, ACCOUNT)
    assert checked.verdict.token_id == key_id
    assert checked.proven
    assert checked.verdict.anonymous_access is False


async def test_a_key_that_ends_soon_is_expiring(lab: Lab) -> None:
    _, token = await lab.mint(expires_in=3600)
    assert (await judged(lab, token)).status is Status.EXPIRING
    assert (await judged(lab, token, Expectation(expiring_within=60))).status is Status.VALID


async def test_a_key_that_ended_is_expired(lab: Lab) -> None:
    _, token = await lab.mint(expires_in=1)
    await becomes(lab, token, Status.EXPIRED)


async def test_a_deleted_key_is_revoked(lab: Lab) -> None:
    key_id, token = await lab.mint()
    await lab.revoke(key_id)
    assert key_id in (await becomes(lab, token, Status.REVOKED)).cause


async def test_a_key_of_another_account_is_told(lab: Lab) -> None:
    _, token = await lab.mint()
    verdict = await judged(lab, token, Expectation(account="admin"))
    assert verdict.status is Status.WRONG_ACCOUNT
    assert verdict.accepted is True


async def test_a_missing_permission_is_told(lab: Lab) -> None:
    _, token = await lab.mint()
    verdict = await judged(lab, token, Expectation(permissions=("applications/delete/*/*",)))
    assert verdict.status is Status.INSUFFICIENT_PERMISSIONS
    assert "applications/delete/*/*" in verdict.cause


async def test_a_permission_that_the_server_does_not_know_is_told(lab: Lab) -> None:
    _, token = await lab.mint()
    verdict = await judged(lab, token, Expectation(permissions=("nonsense/get/x",)))
    assert verdict.status is Status.INSUFFICIENT_PERMISSIONS
    assert "does not know" in verdict.cause


async def test_a_permission_for_the_url_of_a_cluster_is_asked_and_not_passed_over(lab: Lab) -> None:
    """Go's router takes `//` out of a path by a redirect: what is asked must not look like it."""
    url = "https://kubernetes.default.svc"
    _, token = await lab.mint("admin")
    assert (await judged(lab, token, Expectation(permissions=(f"clusters/get/{url}",)))).status is Status.VALID
    _, token = await lab.mint()
    verdict = await judged(lab, token, Expectation(permissions=(f"clusters/delete/{url}",)))
    assert verdict.status is Status.INSUFFICIENT_PERMISSIONS
    assert f"clusters/delete/{url}" in verdict.cause


@pytest.mark.parametrize("object_", ["../x", "./x", "a/../b", "a%2Fb", "a?b#c", "a/", "[a]{b}", "'\"<>"])
async def test_a_permission_for_any_object_is_asked(lab: Lab, object_: str) -> None:
    _, token = await lab.mint()
    verdict = await judged(lab, token, Expectation(permissions=(f"applications/delete/{object_}",)))
    assert verdict.status is Status.INSUFFICIENT_PERMISSIONS
    assert "lacks the permission" in verdict.cause


async def test_a_broken_signature_is_told_as_a_changed_signing_key(lab: Lab) -> None:
    _, token = await lab.mint()
    head, _, signature = token.rpartition(".")
    broken = f"{head}.{signature[:10]}{'A' if signature[10] != 'A' else 'B'}{signature[11:]}"
    assert (await judged(lab, broken)).status is Status.SIGNING_KEY_CHANGED


@pytest.mark.parametrize("token", ["not-a-jwt", "x.y.z", "a.b", "...", "eyJhbGciOiJub25lIn0.e30."])
async def test_what_is_no_token_is_not_accepted(lab: Lab, token: str) -> None:
    verdict = await judged(lab, token)
    assert verdict.status in (Status.MALFORMED, Status.FOREIGN_ISSUER)


async def test_a_session_token_is_accepted_and_expires(lab: Lab) -> None:
    verdict = await judged(lab, lab.session)
    assert (verdict.status, verdict.account) == (Status.EXPIRING, "admin")


async def test_a_disabled_account_is_told_and_recovers_without_a_new_key(lab: Lab, settings: Settings) -> None:
    _, token = await lab.mint()
    await settings.enable(False)
    await becomes(lab, token, Status.ACCOUNT_DISABLED)
    await settings.enable(True)
    await becomes(lab, token, Status.VALID)


async def test_a_lost_capability_is_told_and_recovers_without_a_new_key(lab: Lab, settings: Settings) -> None:
    _, token = await lab.mint()
    await settings.capabilities("login")
    await becomes(lab, token, Status.CAPABILITY_MISSING)
    await settings.capabilities("apiKey", "login")
    await becomes(lab, token, Status.VALID)


async def test_a_removed_account_is_told(lab: Lab, settings: Settings) -> None:
    _, token = await lab.mint()
    await settings.remove()
    await becomes(lab, token, Status.ACCOUNT_MISSING)


async def test_a_changed_password_ends_the_key(lab: Lab, settings: Settings) -> None:
    _, token = await lab.mint()
    # Argo CD keeps times in whole seconds: a key of the same second as the change would live on.
    clock = SystemClock()
    start = int(clock.now())

    async def a_second_later() -> bool:
        return int(clock.now()) > start

    await lab.until(a_second_later)
    await lab.change_password()
    await becomes(lab, token, Status.PASSWORD_CHANGED)


async def test_anonymous_access_does_not_hide_a_deleted_key(lab: Lab, settings: Settings) -> None:
    _, live = await lab.mint()
    key_id, dead = await lab.mint()
    await settings.anonymous(True)

    async def is_on() -> bool:
        return (await judged(lab, live)).anonymous_access is True

    await lab.until(is_on)
    await lab.revoke(key_id)
    assert "anonymous" in (await becomes(lab, dead, Status.REVOKED)).cause
    assert (await judged(lab, live)).status is Status.VALID


async def test_a_new_signing_key_ends_every_token(lab: Lab, settings: Settings) -> None:
    _, token = await lab.mint()
    await settings.new_signing_key()
    await becomes(lab, token, Status.SIGNING_KEY_CHANGED)


async def test_a_token_without_its_end_is_told_to_be_cut(lab: Lab) -> None:
    _, token = await lab.mint()
    verdict = await judged(lab, token[:-5])
    assert verdict.status is Status.SIGNING_KEY_CHANGED
    assert "5 characters too short" in verdict.cause


ODD_IDS = ["with space", "schlüssel", "100%", "quote'\"", "tab\there", "x" * 250, "a does not have token with id b"]


@pytest.mark.parametrize("key_id", ODD_IDS)
async def test_a_key_of_any_id_is_judged_by_it(lab: Lab, key_id: str) -> None:
    _, token = await lab.mint(key_id=key_id)
    verdict = await judged(lab, token)
    assert verdict.status is Status.VALID
    await lab.revoke(key_id)
    cause = (await becomes(lab, token, Status.REVOKED)).cause
    assert verdict.token_id is not None
    assert cause == f"the API key {verdict.token_id} was deleted from account {ACCOUNT}"


async def test_a_key_that_is_made_again_with_its_id_brings_the_old_token_back(lab: Lab) -> None:
    key_id, token = await lab.mint()
    await lab.revoke(key_id)
    await becomes(lab, token, Status.REVOKED)
    await lab.mint(key_id=key_id)
    await becomes(lab, token, Status.VALID)


async def test_a_session_that_was_logged_out_is_told(lab: Lab) -> None:
    assert "log-out" in (await becomes(lab, await lab.logout(), Status.REVOKED)).cause


async def test_a_token_of_a_project_role_lives_as_long_as_it_and_its_project(lab: Lab, settings: Settings) -> None:
    await settings.project("contract", "reader")
    minted: list[str] = []

    async def is_there() -> bool:  # the server learns of the project from its watch
        try:
            minted.append(await lab.mint_for_role("contract", "reader", f"one-{len(minted)}"))
        except AssertionError:
            return False
        return True

    await lab.until(is_there)
    token = minted[0]
    verdict = await becomes(lab, token, Status.VALID)
    assert verdict.account == "proj:contract:reader"
    assert (await judged(lab, token, Expectation(account=ACCOUNT))).status is Status.WRONG_ACCOUNT
    await lab.revoke_for_role("contract", "reader", "one-0")
    await becomes(lab, token, Status.REVOKED)
    # Not before: a token that was deleted lives on with another of its role from the same second.
    kept = await lab.mint_for_role("contract", "reader", "two")
    await becomes(lab, kept, Status.VALID)
    await settings.remove_project("contract")
    assert "project contract" in (await becomes(lab, kept, Status.ACCOUNT_MISSING)).cause


async def anonymous_access_comes(lab: Lab, live: str) -> None:
    async def is_on() -> bool:
        return (await judged(lab, live)).anonymous_access is True

    await lab.until(is_on)


async def a_live_and_a_revoked_key_where_the_anonymous_have(
    role: Role, lab: Lab, settings: Settings
) -> tuple[str, str]:
    _, live = await lab.mint()
    key_id, dead = await lab.mint()
    await settings.anonymous_role(role)
    await anonymous_access_comes(lab, live)
    await lab.revoke(key_id)
    return live, dead


async def test_anonymous_access_of_an_administrator_is_not_taken_for_authentication_that_is_off(
    lab: Lab, settings: Settings
) -> None:
    live, dead = await a_live_and_a_revoked_key_where_the_anonymous_have(Role.ADMIN, lab, settings)
    await becomes(lab, dead, Status.REVOKED)
    assert (await judged(lab, live)).status is Status.VALID


async def test_where_the_anonymous_may_do_everything_a_refused_token_is_neither_accepted_nor_refused(
    lab: Lab, settings: Settings
) -> None:
    live, dead = await a_live_and_a_revoked_key_where_the_anonymous_have(Role.EVERYTHING, lab, settings)
    verdict = await becomes(lab, dead, Status.NOT_ARGOCD)
    assert verdict.accepted is None
    assert "policy.default" in verdict.remedy
    assert (await judged(lab, live)).status is Status.VALID


async def test_anonymous_access_without_rights_hides_the_cause_and_not_the_refusal(
    lab: Lab, settings: Settings
) -> None:
    live, dead = await a_live_and_a_revoked_key_where_the_anonymous_have(Role.NONE, lab, settings)
    assert "key may have been deleted" in (await becomes(lab, dead, Status.REJECTED)).cause
    assert (await judged(lab, live)).status is Status.VALID


@pytest.mark.parametrize("key_id", ODD_IDS)
async def test_anonymous_access_makes_no_listed_key_a_deleted_one(lab: Lab, settings: Settings, key_id: str) -> None:
    _, live = await lab.mint(key_id=key_id)
    await settings.anonymous(True)
    await anonymous_access_comes(lab, live)
    broken = live[:-20] + ("A" if live[-20] != "A" else "B") + live[-19:]
    assert (await judged(lab, broken)).status is Status.REJECTED
