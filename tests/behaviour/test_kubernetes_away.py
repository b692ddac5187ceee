"""The Kubernetes API is away for a while: checks go on and say so, nothing is rotated on stale knowledge, all catch up."""

from __future__ import annotations

import pytest
from monitor.core.status import Status
from monitor.simulator.kubernetes.state import ClusterState

from tests.behaviour.service import ACCOUNT, TARGET, Outside, Service, service, until, until_told

LONG = 600.0
OLD_VALUE = "the value is that of before"


async def in_touch(running: Service) -> None:
    """Every Secret is watched, and its present state known."""
    watch = running.daemon._shared.watch
    assert watch is not None
    await until(lambda: watch.count().in_touch == watch.count().wanted > 0)


async def away(running: Service, cluster: ClusterState) -> None:
    """The API goes away, and the checks have noticed."""
    cluster.go_away(LONG)
    running.daemon.fleet.trigger(TARGET)
    await until(lambda: running.report().problem != "")


async def test_checks_go_on_with_the_last_value_and_say_so(world: Outside) -> None:
    world.put_token(world.new_token("by-hand"))
    async with service(world.settings(world.target())) as running:
        await until(lambda: running.status() is Status.VALID)
        await in_touch(running)
        await away(running, world.cluster)
        checks = running.report().checks
        await until(lambda: running.report().checks > checks + 1)
        assert running.status() is Status.VALID
        told = await running.told()
        assert OLD_VALUE in told["problem"]
        status, health = await running.get("/healthz")
        assert status == 200
        assert OLD_VALUE in health
        assert OLD_VALUE in (await running.get("/", Accept="text/html"))[1]

        world.argocd.revoke_key(ACCOUNT, "by-hand")
        await until(lambda: running.status() is Status.REVOKED)
        assert (await running.get("/healthz"))[0] == 503


async def test_what_changed_meanwhile_is_known_as_soon_as_it_is_back(world: Outside) -> None:
    world.put_token(world.new_token("old"))
    async with service(world.settings(world.target())) as running:
        await until(lambda: running.status() is Status.VALID)
        await in_touch(running)
        await away(running, world.cluster)
        world.put_token(world.new_token("new"))
        world.argocd.revoke_key(ACCOUNT, "old")
        await until(lambda: running.status() is Status.REVOKED)
        world.cluster.compact()  # the watches cannot go on from where they were
        world.cluster.come_back()
        await until(lambda: running.report().verdict.token_id == "new" and running.status() is Status.VALID)
        assert running.report().problem == ""
        await in_touch(running)
        world.put_token(world.new_token("newer"))
        await until(lambda: running.report().verdict.token_id == "newer", 1.0)


async def test_while_it_is_away_nothing_is_rotated_and_then_it_is(
    world: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.services.rotator.UNREADABLE", 1.0)
    world.put_token(world.new_token("by-hand"))
    async with service(world.settings(world.password_target())) as running:
        await until(lambda: running.status() is Status.VALID)
        await until(lambda: world.journal().get("current") == "by-hand")
        issued = len(world.argocd.issued)
        await away(running, world.cluster)
        world.argocd.revoke_key(ACCOUNT, "by-hand")
        await until(lambda: running.status() is Status.REVOKED)
        await until(lambda: running.rotation().failing >= 2)
        assert "the journal cannot be read, so nothing is rotated" in running.rotation().problem
        labels = f'{{target="{TARGET}"}}'

        async def alarming() -> bool:
            return (await running.metric(f"tokenmonitor_rotation_consecutive_failures{labels}") or 0.0) > 0.0

        await until_told(alarming)
        assert len(world.argocd.issued) == issued, "no login, no key"

        world.cluster.come_back()
        await until(lambda: running.status() is Status.VALID and running.rotation().rotations == 1)
        assert world.keys() == {world.key_in_use()}
        assert running.rotation().problem == ""


async def test_a_token_that_somebody_replaced_meanwhile_is_adopted_and_not_replaced(world: Outside) -> None:
    world.put_token(world.new_token("old"))
    async with service(world.settings(world.password_target())) as running:
        await until(lambda: running.status() is Status.VALID)
        await until(lambda: world.journal().get("current") == "old")
        issued = len(world.argocd.issued)
        await away(running, world.cluster)
        world.argocd.revoke_key(ACCOUNT, "old")
        await until(lambda: running.status() is Status.REVOKED)
        world.put_token(world.new_token("new"))
        world.cluster.come_back()
        await until(lambda: running.status() is Status.VALID)
        running.daemon.rotations.wake(TARGET)
        await until(lambda: world.journal().get("current") == "new")
        assert len(world.argocd.issued) == issued + 1, "and nobody logged in"


async def test_a_watch_that_died_unseen_makes_no_token_refused(world: Outside) -> None:
    world.put_token(world.new_token("old"))
    async with service(world.settings(world.password_target(interval=2.0))) as running:
        await until(lambda: running.status() is Status.VALID)
        await in_touch(running)
        await until(lambda: world.journal().get("current") == "old")
        await until(world.cluster.silence_watches)  # the list is there; the watch is opened a moment later
        issued = len(world.argocd.issued)
        world.put_token(world.new_token("new"))
        world.argocd.revoke_key(ACCOUNT, "old")
        await until(lambda: running.report().verdict.token_id == "new")
        assert running.status() is Status.VALID
        assert world.events("TokenRefused") == []
        await until(lambda: world.journal().get("current") == "new")
        assert len(world.argocd.issued) == issued + 1
        assert world.keys() == {"new"}


async def test_it_starts_also_while_kubernetes_is_away(world: Outside) -> None:
    world.put_token(world.new_token())
    world.cluster.go_away(LONG)
    async with service(world.settings(world.password_target())) as running:
        await until(lambda: running.report().checks > 0)
        assert running.status() is Status.PENDING, "nobody has looked at the token"
        assert running.daemon.rotations.report(TARGET) is None or running.rotation().problem
        assert (await running.get("/readyz"))[0] == 200
        assert (await running.get("/healthz"))[0] == 503
        world.cluster.come_back()
        await until(lambda: running.status() is Status.VALID)
