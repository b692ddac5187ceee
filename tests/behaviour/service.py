"""The whole service with its outside: a simulated Argo CD and a simulated Kubernetes behind sockets, levers on both.

The service is the real `Daemon`. Only the times are short: an interval of 0.4 s, a grace of 0.3 s. Nothing
here sleeps for a set time: `until` waits for what shall be, with a deadline.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
from monitor.adapters.clock import SystemClock
from monitor.config import address
from monitor.config.settings import (
    HttpSettings,
    InSecret,
    KubernetesSettings,
    LeaseSettings,
    RotationSettings,
    Settings,
    ShardsSettings,
    TargetSettings,
)
from monitor.core.claims import read_claims
from monitor.core.model import Mode
from monitor.core.report import RotationReport, TargetReport
from monitor.core.status import Status
from monitor.daemon.daemon import ConfigurationFile, Daemon
from monitor.simulator import app as argocd_app
from monitor.simulator.faults import Front
from monitor.simulator.kubernetes import app as kubernetes_app
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.app import write_kubeconfig
from monitor.simulator.kubernetes.state import ClusterState
from monitor.simulator.messages import Broken, Request, Response
from monitor.simulator.rbac import Role
from monitor.simulator.state import ArgoCDState

from tests.fair_time import fairly

NAMESPACE = "codefresh"
TARGET = "production"
ACCOUNT = "codefresh"
SECRET, KEY = "argocd-token", "token"
PASSWORD_SECRET, PASSWORD_KEY = "argocd-initial-admin-secret", "password"
PASSWORD = "the first password"
# Who the replicas are for Kubernetes: the bearer token of each, and its user.
REPLICAS = {"bearer-of-one-2f0c": "one", "bearer-of-other-9b1d": "other", "bearer-of-third-77aa": "third"}
INTERVAL = 0.4
GRACE = 0.3
PATIENCE = 10.0
LOOK = 0.005
MOST_OF_A_LOOK = 2 * LOOK
# No promise: a page that never comes shall end the test.
ANSWERS_WITHIN = 60.0
# What is left of a closed connection goes away within this.
TIDY = 1.0


class Recording(ArgoCDState):
    """An Argo CD that remembers each token that it ever signed, sessions among them."""

    def __init__(self, **options: Any) -> None:
        self.issued: list[str] = []
        super().__init__(**options)

    def sign(self, claims: Mapping[str, object]) -> str:
        token = super().sign(claims)
        self.issued.append(token)
        return token


class Door(Front):
    """The way to Argo CD.

    hanging: the calls that never get an answer, by method and the beginning of the path. echoing: something in between
    answers everything with this status, and quotes what it was sent. late: seconds that each answer takes.
    """

    def __init__(self, state: ArgoCDState) -> None:
        super().__init__(state)
        self.hanging: set[tuple[str, str]] = set()
        self.echoing = 0
        self.late = 0.0

    def __call__(self, request: Request) -> Response:
        if self.echoing:
            sent = f"{request.header('authorization')} {request.header('cookie')} {request.body.decode()}"
            error = json.dumps({"error": sent, "message": sent, "code": 16})
            return Response(self.echoing, {"content-type": "application/json"}, error.encode())
        if any(request.method == method and request.target.startswith(path) for method, path in self.hanging):
            return Response(0, broken=Broken.HANG)
        answer = super().__call__(request)
        return replace(answer, delay=answer.delay + self.late)


@dataclass
class Outside:
    """What the service stands between."""

    front: Door
    url: str
    cluster: ClusterState
    cluster_url: str
    folder: Path
    passwords: list[str] = field(default_factory=lambda: [PASSWORD])

    @property
    def argocd(self) -> Recording:
        assert isinstance(self.front.state, Recording)
        return self.front.state

    # --- the consumers' Secret ---------------------------------------------------------------------------------------

    def put_token(self, token: str, name: str = SECRET) -> None:
        """Somebody writes a token into the Secret."""
        kubectl.put_secret(self.cluster, NAMESPACE, name, {KEY: token})

    def token(self, name: str = SECRET) -> str | None:
        return kubectl.value(self.cluster, NAMESPACE, name, KEY)

    def delete_secret(self, name: str = SECRET) -> None:
        assert kubectl.delete(self.cluster, "secrets", NAMESPACE, name)

    def key_in_use(self, name: str = SECRET) -> str | None:
        token = self.token(name)
        return read_claims(token).token_id if token else None

    # --- the account -------------------------------------------------------------------------------------------------

    def new_token(self, name: str = "") -> str:
        """A key of the account that a person made."""
        return self.argocd.mint_key(ACCOUNT, name)

    def keys(self) -> set[str]:
        account = self.argocd.settings.account(ACCOUNT)
        assert account is not None
        return {key.id for key in account.keys}

    def tell_password(self, password: str) -> None:
        """Writes a password into its Secret."""
        self.passwords.append(password)
        kubectl.put_secret(self.cluster, NAMESPACE, PASSWORD_SECRET, {PASSWORD_KEY: password})

    def change_password(self, password: str) -> None:
        """Somebody changes the account's password, which ends its keys."""
        self.passwords.append(password)
        self.argocd.change_password(ACCOUNT, password)

    # --- Kubernetes --------------------------------------------------------------------------------------------------

    def events(self, reason: str = "") -> list[Mapping[str, Any]]:
        """The Events about the Secret, as they are kept."""
        found = self.cluster.all("", "events", NAMESPACE)
        return [event for event in found if not reason or event["reason"] == reason]

    def journal(self, target: str = TARGET) -> dict[str, Any]:
        """The journal as it is kept; empty where there is none."""
        text = kubectl.value(self.cluster, NAMESPACE, f"token-monitor-journal-{target}", "journal")
        return dict(json.loads(text)) if text else {}

    # --- settings ----------------------------------------------------------------------------------------------------

    def kubernetes(self, replica: str = "one", *, lease: bool = False, shards: int = 0) -> KubernetesSettings:
        bearer = next(token for token, user in REPLICAS.items() if user == replica)
        config = write_kubeconfig(self.folder / f"kubeconfig-{replica}", self.cluster_url, bearer, namespace=NAMESPACE)
        return KubernetesSettings(
            str(config),
            namespace=NAMESPACE,
            lease=LeaseSettings(lease, namespace=NAMESPACE),
            shards=ShardsSettings(enabled=shards > 0, slots=shards or 1),
        )

    def target(self, name: str = TARGET, **changes: Any) -> TargetSettings:
        """A target in token mode."""
        made = TargetSettings(
            name=name,
            address=address.of_url(self.url),
            mode=Mode.TOKEN,
            token_source=InSecret(SECRET, KEY, NAMESPACE),
            expected_account=ACCOUNT,
            namespace=NAMESPACE,
            interval=INTERVAL,
            timeout=2.0,
            account_interval=300.0,
        )
        return replace(made, **changes)

    def password_target(self, name: str = TARGET, **changes: Any) -> TargetSettings:
        """A target in password mode."""
        rotation = RotationSettings(grace=GRACE, settle=0.0)
        given = {
            "mode": Mode.PASSWORD,
            "password_source": InSecret(PASSWORD_SECRET, PASSWORD_KEY, NAMESPACE),
            "username": ACCOUNT,
            "rotation": rotation,
        }
        return self.target(name, **{**given, **changes})

    def settings(
        self, *targets: TargetSettings, replica: str = "one", lease: bool = False, shards: int = 0
    ) -> Settings:
        """shards: how many slots there are for replicas that share the targets; 0: they do not."""
        kubernetes = self.kubernetes(replica, lease=lease, shards=shards)
        return Settings(targets=targets, http=HttpSettings("127.0.0.1", 0), kubernetes=kubernetes)


@asynccontextmanager
async def outside(
    folder: Path, *, login_seconds: tuple[float, float] = (0.0, 0.0), replica_lags: tuple[float, ...] = (0.0,)
) -> AsyncIterator[Outside]:
    """Argo CD with an account, Kubernetes with its password in a Secret. No service may leave a task behind."""
    argocd = Recording(clock=time.time, login_seconds=login_seconds, replica_lags=replica_lags)
    argocd.create_account(ACCOUNT, password=PASSWORD, role=Role.READONLY)
    front, cluster = Door(argocd), ClusterState(SystemClock())
    kubectl.put_secret(cluster, NAMESPACE, PASSWORD_SECRET, {PASSWORD_KEY: PASSWORD})
    async with argocd_app.running(front) as url, kubernetes_app.running(cluster, REPLICAS) as cluster_url:
        before = asyncio.all_tasks()
        yield Outside(front, url, cluster, cluster_url, folder)
        await until(lambda: not left_since(before), TIDY, lambda: f"tasks that nobody ended: {left_since(before)}")


class Service:
    """A running service, as people and programs see it."""

    def __init__(self, daemon: Daemon, http: aiohttp.ClientSession) -> None:
        self.daemon = daemon
        self._http = http

    def report(self, name: str = TARGET) -> TargetReport:
        found = self.daemon.report(name)
        assert found is not None, f"there is no target {name}"
        return found

    def status(self, name: str = TARGET) -> Status:
        return self.report(name).verdict.status

    def rotation(self, name: str = TARGET) -> RotationReport:
        """What is known of it; nothing, before its journal was read."""
        return self.report(name).rotation or RotationReport()

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self._http.get(f"{self.daemon.address}{path}", headers=headers) as answer:
            return answer.status, await answer.text()

    async def told(self, name: str = TARGET) -> dict[str, Any]:
        """What /status says of a target."""
        status, text = await self.get("/status")
        assert status == 200
        return next(target for target in json.loads(text)["targets"] if target["target"] == name)

    async def metric(self, series: str) -> float | None:
        """The value of a series, named with its labels; None where there is none."""
        _, text = await self.get("/metrics")
        lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith(series))
        return next((float(value) for named, _, value in lines if named == series), None)


@asynccontextmanager
async def service(settings: Settings, file: Path | None = None) -> AsyncIterator[Service]:
    """A service that runs until the block is left."""
    daemon = Daemon(settings, ConfigurationFile(file) if file is not None else None)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWERS_WITHIN)) as http, daemon:
        yield Service(daemon, http)


def left_since(before: set[asyncio.Task[Any]]) -> list[str]:
    """Tasks that came since and did not end; those of the simulators serve connections."""
    since = asyncio.all_tasks() - before - {asyncio.current_task()}
    return [repr(task) for task in since if "RequestHandler" not in repr(task)]


async def until(
    condition: Callable[[], object],
    seconds: float = PATIENCE,
    seen: Callable[[], object] = lambda: "",
) -> float:
    """Waits until the condition holds; after how many seconds that was. seen: what to show when it does not.

    Seconds in which this process got no turn count little: what is waited for got none either. And how busy the machine
    is (other processes may be what is waited for) is looked at when they are over, and not before.
    """
    began = looked = time.monotonic()
    waited = 0.0
    while not condition():
        assert waited < seconds or waited < fairly(seconds), f"not within {seconds} s, but {waited:.1f}: {seen()}"
        await asyncio.sleep(LOOK)
        before, looked = looked, time.monotonic()
        waited += min(looked - before, MOST_OF_A_LOOK)
    return looked - began


async def until_told(condition: Callable[[], Awaitable[object]], seconds: float = PATIENCE) -> float:
    """The same for what has to be asked for."""
    began, last = time.monotonic(), None
    while not (last := await condition()):
        waited = time.monotonic() - began
        assert waited < seconds or waited < fairly(seconds), f"not within {seconds} s, but {waited:.1f}: {last!r}"
        await asyncio.sleep(4 * LOOK)
    return time.monotonic() - began
