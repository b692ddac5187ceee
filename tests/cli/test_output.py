"""Where the output goes: onto a full disk, into a pipe that nobody reads, nowhere at all, onto terminals of all kinds."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from monitor.cli import output
from monitor.cli.main import run

from tests.cli.conftest import Argo
from tests.config.test_files import issue

COMMAND = [sys.executable, "-m", "monitor"]


def told_through(shell: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell, "bash", *COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_a_full_disk_is_told_in_a_sentence() -> None:
    ended = told_through('"$@" > /dev/full', "config", "schema")
    assert ended.returncode == 3
    assert ended.stderr == (
        "Error: the output could not be written: No space left on device. Make room, or send it elsewhere.\n"
    )


def test_a_reader_who_has_seen_enough_is_no_error_to_talk_about() -> None:
    ended = told_through('"$@" | head -1', "config", "schema")
    assert (ended.stdout, ended.stderr) == ("{\n", "")


def test_with_standard_output_closed_the_exit_code_is_still_the_verdict(argocd: Argo) -> None:
    token = argocd.state.mint_key("ci", "k1")
    ended = told_through('"$@" >&-', "check", "--server", argocd.url, ARGOCD_AUTH_TOKEN=token)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("terminal", "environment", "coloured"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": ""}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {}, False),
    ],
    ids=["terminal", "NO_COLOR empty", "NO_COLOR", "dumb terminal", "file"],
)
def test_colours_are_for_terminals_that_take_them(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, environment: dict[str, str], coloured: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout", SimpleNamespace(isatty=lambda: terminal))
    assert output.colours() is coloured


def test_a_token_in_the_place_of_the_address_is_not_told(
    argocd: Argo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = argocd.state.mint_key("ci", "k1")
    monkeypatch.setenv("ARGOCD_AUTH_TOKEN", token)
    assert run(["check", "--server", token]) == 3
    error = capsys.readouterr().err
    assert "is not the name of a host" in error
    assert token[:12].lower() not in error.lower()


@pytest.mark.skipif(sys.platform != "linux", reason="what a terminal says at its end differs")
def test_nobody_is_asked_for_the_passphrase_of_a_key_on_a_terminal(tmp_path: Path) -> None:
    cert, key = issue(tmp_path, "one", passphrase=b"hunter2")
    files = ["--client-cert-file", str(cert), "--client-key-file", str(key)]
    command = [*COMMAND, "check", "--server", "https://127.0.0.1:9", *files]
    child, terminal = pty.fork()
    if child == 0:
        os.execve(command[0], command, {"ARGOCD_AUTH_TOKEN": "a.b.c", "TERM": "dumb"})
    told = bytearray()
    try:
        while b"pass phrase" not in told and (piece := os.read(terminal, 4096)):
            told += piece
    except OSError:
        pass  # Linux: the other side has ended
    os.close(terminal)  # who waits for an answer gets none
    os.waitpid(child, 0)
    assert b"pass phrase" not in told
    assert b"is not the key (PEM, without a passphrase) of" in told


@pytest.mark.parametrize("command", ["simulate", "demo"])
def test_a_port_that_there_is_not_is_a_usage_error(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert run([command, "--port", "99999"]) == 3
    assert "0<=x<=65535" in capsys.readouterr().err
