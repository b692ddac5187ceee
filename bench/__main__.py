"""`python -m bench [NAME...] [--short]`: runs the benches one after the other. Status 1 when a promise was missed."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from bench.report import machine, show, write_json
from bench.results import Options


def found() -> dict[str, str]:
    """Every bench by its name: `cpu` is the module `bench.check.bench_cpu`."""
    here = Path(__file__).parent
    return {
        path.stem.removeprefix("bench_"): f"bench.{path.parent.name}.{path.stem}"
        for path in sorted(here.glob("*/bench_*.py"))
    }


def main() -> int:
    """The command."""
    benches = found()
    parser = argparse.ArgumentParser(prog="python -m bench", description="What the product costs, measured.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(benches)} (default: all)")
    parser.add_argument("--short", action="store_true", help="less exact; a minute a bench; nothing counts as missed")
    parser.add_argument("--folder", type=Path, default=Options().folder, help="where the JSON goes")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - benches.keys()
    if unknown:
        parser.error(f"there is no bench {', '.join(sorted(unknown))}; there are: {', '.join(benches)}")
    options = Options(short=arguments.short, folder=arguments.folder)
    options.folder.mkdir(parents=True, exist_ok=True)
    about = machine()
    missed = 0
    for name in arguments.names or benches:
        results = importlib.import_module(benches[name]).run(options)
        show(results)
        print(f"  {write_json(name, results, about, options.folder)}\n", flush=True)
        missed += sum(figure.holds is False for figure in results.figures)
    return 1 if missed and not options.short else 0


if __name__ == "__main__":
    sys.exit(main())
