"""`token-monitor rotate`: shows the plan of a rotation, then carries it out and tells each step.

It does what the monitor does, with the same journal: where a running monitor is at it as well, the journal's
compare-and-swap decides who does the next step, and both see the same end.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import click

from monitor.adapters import logs
from monitor.cli.configured import known_names, with_discovered
from monitor.cli.options import DURATION
from monitor.cli.run import load
from monitor.config.durations import written
from monitor.config.settings import Settings, TargetSettings
from monitor.core.journal import Journal, State
from monitor.core.plan import Planned
from monitor.core.report import RotationReport, rfc3339
from monitor.core.rotation.endings import delete_command
from monitor.core.status import Kind
from monitor.core.text import printable
from monitor.daemon.shared import Shared
from monitor.services.rotator import Rotator

# From these on, the new key is in the Secret.
PUBLISHED = (State.PUBLISHED, State.ADOPTED, State.GRACE, State.RETIRED)
# How often the state is looked at while the rotator works.
LOOK = 0.05
SHORTEST_PAUSE = 0.05
MAX_ID = 100
DONE, REFUSED, ERROR = 0, 2, 3


@dataclass(slots=True)
class Happened:
    """What happened, for the end: steps as (time, state, key, note), what came of it, and where it is kept."""

    plan: Sequence[Planned] = ()
    steps: list[tuple[float, str, str | None, str]] = field(default_factory=list)
    outcome: str = ""
    said: str = ""
    code: int = DONE
    where: str = ""


@click.command("rotate")
@click.argument("target")
@click.option("--config", "config_file", envvar="TOKEN_MONITOR_CONFIG", required=True, help="The configuration file.")
@click.option("--dry-run", is_flag=True, help="Only show the plan.")
@click.option("--wait", type=DURATION, default="2m", show_default=True, help="How long to wait for the new key.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(target: str, config_file: str, dry_run: bool, wait: float, output: str) -> int:
    """Replace the key of a target now: show the plan, then do it until the new key is published.

    What comes after (the old key lives on, consumers move, the old key is deleted) is left to the running monitor,
    or to the next call of this command. Exit codes: 0 done, or under way already; 2 the token is refused and was not
    replaced; 3 it was not replaced for another reason.

    \b
    token-monitor rotate production --config monitor.yaml --dry-run
    token-monitor rotate production --config monitor.yaml
    """
    settings = load(config_file)
    logs.configure("auto", "warning", sys.stderr)
    happened, as_text = Happened(), output == "text"
    try:
        asyncio.run(_run(settings, config_file, target, happened, wait=wait, dry_run=dry_run, as_text=as_text))
    except KeyboardInterrupt:
        click.echo(f"interrupted. {happened.where}", err=True)
        raise click.Abort from None
    if as_text:
        click.echo(happened.said, err=happened.code != DONE)
    else:
        click.echo(json.dumps(_as_json(target, happened, dry_run=dry_run), indent=2, ensure_ascii=False))
    return happened.code


def _found(settings: Settings, target: str, config_file: str) -> TargetSettings:
    found = next((one for one in settings.targets if one.name == target), None)
    if found is None:
        raise click.UsageError(f"{config_file} has no target {target}; it has {known_names(settings)}.")
    if found.rotation is None:
        raise click.ClickException(
            f"{target} is not rotated. That takes auth.type: password, or renew: true in token mode,"
            " and no rotation.enabled: false."
        )
    return found


async def _run(
    settings: Settings,
    config_file: str,
    name: str,
    happened: Happened,
    *,
    wait: float,
    dry_run: bool,
    as_text: bool,
) -> None:
    async with Shared(settings) as shared:
        whole = await with_discovered(shared, settings)
        target = _found(whole, name, config_file)
        happened.where = _where(whole, target)
        await _rotate(shared, target, happened, wait=wait, dry_run=dry_run, as_text=as_text)


async def _rotate(
    shared: Shared, target: TargetSettings, happened: Happened, *, wait: float, dry_run: bool, as_text: bool
) -> None:
    checked = shared.target(target)
    rotator = shared.rotator(target, checked)
    if rotator is None:
        raise click.ClickException(f"{target.name} cannot be rotated: give its token in a Secret or a file.")
    happened.plan = _condensed(await rotator.plan())
    if as_text and happened.plan:
        _show_plan(happened.plan)
    if rotator.problem:
        _end(happened, "failed", f"{rotator.problem}. {happened.where}", ERROR)
    elif dry_run:
        _end(happened, "planned", "Nothing was changed: --dry-run.", DONE)
    elif rotator.report().state in PUBLISHED and not await _is_over(rotator):
        _end(happened, "under way", _under_way(rotator.report(), happened.where), DONE)
    else:
        await _carry_out(rotator, happened, wait=wait, as_text=as_text)
        if as_text:
            click.echo("")
        if happened.outcome == "failed":
            verdict = (await checked.checker.check(full=False, fresh=True)).verdict
            refused = verdict.status.kind is Kind.REFUSED
            token = f"The token is {verdict.status}: {verdict.cause}. " if refused else ""
            code = REFUSED if refused else ERROR
            _end(happened, "failed", f"{happened.said}. {token}{happened.where}", code)


async def _is_over(rotator: Rotator) -> bool:
    """Whether the rotation under way ends now: the old key has waited long enough, or the new one is refused."""
    await rotator.advance()
    return rotator.report().state not in PUBLISHED


async def _carry_out(rotator: Rotator, happened: Happened, *, wait: float, as_text: bool) -> None:
    """Advances until the new key is published, nothing can be done, or `wait` is over."""
    before, started = rotator.report(), time.monotonic()
    rotator.demand()
    while True:
        due = await _advance(rotator, happened, as_text=as_text)
        report = rotator.report()
        if report.state in PUBLISHED or report.rotations > before.rotations:
            key = f"The new key {report.key_id} " if report.key_id else "The new key "
            _end(happened, "published", f"{key}is published and proven.{_old_one(rotator.journal)}", DONE)
            return
        why = report.waiting_for or report.problem
        if report.state is State.IDLE and (report.failing > before.failing or report.stood_down):
            _end(happened, "failed", f"The key was not replaced: {why or report.stood_down}", ERROR)
            return
        pause = max(due - time.time(), SHORTEST_PAUSE)
        if time.monotonic() - started + pause > wait:
            when = f"; it goes on in {written(round(pause))}" if pause >= 1 else ""
            _end(happened, "failed", f"The key was not replaced yet: {why or 'there was no reason to'}{when}", ERROR)
            return
        await asyncio.sleep(pause)


async def _advance(rotator: Rotator, happened: Happened, *, as_text: bool) -> float:
    """One go of the rotator, with each state that it comes through told as it does."""
    task = asyncio.ensure_future(rotator.advance())
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=LOOK)
            report = rotator.report()
            step = (report.state.value, report.key_id, report.waiting_for or report.problem if task.done() else "")
            if not happened.steps or happened.steps[-1][1:] != step:
                happened.steps.append((time.time(), *step))
                if as_text:
                    click.echo(f"  {rfc3339(time.time())}  {step[0]:<10} {step[1] or ''} {step[2]}".rstrip())
        return task.result()
    finally:
        task.cancel()


def _condensed(plan: Sequence[Planned]) -> Sequence[Planned]:
    """Without what is done again and again while something is waited for."""
    first: dict[tuple[State, str], Planned] = {}
    for step in plan:
        first.setdefault((step.state, step.words), step)
    return tuple(first.values())


def _show_plan(plan: Sequence[Planned]) -> None:
    began = plan[0].at
    click.echo("The plan, if all goes well:")
    for step in plan:
        click.echo(f"  {'+' + written(round(step.at - began)):<9} {rfc3339(step.at)}  {step.state:<10} {step.words}")
    click.echo("")


def _old_one(journal: Journal | None) -> str:
    """What becomes of the token before: a key of ours is deleted, another one lives on, and there may be none."""
    if journal is None or journal.old_id is None or not journal.old_live:
        return ""
    if journal.old_account is None:
        return " The token before is no API key: it lives until it ends."
    if journal.old_id in journal.owned:
        return " The old one is deleted when nobody uses it any more: by the running monitor, or by the next call."
    command = delete_command(journal.old_account, journal.old_id)
    return f" The one before, {printable(journal.old_id, MAX_ID)}, is not the monitor's and lives on; delete it with {command}."


def _under_way(report: RotationReport, where: str) -> str:
    key = f"the key {report.key_id}" if report.key_id else "a new key"
    return (
        f"A rotation is under way: {key} is published already, and the old one lives on ({report.state})."
        f" The running monitor ends it; then a further one can begin. {where}"
    )


def _where(settings: Settings, target: TargetSettings) -> str:
    return (
        f"Where it stands is in the journal ({settings.journal_of(target)}): a running monitor, or the next call,"
        " goes on from there."
    )


def _end(happened: Happened, outcome: str, said: str, code: int) -> None:
    happened.outcome, happened.said, happened.code = outcome, said, code


def _as_json(name: str, happened: Happened, *, dry_run: bool) -> dict[str, object]:
    return {
        "target": name,
        "dry_run": dry_run,
        "plan": [{"at": rfc3339(step.at), "state": step.state.value, "step": step.words} for step in happened.plan],
        "steps": [
            {"at": rfc3339(at), "state": state, "key_id": key, "note": note or None}
            for at, state, key, note in happened.steps
        ],
        "outcome": happened.outcome,
        "message": happened.said,
        "exit_code": happened.code,
    }
