"""How soon the event loop gets its turn while another thread works at something long, such as a large configuration.

Python hands its lock over after 5 ms. Whenever the loop wakes up it would wait for that long: at 10,000 targets reading
takes a second, in which checks begin late. With a tenth of it the loop waits for less than a millisecond, and the reading
takes no longer (measured).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Seconds after which a thread that works gives way to one that waits.
TURN = 0.0005


@contextmanager
def short() -> Iterator[None]:
    """Within this block no thread keeps the others waiting for long. Not to be entered twice at the same time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
