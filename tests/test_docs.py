"""Documents that are made from code are what the code says."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
from monitor.cli.main import COMMANDS
from monitor.core.status import Kind, Status
from scripts.docs import DOCS, DOCUMENTS

ROOT = Path(__file__).parent.parent
OPTION = re.compile(r"(?<=\s)--[a-z][a-z-]*")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_made_document_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text() == DOCUMENTS[name](), "run `make docs`"


def test_the_readme_names_every_status_in_its_class() -> None:
    rows = {
        int(code): line
        for line in (ROOT / "README.md").read_text().splitlines()
        if line.startswith("| ") and (code := line.split("|")[2].strip()).isdigit()
    }
    for kind in Kind:
        named = set(re.findall(r"`(\w+)`", rows[kind.value]))
        assert named == {status.value for status in Status if status.kind is kind}


def test_every_make_target_that_is_named_is_there() -> None:
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    folders = ("bench", "charts", "dashboards", "docs", "monitor", "scripts", "tests")
    files = [*ROOT.glob("*.md"), *(file for folder in folders for file in (ROOT / folder).rglob("*") if file.is_file())]
    texts = [file for file in files if file.suffix in {".md", ".py", ".yaml", ".tpl", ".txt", ".html"}]
    named = {
        name: file
        for file in texts
        for name in re.findall(r"(?:`|^)make ([a-z-]+)", file.read_text(errors="replace"), re.MULTILINE)
    }
    assert len(named) > 5
    assert {name: file for name, file in named.items() if name not in there} == {}


def test_every_command_and_option_that_is_named_is_there() -> None:
    """In documents, in texts of the program and in the chart: `token-monitor doctor --rbac`."""
    options = {name: _options(name) for name in COMMANDS}
    folders = ("charts", "docs", "monitor", "scripts")
    files = [*ROOT.glob("*.md"), *(file for folder in folders for file in (ROOT / folder).rglob("*"))]
    missing = []
    for file in files:
        if file.suffix not in {".md", ".py", ".yaml", ".tpl", ".txt", ".html"}:
            continue
        for name, rest in re.findall(r"token-monitor ([a-z]+)((?: [^\n`#|;&()]*)?)", file.read_text(errors="replace")):
            if name in options:
                missing += [
                    f"{file.name}: {name} {one}" for one in re.findall(OPTION, rest) if one not in options[name]
                ]
    assert missing == []
    assert "--rbac" in options["doctor"]
    assert "--without-files" in options["config"]


def _options(name: str) -> set[str]:
    """Those of a command and of the ones below it."""
    command = import_module(COMMANDS[name]).command
    commands = [command, *getattr(command, "commands", {}).values()]
    return {"--help", *(option for one in commands for parameter in one.params for option in parameter.opts)}
