"""What must not be rotated: causes that no key mends, and whatever is not known for sure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
from monitor.core.journal import Journal, State, dump
from monitor.core.model import FaultKind, Verdict
from monitor.core.secret import Secret
from monitor.core.status import Status
from monitor.services.rotation_facts import Sight
from monitor.simulator.rbac import Role
from monitor.simulator.settings import Capability

from tests.services.rotation_outside import ACCOUNT, HOUR, PASSWORD
from tests.services.rotation_stories import STORIES, policy
from tests.services.rotation_world import World, in_a_world, quietly

ON_DEMAND = STORIES["a key of ours on demand, with consumers"]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quietly():
        yield


BREAK: dict[str, Callable[[World], None]] = {
    "the account is disabled": lambda world: world.argocd.disable_account(ACCOUNT),
    "the account is removed": lambda world: world.argocd.remove_account(ACCOUNT),
    "the account may have no keys": lambda world: world.argocd.set_capabilities(ACCOUNT, Capability.LOGIN),
}
MEND: dict[str, Callable[[World], None]] = {
    "the account is disabled": lambda world: world.argocd.enable_account(ACCOUNT),
    "the account is removed": lambda world: world.argocd.create_account(ACCOUNT, role=Role.READONLY),
    "the account may have no keys": lambda world: world.argocd.set_capabilities(
        ACCOUNT, Capability.LOGIN, Capability.API_KEY
    ),
}


@pytest.mark.parametrize("demanded", [False, True])
@pytest.mark.parametrize("cause", BREAK)
def test_what_no_key_mends_never_leads_to_one(cause: str, demanded: bool) -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        BREAK[cause](world)
        process = await world.run(8 * HOUR, demanded=demanded)
        assert (world.logins, world.used_ids, world.published) == (0, set(), [])
        assert "does not mend" in process.rotator.report().waiting_for

    in_a_world(tell, policy=policy())


@pytest.mark.parametrize("after", [0.1, 8.0, 16.0, 40.0, 90.0])
@pytest.mark.parametrize("cause", BREAK)
def test_a_rotation_that_is_caught_by_such_a_cause_harms_nothing_and_goes_on_when_it_is_mended(
    cause: str, after: float
) -> None:
    async def tell(world: World) -> None:
        ON_DEMAND.prepare(world)
        process = world.start(demanded=True)
        await process.run(world.clock.monotonic() + after)
        minted = set(world.used_ids)
        BREAK[cause](world)
        await process.run(world.clock.monotonic() + HOUR)
        assert world.used_ids == minted, "a key was made for it"
        MEND[cause](world)
        await process.run(world.clock.monotonic() + 2 * HOUR)
        assert world.in_order()
        assert world.at_rest(), world.journal()

    in_a_world(tell, policy=policy())


def test_an_account_that_may_have_no_keys_is_told_when_the_first_one_is_wanted() -> None:
    async def tell(world: World) -> None:
        world.argocd.set_capabilities(ACCOUNT, Capability.LOGIN)
        process = await world.run(HOUR)
        report = process.rotator.report()
        assert "apiKey capability" in report.problem
        assert "argocd-cm" in report.problem
        assert report.live_keys == 0
        assert 3 <= report.failures["mint"] <= 7
        world.argocd.set_capabilities(ACCOUNT, Capability.LOGIN, Capability.API_KEY)
        await world.run(2 * HOUR, over=lambda: True)
        assert world.in_order()

    in_a_world(tell, policy=policy())


def test_a_value_that_no_header_can_carry_is_replaced_too() -> None:
    async def tell(world: World) -> None:
        world.secret.put("two words\nand a line", "kubectl")
        process = world.start()
        process.sight = lambda: Sight(verdict(world, Status.MALFORMED), None)
        await process.run(world.clock.monotonic() + 60.0)
        assert world.in_order()

    in_a_world(tell, policy=policy())


# --- what is not known --------------------------------------------------------------------------------------------------------


def verdict(world: World, status: Status, age: float = 0.0) -> Verdict:
    return Verdict(status, "", "", checked_at=world.clock.now() - age)


def fingerprint(token: str | None) -> str | None:
    return Secret(token).fingerprint() if token else None


def test_a_verdict_about_another_token_starts_nothing() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        process = world.start()
        process.sight = lambda: Sight(verdict(world, Status.REVOKED), fingerprint("another"))
        await process.run(world.clock.monotonic() + HOUR)
        assert (world.logins, world.used_ids) == (0, set())

    in_a_world(tell, policy=policy())


@pytest.mark.parametrize("missing", [True, False], ids=["no Secret", "a revoked key"])
def test_a_refusal_that_was_seen_once_waits_for_its_second_look(missing: bool) -> None:
    async def tell(world: World) -> None:
        if not missing:
            world.hand_made()
            world.revoke()
        process = world.start()
        process.sight = lambda: Sight(None, None)
        await process.run(world.clock.monotonic() + HOUR)
        assert (world.logins, world.used_ids) == (0, set())
        process.sight = lambda: Sight(
            verdict(world, Status.MISSING if missing else Status.REVOKED), fingerprint(world.secret.value)
        )
        await process.run(world.clock.monotonic() + 30.0)
        assert world.in_order()

    in_a_world(tell, policy=policy())


def test_a_verdict_that_is_old_is_looked_at_again() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        process = world.start()
        process.sight = lambda: Sight(verdict(world, Status.REVOKED, age=61.0), fingerprint(world.secret.value))
        await process.run(world.clock.monotonic() + HOUR)
        assert (world.logins, world.used_ids) == (0, set())

    in_a_world(tell, policy=policy())


def test_one_replica_that_lags_does_not_make_a_key_needed() -> None:
    async def tell(world: World) -> None:
        await asyncio.sleep(60.0)
        world.hand_made()
        world.next_replicas = [1, 1, 1]  # the whole first look meets the one that does not know the key yet
        await world.run(HOUR)
        assert (world.used_ids, world.logins) == (set(), 0)

    in_a_world(tell, policy=policy(), lags=(0.0, 14.0))


@pytest.mark.parametrize("after", [0.0, 5.0, 16.0, 40.0])
def test_while_argo_cd_is_away_nothing_is_changed_and_afterwards_it_goes_on(after: float) -> None:
    async def tell(world: World) -> None:
        ON_DEMAND.prepare(world)
        process = world.start(demanded=True)
        await process.run(world.clock.monotonic() + after)
        world.argocd_fault = FaultKind.TIMEOUT
        before = world.secret.version, set(world.used_ids), len(world.deleted)
        await process.run(world.clock.monotonic() + 2 * HOUR)
        assert (world.secret.version, set(world.used_ids), len(world.deleted)) == before
        world.argocd_fault = None
        await process.run(world.clock.monotonic() + 3 * HOUR)
        assert world.at_rest()

    in_a_world(tell, policy=policy())


@pytest.mark.parametrize("after", [0.0, 5.0, 16.0, 40.0])
def test_while_the_kubernetes_api_is_away_for_ten_minutes_nothing_is_changed(after: float) -> None:
    async def tell(world: World) -> None:
        ON_DEMAND.prepare(world)
        process = world.start(demanded=True)
        await process.run(world.clock.monotonic() + after)
        before = world.secret.version, set(world.used_ids), len(world.deleted)
        world.kubernetes_away = True
        await process.run(world.clock.monotonic() + 600.0)
        assert (world.secret.version, set(world.used_ids), len(world.deleted)) == before
        report = process.rotator.report()
        assert "the journal cannot be read, so nothing is rotated" in report.problem
        assert report.failing > 0
        assert report.failures["journal"] > 0
        world.kubernetes_away = False
        await process.run(world.clock.monotonic() + HOUR)
        assert world.at_rest()
        assert process.rotator.report().failing == 0

    in_a_world(tell, policy=policy())


@pytest.mark.parametrize("after", [0.0, 5.0, 16.0, 40.0, 90.0])
def test_while_the_secret_cannot_be_read_nothing_is_written_or_deleted(after: float) -> None:
    async def tell(world: World) -> None:
        ON_DEMAND.prepare(world)
        process = world.start(demanded=True)
        await process.run(world.clock.monotonic() + after)
        before = world.secret.version, set(world.used_ids), len(world.deleted)
        world.secret_unreadable = True
        await process.run(world.clock.monotonic() + 500.0)
        assert (world.secret.version, set(world.used_ids), len(world.deleted)) == before
        world.secret_unreadable = False
        await process.run(world.clock.monotonic() + 2 * HOUR)
        assert world.at_rest()

    in_a_world(tell, policy=policy())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "delete the journal"),
        ('{"version": 2}', "newer version"),
        (dump(Journal(state=State.INTENT)).replace('"intent"', '"half-way"'), "delete the journal"),
    ],
    ids=["damaged", "newer", "unknown state"],
)
def test_on_a_journal_that_cannot_be_understood_nothing_is_done_and_it_says_what_to_do(text: str, words: str) -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        world.revoke()
        world.journal_place.put(text, "somebody")
        process = await world.start_and_run(HOUR)
        assert (world.logins, world.used_ids) == (0, set())
        report = process.rotator.report()
        assert report.problem.startswith("journal of production: ")
        assert words in report.problem
        assert report.failing >= 100
        assert world.journal_place.value == text
        assert await process.rotator.plan() == ()
        world.journal_place.remove()
        await world.run(HOUR, over=lambda: True)
        assert world.in_order()

    in_a_world(tell, policy=policy())


@pytest.mark.parametrize("by", [-7 * 86_400.0, -HOUR, -61.0, 61.0, HOUR, 7 * 86_400.0])
@pytest.mark.parametrize("after", [0.2, 8.0, 20.0, 60.0])
def test_a_clock_that_is_set_in_the_midst_of_a_rotation_harms_nothing(by: float, after: float) -> None:
    async def tell(world: World) -> None:
        ON_DEMAND.prepare(world)
        old = world.token_id()
        process = world.start(demanded=True)
        await process.run(world.clock.monotonic() + after)
        world.clock.wrong_by = by
        published_at = world.clock.monotonic()
        while old in world.live_keys() and world.clock.monotonic() < 2 * HOUR:
            await process.run(world.clock.monotonic() + 1.0)
        if after == 20.0:
            assert world.clock.monotonic() - published_at > 40.0, "the grace period was cut short"
        await process.run(world.clock.monotonic() + HOUR)
        assert world.at_rest(), world.journal()
        assert world.journal().rotations == 1

    in_a_world(tell, policy=policy())


def test_a_clock_that_comes_back_after_a_leap_delays_nothing_for_long() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        world.revoke()
        process = world.start()
        world.clock.wrong_by = 400 * 86_400.0
        await process.run(world.clock.monotonic() + 0.3)
        world.clock.wrong_by = 0.0
        await process.run(world.clock.monotonic() + HOUR)
        assert world.in_order()
        assert world.at_rest()

    in_a_world(tell, policy=policy())


def test_a_server_that_echoes_what_it_is_sent_brings_no_secret_into_journal_report_or_events() -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        world.echoes = True
        process = await world.run(HOUR, demanded=True)
        assert process.rotator.report().failures["mint"] >= 1
        world.revoke()
        await world.run(HOUR)
        journal = world.journal_place.history
        assert any("cannot deal with" in (text or "") for text in journal)
        signature = (world.secret.value or "").rsplit(".", 1)[1]
        assert not any(signature in (text or "") or PASSWORD in (text or "") for text in journal)

    in_a_world(tell, policy=policy())


def test_a_delete_that_deletes_nothing_is_seen_through_and_told_until_it_does() -> None:
    async def tell(world: World) -> None:
        ON_DEMAND.prepare(world)
        old = world.token_id()
        world.deaf_to_deletes = True
        process = await world.run(HOUR, demanded=True)
        assert old in world.live_keys()
        report = process.rotator.report()
        assert "still listed" in report.problem
        assert (report.rotations, report.live_keys) == (1, 2)
        world.deaf_to_deletes = False
        await world.run(HOUR)
        assert world.at_rest()
        assert world.journal().error == ""

    in_a_world(tell, policy=policy())


def test_an_old_proof_publishes_nothing() -> None:
    """A key is proven, the Secret cannot be read for minutes, and meanwhile somebody deletes the key."""

    async def tell(world: World) -> None:
        ON_DEMAND.prepare(world)
        process = world.start(demanded=True)
        await process.run(world.clock.monotonic() + 15.0)
        assert world.journal().state is State.MINTED
        world.secret_unreadable = True
        await process.run(world.clock.monotonic() + 120.0)
        assert world.journal().state is State.VERIFIED
        world.argocd.revoke_key(ACCOUNT, world.journal().key_id or "")
        world.secret_unreadable = False
        await process.run(world.clock.monotonic() + 600.0)
        assert world.published == []
        assert world.in_order()

    in_a_world(tell, policy=policy())
