"""Pictures of how memory, CPU and lateness grow with the number of targets (SVG)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.fleet.load import ON_TIME, Load

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Two colours that stay apart for everybody, and in grey.
QUIET, SCRAPED, PROMISED = "#0072b2", "#d55e00", "#777777"
MIB_IN_MB = 1.048576


def draw(loads: Sequence[Load], folder: Path) -> list[Path]:
    """One picture a quantity, over the number of targets."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rc("svg", hashsalt="token-monitor", fonttype="none")
    mpl.rc("font", family="sans-serif", size=10)
    return [
        _picture(folder / "bench-fleet-memory.svg", "Resident memory (MB)", loads, _memory),
        _picture(folder / "bench-fleet-cpu.svg", "CPU (% of one core)", loads, _cpu),
        _picture(folder / "bench-fleet-lateness.svg", "How late checks begin (ms)", loads, _lateness),
    ]


def _picture(path: Path, title: str, loads: Sequence[Load], fill: Callable[[Axes, Sequence[Load]], None]) -> Path:
    from matplotlib import pyplot as plt
    from matplotlib.ticker import StrMethodFormatter

    figure, axes = plt.subplots(figsize=(7.2, 3.0), layout="constrained")
    fill(axes, loads)
    axes.set_xscale("log")
    axes.set_xlabel("targets, each checked every 30 s")
    axes.set_title(title, loc="left")
    axes.grid(visible=True, linewidth=0.4, color="#cccccc")
    axes.spines[["top", "right"]].set_visible(False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
    figure.legend(frameon=False, loc="outside right upper")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)
    return path


def _memory(axes: Axes, loads: Sequence[Load]) -> None:
    axes.plot(_targets(loads), [load.rss * MIB_IN_MB for load in loads], "o-", color=QUIET, label="measured")
    axes.plot([1_000, 10_000], [125, 360], "v", color=PROMISED, label="at most")
    axes.set_ylim(bottom=0)


def _cpu(axes: Axes, loads: Sequence[Load]) -> None:
    for regime, color in (("quiet", QUIET), ("scraped", SCRAPED)):
        share = [100 * load.regimes[regime].cpu for load in loads]
        axes.plot(_targets(loads), share, "o-", color=color, label=_WORDS[regime])
    axes.set_yscale("log")


def _lateness(axes: Axes, loads: Sequence[Load]) -> None:
    for regime, color in (("quiet", QUIET), ("scraped", SCRAPED)):
        for part, style in (("p50", "o--"), ("p99", "o-")):
            late = [1000 * getattr(load.regimes[regime], part) for load in loads]
            label = f"{'median' if part == 'p50' else '99 %'}, {_WORDS[regime]}"
            axes.plot(_targets(loads), late, style, color=color, label=label)
    axes.axhline(1000 * ON_TIME, color=PROMISED, linewidth=1, label="99 % at most")
    axes.set_yscale("log")


def _targets(loads: Sequence[Load]) -> list[int]:
    return [load.targets for load in loads]


_WORDS = {"quiet": "at rest", "scraped": "/metrics every 5 s"}
