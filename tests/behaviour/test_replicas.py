"""Two replicas with the Lease on: one rotates, the other goes on when it is gone, and nothing is done twice."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import Counter
from contextlib import AsyncExitStack

import pytest
from monitor.core.status import Status

from tests.behaviour.service import ACCOUNT, NAMESPACE, TARGET, Outside, Service, service, until
from tests.fair_time import fairly

# design.md, "Figures to reach".
HAND_OVER = 3.0
LEASE = "token-monitor"


async def pair(stack: AsyncExitStack, world: Outside) -> tuple[Service, Service]:
    """Both replicas, started one after the other, the first of which leads."""
    one = await stack.enter_async_context(replica(world, "one"))
    await until(one.daemon._leading.leads)
    other = await stack.enter_async_context(replica(world, "other"))
    return one, other


def replica(world: Outside, name: str):  # type: ignore[no-untyped-def]
    return service(world.settings(world.password_target(), replica=name, lease=True))


def holder(world: Outside) -> str:
    found = world.cluster.all("coordination.k8s.io", "leases", NAMESPACE)
    return str(found[0]["spec"].get("holderIdentity") or "") if found else ""


def in_order(world: Outside, *replicas: Service, rotations: int = 1) -> bool:
    """So many rotations ended, the Secret's key is the only one of the account, and every replica accepts it."""
    accepted = all(each.status() is Status.VALID for each in replicas)
    return accepted and world.keys() == {world.key_in_use()} and world.journal().get("rotations") == rotations


def writers(world: Outside) -> set[str]:
    """Who wrote Secrets."""
    return {user for verb in ("create", "update", "patch") for user in users(world, verb)}


def users(world: Outside, verb: str) -> set[str]:
    return {asked.user for asked in world.cluster.asked(verb, "*/secrets*")}


async def test_one_leads_and_both_check(world: Outside) -> None:
    async with AsyncExitStack() as stack:
        one, other = await pair(stack, world)
        await until(lambda: in_order(world, one, other))
        assert (one.daemon._leading.leads(), other.daemon._leading.leads()) == (True, False)
        await until(other.daemon._leading.another_leads)
        assert writers(world) == {"one"}
        for each in (one, other):
            assert (await each.get("/healthz"))[0] == 200
            assert (await each.get("/readyz"))[0] == 200


async def test_a_graceful_stop_hands_over_within_three_seconds_and_the_other_goes_on(world: Outside) -> None:
    async with AsyncExitStack() as stack:
        other_stack = await stack.enter_async_context(AsyncExitStack())
        one_stack = await stack.enter_async_context(AsyncExitStack())
        one = await one_stack.enter_async_context(replica(world, "one"))
        await until(lambda: in_order(world, one))
        other = await other_stack.enter_async_context(replica(world, "other"))
        await until(lambda: other.status() is Status.VALID)
        await until(other.daemon._leading.another_leads)
        began = time.monotonic()
        stopping = asyncio.create_task(one_stack.aclose())
        await until(other.daemon._leading.leads)
        assert time.monotonic() - began < fairly(HAND_OVER)
        await stopping
        world.argocd.revoke_key(ACCOUNT, world.key_in_use() or "")
        await until(lambda: other.status() is Status.REVOKED)
        await until(lambda: in_order(world, other, rotations=2))
        assert "other" in writers(world)


async def test_a_leader_that_stops_in_the_middle_of_a_rotation_leaves_it_to_the_other(
    world: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A login that takes longer than whoever stops may wait for it counts as failed, and the next one comes much later.
    monkeypatch.setattr("monitor.daemon.daemon.ROTATION_GRACE", 30.0)
    monkeypatch.setattr("monitor.daemon.daemon.GRACE", 40.0)
    world.argocd._login_seconds = (1.0, 1.0)
    async with AsyncExitStack() as stack:
        other_stack = await stack.enter_async_context(AsyncExitStack())
        one_stack = await stack.enter_async_context(AsyncExitStack())
        one = await one_stack.enter_async_context(replica(world, "one"))
        await until(one.daemon._leading.leads)
        other = await other_stack.enter_async_context(replica(world, "other"))
        await until(lambda: world.journal().get("state") == "intent")
        await one_stack.aclose()
        # The login that was under way was seen to its end: no failure is charged, and the other goes on with the key.
        await until(lambda: in_order(world, other))
        assert other.rotation().login_failures == 0
        assert len([token for token in world.argocd.issued if is_key(token)]) == 1


async def test_both_started_together_publish_one_key_and_leave_none_over(world: Outside) -> None:
    async with AsyncExitStack() as stack:
        one, other = await asyncio.gather(
            *(stack.enter_async_context(replica(world, name)) for name in ("one", "other"))
        )
        await until(lambda: in_order(world, one, other))
        assert sorted((one.daemon._leading.leads(), other.daemon._leading.leads())) == [False, True]


async def test_both_started_together_without_a_lease_publish_one_key_and_leave_none_over(world: Outside) -> None:
    settings = [world.settings(world.password_target(), replica=name) for name in ("one", "other")]
    async with AsyncExitStack() as stack:
        both = await asyncio.gather(*(stack.enter_async_context(service(each)) for each in settings))
        await until(lambda: in_order(world, *both))
        published = world.cluster.asked("create", "*/secrets")
        assert Counter(asked.status for asked in published)[201] == 2, "the journal and the Secret, once each"
        assert len([token for token in world.argocd.issued if is_key(token)]) == 1


async def test_what_is_told_by_events_is_told_once(world: Outside) -> None:
    """Also what the first check finds, while nobody leads yet."""
    async with AsyncExitStack() as stack:
        one, other = await asyncio.gather(
            *(stack.enter_async_context(replica(world, name)) for name in ("one", "other"))
        )
        await until(lambda: in_order(world, one, other))
        await until(lambda: len(world.events()) == 3)
        world.argocd.revoke_key(ACCOUNT, world.key_in_use() or "")
        await until(lambda: Status.REVOKED in (one.status(), other.status()))
        await until(lambda: in_order(world, one, other, rotations=2))
        await until(lambda: len(world.events()) >= 5)
        for each in (one, other):
            await until(lambda each=each: each.daemon._reactions._waiting.empty())
        told = Counter((event["reason"], event["message"].partition(" in place")[0]) for event in world.events())
        assert set(told.values()) == {1}, told
        assert sorted(reason for reason, _ in told) == [
            "TokenAccepted",
            "TokenRefused",
            "TokenRefused",
            "TokenRotated",
            "TokenRotated",
        ]


async def test_the_one_that_does_not_lead_shows_the_rotation_as_well(
    world: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.services.rotations.FOLLOWING", 0.5)
    async with AsyncExitStack() as stack:
        one, other = await pair(stack, world)
        await until(lambda: in_order(world, one, other))
        await until(lambda: other.rotation().rotations == 1, 2.0)
        assert other.rotation().live_keys == 1
        assert await other.metric(f'tokenmonitor_rotation_consecutive_failures{{target="{TARGET}"}}') == 0.0


def is_key(token: str) -> bool:
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["sub"]).endswith(":apiKey")
