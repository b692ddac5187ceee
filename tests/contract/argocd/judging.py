"""What the product says of a token on a server of the lab."""

from __future__ import annotations

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

from tests.contract.argocd.lab import Lab


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
