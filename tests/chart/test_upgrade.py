"""Upgrades and uninstalls lose nothing that consumers or the rotation use.

Here by what the templates give before and after; `test_real` does it with a real API server.
"""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from monitor.config.load import settings_of

from tests.chart.objects import configuration, of_kind, one
from tests.chart.scenarios import EVERYTHING, SCENARIOS
from tests.chart.tools import HELMS, Object, render

Identity = tuple[str, str, str]
# What holds a state of its own in a cluster. All else is made anew from the values at any time.
KEEPING = {"Secret", "PersistentVolumeClaim"}
PAIRS = [
    pytest.param(before, after, id=f"{before} to {after}")
    for before, after in permutations(("token", "password", "renew", "clear", "namespaces", "runtime-password"), 2)
]


def identities(objects: list[Object]) -> dict[Identity, Object]:
    return {(item["kind"], item["metadata"]["namespace"], item["metadata"]["name"]): item for item in objects}


@pytest.mark.parametrize("file", SCENARIOS.values(), ids=SCENARIOS)
@pytest.mark.parametrize("helm", HELMS)
def test_a_journal_is_made_empty_and_kept_and_nothing_that_the_monitor_writes_is_in_a_manifest(
    file: Path, helm: str
) -> None:
    objects = render(None, file, helm=helm)
    journals = [item for item in of_kind(objects, "Secret") if "journal" in item["metadata"]["name"]]
    for journal in journals:
        assert journal["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        # A field that no manifest names is left alone by helm 3's three-way merge and by helm 4's server-side apply.
        assert set(journal) == {"apiVersion", "kind", "metadata", "type"}
    for lease in of_kind(objects, "Lease"):
        assert set(lease) == {"apiVersion", "kind", "metadata"}


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "existing"])
def test_there_is_a_journal_for_each_target_whose_key_is_replaced_under_the_name_that_the_monitor_uses(
    name: str,
) -> None:
    objects = render(None, SCENARIOS[name])
    settings = settings_of(
        configuration(objects, "argocd-tokens" if SCENARIOS[name] == EVERYTHING else "token-monitor")
    )
    made = {item["metadata"]["name"] for item in of_kind(objects, "Secret")}
    assert {target.journal_name for target in settings.targets if target.rotation} == {
        secret for secret in made if "journal" in secret
    }


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_what_an_upgrade_removes_holds_nothing_or_is_kept(before: str, after: str) -> None:
    old, new = identities(render(None, SCENARIOS[before])), identities(render(None, SCENARIOS[after]))
    for identity in old.keys() - new.keys():
        item = old[identity]
        kept = item["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"
        ours = item["metadata"]["name"].endswith("-credentials")  # it holds what is among the values
        assert item["kind"] not in KEEPING or kept or ours, identity


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_an_upgrade_never_changes_what_kubernetes_does_not_let_be_changed(before: str, after: str) -> None:
    old, new = render(None, SCENARIOS[before]), render(None, SCENARIOS[after])
    for kind, read in (
        ("Deployment", lambda item: item["spec"]["selector"]),
        ("Service", lambda item: item["spec"]["selector"]),
    ):
        assert read(one(old, kind)) == read(one(new, kind))
    # A binding's role cannot be changed either.
    for identity, item in identities(old).items():
        if identity[0] == "RoleBinding" and identity in identities(new):
            assert identities(new)[identity]["roleRef"] == item["roleRef"]


def test_the_same_values_make_the_same_objects() -> None:
    """Nothing is random: a GitOps tool that renders again finds no difference."""
    first = render(None, EVERYTHING, kube="1.33")
    assert first == render({}, EVERYTHING, kube="1.33")


def test_a_rotation_goes_on_where_only_other_values_change() -> None:
    """Labels and annotations of a journal may change; its name and namespace, by which it is found, stay."""

    def journal(**more: Any) -> Object:
        return one(render(more, SCENARIOS["password"]), "Secret")

    changed = journal(
        commonLabels={"a": "b"}, journal={"annotations": {"c": "d"}}, nameOverride="other", replicaCount=3
    )
    for key in ("name", "namespace"):
        assert changed["metadata"][key] == journal()["metadata"][key]
    assert changed["metadata"]["annotations"] == {"c": "d", "helm.sh/resource-policy": "keep"}
    # No value can take that away.
    deleted = journal(journal={"annotations": {"helm.sh/resource-policy": "delete"}})
    assert deleted["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
