"""Reading what the monitor says on /metrics: histograms as they grew between two scrapes."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BUCKET = re.compile(rb'^tokenmonitor_(\w+)_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Cumulated counts by upper bound (seconds)."""

    buckets: dict[float, float]

    @property
    def count(self) -> float:
        return self.buckets.get(float("inf"), 0.0)

    def since(self, before: Histogram) -> Histogram:
        """What came after `before`."""
        return Histogram({bound: count - before.buckets.get(bound, 0.0) for bound, count in self.buckets.items()})

    def within(self, bound: float) -> float:
        """The share that is at most `bound`, which must be one of the bounds. 1 where there is nothing."""
        return self.buckets[bound] / self.count if self.count else 1.0

    def quantile(self, part: float) -> float:
        """The value at `part` (0 to 1), straight between the bounds as Prometheus does it; the last bound at most."""
        rank, low, below = part * self.count, 0.0, 0.0
        for bound, count in sorted(self.buckets.items()):
            if count >= rank:
                if bound == float("inf"):
                    return low
                return low + (bound - low) * (rank - below) / max(count - below, 1e-9)
            low, below = bound, count
        return low


def histogram(text: bytes, name: str) -> Histogram:
    """A histogram without labels out of a scrape."""
    return Histogram(
        {float(bound): float(count) for found, bound, count in _BUCKET.findall(text) if found == name.encode()}
    )


def pending(text: bytes) -> int:
    """How many targets were not checked yet."""
    return len(re.findall(rb'^tokenmonitor_token_status\{[^}]*status="pending"\} 1', text, re.MULTILINE))


def accepted(text: bytes) -> int:
    """How many targets hold a token that is accepted."""
    return len(re.findall(rb"^tokenmonitor_token_accepted\{[^}]*\} 1", text, re.MULTILINE))
