"""What a process uses over time, and whether that is flat.

Flat means: the robust slope (Theil-Sen: the median of the slopes between all pairs) of what was seen after the warm-up,
times the length of that window, stays below a bound; and at rest the process has no more open than it had at rest at
the beginning. A median of slopes is moved by no single peak.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.fleet.processes import TICKS

EVERY = 1.0
# Of so many samples one is made, which takes the peaks out and keeps pairs few.
GROUP = 10
WARM_UP = 600.0


@dataclass(frozen=True, slots=True)
class Sample:
    """A process at one moment. at: seconds since the start. rss in MiB. cpu: seconds so far."""

    at: float
    rss: float
    files: int
    threads: int
    tasks: int
    cpu: float


def look(pid: int, counted: Path, began: float) -> Sample:
    """What it uses now. counted: the file in which the process itself counts."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    # After the name in brackets, which may hold anything: the state is field 3.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    tasks, files = (int(number) for number in counted.read_text().split())
    return Sample(
        at=time.monotonic() - began,
        rss=int(status["VmRSS"].split()[0]) / 1024,
        files=files,
        threads=int(status["Threads"]),
        tasks=tasks,
        cpu=(int(fields[11]) + int(fields[12])) / TICKS,
    )


async def collect(pid: int, counted: Path, began: float, into: list[Sample]) -> None:
    """A sample each second, until it is cancelled. ProcessLookupError, FileNotFoundError: it has ended."""
    while True:
        into.append(look(pid, counted, began))
        await asyncio.sleep(EVERY)


def grouped(samples: Sequence[Sample]) -> list[Sample]:
    """One of every ten: the median of each figure."""
    return [median_of(batch) for batch in _batched(samples)]


def after_warm_up(samples: Sequence[Sample]) -> list[Sample]:
    """Without the beginning: ten minutes, or a third of a short run."""
    begin = min(WARM_UP, samples[-1].at / 3)
    return [sample for sample in samples if sample.at >= begin]


def growth(samples: Sequence[Sample], figure: Callable[[Sample], float]) -> float:
    """By how much a figure grew over the whole of these samples, by its robust slope."""
    slopes = [
        (figure(later) - figure(earlier)) / (later.at - earlier.at)
        for earlier, later in itertools.combinations(samples, 2)
        if later.at > earlier.at
    ]
    return statistics.median(slopes) * (samples[-1].at - samples[0].at) if slopes else 0.0


def median_of(batch: Sequence[Sample]) -> Sample:
    """The median of each figure of some samples."""
    return Sample(
        at=statistics.median(sample.at for sample in batch),
        rss=statistics.median(sample.rss for sample in batch),
        files=statistics.median_high([sample.files for sample in batch]),
        threads=statistics.median_high([sample.threads for sample in batch]),
        tasks=statistics.median_high([sample.tasks for sample in batch]),
        cpu=batch[-1].cpu,
    )


def _batched(samples: Sequence[Sample]) -> list[Sequence[Sample]]:
    return [samples[start : start + GROUP] for start in range(0, len(samples), GROUP)]
