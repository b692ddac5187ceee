"""The whole service with targets that are found, and with a watch inside Argo CD: from the cluster to the pages."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from monitor.config.load import load_file
from monitor.config.settings import (
    DiscoverySettings,
    HttpSettings,
    InSecret,
    InstallationSettings,
    KubernetesDiscoverySettings,
    Settings,
)
from monitor.core.discovery import LABEL
from monitor.core.status import Status
from monitor.simulator.kubernetes import kubectl

from tests.behaviour.service import NAMESPACE, TARGET, Outside, Service, outside, service, until, until_told


def target_text(world: Outside, **more: Any) -> str:
    """A target in YAML, as an object or a file holds it."""
    auth = {"type": "token", "tokenSecretKeyRef": {"name": "portal", "key": "token"}}
    return yaml.safe_dump({"url": world.url, "auth": auth, "interval": "10m", **more})


def put(world: Outside, name: str, text: str, **data: str) -> None:
    """Makes a Secret that is a target and carries its token, or replaces it."""
    values = {"target.yaml": text, **data}
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {LABEL: "true"}}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    kubectl.put(world.cluster, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded})


def discovering(world: Outside, directory: Path) -> Settings:
    where = KubernetesDiscoverySettings((NAMESPACE,), ("Secret",), servers=("127.0.0.1",))
    base = replace(world.settings(), http=HttpSettings("127.0.0.1", 0))
    return replace(base, discovery=DiscoverySettings(where, str(directory)))


def known(running: Service, name: str) -> bool:
    return running.daemon.report(name) is not None


async def test_a_labelled_secret_is_a_target_until_it_goes_and_its_series_go_with_it(tmp_path: Path) -> None:
    async with outside(tmp_path) as world, service(discovering(world, tmp_path)) as running:
        put(world, "portal", target_text(world), token=world.new_token())
        await until(lambda: known(running, "portal") and running.status("portal") is Status.VALID, 3.0)
        assert await running.metric('tokenmonitor_token_accepted{target="portal"}') == 1.0
        put(world, "portal", target_text(world), token="not a token")
        await until(lambda: running.status("portal") is Status.MALFORMED, 3.0)
        assert kubectl.delete(world.cluster, "secrets", NAMESPACE, "portal")
        await until(lambda: not known(running, "portal"))
        assert 'target="portal"' not in (await running.get("/metrics"))[1]
        assert "portal" not in (await running.get("/status"))[1]


async def test_a_broken_target_is_named_on_the_pages_and_the_one_before_goes_on(tmp_path: Path) -> None:
    async with outside(tmp_path) as world, service(discovering(world, tmp_path)) as running:
        put(world, "portal", target_text(world), token=world.new_token())
        put(world, "other", "auth: 7")
        await until(lambda: known(running, "portal") and running.status("portal") is Status.VALID)
        put(world, "portal", "auth: [", token=world.token("portal") or "")

        async def problems() -> list[Any]:
            found = json.loads((await running.get("/status"))[1])["discovery_problems"]
            return found if len(found) == 2 else []

        await until_told(problems)
        assert [one["origin"] for one in await problems()] == [
            f"Secret {NAMESPACE}/other",
            f"Secret {NAMESPACE}/portal",
        ]
        assert running.status("portal") is Status.VALID
        assert "goes on as it was before" in running.report("portal").problem
        source = f"Secrets {NAMESPACE}/*"
        assert await running.metric(f'tokenmonitor_discovery_errors{{source="{source}"}}') == 2.0
        assert "discovered targets are not used" in (await running.get("/", Accept="text/html"))[1]


async def test_files_of_a_directory_come_and_go_beside_the_configuration(tmp_path: Path) -> None:
    place, token = tmp_path / "targets.d", tmp_path / "token"
    place.mkdir()
    async with outside(tmp_path) as world:
        token.write_text(world.new_token())
        world.put_token(world.new_token())
        settings = replace(discovering(world, place), targets=(world.target(),))
        async with service(settings) as running:
            await until(lambda: running.status() is Status.VALID)
            checks = running.report().checks
            text = target_text(world, auth={"type": "token", "tokenFile": str(token)})
            (place / "ci.yaml").write_text(text)
            await until(lambda: known(running, "ci") and running.status("ci") is Status.VALID)
            token.write_text("not a token")
            await until(lambda: running.status("ci") is Status.MALFORMED)
            (place / "ci.yaml").unlink()
            await until(lambda: not known(running, "ci"))
            assert running.report().checks >= checks, "and the others keep their memory"
            assert running.status() is Status.VALID


async def test_a_reload_of_the_configuration_loses_no_discovered_target(tmp_path: Path) -> None:
    file = tmp_path / "monitor.yaml"
    async with outside(tmp_path) as world:
        world.put_token(world.new_token())
        kubernetes = {"kubeconfig": world.kubernetes().kubeconfig, "namespace": NAMESPACE, "lease": {"enabled": False}}
        where = {"kubernetes": {"namespaces": [NAMESPACE], "kinds": ["Secret"], "servers": ["127.0.0.1"]}}

        def write(interval: str) -> None:
            main = {
                "name": TARGET,
                "url": world.url,
                "auth": {"type": "token", "tokenSecretKeyRef": {"name": "argocd-token", "key": "token"}},
            }
            content = {
                "interval": interval,
                "http": {"port": 0},
                "kubernetes": kubernetes,
                "discovery": where,
                "targets": [main],
            }
            file.write_text(yaml.safe_dump(content))

        write("20s")
        async with service(load_file(file), file) as running:
            put(world, "portal", target_text(world), token=world.new_token())
            await until(lambda: known(running, "portal") and running.status("portal") is Status.VALID)
            since = running.report("portal").since
            write("30s")
            await until(lambda: running.report().interval == 30.0)
            assert known(running, "portal")
            await asyncio.sleep(1.5)
            assert running.report("portal").since == since


@asynccontextmanager
async def watched(tmp_path: Path) -> AsyncIterator[tuple[Outside, Service, str]]:
    """A target that is checked every ten minutes, inside an Argo CD whose objects are watched; and its key's id."""
    async with outside(tmp_path) as world:
        write_keys(world)
        world.put_token(world.new_token("the-key"))
        target = world.target(interval=600.0, account_interval=600.0, installation=InstallationSettings(NAMESPACE))
        assert isinstance(target.token_source, InSecret)
        async with service(world.settings(target)) as running:
            await until(lambda: running.status() is Status.VALID)
            await until(lambda: running.daemon._inside._watch.in_touch(NAMESPACE))
            yield world, running, "the-key"


def write_keys(world: Outside) -> None:
    """What Argo CD does when keys change."""
    kubectl.put_secret(world.cluster, NAMESPACE, "argocd-secret", {"accounts.tokens": str(time.time())})


async def test_a_revocation_is_known_within_a_second_though_the_next_check_is_minutes_away(tmp_path: Path) -> None:
    async with watched(tmp_path) as (world, running, key):
        world.argocd.revoke_key("codefresh", key)
        write_keys(world)
        await until(lambda: running.status() is Status.REVOKED, 1.0)
