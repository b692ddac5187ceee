"""One check of each target of a configuration, for `check --config`."""

from __future__ import annotations

import asyncio

import click

from monitor.adapters.argocd.connections import Connections
from monitor.adapters.argocd.tls import TlsContexts
from monitor.adapters.clock import SystemClock
from monitor.adapters.kubernetes.connection import KubernetesConnection
from monitor.adapters.kubernetes.secrets import KubernetesSecretSource, SecretReader
from monitor.cli.output import Result
from monitor.cli.run import load
from monitor.daemon.assembly import Assembly

AT_ONCE = 32


async def check_configured(config_file: str, names: tuple[str, ...]) -> list[Result]:
    """Checks the named targets (all, without names). Raises click errors for bad input."""
    settings = load(config_file)
    wanted = [target for target in settings.targets if not names or target.name in names]
    unknown = set(names) - {target.name for target in wanted}
    if unknown:
        known = ", ".join(target.name for target in settings.targets[:20])
        raise click.UsageError(f"--target: {config_file} has no target {', '.join(sorted(unknown))}; it has {known}.")
    clock = SystemClock()
    connections = Connections(clock.monotonic)
    kubernetes = KubernetesConnection(settings.kubernetes, clock)
    secrets = SecretReader(kubernetes)
    assembly = Assembly(
        connections,
        TlsContexts(),
        clock,
        lambda source: KubernetesSecretSource(secrets, source.namespace, source.name, source.key),
    )
    gate = asyncio.Semaphore(AT_ONCE)

    async def check(index: int) -> Result:
        target = assembly.target(wanted[index])
        async with gate:
            checked = await target.checker.check(full=True)
        return target.name, target.server, checked.verdict

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(check(index)) for index in range(len(wanted))]
    finally:
        await connections.close()
        await kubernetes.close()
    return [task.result() for task in tasks]
