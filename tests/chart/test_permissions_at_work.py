"""The Roles of the chart at work: enough for all that the monitor does, nothing left over, and what lacks is named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import yaml
from monitor.cli.main import run
from monitor.config import address
from monitor.config.load import settings_of
from monitor.config.settings import HttpSettings, Settings
from monitor.core.status import Status
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.access import Access, Rule
from monitor.simulator.kubernetes.controllers import deployment, reconcile
from monitor.simulator.kubernetes.wire import Attributes

from tests.behaviour.service import ACCOUNT, REPLICAS, Outside, Service, outside, service, until
from tests.chart.objects import Right, configuration, of_kind, one, place, rights
from tests.chart.scenarios import PASSWORD, TOKEN, values
from tests.chart.tools import NAMESPACE, Object, Values, render
from tests.cli.conftest import Argo, Cluster


def rules(objects: Iterable[Object]) -> list[Rule]:
    """The Roles as the simulated API takes them."""
    return [
        Rule(
            ",".join(rule["verbs"]),
            ",".join(rule["resources"]),
            rule["apiGroups"][0],
            (role["metadata"]["namespace"],),
            tuple(rule.get("resourceNames", ())),
        )
        for role in of_kind(objects, "Role")
        for rule in role["rules"]
    ]


@dataclass
class Watched(Access):
    """Notes what was asked for and what was refused."""

    used: set[Right] = field(default_factory=set)
    refused: set[Right] = field(default_factory=set)

    def __post_init__(self) -> None:
        Access.__init__(self)

    def reason(self, asked: Attributes) -> str | None:
        reason = super().reason(asked)
        if asked.resource and asked.resource != "selfsubjectaccessreviews":
            row = (asked.namespace, place(asked.group, asked.full_resource), asked.name or "*", asked.verb)
            (self.refused if reason is None else self.used).add(row)
        return reason


@dataclass
class Installed:
    """The chart in a simulated cluster, with the settings that its ConfigMap gives and the rights of its Roles."""

    objects: list[Object]
    world: Outside
    settings: Settings
    access: Watched

    def unused(self) -> set[Right]:
        """Rights that the monitor has and never used."""
        by_name = {(namespace, resource, "*", verb) for namespace, resource, _, verb in self.access.used}
        return rights(self.objects) - self.access.used - by_name


@asynccontextmanager
async def installed(given: Values, folder: Path) -> AsyncIterator[Installed]:
    """Installs the chart with these values, as a release in NAMESPACE."""
    objects = render(given)
    async with outside(folder) as world:
        user = REPLICAS[next(iter(REPLICAS))]
        access = Watched()
        access.restrict(user, *rules(objects))
        for item in objects:
            if item["kind"] in ("Secret", "Lease"):
                kubectl.put(world.cluster, item, manager="helm")
        world.cluster.access = access
        read = settings_of(configuration(objects))
        kubernetes = replace(
            world.kubernetes(), events=read.kubernetes.events, lease=read.kubernetes.lease, namespace=None
        )
        (target,) = read.targets
        rotation = replace(target.rotation, settle=0.0, grace=0.5) if target.rotation else None
        target = replace(target, address=address.of_url(world.url), interval=1.0, timeout=2.0, rotation=rotation)
        settings = replace(read, targets=(target,), kubernetes=kubernetes, http=HttpSettings("127.0.0.1", 0))
        yield Installed(objects, world, settings, access)


async def rolls(world: Outside) -> None:
    """The controllers of the cluster, for as long as the task lives."""
    while True:
        reconcile(world.cluster)
        await asyncio.sleep(0.05)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for nobody longer than a test may last."""
    monkeypatch.setattr("monitor.core.rotation.learning.CONSUMERS_LOOK", 0.2)
    monkeypatch.setattr("monitor.adapters.kubernetes.events.SERIES_PAUSE", 0.0)


async def at_rest(running: Service, rotations: int) -> None:
    await until(
        lambda: running.rotation("a").rotations == rotations and running.status("a") is Status.VALID,
        20.0,
        lambda: running.rotation("a"),
    )


@pytest.mark.usefixtures("impatient")
async def test_in_token_mode_the_role_is_enough_for_the_whole_work_and_not_too_much(tmp_path: Path) -> None:
    auth = {**TOKEN, "username": ACCOUNT}
    async with installed(values(auth, {"replicaCount": 2}), tmp_path) as here:
        world = here.world
        world.put_token(world.new_token("first"), "my-token")
        async with service(here.settings) as running:
            await until(lambda: running.status("a") is Status.VALID)
            for number in range(2):  # an Event that repeats is patched
                world.argocd.revoke_key(ACCOUNT, world.key_in_use("my-token"))
                await until(lambda: running.status("a") is Status.REVOKED, 20.0)
                world.put_token(world.new_token(f"next-{number}"), "my-token")
                await until(lambda: running.status("a") is Status.VALID)
            await until(lambda: here.unused() == set(), seen=here.unused)
        assert here.access.refused == set()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("given", "account"),
    [
        pytest.param(
            values({**PASSWORD, "username": ACCOUNT}, consumers={"preset": "codefresh", "restartConsumers": True}),
            ACCOUNT,
            id="password",
        ),
        pytest.param(
            values(
                {**TOKEN, "username": ACCOUNT},
                renew=True,
                consumers={
                    "restartConsumers": True,
                    "workloads": [{"name": "cap-app-proxy"}, {"selector": "app=portal"}],
                },
            ),
            ACCOUNT,
            id="renew",
        ),
    ],
)
async def test_a_key_is_replaced_with_the_rights_of_the_role_and_no_right_is_left_over(
    given: Values, account: str, tmp_path: Path
) -> None:
    async with installed(given, tmp_path) as here:
        world = here.world
        name = here.settings.targets[0].token_source.name
        for consumer in ("cap-app-proxy", "portal"):
            kubectl.put(world.cluster, deployment(consumer, NAMESPACE))
        world.put_token(world.argocd.mint_key(account, "by-hand", expires_in=3600), name)
        controllers = asyncio.create_task(rolls(world))
        try:
            async with service(here.settings) as running:
                await until(lambda: running.status("a") is Status.VALID)
                before = world.key_in_use(name)
                running.daemon.demand("a")
                await at_rest(running, 1)
                assert world.key_in_use(name) != before
                running.daemon.demand("a")
                await at_rest(running, 2)
        finally:
            controllers.cancel()
            await asyncio.wait([controllers])
        assert here.access.refused == set()
        # An Event is patched when it repeats (as in token mode above), a Secret asked for when it is not watched.
        assert {(resource, verb) for _, resource, _, verb in here.unused()} <= {
            ("events.events.k8s.io", "patch"),
            ("secrets", "get"),
        }
        journal = one(here.objects, "Secret")["metadata"]["name"]
        assert kubectl.value(world.cluster, NAMESPACE, journal, "journal")


ROTATING = values(
    {**PASSWORD, "username": "ci", "passwordSecretKeyRef": {"name": "pw", "key": "password"}},
    consumers={"preset": "codefresh", "restartConsumers": True},
    rotation={"expiresIn": "90d"},
)


# Everything that the monitor may be given, in modes that do not fit into one configuration.
GIVEN: dict[str, Values] = {
    "a rotation": ROTATING,
    "a token alone": values({**TOKEN, "username": "ci"}, {"replicaCount": 2}),
    "a token that renews itself": values({**TOKEN, "username": "ci"}, renew=True),
    "inside of Argo CD": values({**TOKEN, "username": "ci"}, watchArgoCD={}),
    "every replica of Argo CD": values({**TOKEN, "username": "ci"}, everyReplica=True),
    "found in ConfigMaps": values({**TOKEN, "username": "ci"}, {"config": {"discovery": {"kubernetes": {"namespaces": [NAMESPACE], "allowRotation": True}}}}),
    # Whoever may list all Secrets needs no name, so none of them is given beside it.
    "found in Secrets": values({"type": "token", "tokenFile": "/t"}, {"config": {"discovery": {"kubernetes": {"namespaces": [NAMESPACE], "kinds": ["Secret"]}}}}),
}  # fmt: skip


@pytest.fixture(params=["a rotation"])
def given(request: pytest.FixtureRequest) -> Values:
    """The values of the chart."""
    return GIVEN[request.param]


@pytest.fixture(name="config")
def config_of_the_chart(given: Values, argocd: Argo, cluster: Cluster, tmp_path: Path) -> Path:
    """The rendered configuration, beside servers where all is as it should be."""
    objects = render(given)
    read = configuration(objects)
    if "everyReplica" not in read["targets"][0]:  # which is for an address that is a Service's
        read["targets"][0] |= {"server": {"url": argocd.url}}
    read["kubernetes"]["kubeconfig"] = str(cluster.kubeconfig)
    (config := tmp_path / "monitor.yaml").write_text(yaml.safe_dump(read))
    for item in objects:
        if item["kind"] in ("Secret", "Lease"):
            kubectl.put(cluster.state, item, manager="helm")
    token = argocd.state.mint_key("ci", "k1")
    for name in ("argocd-token", "my-token"):
        kubectl.put_secret(cluster.state, NAMESPACE, name, {"token": token})
    kubectl.put_secret(cluster.state, NAMESPACE, "pw", {"password": "simulated"})
    return config


def doctor(config: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, str]]]:
    """Its exit code, and its findings."""
    code = run(["doctor", "--config", str(config), "--output", "json"])
    told = json.loads(capsys.readouterr().out)
    return code, [finding for target in told["targets"] for finding in target["findings"]]


def test_doctor_finds_nothing_that_lacks(config: Path, cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.state.access.restrict(cluster.user, *rules(render(ROTATING)))
    code, findings = doctor(config, capsys)
    assert [finding for finding in findings if finding["level"] != "ok"] == []
    assert code == 0


@pytest.mark.parametrize("given", GIVEN, indirect=True)
def test_each_verb_taken_away_is_named_by_doctor(
    given: Values, config: Path, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    every = rules(render(given))
    tried = 0
    for index, rule in enumerate(every):
        for verb in rule.verbs.split(","):
            left = ",".join(word for word in rule.verbs.split(",") if word != verb)
            others = [*every[:index], *every[index + 1 :]]
            cluster.state.access.restrict(cluster.user, *others, *([replace(rule, verbs=left)] if left else []))
            code, findings = doctor(config, capsys)
            assert code != 0
            named = [
                finding
                for finding in findings
                if finding["level"] in ("fail", "warn")
                and finding["area"] == "permissions"
                and f" may not {verb}" in finding["cause"].replace(f"{left.replace(',', ', ')}, ", "")
                and place(rule.group, rule.resources) in finding["what"]
                and all(name in finding["what"] for name in rule.names)
            ]
            assert named, (rule, verb, findings)
            assert all(finding["fix"] for finding in named)
            tried += 1
    assert tried == len(rights(render(given)))
