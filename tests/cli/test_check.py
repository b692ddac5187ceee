"""`token-monitor check`: exit codes, JSON and errors, as scripts and people depend on them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from monitor.cli.main import run
from monitor.simulator.faults import Fault

from tests.cli.conftest import Argo

KEYS = [
    "target", "server", "account", "status", "accepted", "cause", "remedy", "token_id", "issued_at", "expires_at",
    "checked_at", "duration_seconds",
]  # fmt: skip


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ARGOCD_SERVER", "ARGOCD_AUTH_TOKEN", "TOKEN_MONITOR_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], token: str, *arguments: str
) -> tuple[int, dict[str, object]]:
    monkeypatch.setenv("ARGOCD_AUTH_TOKEN", token)
    code = run(["check", *arguments, "--output", "json"])
    found = json.loads(capsys.readouterr().out)
    assert list(found) == KEYS
    return code, found


def test_an_accepted_token_exits_0(
    argocd: Argo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = check(monkeypatch, capsys, argocd.state.mint_key("ci", "k1"), "--server", argocd.url)
    assert (code, found["status"], found["accepted"]) == (0, "valid", True)
    assert (found["account"], found["token_id"], found["server"]) == ("ci", "k1", argocd.url)
    assert str(found["checked_at"]).endswith("Z")
    assert found["expires_at"] is None


def test_a_token_that_needs_a_person_exits_1(
    argocd: Argo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = argocd.state.mint_key("ci", "k1", expires_in=3600)
    assert check(monkeypatch, capsys, token, "--server", argocd.url)[0] == 1
    code, found = check(monkeypatch, capsys, token, "--server", argocd.url, "--expiring-within", "1m")
    assert (code, found["status"]) == (0, "valid")
    code, found = check(monkeypatch, capsys, token, "--server", argocd.url, "--account", "admin")
    assert (code, found["status"], found["accepted"]) == (1, "wrong_account", True)


def test_a_refused_token_exits_2(
    argocd: Argo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = argocd.state.mint_key("ci", "k1")
    argocd.state.revoke_key("ci", "k1")
    code, found = check(monkeypatch, capsys, token, "--server", argocd.url)
    assert (code, found["status"], found["accepted"]) == (2, "revoked", False)
    assert "argocd account generate-token --account ci" in str(found["remedy"])


def test_a_permission_that_argo_cd_never_grants_is_warned_of(
    argocd: Argo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ARGOCD_AUTH_TOKEN", argocd.state.mint_key("ci", "k1"))
    assert run(["check", "--server", argocd.url, "--permission", "applications/get/*"]) == 1
    assert "write applications/get/*/*" in capsys.readouterr().err
    assert run(["check", "--server", argocd.url, "--permission", "applications/get/*/*"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("token", ["", "  \n", "\t"])
def test_an_empty_token_is_missing(
    argocd: Argo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], token: str
) -> None:
    code, found = check(monkeypatch, capsys, token, "--server", argocd.url)
    assert (code, found["status"]) == (2, "missing")


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.REFUSED, "unreachable"),
        (Fault.SERVER_ERROR, "server_error"),
        (Fault.UNAVAILABLE, "server_error"),
        (Fault.THROTTLED, "throttled"),
        (Fault.LOGIN_PAGE, "not_argocd"),
        (Fault.REDIRECT_302, "not_argocd"),
        (Fault.STRIPPED_AUTHORIZATION, "not_argocd"),
        (Fault.CACHING, "not_argocd"),
    ],
)
def test_what_cannot_be_told_exits_3(
    argocd: Argo,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: Fault,
    status: str,
) -> None:
    token = argocd.state.mint_key("ci", "k1")
    argocd.front.fault = fault
    code, found = check(monkeypatch, capsys, token, "--server", argocd.url)
    assert (code, found["status"], found["accepted"]) == (3, status, None)


def test_a_hanging_server_is_left_at_the_deadline(
    argocd: Argo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = argocd.state.mint_key("ci", "k1")
    argocd.front.fault = Fault.HANG
    code, found = check(monkeypatch, capsys, token, "--server", argocd.url, "--timeout", "200ms")
    assert (code, found["status"]) == (3, "unreachable")
    assert "timeout" in str(found["cause"])


def test_the_token_can_come_from_a_file_or_standard_input(
    argocd: Argo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    token = argocd.state.mint_key("ci", "k1")
    file = tmp_path / "token"
    file.write_text(token + "\n")
    assert run(["check", "--server", argocd.url, "--token-file", str(file)]) == 0
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(token.encode() + b"\r\n")))
    assert run(["check", "--server", argocd.url, "--token-file", "-"]) == 0
    assert token not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "raw", [b"a\x00b.c.d", b"a.b\nc.d", "a.b.ü".encode(), b"\xff\xfe.x.y", b"A" * 1_048_576, b"not a token"]
)
def test_what_no_header_carries_is_malformed_and_not_sent(
    argocd: Argo, capsys: pytest.CaptureFixture[str], tmp_path: Path, raw: bytes
) -> None:
    file = tmp_path / "token"
    file.write_bytes(raw)
    assert run(["check", "--server", argocd.url, "--token-file", str(file), "--output", "json"]) == 2
    assert json.loads(capsys.readouterr().out)["status"] == "malformed"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--server"),
        (["--server", "ftp://example.com"], "https://"),
        (["--server", "https://user:pass@example.com"], "user name or a password"),
        (["--server", "https://example.com/?a=b"], "query"),
        (["--server", "file:///etc/passwd"], "https://"),
        (["--server", "https://example.com", "--timeout", "soon"], "not a duration"),
        (["--server", "https://example.com", "--ca-file", "/does/not/exist.pem"], "exist.pem"),
        (
            ["--server", "https://example.com", "--ca-file", __file__],
            f'"{__file__}" holds no readable PEM certificates',
        ),
        (["--server", "https://example.com", "--token-file", "/does/not/exist"], "cannot be read"),
        (["--server", "https://example.com", "--client-cert-file", "x.pem"], "go together"),
        (["--server", "https://example.com", "--permission", "sync"], "RESOURCE/ACTION/OBJECT"),
        (["--server", "https://example.com", "--output", "xml"], "--output"),
        (["--nonsense"], "--nonsense"),
        (["--config", "/does/not/exist.yaml"], "cannot be read"),
    ],
)
def test_a_usage_error_exits_3_and_says_what_to_write(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    monkeypatch.setenv("ARGOCD_AUTH_TOKEN", "a.b.c")
    assert run(["check", *arguments]) == 3
    assert words in capsys.readouterr().err


def test_it_starts_without_what_reads_configurations() -> None:
    """A check from cron or a probe is made every few seconds, and pydantic alone takes as long as the check."""
    script = "import sys, monitor.cli.check; sys.exit('pydantic' in sys.modules or 'kubernetes_asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_without_a_token_anywhere_it_says_where_to_put_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--server", "https://example.com"]) == 3
    assert "ARGOCD_AUTH_TOKEN" in capsys.readouterr().err


def test_the_token_is_never_an_argument(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--server", "https://example.com", "--token", "a.b.c"]) == 3


def test_text_has_the_word_that_monitoring_systems_know_and_the_remedy(
    argocd: Argo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ARGOCD_AUTH_TOKEN", argocd.state.mint_key("ci", "k1"))
    argocd.state.disable_account("ci")
    assert run(["check", "--server", argocd.url]) == 2
    out = capsys.readouterr().out
    assert out.startswith("CRITICAL: ")
    assert "| duration=" in out.splitlines()[0]
    assert 'accounts.ci.enabled: "true"' in out
    assert "\x1b" not in out


def test_the_targets_of_a_configuration_are_checked_and_the_worst_decides(
    argocd: Argo, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name, key in (("good", "k1"), ("bad", "k2")):
        (tmp_path / name).write_text(argocd.state.mint_key("ci", key))
    argocd.state.revoke_key("ci", "k2")
    config = tmp_path / "monitor.yaml"
    config.write_text(
        "targets:\n"
        + "".join(
            f"  - {{name: {name}, url: '{argocd.url}', auth: {{type: token, tokenFile: {tmp_path / name}}}}}\n"
            for name in ("good", "bad")
        )
    )
    assert run(["check", "--config", str(config), "--output", "json"]) == 2
    assert [found["status"] for found in json.loads(capsys.readouterr().out)] == ["valid", "revoked"]
    assert run(["check", "--config", str(config), "--target", "good"]) == 0
    assert run(["check", "--config", str(config), "--target", "ugly"]) == 3


@pytest.mark.parametrize(
    "command", [[], ["check"], ["run"], ["config"], ["config", "validate"], ["simulate"], ["demo"]]
)
def test_help_says_what_a_command_is_for(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    assert run([*command, "--help"]) == 0
    assert "Usage: token-monitor" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["check", "--server", "http://127.0.0.1:9", "--token-file", "-"], ["config", "from-codefresh", "-"]]
)
def test_a_closed_standard_input_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """So a process begins whose standard input was closed (`<&-`)."""
    monkeypatch.setattr("sys.stdin", None)
    assert run(arguments) == 3
    assert "standard input is closed" in capsys.readouterr().err
