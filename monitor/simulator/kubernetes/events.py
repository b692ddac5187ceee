"""Events: one store, two groups. `events.k8s.io/v1` shows the core group's objects in other words, and is stricter.

Conversion as in pkg/apis/events/v1/conversion.go, rules as in pkg/apis/core/validation/events.go.
"""

from __future__ import annotations

import re
from typing import Any

from monitor.simulator.kubernetes.problems import FieldError, field_invalid, field_required
from monitor.simulator.kubernetes.wire import Object

GROUP = "events.k8s.io"
_WORDS = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_BACK = {core: new for new, core in _WORDS.items()}
_EMPTY: Object = {
    "eventTime": None,
    "firstTimestamp": None,
    "lastTimestamp": None,
    "source": {},
    "reportingComponent": "",
    "reportingInstance": "",
}
_OMITTED = ("reportingComponent", "reportingInstance")
_UNSET = ("firstTimestamp", "lastTimestamp", "count", "source")
_FIXED = (
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "type",
    "eventTime",
)
_FIXED_BY_REPORTER = ("action", "related", "reportingComponent", "reportingInstance")
_SHORT, _NOTE = 128, 1024
_QUALIFIED = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_NOT_QUALIFIED = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric"
    " character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is"
    " '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


def to_core(event: Object) -> Object:
    """An event of events.k8s.io as it is kept."""
    return {**{_WORDS.get(name, name): value for name, value in event.items()}, "apiVersion": "v1"}


def from_core(event: Object) -> Object:
    """An event as events.k8s.io shows it."""
    shown = {_BACK.get(name, name): value for name, value in event.items() if value or name not in _OMITTED}
    return {**shown, "apiVersion": f"{GROUP}/v1"}


def complete(event: Object) -> Object:
    """An event as it is kept, with what Go writes even where it is empty."""
    return {**_EMPTY, **event}


def rules(event: Object, old: Object | None, *, strict: bool) -> list[FieldError]:
    """What is wrong with an event as it is kept. strict: it came through events.k8s.io."""
    errors = _always(event, strict=strict)
    if not strict:
        return errors
    if old is None or event.get("series") != old.get("series"):
        errors += _series(event)
    if old is not None:
        changed = (name for name in (*_FIXED, *_FIXED_BY_REPORTER) if event.get(name) != old.get(name))
        return errors + [field_invalid(_told(name), event.get(name), "field is immutable") for name in changed]
    if not event.get("eventTime"):
        errors.append(field_required("eventTime"))
    if event.get("type") not in ("Normal", "Warning"):
        errors.append(field_invalid("type", "", f"has invalid value: {event.get('type', '')}"))
    return errors + [field_invalid(name, "", "needs to be unset") for name in _UNSET if event.get(name)]


def _told(name: str) -> str:
    return "reportingController" if name == "reportingComponent" else name


def _series(event: Object) -> list[FieldError]:
    series: Any = event.get("series")
    if series is None:
        return []
    few = int(series.get("count") or 0) < 2
    errors = [field_invalid("series.count", "", "should be at least 2")] if few else []
    return errors if series.get("lastObservedTime") else [*errors, field_required("series.lastObservedTime")]


def _always(event: Object, *, strict: bool) -> list[FieldError]:
    place = event["metadata"].get("namespace", "")
    involved = (event.get("involvedObject") or {}).get("namespace", "")
    mismatch = [field_invalid("involvedObject.namespace", involved, "does not match event.namespace")]
    if not event.get("eventTime"):
        fits = involved == place if involved else place in ("", "default")
        return [] if fits else mismatch
    errors = mismatch if not involved and place not in ("default", "kube-system") else []
    reporter = event.get("reportingComponent") or ""
    reporter_field = "reportingController" if strict else "reportingComponent"
    if not reporter:
        errors.append(field_required(reporter_field))
    if not _QUALIFIED.fullmatch(reporter):
        errors.append(field_invalid(reporter_field, reporter, _NOT_QUALIFIED))
    limits = {"reportingInstance": _SHORT, "action": _SHORT, "reason": _SHORT, "message": _NOTE}
    for name, limit in limits.items():
        value = event.get(name) or ""
        if not value and name != "message":
            errors.append(field_required(name))
        if len(value.encode()) > limit:
            errors.append(field_invalid(name, "", f"can have at most {limit} characters"))
    return errors
