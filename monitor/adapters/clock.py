"""The clocks of this machine."""

from __future__ import annotations

import time


class SystemClock:
    """Wall clock for what people read; a clock that never goes back for what is planned and measured.

    Not the event loop's own time: uvloop's has milliseconds and stands still while a callback runs.
    """

    def now(self) -> float:
        """Epoch seconds. Jumps when the machine's clock is set."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some start; never goes back."""
        return time.monotonic()
