"""What a bench found: figures with their spread, and whether they are what design.md promises.

A bench is a module `bench/AREA/bench_NAME.py` with a function `run(options: Options) -> Results`. It is found by its
name; `python -m bench NAME` runs it alone. It owns every process that it starts, and ends them.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Options:
    """short: less than a minute, for CI. folder: where a bench may write files of its own (plots, profiles)."""

    short: bool = False
    folder: Path = Path("build/bench")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure: a value a round (the median counts), and what was promised of it, if anything was.

    regime: under which load. at_most, at_least: the promise of design.md. digits: after the point, in the table.
    """

    name: str
    unit: str
    values: Sequence[float]
    regime: str = ""
    at_most: float | None = None
    at_least: float | None = None
    digits: int = 1

    @property
    def value(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """Half the distance between the highest and the lowest round, as a part of the median."""
        return (max(self.values) - min(self.values)) / 2 / abs(self.value) if self.value else 0.0

    @property
    def holds(self) -> bool | None:
        """Whether the promise is kept; None where nothing was promised."""
        if self.at_most is None and self.at_least is None:
            return None
        below = self.at_most is None or self.value <= self.at_most
        return below and (self.at_least is None or self.value >= self.at_least)

    def to_json(self) -> dict[str, Any]:
        """For `build/bench/NAME.json`."""
        return {
            "name": self.name,
            "regime": self.regime,
            "unit": self.unit,
            "value": self.value,
            "spread": self.spread,
            "rounds": list(self.values),
            "at_most": self.at_most,
            "at_least": self.at_least,
            "holds": self.holds,
        }


@dataclass(frozen=True, slots=True)
class Results:
    """The result of one bench. notes: sentences for the reader. details: anything more, for the JSON only."""

    title: str
    figures: Sequence[Figure]
    notes: Sequence[str] = ()
    details: dict[str, Any] = field(default_factory=dict)
