"""What an alert says: who, why, since when and what to type; bounded, on one line, and the same labels as the rules'."""

from __future__ import annotations

from dataclasses import replace

import pytest
from monitor.core.alert_conditions import CONDITIONS, CONFIG_REJECTED, AlertKey
from monitor.core.alert_texts import Outgoing, Wording, outgoing
from monitor.core.alerting import Firing, Pending, Phase, Resolved
from monitor.core.alerts import ALERTS, RUNBOOKS, AlertName, Severity, identity
from monitor.core.report import TargetReport
from monitor.core.status import Kind, Status

from tests.core import alert_samples as given
from tests.core.alert_samples import report, verdict
from tests.core.samples import DAY, NOW

KEYS = [*(row.key("production") for row in CONDITIONS), CONFIG_REJECTED]
PAGE = AlertKey("production", AlertName.REFUSED, Severity.CRITICAL)
PLAIN = Wording({})
LASTING = 240.0
REVOKED = report(Status.REVOKED, since=NOW - 60)


def told(key: AlertKey, phase: Phase, wording: Wording = PLAIN, now: float = NOW) -> Outgoing:
    alert = outgoing(key, phase, now, wording, LASTING)
    assert alert is not None
    return alert


def says(name: AlertName, found: TargetReport, severity: Severity = Severity.WARNING) -> str:
    return told(AlertKey("production", name, severity), Firing(NOW - 60, found)).annotations["description"]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.name}-{key.severity}")
def test_the_labels_are_those_of_the_rule_and_of_the_place(key: AlertKey) -> None:
    wording = Wording({"namespace": "codefresh", "cluster": ""})
    labels = told(key, Firing(NOW), wording).labels
    assert labels == identity(key.name, key.severity, key.target, {"namespace": "codefresh"})


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.name}-{key.severity}")
@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("rotation", [None, given.FAILED, given.STOOD_DOWN])
def test_every_alert_is_filled_whatever_is_known(key: AlertKey, status: Status, rotation: object) -> None:
    found = None if key.target is None else replace(report(status), rotation=rotation)
    said = told(key, Firing(NOW, found)).annotations
    (rule,) = (alert for alert in ALERTS if alert.name is key.name)
    assert said["summary"] == rule.summary
    assert said["runbook_url"] == f"{RUNBOOKS}/{key.name}.md"
    text = said["description"]
    assert text.endswith(".")
    assert not [slip for slip in ("None", "..", "  ") if slip in text]
    if key.target is not None:
        assert "target production (account ci at https://argocd.example.com)" in text
        assert text.isprintable()


def test_a_refusal_says_why_since_when_and_what_to_do() -> None:
    assert says(AlertName.REFUSED, REVOKED) == (
        "Argo CD refuses the token of target production (account ci at https://argocd.example.com): revoked."
        " what revoked means. It is so since 2026-11-18T11:05:40Z. Whoever uses this token gets no answer from Argo CD."
        " Do this."
    )


def test_during_an_outage_the_refusal_is_told_with_the_reason_that_was_seen() -> None:
    said = says(AlertName.REFUSED, report(Status.UNREACHABLE, told=verdict(Status.EXPIRED)))
    assert "expired. what expired means." in said
    assert "since" not in said


@pytest.mark.parametrize(
    ("left", "words"),
    [(3 * 3600, "expires in 3 h (2026-11-18T14:06:40Z)."), (-5, "should have expired, and Argo CD cannot be asked")],
)
def test_an_expiry_says_how_long_is_left(left: float, words: str) -> None:
    assert words in says(AlertName.EXPIRING, given.expiring(left))
    assert "look at its rotation first" not in says(AlertName.EXPIRING, given.expiring(left))
    rotated = replace(given.expiring(left), rotation=given.FAILED)
    assert "look at its rotation first. Argo CD refused to make a key." in says(AlertName.EXPIRING, rotated)


def test_that_nobody_knows_says_when_it_was_last_known() -> None:
    outage = report(Status.UNREACHABLE, told=verdict(Status.VALID, at=NOW - 1200))
    assert "It was last verified at 2026-11-18T10:46:40Z (20 min ago)." in says(AlertName.NOT_VERIFIED, outage)
    never = says(AlertName.NOT_VERIFIED, report(Status.PENDING))
    assert "not been verified since the monitor started" in never
    assert "token-monitor doctor" in never
    assert "Do this." not in never


def test_a_failing_rotation_in_need_says_so() -> None:
    failing = report(rotation=given.FAILED)
    assert "make a key by hand" not in says(AlertName.ROTATION_FAILING, failing)
    assert "make a key by hand" in says(AlertName.ROTATION_FAILING, failing, Severity.CRITICAL)
    assert "Attempts in a row that failed: 2. Argo CD refused to make a key." in says(
        AlertName.ROTATION_FAILING, failing
    )


def test_whatever_names_hold_the_text_stays_on_one_line_and_short() -> None:
    hostile = "x" * 5000 + "\n\u202e\x1b[31m"
    found = replace(report(Status.REVOKED, account=hostile), problem=hostile)
    found = replace(found, told=replace(found.verdict, cause=hostile, remedy=hostile))
    said = says(AlertName.REFUSED, found)
    assert said.isprintable()
    assert len(said) < 3000


def test_a_firing_alert_lasts_so_long_unless_it_is_told_again() -> None:
    alert = told(PAGE, Firing(NOW - 60, REVOKED))
    assert (alert.starts_at, alert.ends_at) == (NOW - 60, NOW + LASTING)


def test_a_resolved_one_says_what_it_said_and_when_it_ended() -> None:
    alert = told(PAGE, Resolved(NOW - 60, NOW - 10, REVOKED))
    assert (alert.starts_at, alert.ends_at) == (NOW - 60, NOW - 10)
    assert "revoked" in alert.annotations["description"]
    assert told(PAGE, Pending(NOW, Resolved(NOW - 60, NOW - 10, REVOKED))) == alert
    assert outgoing(PAGE, Pending(NOW), NOW, PLAIN, LASTING) is None


def test_no_time_lies_where_alertmanager_would_refuse_or_misread_it() -> None:
    ahead = NOW + DAY
    assert told(PAGE, Firing(ahead, REVOKED)).starts_at == NOW
    over = told(PAGE, Resolved(ahead, ahead, REVOKED))
    assert over.ends_at == NOW
    assert over.starts_at <= over.ends_at


def test_what_another_process_has_said_stays_until_this_one_knows_better() -> None:
    words = {"summary": "other", "description": "as\n before\n", "dashboard": "https://x", "runbook_url": ""}
    assert told(PAGE, Firing(NOW - 60, words)).annotations == {
        "summary": "other",
        "description": "as before",
        "runbook_url": f"{RUNBOOKS}/TokenMonitorTokenRefused.md",
    }
    assert told(PAGE, Firing(NOW - 60, {})).annotations["description"]


def test_the_runbooks_may_be_elsewhere() -> None:
    wording = Wording({}, "https://runbooks.example.com/tm/")
    said = told(PAGE, Firing(NOW, REVOKED), wording).annotations
    assert said["runbook_url"] == "https://runbooks.example.com/tm/TokenMonitorTokenRefused.md"


def test_every_status_that_is_refused_is_named() -> None:
    for status in Status:
        if status.kind is Kind.REFUSED:
            assert f": {status}. " in says(AlertName.REFUSED, report(status))
