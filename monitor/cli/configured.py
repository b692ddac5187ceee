"""What commands with a configuration share: the named targets, and a look at each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click

from monitor.cli.output import Result
from monitor.cli.run import load
from monitor.config.settings import Settings, TargetSettings
from monitor.core.replicas import after_one_look
from monitor.core.report import RotationReport, TargetReport, status_json
from monitor.daemon.discovering import discover_once
from monitor.daemon.shared import Shared
from monitor.services.checker import Checked

AT_ONCE = 32


async def check_configured(config_file: str, names: tuple[str, ...]) -> list[Result]:
    """Checks the named targets (all, without names). Raises click errors for bad input."""
    settings = load(config_file)
    async with Shared(settings) as shared:
        chosen = _some(named(await with_discovered(shared, settings), names, config_file), config_file)
        checked = await check_all(shared, chosen)
    return [(target.name, target.address.url, one) for target, one in zip(chosen, checked, strict=True)]


async def look_now(config_file: str, names: tuple[str, ...]) -> list[dict[str, object]]:
    """The named targets as `/status` tells of them: each is checked once, and its journal read. Changes nothing."""
    settings = load(config_file)
    async with Shared(settings) as shared:
        chosen = _some(named(await with_discovered(shared, settings), names, config_file), config_file)
        checked = await check_all(shared, chosen)
        rotations = await asyncio.gather(*(_rotation(shared, target) for target in chosen))
    reports = map(_report, chosen, checked, rotations)
    # One look does not know since when.
    return [{**status_json(report, report.verdict.checked_at), "since": None} for report in reports]


async def with_discovered(shared: Shared, settings: Settings) -> Settings:
    """The settings with the targets that are found elsewhere; what cannot be used there is in the log."""
    found = await discover_once(settings, shared.kubernetes, shared.clock)
    shared.rotating.reloaded(found.settings)
    return found.settings


async def _rotation(shared: Shared, settings: TargetSettings) -> RotationReport | None:
    rotator = shared.rotator(settings, shared.target(settings))
    if rotator is None:
        return None
    await rotator.plan()  # reads the journal, and does nothing
    return rotator.report()


def _report(settings: TargetSettings, checked: Checked, rotation: RotationReport | None) -> TargetReport:
    verdict, replicas = checked.verdict, checked.replicas
    problems = (checked.problem, after_one_look(replicas) if replicas is not None else "")
    return TargetReport(
        name=settings.name,
        server=settings.address.url,
        mode=settings.mode,
        where=str(settings.token_source),
        interval=settings.interval,
        timeout=settings.timeout,
        verdict=verdict,
        since=verdict.checked_at,
        told=verdict if verdict.accepted is not None else None,
        problem="; ".join(filter(None, problems)),
        anonymous_access=verdict.anonymous_access,
        checks=1,
        rotation=rotation,
        replicas=replicas,
    )


def named(settings: Settings, names: Sequence[str], config_file: str) -> tuple[TargetSettings, ...]:
    """The targets of these names, all without names. Raises click.UsageError for one that there is not."""
    chosen = tuple(target for target in settings.targets if not names or target.name in names)
    unknown = set(names) - {target.name for target in chosen}
    if unknown:
        raise click.UsageError(
            f"--target: {config_file} has no target {', '.join(sorted(unknown))}; it has {known_names(settings)}."
        )
    return chosen


def _some(targets: tuple[TargetSettings, ...], config_file: str) -> tuple[TargetSettings, ...]:
    """Raises click.ClickException where there is none: silence would look like health."""
    if not targets:
        raise click.ClickException(
            f"{config_file} has no target, and none was found where its discovery looks: write one there. What was found "
            "and cannot be used is told above."
        )
    return targets


def known_names(settings: Settings) -> str:
    """The targets that there are, for a message: the first twenty."""
    return ", ".join(target.name for target in settings.targets[:20]) or "none"


async def check_all(shared: Shared, targets: Sequence[TargetSettings]) -> list[Checked]:
    """One full check of each, so many at the same time; through each replica where the target wants that."""
    await shared.know_replicas(targets)
    gate = asyncio.Semaphore(AT_ONCE)

    async def check(settings: TargetSettings) -> Checked:
        async with gate:
            return await shared.target(settings).checked_by.check(full=True)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(check(target)) for target in targets]
    return [task.result() for task in tasks]
