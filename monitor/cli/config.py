"""`token-monitor config`: validate a configuration, publish its schema, make one from Codefresh's values."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from monitor.adapters.kubernetes.own_namespace import own_namespace
from monitor.adapters.kubernetes.way import by_service_account, in_pod
from monitor.cli.run import not_usable
from monitor.config.codefresh import CodefreshError, from_codefresh, read_values, render
from monitor.config.files import check_files
from monitor.config.load import load_file
from monitor.config.problems import ConfigurationError
from monitor.config.schema import json_schema
from monitor.config.settings import KubernetesSettings
from monitor.config.warnings import warnings_of

INVALID = 3


@click.group("config")
def command() -> None:
    """Look at configurations."""


@command.command("validate")
@click.argument("config_file", envvar="TOKEN_MONITOR_CONFIG")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--without-files", is_flag=True, help="Take the certificates that it names as given: for a pipeline.")
def validate(config_file: str, output: str, without_files: bool) -> int:
    """Check a configuration; every problem is told with its path and what to write instead.

    \b
    token-monitor config validate monitor.yaml
    token-monitor config validate monitor.yaml --without-files --output json
    """
    try:
        settings = load_file(config_file, _own_namespace)
        if not without_files:
            check_files(settings, config_file)
    except ConfigurationError as error:
        if output == "text":
            raise not_usable(error) from None
        click.echo(json.dumps({"valid": False, "problems": [asdict(one) for one in error.problems]}, indent=2))
        return INVALID
    notices = [str(notice) for notice in warnings_of(settings)]
    if output == "json":
        click.echo(json.dumps({"valid": True, "targets": len(settings.targets), "warnings": notices}, indent=2))
    else:
        for notice in notices:
            click.echo(f"warning: {notice}", err=True)
        click.echo(f"{config_file}: valid, {len(settings.targets)} target(s)")
    return 0


def _own_namespace(settings: KubernetesSettings) -> str | None:
    """Where the monitor will find itself. What kubectl goes by on this machine says nothing of that."""
    told = in_pod() or not by_service_account(settings)
    return own_namespace(settings) if told else settings.namespace


@command.command("schema")
def schema() -> int:
    """Print the JSON Schema of the configuration.

    \b
    token-monitor config schema > token-monitor.schema.json
    """
    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return 0


@command.command("from-codefresh")
@click.argument("values_file")
@click.option("--namespace", help="Namespace of the runtime's release.")
@click.option("--release-name", default="codefresh-gitops-runtime", show_default=True, help="Name of the release.")
def codefresh(values_file: str, namespace: str | None, release_name: str) -> int:
    """Print the configuration for an existing Codefresh GitOps Runtime (its Helm values; - for standard input).

    \b
    token-monitor config from-codefresh values.yaml --namespace codefresh > monitor.yaml
    helm get values codefresh-gitops-runtime -n codefresh | token-monitor config from-codefresh -
    """
    if values_file == "-" and sys.stdin is None:
        raise click.ClickException("standard input is closed. Pipe the values into it, or name a file.")
    try:
        text = sys.stdin.buffer.read() if values_file == "-" else Path(values_file).read_bytes()
        values = read_values(text)
        conversion = from_codefresh(values, release_namespace=namespace, release_name=release_name)
    except OSError as error:
        raise click.ClickException(f"{values_file} cannot be read: {error.strerror}. Give a readable file.") from None
    except (CodefreshError, ConfigurationError) as error:
        raise click.ClickException(f"{values_file}: {error}") from None
    click.echo(render(conversion), nl=False)
    return 0
