"""Alertmanagers are told directly: each of them, within a minute, once, until it is over, and across restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any

import pytest
from monitor.core.alert_texts import Outgoing, Wording
from monitor.core.alerts import Thresholds
from monitor.core.delivery import MAX_BATCH
from monitor.core.report import TargetReport
from monitor.core.status import Kind, Status
from monitor.services.notifier import MAX_REFUSED, TICK, Notifier
from structlog.testing import capture_logs

from tests.core import alert_samples as given
from tests.core.alert_samples import report
from tests.services.fake_alertmanager import FakeAlertmanager
from tests.virtual_time import VirtualClock, VirtualLoop, play

MINUTE = 60.0
REFUSED = ("TokenRefused", "production")
NOT_VERIFIED = ("TokenNotVerified", "production")
UNREACHABLE = report(Status.UNREACHABLE)
PLACE = {"namespace": "codefresh"}


class World:
    """A monitor whose targets are checked every moment, and Alertmanagers that it tells."""

    def __init__(self, loop: VirtualLoop, alertmanagers: int = 1) -> None:
        self.clock = VirtualClock(loop)
        self.alertmanagers = [FakeAlertmanager(self.clock, f"http://alertmanager-{n}") for n in range(alertmanagers)]
        self.targets: dict[str, TargetReport] = {}
        self.counted: list[tuple[str, bool]] = []
        self.configuration_ok = True
        self.place = dict(PLACE)
        self.notifier: Notifier | None = None
        self._ticking: asyncio.Task[None] | None = None

    @property
    def alertmanager(self) -> FakeAlertmanager:
        return self.alertmanagers[0]

    def have(self, found: TargetReport) -> None:
        """From now on this is what the monitor knows of the target; what it learned by a check is a minute's news."""
        status = found.verdict.status
        self.targets[found.name] = replace(found, since=self.clock.now(), verdict=replace(found.verdict, checked_at=0))
        if status.kind is Kind.UNKNOWN and found.told is not None:
            told = replace(found.told, checked_at=self.clock.now())
            self.targets[found.name] = replace(self.targets[found.name], told=told)

    def reports(self) -> Iterator[TargetReport]:
        for found in self.targets.values():
            if found.verdict.status.kind is Kind.UNKNOWN:
                yield found
            else:
                fresh = replace(found.verdict, checked_at=self.clock.now())
                yield replace(found, verdict=fresh, told=fresh)

    def notified(self, alertmanager: str, *, accepted: bool) -> None:
        self.counted.append((alertmanager, accepted))

    def start(self, thresholds: Thresholds = given.USUAL) -> None:
        self.notifier = Notifier(
            self.clock,
            self.reports,
            self.alertmanagers,
            Wording(self.place),
            thresholds,
            self,
            lambda: self.configuration_ok,
        )
        self._ticking = asyncio.create_task(self._tick(self.notifier))

    async def stop(self) -> None:
        """As on SIGTERM: the ticks end, then the notifier."""
        if self._ticking is not None and self.notifier is not None:
            self._ticking.cancel()
            await asyncio.wait([self._ticking])
            await self.notifier.close(0.5)

    async def pass_by(self, seconds: float) -> None:
        # A little more, so that what is due at that very moment is done.
        await asyncio.sleep(seconds + 0.001)

    async def _tick(self, notifier: Notifier) -> None:
        while True:
            await notifier.tick()
            await asyncio.sleep(TICK)


def story(alertmanagers: int = 1) -> Callable[[Callable[[World], Coroutine[Any, Any, None]]], Callable[[], None]]:
    """Makes a test of a story in virtual time."""

    def decorate(tell: Callable[[World], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        async def whole(loop: VirtualLoop) -> None:
            world = World(loop, alertmanagers)
            try:
                await tell(world)
            finally:
                await world.stop()

        def test() -> None:
            play(whole)

        test.__doc__ = tell.__doc__
        return test

    return decorate


@story(alertmanagers=3)
async def test_a_refused_token_is_told_to_every_instance_within_a_minute(world: World) -> None:
    world.have(report(Status.REVOKED))
    world.start()
    await world.pass_by(25)
    assert not any(each.firing for each in world.alertmanagers)
    await world.pass_by(10)
    for each in world.alertmanagers:
        assert each.firing == {REFUSED}
        (alert,) = each.alerts.values()
        assert alert.labels == {
            "alertname": "TokenMonitorTokenRefused",
            "severity": "critical",
            "target": "production",
            "namespace": "codefresh",
        }
        assert "revoked" in alert.annotations["description"]


@story()
async def test_while_it_fires_it_is_told_every_minute_and_pages_once(world: World) -> None:
    world.have(report(Status.REVOKED))
    world.start()
    await world.pass_by(60 * MINUTE)
    assert world.alertmanager.firing == {REFUSED}
    assert world.alertmanager.paged == 1
    assert 58 <= len(world.alertmanager.requests) <= 60
    assert {alert.ends_at - world.clock.now() > 3 * MINUTE for alert in world.alertmanager.alerts.values()} == {True}


@story(alertmanagers=2)
async def test_an_instance_that_was_down_is_told_when_it_is_back(world: World) -> None:
    up, down = world.alertmanagers
    down.down = True
    world.have(report(Status.REVOKED))
    world.start()
    await world.pass_by(10 * MINUTE)
    assert (up.firing, down.firing) == ({REFUSED}, set())
    down.down = False
    await world.pass_by(MINUTE + TICK)
    assert down.firing == {REFUSED}
    world.have(report())
    await world.pass_by(6 * MINUTE)
    assert not up.firing
    assert not down.firing
    assert (up.paged, down.paged) == (1, 1)


@story(alertmanagers=2)
async def test_a_slow_instance_delays_no_other_and_gets_the_newest_state(world: World) -> None:
    quick, slow = world.alertmanagers
    slow.hang = 3 * MINUTE
    world.have(report(Status.REVOKED))
    world.start()
    await world.pass_by(40)
    assert quick.firing == {REFUSED}
    # Its first answer comes after three minutes; in the meantime a second target is refused.
    world.have(report(Status.REVOKED, name="other"))
    await world.pass_by(2 * MINUTE)
    assert quick.firing == {REFUSED, ("TokenRefused", "other")}
    await world.pass_by(4 * MINUTE)
    ((_, first),) = slow.requests
    assert {alert.labels["target"] for alert in first} == {"production", "other"}


@story()
async def test_two_lost_requests_do_not_end_an_alert(world: World) -> None:
    world.have(report(Status.REVOKED))
    world.start()
    await world.pass_by(35)
    world.alertmanager.down = True
    await world.pass_by(3 * MINUTE)
    assert world.alertmanager.firing == {REFUSED}
    world.alertmanager.down = False
    await world.pass_by(MINUTE + TICK)
    assert world.alertmanager.paged == 1


@story()
async def test_the_end_is_told_and_told_again_for_a_while(world: World) -> None:
    world.have(report(Status.REVOKED))
    world.start()
    await world.pass_by(MINUTE)
    world.have(report())
    repaired = world.clock.now()
    await world.pass_by(5 * MINUTE + TICK)
    assert not world.alertmanager.firing
    (alert,) = world.alertmanager.alerts.values()
    assert 5 * MINUTE <= alert.ends_at - repaired <= 5 * MINUTE + TICK
    assert "revoked" in alert.annotations["description"], "it says what it said"
    before = len(world.alertmanager.requests)
    await world.pass_by(6 * MINUTE)
    assert 4 <= len(world.alertmanager.requests) - before <= 6
    before = len(world.alertmanager.requests)
    await world.pass_by(60 * MINUTE)
    assert len(world.alertmanager.requests) == before


@story()
async def test_healthy_tokens_are_told_to_nobody(world: World) -> None:
    for n in range(20):
        world.have(report(name=f"t{n}"))
    world.start()
    await world.pass_by(60 * MINUTE)
    assert not world.alertmanager.requests


@story()
async def test_the_end_of_the_monitor_ends_no_alert(world: World) -> None:
    world.have(report(Status.REVOKED))
    world.start()
    await world.pass_by(MINUTE)
    sent = len(world.alertmanager.requests)
    await world.stop()
    world.targets.clear()
    assert world.notifier is not None
    await world.notifier.tick()
    await world.pass_by(MINUTE)
    assert len(world.alertmanager.requests) == sent
    assert world.alertmanager.firing == {REFUSED}


@story()
async def test_the_end_waits_for_nobody(world: World) -> None:
    world.alertmanager.hang = 1e6
    world.have(report(Status.REVOKED))
    world.start()
    await world.pass_by(MINUTE)
    started = world.clock.monotonic()
    await world.stop()
    assert world.clock.monotonic() - started < 1


@story()
async def test_a_restart_pages_nobody_a_second_time(world: World) -> None:
    """That nobody can tell is known to the old process since long, and to the new one only after eleven minutes."""
    world.have(UNREACHABLE)
    world.have(report(Status.REVOKED, name="other"))
    world.start()
    await world.pass_by(20 * MINUTE)
    firing = {NOT_VERIFIED, ("TokenRefused", "other")}
    assert world.alertmanager.firing == firing
    begun = {alert.labels["alertname"]: alert.starts_at for alert in world.alertmanager.alerts.values()}
    await world.stop()
    await world.pass_by(20)
    world.have(report(Status.PENDING))
    world.have(report(Status.PENDING, name="other"))
    world.start()
    await world.pass_by(15)
    world.have(UNREACHABLE)
    world.have(report(Status.REVOKED, name="other"))
    for _ in range(20):
        await world.pass_by(MINUTE)
        assert world.alertmanager.firing == firing
    assert world.alertmanager.paged == 2
    assert {alert.labels["alertname"]: alert.starts_at for alert in world.alertmanager.alerts.values()} == begun


@story()
async def test_what_was_mended_during_a_restart_is_told_as_over_by_a_check_and_not_before(world: World) -> None:
    world.have(report(Status.REVOKED))
    world.start()
    await world.pass_by(MINUTE)
    await world.stop()
    world.have(UNREACHABLE)
    world.start()
    await world.pass_by(30 * MINUTE)
    assert REFUSED in world.alertmanager.firing
    world.have(report())
    await world.pass_by(5 * MINUTE + 2 * TICK)
    assert not world.alertmanager.firing
    over = [a for _, alerts in world.alertmanager.requests for a in alerts if a.ends_at <= world.clock.now()]
    assert {alert.labels["alertname"] for alert in over} >= {"TokenMonitorTokenRefused"}
    assert all(alert.annotations["description"] for alert in over)


@story()
async def test_alerts_of_others_are_left_alone(world: World) -> None:
    """Of another monitor, of a target that this one does not have, of another place."""
    now = world.clock.now()

    def alert(**labels: str) -> Outgoing:
        return Outgoing({"severity": "critical", **labels}, {}, now, now + 20 * MINUTE)

    others = [
        alert(alertname="TokenMonitorTokenRefused", target="production", namespace="elsewhere"),
        alert(alertname="TokenMonitorTokenRefused", target="production"),
        alert(alertname="TokenMonitorTokenRefused", target="gone", namespace="codefresh"),
        alert(alertname="TokenMonitorDown", namespace="codefresh"),
        alert(alertname="TokenMonitorSomethingElse", target="production", namespace="codefresh"),
    ]
    await world.alertmanager.tell(others)
    world.have(report())
    world.start()
    await world.pass_by(10 * MINUTE)
    assert len(world.alertmanager.requests) == 1


@story()
async def test_with_one_that_cannot_be_asked_for_its_alerts_the_monitor_still_tells(world: World) -> None:
    world.alertmanager.mute = True
    world.have(report(Status.REVOKED))
    world.start()
    await world.pass_by(40 + MINUTE)
    assert world.alertmanager.firing == {REFUSED}
    asked = world.alertmanager.asked
    await world.pass_by(30 * MINUTE)
    assert world.alertmanager.asked == asked, "it was asked often enough"


@story()
async def test_what_others_have_told_is_asked_at_the_start_only(world: World) -> None:
    """Later it would be what another replica says of the same targets, who may see more."""
    world.alertmanager.down = True
    world.have(report())
    world.start()
    await world.pass_by(6 * MINUTE)
    asked = world.alertmanager.asked
    world.alertmanager.down = False
    await world.pass_by(30 * MINUTE)
    assert world.alertmanager.asked == asked
    assert 3 < asked < 15, "it is asked ever more rarely, and not at every look"


@story()
async def test_the_alerts_of_a_removed_target_end(world: World) -> None:
    world.have(report(Status.REVOKED))
    world.have(report(Status.REVOKED, name="other"))
    world.start()
    await world.pass_by(MINUTE)
    del world.targets["production"]
    await world.pass_by(6 * MINUTE)
    assert world.alertmanager.firing == {("TokenRefused", "other")}
    await world.pass_by(MINUTE)
    assert world.alertmanager.firing == {("TokenRefused", "other")}


@story()
async def test_one_alert_that_is_refused_keeps_no_other_back(world: World) -> None:
    for n in range(10):
        world.have(report(Status.REVOKED, name=f"t{n}"))
    world.start()
    refusing(world.alertmanager, "t3")
    with capture_logs() as logs:
        await world.pass_by(40)
    assert world.alertmanager.firing == {("TokenRefused", f"t{n}") for n in range(10) if n != 3}
    (refused,) = [line for line in logs if line["log_level"] == "error"]
    assert (refused["target"], refused["why"]) == ("t3", "invalid t3")
    assert refused["remedy"]
    assert world.counted.count((world.alertmanager.name, False)) == len(world.counted) - world.counted.count(
        (world.alertmanager.name, True)
    )
    first = len(world.alertmanager.requests)
    assert first <= 2 * 5
    await world.pass_by(9 * MINUTE)
    later = [[a.labels["target"] for a in alerts] for _, alerts in world.alertmanager.requests[first:]]
    assert all("t3" not in targets for targets in later)
    await world.pass_by(2 * MINUTE)
    later = [[a.labels["target"] for a in alerts] for _, alerts in world.alertmanager.requests[first:]]
    assert [targets for targets in later if "t3" in targets] == [["t3"]], "alone, and once in ten minutes"


@story()
async def test_one_that_refuses_everything_is_left_alone_for_a_while(world: World) -> None:
    for n in range(500):
        world.have(report(Status.REVOKED, name=f"t{n:03}"))
    refusing(world.alertmanager, "t")
    world.start()
    with capture_logs() as logs:
        await world.pass_by(34)
    assert len(world.alertmanager.requests) < 4 * MAX_REFUSED
    assert sum(line["log_level"] == "error" for line in logs) <= MAX_REFUSED + 1
    assert any("refuses one alert after the other" in line.get("problem", "") for line in logs)


def refusing(alertmanager: FakeAlertmanager, part: str) -> None:
    """From now on it finds fault with alerts whose target's name holds `part`."""
    from monitor.core.delivery import Receipt, Unacceptable

    taken = alertmanager.tell

    async def tell(alerts: list[Outgoing]) -> Receipt:
        receipt = await taken([alert for alert in alerts if part not in alert.labels["target"]])
        alertmanager.requests[-1] = (alertmanager.requests[-1][0], alerts)
        wrong = [alert.labels["target"] for alert in alerts if part in alert.labels["target"]]
        return Unacceptable(f"invalid {wrong[0]}") if wrong else receipt

    alertmanager.tell = tell  # type: ignore[method-assign, assignment]


@story()
async def test_a_thousand_refused_tokens_are_told_at_once_in_small_requests(world: World) -> None:
    for n in range(1000):
        world.have(report(Status.REVOKED, name=f"t{n}"))
    world.start()
    await world.pass_by(35)
    assert len(world.alertmanager.firing) == 1000
    assert {len(alerts) <= MAX_BATCH for _, alerts in world.alertmanager.requests} == {True}
    assert len(world.alertmanager.requests) == 16


@story(alertmanagers=2)
async def test_a_defect_with_one_instance_harms_no_other(world: World) -> None:
    broken, well = world.alertmanagers
    broken.defect = RuntimeError("a defect")
    world.have(report(Status.REVOKED))
    world.start()
    with capture_logs() as logs:
        await world.pass_by(5 * MINUTE)
    assert well.firing == {REFUSED}
    assert 5 <= sum(line["event"] == "telling failed" for line in logs) <= 12, "it is tried again, with pauses"
    broken.defect = None
    await world.pass_by(MINUTE + TICK)
    assert broken.firing == {REFUSED}


@story(alertmanagers=2)
async def test_every_request_is_counted_by_instance(world: World) -> None:
    world.alertmanagers[1].down = True
    world.have(report(Status.REVOKED))
    world.start()
    await world.pass_by(35)
    assert world.counted == [("http://alertmanager-0", True), ("http://alertmanager-1", False)]


@story(alertmanagers=2)
async def test_that_one_cannot_be_told_is_said_once_and_that_nobody_can_is_an_error(world: World) -> None:
    world.have(report(Status.REVOKED))
    world.start()
    with capture_logs() as logs:
        world.alertmanagers[0].down = True
        await world.pass_by(10 * MINUTE)
        world.alertmanagers[1].down = True
        await world.pass_by(10 * MINUTE)
        world.alertmanagers[0].down = False
        await world.pass_by(2 * MINUTE)
    said = [(line["log_level"], line["event"], line.get("alertmanager")) for line in logs]
    assert [line for line in said if line[1] != "alert fires"] == [
        ("warning", "this Alertmanager cannot be told", "http://alertmanager-0"),
        ("warning", "this Alertmanager cannot be told", "http://alertmanager-1"),
        ("error", "no Alertmanager can be told: alerts reach nobody", None),
        ("info", "Alertmanager can be told again", "http://alertmanager-0"),
    ]


@story()
async def test_a_refused_configuration_is_told_too(world: World) -> None:
    world.have(report())
    world.configuration_ok = False
    world.start()
    await world.pass_by(5 * MINUTE + TICK)
    assert world.alertmanager.firing == {("ConfigRejected", None)}
    (alert,) = world.alertmanager.alerts.values()
    assert "config validate" in alert.annotations["description"]
    world.configuration_ok = True
    await world.pass_by(6 * MINUTE)
    assert not world.alertmanager.firing


@story()
async def test_a_clock_that_is_set_back_does_not_silence_anything(world: World) -> None:
    world.have(report(Status.REVOKED))
    world.start()
    await world.pass_by(MINUTE)
    world.clock.offset = -3 * 3600
    await world.pass_by(3 * MINUTE)
    (alert,) = world.alertmanager.alerts.values()
    assert alert.ends_at > world.clock.now()
    assert alert.starts_at <= world.clock.now()


@story()
async def test_begin_and_end_of_an_alert_are_in_the_log(world: World) -> None:
    world.have(report(Status.REVOKED))
    world.start()
    with capture_logs() as logs:
        await world.pass_by(MINUTE)
        world.have(report())
        await world.pass_by(12 * MINUTE)
    assert [(line["event"], line["alert"], line["target"]) for line in logs] == [
        ("alert fires", "TokenMonitorTokenRefused", "production"),
        ("alert is over", "TokenMonitorTokenRefused", "production"),
    ]


@pytest.mark.parametrize("targets", [10_000])
def test_a_look_at_ten_thousand_targets_leaves_other_work_its_turn(targets: int) -> None:
    async def look(loop: VirtualLoop) -> None:
        world = World(loop)
        fresh = [replace(report(name=f"t{n}")) for n in range(targets)]
        notifier = Notifier(world.clock, lambda: iter(fresh), world.alertmanagers, Wording(PLACE), given.USUAL, world)
        turns = 0
        task = asyncio.create_task(notifier.tick())
        while not task.done():
            turns += 1
            await asyncio.sleep(0)
        assert turns >= targets // 250
        await notifier.close(1)

    play(look)
