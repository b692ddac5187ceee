"""Another writer owns the Secret too: what works is adopted, what is undone twice is left to them, and nobody fights."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from monitor.core.announcement import Reason
from monitor.core.journal import State
from monitor.core.writers import in_words

from tests.services.rotation_outside import ACCOUNT, HOUR
from tests.services.rotation_process import Lever
from tests.services.rotation_stories import STORIES, policy
from tests.services.rotation_world import World, in_a_world, quietly

GARBAGE = "not-a-token"
ON_DEMAND = STORIES["a key of ours on demand, with consumers"]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quietly():
        yield


def test_a_working_token_that_a_person_puts_there_is_adopted_and_ours_is_cleaned() -> None:
    async def tell(world: World) -> None:
        await world.run(HOUR, over=lambda: True)
        world.hand_made()
        process = await world.run(HOUR)
        assert world.token_id() == "by-hand"
        assert world.live_keys() == {"by-hand"}
        assert len(world.published) == 1
        assert process.rotator.report().problem == ""

    in_a_world(tell, policy=policy())


@pytest.mark.parametrize("after", [1.0, 16.0, 30.0, 80.0], ids=["minted", "verified", "grace", "done"])
def test_a_working_token_that_arrives_in_the_midst_of_a_rotation_is_adopted(after: float) -> None:
    async def tell(world: World) -> None:
        ON_DEMAND.prepare(world)
        process = world.start(demanded=True)
        await process.run(world.clock.monotonic() + after)
        world.hand_made()
        await process.run(world.clock.monotonic() + HOUR)
        assert world.token_id() == "by-hand"
        assert world.live_keys() == {"by-hand"}
        assert world.journal().state is State.IDLE
        assert world.journal().failures == 0

    in_a_world(tell, policy=policy())


def test_no_key_is_deleted_in_a_moment_in_which_the_secret_cannot_be_read() -> None:
    """Somebody may have put that very key back."""
    calls: list[str] = []

    def story(levers: dict[int, Lever]) -> None:
        async def tell(world: World) -> None:
            ON_DEMAND.prepare(world)
            process = world.start(levers, demanded=True)
            await process.run(world.clock.monotonic() + HOUR)
            calls[:] = process.calls
            assert len(world.live_keys()) == 1

        in_a_world(tell, policy=policy())

    story({})
    deleting = next(n for n, call in enumerate(calls) if call.startswith("DELETE /api/v1/account/"))
    reading = max(n for n, call in enumerate(calls[:deleting]) if call == "read secret")
    story({reading: Lever.LOSE_ANSWER})
    following = calls[reading + 1 :]
    deleting = next(n for n, call in enumerate(following) if call.startswith("DELETE /api/v1/account/"))
    assert "read secret" in following[:deleting]


@pytest.mark.parametrize("replaced", [True, False], ids=["by what it replaced", "by garbage"])
@pytest.mark.parametrize("kind", ["argocd-controller", "externalsecrets.external-secrets.io/x"])
def test_a_write_that_is_undone_at_once_is_made_twice_and_then_left(kind: str, replaced: bool) -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        dead = world.secret.value
        world.revoke()
        world.secret.put(dead if replaced else GARBAGE, "kubectl")
        world.revert_to(dead if replaced else GARBAGE, in_words(kind))
        process = await world.run(2 * HOUR)
        assert len(world.published) == 2
        assert len(world.used_ids) == 1
        report = process.rotator.report()
        assert report.stood_down.startswith(in_words(kind))
        assert ("ignoreDifferences" if kind == "argocd-controller" else "creationPolicy") in report.stood_down
        assert report.stood_down.endswith("`token-monitor rotate TARGET`")
        assert report.waiting_for == report.stood_down
        warned = [one.reason for one in world.announced if one.reason.warns]
        assert warned == [Reason.STOOD_DOWN, Reason.OLD_KEY_IN_USE], "and our key, which some may have read, goes later"
        assert world.logins == 1

    in_a_world(tell, policy=policy())


def test_an_old_token_that_works_and_is_put_back_twice_is_left_and_ours_is_cleaned() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        world.revert_to(world.secret.value)
        process = await world.run(2 * HOUR, demanded=True)
        assert len(world.published) == 2
        assert process.rotator.report().stood_down
        assert world.live_keys() == {"by-hand"}
        assert world.in_order()

    in_a_world(tell, policy=policy())


def test_a_token_that_is_put_back_whenever_it_is_due_is_no_endless_duel() -> None:
    async def tell(world: World) -> None:
        world.hand_made(expires_in=int(12 * HOUR))
        world.revert_to(world.secret.value)
        await world.run(11 * HOUR)
        assert len(world.published) == 2
        assert world.journal().stood_down

    in_a_world(tell, policy=policy())


def test_a_writer_that_undoes_it_only_at_rest_is_left_after_two_times_too() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        dead = world.secret.value
        world.revoke()
        for _ in range(6):
            await world.run(HOUR, over=lambda: True)
            world.secret.put(dead, "External Secrets")
        await world.run(HOUR)
        assert len(world.published) == 2
        assert world.journal().stood_down

    in_a_world(tell, policy=policy())


def test_a_writer_that_keeps_the_token_fresh_is_not_fought() -> None:
    """An operator that writes a working, short-lived token every hour: it is adopted each time, and never replaced."""

    async def tell(world: World) -> None:
        await world.run(HOUR / 2, over=lambda: True)
        for number in range(12):
            world.hand_made(f"operator-{number}", expires_in=int(1.5 * HOUR))
            await world.run(HOUR)
        assert len(world.published) == 1
        assert world.ours() == set()

    in_a_world(tell, policy=policy())


def test_a_secret_that_is_deleted_is_made_again_in_password_mode() -> None:
    async def tell(world: World) -> None:
        await world.run(HOUR, over=lambda: True)
        world.secret.remove()
        await world.run(HOUR, over=lambda: True)
        assert world.in_order()
        assert len(world.published) == 2
        assert world.at_rest()

    in_a_world(tell, policy=policy())


async def stood_down(world: World) -> None:
    """Somebody puts a dead token back until we leave it."""
    world.hand_made()
    dead = world.secret.value
    world.revoke()
    world.revert_to(dead)
    await world.run(HOUR)
    assert world.journal().stood_down


def test_a_stand_down_outlasts_restarts_and_days() -> None:
    async def tell(world: World) -> None:
        await stood_down(world)
        world.reverter = None
        await world.run(40 * HOUR)
        assert world.journal().stood_down
        assert len(world.published) == 2

    in_a_world(tell, policy=policy())


def test_a_stand_down_ends_when_a_person_asks() -> None:
    async def tell(world: World) -> None:
        await stood_down(world)
        world.reverter = None
        await world.run(HOUR, demanded=True, over=lambda: True)
        assert world.in_order()
        assert not world.journal().stood_down
        await world.run(HOUR)
        assert world.at_rest()

    in_a_world(tell, policy=policy())


def test_a_stand_down_that_a_person_ended_too_early_comes_again() -> None:
    async def tell(world: World) -> None:
        await stood_down(world)
        process = await world.run(HOUR, demanded=True)
        assert process.rotator.report().stood_down
        assert len(world.published) == 4

    in_a_world(tell, policy=policy())


def test_a_stand_down_ends_when_another_working_token_is_there() -> None:
    async def tell(world: World) -> None:
        await stood_down(world)
        world.reverter = None
        world.hand_made("mended")
        process = await world.run(HOUR)
        report = process.rotator.report()
        assert (report.stood_down, report.problem, report.failing) == ("", "", 0)
        assert world.live_keys() == {"mended"}
        world.revoke()
        await world.run(HOUR, over=lambda: True)
        assert world.in_order()

    in_a_world(tell, policy=policy())


def test_a_stand_down_ends_when_the_token_that_was_put_back_works_again() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        world.argocd.disable_account(ACCOUNT)
        world.argocd.enable_account(ACCOUNT)
        token = world.secret.value
        world.revoke("by-hand")
        world.revert_to(token)
        await world.run(HOUR)
        assert world.journal().stood_down
        world.argocd.mint_key(ACCOUNT, "by-hand")  # made again with the same id: the old token lives again
        await world.run(HOUR)
        assert not world.journal().stood_down
        assert world.ours() == set()

    in_a_world(tell, policy=policy())


def test_our_key_back_in_the_secret_ends_the_stand_down_too() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        world.revert_to(world.secret.value)
        process = world.start(demanded=True)
        await process.run(world.clock.monotonic() + 30.0)
        assert world.journal().stood_down
        world.reverter = None
        world.secret.put(world.published[-1], "kubectl")
        await process.run(world.clock.monotonic() + 600.0)
        assert not world.journal().stood_down
        assert world.in_order()

    in_a_world(tell, policy=policy())


def test_an_old_key_that_is_put_back_at_the_last_moment_is_not_deleted() -> None:
    """Between the note in the journal and the delete somebody restores the Secret from a backup."""

    def prepared(world: World) -> str:
        ON_DEMAND.prepare(world)
        world.pods.clear()
        return world.secret.value or ""

    calls: list[str] = []

    async def undisturbed(world: World) -> None:
        prepared(world)
        calls.extend((await world.run(HOUR, demanded=True, over=lambda: world.journal().rotations == 1)).calls)

    in_a_world(undisturbed, policy=policy())
    delete = next(number for number, call in enumerate(calls) if call.startswith("DELETE"))
    assert calls[delete - 1] == "read secret"

    async def tell(world: World) -> None:
        old = prepared(world)
        process = world.start(demanded=True)
        process.at[delete - 1] = lambda: world.secret.put(old, "kubectl")
        await process.run(world.clock.monotonic() + HOUR)
        assert world.in_order()

    in_a_world(tell, policy=policy())


def test_a_writer_who_is_so_fast_that_our_write_is_never_seen_is_left_the_secret_too() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        dead = world.secret.value
        world.revoke()
        world.undone_before_it_is_read_back = True
        world.revert_to(dead)
        await world.run(20 * HOUR)
        assert len(world.published) == 5
        assert world.journal().stood_down

    in_a_world(tell, policy=policy())


def test_pods_that_restart_while_the_old_token_is_put_back_restart_once_more_before_it_is_deleted() -> None:
    async def tell(world: World) -> None:
        ON_DEMAND.prepare(world)
        old = world.secret.value
        process = world.start(demanded=True)
        while not any(pod.restart_at for pod in world.pods):
            await process.run(world.clock.monotonic() + 1.0)
        world.secret.put(old or "", "Argo CD (argocd-controller)")
        for pod in world.pods:  # they are quick
            pod.restart_at = world.clock.true()
        world.restart_due()
        await process.run(world.clock.monotonic() + HOUR)
        assert [pod.restarts for pod in world.pods] == [2, 2]
        assert {pod.token for pod in world.pods} == {world.secret.value} != {old}
        assert world.live_keys() == {world.token_id()}
        assert world.journal().rotations == 1

    in_a_world(tell, policy=policy(restart_consumers=True, watch_consumers=True))
