"""For the tests of the Kubernetes adapters."""

from __future__ import annotations

import pytest

from tests.adapters.kubernetes.stage import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()
