"""A rotation from end to end, with the parts of the service: on the simulators and kmock, and on real servers.

Two real ones at once where the environment names both: then a key is made, proven, stored and retired for real.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from monitor.cluster import Answer, KubernetesApi
from monitor.config import address
from monitor.config.settings import (
    InClear,
    InSecret,
    KubernetesSettings,
    RotationSettings,
    Settings,
    TargetSettings,
)
from monitor.core.claims import read_claims
from monitor.core.journal import State
from monitor.core.model import Mode
from monitor.core.secret import Secret
from monitor.daemon.shared import Shared
from monitor.services.rotator import Rotator

from tests.contract.argocd.lab import ACCOUNT, URL, Lab, real, simulated
from tests.contract.kubernetes.conftest import Cluster
from tests.contract.kubernetes.emulated import NAMESPACE, emulated

SERVERS = ("simulator", *(("real",) if URL in os.environ else ()))
# Argo CD counts password changes by the second: a key of the same second as the change may count as older.
SECOND = 1.1
PATIENCE = 60.0


@dataclass
class Stage:
    """An Argo CD, a Kubernetes API, and a target in password mode between them."""

    lab: Lab
    api: KubernetesApi
    namespace: str
    settings: Settings

    @property
    def target(self) -> TargetSettings:
        return self.settings.targets[0]

    async def secret(self) -> dict[str, str]:
        """The consumers' Secret, decoded; empty where there is none."""
        source = self.target.token_source
        assert isinstance(source, InSecret)
        found = await self.api.request("GET", f"/api/v1/namespaces/{self.namespace}/secrets/{source.name}")
        assert isinstance(found, Answer)
        data = found.body.get("data") if found.status == 200 else {}
        return {key: base64.b64decode(value).decode() for key, value in (data or {}).items()}

    async def key_in_use(self) -> str:
        key_id = read_claims((await self.secret())["token"]).token_id
        assert key_id
        return key_id

    async def put(self, **values: str) -> None:
        """Makes the consumers' Secret, as a person does."""
        source = self.target.token_source
        assert isinstance(source, InSecret)
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": {"name": source.name, "namespace": self.namespace, "labels": {"kept": "yes"}},
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
        }
        made = await self.api.request("POST", f"/api/v1/namespaces/{self.namespace}/secrets", body=body)
        assert isinstance(made, Answer)
        assert made.status == 201, made.status


@pytest.fixture(params=SERVERS)
async def lab(request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    async with real() if request.param == "real" else simulated("3") as found:
        yield found


@pytest.fixture
async def stage(lab: Lab, cluster: Cluster) -> AsyncIterator[Stage]:
    name = cluster.unique()
    yield await staged(lab, cluster.api, cluster.namespace, cluster.kubeconfig, name)
    await cluster.api.request("DELETE", f"/api/v1/namespaces/{cluster.namespace}/secrets/token-monitor-journal-{name}")


async def staged(lab: Lab, api: KubernetesApi, namespace: str, kubeconfig: Path, name: str) -> Stage:
    password = await lab.change_password()
    await asyncio.sleep(SECOND)
    target = TargetSettings(
        name=name,
        address=address.of_url(lab.url),
        mode=Mode.PASSWORD,
        token_source=InSecret(name, "token", namespace),
        password_source=InClear(Secret(password)),
        username=ACCOUNT,
        expected_account=ACCOUNT,
        rotation=RotationSettings(expires_in=3600, grace=0.5, settle=0.0),
    )
    where = KubernetesSettings(kubeconfig=str(kubeconfig), namespace=namespace)
    return Stage(lab, api, namespace, Settings(targets=(target,), kubernetes=where))


async def to_rest(rotator: Rotator, *, demanded: bool = False) -> None:
    """Goes on until nothing is left to do."""
    async with asyncio.timeout(PATIENCE):
        await rotator.advance(demanded=demanded)
        while rotator.journal is None or rotator.journal.state is not State.IDLE:
            await asyncio.sleep(0.1)
            await rotator.advance()


def rotator_of(shared: Shared, stage: Stage) -> Rotator:
    made = shared.rotator(stage.target, shared.target(stage.target))
    assert made is not None
    return made


async def life_of_a_key(stage: Stage) -> None:
    """Made, replaced on demand, deleted by somebody and made again; nothing of ours is left over."""
    foreign, _ = await stage.lab.mint()
    others = await stage.lab.keys()
    async with Shared(stage.settings) as shared:
        rotator = rotator_of(shared, stage)
        await to_rest(rotator)
        first = await stage.key_in_use()
        assert (await shared.target(stage.target).checker.check(full=True)).verdict.accepted is True

        await to_rest(rotator, demanded=True)
        second = await stage.key_in_use()
        assert second != first
        assert await stage.lab.keys() >= {foreign, second}
        assert first not in await stage.lab.keys()

        await stage.lab.revoke(second)
        await to_rest(rotator)
        third = await stage.key_in_use()
        assert third not in (first, second)
        assert await stage.lab.keys() - others == {third}
        assert (await shared.target(stage.target).checker.check(full=True)).verdict.accepted is True
        await stage.lab.revoke(third)


async def test_a_key_is_made_replaced_and_made_again_when_somebody_deletes_it(stage: Stage) -> None:
    await life_of_a_key(stage)


async def test_the_same_on_kmock(tmp_path: Path) -> None:
    async with simulated("3") as lab, emulated(tmp_path) as api:
        await life_of_a_key(await staged(lab, api, NAMESPACE, tmp_path / "kubeconfig", "argocd-token"))


async def test_everything_else_in_the_secret_stays(stage: Stage) -> None:
    _, token = await stage.lab.mint()
    await stage.put(token=token, other="kept")
    async with Shared(stage.settings) as shared:
        await to_rest(rotator_of(shared, stage), demanded=True)
    after = await stage.secret()
    assert after["other"] == "kept"
    assert after["token"] != token
    await stage.lab.revoke(await stage.key_in_use())


async def test_a_replaced_key_that_we_did_not_make_lives_on_and_is_named(stage: Stage) -> None:
    theirs, token = await stage.lab.mint()
    await stage.put(token=token)
    async with Shared(stage.settings) as shared:
        rotator = rotator_of(shared, stage)
        await to_rest(rotator, demanded=True)
        assert theirs in await stage.lab.keys()
        assert rotator.report().left_alone == theirs
    await stage.lab.revoke(await stage.key_in_use())


async def test_of_two_monitors_that_start_together_one_key_is_published_and_none_left_over(stage: Stage) -> None:
    others = await stage.lab.keys()
    async with Shared(stage.settings) as one, Shared(stage.settings) as other:
        pair = (rotator_of(one, stage), rotator_of(other, stage))
        await asyncio.gather(*(to_rest(rotator) for rotator in pair))
        in_use = await stage.key_in_use()
        async with asyncio.timeout(PATIENCE):
            while await stage.lab.keys() - others != {in_use}:
                await asyncio.gather(*(rotator.advance() for rotator in pair))
                await asyncio.sleep(0.2)
        assert (await one.target(stage.target).checker.check(full=True)).verdict.accepted is True
    await stage.lab.revoke(in_use)


async def test_a_changed_password_ends_the_key_and_the_new_one_makes_another(stage: Stage) -> None:
    async with Shared(stage.settings) as shared:
        await to_rest(rotator_of(shared, stage))
        first = await stage.key_in_use()
    await asyncio.sleep(SECOND)
    again = await staged(
        stage.lab, stage.api, stage.namespace, Path(str(stage.settings.kubernetes.kubeconfig)), stage.target.name
    )
    async with Shared(again.settings) as shared:
        await to_rest(rotator_of(shared, again))
    second = await stage.key_in_use()
    assert second != first
    await stage.lab.revoke(second)
    await stage.lab.revoke(first)
