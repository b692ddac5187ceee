"""When Python looks for garbage that refers to itself. What refers to nothing of itself goes at once, and is nearly all.

By itself Python looks at every object whenever enough new ones have survived, which for 10,000 targets holds the whole
process for 0.3 s every 10 s (measured). So what a start leaves behind is not looked at any more, what is new is looked
at once a second, before it has become much, and everything else only now and then.
"""

from __future__ import annotations

import gc

# Container objects that are new before Python looks at them by itself: more than come in a second.
NEW = 100_000
SURVIVORS = 10
# Looks at survivors before one at everything: that is left to `Looks`.
ALL = 1_000_000
# Seconds between two looks at what is new, and how many of those there are to one at everything (5 minutes).
INTERVAL = 1.0
TO_ALL = 300


def seldom() -> None:
    """Leaves nearly all looks to `Looks`."""
    gc.set_threshold(NEW, SURVIVORS, ALL)


def settle() -> None:
    """After a start: what is there now stays. To be called once, since later garbage among it would never be found."""
    gc.collect()
    gc.freeze()


class Looks:
    """Looks for garbage. `look` is to be called every `INTERVAL` seconds."""

    def __init__(self) -> None:
        self._count = 0

    def look(self) -> None:
        """At what is new; at times at everything but what was there at the start."""
        self._count += 1
        gc.collect(2 if self._count % TO_ALL == 0 else 1)
