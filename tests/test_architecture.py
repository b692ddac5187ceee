"""What the pages about the inside say is so: their pictures are the code's, and every name in them exists."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from monitor.config.load import settings_of
from monitor.config.permissions import RESOURCES, needed_permissions
from monitor.core.rotation.situation import Situation
from scripts.architecture import IMAGES, PICTURES, WORDS, transitions

from tests.core.test_any_rotation import situations

ROOT = Path(__file__).parent.parent
ARCHITECTURE = ROOT / "docs" / "architecture.md"
THREATS = ROOT / "docs" / "threat-model.md"
EXPLAINED = [ARCHITECTURE, THREATS, ROOT / "SECURITY.md"]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
PAGES = [*EXPLAINED, *DECISIONS]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_up_to_date(name: str) -> None:
    assert (IMAGES / name).read_text("utf-8") == PICTURES[name](), "run `make docs`"


@settings(max_examples=250, deadline=None)
@given(situations())
def test_no_situation_leads_along_an_arrow_that_the_picture_lacks(s: Situation) -> None:
    assert transitions(iter([s]))[0] <= set(WORDS)


def test_every_port_is_named() -> None:
    text = ARCHITECTURE.read_text("utf-8")
    found = re.findall(r"^class (\w+)\(Protocol\):", (ROOT / "monitor" / "ports.py").read_text("utf-8"), re.MULTILINE)
    assert found
    assert [port for port in found if f"`{port}`" not in text] == []


# --- names -------------------------------------------------------------------------------------------------------------


@functools.cache
def defined() -> dict[str, set[str]]:
    """Every class, function, method, field and constant of the program and of the tests, with what it has inside."""
    found: dict[str, set[str]] = {}
    for path in [*(ROOT / "monitor").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        tree = ast.parse(path.read_text("utf-8"))
        found.setdefault(path.stem, set()).update(_names(tree.body))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, set()).update(_names(node.body))
    return found


def _names(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case _:
                pass


def exists(name: str) -> bool:
    """Whether a name in backticks that looks like one of the code is one: a path, `Class.method`, `module.function`, `NAME`."""
    if "/" in name:
        bases = (ROOT, ROOT / "monitor", ROOT / "docs")
        return any((base / name).exists() or (base / f"{name}.py").exists() for base in bases)
    owner, dot, inner = name.partition(".")
    everywhere = set().union(*defined().values())
    if dot:
        return inner in defined().get(owner, ()) or (ROOT / name).exists()
    return name in everywhere or name in defined() or (ROOT / name).exists()


def is_place(text: str) -> bool:
    """Paths of ours, and names of tests."""
    path = re.fullmatch(r"(?:monitor|tests|scripts|docs|core|charts|requirements|simulation)/[\w./-]+", text)
    return path is not None or re.fullmatch(r"test_\w+", text) is not None


def looks_like_code(text: str) -> bool:
    """Places, and names that only code has. What people type, and keys of YAML, are for other tests."""
    return is_place(text) or bool(
        re.fullmatch(r"[A-Z][a-z]\w*(?:\.\w+)?|[A-Z][A-Z_]{3,}|[a-z_]+\.[a-z_]+|[a-z]+_[a-z_]+", text)
    )


# Words of Kubernetes, of metrics and of Helm in the same shape.
OTHERS = re.compile(
    r"TokenMonitor\w+|(?:events|leases|deployments|statefulsets|daemonsets)\.\S*|wrong_account|deny|"
    r"rbac\.\w+|networkPolicy\.\w+|discovery\.\w+|kubernetes\.\w+|auth\.\w+|tls\.\w+|server\.\w+|policy\.\w+|ingress\.\w+|"
    r"outside\.to|rotation\.grace"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_of_the_code_exists(page: Path) -> None:
    # A decision speaks of other people's code as well: of its names only paths and tests are ours for sure.
    ours = looks_like_code if page in EXPLAINED else is_place
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text("utf-8"))
    named = [name.strip() for name in re.findall(r"`([^`\n]+)`", text)]
    missing = sorted({one for one in named if ours(one) and not OTHERS.fullmatch(one) and not exists(one)})
    assert not missing, f"{page.name} names what is not there"


def test_the_search_for_names_finds_what_is_wrong() -> None:
    assert looks_like_code("Fleet.dispatch")
    assert exists("Fleet.dispatch")
    assert exists("core/rotation/machine")
    for wrong in (
        "Fleet.despatch",
        "core/rotation/engine",
        "monitor/core/engine.py",
        "next_questions",
        "test_nothing_of_it",
    ):
        assert looks_like_code(wrong)
        assert not exists(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
        path, _, place = target.partition("#")
        there = (page.parent / path) if path else page
        assert target.startswith("https://") or there.exists(), target
        if place:
            headings = re.findall(r"(?m)^#+ (.+)$", there.read_text("utf-8"))
            assert place in {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}, target


def test_every_decision_is_in_the_list_and_has_a_number_of_its_own() -> None:
    listed = re.findall(r"decisions/([\w-]+\.md)", ARCHITECTURE.read_text("utf-8"))
    assert [path.name for path in DECISIONS] == listed, "docs/architecture.md, Decisions, and why"
    assert len({path.name[:4] for path in DECISIONS}) == len(DECISIONS), "take the next number that is free"
    for path in DECISIONS:
        assert path.read_text("utf-8").startswith(f"# {int(path.name[:4])}. ")


# --- permissions -------------------------------------------------------------------------------------------------------


def everything() -> Iterator[dict[str, Any]]:
    """Configurations that together need every permission there is."""
    secret = {"name": "argocd-token", "key": "token"}
    workloads = [{"kind": kind, "name": "portal"} for kind in RESOURCES] + [{"selector": "app=portal"}]
    password = {
        "name": "a",
        "server": {"svc": "argocd-server.argocd"},
        "auth": {"type": "password", "tokenSecretKeyRef": secret},
        "consumers": {"preset": "codefresh", "restartConsumers": True, "workloads": workloads},
        "watchArgoCD": {"namespace": "argocd"},
        "everyReplica": True,
    }
    kinds = ["ConfigMap", "Secret"]
    yield {
        "targets": [password],
        "discovery": {"kubernetes": {"namespaces": ["team"], "kinds": kinds, "servers": ["argocd.example.com"]}},
    }


def test_the_table_of_permissions_has_exactly_those_that_the_program_needs() -> None:
    needed = {
        (", ".join(one.verbs), "deployments.apps" if one.group == "apps" else one.full_resource)
        for given_ in everything()
        for one in needed_permissions(settings_of(given_))
    }
    table = THREATS.read_text("utf-8").partition("| verbs | on |")[2].partition("\n\n")[0]
    told = {(row[0], row[1]) for row in re.findall(r"(?m)^\| `([^`]+)` \| `([^`]+)`", table)}
    assert told == needed, "docs/threat-model.md, What each permission is for"


def test_the_objects_of_the_threat_model_are_well_formed() -> None:
    blocks = re.findall(r"(?ms)^```yaml\n(.*?)^```", THREATS.read_text("utf-8"))
    objects = [found for block in blocks for found in yaml.safe_load_all(block)]
    kinds = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ConfigMap", "ConfigMap"]
    assert [found["kind"] for found in objects] == kinds
    policy, binding, accounts, _ = objects
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    named = set(policy["spec"]["matchConstraints"]["resourceRules"][0]["resources"])
    assert named == set(RESOURCES.values()), "every kind that may be restarted"
    assert list(accounts["data"]) == ["accounts.portal"]


def test_every_call_of_the_threat_model_is_one_that_the_adapters_make() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "monitor/adapters/argocd").glob("*.py"))
    calls = re.findall(r"`(GET|POST|DELETE) (/[\w/-]+?)(?:/NAME[^`]*|/\.\.\.)?`", THREATS.read_text("utf-8"))
    assert len(calls) > 5
    for method, path in calls:
        assert path in source, (method, path)
