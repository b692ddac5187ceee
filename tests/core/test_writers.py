"""Who wrote into the Secret, in words, and what lets the token be."""

from __future__ import annotations

import pytest
from monitor.core.writers import UNKNOWN_REMEDY, WRITERS, Writer, in_words, remedy

AT = "2026-08-20T10:00:00Z"


@pytest.mark.parametrize(
    ("manager", "words"),
    [
        ("argocd-controller", "Argo CD (argocd-controller, 2026-08-20T10:00:00Z)"),
        ("argocd-application-controller", "Argo CD (argocd-application-controller, 2026-08-20T10:00:00Z)"),
        (
            "externalsecrets.external-secrets.io/argocd-token",
            "External Secrets (externalsecrets.external-secrets.io/argocd-token, 2026-08-20T10:00:00Z)",
        ),
        ("cap-app-proxy", "Codefresh app-proxy (cap-app-proxy, 2026-08-20T10:00:00Z)"),
        ("kubectl-edit", "kubectl (kubectl-edit, 2026-08-20T10:00:00Z)"),
        ("token-monitor", "token-monitor (2026-08-20T10:00:00Z)"),
        ("node-fetch", "node-fetch (2026-08-20T10:00:00Z)"),
    ],
)
def test_a_known_writer_is_called_by_its_name_and_any_other_as_it_calls_itself(manager: str, words: str) -> None:
    assert in_words(manager, AT) == words


def test_a_writer_whose_time_is_not_known_is_named_all_the_same() -> None:
    assert in_words("argocd-controller") == "Argo CD (argocd-controller)"
    assert in_words("token-monitor") == "token-monitor"


def test_the_name_of_a_writer_comes_from_outside_and_is_shown_without_control_characters() -> None:
    assert "\n" not in in_words("evil\nlevel=error msg=forged" + "x" * 500, AT)
    assert len(in_words("x" * 500, "y" * 500)) < 150


@pytest.mark.parametrize("known", WRITERS, ids=lambda known: known.name)
def test_every_known_writer_has_what_to_change_and_is_found_by_what_is_said_of_it(known: Writer) -> None:
    for manager in known.managers:
        assert remedy(in_words(manager.replace("*", ""), AT)) == known.remedy


@pytest.mark.parametrize(
    ("manager", "word"), [("argocd-controller", "ignoreDifferences"), ("external-secrets", "creationPolicy")]
)
def test_the_remedy_names_the_very_setting(manager: str, word: str) -> None:
    assert word in remedy(in_words(manager, AT))


def test_an_unknown_writer_is_to_be_found_first() -> None:
    assert remedy(in_words("Argo CDish", AT)) == remedy(None) == UNKNOWN_REMEDY
