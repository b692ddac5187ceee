"""Three replicas that share the targets: each checks its part, and any of them shows all."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from monitor.core import membership
from monitor.core.sharding import Part, Spare
from monitor.core.status import Status

from tests.behaviour.service import ACCOUNT, TARGET, Outside, Service, service, until, until_told
from tests.fair_time import fairly

NAMES = tuple(f"target-{number}" for number in range(24))
REPLICAS = ("one", "other", "third")
# Times of the slots, so that no story waits for long. What they are in life, tests/behaviour/test_killed_shard.py sees.
SHORT = {
    "monitor.core.membership.LOOK": 0.15,
    "monitor.core.membership.DURATION": 1.0,
    "monitor.core.membership.RENEW_DEADLINE": 0.8,
    "monitor.core.membership.SETTLE": 0.3,
    "monitor.core.membership.LONGEST_STEP": 0.3,
    "monitor.core.membership.UNNOTICED": 0.3,
    "monitor.services.replicas.FRESH": 0.1,
    "monitor.services.replicas.ROUND": 0.5,
    "monitor.daemon.sharing.PATIENCE": 2.0,
    "monitor.services.replicas.PATIENCE": 2.0,
}


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    # A replica that is held up for longer than its slot lasts has lost it: on a busy machine the times are longer, too.
    for name, seconds in SHORT.items():
        monkeypatch.setattr(name, fairly(seconds))


@pytest.fixture
def token(world: Outside) -> str:
    world.put_token(token := world.new_token("the-key"))
    return token


@asynccontextmanager
async def replica(world: Outside, name: str, *, slots: int = 4, **changes: Any) -> AsyncIterator[Service]:
    targets = [world.target(target, **changes) for target in NAMES]
    async with service(world.settings(*targets, replica=name, shards=slots)) as running:
        yield running


async def three(stack: AsyncExitStack, world: Outside) -> list[Service]:
    """Three replicas that know each other, with every target checked."""
    found = [await stack.enter_async_context(replica(world, name)) for name in REPLICAS]
    await until(lambda: shared(*found), seen=lambda: [shares(each) for each in found])
    await until(lambda: all(checked(each) for each in found))
    return found


def shares(each: Service) -> set[str]:
    """What a replica checks."""
    return {report.name for report in each.daemon.reports()}


def shared(*replicas: Service) -> bool:
    """Every target is checked by exactly one of them, and each knows that the others are there."""
    if not all(len(getattr(each.daemon._sharing._standing, "slots", ())) == len(replicas) for each in replicas):
        return False
    return Counter(name for each in replicas for name in shares(each)) == Counter(NAMES)


def checked(each: Service) -> bool:
    return all(report.verdict.status is not Status.PENDING for report in each.daemon.reports())


async def status(each: Service) -> dict[str, Any]:
    _, text = await each.get("/status")
    return dict(json.loads(text))


async def test_each_checks_its_part_and_any_of_them_shows_all(world: Outside, token: str) -> None:
    async with AsyncExitStack() as stack:
        replicas = await three(stack, world)
        assert all(shares(each) for each in replicas)
        for each in replicas:
            await until_told(lambda each=each: healthy(each))
            told = await status(each)
            assert [target["target"] for target in told["targets"]] == list(NAMES), "in the order of the configuration"
            assert {target["status"] for target in told["targets"]} == {"valid"}
            assert told["shards"]["missing"] == []
            assert [found["slot"] for found in told["shards"]["replicas"]] == sorted(
                found["slot"] for found in told["shards"]["replicas"]
            )

            _, page = await each.get("/", Accept="text/html")
            assert all(name in page for name in NAMES)
            assert "Not all replicas of the monitor" not in page
            _, metrics = await each.get("/metrics")
            assert f"tokenmonitor_shard_targets {float(len(shares(each)))}" in metrics, "of its share only"
            assert f"tokenmonitor_targets {float(len(NAMES))}" in metrics, (
                "so that a replica that is not scraped is missed"
            )
            assert 'tokenmonitor_shard_share{share="part"} 1.0' in metrics
            for name in NAMES:
                assert (await each.get(f"/healthz?target={name}"))[0] == 200


async def test_one_that_comes_takes_only_its_share_and_what_is_known_goes_along(world: Outside, token: str) -> None:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(replica(world, "one"))
        await until(lambda: shares(one) == set(NAMES) and checked(one))
        since = {report.name: report.since for report in one.daemon.reports()}
        other = await stack.enter_async_context(replica(world, "other"))
        await until(lambda: shared(one, other) and len(shares(other)) > 0)
        assert {report.name: report.since for report in other.daemon.reports()} == {
            name: since[name] for name in shares(other)
        }
        assert all(report.verdict.status is Status.VALID for report in other.daemon.reports()), "never pending"


async def test_one_that_stops_in_good_order_leaves_its_share_at_once(world: Outside, token: str) -> None:
    async with AsyncExitStack() as stack:
        leaving = await stack.enter_async_context(AsyncExitStack())
        third = await leaving.enter_async_context(replica(world, "third"))
        rest = [await stack.enter_async_context(replica(world, name)) for name in ("one", "other")]
        await until(lambda: shared(third, *rest) and all(shares(each) for each in (third, *rest)))
        await until_told(lambda: healthy(rest[0]))
        await until_told(lambda: healthy(rest[1]))
        before = [shares(each) for each in rest]
        await leaving.aclose()
        await until(lambda: shared(*rest), 1.0)
        assert all(had <= shares(each) for had, each in zip(before, rest, strict=True)), "nothing else moves"
        code, text = await rest[0].get("/healthz")
        assert code == 200, text


async def test_what_a_silent_replica_should_have_told_is_named(
    world: Outside, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as stack:
        replicas = await three(stack, world)
        silent, asked = replicas[0], replicas[1]
        await silent.daemon.server.stop(0.1)
        await until_told(lambda: with_missing(asked))
        told = await status(asked)
        (words,) = told["shards"]["missing"]
        assert silent.daemon._sharing.identity in words
        assert "does not answer" in words
        assert "network policy" in words
        assert [target["target"] for target in told["targets"]] == list(NAMES), "none is left out"
        _, page = await asked.get("/", Accept="text/html")
        assert "Not all replicas of the monitor told" in page
        assert silent.daemon._sharing.identity in page
        # It holds its slot, but nobody knows whether it checks anything: another one does, too.
        others = [each for each in replicas if each is not silent]
        await until(lambda: shares(silent) <= set().union(*map(shares, others)))
        checked_by = Counter(name for each in replicas for name in shares(each))
        assert {checked_by[name] for name in shares(silent)} == {2}, "twice, and no more than that"
        await until_told(lambda: healthy(asked), 5.0)


async def with_missing(each: Service) -> bool:
    return bool((await status(each))["shards"]["missing"])


async def healthy(each: Service) -> bool:
    return (await each.get("/healthz"))[0] == 200


async def test_a_replica_without_a_slot_waits_and_shows_all(world: Outside, token: str) -> None:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(replica(world, "one", slots=1))
        await until(lambda: shares(one) == set(NAMES) and checked(one))
        other = await stack.enter_async_context(replica(world, "other", slots=1))
        await until(lambda: isinstance(other.daemon._sharing._standing, Spare))
        assert shares(other) == set()
        await until_told(lambda: all_valid(other))
        told = await status(other)
        assert told["shards"]["share"] == "spare"
        assert "kubernetes.shards.slots" in told["shards"]["missing"][0]


async def all_valid(each: Service) -> bool:
    return {target["status"] for target in (await status(each))["targets"]} == {"valid"}


async def test_without_permission_each_checks_everything_and_says_so(world: Outside, token: str) -> None:
    from monitor.simulator.kubernetes.access import Rule

    for name in REPLICAS:
        world.cluster.access.restrict(name, Rule("*", "secrets"), Rule("*", "events", "events.k8s.io"))
    async with replica(world, "one") as one, replica(world, "other") as other:
        await until(lambda: shares(one) == shares(other) == set(NAMES))
        told = await status(one)
        assert told["shards"]["share"] == "everything"
        assert "token-monitor doctor" in told["shards"]["missing"][0]


async def test_while_the_kubernetes_api_is_away_each_keeps_its_share(world: Outside, token: str) -> None:
    async with AsyncExitStack() as stack:
        replicas = await three(stack, world)
        before = [shares(each) for each in replicas]
        # Longer than a slot lasts (`SHORT`), and as long again.
        slot = membership.DURATION
        world.cluster.go_away(3 * slot)
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - began < 4.5 * slot:
            assert [shares(each) for each in replicas] == before
            await asyncio.sleep(0.05)
        assert not any(isinstance(each.daemon._sharing._standing, Spare) for each in replicas)
        await until(lambda: all(isinstance(each.daemon._sharing._standing, Part) for each in replicas))


async def test_who_only_holds_a_slot_keeps_no_target_from_being_checked(world: Outside, token: str) -> None:
    """Another installation with the same Leases, or somebody who may write them."""
    async with replica(world, "one") as one:
        await until(lambda: shares(one) == set(NAMES))
        other = world.settings(world.target("elsewhere"), replica="other", shards=4)
        async with service(other):
            await until(lambda: shares(one) != set(NAMES))
            await until(lambda: shares(one) == set(NAMES))


async def test_a_key_is_replaced_by_the_replica_that_checks_it_and_by_its_successor(world: Outside) -> None:
    async with AsyncExitStack() as stack:
        pair: dict[str, Service] = {}
        stacks = {name: await stack.enter_async_context(AsyncExitStack()) for name in ("one", "other")}
        for name, own in stacks.items():
            settings = world.settings(world.password_target(), replica=name, shards=4)
            pair[name] = await own.enter_async_context(service(settings))
        await until(lambda: world.journal().get("rotations") == 1 and len(owners(pair)) == 1)
        (owner,) = owners(pair)
        (other,) = pair.keys() - {owner}
        await until(lambda: pair[owner].status() is Status.VALID)
        # One that began alone may have made the key before the other one came.
        written = len(writes_of(world, other))
        world.argocd.revoke_key(ACCOUNT, world.key_in_use() or "")
        await until(lambda: world.journal().get("rotations") == 2)
        assert len(writes_of(world, other)) == written, "the other one leaves it alone"
        await stacks[owner].aclose()
        await until(lambda: owners({other: pair[other]}) == {other})
        await until(lambda: pair[other].status() is Status.VALID)
        world.argocd.revoke_key(ACCOUNT, world.key_in_use() or "")
        await until(lambda: world.journal().get("rotations") == 3)
        assert len(writes_of(world, other)) > written


def owners(replicas: dict[str, Service]) -> set[str]:
    """Who checks the one target."""
    return {name for name, each in replicas.items() if each.daemon.report(TARGET) is not None}


def writes_of(world: Outside, user: str) -> list[object]:
    """What it wrote into Secrets."""
    found = [asked for verb in ("create", "update", "patch") for asked in world.cluster.asked(verb, "*/secrets*")]
    return [asked for asked in found if asked.user == user]
