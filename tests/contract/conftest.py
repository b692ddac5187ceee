"""Tests on real servers share an account and a namespace: they run one after the other, in one process."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        words = item.name.partition("[")[2].rstrip("]").split("-")
        if "real" in words:
            item.add_marker(pytest.mark.xdist_group("real servers"))
