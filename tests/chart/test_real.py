"""The chart in a real Kubernetes API server, where TOKEN_MONITOR_TEST_KUBECONFIG names one; Argo CD is simulated.

helm 3 and helm 4 install, upgrade and uninstall it; the monitor works with the token of the chart's service account. The
API server has to store Deployments; that anything runs is not needed.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from monitor.adapters.clock import SystemClock
from monitor.adapters.kubernetes.connection import KubernetesConnection
from monitor.adapters.kubernetes.journal_store import KubernetesJournalStore
from monitor.cli.main import run as command_line
from monitor.cluster import MERGE_PATCH, Answer
from monitor.config import address
from monitor.config.load import settings_of
from monitor.config.settings import HttpSettings, KubernetesSettings, Settings
from monitor.core.status import Status
from monitor.simulator import app as argocd_app
from monitor.simulator.faults import Front
from monitor.simulator.rbac import Role
from monitor.simulator.state import ArgoCDState

from tests.behaviour.service import service, until
from tests.chart.objects import configuration, one, rights
from tests.chart.tools import CHART, HELMS, Object, render, run

KUBECONFIG = os.environ.get("TOKEN_MONITOR_TEST_KUBECONFIG", "")
NAMESPACE = os.environ.get("TOKEN_MONITOR_TEST_NAMESPACE", "default")
ACCOUNT, PASSWORD = "codefresh", "of a simulation"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not KUBECONFIG, reason="TOKEN_MONITOR_TEST_KUBECONFIG names no real API server"),
]


@dataclass
class Release:
    """One release of the chart, in a namespace that others use, too: all its names are its own."""

    helm: str
    folder: Path
    name: str
    api: KubernetesConnection

    @property
    def target(self) -> dict[str, Any]:
        token = {"name": f"{self.name}-token", "key": "token"}
        password = {"name": f"{self.name}-pw", "key": "password"}
        auth = {"type": "password", "username": ACCOUNT, "tokenSecretKeyRef": token, "passwordSecretKeyRef": password}
        return {"name": self.name, "server": {"svc": "argocd-server"}, "auth": auth}

    @property
    def values(self) -> dict[str, Any]:
        return {"targets": [self.target], "fullnameOverride": self.name}

    @property
    def objects(self) -> list[Object]:
        """What helm makes of the values."""
        return render(self.values, namespace=NAMESPACE, release=self.name)

    @property
    def journal(self) -> str:
        return f"token-monitor-journal-{self.name}"

    def run(self, command: str, *arguments: str | Path, values: dict[str, Any] | None = None) -> str:
        """Runs helm; what it printed."""
        given = ["-f", "-"] if values is not None else []
        done = run(
            self.helm,
            command,
            self.name,
            *arguments,
            "-n",
            NAMESPACE,
            *given,
            given=json.dumps(values),
            home=self.folder,
            kubeconfig=Path(KUBECONFIG),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def install(self, values: dict[str, Any] | None = None) -> str:
        return self.run("install", self.chart(), values=values or self.values)

    def upgrade(self, values: dict[str, Any]) -> str:
        return self.run("upgrade", self.chart(), values=values)

    def chart(self) -> Path:
        """The chart, for development builds of Kubernetes too, which say no version that could be compared."""
        copy = self.folder / "chart"
        if not copy.exists():
            shutil.copytree(CHART, copy)
            metadata = yaml.safe_load((copy / "Chart.yaml").read_text())
            del metadata["kubeVersion"]
            (copy / "Chart.yaml").write_text(yaml.safe_dump(metadata))
        return copy

    async def request(self, method: str, path: str, **more: Any) -> Answer:
        answer = await self.api.request(method, path, **more)
        assert isinstance(answer, Answer), answer
        return answer

    async def secret(self, name: str) -> dict[str, str] | None:
        """The plain content of a Secret; None where there is none."""
        answer = await self.request("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/{name}")
        if answer.status == 404:
            return None
        return {key: base64.b64decode(value).decode() for key, value in answer.body.get("data", {}).items()}

    async def put_secret(self, name: str, **data: str) -> None:
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
        answer = await self.request("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", body=body)
        assert answer.status == 201, answer.message

    async def clean(self) -> None:
        run(self.helm, "uninstall", self.name, "-n", NAMESPACE, home=self.folder, kubeconfig=Path(KUBECONFIG))
        for name in (self.journal, f"{self.name}-token", f"{self.name}-pw"):
            await self.api.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}/secrets/{name}")


@pytest.fixture(params=HELMS)
async def release(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Release]:
    api = KubernetesConnection(KubernetesSettings(kubeconfig=KUBECONFIG), SystemClock())
    made = Release(request.param, tmp_path, f"tm-{secrets.token_hex(4)}", api)
    try:
        yield made
        await made.clean()
    finally:
        await api.close()


async def test_the_journal_survives_upgrade_uninstall_and_a_new_installation(release: Release) -> None:
    notes = release.install()
    assert "token-monitor doctor" in notes
    assert await release.secret(release.journal) == {}
    store = KubernetesJournalStore(release.api, NAMESPACE, release.journal)
    text, version = await store.read()  # type: ignore[misc]
    assert text == ""
    assert isinstance(await store.write('{"state": "minted"}', version), str)
    kept = {"journal": '{"state": "minted"}'}

    output = release.upgrade({**release.values, "journal": {"annotations": {"example.com/changed": "yes"}}})
    assert "STATUS: deployed" in output
    assert await release.secret(release.journal) == kept
    release.upgrade(release.values)
    assert await release.secret(release.journal) == kept

    assert release.journal in release.run("uninstall"), "helm says that it was kept"
    assert await release.secret(release.journal) == kept
    release.install()
    assert await release.secret(release.journal) == kept


async def test_what_consumers_read_is_touched_by_nothing(release: Release) -> None:
    token = f"{release.name}-token"
    await release.put_secret(token, token="the token of consumers")
    release.install()
    release.upgrade({**release.values, "journal": {"annotations": {"example.com/changed": "yes"}}})
    release.run("uninstall")
    assert await release.secret(token) == {"token": "the token of consumers"}


@asynccontextmanager
async def as_the_service_account(release: Release) -> AsyncIterator[Path]:
    """A kubeconfig with a token of the chart's service account."""
    account = one(release.objects, "ServiceAccount")["metadata"]["name"]
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    answer = await release.request("POST", path, body=asked)
    assert answer.status == 201, answer.message
    config = yaml.safe_load(Path(KUBECONFIG).read_text())
    config["users"] = [{"name": "monitor", "user": {"token": answer.body["status"]["token"]}}]
    for context in config["contexts"]:
        context["context"]["user"] = "monitor"
    (path_of := release.folder / "monitor.kubeconfig").touch(mode=0o600)
    path_of.write_text(yaml.safe_dump(config))
    yield path_of


def settings(release: Release, kubeconfig: Path, url: str) -> Settings:
    """The configuration of the chart, beside a simulated Argo CD, with the rights of the chart."""
    read = settings_of(configuration(release.objects, release.name))
    (target,) = read.targets
    assert target.rotation is not None
    target = replace(
        target,
        address=address.of_url(url),
        namespace=NAMESPACE,
        interval=1.0,
        timeout=2.0,
        rotation=replace(target.rotation, settle=0.0, grace=0.5),
    )
    kubernetes = replace(read.kubernetes, kubeconfig=str(kubeconfig), namespace=NAMESPACE)
    return replace(read, targets=(target,), kubernetes=kubernetes, http=HttpSettings("127.0.0.1", 0))


async def test_the_service_account_of_the_chart_does_the_whole_work(release: Release) -> None:
    argocd = ArgoCDState()
    argocd.create_account(ACCOUNT, password=PASSWORD, role=Role.READONLY)
    await release.put_secret(f"{release.name}-token")
    await release.put_secret(f"{release.name}-pw", password=PASSWORD)
    release.install()
    async with as_the_service_account(release) as kubeconfig, argocd_app.running(Front(argocd)) as url:
        async with service(settings(release, kubeconfig, url)) as running:
            await until(
                lambda: running.status(release.name) is Status.VALID and running.rotation(release.name).rotations == 1,
                20.0,
                lambda: (running.report(release.name), running.rotation(release.name)),
            )
            assert running.rotation(release.name).problem == ""
            assert running.report(release.name).problem == ""
            watch = running.daemon._shared.watch
            assert watch is not None
            await until(lambda: watch.count().in_touch == watch.count().wanted == 2)
            assert running.daemon._leading.holder, "the Lease that the chart made is held"
        written = await release.secret(f"{release.name}-token")
        assert written is not None
        assert written["token"]
        assert (await release.secret(release.journal) or {})["journal"]


@pytest.mark.parametrize("release", ["helm4"], indirect=True)
async def test_each_verb_taken_away_is_named_by_doctor(release: Release) -> None:
    await release.put_secret(f"{release.name}-token")
    await release.put_secret(f"{release.name}-pw", password=PASSWORD)
    release.install()
    role = one(release.objects, "Role")
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles/{role['metadata']['name']}"
    async with as_the_service_account(release) as kubeconfig:
        config = configuration(release.objects, release.name)
        config["kubernetes"] |= {"kubeconfig": str(kubeconfig), "namespace": NAMESPACE}
        (file := release.folder / "monitor.yaml").write_text(yaml.safe_dump(config))
        assert await lacking(file, 0) == []
        for index, rule in enumerate(role["rules"]):
            for verb in rule["verbs"]:
                left = [word for word in rule["verbs"] if word != verb]
                rules = [*role["rules"][:index], *role["rules"][index + 1 :]]
                rules += [{**rule, "verbs": left}] if left else []
                answer = await release.request("PATCH", path, body={"rules": rules}, content_type=MERGE_PATCH)
                assert answer.status == 200, answer.message
                found = await lacking(file, 1)
                assert any(verb in cause and rule["resources"][0] in what for what, cause in found), (rule, verb, found)
    assert len(rights([role])) == sum(len(rule["verbs"]) for rule in role["rules"])


async def lacking(file: Path, least: int) -> list[tuple[str, str]]:
    """The permissions that doctor misses; asked again for a while, since an API server learns of a Role by and by."""
    for _ in range(40):
        done = await asyncio.to_thread(_doctor, file)
        told = [finding for target in done["targets"] for finding in target["findings"]]
        found = [
            (finding["what"], finding["cause"] or "")
            for finding in told
            if finding["area"] == "permissions" and finding["level"] in ("fail", "warn")
        ]
        if (len(found) >= least) if least else not found:
            return found
        await asyncio.sleep(0.25)
    return found


def _doctor(file: Path) -> dict[str, Any]:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        command_line(["doctor", "--config", str(file), "--output", "json"])
    told: dict[str, Any] = json.loads(printed.getvalue())
    return told
