"""`token-monitor run`: the service."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import click

from monitor.adapters import garbage, logs, open_files
from monitor.adapters.kubernetes.own_namespace import own_namespace
from monitor.adapters.server.errors import ServerError
from monitor.config.files import check_files
from monitor.config.load import load_file
from monitor.config.problems import ConfigurationError
from monitor.config.settings import Settings
from monitor.daemon.daemon import ConfigurationFile, Daemon


@click.command("run")
@click.option("--config", "config_file", envvar="TOKEN_MONITOR_CONFIG", required=True, help="The configuration file.")
def command(config_file: str) -> int:
    """Monitor every target of a configuration, until SIGTERM.

    \b
    token-monitor run --config monitor.yaml
    """
    garbage.seldom()
    settings = load(config_file)
    logs.configure(settings.log.format, settings.log.level, sys.stderr)
    return run_until_signal(settings, ConfigurationFile(Path(config_file)))


def load(config_file: str) -> Settings:
    """Settings of a file whose certificates exist. Raises click.ClickException with every problem."""
    try:
        settings = load_file(config_file, own_namespace)
        check_files(settings, config_file)
    except ConfigurationError as error:
        raise not_usable(error) from None
    return settings


def not_usable(error: ConfigurationError) -> click.ClickException:
    """The error of every command that is given such a configuration."""
    return click.ClickException(f"the configuration cannot be used:\n{error}")


def run_until_signal(settings: Settings, file: ConfigurationFile | None) -> int:
    """Runs the monitor on uvloop until SIGTERM or SIGINT."""
    import uvloop

    open_files.tell(open_files.allow_many(), len(settings.targets))
    try:
        return uvloop.run(_run(settings, file))
    except ServerError as error:
        raise click.ClickException(str(error)) from None


async def _run(settings: Settings, file: ConfigurationFile | None) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Daemon(settings, file):
        garbage.settle()
        await _until(stop)
    return 0


async def _until(stop: asyncio.Event) -> None:
    looks = garbage.Looks()
    while not stop.is_set():
        try:
            async with asyncio.timeout(garbage.INTERVAL):
                await stop.wait()
        except TimeoutError:
            looks.look()
