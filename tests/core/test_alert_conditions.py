"""Which alerts a report calls for; the same ones as the rules, which a story played through Prometheus shows too."""

from __future__ import annotations

from dataclasses import replace

import pytest
from monitor.core import alerts
from monitor.core.alert_conditions import (
    CONDITIONS,
    CONFIG_REJECTED,
    SUCCEEDED,
    AlertKey,
    anonymous_access,
    expiring_critical,
    expiring_warning,
    needs_attention,
    not_verified,
    refused,
    rotation_failing,
    rotation_failing_in_need,
    stood_down,
)
from monitor.core.alerts import ALERTS, AlertName, Severity
from monitor.core.journal import State
from monitor.core.report import RotationReport
from monitor.core.status import Kind, Status

from tests.core import alert_samples as given
from tests.core.alert_samples import MINUTE, report, sight, verdict
from tests.core.samples import DAY, NOW

HOUR = 60 * MINUTE


def test_every_rule_but_those_of_a_monitor_that_is_not_seen_has_a_row() -> None:
    rules = {(alert.name, variant.severity) for alert in ALERTS for variant in alert.variants}
    rows = {(row.name, row.severity) for row in CONDITIONS} | {CONFIG_REJECTED[1:]}
    assert rules - rows == {(AlertName.DOWN, Severity.CRITICAL), (AlertName.TARGETS_UNSEEN, Severity.WARNING)}
    assert not rows - rules


def test_what_counts_as_a_success_of_the_rotation_is_the_same_as_in_the_rules() -> None:
    assert SUCCEEDED == alerts._SUCCEEDED


@pytest.mark.parametrize("status", Status)
def test_a_token_is_refused_by_the_last_check_that_could_tell(status: Status) -> None:
    before = {kind: refused(sight(report(status, told=verdict(kind)))) for kind in (Status.VALID, Status.REVOKED)}
    if status.kind is Kind.UNKNOWN:
        assert before == {Status.VALID: False, Status.REVOKED: True}
        assert refused(sight(report(status))) is None
    else:
        assert refused(sight(report(status))) is (status.kind is Kind.REFUSED)


@pytest.mark.parametrize(
    ("left", "lifetime", "warning", "critical"),
    [
        (8 * DAY, 90 * DAY, False, False),
        (7 * DAY, 90 * DAY, False, False),
        (7 * DAY - 1, 90 * DAY, True, False),
        (DAY, 90 * DAY, True, False),
        (DAY - 1, 90 * DAY, False, True),
        (-1, 90 * DAY, False, True),
        (6 * HOUR, DAY, False, False),
        (6 * HOUR - 1, DAY, True, False),
        (2.4 * HOUR, DAY, True, False),
        (2.4 * HOUR - 1, DAY, False, True),
        (6 * HOUR, None, False, True),
        (2 * DAY, None, True, False),
    ],
)
def test_how_near_the_end_is(left: float, lifetime: float | None, warning: bool, critical: bool) -> None:
    seen = sight(given.expiring(left, lifetime))
    assert (expiring_warning(seen), expiring_critical(seen)) == (warning, critical)


def test_a_refused_token_does_not_also_expire() -> None:
    for left in (HOUR, 2 * DAY):
        seen = sight(given.expiring(left, status=Status.REVOKED))
        assert (expiring_warning(seen), expiring_critical(seen)) == (False, False)


def test_the_clock_tells_of_an_end_that_is_known_though_argocd_does_not_answer() -> None:
    assert expiring_critical(sight(given.expiring(HOUR, status=Status.UNREACHABLE))) is True


def test_an_end_that_cannot_be_read_now_is_unknown_and_none_where_the_token_never_ends() -> None:
    for condition in (expiring_warning, expiring_critical):
        assert condition(sight(report(Status.PENDING))) is None
        assert condition(sight(report(Status.UNREACHABLE, told=verdict(Status.REVOKED)))) is None
        assert condition(sight(report(Status.VALID))) is False


@pytest.mark.parametrize(("minutes", "holds"), [(0, False), (9, False), (9.99, False), (10, True), (11, True)])
def test_after_ten_minutes_without_an_answer_a_token_is_not_verified(minutes: float, holds: bool) -> None:
    target = report(Status.UNREACHABLE, told=verdict(Status.VALID))
    assert not_verified(sight(target, NOW + minutes * MINUTE)) is holds


@pytest.mark.parametrize(("minutes", "holds"), [(0, None), (9.99, None), (10, True)])
def test_a_token_that_was_never_verified_counts_from_when_it_is_known(minutes: float, holds: bool | None) -> None:
    assert not_verified(sight(report(Status.PENDING), NOW + minutes * MINUTE, seen=NOW)) is holds


@pytest.mark.parametrize("status", Status)
def test_what_needs_a_person_and_has_no_alert_of_its_own(status: Status) -> None:
    holds = needs_attention(sight(report(status)))
    assert holds is (None if status.kind is Kind.UNKNOWN else status in given_attention())


def given_attention() -> set[Status]:
    return {Status.WRONG_ACCOUNT, Status.INSUFFICIENT_PERMISSIONS}


@pytest.mark.parametrize(
    ("rotation", "failing"),
    [
        (None, False),
        (RotationReport(), None),
        (given.WELL, False),
        (given.FAILED, True),
        (given.STOOD_DOWN, False),
        *((replace(given.FAILED, state=state), state not in SUCCEEDED) for state in State),
    ],
)
def test_when_a_rotation_fails(rotation: RotationReport | None, failing: bool | None) -> None:
    calm = sight(report(rotation=rotation))
    assert rotation_failing(calm) is failing
    assert not rotation_failing_in_need(calm)
    for target in (report(Status.REVOKED), given.expiring(HOUR)):
        need = sight(replace(target, rotation=rotation))
        assert rotation_failing_in_need(need) is failing
        assert not rotation_failing(need)


@pytest.mark.parametrize(
    ("rotation", "holds"),
    [(None, False), (RotationReport(), None), (given.WELL, False), (given.FAILED, False), (given.STOOD_DOWN, True)],
)
def test_when_a_rotation_stands_down(rotation: RotationReport | None, holds: bool | None) -> None:
    assert stood_down(sight(report(rotation=rotation))) is holds


@pytest.mark.parametrize("known", [True, False, None])
def test_anonymous_access_is_what_was_last_seen_of_it(known: bool | None) -> None:
    assert anonymous_access(sight(report(anonymous=known))) is known


def test_it_is_known_since_when_a_status_is_what_it_is() -> None:
    since = {row.key("production"): row.since for row in CONDITIONS}
    begun = NOW - 100
    seen = {
        AlertName.REFUSED: sight(report(Status.REVOKED, since=begun)),
        AlertName.NEEDS_ATTENTION: sight(report(Status.WRONG_ACCOUNT, since=begun)),
    }
    for key, function in since.items():
        if key.name in seen:
            assert function(seen[key.name]) == begun
    outage = sight(report(Status.UNREACHABLE, told=verdict(Status.REVOKED), since=begun))
    assert since[AlertKey("production", AlertName.REFUSED, Severity.CRITICAL)](outage) == NOW
    not_verified_since = since[AlertKey("production", AlertName.NOT_VERIFIED, Severity.WARNING)]
    assert not_verified_since(outage) == NOW + 10 * MINUTE
    assert not_verified_since(sight(report(Status.PENDING), seen=begun)) == begun + 10 * MINUTE
