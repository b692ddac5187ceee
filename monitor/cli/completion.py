"""`token-monitor completion`: the script that completes commands in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print the completion script of a shell.

    \b
    eval "$(token-monitor completion bash)"
    token-monitor completion fish > ~/.config/fish/completions/token-monitor.fish
    """
    from monitor.cli.main import cli

    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"there is no completion for {shell}; use bash, zsh or fish.")
    click.echo(found(cli, {}, "token-monitor", "_TOKEN_MONITOR_COMPLETE").source())
    return 0
