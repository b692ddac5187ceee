"""Times as people say them: `3 h ago`, `in 12 d`. Machines get RFC 3339 (`report.rfc3339`)."""

from __future__ import annotations


def span(seconds: float) -> str:
    """A length of time in one unit, cut off: `45 s`, `90 min`, `36 h`, `12 d`. Negative counts as none.

    A unit is used from twice its length on: `36 h` says more than `1 d`.
    """
    whole = max(0, int(seconds))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if whole >= 2 * size:
            return f"{whole // size} {unit}"
    return f"{whole} s"


def relative(moment: float | None, now: float) -> str:
    """`3 h ago`, `in 12 d`, `now`; a dash where there is no time."""
    if moment is None:
        return "-"
    away = moment - now
    if abs(away) < 1:
        return "now"
    return f"in {span(away)}" if away > 0 else f"{span(-away)} ago"
