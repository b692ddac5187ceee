"""What the service stands between during a soak: a simulated Argo CD (plain and TLS) and a simulated Kubernetes API.

Both are on real sockets and can be taken away and brought back on the same port. Targets of each kind are there: in
password mode with a Secret and with files, in token mode, over TLS, and some that come and go with the configuration.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import trustme
import yaml
from monitor.adapters.clock import SystemClock
from monitor.core.claims import read_claims
from monitor.simulator import app as argocd_app
from monitor.simulator.faults import Front
from monitor.simulator.kubernetes import app as kubernetes_app
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.state import ClusterState
from monitor.simulator.rbac import Role
from monitor.simulator.state import ArgoCDState

NAMESPACE = "codefresh"
BEARER = "bearer-of-the-monitor"
SECRET, KEY = "argocd-token", "token"
PASSWORD_SECRET, PASSWORD_KEY = "argocd-initial-admin-secret", "password"
# One account each: logins are budgeted by server and user.
IN_SECRET, IN_FILE, PLAIN = "in-secret", "in-file", "plain"
OTHERS = 20
# To have a port again that was given up for a while.
TRIES = 30


class World:
    """The outside, with what happens to it as methods."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.argocd = ArgoCDState(clock=time.time, login_seconds=(0.1, 0.2))
        self.front = Front(self.argocd)
        self.cluster = ClusterState(SystemClock())
        self.url = self.tls_url = self.cluster_url = ""
        self._servers: dict[str, AsyncExitStack] = {}
        self._generation = 0
        self._certificates = trustme.CA()
        self._certificates.cert_pem.write_to_path(folder / "ca.pem")
        for account in (IN_SECRET, IN_FILE, PLAIN):
            self.argocd.create_account(account, password=f"the first password of {account}", role=Role.READONLY)
            self.tell_password(account, f"the first password of {account}")
        self.new_plain_token()

    # --- servers -------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Both servers are there."""
        await self.open_argocd()
        await self.open_kubernetes()

    async def open_argocd(self) -> None:
        """Argo CD listens, on the ports that it had."""
        stack = AsyncExitStack()
        port, tls_port, context = _port(self.url), _port(self.tls_url), self._context()
        self.url = await _entered(stack, lambda: argocd_app.running(self.front, port=port))
        self.tls_url = await _entered(stack, lambda: argocd_app.running(self.front, port=tls_port, ssl=context))
        self._servers["argocd"] = stack

    async def open_kubernetes(self) -> None:
        """The Kubernetes API listens, on the port that it had."""
        stack = AsyncExitStack()
        port = _port(self.cluster_url)
        self.cluster_url = await _entered(
            stack, lambda: kubernetes_app.running(self.cluster, {BEARER: "monitor"}, port=port)
        )
        self._servers["kubernetes"] = stack

    async def close(self, name: str) -> None:
        """One of them is gone: its connections are cut and its port is closed."""
        if name in self._servers:
            await self._servers.pop(name).aclose()

    async def close_all(self) -> None:
        """Both are gone."""
        for name in list(self._servers):
            await self.close(name)

    # --- people --------------------------------------------------------------------------------------------------

    def token(self, account: str) -> str | None:
        """What the consumers of an account find."""
        if account == IN_FILE:
            file = self.folder / "token"
            return file.read_text().strip() if file.exists() else None
        return kubectl.value(self.cluster, NAMESPACE, SECRET if account == IN_SECRET else "plain", KEY)

    def keys(self, account: str) -> set[str]:
        """The live keys of an account."""
        found = self.argocd.settings.account(account)
        return {key.id for key in found.keys} if found else set()

    def revoke(self, account: str) -> None:
        """Somebody deletes the key in use."""
        token = self.token(account)
        key_id = read_claims(token).token_id if token else None
        if key_id in self.keys(account):
            self.argocd.revoke_key(account, str(key_id))

    def lose(self, account: str) -> None:
        """Somebody deletes the Secret, or the file, with the token."""
        if account == IN_FILE:
            (self.folder / "token").unlink(missing_ok=True)
        else:
            kubectl.delete(self.cluster, "secrets", NAMESPACE, SECRET)

    def change_password(self, account: str) -> None:
        """Somebody changes the password, which ends every key of the account, and tells it."""
        self._generation += 1
        password = f"password {self._generation} of {account}"
        self.tell_password(account, password)
        self.argocd.change_password(account, password)

    def tell_password(self, account: str, password: str) -> None:
        """Writes it where the monitor reads it."""
        if account == IN_FILE:
            _replace(self.folder / "password", password)
        elif account == IN_SECRET:
            kubectl.put_secret(self.cluster, NAMESPACE, PASSWORD_SECRET, {PASSWORD_KEY: password})

    def new_plain_token(self) -> None:
        """The account in token mode gets another key; the one before is deleted."""
        self._generation += 1
        before = self.keys(PLAIN)
        token = self.argocd.mint_key(PLAIN, f"by-hand-{self._generation}")
        kubectl.put_secret(self.cluster, NAMESPACE, "plain", {KEY: token})
        for key_id in before:
            self.argocd.revoke_key(PLAIN, key_id)

    # --- configuration -------------------------------------------------------------------------------------------

    def configuration(self, others: int = OTHERS) -> dict[str, Any]:
        """What the monitor is to do, with so many more targets in token mode."""
        config = kubernetes_app.write_kubeconfig(
            self.folder / "kubeconfig", self.cluster_url, BEARER, namespace=NAMESPACE
        )
        plain = {"type": "token", "tokenSecretKeyRef": {"name": "plain", "key": KEY}, "username": PLAIN}
        in_secret = {
            "type": "password",
            "username": IN_SECRET,
            "tokenSecretKeyRef": {"name": SECRET, "key": KEY},
            "passwordSecretKeyRef": {"name": PASSWORD_SECRET, "key": PASSWORD_KEY},
        }
        in_file = {
            "type": "password",
            "username": IN_FILE,
            "tokenFile": str(self.folder / "token"),
            "passwordFile": str(self.folder / "password"),
        }
        rotation = {"grace": "0s", "expiresIn": "10m", "renewBefore": "400s"}
        targets = [
            {"name": IN_SECRET, "url": self.url, "auth": in_secret, "rotation": rotation},
            {"name": IN_FILE, "url": self.url, "auth": in_file, "rotation": rotation},
            {"name": "tls", "url": self.tls_url, "auth": plain, "tls": {"caFile": str(self.folder / "ca.pem")}},
            *({"name": f"other-{number}", "url": self.url, "auth": plain} for number in range(others)),
        ]
        return {
            "interval": "1s",
            "timeout": "3s",
            "accountInterval": "10s",
            "stateDir": str(self.folder),
            "http": {"port": 0},
            "log": {"format": "json"},
            "kubernetes": {"kubeconfig": str(config), "namespace": NAMESPACE, "lease": {"enabled": True}},
            "targets": targets,
        }

    def reload(self, file: Path, text: str | None = None, others: int = OTHERS) -> None:
        """The configuration is another one from now on."""
        _replace(file, text if text is not None else yaml.safe_dump(self.configuration(others)))

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._certificates.issue_cert("127.0.0.1").configure_cert(context)
        return context


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """The outside, with its servers there until the block is left."""
    made = World(folder)
    await made.open()
    try:
        yield made
    finally:
        await made.close_all()


async def _entered(stack: AsyncExitStack, server: Callable[[], AbstractAsyncContextManager[str]]) -> str:
    """Starts a server; again, where its former port is for a moment that of somebody's outgoing connection."""
    for _ in range(TRIES):
        try:
            return await stack.enter_async_context(server())
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            await asyncio.sleep(1.0)
    return await stack.enter_async_context(server())


def _port(url: str) -> int:
    return int(url.rpartition(":")[2]) if url else 0


def _replace(file: Path, text: str) -> None:
    new = file.with_name(f".{file.name}.new")
    new.write_text(text)
    new.replace(file)
