"""From conditions to alerts over time, for those who are told directly: pending, firing, resolved.

`step` is the state machine of one alert; `advance` takes one target through all of its alerts, and `removed` ends those
of a target that is gone. Values in, values out; the times are those of the rules (`for`, `keep_firing_for`), so
that an alert that also comes from Prometheus begins and ends together with the direct one.
What cannot be told changes nothing: only a check that could tell ends an alert. An alert that a new process learns of
from Alertmanager (`recalled`) is firing like any other, since the same time, until such a check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from monitor.core.alert_conditions import ALERT_BY_NAME, CONDITIONS, AlertKey, Condition, Sight
from monitor.core.alerts import AlertName, Thresholds
from monitor.core.report import TargetReport

# How long the end of an alert is told again: an Alertmanager that starts anew in between would not know of it.
TELL_RESOLVED = 300.0

# The report on which an alert was last seen to hold; or, before that, what Alertmanager said of it.
Evidence = TargetReport | Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Resolved:
    """It is over, and that is told for a while. Times are epoch seconds."""

    starts_at: float
    ends_at: float
    evidence: Evidence = None


@dataclass(frozen=True, slots=True)
class Pending:
    """It holds, not yet for long enough. before: the end of the last time, while that is still told."""

    since: float
    before: Resolved | None = None


@dataclass(frozen=True, slots=True)
class Firing:
    """It is told. away: since when it holds no more; it fires on for a while, so that it does not flap."""

    starts_at: float
    evidence: Evidence = None
    away: float | None = None


Phase = Pending | Firing | Resolved


@dataclass(frozen=True, slots=True)
class Terms:
    """How long an alert must hold before it fires, and how long it fires on afterwards, in seconds.

    lapses: where nothing can be told for that long, nothing more is said, not even that it is over (`Condition.own`).
    """

    held: float
    kept: float
    lapses: bool = False


def terms_of(name: AlertName, thresholds: Thresholds, *, own: bool = True) -> Terms:
    """The terms of an alert, from the table of the rules."""
    alert = ALERT_BY_NAME[name]
    kept = 0 if alert.kept is None else getattr(thresholds, alert.kept)
    return Terms(getattr(thresholds, alert.held), kept, lapses=not own)


def step(
    phase: Phase | None, holds: bool | None, now: float, terms: Terms, since: float, evidence: Evidence = None
) -> Phase | None:
    """The next phase; None: there is nothing to tell.

    holds: whether the condition holds now, None where that cannot be told. since: since when, where it does.
    """
    match phase:
        case None:
            return _begun(None, now, terms, min(since, now), evidence) if holds else None
        case Pending(began, before):
            if holds is False:
                return _still_told(before, now)
            if holds is None:
                return replace(phase, before=_still_told(before, now))
            return _begun(before, now, terms, min(began, now), evidence)
        case Firing():
            return _firing(phase, holds, now, terms, evidence)
        case Resolved():
            if holds:
                return _begun(phase, now, terms, min(since, now), evidence)
            return _still_told(phase, now)


def _begun(before: Resolved | None, now: float, terms: Terms, since: float, evidence: Evidence) -> Phase:
    if now - since >= terms.held:
        return Firing(since, evidence)
    return Pending(since, _still_told(before, now))


def _firing(phase: Firing, holds: bool | None, now: float, terms: Terms, evidence: Evidence) -> Phase | None:
    if holds:
        return Firing(phase.starts_at, evidence)
    if holds is None and not terms.lapses:
        return phase
    away = now if phase.away is None else min(phase.away, now)
    if now - away < terms.kept:
        return replace(phase, away=away)
    return None if holds is None else Resolved(phase.starts_at, now, phase.evidence)


def _still_told(resolved: Resolved | None, now: float) -> Resolved | None:
    # A clock that was set back would otherwise have the end lie ahead, where it is none.
    if resolved is None or now - resolved.ends_at >= TELL_RESOLVED:
        return None
    return replace(resolved, ends_at=min(resolved.ends_at, now))


def advance(phases: Mapping[AlertKey, Phase], sight: Sight) -> Iterator[tuple[AlertKey, Phase | None]]:
    """The next phase of each alert of a target. An alert of which nothing is known and nothing said is passed over."""
    for condition in CONDITIONS:
        key = condition.key(sight.report.name)
        before, holds = phases.get(key), condition.holds(sight)
        if before is not None or holds:
            yield key, _next(condition, before, holds, sight)


def _next(condition: Condition, before: Phase | None, holds: bool | None, sight: Sight) -> Phase | None:
    terms = terms_of(condition.name, sight.thresholds, own=condition.own)
    since = condition.since(sight) if holds else sight.now
    return step(before, holds, sight.now, terms, since, sight.report if holds else None)


def removed(
    phases: Mapping[AlertKey, Phase], present: set[str], now: float, thresholds: Thresholds
) -> Iterator[tuple[AlertKey, Phase | None]]:
    """The next phase of each alert whose target is not in the configuration any more: it holds no more.

    present: the targets that are. The alerts about the monitor itself (`target` None) are left out.
    """
    for key, phase in phases.items():
        if key.target is not None and key.target not in present:
            yield key, step(phase, False, now, terms_of(key.name, thresholds), now)


def recalled(phase: Phase | None, starts_at: float, words: Mapping[str, str]) -> Phase:
    """An alert that Alertmanager holds as firing, and that this process does not know (yet): it fires on.

    words: the annotations that it has there; they are kept until this process sees for itself.
    """
    match phase:
        case Firing():
            return replace(phase, starts_at=min(phase.starts_at, starts_at))
        case Resolved():
            return phase  # this process has seen its end
        case _:
            return Firing(starts_at, dict(words))
