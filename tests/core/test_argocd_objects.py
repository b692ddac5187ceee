"""What of argocd-cm is worth a look: accounts and their switches, and nothing else of what it holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor.core.argocd_objects import Part, fingerprint

BASE = {
    "accounts.ci": "apiKey, login",
    "accounts.ci.enabled": "true",
    "admin.enabled": "true",
    "users.anonymous.enabled": "false",
    "url": "https://argocd.example.com",
    "dex.config": "connectors: []",
}


@pytest.mark.parametrize(
    "change",
    [
        {"accounts.ci": "login"},
        {"accounts.ci.enabled": "false"},
        {"accounts.new": "apiKey"},
        {"accounts.ci": None},
        {"admin.enabled": "false"},
        {"admin.enabled": None},
        {"users.anonymous.enabled": "true"},
    ],
    ids=str,
)
def test_what_decides_about_a_token_is_another_fingerprint(change: dict[str, str | None]) -> None:
    assert fingerprint(changed(change)) != fingerprint(BASE)


@pytest.mark.parametrize(
    "change",
    [
        {"url": "https://other.example.com"},
        {"dex.config": "connectors: [github]"},
        {"accounts": "no account: Argo CD wants a dot behind it"},
        {"myaccounts.ci": "apiKey"},
        {"admin.enabled.not": "true"},
        {"resource.customizations": "x" * 100_000},
    ],
    ids=lambda change: next(iter(change)),
)
def test_everything_else_in_it_is_no_change(change: dict[str, str | None]) -> None:
    assert fingerprint(changed(change)) == fingerprint(BASE)


def test_the_order_of_the_entries_is_no_change() -> None:
    assert fingerprint(dict(reversed(BASE.items()))) == fingerprint(BASE)


def test_of_what_it_holds_nothing_can_be_read_back() -> None:
    assert len(fingerprint(BASE)) == 64
    assert "ci" not in fingerprint({}), "hexadecimal, of a digest"


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4).map(
    lambda entries: {f"accounts.{name}": value for name, value in entries.items()}
), st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4).map(
    lambda entries: {f"accounts.{name}": value for name, value in entries.items()}
))  # fmt: skip
def test_two_sets_of_accounts_have_one_fingerprint_only_if_they_are_the_same(
    one: dict[str, str], other: dict[str, str]
) -> None:
    assert (fingerprint(one) == fingerprint(other)) is (one == other)


def test_the_objects_are_those_that_argo_cd_itself_reads() -> None:
    assert {part.value for part in Part} == {"argocd-cm", "argocd-secret"}


def changed(change: dict[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in {**BASE, **change}.items() if value is not None}
