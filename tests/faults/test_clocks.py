"""The clock of the machine jumps under the whole service: nothing is refused, made or forgotten for it.

A jump in the middle of a rotation: tests/services/test_rotation_causes.py; of the ticks: tests/daemon/test_ticker.py;
of the Lease: tests/adapters/kubernetes/test_lease.py.
"""

from __future__ import annotations

import time

import pytest
from monitor.adapters.clock import SystemClock
from monitor.core.status import Status

from tests.behaviour.service import Outside, service, until

DAY = 86_400.0


@pytest.fixture(autouse=True)
def _quickly(short_times: None) -> None:
    del short_times


async def test_a_clock_that_jumps_to_and_fro_disturbs_no_check_and_no_key(
    world: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong_by = [0.0]
    monkeypatch.setattr(SystemClock, "now", lambda self: time.time() + wrong_by[0])
    async with service(world.settings(world.password_target())) as running:
        await until(lambda: running.status() is Status.VALID and running.rotation().rotations == 1)
        await until(lambda: len(world.keys()) == 1)
        (key_id,) = world.keys()
        for seconds in (DAY, -DAY, 30 * DAY, -365 * DAY, 0.0):
            wrong_by[0] = seconds
            checks = running.report().checks
            await until(lambda checks=checks: running.report().checks >= checks + 3)
            assert running.status() is Status.VALID
        assert world.keys() == {key_id}
        assert running.rotation().rotations == 1
        world.argocd.revoke_key("codefresh", key_id)
        await until(lambda: running.status() is Status.VALID and running.rotation().rotations == 2)
        assert world.journal()["logins"]["failures"] == []
