"""`token-monitor status`: of a running monitor, or looked at now; for people, for scripts, and on a bad day."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from monitor.adapters.server.routes import Sources
from monitor.adapters.server.server import Server
from monitor.cli import status as module
from monitor.cli.main import run
from monitor.core.discovery import Origin, Trouble
from monitor.core.journal import Journal, State, dump
from monitor.core.model import Mode, Verdict
from monitor.core.report import RotationReport, TargetReport
from monitor.core.sharding import Part
from monitor.core.status import Status
from monitor.core.whole import Replica, Whole

from tests.adapters.argocd.certificates import authority
from tests.adapters.argocd.wire import always, answer, serving
from tests.cli.conftest import Argo, on_a_thread

NOW = 1_795_000_000.0
HOUR, DAY = 3600.0, 86_400.0

VALID = Verdict(
    Status.VALID, "Argo CD accepts the token as account ci", "Nothing to do.", "ci", "tm-1", checked_at=NOW - 5
)
REVOKED = Verdict(Status.REVOKED, "the key was deleted", "Make a new one", "ci", "k2", checked_at=NOW - 5)
ROTATION = RotationReport(rotated_at=NOW - 3 * HOUR, rotations=2)


def report(name: str, verdict: Verdict, rotation: RotationReport | None = None) -> TargetReport:
    place = "Secret codefresh/argocd-token, key token"
    return TargetReport(
        name,
        "https://argocd.example.com",
        Mode.TOKEN,
        place,
        15,
        10,
        verdict,
        NOW - 2 * DAY,
        verdict,
        rotation=rotation,
    )


GOOD = report("good", replace(VALID, expires_at=NOW + 12.5 * DAY), ROTATION)


@contextmanager
def monitor(
    *reports: TargetReport, pair: str | None = None, troubles: Sequence[Trouble] = (), whole: Whole | None = None
) -> Iterator[str]:
    """A monitor's pages on a thread, with these targets."""

    @asynccontextmanager
    async def served() -> AsyncIterator[str]:
        async def metrics() -> bytes:
            return b""

        sources = Sources(
            reports=lambda: iter(reports),
            report=lambda name: next((one for one in reports if one.name == name), None),
            metrics=metrics,
            alive=lambda: None,
            ready=lambda: True,
            now=lambda: NOW,
            version="1",
            troubles=lambda: troubles,
            whole=lambda: whole,
        )
        server = Server(sources, port=0, cert_file=pair, key_file=pair)
        await server.start()
        yield f"{'https' if pair else 'http'}://127.0.0.1:{server.port}"
        await server.stop(0.1)

    with on_a_thread(served) as url:
        yield url


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "time", lambda: NOW)


Out = pytest.CaptureFixture[str]


def test_a_table_tells_each_target_in_words_for_people(capsys: Out) -> None:
    bad = report("bad", REVOKED)
    with monitor(GOOD, bad) as url:
        assert run(["status", "--url", url]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["TARGET", "STATUS", "SINCE", "EXPIRES", "KEY", "ROTATION", "CONSUMERS"]
    assert lines[1] == "good    valid    2 d ago  in 12 d  tm-1  idle, 3 h ago  -"
    assert lines[2].split() == ["bad", "revoked", "2", "d", "ago", "-", "k2", "off", "-"]
    assert lines[3:] == ["", "bad: the key was deleted.", "  → Make a new one."]
    assert "\x1b" not in "".join(lines)


def test_a_key_without_an_end_never_expires(capsys: Out) -> None:
    with monitor(report("good", VALID)) as url:
        assert run(["status", "--url", url]) == 0
    assert " never " in capsys.readouterr().out


def test_what_a_rotation_waits_for_is_told_below_the_table(capsys: Out) -> None:
    waits = replace(
        ROTATION,
        state=State.GRACE,
        old_consumers=("deployment/portal (pod a)",),
        left_alone="k1",
        left_alone_command="argocd account delete-token --account ci k1",
        waiting_for="these still run with the old key",
    )
    down = replace(ROTATION, stood_down="Argo CD put back what we had replaced, twice")
    with monitor(report("a", VALID, waits), report("b", VALID, down)) as url:
        assert run(["status", "--url", url]) == 0
    out = capsys.readouterr().out
    assert "grace, 3 h ago       1 with the old key" in out
    assert "a: still with the old key: deployment/portal (pod a)" in out
    assert "delete it: argocd account delete-token --account ci k1" in out
    assert "stood down, 3 h ago" in out
    assert "b: rotation: Argo CD put back what we had replaced, twice." in out


def test_json_is_what_the_monitor_says_with_absolute_times(capsys: Out) -> None:
    with monitor(GOOD) as url:
        assert run(["status", "--url", url, "--output", "json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["target"], told["status"], told["since"]) == ("good", "valid", "2026-11-16T11:06:40Z")
    assert told["rotation"]["state"] == "idle"


def test_only_the_named_targets_count(capsys: Out) -> None:
    with monitor(GOOD, report("bad", REVOKED)) as url:
        assert run(["status", "--url", url, "--target", "good"]) == 0
        assert "bad" not in capsys.readouterr().out
        assert run(["status", "--url", url, "--target", "ugly"]) == 3
        assert "no target ugly" in capsys.readouterr().err


def test_a_verdict_that_is_old_is_no_good_news(capsys: Out) -> None:
    with monitor(report("a", replace(VALID, checked_at=NOW - HOUR))) as url:
        assert run(["status", "--url", url]) == 3
    out = capsys.readouterr().out
    assert "valid (stale)" in out
    assert "a: not checked since 2026-11-18T10:06:40Z. Look at the monitor's log." in out


def test_a_monitor_without_targets_says_that_nothing_is_checked(capsys: Out) -> None:
    with monitor() as url:
        assert run(["status", "--url", url]) == 3
        assert "no targets, so nothing is being checked: add one" in capsys.readouterr().out
        assert run(["status", "--url", url, "--output", "json"]) == 3
    assert capsys.readouterr().out.endswith("[]\n")


def test_what_discovery_cannot_use_is_told_below_the_table(capsys: Out) -> None:
    broken = [Trouble(Origin("file", "", f"/t/{at}.yaml"), f"is junk \x1b[31m{at}; mend it") for at in range(250)]
    troubles = [
        *broken[:1],
        Trouble(Origin("file", "", "/t/good.yaml"), "is junk; mend it", "good", kept=True),
        *broken[1:],
    ]
    with monitor(GOOD, troubles=troubles) as url:
        assert run(["status", "--url", url]) == 0
        out = capsys.readouterr().out
        assert run(["status", "--url", url, "--target", "good"]) == 0
    assert "file /t/0.yaml cannot be used: is junk \\x1b[31m0; mend it." in out
    assert "file /t/good.yaml cannot be used: is junk; mend it. Its former version goes on." in out
    assert "51 more cannot be used: see the monitor's log." in out
    assert "cannot be used" not in capsys.readouterr().out, "who asks for one target is told of that one"


def test_replicas_that_did_not_tell_are_named_below_the_table(capsys: Out) -> None:
    silent = Replica(1, "monitor-b\x1b[31m", "http://10.0.0.2:8080", 0, "no answer within 1 s")
    whole = Whole(Replica(0, "monitor-a", "http://10.0.0.1:8080", 1), (silent,), Part(0, (0, 1)))
    with monitor(GOOD, whole=whole) as url:
        assert run(["status", "--url", url]) == 0
    out = capsys.readouterr().out
    assert "Monitor replica monitor-b\\x1b[31m (http://10.0.0.2:8080) does not answer: no answer within 1 s." in out


def test_https_is_trusted_by_its_ca_or_on_purpose_not_at_all(tmp_path: Path, capsys: Out) -> None:
    ca = authority(tmp_path)
    with monitor(GOOD, pair=str(ca.pair("127.0.0.1"))) as url:
        assert run(["status", "--url", url]) == 3
        assert "--ca-file" in capsys.readouterr().err
        assert run(["status", "--url", url, "--ca-file", str(ca.file)]) == 0
        assert run(["status", "--url", url, "--insecure"]) == 0


def test_names_from_outside_cannot_draw_on_the_terminal(capsys: Out) -> None:
    spoiled = replace(REVOKED, cause="\x1b[2Jgone\nfake: valid", token_id="\x9b1m")
    with monitor(report("a", spoiled)) as url:
        assert run(["status", "--url", url]) == 2
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x9b" not in out
    assert not any(line.startswith("fake") for line in out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--url", "ftp://x"], "write it like https://"),
        (["--url", "x"], "write it like https://"),
        (["--url", "http://127.0.0.1:1"], "--config FILE"),
        (["--url", "http://127.0.0.1:1", "--insecure"], "go with https://"),
        (["--url", "https://127.0.0.1:1", "--ca-file", "/does/not/exist"], "cannot be used"),
        (["--config", "x.yaml", "--url", "http://127.0.0.1:1"], "leave out --url"),
        (["--config", "/does/not/exist.yaml"], "cannot be read"),
    ],
)
def test_what_cannot_be_asked_exits_3_and_says_what_to_do(arguments: list[str], words: str, capsys: Out) -> None:
    assert run(["status", *arguments]) == 3
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"targets": 3}', b'{"targets": [3]}', b'{"targets": [{"status": "fine"}]}', b"[" * 20_000],
)
def test_what_is_no_monitor_is_told_as_such(body: bytes, capsys: Out) -> None:
    with on_a_thread(lambda: serving(always(answer(body)))) as server:
        assert run(["status", "--url", server.url]) == 3
    assert "is not that of a token-monitor" in capsys.readouterr().err


# --- looked at now -----------------------------------------------------------------------------------------------------

Write = Callable[..., Path]


@pytest.fixture
def write(argocd: Argo, tmp_path: Path) -> Write:
    """Writes a configuration with a token in a file for each (name, key), and more keys for all targets."""

    def written(keys: dict[str, str], auth: str = "type: token", more: str = "") -> Path:
        targets = ""
        for name, key in keys.items():
            (tmp_path / name).write_text(argocd.state.mint_key("ci", key))
            file = tmp_path / name
            targets += f"  - {{name: {name}, url: '{argocd.url}', auth: {{{auth}, tokenFile: '{file}'}}{more}}}\n"
        config = tmp_path / "monitor.yaml"
        config.write_text(f"targets:\n{targets}")
        return config

    return written


def test_without_a_monitor_the_targets_are_looked_at_now(argocd: Argo, write: Write, capsys: Out) -> None:
    config = write({"good": "k1", "bad": "k2"})
    argocd.state.revoke_key("ci", "k2")
    assert run(["status", "--config", str(config), "--output", "json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert [(one["target"], one["status"], one["since"]) for one in told] == [
        ("good", "valid", None),
        ("bad", "revoked", None),
    ]
    assert run(["status", "--config", str(config), "--target", "good"]) == 0
    assert run(["status", "--config", str(config), "--target", "ugly"]) == 3


def test_the_journal_is_read_and_nothing_is_changed(write: Write, capsys: Out, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("simulated")
    config = write({"a": "k1"}, auth=f"type: password, username: ci, passwordFile: '{password}'")
    journal = tmp_path / "token-monitor-journal-a"
    journal.write_text(dump(Journal(State.GRACE, key_id="tm-9", rotations=4, rotated_at=1.0, epoch=7)))
    journal.chmod(0o600)
    before = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in tmp_path.iterdir()}
    assert run(["status", "--config", str(config), "--output", "json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["rotation"]["state"], told["rotation"]["key_id"], told["rotation"]["rotations"]) == (
        "grace",
        "tm-9",
        4,
    )
    after = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in tmp_path.iterdir()}
    assert {name: after[name] for name in before} == before
