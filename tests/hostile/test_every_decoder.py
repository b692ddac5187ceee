"""Every place that takes apart a text from outside is fuzzed: who adds one is told so here, and names its test.

A decoder is a call that makes values out of a text in somebody else's format. The simulator and the demo are left out:
they are read by nobody but us.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import monitor

ROOT = Path(monitor.__file__).parent
TESTS = Path(__file__).parents[1]
DECODERS = frozenset(
    {"loads", "b64decode", "urlsafe_b64decode", "fromisoformat", "parsedate_to_datetime", "strptime", "urlsplit", "urlparse", "cert_time_to_seconds", "parse_qs", "unquote", "literal_eval", "safe_load", "fromstring"}
)  # fmt: skip
OWN = ("simulator", "demo")

# Module -> the tests that feed it.
FUZZED = {
    "adapters/alertmanager.py": ("hostile/test_any_text.py::test_answers_of_an_alertmanager", "hostile/test_any_bytes.py::test_answers_of_an_alertmanager_and_of_an_uptime_service"),
    "adapters/argocd/client.py": ("hostile/test_any_text.py::test_times_to_wait", "hostile/test_any_bytes.py::test_answers_of_argocd"),
    "adapters/argocd/inspection.py": ("hostile/test_any_text.py::test_versions", "hostile/test_any_text.py::test_certificates"),
    "adapters/kubernetes/connection.py": ("hostile/test_any_kubernetes.py::test_lines_of_a_watch", "hostile/test_any_bytes.py::test_answers_of_a_kubernetes_api"),
    "adapters/kubernetes/pods.py": ("hostile/test_any_kubernetes.py::test_consumers_and_their_pods",),
    "adapters/kubernetes/secret_data.py": ("hostile/test_any_kubernetes.py::test_the_stores_of_token_and_journal", "hostile/test_any_kubernetes.py::test_watches"),
    "adapters/kubernetes/secret_object.py": ("hostile/test_any_kubernetes.py::test_the_stores_of_token_and_journal",),
    "adapters/kubernetes/target_objects.py": ("hostile/test_any_kubernetes.py::test_watches", "hostile/test_any_text.py::test_targets_that_are_found"),
    "cli/status.py": ("hostile/test_any_text.py::test_what_another_monitor_says_of_itself",),
    "config/address.py": ("config/test_address.py::test_any_text_is_an_address_in_one_form_or_refused",),
    "config/yamltext.py": ("hostile/test_any_text.py::test_configurations_as_text", "hostile/test_any_text.py::test_values_of_codefresh"),
    "services/cluster_facts.py": ("hostile/test_any_kubernetes.py::test_facts_for_doctor",),
    "core/answers.py": ("hostile/test_any_text.py::test_answers_and_causes",),
    "core/claims.py": ("hostile/test_any_text.py::test_claims",),
    "core/exchange.py": ("hostile/test_any_text.py::test_what_other_replicas_say_of_their_targets",),
    "core/credential.py": ("core/test_credential.py::test_any_text_is_in_some_disguise_or_in_none",),
    "core/journal.py": ("hostile/test_any_text.py::test_journals",),
}  # fmt: skip


def decodes(file: Path) -> bool:
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
        whole = ast.unparse(called)
        if name in DECODERS or whole in ("yaml.parse", "jwt.decode"):
            return True
    return False


def modules() -> Iterator[str]:
    for file in sorted(ROOT.rglob("*.py")):
        path = file.relative_to(ROOT).as_posix()
        if not path.startswith(OWN) and decodes(file):
            yield path


def test_every_module_that_takes_apart_a_text_from_outside_is_fed_with_bent_ones() -> None:
    assert set(modules()) == set(FUZZED)


def given_in(file: Path) -> set[str]:
    """The names of the tests of a file that hypothesis feeds."""
    return {
        node.name
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(ast.unparse(decorator).startswith("given(") for decorator in node.decorator_list)
    }


def test_the_tests_that_are_named_are_there_and_use_hypothesis() -> None:
    for test in {test for tests in FUZZED.values() for test in tests}:
        file, _, name = test.partition("::")
        assert name in given_in(TESTS / file), test
