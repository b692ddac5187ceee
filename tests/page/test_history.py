"""The last checks of each target are remembered, in very little memory."""

import sys

from monitor.core.history import LENGTH, recall, remember, runs
from monitor.core.status import Status

from tests.page.samples import past
from tests.services.fleet_driver import World, in_virtual_time


def test_the_last_thirty_checks_are_remembered_oldest_first():
    history = b""
    for status in (*[Status.REVOKED] * 5, *[Status.VALID] * 28, Status.UNREACHABLE):
        history = remember(history, status)
    assert LENGTH == 30
    assert recall(history) == (Status.REVOKED,) * 1 + (Status.VALID,) * 28 + (Status.UNREACHABLE,)


def test_every_status_comes_back_as_itself():
    for status in Status:
        assert recall(remember(b"", status)) == (status,)


def test_checks_in_a_row_are_told_as_one_run():
    history = past((Status.VALID, 3), (Status.THROTTLED, 1), (Status.VALID, 2))
    assert runs(history) == ((Status.VALID, 3), (Status.THROTTLED, 1), (Status.VALID, 2))
    assert runs(b"") == ()


def test_ten_thousand_targets_remember_in_less_than_a_megabyte():
    histories = [past((status, LENGTH)) for status in (Status.VALID, Status.UNREACHABLE)]
    # The bytes, rounded up to what the allocator gives (16), and the reference to them.
    each = max(-(-sys.getsizeof(history) // 16) * 16 + 8 for history in histories)
    assert each * 10_000 < 1_000_000


def test_the_fleet_remembers_what_each_check_found_also_a_refusal_that_still_waits_for_its_confirmation():
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a")])
        await world.until(40.0)
        assert set(_found(world)) == {Status.VALID}
        world.argocd.revoke_key("ci", "a")
        while Status.REVOKED not in _found(world):
            await world.until(world.clock.monotonic() + 0.1)
        assert world.status("a") == "valid"
        await world.until(2000.0)
        assert _found(world) == (Status.REVOKED,) * LENGTH

    in_virtual_time(story)


def _found(world: World) -> tuple[Status, ...]:
    report = world.fleet.report("a")
    assert report is not None
    return recall(report.history)
