"""All rotations of a process: which run when, how many at once, and that none harms another; then the whole in one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
import structlog
from monitor.core.journal import State
from monitor.core.report import RotationReport
from monitor.core.status import Status
from monitor.services.checker import Checker
from monitor.services.fleet import Fleet, Target
from monitor.services.rotation_facts import Sight
from monitor.services.rotations import AFTER_DEFECT, FOLLOWING, LONGEST_PAUSE, MAX_AT_ONCE, Rotations
from monitor.services.rotator import Rotator

from tests.services.rotation_outside import HOUR, PASSWORD, WorldClock
from tests.services.rotation_process import Ports
from tests.services.rotation_stories import policy
from tests.services.rotation_world import World, in_a_world, quietly
from tests.virtual_time import VirtualLoop, virtual_loop


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quietly():
        yield


class FakeRotator:
    """Takes `lasts` seconds, and comes back after `pause`; what it was called with is in `runs`."""

    def __init__(self, clock: WorldClock, lasts: float = 1.0, pause: float = 60.0) -> None:
        self.clock = clock
        self.lasts = lasts
        self.pause = pause
        self.runs: list[tuple[float, Sight | None]] = []
        self.looks: list[float] = []
        self.demands = 0
        self.known = False
        self.obeys = False
        self.defect: Exception | None = None
        self.cancelled = False
        self.running = 0

    def demand(self) -> None:
        self.demands += 1

    def report(self) -> RotationReport:
        return RotationReport(rotations=len(self.runs))

    async def look(self) -> None:
        self.looks.append(self.clock.monotonic())
        self.known = True

    async def advance(self, sight: Sight | None, *, leads: Callable[[], bool]) -> float:
        self.runs.append((self.clock.monotonic(), sight))
        self.running += 1
        assert self.running == 1, "the same rotation runs twice at once"
        try:
            for _ in range(round(self.lasts * 10)):
                if self.obeys and not leads():
                    break
                await asyncio.sleep(0.1)
            if self.defect is not None:
                raise self.defect
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        finally:
            self.running -= 1
        self.known = True
        return self.clock.now() + self.pause


class Stage:
    """Rotations with a driver that ticks ten times a second."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.clock = WorldClock(loop)
        self.leads = True
        self.sights: dict[str, Sight] = {}
        self.rotations = Rotations(self.clock, self.sights.get, lambda: self.leads)
        self.most_at_once = 0

    def rotators(self, count: int, **settings: float) -> list[FakeRotator]:
        made = [FakeRotator(self.clock, **settings) for _ in range(count)]
        self.rotations.set_rotators({f"t{n}": cast("Rotator", rotator) for n, rotator in enumerate(made)})
        return made

    async def until(self, moment: float) -> None:
        while self.clock.monotonic() < moment:
            await self.rotations.tick()
            self.most_at_once = max(self.most_at_once, len(self.rotations._running))
            await asyncio.sleep(0.1)


@contextmanager
def on_a_stage() -> Iterator[tuple[Stage, Callable[[Any], None]]]:
    with virtual_loop() as loop:
        yield Stage(loop), loop.run_until_complete


def test_only_some_run_at_once_and_every_one_comes_to_its_turn() -> None:
    with on_a_stage() as (stage, run):
        made = stage.rotators(35, lasts=2.0)
        run(stage.until(10.0))
        assert stage.most_at_once == MAX_AT_ONCE
        assert all(len(rotator.runs) == 1 for rotator in made)


def test_one_that_is_slow_holds_up_no_other() -> None:
    with on_a_stage() as (stage, run):
        made = stage.rotators(3, pause=5.0)
        made[0].lasts = 1000.0
        run(stage.until(60.0))
        assert len(made[0].runs) == 1
        assert all(len(rotator.runs) >= 9 for rotator in made[1:])


def test_one_that_is_removed_while_it_waits_for_its_turn_leaves_it_to_the_next() -> None:
    with on_a_stage() as (stage, run):
        made = stage.rotators(MAX_AT_ONCE + 2, lasts=10.0)
        made[0].lasts = 1.0

        async def tell() -> None:
            await stage.rotations.tick()
            waiting = [number for number, rotator in enumerate(made) if f"t{number}" not in stage.rotations._running]
            removed, following = waiting
            stage.rotations.set_rotators(
                {f"t{n}": cast("Rotator", rotator) for n, rotator in enumerate(made) if n != removed}
            )
            await asyncio.sleep(2.0)
            assert [len(made[number].runs) for number in (removed, following)] == [0, 1]
            await stage.rotations.close(30.0)

        run(tell())


def test_it_comes_back_when_the_rotation_asked_for_it() -> None:
    with on_a_stage() as (stage, run):
        (one,) = stage.rotators(1, lasts=1.0, pause=60.0)
        run(stage.until(200.0))
        assert [round(at) for at, _ in one.runs] == [0, 61, 122, 183]


def test_a_change_wakes_it_once_the_change_has_settled() -> None:
    with on_a_stage() as (stage, run):
        one, other = stage.rotators(2, lasts=0.1, pause=250.0)
        run(stage.until(10.0))
        stage.rotations.wake("t0")
        stage.rotations.wake("t0")
        stage.rotations.wake("nobody")
        run(stage.until(10.4))
        assert len(one.runs) == 1
        run(stage.until(20.0))
        assert (len(one.runs), len(other.runs)) == (2, 1)


def test_a_change_in_the_midst_of_a_rotation_is_looked_at_after_it() -> None:
    with on_a_stage() as (stage, run):
        (one,) = stage.rotators(1, lasts=5.0, pause=250.0)
        run(stage.until(2.0))
        stage.rotations.wake("t0")
        run(stage.until(30.0))
        assert [round(at) for at, _ in one.runs] == [0, 5]


def test_a_person_who_asks_wakes_it() -> None:
    with on_a_stage() as (stage, run):
        one, other = stage.rotators(2, pause=250.0)
        run(stage.until(10.0))
        stage.rotations.demand("t0")
        stage.rotations.demand("nobody")
        run(stage.until(12.0))
        assert (one.demands, other.demands) == (1, 0)
        assert (len(one.runs), len(other.runs)) == (2, 1)


def test_who_does_not_lead_begins_nothing() -> None:
    with on_a_stage() as (stage, run):
        (one,) = stage.rotators(1, pause=5.0)
        stage.leads = False
        run(stage.until(60.0))
        assert one.runs == []
        stage.leads = True
        run(stage.until(61.0))
        assert len(one.runs) == 1


def test_who_does_not_lead_reads_what_the_leader_did_and_tells_nothing_before() -> None:
    with on_a_stage() as (stage, run):
        (one,) = stage.rotators(1)
        stage.leads = False
        assert stage.rotations.report("t0") is None
        run(stage.until(2.5 * FOLLOWING))
        assert [round(at / FOLLOWING) for at in one.looks] == [0, 1, 2]
        assert stage.rotations.report("t0") == RotationReport()


def test_who_comes_to_lead_begins_at_once() -> None:
    with on_a_stage() as (stage, run):
        (one,) = stage.rotators(1)
        stage.leads = False
        run(stage.until(10.0))
        stage.leads = True
        run(stage.until(10.5))
        assert len(one.runs) == 1


def test_those_that_log_in_as_the_same_user_run_one_after_the_other() -> None:
    with on_a_stage() as (stage, run):
        made = [FakeRotator(stage.clock, lasts=1.0) for _ in range(4)]
        rotators = {f"t{n}": cast("Rotator", rotator) for n, rotator in enumerate(made)}
        stage.rotations.set_rotators(rotators, {"t0": "ci", "t1": "ci", "t2": "admin"})
        run(stage.until(0.5))
        assert [rotator.running for rotator in made] == [1, 0, 1, 1]
        run(stage.until(3.0))
        assert all(len(rotator.runs) == 1 for rotator in made)


def test_also_one_whose_target_is_gone_is_waited_for() -> None:
    with on_a_stage() as (stage, run):
        old, new = (FakeRotator(stage.clock, lasts=5.0) for _ in range(2))
        stage.rotations.set_rotators({"old": cast("Rotator", old)}, {"old": "ci"})
        run(stage.until(1.0))
        stage.rotations.set_rotators({"new": cast("Rotator", new)}, {"new": "ci"})
        run(stage.until(4.0))
        assert (old.running, new.running) == (1, 0)
        run(stage.until(6.0))
        assert (old.running, new.running) == (0, 1)


def test_many_that_have_nothing_to_do_are_through_in_no_time() -> None:
    with on_a_stage() as (stage, run):
        made = stage.rotators(2000, lasts=0.1, pause=250.0)
        run(stage.until(25.0))
        assert all(len(rotator.runs) == 1 for rotator in made)


def test_what_runs_is_told_whether_it_leads_and_is_not_cut_off() -> None:
    with on_a_stage() as (stage, run):
        (one,) = stage.rotators(1, lasts=5.0)
        run(stage.until(1.0))
        stage.leads = False
        run(stage.until(20.0))
        assert not one.cancelled
        assert len(one.runs) == 1


def test_a_defect_in_one_harms_no_other_and_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    with on_a_stage() as (stage, run):
        broken, sound = stage.rotators(2, pause=10.0)
        broken.defect = ZeroDivisionError("a defect")
        run(stage.until(AFTER_DEFECT + 10.0))
        assert len(broken.runs) == 2
        assert len(sound.runs) >= 6


def test_while_the_checks_look_twice_the_rotation_is_told_so() -> None:
    with on_a_stage() as (stage, run):
        (one,) = stage.rotators(1, pause=5.0)
        run(stage.until(1.0))
        stage.sights["t0"] = seen = Sight(None, "f")
        run(stage.until(10.0))
        assert [sight for _, sight in one.runs] == [Sight(None, None), seen]


@pytest.mark.parametrize("by", [-86_400.0, 86_400.0])
def test_a_clock_that_is_set_delays_no_rotation_for_long(by: float) -> None:
    with on_a_stage() as (stage, run):
        (one,) = stage.rotators(1, lasts=1.0, pause=60.0)
        run(stage.until(0.5))
        stage.clock.wrong_by = by
        run(stage.until(LONGEST_PAUSE + 65.0))
        assert len(one.runs) >= 2


def test_however_long_it_would_wait_it_is_looked_at_every_five_minutes() -> None:
    with on_a_stage() as (stage, run):
        (one,) = stage.rotators(1, pause=10 * 86_400.0)
        run(stage.until(3 * LONGEST_PAUSE))
        assert len(one.runs) == 3


def test_a_new_configuration_keeps_what_is_unchanged_and_leaves_what_runs_to_its_end() -> None:
    with on_a_stage() as (stage, run):
        kept, replaced, removed = stage.rotators(3, lasts=5.0, pause=250.0)
        run(stage.until(1.0))
        new = FakeRotator(stage.clock, lasts=1.0, pause=250.0)
        stage.rotations.set_rotators({"t0": cast("Rotator", kept), "t1": cast("Rotator", new)})
        assert stage.rotations.rotator("t1") is cast("Rotator", new)
        assert stage.rotations.rotator("t2") is None
        run(stage.until(60.0))
        assert not any(rotator.cancelled for rotator in (kept, replaced, removed))
        assert [len(rotator.runs) for rotator in (kept, replaced, removed, new)] == [1, 1, 1, 1]
        assert new.runs[0][0] >= 4.99


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (RotationReport(), False),
        (RotationReport(live_keys=1), True),
        (RotationReport(state=State.MINTED, key_id="tm-1"), True),
    ],
    ids=["nothing", "a key in use", "a key on its way"],
)
def test_that_a_removed_target_leaves_keys_behind_is_told_with_what_to_do(left: RotationReport, told: bool) -> None:
    with on_a_stage() as (stage, run), structlog.testing.capture_logs() as logs:
        stage.rotators(1)[0].report = lambda: left  # type: ignore[method-assign]
        stage.rotations.set_rotators({})
        run(stage.until(1.0))
    said = [
        line for line in logs if line["event"] == "a target is rotated no more, and keys of ours stay on its account"
    ]
    assert [line["target"] for line in said] == (["t0"] if told else [])
    assert all("token-monitor-journal-t0" in line["fix"] for line in said)


def test_that_a_target_went_to_another_replica_is_no_reason_to_tell_anybody_of_its_keys() -> None:
    with on_a_stage() as (stage, run), structlog.testing.capture_logs() as logs:
        stage.rotators(1)[0].report = lambda: RotationReport(live_keys=1)  # type: ignore[method-assign]
        stage.rotations.set_rotators({}, elsewhere={"t0"})
        run(stage.until(1.0))
    assert logs == []


def test_at_the_end_nothing_is_waited_for_where_nothing_runs() -> None:
    with on_a_stage() as (stage, run):
        stage.rotators(1, lasts=1.0)
        run(stage.until(5.0))
        run(stage.rotations.close(60.0))
        assert stage.clock.monotonic() < 6.0


def test_at_the_end_what_runs_begins_nothing_more_and_ends_by_itself_where_it_can() -> None:
    with on_a_stage() as (stage, run):
        one, other = stage.rotators(2, lasts=50.0)
        one.obeys = True
        run(stage.until(1.0))
        run(stage.rotations.close(1.0))
        assert (one.cancelled, other.cancelled) == (False, True)
        assert stage.clock.monotonic() <= 2.05


def test_at_the_end_what_runs_is_asked_to_end_and_waited_for() -> None:
    with on_a_stage() as (stage, run):
        one, _ = stage.rotators(2, lasts=50.0)
        run(stage.until(1.0))
        run(stage.rotations.close(1.0))
        assert one.cancelled
        run(stage.until(10.0))
        assert len(one.runs) == 1
        assert stage.rotations.report("t0") is None


# --- checks and rotation together ------------------------------------------------------------------------------------------------


class Whole:
    """Checks and rotation of one target, as the daemon wires them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.process = world.start()
        self.rotator = self.process.rotator
        self.fleet = Fleet(world.clock, lambda: 0.5, self, lambda: None)
        self.rotations = Rotations(world.clock, self.fleet.sight, lambda: True)
        self.shown: list[Status] = []
        self.checks = 0
        ports = Ports(self.process)
        checker = Checker(ports, ports, world.expected, world.clock)
        target = Target("production", "https://argocd.example", world.expected, 15.0, 300.0, 10.0, checker, settings=1)
        self.fleet.set_targets([target])
        self.rotations.set_rotators({"production": self.rotator})

    def checked(self, name: str, checked: object, lateness: float) -> None:
        self.checks += 1
        report = self.fleet.report(name)
        assert report is not None
        if not self.shown or self.shown[-1] is not report.verdict.status:
            self.shown.append(report.verdict.status)
            self.rotations.wake(name)

    async def run(self, seconds: float) -> None:
        end = self.world.clock.monotonic() + seconds
        while self.world.clock.monotonic() < end:
            await self.fleet.dispatch()
            await self.rotations.tick()
            await asyncio.sleep(0.2)


def test_a_revocation_is_mended_seconds_after_the_checks_confirmed_it() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        whole = Whole(world)
        await whole.run(60.0)
        assert whole.shown == [Status.VALID]
        world.revoke()
        await whole.run(25.0)
        assert world.in_order()
        await whole.run(20.0)
        assert whole.shown == [Status.VALID, Status.REVOKED, Status.VALID]
        await whole.run(120.0)
        assert world.at_rest()
        assert len(world.used_ids) == 1

    in_a_world(tell, policy=policy())


def test_throughout_rotations_on_demand_nothing_but_valid_is_shown() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        await asyncio.sleep(20.0)
        whole = Whole(world)
        await whole.run(30.0)
        for _ in range(3):
            whole.rotations.demand("production")
            await whole.run(150.0)
        assert whole.shown == [Status.VALID]
        assert world.journal().rotations == 3

    in_a_world(tell, policy=policy(), lags=(0.0, 14.0))


def test_the_first_key_comes_without_anybody_asking() -> None:
    async def tell(world: World) -> None:
        whole = Whole(world)
        await whole.run(60.0)
        assert world.in_order()
        assert whole.shown[-1] is Status.VALID
        report = whole.rotations.report("production")
        assert report is not None
        assert (report.live_keys, report.problem) == (1, "")

    in_a_world(tell, policy=policy())


@pytest.mark.parametrize("password", [PASSWORD, "wrong"], ids=["mended", "not mended"])
def test_the_secret_holds_an_accepted_token_or_the_refusal_is_shown_within_two_intervals_and_thirty_seconds(
    password: str,
) -> None:
    async def tell(world: World) -> None:
        world.tell_password(password)
        world.hand_made()
        whole = Whole(world)
        await whole.run(60.0)
        for harm in (world.revoke, lambda: world.secret.put("garbage", "kubectl"), world.secret.remove):
            harm()
            broken_since = world.clock.monotonic()
            for _ in range(300):
                await whole.run(1.0)
                if world.in_order():
                    broken_since = world.clock.monotonic()
                elif world.clock.monotonic() - broken_since > 2 * 15.0 + 30.0:
                    assert whole.shown[-1].accepted is False
            assert world.in_order() is (password == PASSWORD)

    in_a_world(tell, policy=policy())


def test_in_the_steady_state_a_rotation_costs_a_few_reads_every_five_minutes() -> None:
    async def tell(world: World) -> None:
        whole = Whole(world)
        await whole.run(HOUR / 4)
        calls = len([call for call in whole.process.calls if not call.startswith("ask")])
        await whole.run(HOUR)
        more = [call for call in whole.process.calls if not call.startswith("ask")][calls:]
        assert len(more) <= 13 * 3
        assert all(call.startswith("read") for call in more)

    in_a_world(tell, policy=policy())


def test_what_a_rotation_does_is_logged_without_any_secret() -> None:
    async def tell(world: World) -> None:
        with structlog.testing.capture_logs() as logs:
            await world.run(HOUR, over=lambda: True)
        assert {line["did"] for line in logs if line["event"] == "rotation"} >= {"Mint", "Prove", "Publish"}
        told = str(logs)
        assert world.secret.value is not None
        assert world.secret.value not in told
        assert world.password.value not in told
        assert world.secret.value.rsplit(".", 1)[1] not in told

    in_a_world(tell, policy=policy())


@pytest.mark.parametrize("broken", [False, True], ids=["a valid key", "no key"])
def test_a_plan_shows_the_steps_and_changes_nothing(broken: bool) -> None:
    async def tell(world: World) -> None:
        if not broken:
            world.hand_made()
        process = world.start()
        before = world.secret.version, world.journal_place.version, world.live_keys()
        words = [line.words for line in await process.rotator.plan()]
        assert words[0].startswith("make a key of account ")
        assert words[0].endswith("by a login with the password" if broken else "by the live key")
        assert any(line.startswith("write the new token") for line in words)
        assert (world.secret.version, world.journal_place.version, world.live_keys()) == before
        assert not any(call.startswith(("POST", "DELETE", "write")) for call in process.calls)

    in_a_world(tell, policy=policy())
