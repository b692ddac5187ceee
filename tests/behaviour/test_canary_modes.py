"""The canary in the further modes of the service: keys that renew themselves, found targets, whoever is told, replicas.

Each asserts in `listened` that no credential is in anything that was written (`canaries`).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from monitor.config.settings import (
    AlertmanagerSettings,
    AlertSettings,
    DiscoverySettings,
    HeartbeatSettings,
    InClear,
    InFile,
    InSecret,
    KubernetesDiscoverySettings,
    RotationSettings,
)
from monitor.core.alerts import Thresholds
from monitor.core.model import Mode
from monitor.core.secret import Secret
from monitor.core.status import Status

from tests.adapters.scripted import always, serving
from tests.behaviour.canaries import leaks
from tests.behaviour.service import (
    ACCOUNT,
    GRACE,
    NAMESPACE,
    REPLICAS,
    SECRET,
    TARGET,
    Outside,
    Service,
    service,
    until,
)
from tests.behaviour.test_canary import Ears, listened, looked
from tests.behaviour.test_discovered_targets import put, target_text

BEARER = "the bearer canary of an alertmanager"
ADDRESS = "uuid-of-the-heartbeat-canary-9f2c"


async def test_a_key_that_renews_itself_is_not_told(world: Outside) -> None:
    """`renew: true`: the live key makes its successor, so both pass through the process and its journal."""
    async with listened(world) as ears:
        world.put_token(world.argocd.mint_key(ACCOUNT, "", expires_in=3600))
        rotation = RotationSettings(grace=GRACE, settle=0.0, expires_in=3600, renew_before=60.0)
        target = world.target(rotation=rotation, mode=Mode.TOKEN)
        async with service(world.settings(target, lease=True)) as running:
            await until(lambda: running.status() is Status.VALID)
            running.daemon.demand(TARGET)
            await until(lambda: running.rotation().rotations == 1, seen=running.rotation)
            await ears.listen(running)
            world.front.echoing = 500
            await looked(running, ears)
            world.front.echoing = 0
            await until(lambda: running.status().accepted is True)


async def test_whoever_is_told_hears_of_no_credential_and_the_log_of_none_of_theirs(
    world: Outside, tmp_path: Path
) -> None:
    """Alerts hold the words of a server that quotes what it was sent; the address of a heartbeat is a secret itself."""
    bearer, address = tmp_path / "bearer", tmp_path / "address"
    bearer.write_text(BEARER.replace(" ", "-"))
    async with serving(always(body=b"[]")) as alertmanager, serving(always(500)) as uptime, listened(world) as ears:
        address.write_text(f"{uptime.url}/{ADDRESS}")
        world.put_token(world.new_token("canary"))
        at_once = Thresholds(refused_for=1, not_verified_for=1, settle=1)
        settings = replace(
            world.settings(world.target()),
            alerts=AlertSettings(at_once),
            alertmanager=AlertmanagerSettings((alertmanager.url,), bearer_token_file=str(bearer), resend_interval=1.0),
            heartbeat=HeartbeatSettings(InFile(str(address)), interval=1.0),
        )
        async with service(settings) as running:
            await until(lambda: running.status() is Status.VALID)
            world.front.echoing = 401
            await until(lambda: running.status() is Status.REJECTED)
            await until(lambda: any(b"TokenMonitorTokenRefused" in request.body for request in alertmanager.requests))
            world.front.echoing = 500
            await looked(running, ears)
            await until(lambda: uptime.requests)
            await ears.listen(running)
        alertmanager.answer = always(401, json.dumps(f"who is {BEARER}?").encode())
        told = "\n".join(f"{request.path} {request.body.decode()}" for request in alertmanager.requests)
        assert leaks(told, world.argocd.issued) == []
        # The uptime service of this test is in this process, and writes its own log.
        ours = "\n".join(line for line in ears.all().splitlines() if "aiohttp.access" not in line)
        assert leaks(ours, [BEARER, BEARER.replace(" ", "-"), ADDRESS]) == []


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
async def test_found_targets_tell_no_credential_also_where_they_are_nonsense(
    world: Outside, tmp_path: Path, kind: str
) -> None:
    """Secrets that are targets carry tokens beside their text; and in a broken text a token may stand anywhere."""
    where = KubernetesDiscoverySettings(
        (NAMESPACE,), (kind, "Secret")[: 1 if kind == "Secret" else 2], servers=("127.0.0.1",)
    )
    async with listened(world) as ears:
        token = world.new_token("found")
        ears.keepers |= {"portal", *(f"broken-{number}" for number in range(6))}
        put(world, "portal", target_text(world), token=token)
        directory = tmp_path / "targets.d"
        directory.mkdir()
        world.put_token(world.new_token("first"))
        settings = replace(world.settings(world.target()), discovery=DiscoverySettings(where, str(directory)))
        async with service(settings) as running:
            await until(lambda: running.daemon.report("portal") is not None)
            await until(lambda: running.status("portal") is Status.VALID)
            for number, text in enumerate(
                (
                    token,
                    f"auth: {token}",
                    f"{token}: [",
                    f"url: http://{token}",
                    f"{{auth: {{token: {token}}}}}",
                    f"name: {token}",
                )
            ):
                put(world, f"broken-{number}", text, token=token)
                (directory / f"broken-{number}.yaml").write_text(text)
            await until(lambda: len(running.daemon._discovering.service.troubles) >= 12)
            await ears.listen(running)


async def test_replicas_that_share_targets_tell_each_other_no_credential(world: Outside) -> None:
    """`/shard`: what one replica tells the others of its targets."""
    async with listened(world) as ears:
        world.put_token(world.new_token("canary"))
        one = world.settings(world.target(), replica="one", shards=2)
        async with service(one) as running:
            await until(lambda: running.daemon.report("production") is not None)
            await until(lambda: running.status() is Status.VALID)
            world.front.echoing = 401
            await looked(running, ears)
            status, text = await running.get("/shard")
            assert (status, "production" in text) == (200, True)
            assert leaks(text, [*world.argocd.issued, *REPLICAS]) == []


async def test_a_password_in_a_file_and_a_token_in_clear_beside_each_other_are_not_told(
    world: Outside, tmp_path: Path
) -> None:
    """Files for the one, the configuration for the other, and each failing in its own way."""
    async with listened(world) as ears:
        token = world.new_token("clear")
        file = tmp_path / "token"
        file.write_text(token)
        in_file = world.target("in-file", token_source=InFile(str(file)))
        in_clear = world.target(token_source=InClear(Secret(token)))
        in_secret = world.target("in-secret", token_source=InSecret(SECRET, "token", NAMESPACE))
        world.put_token(token)
        async with service(world.settings(in_clear, in_file, in_secret)) as running:
            for name in ("production", "in-file", "in-secret"):
                await until(lambda name=name: running.status(name) is Status.VALID)
            await fail_in_every_way_but_kubernetes(running, world, ears)
            for wrong in (f"{token}\n{token}", f'"{token}"', f"Bearer {token}", f"{token}é"):
                file.write_text(wrong)
                world.put_token(wrong)
                for name in ("in-file", "in-secret"):
                    await until(lambda name=name: running.status(name) in (Status.MALFORMED, Status.MISSING))
                await ears.listen(running)
                file.write_text(token)
                world.put_token(token)
                for name in ("in-file", "in-secret"):
                    await until(lambda name=name: running.status(name) is Status.VALID)


async def fail_in_every_way_but_kubernetes(running: Service, world: Outside, ears: Ears) -> None:
    for echoed in (401, 403, 500):
        world.front.echoing = echoed
        await looked(running, ears)
    world.front.echoing = 0
    await until(lambda: running.status() is Status.VALID)
