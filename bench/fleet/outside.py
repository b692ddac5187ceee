"""A process with a simulated Kubernetes API and a simulated Argo CD, and levers on both.

`python -m bench.fleet.outside --secrets N --accounts N --folder DIR`: Secrets with tokens that the stub accepts, accounts
with a key each. The first line on standard output is JSON (addresses, keys); each line on standard input is a command,
answered by a line. It ends when standard input does.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import secrets
import sys
import time
from pathlib import Path
from typing import Any

import uvloop
from monitor.adapters.clock import SystemClock
from monitor.simulator import app as argocd_app
from monitor.simulator.kubernetes import app as kubernetes_app
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.app import write_kubeconfig
from monitor.simulator.kubernetes.state import ClusterState
from monitor.simulator.rbac import Role
from monitor.simulator.state import ArgoCDState

from bench.fleet.tokens import token

NAMESPACE = "bench"
KEY = "token"
BEARER = "bearer-of-the-bench"


def secret_name(number: int) -> str:
    """The Secret of a target."""
    return f"token-{number:05d}"


def account_name(number: int) -> str:
    """The account of a target."""
    return f"account-{number:04d}"


def installation(number: int) -> str:
    """The namespace in which the Argo CD of a target keeps its objects."""
    return f"argocd-{number:04d}"


class Outside:
    """Both simulators."""

    def __init__(self, secrets_: int, accounts: int) -> None:
        self.cluster = ClusterState(SystemClock())
        self.argocd = ArgoCDState(clock=time.time, seed=1, wording="3")
        self.keys: list[str] = []
        for number in range(secrets_):
            self.write_secret(number, token(number))
        for number in range(accounts):
            self.argocd.create_account(account_name(number), password=secrets.token_hex(8), role=Role.READONLY)
            self.argocd.set_capabilities(account_name(number), "apiKey")
            self.keys.append(self.argocd.mint_key(account_name(number), "bench"))
            self.touch(number)

    def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """One command."""
        number = command.get("number", 0)
        match command["do"]:
            case "secret":
                self.write_secret(number, command["token"])
            case "revoke":
                self.argocd.revoke_key(account_name(number), "bench")
                if command.get("tell"):
                    self.touch(number)
            case "watches":
                return {"watches": len(self.cluster.watches)}
            case "leases":
                found = self.cluster.all("coordination.k8s.io", "leases", NAMESPACE)
                return {lease["metadata"]["name"]: lease["spec"].get("holderIdentity", "") for lease in found}
            case other:
                raise ValueError(other)
        return {}

    def write_secret(self, number: int, value: str) -> None:
        """Somebody writes a token into a target's Secret."""
        kubectl.put_secret(self.cluster, NAMESPACE, secret_name(number), {KEY: value})

    def touch(self, number: int) -> None:
        """The target's Argo CD writes its Secret, as it does with each key that it makes or deletes."""
        data = {"accounts.tokens": base64.b64encode(secrets.token_bytes(9)).decode()}
        metadata = {"name": "argocd-secret", "namespace": installation(number)}
        kubectl.put(self.cluster, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})


async def serve(outside: Outside, folder: Path) -> None:
    """Serves until standard input ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with (
        kubernetes_app.running(outside.cluster, {BEARER: "monitor"}) as kubernetes,
        argocd_app.running(outside.argocd) as argocd,
    ):
        kubeconfig = write_kubeconfig(folder / "kubeconfig", kubernetes, BEARER, namespace=NAMESPACE)
        print(json.dumps({"argocd": argocd, "kubeconfig": str(kubeconfig), "keys": outside.keys}), flush=True)
        while line := await reader.readline():
            print(json.dumps(outside.do(json.loads(line))), flush=True)


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--secrets", type=int, default=0)
    parser.add_argument("--accounts", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    uvloop.run(serve(Outside(given.secrets, given.accounts), given.folder))


if __name__ == "__main__":
    main()
