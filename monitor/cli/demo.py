"""`token-monitor demo`: the main job, embedded: no Kubernetes and no Argo CD needed."""

from __future__ import annotations

import asyncio
import sys

import click

from monitor.adapters import logs
from monitor.adapters.server.errors import ServerError
from monitor.cli.options import PORT
from monitor.cli.output import WORDS, colours
from monitor.demo.password_mode import EVENTS, Ended
from monitor.demo.play import LONGEST_WAIT, Told, play
from monitor.demo.stage import Stage


@click.command("demo")
@click.option("--once", is_flag=True, help="End after the story: 0 when every event was told rightly, else 3.")
@click.option("--port", type=PORT, default=0, show_default="a free one", help="Port of the monitor on 127.0.0.1.")
@click.option("--verbose", is_flag=True, help="Show the monitor's log as well.")
def command(once: bool, port: int, verbose: bool) -> int:
    """Show what the monitor does: a simulated Argo CD, the real monitor, and what happens in real life.

    \b
    token-monitor demo
    token-monitor demo --once
    """
    logs.configure("auto", "info" if verbose else "error", sys.stderr)
    try:
        right = asyncio.run(play(port, _tell, _tell_rotation, _opened, once=once))
    except ServerError as error:
        raise click.ClickException(f"{error} Of the demo that is --port.") from None
    except KeyboardInterrupt:
        click.echo()
        return 0
    click.echo(
        "\nEvery event was told rightly." if right else "\nNot every event was told rightly; see the lines with ✗."
    )
    return 0 if right else 3


def _opened(stage: Stage) -> None:
    address = stage.daemon.address
    click.echo("A simulated Argo CD with three accounts, and the monitor of three tokens. Open while it runs:")
    click.echo(f"  {address}/healthz    for whoever is on call")
    click.echo(f"  {address}/status     everything, as JSON")
    click.echo(f"  {address}/metrics    for Prometheus\n")


def _tell(told: Told) -> None:
    click.echo(_styled("bold", f"• {told.scene.title}"))
    for report in told.reports:
        verdict = report.verdict
        _, colour = WORDS[verdict.status.kind]
        status = _styled(colour, f"{verdict.status:<20}")
        click.echo(
            f"    {report.name:<11} {status} after {told.seconds.get(report.name, LONGEST_WAIT):4.1f} s  {verdict.cause}"
        )
    refused = next((r.verdict for r in told.reports if r.verdict.accepted is not True), None)
    if refused is not None:
        click.echo(f"    {'':11} → {refused.remedy}")
    for wrong in told.wrong:
        click.echo(_styled("red", f"  ✗ {wrong}"))


def _tell_rotation(ended: Ended) -> None:
    if ended.event is EVENTS[0]:
        click.echo("\nPassword mode: the monitor makes the key itself, and a consumer calls Argo CD 20 times a second.")
    click.echo(_styled("bold", f"• {ended.event.title}"))
    verdict, rotation, calls = ended.report.verdict, ended.report.rotation, ended.calls
    _, colour = WORDS[verdict.status.kind]
    status = _styled(colour, f"{verdict.status:<20}")
    click.echo(f"    {ended.report.name:<11} {status} after {ended.seconds:4.1f} s  {verdict.cause}")
    failed = calls.refused + calls.unanswered
    click.echo(f"    {'consumer':<11} {calls.all} calls, {failed} failed")
    if rotation is not None and verdict.accepted is not True:
        click.echo(f"    {'':11} → {verdict.remedy}")
        click.echo(f"    {'rotation':<11} {rotation.waiting_for or rotation.problem}")
    for wrong in ended.wrong:
        click.echo(_styled("red", f"  ✗ {wrong}"))


def _styled(style: str, text: str) -> str:
    if not colours():
        return text
    return click.style(text, bold=True) if style == "bold" else click.style(text, fg=style)
