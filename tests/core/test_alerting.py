"""How alerts begin, last and end: not by an outage, not by a restart, and not twice for what comes and goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st
from monitor.core.alert_conditions import CONDITIONS, AlertKey
from monitor.core.alerting import (
    TELL_RESOLVED,
    Firing,
    Pending,
    Phase,
    Resolved,
    Terms,
    advance,
    recalled,
    removed,
    step,
    terms_of,
)
from monitor.core.alerts import ALERTS, AlertName, Severity, Thresholds
from monitor.core.report import RotationReport, TargetReport
from monitor.core.status import Kind, Status

from tests.core import alert_samples as given
from tests.core.alert_samples import MINUTE, report, sight, verdict
from tests.core.samples import NOW

TERMS = Terms(held=30, kept=300)
LAPSING = Terms(held=30, kept=300, lapses=True)
OVER = Resolved(NOW - 900, NOW - 100)
OLD = Resolved(NOW - 900, NOW - TELL_RESOLVED)


@pytest.mark.parametrize(
    ("before", "holds", "after"),
    [
        # Nothing was known.
        (None, False, None),
        (None, None, None),
        (None, True, Pending(NOW)),
        # It holds, and has to hold for half a minute.
        (Pending(NOW - 29), True, Pending(NOW - 29)),
        (Pending(NOW - 30), True, Firing(NOW - 30)),
        (Pending(NOW - 30), None, Pending(NOW - 30)),
        (Pending(NOW - 30), False, None),
        (Pending(NOW - 10, OVER), False, OVER),
        (Pending(NOW - 10, OVER), None, Pending(NOW - 10, OVER)),
        (Pending(NOW - 10, OLD), True, Pending(NOW - 10)),
        # It fires, and fires on for five minutes.
        (Firing(NOW - 60), True, Firing(NOW - 60)),
        (Firing(NOW - 60), None, Firing(NOW - 60)),
        (Firing(NOW - 60), False, Firing(NOW - 60, away=NOW)),
        (Firing(NOW - 900, away=NOW - 299), False, Firing(NOW - 900, away=NOW - 299)),
        (Firing(NOW - 900, away=NOW - 300), False, Resolved(NOW - 900, NOW)),
        (Firing(NOW - 900, away=NOW - 299), True, Firing(NOW - 900)),
        (Firing(NOW - 900, away=NOW - 900), None, Firing(NOW - 900, away=NOW - 900)),
        # It is over, and that is told for five minutes.
        (OVER, False, OVER),
        (OVER, None, OVER),
        (OVER, True, Pending(NOW, OVER)),
        (OLD, False, None),
        (OLD, None, None),
        (OLD, True, Pending(NOW)),
    ],
)
def test_the_next_phase(before: Phase | None, holds: bool | None, after: Phase | None) -> None:
    assert step(before, holds, NOW, TERMS, NOW) == after


def test_what_holds_for_long_enough_already_fires_at_once() -> None:
    assert step(None, True, NOW, TERMS, NOW - 30) == Firing(NOW - 30)
    assert step(OVER, True, NOW, TERMS, NOW - 30) == Firing(NOW - 30)


def test_what_another_replica_knows_better_is_left_to_it_in_silence() -> None:
    unknown = step(Firing(NOW - 900), None, NOW, LAPSING, NOW)
    assert unknown == Firing(NOW - 900, away=NOW)
    assert step(unknown, True, NOW + 299, LAPSING, NOW) == Firing(NOW - 900)
    assert step(unknown, None, NOW + 300, LAPSING, NOW) is None


def test_a_clock_that_is_set_back_delays_nothing_and_ends_nothing_in_the_future() -> None:
    ahead = NOW + 86_400
    assert step(Pending(ahead), True, NOW, TERMS, NOW) == Pending(NOW)
    assert step(Firing(ahead, away=ahead), False, NOW, TERMS, NOW) == Firing(ahead, away=NOW)
    assert step(Resolved(ahead, ahead), False, NOW, TERMS, NOW) == Resolved(ahead, NOW)
    assert step(None, True, NOW, TERMS, ahead) == Pending(NOW)


def test_the_evidence_is_the_last_report_on_which_it_held() -> None:
    first, last = report(Status.REVOKED), report(Status.EXPIRED)
    phase = step(None, True, NOW, TERMS, NOW - 60, first)
    assert phase == Firing(NOW - 60, first)
    phase = step(phase, True, NOW + 15, TERMS, NOW, last)
    phase = step(phase, False, NOW + 30, TERMS, NOW, None)
    assert phase == Firing(NOW - 60, last, away=NOW + 30)
    assert step(phase, False, NOW + 330, TERMS, NOW, None) == Resolved(NOW - 60, NOW + 330, last)


def test_the_terms_are_those_of_the_rules() -> None:
    thresholds = Thresholds(refused_for=7, gap=500)
    assert terms_of(AlertName.REFUSED, thresholds) == Terms(7, 500)
    assert terms_of(AlertName.EXPIRING, thresholds) == Terms(300, 300)
    assert terms_of(AlertName.STOOD_DOWN, thresholds, own=False) == Terms(60, 500, lapses=True)
    for alert in ALERTS:
        assert terms_of(alert.name, thresholds).held > 0


def checked(found: TargetReport, now: float) -> TargetReport:
    """The same, checked just now."""
    fresh = replace(found.verdict, checked_at=now)
    return replace(found, verdict=fresh, told=found.told if fresh.status.kind is Kind.UNKNOWN else fresh)


class Story:
    """One process that looks at targets every five seconds; each was checked just then."""

    def __init__(self) -> None:
        self.phases: dict[AlertKey, Phase] = {}
        self.now = NOW
        self.seen: dict[str, float] = {}

    def look(self, *reports: TargetReport) -> None:
        for found in (checked(each, self.now) for each in reports):
            seen = self.seen.setdefault(found.name, self.now)
            self._take_in(dict(advance(self.phases, sight(found, self.now, seen=seen))))
        names = {found.name for found in reports}
        self._take_in(dict(removed(self.phases, names, self.now, given.USUAL)))

    def last(self, seconds: float, *reports: TargetReport) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 5
            self.look(*reports)

    def _take_in(self, changes: dict[AlertKey, Phase | None]) -> None:
        for key, phase in changes.items():
            if phase is None:
                self.phases.pop(key, None)
            else:
                self.phases[key] = phase

    def of(self, kind: type[Phase]) -> set[tuple[str, str]]:
        return {(key.name.value, key.severity.value) for key, phase in self.phases.items() if isinstance(phase, kind)}

    @property
    def firing(self) -> set[tuple[str, str]]:
        return self.of(Firing)


REFUSED = (AlertName.REFUSED.value, "critical")
NOT_VERIFIED = (AlertName.NOT_VERIFIED.value, "warning")
REVOKED = report(Status.REVOKED)


def test_a_refused_token_pages_after_half_a_minute_and_not_before() -> None:
    story = Story()
    story.look(REVOKED)
    story.last(25, REVOKED)
    assert not story.firing
    story.last(5, REVOKED)
    assert story.firing == {REFUSED}


def test_a_rotation_that_mends_it_within_half_a_minute_wakes_nobody() -> None:
    story = Story()
    story.last(25, REVOKED)
    story.last(600, report())
    assert not story.phases


def test_it_ends_five_minutes_after_the_repair_and_that_is_told_for_five_more() -> None:
    story = Story()
    story.last(60, REVOKED)
    story.last(300, report())
    assert story.firing == {REFUSED}
    story.last(5, report())
    assert story.of(Resolved) == {REFUSED}
    story.last(TELL_RESOLVED - 5, report())
    assert story.of(Resolved) == {REFUSED}
    story.last(5, report())
    assert not story.phases


def test_what_comes_and_goes_is_one_alert() -> None:
    story = Story()
    story.last(60, REVOKED)
    begun = story.phases[AlertKey("production", AlertName.REFUSED, Severity.CRITICAL)].starts_at  # type: ignore[union-attr]
    for _ in range(20):
        story.last(120, report())
        story.last(15, REVOKED)
        assert story.firing == {REFUSED}
    (phase,) = story.phases.values()
    assert isinstance(phase, Firing)
    assert phase.starts_at == begun


def test_an_outage_of_argocd_ends_no_alert_however_long() -> None:
    story = Story()
    story.last(60, REVOKED)
    story.last(3600, report(Status.UNREACHABLE, told=REVOKED.verdict))
    assert REFUSED in story.firing
    story.last(600, report(Status.WRONG_ACCOUNT))
    story.last(3600, report(Status.UNREACHABLE, told=verdict(Status.WRONG_ACCOUNT)))
    assert (AlertName.NEEDS_ATTENTION.value, "warning") in story.firing


@pytest.mark.parametrize(("minutes", "told"), [(9, False), (10.9, False), (11, True)])
def test_that_nobody_knows_is_told_after_eleven_minutes_not_after_nine(minutes: float, told: bool) -> None:
    story = Story()
    story.last(minutes * MINUTE, report(Status.UNREACHABLE, told=verdict(Status.VALID, at=NOW)))
    assert (NOT_VERIFIED in story.firing) is told


def test_of_a_process_that_has_just_started_nothing_is_said_for_eleven_minutes() -> None:
    story = Story()
    story.look(report(Status.PENDING))
    story.last(11 * MINUTE - 5, report(Status.PENDING))
    assert not story.firing
    story.last(5, report(Status.PENDING))
    assert story.firing == {NOT_VERIFIED}


def test_a_target_that_is_removed_ends_its_alerts_and_no_others() -> None:
    story = Story()
    other = report(Status.REVOKED, name="other")
    story.last(60, REVOKED, other)
    story.last(305, other)
    assert {key.target for key, phase in story.phases.items() if isinstance(phase, Resolved)} == {"production"}
    assert {key.target for key, phase in story.phases.items() if isinstance(phase, Firing)} == {"other"}


def test_a_removed_target_that_was_about_to_fire_leaves_nothing() -> None:
    story = Story()
    story.last(20, REVOKED)
    story.look()
    assert not story.phases


def test_the_page_takes_over_in_the_very_step_in_which_the_warning_ends() -> None:
    story = Story()
    warning, critical = (("TokenMonitorTokenExpiring", severity) for severity in ("warning", "critical"))
    story.last(310, given.expiring(2 * 86_400))
    assert story.firing == {warning}
    soon = given.expiring(3600)
    for _ in range(60):
        story.last(5, soon)
        assert story.firing == {warning}
    story.last(5, soon)
    assert (story.firing, story.of(Resolved)) == ({critical}, {warning})


ALERTED = {"summary": "s", "description": "d", "runbook_url": "r"}


def restarted(*alerts: AlertName) -> Story:
    """A new process, which learns from Alertmanager what the one before it has told."""
    story = Story()
    for row in CONDITIONS:
        if row.name in alerts:
            story.phases[row.key("production")] = recalled(None, NOW - 7200, ALERTED)
    return story


def test_after_a_restart_the_alert_fires_on_since_the_same_time() -> None:
    story = restarted(AlertName.REFUSED)
    story.look(report(Status.PENDING))
    assert story.phases == {AlertKey("production", AlertName.REFUSED, Severity.CRITICAL): Firing(NOW - 7200, ALERTED)}
    story.last(15, REVOKED)
    assert list(story.phases.values()) == [Firing(NOW - 7200, checked(REVOKED, NOW + 15))]


def test_after_a_restart_only_a_check_that_could_tell_ends_the_alert() -> None:
    story = restarted(AlertName.REFUSED, AlertName.NOT_VERIFIED)
    story.last(3600, report(Status.UNREACHABLE))
    assert story.firing == {REFUSED, NOT_VERIFIED}
    story.last(305, report())
    assert story.of(Resolved) == {REFUSED, NOT_VERIFIED}


def test_a_replica_that_does_not_lead_soon_says_no_more_of_rotations() -> None:
    story = restarted(AlertName.STOOD_DOWN)
    story.last(295, report(rotation=RotationReport()))
    assert story.firing
    story.last(15, report(rotation=RotationReport()))
    assert not story.phases


def test_one_that_leads_takes_it_over_as_soon_as_it_has_read_the_journal() -> None:
    story = restarted(AlertName.STOOD_DOWN)
    story.last(15, report(rotation=RotationReport()))
    story.last(900, report(rotation=given.STOOD_DOWN))
    (phase,) = story.phases.values()
    assert isinstance(phase, Firing)
    assert phase.starts_at == NOW - 7200


def test_what_alertmanager_knows_does_not_undo_what_this_process_has_seen() -> None:
    assert recalled(OVER, NOW - 7200, ALERTED) == OVER
    assert recalled(Firing(NOW - 60, REVOKED), NOW - 7200, ALERTED) == Firing(NOW - 7200, REVOKED)
    assert recalled(Firing(NOW - 7200, REVOKED), NOW - 60, ALERTED) == Firing(NOW - 7200, REVOKED)
    assert recalled(Pending(NOW), NOW - 60, ALERTED) == Firing(NOW - 60, ALERTED)


@any_of(st.lists(st.tuples(st.sampled_from([True, False, None]), st.integers(0, 400)), max_size=40))
def test_whatever_happens_an_alert_only_ends_on_an_answer_and_only_fires_on_one(
    looks: Sequence[tuple[bool | None, int]],
) -> None:
    phase: Phase | None = None
    now = NOW
    for holds, pause in looks:
        now += pause
        before, phase = phase, step(phase, holds, now, TERMS, now)
        if isinstance(phase, Firing) and not isinstance(before, Firing):
            assert holds is True
        if isinstance(before, Firing) and not isinstance(phase, Firing):
            assert holds is False
            assert isinstance(phase, Resolved)
        if isinstance(phase, Firing | Resolved):
            assert phase.starts_at <= now
