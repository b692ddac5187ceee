"""`python -m simulation`: plays seeds on all cores, tells which ones broke a rule, and how to replay them.

make simulate SEEDS=1000            # seeds 0 to 999
make simulate SEEDS=1000 FROM=5000  # others
make simulate SEED=123              # one, with everything that happened in it
make simulate SEEDS=50 BUG="drop the compare-and-swap"
make simulate DAYS=90               # one target for three months
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial

import click
from monitor.adapters import garbage

from simulation.bugs import BUGS
from simulation.draw import draw
from simulation.run import Outcome, months, play, run

SHOWN = 10
# Seconds without any seed that ends. One takes a fifth of a second; what a process that was killed had is never told.
LONGEST = 300.0


@click.command()
@click.option("--seeds", default=200, show_default=True, help="How many seeds.")
@click.option("--from", "first", default=0, show_default=True, help="The first one.")
@click.option("--seed", type=int, help="Only this one, with its trace.")
@click.option("--days", type=float, help="Instead: one quiet world for so many days.")
@click.option("--bug", type=click.Choice(sorted(BUGS)), help="With this deliberate bug in the monitor.")
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, help="Processes at the same time.")
@click.option("--stop-after", default=10, show_default=True, help="Ends after so many seeds that failed.")
def main(
    seeds: int, first: int, seed: int | None, days: float | None, bug: str | None, jobs: int, stop_after: int
) -> None:
    """Plays simulations of the monitor. Exit code 1 where something did not hold."""
    garbage.seldom()
    if days is not None:
        sys.exit(_months(days))
    if seed is not None:
        sys.exit(_show(seed, bug))
    began, failed, done = time.monotonic(), list[Outcome](), 0
    cpu = virtual = 0.0
    for outcome in _outcomes(range(first, first + seeds), bug, jobs):
        done, cpu, virtual = done + 1, cpu + outcome.seconds, virtual + outcome.virtual
        if outcome.violation is not None:
            failed.append(outcome)
            click.echo(f"seed {outcome.seed}: {outcome.violation}")
            click.echo(f"  replay it: make simulate SEED={outcome.seed}" + (f' BUG="{bug}"' if bug else ""))
        if done % 500 == 0:
            click.echo(f"{done} of {seeds} seeds in {time.monotonic() - began:.0f} s, {len(failed)} failed")
        if len(failed) >= stop_after:
            break
    took = time.monotonic() - began
    click.echo(
        f"{done} seeds, {len(failed)} failed; {took:.0f} s on {jobs} processes, {cpu / max(1, done):.2f} s of CPU a seed;"
        f" {virtual / 86_400:.1f} virtual days"
    )
    sys.exit(1 if failed else 0)


def _outcomes(seeds: range, bug: str | None, jobs: int) -> Iterator[Outcome]:
    play = partial(_run, bug=bug)
    if jobs <= 1:
        yield from map(play, seeds)
        return
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=50) as pool:
        outcomes = pool.imap_unordered(play, seeds)
        for _ in seeds:
            try:
                yield outcomes.next(timeout=LONGEST)
            except multiprocessing.TimeoutError:
                why = "a process that played them was killed (is there too little memory?)"
                raise click.ClickException(f"no seed ended within {LONGEST:.0f} s: {why}") from None


def _run(seed: int, bug: str | None) -> Outcome:
    with BUGS[bug].let_in() if bug is not None else nullcontext():
        return run(seed)


def _months(days: float) -> int:
    began, cpu = time.monotonic(), time.process_time()
    world = play(months(days))
    took, used = time.monotonic() - began, time.process_time() - cpu
    keys = len(world.invariants.minted)
    held = world.violation or "everything held"
    click.echo(f"{days:g} virtual days of one target in {took:.0f} s ({used:.0f} s of CPU), {keys} keys made: {held}")
    return 1 if world.violation else 0


def _show(seed: int, bug: str | None) -> int:
    plan = draw(seed)
    for name in plan.__slots__:
        value = getattr(plan, name)
        if name in ("moments", "spells"):
            for each in value:
                click.echo(f"  {each}")
        else:
            click.echo(f"{name}: {value}")
    outcome = _run(seed, bug)
    click.echo("\n".join(outcome.lines))
    click.echo(
        f"digest {outcome.digest}, {outcome.events} events, {outcome.virtual:.0f} virtual s, {outcome.seconds:.2f} s of CPU"
    )
    click.echo(f"seed {seed}: {outcome.violation or 'everything held'}")
    return 1 if outcome.violation else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of sets of texts is chance otherwise.
        os.execve(
            sys.executable, [sys.executable, "-m", "simulation", *sys.argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"}
        )
    main()
