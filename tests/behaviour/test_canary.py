"""Nothing that the service writes holds a token, a session or a password: logs at level debug, pages, metrics, Events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO

import pytest
from monitor.config.settings import InClear, TargetSettings
from monitor.core.secret import Secret
from monitor.core.status import Status
from monitor.simulator.faults import Fault

from tests.behaviour.canaries import everything_that_is_logged, forms, leaks
from tests.behaviour.service import (
    ACCOUNT,
    NAMESPACE,
    PASSWORD_SECRET,
    REPLICAS,
    SECRET,
    TARGET,
    Outside,
    Service,
    service,
    until,
)

FIRST, SECOND, WRONG = 'first "canary" & password', "second/canary+password", "wrong canary password"
# These hold credentials: that is what they are for.
KEEPERS = (SECRET, PASSWORD_SECRET, f"token-monitor-journal-{TARGET}")
PAGES = (
    ("/", {"Accept": "text/html"}),
    (f"/?target={TARGET}", {"Accept": "text/html"}),
    ("/status", {}),
    ("/metrics", {}),
    ("/healthz", {}),
    ("/healthz", {"Accept": "application/health+json"}),
    ("/livez?verbose", {}),
    ("/readyz?verbose", {}),
)


class Ears:
    """Everything that the service says, while it runs and at the end."""

    def __init__(self, world: Outside, log: StringIO) -> None:
        self._world = world
        self._log = log
        self._pages: list[str] = []
        self.keepers = set(KEEPERS)

    async def listen(self, running: Service) -> None:
        """Reads every page as it stands."""
        self._pages += [(await running.get(path, **headers))[1] for path, headers in PAGES]

    def all(self) -> str:
        cluster = self._world.cluster
        kinds = (("", "secrets"), ("", "events"), ("", "configmaps"), ("coordination.k8s.io", "leases"))
        objects = [
            {**found, "data": {}} if found["metadata"]["name"] in self.keepers else found
            for group, plural in kinds
            for found in cluster.all(group, plural, NAMESPACE)
        ]
        asked = [repr(request) for request in cluster.requests]
        return "\n".join([self._log.getvalue(), *self._pages, json.dumps(objects), *asked])


@asynccontextmanager
async def listened(world: Outside) -> AsyncIterator[Ears]:
    """At the end: much was said, and no credential in it."""
    with everything_that_is_logged() as log:
        ears = Ears(world, log)
        yield ears
    said = ears.all()
    assert "verdict changed" in said
    assert "apscheduler" in said, "of the libraries, too"
    assert leaks(said, [*world.argocd.issued, *world.passwords, *REPLICAS]) == []


async def fail_in_every_way(running: Service, world: Outside, ears: Ears) -> None:
    """Argo CD, and whatever stands before it, at its worst; each is told."""
    seen: set[Status] = set()
    for echoed in (401, 403, 500, 200):
        world.front.echoing = echoed
        seen.add(await looked(running, ears))
    world.front.echoing = 0
    for fault in Fault:
        if fault is not Fault.HANG:
            world.front.fault = fault
            seen.add(await looked(running, ears))
    assert len(seen) >= 5, seen
    world.front.fault = None
    world.cluster.go_away(60.0)
    await looked(running, ears)
    assert "the value is that of before" in running.report().problem
    world.cluster.come_back()
    world.cluster.faults.answer(500, times=3)
    while await looked(running, ears) is not Status.VALID:
        pass


async def looked(running: Service, ears: Ears) -> Status:
    """The verdict of checks that were begun from now on, the second look at a refusal among them; everything is read."""
    checks = running.report().checks
    for more in (1, 2, 3):
        running.daemon.fleet.trigger(TARGET)
        await until(lambda more=more: running.report().checks >= checks + more)
    await ears.listen(running)
    return running.status()


async def test_in_token_mode_no_credential_is_told(world: Outside) -> None:
    async with listened(world) as ears:
        world.put_token(world.new_token("canary"))
        async with service(world.settings(world.target())) as running:
            await until(lambda: running.status() is Status.VALID)
            await ears.listen(running)
            await fail_in_every_way(running, world, ears)
            for wrong in (f"{world.token()} with a tail", f"x{world.token()}", world.argocd.open_session(ACCOUNT)):
                world.put_token(wrong)
                world.argocd.issued.append(wrong)
                await looked(running, ears)
            world.put_token(world.argocd.issued[0])
            world.argocd.revoke_key(ACCOUNT, "canary")
            assert await looked(running, ears) is Status.REVOKED


async def test_in_password_mode_no_credential_is_told(world: Outside) -> None:
    async with listened(world) as ears:
        world.change_password(FIRST)
        world.tell_password(FIRST)
        async with service(world.settings(world.password_target(), lease=True)) as running:
            await until(lambda: running.rotation().rotations == 1)
            await until(lambda: running.status() is Status.VALID)
            await ears.listen(running)
            await fail_in_every_way(running, world, ears)
            world.argocd.revoke_key(ACCOUNT, world.key_in_use() or "")
            await until(lambda: running.rotation().rotations == 2)
            world.tell_password(WRONG)
            world.argocd.revoke_key(ACCOUNT, world.key_in_use() or "")
            await until(lambda: running.rotation().login_failures == 1)
            await ears.listen(running)
            world.change_password(SECOND)
            world.tell_password(SECOND)
            await until(lambda: running.rotation().waiting_for != "")
            await ears.listen(running)


async def test_a_login_whose_answer_quotes_it_tells_no_password(world: Outside) -> None:
    async with listened(world) as ears:
        world.change_password(FIRST)
        world.tell_password(FIRST)
        world.front.echoing = 401
        async with service(world.settings(world.password_target())) as running:
            await until(lambda: running.rotation().login_failures == 1)
            await until(lambda: running.rotation().problem != "")
            await ears.listen(running)


@pytest.mark.parametrize("mode", ["token", "password"])
async def test_credentials_in_the_configuration_are_not_told_either(world: Outside, mode: str) -> None:
    async with listened(world) as ears, service(world.settings(in_clear(world, mode))) as running:
        await until(lambda: running.status() is Status.VALID)
        world.argocd.disable_account(ACCOUNT)
        await until(lambda: running.status() is Status.ACCOUNT_DISABLED)
        await ears.listen(running)


async def test_a_defect_of_ours_tells_no_credential(world: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    world.put_token(world.new_token())
    async with listened(world) as ears, service(world.settings(world.password_target())) as running:
        await until(lambda: running.status() is Status.VALID)
        monkeypatch.setattr("monitor.services.checker.classify", broken)
        monkeypatch.setattr("monitor.services.rotator.decide", broken)
        running.daemon.fleet.trigger(TARGET)
        running.daemon.demand(TARGET)
        await until(lambda: "check failed" in ears.all() and "rotation failed" in ears.all())
        await ears.listen(running)


def test_the_search_finds_what_it_looks_for() -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
    for part in (token, *token.split(".")):
        assert leaks(f"before {part} after", [token])
    for form in forms(token):
        assert leaks(form, [token])
    assert not leaks("nothing of it", [token, FIRST])


def in_clear(world: Outside, mode: str) -> TargetSettings:
    if mode == "token":
        return world.target(token_source=InClear(Secret(world.new_token())))
    return world.password_target(password_source=InClear(Secret(world.passwords[0])))
