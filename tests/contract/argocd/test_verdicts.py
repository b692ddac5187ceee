"""What happens to a token inside Argo CD, and what a check says of it: on the simulator, and on a real server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
from monitor.adapters.argocd.client import ArgoCDClient, Endpoint
from monitor.adapters.argocd.connections import Connections
from monitor.adapters.argocd.tls import TlsContexts, Trust
from monitor.adapters.clock import SystemClock
from monitor.core.model import Expectation, Verdict
from monitor.core.secret import Secret
from monitor.core.status import Status
from monitor.ports import Credential
from monitor.services.checker import Checked, Checker

from tests.contract.argocd.lab import ACCOUNT, URL, Lab, Settings, real, simulated

SERVERS = ("simulator-3", "simulator-2", *(("real",) if URL in os.environ else ()))


@pytest.fixture(params=SERVERS)
async def lab(request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    kind = request.param
    async with real() if kind == "real" else simulated(kind.removeprefix("simulator-")) as found:
        yield found


@pytest.fixture
def settings(lab: Lab) -> Settings:
    if lab.settings is None:
        pytest.skip("no Kubernetes API to change the settings of Argo CD with")
    return lab.settings


class Given:
    where = "the test"

    def __init__(self, token: str) -> None:
        self._token = token

    async def read(self, *, ask: bool = False) -> Credential:
        return Credential(Secret(self._token))


async def check(lab: Lab, token: str, expected: Expectation | None = None) -> Checked:
    clock = SystemClock()
    connections = Connections(clock.monotonic)
    endpoint = Endpoint(lab.url, Trust(insecure=True))
    try:
        client = ArgoCDClient(endpoint, connections, TlsContexts(), clock)
        return await Checker(client, Given(token), expected or Expectation(), clock).check(full=True)
    finally:
        await connections.close()


async def judged(lab: Lab, token: str, expected: Expectation | None = None) -> Verdict:
    return (await check(lab, token, expected)).verdict


async def becomes(lab: Lab, token: str, status: Status) -> Verdict:
    """The verdict once the server has followed the change; every one before is accepted or cannot tell."""
    seen: list[Verdict] = []

    async def there() -> bool:
        seen.append(await judged(lab, token))
        return seen[-1].status is status

    try:
        await lab.until(there)
    except TimeoutError:
        pytest.fail(f"{seen[-1].status}, not {status}: {seen[-1].cause}")
    assert seen[-1].remedy
    return seen[-1]


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
