"""The servers that each test is played on: the simulator in the words of 3.x and 2.x, and a real one where it is named."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from tests.contract.argocd.lab import URL, Lab, Settings, real, simulated

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
