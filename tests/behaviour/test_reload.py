"""The configuration is read anew while everything runs: what did not change is not disturbed, what is wrong is refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
import trustme
import yaml
from monitor.adapters.argocd.tls import Trust
from monitor.config.load import load_file
from monitor.core.status import Status
from monitor.daemon import reloading
from monitor.simulator.kubernetes import kubectl

from tests.behaviour.service import (
    ACCOUNT,
    KEY,
    NAMESPACE,
    PASSWORD_KEY,
    PASSWORD_SECRET,
    Outside,
    Service,
    service,
    until,
)

# Files are looked at once a second.
NOTICED = 2.0
AT_ONCE = 1.0
SELDOM = "60s"


@dataclass
class Configuration:
    """The configuration file, as a person edits it."""

    world: Outside
    path: Path
    targets: dict[str, dict[str, Any]] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)

    def token_target(self, name: str, **changes: Any) -> None:
        auth = {"type": "token", "tokenSecretKeyRef": {"name": f"token-{name}", "key": KEY}, "username": ACCOUNT}
        self.targets[name] = {"name": name, "url": self.world.url, "interval": SELDOM, "auth": auth, **changes}

    def password_target(self, name: str, **changes: Any) -> None:
        auth = {
            "type": "password",
            "username": ACCOUNT,
            "tokenSecretKeyRef": {"name": f"token-{name}", "key": KEY},
            "passwordSecretKeyRef": {"name": PASSWORD_SECRET, "key": PASSWORD_KEY},
        }
        rotation = {"grace": "0s"}
        self.targets[name] = {
            "name": name,
            "url": self.world.url,
            "interval": SELDOM,
            "auth": auth,
            "rotation": rotation,
            **changes,
        }

    def save(self) -> None:
        """Replaces the file at once, as Kubernetes does with a ConfigMap."""
        kubernetes = {
            "kubeconfig": self.world.kubernetes().kubeconfig,
            "namespace": NAMESPACE,
            "lease": {"enabled": False},
        }
        document = {
            "http": {"port": 0},
            "timeout": "2s",
            "kubernetes": kubernetes,
            "targets": list(self.targets.values()),
            **self.more,
        }
        self.write(yaml.safe_dump(document))

    def write(self, text: str) -> None:
        write(self.path, text.encode())


def write(path: Path, content: bytes) -> None:
    """Replaces a file at once, as Kubernetes does."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)


@pytest.fixture
def configuration(world: Outside) -> Configuration:
    return Configuration(world, world.folder / "monitor.yaml")


@asynccontextmanager
async def started(configuration: Configuration) -> AsyncIterator[Service]:
    configuration.save()
    async with service(load_file(configuration.path), configuration.path) as running:
        yield running


def names(running: Service) -> list[str]:
    return [report.name for report in running.daemon.reports()]


async def read_anew(running: Service) -> None:
    """The file was read again, successfully or not."""
    settings, refused = running.daemon._settings, bool(running.daemon._reloading.problems)
    await until(
        lambda: running.daemon._settings is not settings or bool(running.daemon._reloading.problems) is not refused,
        NOTICED,
    )


async def test_unchanged_targets_keep_what_is_known_of_them(world: Outside, configuration: Configuration) -> None:
    for name in ("kept", "changed", "removed"):
        world.put_token(world.new_token(), f"token-{name}")
        configuration.token_target(name)
    async with started(configuration) as running:
        await until(lambda: all(running.status(name) is Status.VALID for name in configuration.targets))
        world.delete_secret("token-kept")
        await until(lambda: running.status("kept") is Status.MISSING)
        before = {name: running.report(name) for name in configuration.targets}

        del configuration.targets["removed"]
        configuration.token_target("changed", expiringWithin="1h")
        world.put_token(world.new_token(), "token-added")
        configuration.token_target("added")
        configuration.save()
        await read_anew(running)
        looked = before["changed"].checks + 1
        await until(
            lambda: running.status("added") is Status.VALID and running.report("changed").checks == looked,
            3 * AT_ONCE,
        )

        after = running.report("kept")
        assert (after.since, after.checks, after.history) == (
            before["kept"].since,
            before["kept"].checks,
            before["kept"].history,
        )
        assert running.report("changed").since == before["changed"].since, "it was valid all the time"
        assert sorted(names(running)) == ["added", "changed", "kept"]
        _, metrics = await running.get("/metrics")
        assert 'target="removed"' not in metrics
        assert 'target="added"' in metrics
        assert await running.metric("tokenmonitor_targets") == 3.0
        assert await running.metric("tokenmonitor_config_last_reload_successful") == 1.0
        assert (await running.get("/healthz?target=removed"))[0] == 404


async def test_a_secret_that_only_a_new_target_names_is_watched(world: Outside, configuration: Configuration) -> None:
    world.put_token(world.new_token(), "token-first")
    configuration.token_target("first")
    async with started(configuration) as running:
        await until(lambda: running.status("first") is Status.VALID)
        world.put_token(world.new_token(), "token-second")
        configuration.token_target("second")
        del configuration.targets["first"]
        configuration.save()
        await read_anew(running)
        await until(lambda: running.status("second") is Status.VALID)
        watch = running.daemon._shared.watch
        assert watch is not None
        await until(lambda: watch.count().in_touch == 1 == watch.count().wanted)
        world.put_token(world.new_token("by-hand"), "token-second")
        await until(lambda: running.report("second").verdict.token_id == "by-hand", AT_ONCE)


async def test_a_rotation_that_runs_is_not_disturbed(world: Outside, configuration: Configuration) -> None:
    world.argocd._login_seconds = (2.5, 2.5)  # the file is read anew meanwhile
    configuration.password_target("rotated")
    world.put_token(world.new_token(), "token-other")
    configuration.token_target("other")
    async with started(configuration) as running:
        await until(lambda: world.journal("rotated").get("state") == "intent")
        rotator = running.daemon.rotations.rotator("rotated")
        configuration.token_target("other", expiringWithin="1h")
        configuration.save()
        await read_anew(running)
        assert world.journal("rotated")["state"] == "intent"
        assert running.daemon.rotations.rotator("rotated") is rotator
        await until(lambda: running.status("rotated") is Status.VALID)
        await until(lambda: running.rotation("rotated").rotations == 1)
        assert len(world.argocd.issued) == 3, "a key by hand, a session, a key"
        assert running.rotation("rotated").login_failures == 0


async def test_a_target_learns_of_another_one_that_logs_in_as_the_same_user(
    world: Outside, configuration: Configuration
) -> None:
    """Their failed logins are counted together."""
    configuration.password_target("one")
    async with started(configuration) as running:
        await until(lambda: running.status("one") is Status.VALID)
        rotator = running.daemon.rotations.rotator("one")
        configuration.password_target("other")
        configuration.save()
        await read_anew(running)
        assert running.daemon.rotations.rotator("one") is not rotator
        await until(lambda: running.status("other") is Status.VALID)
        assert running.status("one") is Status.VALID


async def test_a_target_that_is_removed_in_the_middle_of_its_rotation_ends_it_and_is_gone(
    world: Outside, configuration: Configuration
) -> None:
    world.argocd._login_seconds = (2.5, 2.5)
    configuration.password_target("rotated")
    world.put_token(world.new_token(), "token-other")
    configuration.token_target("other")
    async with started(configuration) as running:
        await until(lambda: world.journal("rotated").get("state") == "intent")
        removed = configuration.targets.pop("rotated")
        configuration.save()
        await read_anew(running)
        assert names(running) == ["other"]
        assert 'target="rotated"' not in (await running.get("/metrics"))[1]
        await until(lambda: not running.daemon.rotations._running)
        # Nothing is lost: who adds it again goes on with its journal.
        configuration.targets["rotated"] = removed
        configuration.save()
        await read_anew(running)
        await until(lambda: running.status("rotated") is Status.VALID)
        await until(lambda: running.rotation("rotated").rotations == 1)
        assert len(world.keys()) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("targets: [", "YAML"),
        ("", "is empty"),
        (
            "targets:\n- name: a\n  url: http://127.0.0.1\n  auth: {type: token, tokenFile: /t}\n  nonsense: 1\n",
            "nonsense",
        ),
    ],
    ids=["no YAML", "empty", "an unknown key"],
)
async def test_a_broken_file_is_refused_and_told_and_the_old_one_goes_on(
    world: Outside, configuration: Configuration, text: str, told: str
) -> None:
    world.put_token(world.new_token(), "token-first")
    configuration.token_target("first")
    async with started(configuration) as running:
        await until(lambda: running.status("first") is Status.VALID)
        checks = running.report("first").checks
        with structlog.testing.capture_logs() as logs:
            configuration.write(text)
            await read_anew(running)
        assert await running.metric("tokenmonitor_config_last_reload_successful") == 0.0
        (line,) = [line for line in logs if line["log_level"] == "error"]
        assert "refused" in line["event"]
        assert told in line["problems"]
        assert running.report("first").checks == checks
        world.put_token(world.new_token("by-hand"), "token-first")
        await until(lambda: running.report("first").verdict.token_id == "by-hand", AT_ONCE)

        configuration.save()
        await read_anew(running)
        assert await running.metric("tokenmonitor_config_last_reload_successful") == 1.0


async def test_a_second_rotation_of_a_secret_that_the_monitors_own_namespace_holds_is_refused(
    world: Outside, configuration: Configuration
) -> None:
    kubeconfig = world.kubernetes().kubeconfig  # its context is in the namespace, and nothing else says so
    configuration.more["kubernetes"] = {"kubeconfig": kubeconfig, "lease": {"enabled": False}}
    configuration.password_target("first", namespace=NAMESPACE)
    async with started(configuration) as running:
        await until(lambda: running.status("first") is Status.VALID)
        configuration.password_target("second")
        configuration.targets["second"]["auth"]["tokenSecretKeyRef"]["name"] = "token-first"
        with structlog.testing.capture_logs() as logs:
            configuration.save()
            await read_anew(running)
        (line,) = [line for line in logs if line["log_level"] == "error"]
        assert 'the key of "second" is kept in Secret token-first' in line["problems"]
        assert names(running) == ["first"]


async def test_a_file_that_is_gone_for_a_moment_does_no_harm(world: Outside, configuration: Configuration) -> None:
    world.put_token(world.new_token(), "token-first")
    configuration.token_target("first")
    async with started(configuration) as running:
        await until(lambda: running.status("first") is Status.VALID)
        configuration.path.unlink()
        await read_anew(running)
        assert await running.metric("tokenmonitor_config_last_reload_successful") == 0.0
        configuration.save()
        await read_anew(running)
        assert await running.metric("tokenmonitor_config_last_reload_successful") == 1.0
        assert running.report("first").checks == 1


RELOADED = "tokenmonitor_config_last_reload_successful"


async def test_a_file_that_the_configuration_names_may_come_later(
    world: Outside, configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reloading, "RETRY", 0.3)
    authority = world.folder / "later.pem"
    world.put_token(world.new_token(), "token-first")
    configuration.token_target("first")
    async with started(configuration) as running:
        with structlog.testing.capture_logs() as logs:
            configuration.token_target("first", tls={"caFile": str(authority)})
            configuration.save()
            await read_anew(running)
            assert await running.metric(RELOADED) == 0.0
            write(authority, trustme.CA().cert_pem.bytes())
            await read_anew(running)
        assert await running.metric(RELOADED) == 1.0
        assert len([line for line in logs if line["log_level"] == "error"]) == 1


async def test_an_authority_that_becomes_junk_is_told_once_for_all_its_targets_and_the_former_goes_on(
    world: Outside, configuration: Configuration
) -> None:
    authority = world.folder / "ca.pem"
    write(authority, trustme.CA().cert_pem.bytes())
    for name in ("one", "other", "third"):
        world.put_token(world.new_token(), f"token-{name}")
        configuration.token_target(name, tls={"caFile": str(authority)})
    async with started(configuration) as running:
        trust = Trust(ca_file=str(authority))
        former = running.daemon._shared.contexts.get(trust)
        with structlog.testing.capture_logs() as logs:
            write(authority, b"<html>404</html>")
            await until(running.daemon._configuration_problems, NOTICED)
        (line,) = [line for line in logs if line["log_level"] == "error"]
        assert "after a restart the monitor would not start" in line["event"]
        assert line["problem"] == f'"{authority}" holds no readable PEM certificates'
        assert "those before go on" in line["fix"]
        assert line["targets"] == 3
        assert running.daemon._shared.contexts.get(trust) is former
        assert await running.metric(RELOADED) == 0.0, "somebody has to know before the next start"
        _, told = await running.get("/status")
        (problem,) = json.loads(told)["configuration_problems"]
        assert str(authority) in problem
        _, page = await running.get("/", Accept="text/html")
        assert "after a restart the monitor would not start" in page
        assert str(authority) in page

        write(authority, trustme.CA().cert_pem.bytes())
        await until(lambda: not running.daemon._configuration_problems(), NOTICED)
        assert await running.metric(RELOADED) == 1.0
        assert running.daemon._shared.contexts.get(trust) is not former


async def test_what_needs_a_restart_is_told_and_keeps_its_old_value(
    world: Outside, configuration: Configuration
) -> None:
    world.put_token(world.new_token(), "token-first")
    configuration.token_target("first")
    async with started(configuration) as running:
        await until(lambda: running.status("first") is Status.VALID)
        address = running.daemon.address
        with structlog.testing.capture_logs() as logs:
            configuration.more = {"http": {"port": 1, "bind": "0.0.0.0"}, "stateDir": str(world.folder)}
            configuration.save()
            await read_anew(running)
        parts = {line["part"] for line in logs if "restart" in line["event"]}
        assert parts == {"http", "state_dir"}
        assert running.daemon.address == address
        assert (await running.get("/healthz"))[0] == 200


async def test_what_should_not_stay_is_told_again_of_a_new_configuration(
    world: Outside, configuration: Configuration
) -> None:
    world.put_token(world.new_token(), "token-first")
    configuration.token_target("first")
    async with started(configuration) as running:
        await until(lambda: running.status("first") is Status.VALID)
        with structlog.testing.capture_logs() as logs:
            configuration.token_target("first", tls={"insecure": True})
            configuration.save()
            await read_anew(running)
        assert any("insecure" in str(line) for line in logs if line["log_level"] == "warning")


# --- two targets with the same server and user ---------------------------------------------------------------------


async def test_two_targets_that_log_in_as_the_same_user_both_get_their_key(
    world: Outside, configuration: Configuration
) -> None:
    world.argocd._login_seconds = (0.3, 0.5)
    for name in ("one", "other", "third"):
        configuration.password_target(name)
    async with started(configuration) as running:
        await until(lambda: all(running.status(name) is Status.VALID for name in configuration.targets), 15.0)
        assert all(running.rotation(name).failing == 0 for name in configuration.targets)
        assert all(running.rotation(name).login_failures == 0 for name in configuration.targets)


async def test_they_share_the_budget_of_logins_also_after_the_configuration_was_read_anew(
    world: Outside, configuration: Configuration
) -> None:
    kubectl.put_secret(world.cluster, NAMESPACE, PASSWORD_SECRET, {PASSWORD_KEY: "wrong"})
    for name in ("one", "other"):
        configuration.password_target(name)
    async with started(configuration) as running:
        await until(lambda: login_failures(world) == 1)
        configuration.password_target("third")
        configuration.targets["one"]["expiringWithin"] = "1h"
        configuration.save()
        await read_anew(running)
        waiting = ("one", "other", "third")
        await until(lambda: all(running.rotation(name).waiting_for for name in waiting))
        kubectl.put_secret(world.cluster, NAMESPACE, PASSWORD_SECRET, {PASSWORD_KEY: "wrong again"})
        await until(lambda: not running.daemon.rotations._running and login_failures(world) >= 1, AT_ONCE)
        for name in waiting:
            await until(lambda name=name: running.rotation(name).waiting_for != "")
        assert login_failures(world) == 1, "of all three"


def login_failures(world: Outside) -> int:
    """As Argo CD counts them."""
    return sum(gate.failures(ACCOUNT) for gate in world.argocd.gates)
