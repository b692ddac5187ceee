"""An Argo CD to break: the simulator, or a real server that environment variables name.

Keys and sessions go through the HTTP API in both. Settings of accounts are levers of the simulator's state, or
ConfigMap argocd-cm and Secret argocd-secret of the real one. The account `ci` is the one that gets broken; every
change is undone at the end.
"""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import quote

import aiohttp
from monitor.simulator.app import running
from monitor.simulator.faults import Front
from monitor.simulator.rbac import Role
from monitor.simulator.settings import ProjectRole
from monitor.simulator.state import ArgoCDState
from yarl import URL as Address  # noqa: N811 - URL is the name of a variable here

URL = "TOKEN_MONITOR_TEST_ARGOCD_URL"
KUBECONFIG = "TOKEN_MONITOR_TEST_KUBECONFIG"
ACCOUNT = "ci"
APP_PROJECTS = ("argoproj.io", "v1alpha1")
JSON = {"Content-Type": "application/json"}
PATIENCE = 30.0


class Settings(Protocol):
    """What an administrator changes outside of the API."""

    async def enable(self, enabled: bool) -> None: ...
    async def capabilities(self, *names: str) -> None: ...
    async def remove(self) -> None: ...
    async def anonymous(self, on: bool) -> None: ...
    async def anonymous_role(self, role: Role) -> None: ...
    async def project(self, name: str, role: str) -> None: ...
    async def remove_project(self, name: str) -> None: ...
    async def signing_key(self) -> bytes: ...
    async def new_signing_key(self) -> None: ...
    async def restore(self) -> None: ...


class Lab:
    """One server, with an administrator's session. `settings` is None where Kubernetes is out of reach."""

    def __init__(self, url: str, http: aiohttp.ClientSession, password: str, settings: Settings | None) -> None:
        self.url = url
        self.settings = settings
        self._http = http
        self._password = password
        self._session = ""
        self._minted: list[tuple[str, str]] = []
        self.words_of_v2 = False
        self.real = URL in os.environ and not isinstance(settings, SimulatedSettings)

    async def login(self) -> None:
        user = os.environ.get("TOKEN_MONITOR_TEST_ARGOCD_USERNAME", "admin") if self.real else "admin"
        async with self._http.post(
            f"{self.url}/api/v1/session", json={"username": user, "password": self._password}
        ) as answer:
            assert answer.status == 200, await answer.text()
            self._session = (await answer.json())["token"]
        # Asked of the server itself: one that somebody built says nothing of use about its version.
        async with self._http.get(f"{self.url}/api/v1/account", headers={"Authorization": "Bearer a.b.c"}) as answer:
            self.words_of_v2 = "token is malformed" not in await answer.text()

    @property
    def session(self) -> str:
        return self._session

    async def mint(self, account: str = ACCOUNT, expires_in: int = 0, key_id: str = "") -> tuple[str, str]:
        """(id, token) of a new API key."""
        key_id = key_id or f"contract-{secrets.token_hex(6)}"
        body = {"name": account, "id": key_id, "expiresIn": expires_in}
        async with self._http.post(
            f"{self.url}/api/v1/account/{account}/token", json=body, headers=self._bearer()
        ) as answer:
            assert answer.status == 200, await answer.text()
            self._minted.append((account, key_id))
            return key_id, (await answer.json())["token"]

    async def revoke(self, key_id: str, account: str = ACCOUNT) -> None:
        async with self._http.delete(
            Address(f"{self.url}/api/v1/account/{account}/token/{quote(key_id, safe='')}", encoded=True),
            headers={**self._bearer(), **JSON},
        ) as answer:
            assert answer.status in (200, 404), await answer.text()

    async def mint_for_role(self, project: str, role: str, key_id: str) -> str:
        """A token of a project role."""
        body = {"project": project, "role": role, "id": key_id}
        async with self._http.post(
            f"{self.url}/api/v1/projects/{project}/roles/{role}/token", json=body, headers=self._bearer()
        ) as answer:
            assert answer.status == 200, await answer.text()
            return str((await answer.json())["token"])

    async def revoke_for_role(self, project: str, role: str, key_id: str) -> None:
        async with self._http.delete(
            f"{self.url}/api/v1/projects/{project}/roles/{role}/token/-1?id={key_id}",
            headers={**self._bearer(), **JSON},
        ) as answer:
            assert answer.status == 200, await answer.text()

    async def logout(self) -> str:
        """Ends the administrator's session, and opens another. Returns the token of the one that ended."""
        ended = self._session
        cookie = {"Cookie": f"argocd.token={ended}"}
        async with self._http.post(f"{self.url}/auth/logout", headers=cookie, allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()
        await self.login()
        return ended

    async def change_password(self) -> str:
        """Gives `ci` a new password, as an administrator does in the API. Returns it."""
        new = f"contract-{secrets.token_hex(6)}"
        body = {"name": ACCOUNT, "currentPassword": self._password, "newPassword": new}
        async with self._http.put(f"{self.url}/api/v1/account/password", json=body, headers=self._bearer()) as answer:
            assert answer.status == 200, await answer.text()
        return new

    async def keys(self, account: str = ACCOUNT) -> set[str]:
        """The ids of the account's keys."""
        async with self._http.get(f"{self.url}/api/v1/account/{account}", headers=self._bearer()) as answer:
            assert answer.status == 200, await answer.text()
            return {key["id"] for key in (await answer.json()).get("tokens") or ()}

    async def clean(self) -> None:
        """Undoes everything."""
        if self.settings is not None:
            await self.settings.restore()
            await self.until(self._can_log_in)
        for account, key_id in self._minted:
            await self.revoke(key_id, account)

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Waits for a real server to follow; a simulated one has followed already."""
        async with asyncio.timeout(PATIENCE):
            while not await condition():
                await asyncio.sleep(0.1 if self.real else 0)

    async def _can_log_in(self) -> bool:
        try:
            await self.login()
        except (AssertionError, aiohttp.ClientError):
            return False
        return True

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._session}"}


class SimulatedSettings:
    """Levers of the simulator."""

    def __init__(self, state: ArgoCDState) -> None:
        self.state = state

    async def enable(self, enabled: bool) -> None:
        (self.state.enable_account if enabled else self.state.disable_account)(ACCOUNT)

    async def capabilities(self, *names: str) -> None:
        self.state.set_capabilities(ACCOUNT, *names)

    async def remove(self) -> None:
        self.state.remove_account(ACCOUNT)

    async def anonymous(self, on: bool) -> None:
        self.state.set_anonymous(Role.READONLY if on else None)

    async def anonymous_role(self, role: Role) -> None:
        self.state.set_anonymous(role)

    async def project(self, name: str, role: str) -> None:
        self.state.create_project(name, {role: ProjectRole()})

    async def remove_project(self, name: str) -> None:
        self.state.remove_project(name)

    async def signing_key(self) -> bytes:
        return self.state.settings.signing_key

    async def new_signing_key(self) -> None:
        self.state.change_signing_key()

    async def restore(self) -> None:
        self.state.set_anonymous(None)


class ClusterSettings:
    """ConfigMap argocd-cm and Secret argocd-secret of a real installation."""

    def __init__(self, api: Any, objects: Any, namespace: str) -> None:
        self._api = api
        self._objects = objects
        self._namespace = namespace
        self._config: dict[str, str] = {}
        self._rbac: dict[str, str] = {}
        self._projects: list[str] = []
        self._secret: dict[str, str] = {}

    async def remember(self) -> None:
        self._config = dict((await self._api.read_namespaced_config_map("argocd-cm", self._namespace)).data or {})
        self._rbac = dict((await self._api.read_namespaced_config_map("argocd-rbac-cm", self._namespace)).data or {})
        self._secret = dict((await self._api.read_namespaced_secret("argocd-secret", self._namespace)).data or {})

    async def enable(self, enabled: bool) -> None:
        await self._patch({f"accounts.{ACCOUNT}.enabled": "true" if enabled else "false"})

    async def capabilities(self, *names: str) -> None:
        await self._patch({f"accounts.{ACCOUNT}": ", ".join(names)})

    async def remove(self) -> None:
        await self._patch({f"accounts.{ACCOUNT}": None})

    async def anonymous(self, on: bool) -> None:
        if on:  # whatever an installation gives them of its own
            await self.anonymous_role(Role.READONLY)
        else:
            await self._patch({"users.anonymous.enabled": "false"})

    async def anonymous_role(self, role: Role) -> None:
        everything = f"p, {Role.EVERYTHING}, *, *, *, allow"
        policy = {"policy.csv": f"{self._rbac.get('policy.csv', '')}\n{everything}", "policy.default": str(role)}
        await self._api.patch_namespaced_config_map("argocd-rbac-cm", self._namespace, {"data": policy})
        await self._patch({"users.anonymous.enabled": "true"})

    async def project(self, name: str, role: str) -> None:
        self._projects.append(name)
        made = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": name}}
        made["spec"] = {"roles": [{"name": role, "policies": []}]}
        await self._objects.create_namespaced_custom_object(*APP_PROJECTS, self._namespace, "appprojects", made)

    async def remove_project(self, name: str) -> None:
        self._projects.remove(name)
        await self._objects.delete_namespaced_custom_object(*APP_PROJECTS, self._namespace, "appprojects", name)

    async def signing_key(self) -> bytes:
        secret = (await self._api.read_namespaced_secret("argocd-secret", self._namespace)).data
        return base64.b64decode(secret["server.secretkey"])

    async def new_signing_key(self) -> None:
        key = base64.b64encode(base64.b64encode(secrets.token_bytes(32))).decode()
        await self._api.patch_namespaced_secret("argocd-secret", self._namespace, {"data": {"server.secretkey": key}})

    async def restore(self) -> None:
        for project in list(self._projects):
            await self.remove_project(project)
        rbac = (await self._api.read_namespaced_config_map("argocd-rbac-cm", self._namespace)).data or {}
        if rbac != self._rbac:
            data = {**dict.fromkeys(rbac, None), **self._rbac}
            await self._api.patch_namespaced_config_map("argocd-rbac-cm", self._namespace, {"data": data})
        now = (await self._api.read_namespaced_config_map("argocd-cm", self._namespace)).data or {}
        await self._patch({**dict.fromkeys(now, None), **self._config})
        secret = (await self._api.read_namespaced_secret("argocd-secret", self._namespace)).data or {}
        kept = {name: value for name, value in self._secret.items() if not name.endswith(".tokens")}
        changed = {name: kept[name] for name in kept if secret.get(name) != kept[name]}
        if changed:
            await self._api.patch_namespaced_secret("argocd-secret", self._namespace, {"data": changed})

    async def _patch(self, data: dict[str, str | None]) -> None:
        await self._api.patch_namespaced_config_map("argocd-cm", self._namespace, {"data": data})


@asynccontextmanager
async def simulated(wording: str) -> AsyncIterator[Lab]:
    """A lab on the simulator."""
    state = ArgoCDState(wording=wording, login_seconds=(0.0, 0.0))  # type: ignore[arg-type]
    state.set_capabilities("admin", "login", "apiKey")
    state.change_password("admin", "simulated")
    state.create_account(ACCOUNT, password="simulated-ci", role=Role.READONLY)
    async with running(Front(state)) as url, aiohttp.ClientSession() as http:
        lab = Lab(url, http, "simulated", SimulatedSettings(state))
        await lab.login()
        yield lab


@asynccontextmanager
async def real() -> AsyncIterator[Lab]:
    """A lab on the server that the environment names."""
    settings: ClusterSettings | None = None
    client: Any = None
    if KUBECONFIG in os.environ:
        from kubernetes_asyncio import client as kubernetes
        from kubernetes_asyncio import config

        client = await config.new_client_from_config(os.environ[KUBECONFIG])
        settings = ClusterSettings(
            kubernetes.CoreV1Api(client),
            kubernetes.CustomObjectsApi(client),
            os.environ.get("TOKEN_MONITOR_TEST_NAMESPACE", "argocd"),
        )
        await settings.remember()
    connector = aiohttp.TCPConnector(ssl=False)
    async with aiohttp.ClientSession(connector=connector) as http:
        lab = Lab(os.environ[URL].rstrip("/"), http, os.environ["TOKEN_MONITOR_TEST_ARGOCD_PASSWORD"], settings)
        await lab.login()
        try:
            yield lab
        finally:
            await lab.clean()
            if client is not None:
                await client.close()
