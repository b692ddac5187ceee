"""The clocks of this machine."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """Wall clock for what people read; the event loop's clock for what is planned."""

    def now(self) -> float:
        """Epoch seconds. Jumps when the machine's clock is set."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds of the running event loop (or of the system, outside of one)."""
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            return time.monotonic()
