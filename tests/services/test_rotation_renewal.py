"""Token mode with `renew: true`, the fire drill, and the proof of a new key before anybody depends on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from monitor.core.claims import read_claims
from monitor.core.journal import State
from monitor.core.model import Expectation
from monitor.core.secret import Secret
from monitor.core.status import Status
from monitor.ports import Credential
from monitor.simulator.rbac import Role
from monitor.simulator.settings import ProjectRole

from tests.services.rotation_outside import ACCOUNT, HOUR
from tests.services.rotation_process import Lever, Process
from tests.services.rotation_stories import STORIES, policy
from tests.services.rotation_world import World, in_a_world, quietly

RENEW = policy(by_password=False, account=None)
RENEWAL = {"policy": RENEW, "expected": Expectation(expiring_within=HOUR)}
DRILL = STORIES["a fire drill"]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quietly():
        yield


def test_an_ending_key_replaces_itself_again_and_again_without_a_password() -> None:
    async def tell(world: World) -> None:
        world.hand_made(expires_in=int(3 * HOUR))
        for _ in range(12):
            await world.run(HOUR)
            assert world.in_order()
        await world.run(HOUR / 4)
        assert world.journal().rotations == 6
        assert world.logins == 0
        claims = read_claims(world.secret.value or "")
        assert (claims.expires_at or 0) - (claims.issued_at or 0) == 3 * HOUR
        assert world.ours() == {world.token_id()}

    in_a_world(tell, **RENEWAL)


def test_a_key_that_never_ends_is_left_alone_unless_a_schedule_says_otherwise() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        await world.run(8 * HOUR)
        assert world.published == []

    in_a_world(tell, **RENEWAL)

    async def scheduled(world: World) -> None:
        world.hand_made()
        await world.run(8 * HOUR)
        assert len(world.published) == 3

    in_a_world(scheduled, **{**RENEWAL, "policy": policy(by_password=False, account=None, every=2 * HOUR)})


def test_a_dead_key_waits_for_a_person_and_the_next_one_is_renewed_again() -> None:
    async def tell(world: World) -> None:
        world.hand_made(expires_in=int(3 * HOUR))
        world.revoke()
        process = await world.run(HOUR)
        assert "put a new token there" in process.rotator.report().waiting_for
        assert world.used_ids == set()
        world.hand_made("another", expires_in=int(3 * HOUR))
        await world.run(2.5 * HOUR)
        assert world.journal().rotations == 1

    in_a_world(tell, **RENEWAL)


def test_the_account_is_that_of_the_accepted_token_and_never_that_of_a_refused_one() -> None:
    async def tell(world: World) -> None:
        world.argocd.create_account("other", role=Role.NONE)
        token = world.argocd.mint_key("other", "theirs", 100)
        world.secret.put(token[:-4] + "AAAA", "kubectl")
        await world.run(60.0)
        assert world.journal().account is None

    in_a_world(tell, **RENEWAL)


def test_a_project_role_and_a_session_of_a_single_sign_on_say_that_no_key_follows_them() -> None:
    async def tell(world: World) -> None:
        world.argocd.create_project("default", {"ci": ProjectRole()})
        world.secret.put(world.argocd.mint_project_token("default", "ci", "p-1", 3600), "kubectl")
        process = await world.run(HOUR - 10)
        report = process.rotator.report()
        assert "project role" in report.waiting_for
        assert "use an API key of an account" in report.waiting_for
        assert world.used_ids == set()

    in_a_world(tell, **RENEWAL)


def test_a_token_of_another_account_leaves_the_keys_of_the_one_before_and_names_them() -> None:
    async def tell(world: World) -> None:
        world.hand_made(expires_in=int(3 * HOUR))
        await world.run(2.5 * HOUR)
        ours = world.token_id()
        world.argocd.create_account("other", role=Role.NONE)
        world.secret.put(world.argocd.mint_key("other", "theirs"), "kubectl")
        process = await world.run(HOUR / 4)
        report = process.rotator.report()
        assert report.left_alone == ours
        assert report.left_alone_command == f"`argocd account delete-token --account ci {ours}`"
        assert report.live_keys == 0

    in_a_world(tell, **RENEWAL)


# --- the fire drill ---------------------------------------------------------------------------------------------------------


def test_a_drill_mints_proves_and_deletes_and_never_publishes() -> None:
    async def tell(world: World) -> None:
        DRILL.prepare(world)
        before = world.secret.version
        process = await world.run(5 * HOUR)
        assert world.secret.version == before
        assert world.published == []
        assert len(world.used_ids) == 3  # the one in use, and two drills
        assert world.at_rest()
        report = process.rotator.report()
        assert report.drilled_at is not None
        assert world.clock.now() - report.drilled_at < 2 * HOUR
        assert (report.rotations, world.announced) == (0, [])

    in_a_world(tell, policy=policy(drill_every=4 * HOUR))


def test_a_drill_that_fails_is_told_and_tried_again_ever_more_rarely() -> None:
    async def tell(world: World) -> None:
        DRILL.prepare(world)
        process = world.start()
        process.losing["POST /api/v1/account/ci/token"] = 1000
        await process.run(world.clock.monotonic() + 5 * HOUR)
        report = process.rotator.report()
        assert report.failing >= 3
        assert report.problem
        assert report.drilled_at is None
        assert world.in_order()
        await world.run(8 * HOUR)
        assert world.journal().drilled_at is not None
        assert world.at_rest()

    in_a_world(tell, **DRILL.settings)


def test_whoever_asks_for_a_key_in_the_midst_of_a_drill_gets_one_after_it() -> None:
    async def tell(world: World) -> None:
        DRILL.prepare(world)
        process = world.start()
        await process.run(world.clock.monotonic() + 5.0)
        assert world.journal().state is State.MINTED
        process.rotator.demand()
        await process.run(world.clock.monotonic() + 120.0)
        assert world.journal().drilled_at is not None
        assert len(world.published) == 1

    in_a_world(tell, **DRILL.settings)


def test_a_drill_steps_aside_when_the_key_is_revoked_in_its_midst() -> None:
    async def tell(world: World) -> None:
        DRILL.prepare(world)
        process = world.start()
        await process.run(world.clock.monotonic() + 5.0)
        assert world.journal().state is State.MINTED
        world.revoke()
        await process.run(world.clock.monotonic() + 30.0)
        assert world.in_order()
        assert len(world.published) == 1
        await world.run(HOUR)
        assert world.at_rest()

    in_a_world(tell, **DRILL.settings)


# --- the proof ----------------------------------------------------------------------------------------------------------------


PERMISSIONS = ("applications/get/*/*",)


def expecting(*permissions: str) -> Expectation:
    return Expectation(account=ACCOUNT, permissions=permissions)


def test_a_key_is_proven_before_it_is_published_with_the_control_and_the_permissions() -> None:
    async def tell(world: World) -> None:
        calls = (await world.run(30.0)).calls
        proof = calls[calls.index("POST /api/v1/account/ci/token") : calls.index("write secret")]
        assert proof.count("ask /api/v1/session/userinfo") == 4  # three times the key, once the control
        assert proof.count("ask /api/v1/account/can-i/applications/get/*/*") == 1

    in_a_world(tell, policy=policy(), expected=expecting(*PERMISSIONS))


def test_permissions_that_the_account_lacks_hold_no_replacement_up() -> None:
    async def tell(world: World) -> None:
        world.argocd.set_role(ACCOUNT, Role.NONE)
        await world.run(HOUR, over=lambda: True)
        assert world.in_order()
        process = await world.run(HOUR, demanded=True, over=lambda: world.journal().rotations == 2)
        assert world.journal().rotations == 2
        assert process.rotator.report().problem == ""

    in_a_world(tell, policy=policy(), expected=expecting(*PERMISSIONS))


def test_a_new_key_that_may_do_less_than_the_present_one_is_not_published() -> None:
    """The present token belongs to a project role with more rights than the account that the new key is of."""

    async def tell(world: World) -> None:
        world.hand_made()
        powerful = world.secret.value
        process = world.start(demanded=True)
        await process.run(world.clock.monotonic() + 5.0)
        seen = Process(world, {})
        ask = seen.rotator._checker._argocd.ask

        async def weaker(question: object, token: Secret, *, fresh: bool = False) -> object:
            if getattr(question, "permission", None) == PERMISSIONS[0] and token.reveal() != powerful:
                world.argocd.set_role(ACCOUNT, Role.NONE)
            answer = await ask(question, token, fresh=fresh)  # type: ignore[arg-type]
            world.argocd.set_role(ACCOUNT, Role.READONLY)
            return answer

        seen.rotator._checker._argocd.ask = weaker  # type: ignore[method-assign,assignment]
        await seen.run(world.clock.monotonic() + 120.0)
        assert world.secret.value == powerful
        assert "which the present token has" in seen.rotator.report().problem
        assert (
            await seen.rotator._checker.check(full=True, credential=Credential(Secret(powerful or "")))
        ).verdict.status is Status.VALID
        await world.run(HOUR)
        assert world.in_order()

    in_a_world(tell, policy=policy(), expected=expecting(*PERMISSIONS))


def test_a_server_that_accepts_everything_proves_nothing() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        process = world.start(demanded=True)
        await process.run(world.clock.monotonic() + 5.0)
        world.argocd.disable_authentication()
        await process.run(world.clock.monotonic() + HOUR)
        assert world.published == []
        world.argocd.disable_authentication(disabled=False)
        await process.run(world.clock.monotonic() + HOUR)
        assert world.in_order()

    in_a_world(tell, policy=policy())


def test_a_key_that_argo_cd_refuses_is_never_published_and_given_up_after_five_attempts() -> None:
    """A key minted for a disabled account is handed out and does not work."""

    async def tell(world: World) -> None:
        world.hand_made()
        process = world.start(demanded=True)
        await process.run(world.clock.monotonic() + 5.0)
        minted = world.journal().key_id
        world.argocd.revoke_key(ACCOUNT, minted or "")
        await process.run(world.clock.monotonic() + 600.0)
        assert world.published == []
        assert minted not in world.journal().owned
        assert process.rotator.report().failures["prove"] == 5

    in_a_world(tell, policy=policy())


def test_a_proof_whose_control_was_not_answered_is_no_proof() -> None:
    calls: list[str] = []

    async def undisturbed(world: World) -> None:
        calls.extend((await world.run(30.0)).calls)

    in_a_world(undisturbed, policy=policy())
    mint = calls.index("POST /api/v1/account/ci/token")
    control = [number for number, call in enumerate(calls) if number > mint and call.endswith("userinfo")][1]

    async def tell(world: World) -> None:
        process = world.start({control: Lever.LOSE_ANSWER})
        await process.run(world.clock.monotonic() + 5.0)
        assert world.journal().state is State.MINTED
        assert world.published == []
        await process.run(world.clock.monotonic() + 60.0)
        assert process.rotator.report().failures["prove"] == 1
        assert world.in_order()

    in_a_world(tell, policy=policy())
