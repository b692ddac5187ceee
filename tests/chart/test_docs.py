"""What the installation guides tell people to type is what the program, helm and kubectl take; their files are valid."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
import yaml
from monitor.cli.main import cli
from monitor.config.load import settings_of
from monitor.config.warnings import warnings_of

from tests.chart.objects import configuration
from tests.chart.tools import CHART, HELMS, ROOT, render, run

GUIDES = [
    *sorted((ROOT / "docs").glob("install-*.md")),
    ROOT / "docs" / "upgrade-uninstall.md",
    ROOT / "docs" / "image.md",
    CHART / "README.md",
]
NOTES = CHART / "templates" / "NOTES.txt"
RUNTIMES = Path(__file__).parent / "runtimes"


@dataclass(frozen=True)
class Block:
    """A fenced block of a guide."""

    path: Path
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.path.name}: {self.text.splitlines()[0][:60]}"


def blocks() -> Iterator[Block]:
    """Every fenced block, without the indent of the list that it stands in."""
    for path in GUIDES:
        for found in re.finditer(r"(?ms)^( *)```(\w+)\n(.*?)^\1```", path.read_text("utf-8")):
            indent, language, text = found.groups()
            yield Block(path, language, re.sub(rf"(?m)^{indent}", "", text))


def commands() -> list[tuple[str, list[str]]]:
    """Every command of the guides and of the chart's notes as words, with the place where it stands."""
    lines = [
        (block.path.name, line) for block in blocks() if block.language == "sh" for line in block.text.splitlines()
    ]
    notes = re.sub(r"\{\{.*?\}\}", "x", NOTES.read_text("utf-8"))
    lines += [
        (NOTES.name, line)
        for line in notes.splitlines()
        if line.startswith("  ") and line.split()[0] in ("kubectl", "helm")
    ]
    found: list[tuple[str, list[str]]] = []
    for place, line in lines:
        found += [(place, words) for words in _parts(line)]
    assert len(found) > 80
    return found


def _parts(line: str) -> Iterator[list[str]]:
    """The commands of a pipeline; of `kubectl exec ... -- COMMAND` both."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&")
    lexer.whitespace_split = True
    words, part = list(lexer), []
    for word in [*words, "|"]:
        if word not in ("|", ";", "&&"):
            part.append(word)
            continue
        if part:
            yield from _inner(part)
        part = []


def _inner(words: list[str]) -> Iterator[list[str]]:
    if "--" in words:
        index = words.index("--")
        yield words[:index]
        words = words[index + 1 :]
    if words[:2] == ["sudo", "-u"]:
        words = words[3:]
    yield words[: words.index(">")] if ">" in words else words


def of(program: str) -> list[object]:
    """The commands of one program, as parameters."""
    found = [(place, words) for place, words in commands() if Path(words[0]).name == program]
    return [pytest.param(place, words, id=f"{place}: {' '.join(words)[:60]}") for place, words in found]


@pytest.mark.parametrize(("place", "words"), of("token-monitor"))
def test_every_command_line_of_the_program_is_one_that_it_has(place: str, words: list[str]) -> None:
    command: click.Command = cli
    context = click.Context(cli, info_name="token-monitor")
    arguments = words[1:]
    while isinstance(command, click.Group):
        name, *arguments = arguments
        found = command.get_command(context, name)
        assert found is not None, name
        command = found
    # In the pod, and in the unit's environment, the configuration is known.
    inside = (
        ["--config", "x"]
        if any(p.name == "config_file" and p.required and isinstance(p, click.Option) for p in command.params)
        else []
    )
    command.make_context(command.name, arguments if "--config" in arguments else [*arguments, *inside])


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize(("place", "words"), of("helm"))
def test_every_option_of_helm_is_one_that_it_has(place: str, words: list[str], helm: str) -> None:
    sub = words[1:3] if words[1] == "get" else words[1:2]
    shown = run(helm, *sub, "--help").stdout
    for word in words:
        if word.startswith("-"):
            assert re.search(rf"(?m)^ +(-\w, )?{re.escape(word)}\b|^ +{re.escape(word)}, --", shown), word


@pytest.mark.parametrize(
    ("place", "words"), [row for row in of("helm") if row.values[1][1] in ("install", "upgrade", "template")]
)
def test_what_helm_sets_is_taken_by_the_chart(place: str, words: list[str]) -> None:
    settings = [words[index + 1] for index, word in enumerate(words) if word == "--set"]
    namespace = words[words.index("-n") + 1] if "-n" in words else "codefresh"
    arguments = [part for setting in settings for part in ("--set", setting)]
    done = run(
        "helm4", "template", "token-monitor", CHART, "-n", namespace, "-f", RUNTIMES / "password.yaml", *arguments
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("place", "words"), [row for row in of("helm") if row.values[1][1] == "upgrade"])
def test_an_upgrade_loses_neither_the_values_of_the_release_nor_the_defaults_of_a_newer_chart(
    place: str, words: list[str]
) -> None:
    assert "--reuse-values" not in words, "it takes the defaults of the chart that was installed"
    assert {"-f", "--reset-then-reuse-values"} & set(words), "it would go back to the defaults"


@pytest.mark.parametrize(("place", "words"), of("kubectl"))
def test_every_option_of_kubectl_is_one_that_it_has(place: str, words: list[str]) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    verbs = [word for word in words[1:] if not word.startswith("-")]
    sub = verbs[:3] if verbs[:2] == ["create", "secret"] else verbs[: 2 if verbs[0] in ("create", "rollout") else 1]
    shown = _help(kubectl, *sub)
    for word in (word.partition("=")[0] for word in words):
        if word.startswith("--"):
            assert f"{word}=" in shown, word
        elif word.startswith("-"):
            assert re.search(rf"(?m)^ +{word}, --", shown) or word == "-n", word


def _help(kubectl: str, *words: str) -> str:
    done = subprocess.run([kubectl, *words, "--help"], capture_output=True, text=True, timeout=30, check=True)
    options = subprocess.run([kubectl, "options"], capture_output=True, text=True, timeout=30, check=True)
    return done.stdout + options.stdout


@pytest.mark.parametrize("block", [block for block in blocks() if block.text.startswith("# values.yaml")], ids=str)
def test_the_values_of_a_guide_make_a_configuration_that_the_monitor_takes(block: Block) -> None:
    values = yaml.safe_load(block.text)
    files = [] if "targets" in values else [RUNTIMES / f"{_runtime(values)}.yaml"]
    settings = settings_of(configuration(render(values, *files)))
    assert settings.targets
    # A guide recommends nothing that is warned of, but what it says itself; the runtime's address is not its doing.
    said = {"consumers.restartConsumers", "auth.tokenSecretKeyRef"} | ({"server"} if files else set())
    warned = {notice.path.partition(".")[2].partition(" ")[0] for notice in warnings_of(settings)}
    assert warned <= said


def _runtime(values: dict[str, object]) -> str:
    """The runtime that these values are for."""
    target = values.get("codefresh", {}).get("target", {})  # type: ignore[attr-defined]
    if "tls" in target:
        return "bundled"
    return "external" if target.get("renew") else "password"


@pytest.mark.parametrize("block", [block for block in blocks() if block.text.startswith("# monitor.yaml")], ids=str)
def test_the_configuration_of_a_guide_is_taken(block: Block) -> None:
    settings = settings_of(yaml.safe_load(block.text))
    assert warnings_of(settings) == ()


def unit() -> str:
    (found,) = (block.text for block in blocks() if block.language == "ini" and "[Unit]" in block.text)
    return found


def test_the_unit_starts_the_program_and_reads_the_paths_that_the_guide_makes() -> None:
    started = re.findall(r"(?m)^ExecStart=(.*)$", unit())
    assert started == ["/opt/token-monitor/bin/token-monitor run --config /etc/token-monitor/token-monitor.yaml"]
    guide = (ROOT / "docs" / "install-systemd.md").read_text("utf-8")
    assert "python3 -m venv /opt/token-monitor" in guide
    assert "/run/credentials/token-monitor.service/password" in guide
    assert "LoadCredential=password:/etc/token-monitor/password" in guide
    assert int(re.findall(r"(?m)^TimeoutStopSec=(\d+)$", unit())[0]) > 3


def test_in_password_mode_the_unit_may_keep_the_group_of_the_token_s_file() -> None:
    """`@privileged` holds `@chown`; a token that loses its group is one that its consumers cannot read."""
    assert "SystemCallFilter=~@privileged" in unit()
    (more,) = (block.text for block in blocks() if block.language == "ini" and "[Unit]" not in block.text)
    assert "SystemCallFilter=@chown" in more.splitlines()
    assert "ReadWritePaths=/var/lib/argocd-token" in more.splitlines()


def test_systemd_takes_the_unit_and_finds_little_that_is_exposed(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd is not installed")
    program = tmp_path / "token-monitor"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = tmp_path / "token-monitor.service"
    path.write_text(unit().replace("/opt/token-monitor/bin/token-monitor", str(program)))
    done = subprocess.run([analyze, "verify", path], capture_output=True, text=True, timeout=60, check=False)
    # What it says of other units of this machine is not about ours.
    assert [line for line in done.stderr.splitlines() if "token-monitor" in line and "User" not in line] == []
    # 0 is nothing, 10 everything; under 2 is "OK".
    done = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=20", path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_links_between_the_guides_lead_somewhere() -> None:
    for path in GUIDES:
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text("utf-8")):
            assert target.startswith("https://") or (path.parent / target).exists(), f"{path.name}: {target}"


def test_paths_of_the_repository_that_guides_name_are_there() -> None:
    for path in GUIDES:
        for named in re.findall(r"`((?:docs|charts|requirements|\.github)/[\w./-]+)`", path.read_text("utf-8")):
            assert (ROOT / named).exists(), f"{path.name}: {named}"


def notes(values: dict[str, object], *files: Path, home: Path) -> str:
    """What helm prints after the installation."""
    given = [argument for file in files for argument in ("-f", file)]
    arguments = ["install", "tm", CHART, "-n", "tools", "--dry-run=client", *given, "-f", "-"]
    done = run("helm4", *arguments, given=yaml.safe_dump(values), home=home)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("NOTES:")[2]


def test_the_notes_say_how_app_proxy_is_restarted_for_a_target_of_the_runtime_and_for_one_s_own(tmp_path: Path) -> None:
    lead = "--set codefresh.target.consumers.restartConsumers=true"
    assert lead in notes({}, RUNTIMES / "password.yaml", home=tmp_path)
    own = {
        "name": "a",
        "server": {"svc": "s"},
        "auth": {"type": "password"},
        "consumers": {"preset": "codefresh"},
    }
    found = notes({"targets": [own]}, home=tmp_path)
    assert lead not in found, "the chart refuses it: there is no target that follows from a runtime's values"
    assert "consumers.restartConsumers: true" in found


def test_the_notes_say_what_is_to_be_done_with_the_very_names(tmp_path: Path) -> None:
    values = {"targets": [{"name": "a", "server": {"svc": "s"}, "auth": {"type": "password"}, "namespace": "runtime"}]}
    found = notes(values, home=tmp_path)
    for line in (
        "kubectl exec deployment/tm-token-monitor -n tools -- token-monitor doctor",
        "helm test tm -n tools --logs",
        "kubectl port-forward service/tm-token-monitor -n tools 8080:8080",
        "kubectl get secret argocd-initial-admin-secret -n runtime",
        "kubectl create secret generic argocd-token -n runtime",
        "a: password mode, s; its key is replaced when that is needed",
    ):
        assert line in found, found
    assert "<no value>" not in found
    assert "%!" not in found
