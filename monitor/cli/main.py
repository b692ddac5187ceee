"""Entry point of `token-monitor`.

click ends usage errors with 2 and others with 1, which would read as "refused" and "needs a person" here: every
error that is not a verdict ends with 3 (design.md, "CLI").
"""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from io import StringIO

import click

from monitor import __version__
from monitor.adapters.process import keep_memory_private

EXIT_ERROR = 3
# Of what a command writes: what it stores is another matter, and told where that is done.
OUTPUT_FAILED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

# Subcommand -> module with a click command `command`. Imported when asked for: `check` starts without the rest.
COMMANDS: dict[str, str] = {
    "run": "monitor.cli.run",
    "check": "monitor.cli.check",
    "rotate": "monitor.cli.rotate",
    "status": "monitor.cli.status",
    "doctor": "monitor.cli.doctor",
    "rules": "monitor.cli.rules",
    "config": "monitor.cli.config",
    "demo": "monitor.cli.demo",
    "simulate": "monitor.cli.simulate",
    "completion": "monitor.cli.completion",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        found: click.Command = import_module(module).command
        return found


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 accepted, 1 accepted but needs a person, 2 refused, 3 cannot be told (or an error).",
)
@click.version_option(__version__, prog_name="token-monitor", message="%(prog)s %(version)s")
def cli() -> None:
    """Test the credential with which other systems talk to Argo CD, and say why it is refused.

    \b
    Try:  token-monitor demo
          ARGOCD_AUTH_TOKEN=... token-monitor check --server https://argocd.example.com
          token-monitor run --config monitor.yaml
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process. Before anything reads a credential, its memory is made private."""
    keep_memory_private()
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    entry: Callable[..., object] = cli.main
    try:
        result = entry(args=arguments, prog_name="token-monitor", standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        from monitor.adapters.logs import redact

        # click quotes what it was given, and somebody may have given the token where its file belongs.
        shown = StringIO()
        error.show(shown)
        click.echo(redact(shown.getvalue()), err=True, nl=False)
        return EXIT_ERROR
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_ERROR
    except Exception as error:  # noqa: BLE001 - Python would end with 1, which says "accepted, but needs a person"
        return _failed(error)
    return result if isinstance(result, int) else 0


def _failed(error: Exception) -> int:
    """Says what nobody expected; without anything that would need one more file or much memory."""
    if isinstance(error, OSError) and error.errno in OUTPUT_FAILED:
        sys.stderr.write(
            f"Error: the output could not be written: {error.strerror}. Make room, or send it elsewhere.\n"
        )
    elif isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        sys.stderr.write(
            f"Error: {error.strerror}. Raise the limit of open files (ulimit -n, LimitNOFILE= of systemd, --ulimit"
            " nofile= of a container).\n"
        )
    elif isinstance(error, MemoryError):
        sys.stderr.write("Error: out of memory. Give the process more of it.\n")
    else:
        from monitor.adapters.logs import redact  # not at every start

        sys.stderr.write(redact(traceback.format_exc()))
    return EXIT_ERROR


if __name__ == "__main__":
    main()
