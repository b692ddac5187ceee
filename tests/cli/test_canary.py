"""No command writes a credential: on either output, in text and JSON, when all is well and when everything fails.

The log is that of level debug, with all that libraries are told. A crash is one of ours, with its traceback.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from monitor.cli.main import run
from monitor.core.policy import Policy
from monitor.daemon import rotating
from monitor.simulator.faults import Fault
from monitor.simulator.kubernetes import kubectl

from tests.behaviour.canaries import everything_that_is_logged, leaks
from tests.cli.conftest import NAMESPACE, Argo, Cluster

PASSWORD = 'first "canary" & password'
ACCOUNT = "ci"


@pytest.fixture
def issued(argocd: Argo, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every token that Argo CD signs, sessions among them, and the password."""
    found = [PASSWORD]
    sign = argocd.state.sign

    def noted(claims: Mapping[str, object]) -> str:
        found.append(sign(claims))
        return found[-1]

    monkeypatch.setattr(argocd.state, "sign", noted)
    argocd.state.change_password(ACCOUNT, PASSWORD)
    return found


@pytest.fixture
def no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new key reaches every replica of this Argo CD at once."""
    policy_of: Callable[..., Policy] = rotating.policy_of
    monkeypatch.setattr(rotating, "policy_of", lambda *given: replace(policy_of(*given), settle=0.0))


@pytest.fixture
def token(argocd: Argo, issued: list[str]) -> str:
    return argocd.state.mint_key(ACCOUNT, "canary")


@pytest.fixture
def said(issued: list[str], capfd: pytest.CaptureFixture[str]) -> Iterator[list[str]]:
    """What is added to it, both outputs, and the log hold no credential when the test ends."""
    written: list[str] = []
    with everything_that_is_logged() as log:
        yield written
    out, err = capfd.readouterr()
    everything = "\n".join([*written, out, err, log.getvalue()])
    assert len(out + err) > 100, "much was said"
    assert leaks(everything, issued) == []


def configured(argocd: Argo, cluster: Cluster, folder: Path, *auths: Mapping[str, Any], level: str = "debug") -> Path:
    targets: list[dict[str, Any]] = [
        {"name": f"t{number}", "url": argocd.url, "auth": auth} for number, auth in enumerate(auths)
    ]
    for target in targets:
        if target["auth"]["type"] == "password":
            target["rotation"] = {"grace": "0s"}
    kubernetes = {"kubeconfig": str(cluster.kubeconfig), "namespace": NAMESPACE}
    file = folder / "monitor.yaml"
    file.write_text(
        json.dumps({"targets": targets, "kubernetes": kubernetes, "stateDir": str(folder), "log": {"level": level}})
    )
    return file


def everything(argocd: Argo, cluster: Cluster, folder: Path, token: str) -> Path:
    """A target for each way to give a credential."""
    (folder / "token").write_text(token)
    (folder / "password").write_text(PASSWORD)
    kubectl.put_secret(cluster.state, NAMESPACE, "my-token", {"token": token})
    kubectl.put_secret(cluster.state, NAMESPACE, "pw", {"password": PASSWORD})
    return configured(
        argocd,
        cluster,
        folder,
        {"type": "token", "token": token},
        {"type": "token", "tokenFile": str(folder / "token")},
        {"type": "token", "tokenSecretKeyRef": {"name": "my-token", "key": "token"}},
        {"type": "password", "username": ACCOUNT, "password": PASSWORD, "tokenFile": str(folder / "minted")},
        {"type": "password", "username": ACCOUNT, "passwordFile": str(folder / "password"), "tokenFile": str(folder / "other")},
        {"type": "password", "username": ACCOUNT, "passwordSecretKeyRef": {"name": "pw", "key": "password"}},
    )  # fmt: skip


CONFIGURED = (
    ("check",), ("check", "--output", "json"), ("status",), ("status", "--output", "json"), ("doctor",), ("doctor", "--login"),
    ("doctor", "--output", "json"), ("doctor", "--rbac"), ("config", "validate"),
)  # fmt: skip


@pytest.mark.usefixtures("said")
def test_commands_with_a_configuration(argocd: Argo, cluster: Cluster, tmp_path: Path, token: str) -> None:
    file = everything(argocd, cluster, tmp_path, token)
    for command in CONFIGURED:
        argument = [str(file)] if command[0] == "config" else ["--config", str(file)]
        assert run([*command, *argument]) in (0, 1, 2, 3)
    argocd.state.disable_account(ACCOUNT)
    for fault in (None, *(fault for fault in Fault if fault is not Fault.HANG)):
        argocd.front.fault = fault
        assert run(["check", "--config", str(file)]) in (2, 3)
    cluster.state.access.restrict(cluster.user)
    for command in (("check",), ("doctor",)):
        run([*command, "--config", str(file)])


@pytest.mark.usefixtures("said", "no_settling")
@pytest.mark.parametrize("name", ["t3", "t4", "t5"])
def test_a_rotation(argocd: Argo, cluster: Cluster, tmp_path: Path, token: str, name: str) -> None:
    file = everything(argocd, cluster, tmp_path, token)
    assert run(["rotate", name, "--config", str(file), "--dry-run"]) in (0, 1, 2, 3)
    assert run(["rotate", name, "--config", str(file)]) in (0, 1, 2, 3)


@pytest.mark.usefixtures("said")
def test_a_check_without_a_configuration(
    argocd: Argo, tmp_path: Path, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    for value in (token, f"{token}\nmore", f'"{token}"', f"Bearer {token}", token * 2):
        file.write_text(value)
        monkeypatch.setenv("ARGOCD_AUTH_TOKEN", value)
        for source in ([], ["--token-file", str(file)]):
            for output in ("text", "json"):
                assert run(["check", "--server", argocd.url, *source, "--output", output]) in (0, 1, 2, 3)
    # Where a person mistakes one place for another.
    for wrong in (
        ["--server", token],
        ["--token-file", token],
        ["--timeout", token],
    ):
        assert run(["check", *wrong]) == 3


@pytest.mark.usefixtures("said")
def test_a_configuration_with_a_token_in_the_wrong_place(tmp_path: Path, token: str) -> None:
    """What is refused is named by its path, never quoted."""
    sound = {"targets": [{"name": "a", "url": "https://argocd.example.com", "auth": {"type": "token", "token": "t"}}]}
    file = tmp_path / "monitor.yaml"
    first = sound["targets"][0]
    parts = ("interval", "http", "log", "kubernetes", "alertmanager", "heartbeat", "discovery", "x")
    texts = [json.dumps({**sound, key: token}) for key in parts]
    of_target = (
        "name",
        "server",
        "tls",
        "auth",
        "namespace",
        "interval",
        "requiredPermissions",
        "rotation",
        "consumers",
        "watchArgoCD",
    )
    texts += [json.dumps({"targets": [{**first, key: token}]}) for key in of_target]
    for key in ("type", "username", "tokenSecretKeyRef", "tokenFile", "passwordSecretKeyRef", "x"):
        auths = [{"type": "token", "tokenFile": "/t", key: wrong} for wrong in ([token], {token: token})]
        texts += [json.dumps({"targets": [{**first, "auth": auth}]}) for auth in auths]
    texts += [
        token,
        f"- {token}",
        f"a: {token}: b",
        f"targets: !{token}",
        f"targets: *{token}",
        f"&a {token}\n*b",
        f'"{token}',
        f"{{{token}",
    ]
    for text in texts:
        file.write_text(text)
        assert run(["config", "validate", str(file)]) in (0, 3)
        run(["config", "from-codefresh", str(file)])


CRASHES = """
import sys
import monitor.{module} as module
from monitor.cli.main import main

def crash(*arguments, **named):
    held = arguments
    raise ZeroDivisionError("a defect of ours")

module.{name} = crash
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("module", "name", "command"),
    [
        ("services.checker", "classify", ["check"]),
        ("adapters.argocd.client", "bounded_body", ["check"]),
        ("core.credential", "inspect", ["check"]),
        ("services.checker", "inspect", ["check"]),
        ("services.rotator", "decide", ["rotate", "t4"]),
        ("config.load", "_checked", ["check"]),
    ],
)
def test_a_crash_shows_where_and_nothing_that_was_held(
    argocd: Argo,
    cluster: Cluster,
    tmp_path: Path,
    token: str,
    issued: list[str],
    module: str,
    name: str,
    command: list[str],
) -> None:
    """A traceback with the values of local variables would show all of them. As a process of its own."""
    file = everything(argocd, cluster, tmp_path, token)
    done = subprocess.run(
        [sys.executable, "-c", CRASHES.format(module=module, name=name), *command, "--config", str(file)],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PYTHONFAULTHANDLER": "1"},
    )  # fmt: skip
    everything_said = done.stdout + done.stderr
    assert done.returncode != 0 or name == "inspect"
    assert leaks(everything_said, issued) == []


MEMORY = """
import ctypes, os, resource, sys
import monitor.cli.main as main
libc = ctypes.CDLL(None)
main.run = lambda arguments: print(libc.prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE)) or 0
main.main([])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_memory_with_credentials_gets_into_no_core_dump_and_no_debugger() -> None:
    """Before any command reads a credential: PR_GET_DUMPABLE is 0, and so is the limit on core dumps."""
    import resource

    def allow() -> None:
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True, preexec_fn=allow)
    assert done.stdout.split() == ["0", "0", "0"]


def test_a_token_is_no_argument_of_any_command() -> None:
    """Process lists show arguments: credentials come by file, standard input or environment."""
    for command in ("check", "run", "rotate", "status", "doctor"):
        done = subprocess.run(
            [sys.executable, "-m", "monitor", command, "--help"], capture_output=True, text=True, check=True
        )
        options = {word for word in done.stdout.replace(",", " ").split() if word.startswith("--")}
        assert not options & {"--token", "--password", "--auth-token", "--bearer"}
