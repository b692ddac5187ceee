"""Scenarios by hand: a world, a fault, and the moment at which it strikes. What must hold is checked all the time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simulation.plan import Moment, Plan
from simulation.run import months, play
from simulation.weather import Kind, Side, Spell
from simulation.world import World

# One replica of the monitor, a key in use, and somebody who asks for a new one.
ROTATION = Plan(
    starts_with="a live token",
    consumers=("env", "mounted"),
    elected=False,
    active=400.0,
    moments=(Moment(30.0, "demand", (0.0,)),),
)
# Its key is revoked, so that a new one is needed however often an attempt fails.
NEED = replace(ROTATION, starts_with="a dead token", moments=())
# The steps of the process from the demand until the old key is gone; a few more do no harm.
FIRST, LAST, STRIDE = 1, 900, 45


def crash(world: World, *, back_after: float = 2.0) -> None:
    """The only replica dies in this moment, and comes back."""
    world.replicas[0].crash()
    world.outside(back_after, world.replicas[0].start)


def begun(world: World) -> int:
    return len(world.invariants.minted)


def check(world: World) -> None:
    assert world.violation is None, "\n".join(world.trace.lines)
    assert world.healed_at is not None, "\n".join(world.trace.lines)


@pytest.mark.parametrize("step", range(FIRST, LAST, STRIDE))
def test_a_crash_at_any_step_of_a_rotation_strands_nobody(step: int) -> None:
    moments = (*ROTATION.moments, Moment(30.5, "crash", (0.0, 2.0, float(step))))
    check(play(replace(ROTATION, moments=moments)))


@pytest.mark.parametrize(
    "moments",
    [
        (Moment(100.0, "crash", (0.0, 0.5, 200.0)),),  # its last step comes half a minute later
        (Moment(100.0, "freeze", (0.0, 60.0)), Moment(101.0, "end", (0.0, 0.5))),
    ],
)
def test_a_process_that_lives_on_for_a_while_is_started_again_once_it_is_gone(moments: tuple[Moment, ...]) -> None:
    at: list[float] = []

    def prepare(world: World) -> None:
        world.trace.when("process a1 is gone*", lambda: at.append(world.now))
        world.trace.when("process a2 starts", lambda: at.append(world.now))

    check(play(replace(ROTATION, moments=moments), prepare=prepare))
    assert at[0] > 102.0
    assert at[1:] == [pytest.approx(at[0] + 0.5)]


@pytest.mark.parametrize(
    ("moment", "keys"),
    [
        ("* sends POST */token", 1),  # the request is on its way and lands
        ("argocd POST */token of *: 200", 2),  # the token is lost with the answer
        ("kubernetes patch secrets/argocd-token", 1),
        ("kubernetes patch deployments/cap-app-proxy", 1),
        ("* sends DELETE */token/*", 1),
        ("argocd DELETE */token/*: 200", 1),
    ],
)
def test_a_crash_at_a_moment_that_matters_is_gone_on_from(moment: str, keys: int) -> None:
    world = play(NEED, prepare=lambda world: world.trace.when(moment, lambda: crash(world)))
    check(world)
    assert begun(world) >= keys


@pytest.mark.parametrize("kind", [Kind.LOST_ANSWER, Kind.SILENT_ANSWER, Kind.CUT_ANSWER, Kind.ERROR_AFTER])
def test_a_create_whose_answer_does_not_come_is_looked_for_and_made_under_a_new_id(kind: Kind) -> None:
    spell = Spell(Side.ARGOCD, kind, match="POST */token", times=1)
    world = play(replace(NEED, spells=(spell,)))
    check(world)
    assert begun(world) == 2


def test_a_create_that_lands_after_everybody_gave_it_up_is_swept() -> None:
    late = Spell(Side.ARGOCD, Kind.LATE_REQUEST, match="POST */token", times=1, seconds=45.0)
    world = play(replace(NEED, spells=(late,), calm=2400.0))
    check(world)
    assert len(world.live_keys() & world.invariants.minted.keys()) == 1


def test_two_replicas_that_both_lead_make_one_key_after_the_other() -> None:
    plan = replace(ROTATION, replicas=2, moments=(Moment(30.0, "demand", (0.0,)), Moment(30.0, "demand", (1.0,))))
    check(play(plan))


def test_a_leader_that_stands_still_in_the_middle_of_a_rotation_does_nothing_late() -> None:
    plan = replace(ROTATION, replicas=2, elected=True)

    def prepare(world: World) -> None:
        for replica in world.replicas:
            name = replica.name
            world.trace.when(f"{name}1 sends POST */token", lambda replica=replica: replica.freeze(60.0))

    check(play(plan, prepare=prepare))


def test_the_month_of_a_quiet_world_passes_in_a_moment_with_its_keys_replaced_in_time() -> None:
    world = play(months(3.0))
    assert world.violation is None
    assert begun(world) == 2  # the first key, and the one of a fire drill
