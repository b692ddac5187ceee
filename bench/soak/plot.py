"""The picture of a soak: memory, files, threads and tasks over the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.soak.samples import Sample

PANELS: tuple[tuple[str, Callable[[Sample], float]], ...] = (
    ("memory (RSS), MiB", lambda sample: sample.rss),
    ("open files", lambda sample: sample.files),
    ("asyncio tasks", lambda sample: sample.tasks),
    ("threads", lambda sample: sample.threads),
)


def draw(samples: Sequence[Sample], warm: float, title: str, file: Path) -> None:
    """Writes it as SVG. warm: seconds of warm-up, which is shaded."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    mpl.rcParams["svg.hashsalt"] = "soak"
    figure, panels = pyplot.subplots(len(PANELS), 1, sharex=True, figsize=(9, 9))
    minutes = [sample.at / 60 for sample in samples]
    for panel, (name, value) in zip(panels, PANELS, strict=True):
        values = [value(sample) for sample in samples]
        panel.plot(minutes, values, linewidth=1)
        panel.axvspan(0, warm / 60, alpha=0.1)
        panel.set_ylabel(name)
        panel.set_ylim(0, 1.1 * max(values))
        panel.grid(alpha=0.3)
    panels[0].set_title(title, fontsize=10)
    panels[-1].set_xlabel("minutes (shaded: warm-up, not judged)")
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
