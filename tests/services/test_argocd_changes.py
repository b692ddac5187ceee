"""A change inside Argo CD: what it is worth, for one target and for thousands, and what it must not lead to."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from monitor.core.model import FaultKind, Reply
from monitor.core.rounds import LATE, LOOKS_PER_SECOND, SETTLE
from monitor.core.schedule import CONFIRMATION_AFTER_CHANGE
from monitor.core.secret import Secret
from monitor.ports import Credential
from monitor.services.argocd_changes import GRAIN, ArgoCDChanges
from monitor.simulator.rbac import Role

from tests.services import fleet_driver
from tests.services.fleet_driver import World

INTERVAL = 600.0
CI = "argocd"


def with_changes(story: Callable[[World, ArgoCDChanges], Coroutine[Any, Any, None]]) -> None:
    """Plays a story with a target `a` of the installation `argocd`, checked every ten minutes and healthy at second 5."""

    async def told(world: World) -> None:
        changes = ArgoCDChanges(world.clock, world.fleet.argocd_changed)
        world.fleet.set_targets([world.target("a", interval=INTERVAL)])
        changes.set_targets({CI: ["a"]})
        await world.until(5.0)
        assert world.status("a") == "valid"
        world.shown.clear()
        world.servers["a"].asked.clear()
        try:
            await story(world, changes)
        finally:
            changes.close()

    fleet_driver.in_virtual_time(told)


def shown_at(world: World, status: str) -> float:
    """When that was shown first."""
    return next(at for at, _, shown in world.shown if shown == status)


def test_a_revocation_is_known_within_the_second_however_long_the_interval_is() -> None:
    async def story(world: World, changes: ArgoCDChanges) -> None:
        world.argocd.revoke_key("ci", "a")
        changes.changed(CI, full=False)
        await world.until(6.0)
        assert shown_at(world, "revoked") - 5.0 == pytest.approx(SETTLE + CONFIRMATION_AFTER_CHANGE, abs=2 * GRAIN)

    with_changes(story)


def test_a_change_in_another_installation_puts_off_no_round() -> None:
    async def story(world: World, changes: ArgoCDChanges) -> None:
        changes.set_targets({CI: ["a"], "elsewhere": ["b"]})
        world.argocd.revoke_key("ci", "a")
        changes.changed(CI, full=False)
        await world.until(5.0 + 0.75 * SETTLE)
        changes.changed("elsewhere", full=False)
        await world.until(6.0)
        assert shown_at(world, "revoked") - 5.0 == pytest.approx(SETTLE + CONFIRMATION_AFTER_CHANGE, abs=2 * GRAIN)

    with_changes(story)


def test_the_second_look_goes_over_fresh_connections() -> None:
    async def story(world: World, changes: ArgoCDChanges) -> None:
        world.servers["a"].fresh.clear()
        world.argocd.revoke_key("ci", "a")
        changes.changed(CI, full=False)
        await world.until(6.0)
        first = world.servers["a"].fresh.index(True)
        assert set(world.servers["a"].fresh[first:]) == {True}
        assert first > 0

    with_changes(story)


def test_an_account_that_is_disabled_is_known_within_the_second() -> None:
    async def story(world: World, changes: ArgoCDChanges) -> None:
        world.argocd.disable_account("ci")
        changes.changed(CI, full=True)
        await world.until(6.0)
        assert world.status("a") == "account_disabled"

    with_changes(story)


def test_anonymous_access_is_seen_within_the_second_since_settings_are_looked_at_whole() -> None:
    async def story(world: World, changes: ArgoCDChanges) -> None:
        world.argocd.set_anonymous(Role.READONLY)
        changes.changed(CI, full=True)
        await world.until(6.0)
        report = world.fleet.report("a")
        assert report is not None
        assert (report.verdict.status.value, report.anonymous_access) == ("valid", True)

    with_changes(story)


def test_a_key_that_somebody_else_made_costs_two_questions_and_shows_nothing() -> None:
    async def story(world: World, changes: ArgoCDChanges) -> None:
        world.argocd.mint_key("ci", "other")
        changes.changed(CI, full=False)
        await world.until(30.0)
        assert world.statuses("a") == ["valid"]
        times = [at - 5.0 for at, path in world.servers["a"].asked if path.endswith("/userinfo")]
        assert times == pytest.approx([SETTLE, LATE], abs=2 * GRAIN)

    with_changes(story)


def test_a_replica_that_is_slow_to_follow_is_found_out_by_the_late_round() -> None:
    """The first look is answered from before the change; ten minutes would pass until the next one."""

    async def story(world: World, changes: ArgoCDChanges) -> None:
        changes.changed(CI, full=False)
        await world.until(5.0 + SETTLE + 0.5)
        assert world.status("a") == "valid"
        world.argocd.revoke_key("ci", "a")  # now this replica has it, too
        await world.until(5.0 + LATE + 1.0)
        assert shown_at(world, "revoked") - 5.0 == pytest.approx(LATE + CONFIRMATION_AFTER_CHANGE, abs=2 * GRAIN)

    with_changes(story)


def test_a_replica_that_lags_behind_an_account_enabled_again_shows_no_refusal() -> None:
    """A refusal right after a change may be the state from before it: then the second look is answered by another one."""

    async def story(world: World, changes: ArgoCDChanges) -> None:
        lagging = world.argocd
        lagging.disable_account("ci")
        changes.changed(CI, full=True)
        await world.until(5.0 + SETTLE + 0.1)
        assert world.fleet.sight("a") is None, "a suspicion is nothing to rotate for"
        lagging.enable_account("ci")
        await world.until(60.0)
        assert world.statuses("a") == ["valid"]

    with_changes(story)


def test_a_change_during_a_whole_check_leads_to_another_whole_one() -> None:
    async def story(world: World, changes: ArgoCDChanges) -> None:
        world.servers["a"].hang = 0.2
        world.fleet.argocd_changed("a", full=True)
        await world.until(5.5)
        changes.changed(CI, full=True)
        await world.until(5.75)
        world.argocd.set_anonymous(Role.READONLY)  # the control was asked already
        await world.until(7.0)
        report = world.fleet.report("a")
        assert report is not None
        assert report.anonymous_access is True

    with_changes(story)


def test_a_change_during_a_check_that_is_refused_leaves_its_second_look_another_moment() -> None:
    async def story(world: World, changes: ArgoCDChanges) -> None:
        world.servers["a"].hang = 0.1
        world.argocd.revoke_key("ci", "a")
        world.fleet.trigger("a")
        changes.changed(CI, full=False)  # its round comes while that check runs
        await world.until(7.0)
        looks = [at for at, path in world.servers["a"].asked if path.endswith("/userinfo")]
        (first_ended, *_) = [at for at, _, _ in world.shown]
        assert looks[0] < 5.0 + SETTLE < first_ended
        assert looks[1] - first_ended == pytest.approx(CONFIRMATION_AFTER_CHANGE, abs=GRAIN)

    with_changes(story)


def test_a_change_while_a_refusal_is_held_does_not_make_its_second_look_a_part_of_the_first() -> None:
    async def story(world: World, changes: ArgoCDChanges) -> None:
        world.argocd.revoke_key("ci", "a")
        world.fleet.trigger("a")
        await world.until(5.05)
        assert world.fleet.sight("a") is None
        changes.changed(CI, full=False)
        await world.until(7.0)
        refused = [at for at, path in world.servers["a"].asked if path.endswith("/userinfo")][:2]
        assert refused[1] - refused[0] >= CONFIRMATION_AFTER_CHANGE
        assert shown_at(world, "revoked") < 6.0

    with_changes(story)


def test_a_server_that_asked_for_a_pause_has_it() -> None:
    async def story(world: World, changes: ArgoCDChanges) -> None:
        world.servers["a"].answer = Reply(429, b"", retry_after=300.0)
        world.fleet.trigger("a")
        await world.until(6.0)
        assert world.status("a") == "throttled"
        asked = len(world.servers["a"].asked)
        for number in range(30):
            changes.changed(CI, full=True)
            await world.until(7.0 + number)
        assert len(world.servers["a"].asked) == asked

    with_changes(story)


def test_a_server_that_restarts_for_a_new_signing_key_is_found_back_by_the_late_round() -> None:
    async def story(world: World, changes: ArgoCDChanges) -> None:
        world.servers["a"].fault = FaultKind.REFUSED
        world.argocd.change_signing_key()
        changes.changed(CI, full=False)
        await world.until(7.0)
        assert world.status("a") == "unreachable"
        world.servers["a"].fault = None
        await world.until(5.0 + LATE + 1.0)
        assert world.status("a") == "signing_key_changed"

    with_changes(story)


def test_changes_that_never_end_lead_to_one_look_a_second() -> None:
    async def story(world: World, changes: ArgoCDChanges) -> None:
        while world.clock.monotonic() < 65.0:
            changes.changed(CI, full=False)
            await world.until(world.clock.monotonic() + 0.05)
        assert 55 <= len(world.servers["a"].asked) <= 61

    with_changes(story)


def test_thousands_of_targets_of_one_installation_are_looked_at_one_after_the_other() -> None:
    looked: list[tuple[float, str]] = []
    names = [f"t{number}" for number in range(3000)]

    async def story(world: World, changes: ArgoCDChanges) -> None:
        counted = ArgoCDChanges(world.clock, lambda name, *, full: looked.append((world.clock.monotonic(), name)))
        counted.set_targets({CI: names})
        for _ in range(20):
            counted.changed(CI, full=False)
            await world.until(world.clock.monotonic() + 1.0)
        await world.until(120.0)
        counted.close()

    with_changes(story)
    by_second = [sum(start <= at < start + 1.0 for at, _ in looked) for start in range(5, 120)]
    assert max(by_second) <= LOOKS_PER_SECOND * (1.0 + GRAIN) + 1
    assert {name for _, name in looked} == set(names)
    assert all(sum(name == one for _, name in looked) <= 4 for one in names[:3])
    last_change = 24.0
    assert {name for at, name in looked if at >= last_change + SETTLE - GRAIN} == set(names), "nobody misses the last"


def test_of_other_installations_nobody_is_looked_at() -> None:
    looked: list[str] = []

    async def story(world: World, changes: ArgoCDChanges) -> None:
        counted = ArgoCDChanges(world.clock, lambda name, *, full: looked.append(name))
        counted.set_targets({CI: ["a"], "other": ["b"], None: ["c"]})
        counted.changed("other", full=False)
        counted.changed("unknown", full=False)
        await world.until(20.0)
        counted.close()
        assert looked == ["b", "b"]

    with_changes(story)


def test_a_round_that_is_due_survives_new_targets_and_nothing_survives_the_end() -> None:
    looked: list[str] = []

    async def story(world: World, changes: ArgoCDChanges) -> None:
        counted = ArgoCDChanges(world.clock, lambda name, *, full: looked.append(name))
        counted.set_targets({CI: ["a"]})
        counted.changed(CI, full=False)
        counted.set_targets({CI: ["b"]})
        await world.until(6.0)
        assert looked == ["b"]
        counted.close()
        counted.changed(CI, full=False)
        await world.until(20.0)
        assert looked == ["b"]

    with_changes(story)


def test_a_target_that_is_gone_is_passed_over() -> None:
    async def story(world: World, changes: ArgoCDChanges) -> None:
        changes.set_targets({CI: ["nobody", "a"]})
        world.sources["a"].credential = Credential(Secret("not a token"))
        changes.changed(CI, full=False)
        await world.until(6.0)
        assert world.status("a") == "malformed"

    with_changes(story)


def test_a_token_that_is_replaced_is_judged_at_once_also_by_a_server_that_asked_for_a_pause() -> None:
    async def story(world: World, changes: ArgoCDChanges) -> None:
        world.servers["a"].answer = Reply(429, b"", retry_after=300.0)
        world.fleet.trigger("a")
        await world.until(6.0)
        world.servers["a"].answer = None
        world.sources["a"].credential = Credential(Secret("not a token"))
        world.fleet.changed("a")
        await world.until(7.0)
        assert world.status("a") == "malformed"

    with_changes(story)
