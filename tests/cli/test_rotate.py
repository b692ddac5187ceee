"""`token-monitor rotate`: the plan, the rotation itself on files and in Kubernetes, and what it says when it stops."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from monitor.cli.main import run
from monitor.config.settings import RotationSettings, TargetSettings
from monitor.core.journal import Journal, State, dump, load
from monitor.core.policy import Policy
from monitor.daemon import rotating
from monitor.services.rotator import Rotator
from monitor.simulator.faults import Fault
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.state import ArgoCDState

from tests.cli.conftest import NAMESPACE, Argo, Cluster

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new key reaches every replica of this Argo CD at once."""
    policy_of: Callable[..., Policy] = rotating.policy_of

    def hasty(settings: TargetSettings, rotation: RotationSettings, *rest: Any) -> Policy:
        return replace(policy_of(settings, rotation, *rest), settle=0.0)

    monkeypatch.setattr(rotating, "policy_of", hasty)


@dataclass
class Place:
    """A target `a` whose token is in a file, in password mode."""

    argocd: Argo
    folder: Path

    @property
    def token(self) -> Path:
        return self.folder / "token"

    @property
    def journal(self) -> Path:
        return self.folder / "token-monitor-journal-a"

    @property
    def config(self) -> Path:
        return self.folder / "monitor.yaml"

    def key_ids(self) -> set[str]:
        return {key.id for key in self.argocd.state.settings.accounts["ci"].keys}

    def write(self, auth: str, more: str = "") -> Path:
        target = f"name: a, url: '{self.argocd.url}', auth: {{tokenFile: '{self.token}', {auth}}}{more}"
        self.config.write_text(f"targets: [{{{target}}}]")
        return self.config

    def in_state(self, journal: Journal) -> None:
        self.journal.write_text(dump(journal))
        self.journal.chmod(0o600)


@pytest.fixture
def place(argocd: Argo, tmp_path: Path) -> Place:
    found = Place(argocd, tmp_path)
    (tmp_path / "password").write_text("simulated")
    found.write(f"type: password, username: ci, passwordFile: '{tmp_path / 'password'}'")
    return found


def rotate(place: Place, *arguments: str) -> int:
    return run(["rotate", "a", "--config", str(place.config), *arguments])


def test_a_dry_run_shows_each_step_and_changes_nothing(place: Place, capsys: Out) -> None:
    place.token.write_text(place.argocd.state.mint_key("ci", "k1"))
    before = {file.name: file.read_bytes() for file in place.folder.iterdir()}
    assert rotate(place, "--dry-run") == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0] == "The plan, if all goes well:"
    assert lines[1].split()[0] == "+0s"
    assert "intent" in lines[1]
    assert "make a key of account " in lines[1]
    assert "by the live key" in lines[1]
    assert any(line.split()[:1] == ["+10m"] for line in lines), "the old key lives on for ten minutes"
    assert out.endswith("Nothing was changed: --dry-run.\n")
    after = {file.name: file.read_bytes() for file in place.folder.iterdir()}
    assert {name: after[name] for name in before} == before
    assert place.key_ids() == {"k1"}


def test_a_dry_run_says_what_keeps_the_token_from_being_read(place: Place, capsys: Out) -> None:
    place.token.mkdir()
    assert rotate(place, "--dry-run") == 0
    out = capsys.readouterr().out
    assert f"nothing is changed: file {place.token} is not a regular file: give the path of a file" in out


def test_what_is_looked_at_again_and_again_is_in_the_plan_once(place: Place, capsys: Out) -> None:
    place.token.write_text(place.argocd.state.mint_key("ci", "k1"))
    auth = f"type: password, username: ci, passwordFile: '{place.folder / 'password'}'"
    place.write(auth, ", consumers: {workloads: [{name: portal}], restartConsumers: true}")
    assert rotate(place, "--dry-run", "--output", "json") == 0
    told = json.loads(capsys.readouterr().out)
    steps = [(step["state"], step["step"]) for step in told["plan"]]
    assert len(steps) == len(set(steps))
    assert "restart the consumers" in " ".join(step for _, step in steps)
    assert (told["outcome"], told["steps"]) == ("planned", [])


def test_the_first_key_is_made_by_a_login(place: Place, capsys: Out) -> None:
    assert rotate(place) == 0
    out = capsys.readouterr().out
    assert "by a login with the password" in out
    assert "is published and proven.\n" in out, "there was no key before it"
    (key,) = place.key_ids()
    assert key.startswith("tm-")
    assert load(place.journal.read_text()).current == key
    assert run(["status", "--config", str(place.config)]) == 0


def test_a_live_key_makes_its_successor_and_lives_on_for_the_grace_period(place: Place, capsys: Out) -> None:
    place.token.write_text(place.argocd.state.mint_key("ci", "k1"))
    assert rotate(place, "--output", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["target"], told["outcome"], told["exit_code"], told["dry_run"]) == ("a", "published", 0, False)
    states = [step["state"] for step in told["steps"]]
    assert states[-1] == "grace"
    assert told["plan"][0]["state"] == "intent"
    assert told["plan"][0]["at"].endswith("Z")
    assert "k1" in place.key_ids()
    assert len(place.key_ids()) == 2


def test_a_second_call_tells_that_the_rotation_is_under_way(place: Place, capsys: Out) -> None:
    place.token.write_text(place.argocd.state.mint_key("ci", "k1"))
    assert rotate(place) == 0
    keys, token = place.key_ids(), place.token.read_text()
    capsys.readouterr()
    assert rotate(place) == 0
    out = capsys.readouterr().out
    assert "A rotation is under way" in out
    assert f"file {place.journal}" in out
    assert (place.key_ids(), place.token.read_text()) == (keys, token)


def test_a_rotation_that_a_crash_left_behind_is_brought_to_its_end(place: Place) -> None:
    place.token.write_text(place.argocd.state.mint_key("ci", "k1"))
    left = Journal(State.INTENT, key_id="tm-lost", account="ci", owned=("tm-lost",), old_id="k1", old_account="ci")
    place.in_state(replace(left, began_at=time.time(), entered_at=time.time()))
    place.argocd.state.mint_key("ci", "tm-lost")
    assert rotate(place, "--wait", "1s") in (0, 3)
    assert "tm-lost" not in place.key_ids(), "its token is lost, so nobody can use it"


def test_a_refused_password_exits_2_and_names_the_journal(place: Place, capsys: Out) -> None:
    place.token.write_text(place.argocd.state.mint_key("ci", "k1"))
    place.argocd.state.revoke_key("ci", "k1")
    (place.folder / "password").write_text("wrong")
    assert rotate(place) == 2
    err = capsys.readouterr().err
    assert "The key was not replaced" in err
    assert "The token is revoked" in err
    assert f"file {place.journal}" in err
    assert "wrong" not in err.replace("wrong password", "")
    assert place.key_ids() == set()


def test_a_login_that_has_to_wait_is_not_waited_for(place: Place, capsys: Out) -> None:
    (place.folder / "password").write_text("wrong")
    assert rotate(place) == 2
    (place.folder / "password").write_text("simulated")
    capsys.readouterr()
    assert rotate(place, "--output", "json") == 2
    told = json.loads(capsys.readouterr().out)
    assert told["outcome"] == "failed"
    assert "login must wait" in told["message"]


def test_what_a_new_key_does_not_mend_is_not_tried(place: Place, capsys: Out) -> None:
    place.token.write_text(place.argocd.state.mint_key("ci", "k1"))
    place.argocd.state.disable_account("ci")
    assert rotate(place) == 2
    captured = capsys.readouterr()
    assert "account_disabled" in captured.out
    assert "The token is account_disabled" in captured.err
    assert place.key_ids() == {"k1"}


def test_an_argo_cd_that_is_away_exits_3_and_nothing_is_changed(place: Place, capsys: Out) -> None:
    place.token.write_text(place.argocd.state.mint_key("ci", "k1"))
    place.argocd.front.fault = Fault.UNAVAILABLE
    assert rotate(place, "--wait", "1s") == 3
    assert "The key was not replaced" in capsys.readouterr().err
    assert place.key_ids() == {"k1"}


def test_a_journal_that_cannot_be_read_stops_everything(place: Place, capsys: Out) -> None:
    place.token.write_text(place.argocd.state.mint_key("ci", "k1"))
    place.journal.write_text("{")
    place.journal.chmod(0o600)
    assert rotate(place) == 3
    told = capsys.readouterr()
    assert "damaged" in told.err
    assert told.out == "", "there is no plan"
    assert place.key_ids() == {"k1"}


def test_in_token_mode_a_key_renews_itself(place: Place) -> None:
    place.token.write_text(place.argocd.state.mint_key("ci", "k1", expires_in=7200))
    place.write("type: token, username: ci", ", renew: true")
    assert rotate(place) == 0
    assert len(place.key_ids()) == 2


def test_in_kubernetes_the_secret_gets_the_new_key_and_keeps_everything_else(
    argocd: Argo, cluster: Cluster, tmp_path: Path, capsys: Out
) -> None:
    token = argocd.state.mint_key("ci", "k1")
    kubectl.put_secret(cluster.state, NAMESPACE, "argocd-token", {"token": token, "other": "stays"}, labels={"a": "b"})
    kubectl.put_secret(cluster.state, NAMESPACE, "pw", {"password": "simulated"})
    auth = "{type: password, username: ci, passwordSecretKeyRef: {name: pw, key: password}}"
    config = tmp_path / "monitor.yaml"
    config.write_text(
        f"kubernetes: {{kubeconfig: '{cluster.kubeconfig}'}}\ntargets: [{{name: a, url: '{argocd.url}', auth: {auth}}}]"
    )
    assert run(["rotate", "a", "--config", str(config)]) == 0
    assert kubectl.value(cluster.state, NAMESPACE, "argocd-token", "token") not in (None, token)
    assert kubectl.value(cluster.state, NAMESPACE, "argocd-token", "other") == "stays"
    journal = kubectl.value(cluster.state, NAMESPACE, "token-monitor-journal-a", "journal")
    assert journal is not None
    assert load(journal).state in (State.GRACE, State.ADOPTED)
    out = capsys.readouterr().out
    assert token not in out
    assert "eyJ" not in out


@pytest.mark.parametrize(
    ("auth", "more", "words"),
    [
        ("type: token", "", "renew: true in token mode"),
        ("type: password", ", rotation: {enabled: false}", "no rotation.enabled: false"),
    ],
)
def test_what_is_not_rotated_says_what_it_takes(place: Place, auth: str, more: str, words: str, capsys: Out) -> None:
    place.write(auth, more)
    assert rotate(place) == 3
    assert words in capsys.readouterr().err


def test_an_unknown_target_is_told_with_those_that_there_are(place: Place, capsys: Out) -> None:
    assert run(["rotate", "b", "--config", str(place.config)]) == 3
    assert "has no target b; it has a." in capsys.readouterr().err
    assert run(["rotate", "a", "--config", str(place.config), "--wait", "soon"]) == 3


def test_nothing_is_asked_and_standard_output_has_the_json_alone(place: Place, capsys: Out) -> None:
    assert rotate(place, "--output", "json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["outcome"] == "published"
    assert captured.err == ""


def test_an_interrupted_rotation_says_where_it_stands(
    place: Place, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Rotator) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Rotator, "demand", interrupted)
    assert rotate(place) == 130
    err = capsys.readouterr().err
    assert err.startswith("interrupted. Where it stands is in the journal")
    assert f"file {place.journal}" in err


def test_help_says_what_the_commands_are_for(capsys: Out) -> None:
    for name in ("rotate", "status", "doctor"):
        assert run([name, "--help"]) == 0
        assert f"Usage: token-monitor {name}" in capsys.readouterr().out
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    names = [line.split()[0] for line in out.partition("Commands:")[2].splitlines() if line.startswith("  ")]
    assert names == ["run", "check", "rotate", "status", "doctor", "rules", "config", *names[7:]]


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (lambda state: state.mint_key("ci", "by-hand"), "The one before, by-hand, is not the monitor's and lives on"),
        (lambda state: state.open_session("ci"), "The token before is no API key: it lives until it ends."),
    ],
    ids=["a key of a person", "a session"],
)
def test_it_is_told_what_becomes_of_the_token_before(
    place: Place, capsys: Out, before: Callable[[ArgoCDState], str], words: str
) -> None:
    place.token.write_text(before(place.argocd.state))
    assert rotate(place) == 0
    assert words in capsys.readouterr().out
