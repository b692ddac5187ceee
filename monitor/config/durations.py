"""Durations as people write them: `15` (seconds), `500ms`, `15s`, `1m30s`, `2h`, `30d`.

The larger unit comes first and each is used once, so that a slip (`30s1m`) is an error rather than a surprise.
"""

from __future__ import annotations

import math
import re

SECOND = 1.0
MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0

EXAMPLES = "15s, 500ms, 1m30s, 2h or 30d"
_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
PATTERN = rf"^(?=.)(?:{_NUMBER}d)?(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?(?:{_NUMBER}ms)?$|^{_NUMBER}$"
_PARTS = re.compile(rf"(?=.)(?:({_NUMBER})d)?(?:({_NUMBER})h)?(?:({_NUMBER})m)?(?:({_NUMBER})s)?(?:({_NUMBER})ms)?")
_BARE = re.compile(_NUMBER)
_UNITS = (DAY, HOUR, MINUTE, SECOND, 0.001)


def parse(value: object) -> float | None:
    """Seconds, or None when `value` is not a duration. Never negative, never infinite."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        # An integer beyond the range of a float would raise on conversion, so compare before converting.
        return float(value) if 0 <= value < 1e12 and not math.isnan(value) else None
    if not isinstance(value, str):
        return None
    if _BARE.fullmatch(value):
        return float(value)
    found = _PARTS.fullmatch(value)
    if found is None:
        return None
    total = sum(float(n) * unit for n, unit in zip(found.groups(), _UNITS, strict=True) if n is not None)
    return round(total, 9)


def written(seconds: float) -> str:
    """`90.0` -> `1m30s`: the shortest text that `parse` reads back as the same number of milliseconds."""
    left = round(seconds * 1000)
    text = ""
    for unit, name in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")):
        count, left = divmod(left, unit)
        if count:
            text += f"{count}{name}"
    return text or "0s"
