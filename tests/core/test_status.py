"""The closed list, as design.md has it: a contract with users' alerts."""

from __future__ import annotations

from monitor.core.status import FACTS, Kind, Status
from monitor.core.text import printable

CONTRACT = {
    Kind.ACCEPTED: "valid",
    Kind.ATTENTION: "expiring wrong_account insufficient_permissions",
    Kind.REFUSED: "revoked expired not_yet_valid account_disabled account_missing capability_missing password_changed"
    " signing_key_changed malformed foreign_issuer missing rejected",
    Kind.UNKNOWN: "unreachable tls_error not_argocd throttled server_error pending",
}


def test_the_statuses_their_classes_and_exit_codes_are_those_of_the_contract() -> None:
    for kind, names in CONTRACT.items():
        assert [status.value for status in Status if status.kind is kind] == names.split()
    assert {kind.name: kind.value for kind in Kind} == {"ACCEPTED": 0, "ATTENTION": 1, "REFUSED": 2, "UNKNOWN": 3}
    assert [Status.VALID.exit_code, Status.EXPIRING.exit_code, Status.REVOKED.exit_code, Status.PENDING.exit_code] == [
        0,
        1,
        2,
        3,
    ]


def test_accepted_follows_the_class() -> None:
    expected = {Kind.ACCEPTED: True, Kind.ATTENTION: True, Kind.REFUSED: False, Kind.UNKNOWN: None}
    assert all(status.accepted is expected[status.kind] for status in Status)


def test_every_status_says_what_it_means_in_a_sentence() -> None:
    assert list(FACTS) == list(Status)
    assert all(status.facts.meaning.endswith(".") for status in Status)


def test_minting_mends_no_cause_that_lies_with_the_account_or_that_cannot_be_told() -> None:
    """design.md: account disabled, missing, capability missing never lead to minting."""
    mended = {status for status in Status if status.facts.mended_by_minting}
    assert mended.isdisjoint({Status.ACCOUNT_DISABLED, Status.ACCOUNT_MISSING, Status.CAPABILITY_MISSING, Status.VALID})
    assert all(status.kind in (Kind.REFUSED, Kind.ATTENTION) for status in mended)
    assert {Status.REVOKED, Status.EXPIRED, Status.PASSWORD_CHANGED, Status.EXPIRING, Status.MISSING} <= mended


def test_text_from_outside_is_cut_and_shows_what_it_hides() -> None:
    assert printable("plain", 5) == "plain"
    assert printable("longer", 5) == "long…"
    assert printable("é ü 漢", 10) == "é ü 漢"
    assert printable("a\n\r\t\0\x1b\x7f", 100) == "a\\n\\r\\t\\x00\\x1b\\x7f"
    assert printable("\u202e\u2066\u200b\ufeff\u2028\u2029\ue000\ud800", 100).isascii()
    assert all(len(printable("\u202e" * 50, limit)) <= limit for limit in range(1, 60))
