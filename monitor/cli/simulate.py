"""`token-monitor simulate`: a simulated Argo CD API server, to try things against."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Literal, cast

import click

from monitor.adapters.argocd.tls import UNUSABLE, Trust, unusable
from monitor.cli.options import PORT
from monitor.config.certificates import no_passphrase
from monitor.simulator.app import running
from monitor.simulator.faults import Fault, Front
from monitor.simulator.rbac import Role
from monitor.simulator.state import ArgoCDState


@click.command("simulate")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=PORT, default=8081, show_default=True, help="Port; 0 takes a free one.")
@click.option("--wording", type=click.Choice(["2", "3"]), default="3", show_default=True, help="Argo CD 2.x or 3.x.")
@click.option("--root-path", default="", help="Serve under this path.")
@click.option("--anonymous", is_flag=True, help="users.anonymous.enabled")
@click.option("--disable-auth", is_flag=True, help="As argocd-server --disable-auth.")
@click.option("--fault", type=click.Choice([fault.value for fault in Fault]), help="What is wrong with it.")
@click.option("--cert-file", help="PEM certificate: serve TLS.")
@click.option("--key-file", help="PEM key of the certificate.")
def command(
    host: str,
    port: int,
    wording: str,
    root_path: str,
    anonymous: bool,
    disable_auth: bool,
    fault: str | None,
    cert_file: str | None,
    key_file: str | None,
) -> int:
    """Run a simulated Argo CD with the accounts admin and ci, and an API key of each.

    It prints the passwords and the keys: they protect nothing.

    \b
    token-monitor simulate --port 8081
    """
    state = ArgoCDState(
        clock=time.time, seed=time.time_ns(), wording=cast("Literal['2', '3']", wording), root_path=root_path
    )
    state.set_capabilities("admin", "login", "apiKey")
    state.change_password("admin", "simulated-admin")
    state.create_account("ci", password="simulated-ci", role=Role.READONLY)  # noqa: S106 - protects nothing
    state.set_anonymous(Role.READONLY if anonymous else None)
    state.disable_authentication(disable_auth)
    context = None
    if cert_file or key_file:
        if not (cert_file and key_file):
            raise click.UsageError("--cert-file and --key-file go together.")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(cert_file, key_file, password=no_passphrase)
        except UNUSABLE as error:
            why = unusable(Trust(cert_file=cert_file, key_file=key_file), error)
            raise click.UsageError(f"--cert-file and --key-file cannot be used: {why}. Give a PEM pair.") from None
    try:
        asyncio.run(_serve(Front(state, Fault(fault) if fault else None), host, port, context))
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}. Give another --port.") from None
    return 0


async def _serve(front: Front, host: str, port: int, context: ssl.SSLContext | None) -> None:
    async with running(front, host, port, context) as url:
        base = url + front.state.root_path
        click.echo(f"Argo CD (simulated) on {base}")
        for name, password in (("admin", "simulated-admin"), ("ci", "simulated-ci")):
            key = front.state.mint_key(name, f"{name}-1")
            click.echo(f"\naccount {name}, password {password}, API key {name}-1:\n{key}")
        click.echo(f"\nTry: ARGOCD_AUTH_TOKEN=... token-monitor check --server {base}")
        await asyncio.Event().wait()
