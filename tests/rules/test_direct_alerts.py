"""Told directly or by Prometheus, an alert is the same: the same stories, played through both, fire at the same times.

Where a process tells both ways and their times differed, an alert that one of them ends would begin anew by the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from monitor.core.alert_conditions import AlertKey, Sight
from monitor.core.alerting import Firing, Phase, advance, removed
from monitor.core.alerts import Thresholds
from monitor.core.journal import State
from monitor.core.model import Verdict
from monitor.core.report import RotationReport, TargetReport
from monitor.core.rules import RuleOptions
from monitor.core.status import Status

from tests.rules import world
from tests.rules.promtool import Fires, assert_fires
from tests.rules.world import DAY, FOREVER, HOUR, MINUTE, STEP, Monitor, Target

WELL = RotationReport(key_id="tm-1", rotations=3)
FAILED = replace(WELL, failing=2)
STOOD_DOWN = replace(WELL, failing=1, stood_down="another writer put back what we had replaced, twice")


def then(*statuses: Status) -> tuple[tuple[float, Status], ...]:
    """Valid at first, and each of these for ten minutes from the fifth on."""
    return ((0, Status.VALID), *(((5 + 10 * n) * MINUTE, status) for n, status in enumerate(statuses)))


STORIES: dict[str, Target] = {
    "revoked": Target(then(Status.REVOKED)),
    "revoked-and-replaced": Target(then(Status.REVOKED, Status.VALID)),
    "replaced-within-half-a-minute": Target((*then(Status.REVOKED), (5 * MINUTE + 15, Status.VALID))),
    "refused-from-the-first-check-on": Target(((0, Status.MISSING),)),
    "revoked-and-then-an-outage": Target(then(Status.REVOKED, Status.UNREACHABLE, Status.UNREACHABLE)),
    "comes-and-goes": Target(
        ((0, Status.VALID), *((n * 2 * MINUTE, [Status.VALID, Status.REVOKED][n % 2]) for n in range(1, 10)))
    ),
    "removed": Target(then(Status.REVOKED), configured=(0, 12 * MINUTE)),
    "an-outage-of-nine-minutes": Target((*then(Status.THROTTLED), (14 * MINUTE, Status.VALID))),
    "an-outage-of-eleven-minutes": Target((*then(Status.THROTTLED), (16 * MINUTE, Status.VALID))),
    "never-verified": Target(((0, Status.NOT_ARGOCD),)),
    "added-during-an-outage": Target(((0, Status.UNREACHABLE),), configured=(10 * MINUTE, FOREVER)),
    "of-another-account": Target(then(Status.WRONG_ACCOUNT, Status.VALID)),
    "ends-in-days": Target(expires=((0, 3 * DAY),)),
    "ends-in-a-day-and-ten-minutes": Target(expires=((0, DAY + 10 * MINUTE),)),
    "ends-and-is-replaced": Target(expires=((0, HOUR), (10 * MINUTE, 90 * DAY))),
    "ends-and-is-refused": Target(then(Status.VALID, Status.EXPIRED), expires=((0, 15 * MINUTE),)),
    "short-lived": Target(expires=((0, 6 * HOUR + 10 * MINUTE),), lifetime=DAY),
    "anonymous": Target(anonymous=((0, False), (5 * MINUTE, True), (25 * MINUTE, False))),
    "rotation-fails": Target(rotation=((0, WELL), (5 * MINUTE, FAILED), (20 * MINUTE, WELL))),
    "rotation-fails-and-succeeds": Target(
        rotation=((0, WELL), (5 * MINUTE, FAILED), (7 * MINUTE, replace(FAILED, state=State.GRACE)))
    ),
    "rotation-fails-in-need": Target(
        then(Status.VALID, Status.REVOKED), rotation=((0, WELL), (5 * MINUTE, FAILED), (25 * MINUTE, WELL))
    ),
    "stands-down": Target(rotation=((0, WELL), (5 * MINUTE, STOOD_DOWN), (15 * MINUTE, WELL))),
}


@pytest.mark.parametrize("story", STORIES)
def test_the_same_story_fires_at_the_same_times(story: str, tmp_path: Path) -> None:
    target = STORIES[story]
    expected = list(told_directly(target, 40, Thresholds()))
    assert_fires(tmp_path, [Monitor((target, Target(name="other")))], *expected, minutes=40)


def test_so_it_does_with_other_thresholds(tmp_path: Path) -> None:
    thresholds = Thresholds(refused_for=3 * MINUTE, not_verified_for=5 * MINUTE, gap=8 * MINUTE)
    target = Target(then(Status.REVOKED, Status.VALID, Status.UNREACHABLE))
    expected = list(told_directly(target, 40, thresholds))
    assert len(expected) == 2
    assert_fires(tmp_path, [Monitor((target,))], *expected, minutes=40, options=RuleOptions(thresholds))


def test_most_stories_fire_something() -> None:
    """Otherwise the comparison above would compare nothing with nothing."""
    quiet = {name for name, target in STORIES.items() if not list(told_directly(target, 40, Thresholds()))}
    assert quiet == {
        "replaced-within-half-a-minute", "an-outage-of-nine-minutes", "rotation-fails-and-succeeds",
    }  # fmt: skip


def told_directly(target: Target, minutes: float, thresholds: Thresholds) -> Iterator[Fires]:
    """What fires of this target, where it is judged whenever Prometheus scrapes."""
    phases: dict[AlertKey, Phase] = {}
    begun: dict[AlertKey, float] = {}
    steps = int(minutes * MINUTE // STEP) + 1
    for now, report, seen in looks(target, steps):
        changes = [] if report is None else list(advance(phases, Sight(report, now, seen, thresholds)))
        changes += removed(phases, {target.name} if report else set(), now, thresholds)
        for key, phase in changes:
            if phase is None:
                phases.pop(key, None)
            else:
                phases[key] = phase
            if isinstance(phase, Firing):
                begun.setdefault(key, now)
            elif key in begun:
                yield Fires(key.name, key.severity, begun.pop(key), now)
    for key, since in begun.items():
        yield Fires(key.name, key.severity, since)


def looks(target: Target, steps: int) -> Iterator[tuple[float, TargetReport | None, float]]:
    """What the monitor knows at each scrape: (seconds, report or None, since when the target is known)."""
    told: dict[str, Verdict] = {}
    last: Sequence[object] = ()
    since = seen = 0.0
    for step in range(steps):
        now = float(step * STEP)
        if not world._within(now, target):
            yield now, None, seen
            continue
        report = world._report(target, now, told, pending=step == 0)
        if last != (report.verdict.status,):
            since, seen = now, now if not last else seen
        last = (report.verdict.status,)
        yield now, replace(report, since=since), seen
