"""When Python looks for garbage that refers to itself. What refers to nothing of itself goes at once, and is nearly all.

By itself Python looks at every object whenever enough new ones have survived, which for 10,000 targets holds the whole
process for 0.3 s every 10 s (measured). So what a start leaves behind is not looked at any more, new objects are looked
at in larger parts, and everything else only now and then.
"""

from __future__ import annotations

import gc

# Container objects that are new before they are looked at (700 by default): 1 ms of work.
NEW = 10_000
# Looks at the new before a look at those that survived one, and at those before one at all; the last is left to `look`.
SURVIVORS = 10
ALL = 1_000_000
# Seconds between two looks at everything.
INTERVAL = 300.0


def seldom() -> None:
    """Looks at everything no more by itself, and at the new in larger parts."""
    gc.set_threshold(NEW, SURVIVORS, ALL)


def settle() -> None:
    """After a start: what is there now stays. To be called once, since later garbage among it would never be found."""
    gc.collect()
    gc.freeze()


def look() -> None:
    """Looks at everything but what was there at the start. To be called every `INTERVAL` seconds."""
    gc.collect()
