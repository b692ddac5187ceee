"""Many targets of one server that takes its time: each is asked in its turn, and none is called unreachable."""

from __future__ import annotations

from monitor.core.status import Status

from tests.behaviour.service import Outside, service, until
from tests.fair_time import fairly

TARGETS = 200
LATE = 0.3
# Longer than one answer takes, and shorter than one to each of the targets, 32 at once.
TIMEOUT = 1.3


async def test_each_gets_its_first_verdict_and_none_is_called_unreachable(world: Outside) -> None:
    world.front.late = LATE
    world.put_token(world.new_token())
    timeout = fairly(TIMEOUT)
    targets = [world.target(f"t{number}", interval=600.0, timeout=timeout) for number in range(TARGETS)]
    async with service(world.settings(*targets)) as running:
        fleet = running.daemon.fleet
        took = await until(lambda: all(report.verdict.status is not Status.PENDING for report in fleet.reports()), 60.0)
        assert took > TIMEOUT
        assert {report.verdict.status for report in fleet.reports()} == {Status.VALID}
