"""`token-monitor check`: one check now, without a configuration or with one."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

import click

from monitor.adapters import logs
from monitor.adapters.argocd.client import ArgoCDClient, Endpoint
from monitor.adapters.argocd.connections import Connections
from monitor.adapters.argocd.tls import UNUSABLE, TlsContexts, Trust, make_context, unusable
from monitor.adapters.clock import SystemClock
from monitor.cli.flags import in_flags
from monitor.cli.options import DURATION
from monitor.cli.output import Result, exit_code, show
from monitor.config import address
from monitor.core.model import Expectation
from monitor.core.questions import never_granted
from monitor.core.secret import Secret
from monitor.ports import Credential
from monitor.services.checker import Checker

MAX_TOKEN_BYTES = 64 * 1024
TOKEN_VARIABLE = "ARGOCD_AUTH_TOKEN"  # noqa: S105 - the name of a variable


class Given:
    """A token that was given on the command's standard input, in its environment or in a file named to it."""

    def __init__(self, token: Secret, where: str) -> None:
        self._token = token
        self._where = where

    @property
    def where(self) -> str:
        """The place in words."""
        return self._where

    async def read(self, *, ask: bool = False) -> Credential:
        """The token as it was given."""
        return Credential(self._token)


@click.command(
    "check",
    epilog="The token is never an argument: process lists would show it.",
)
@click.option("--server", envvar="ARGOCD_SERVER", help="Address of Argo CD; https:// unless it says http://.")
@click.option("--token-file", help=f"File with the token, - for standard input. Default: ${TOKEN_VARIABLE}.")
@click.option("--rootpath", default="", help="Path under which Argo CD is served (its --rootpath).")
@click.option("--ca-file", help="PEM file of the CAs to trust instead of the system's.")
@click.option("--client-cert-file", help="PEM certificate to show to the server.")
@click.option("--client-key-file", help="PEM key of the certificate.")
@click.option("--server-name", help="Host name that the server's certificate carries, if not that of the address.")
@click.option("--insecure", is_flag=True, help="Do not verify the server's certificate.")
@click.option("--account", help="Account that the token must belong to.")
@click.option(
    "--permission", "permissions", multiple=True, help="RESOURCE/ACTION/OBJECT that it must hold. Repeatable."
)
@click.option("--expiring-within", type=DURATION, default="7d", show_default=True, help="When to warn of the end.")
@click.option("--timeout", type=DURATION, default="10s", show_default=True, help="Deadline of each request.")
@click.option("--config", "config_file", envvar="TOKEN_MONITOR_CONFIG", help="Check the targets of this configuration.")
@click.option("--target", "targets", multiple=True, help="With --config: only this target. Repeatable.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(
    server: str | None, config_file: str | None, targets: tuple[str, ...], output: str, **options: object
) -> int:
    """Check a token now; the exit code says what was found.

    \b
    ARGOCD_AUTH_TOKEN=... token-monitor check --server https://argocd.example.com
    token-monitor check --server argocd.example.com --token-file token.txt --output json
    kubectl get secret argocd-token -o jsonpath='{.data.token}' | base64 -d |
      token-monitor check --server http://localhost:8080 --token-file -
    token-monitor check --config monitor.yaml --target production
    """
    if server is None and config_file is not None:
        from monitor.cli.configured import check_configured

        logs.configure("auto", "warning", sys.stderr)
        results = asyncio.run(check_configured(config_file, targets))
        show(results, output, several=True)
        return exit_code(results)
    if server is None:
        raise click.UsageError("which Argo CD? Give --server URL (or ARGOCD_SERVER), or --config FILE.")
    if targets:
        raise click.UsageError("--target goes with --config, not with --server.")
    given = _given_token(options["token_file"])
    trust = _trust(options)
    expected = Expectation(
        account=_text(options["account"]),
        expiring_within=_number(options["expiring_within"]),
        permissions=_permissions(options["permissions"]),
        where=given.where,
    )
    endpoint = Endpoint(
        _base(server, _text(options["rootpath"]) or ""),
        trust,
        _text(options["server_name"]),
        _number(options["timeout"]),
    )
    result = asyncio.run(_check(endpoint, given, expected))
    show([result], output, several=False)
    return exit_code([result])


async def _check(endpoint: Endpoint, given: Given, expected: Expectation) -> Result:
    clock = SystemClock()
    connections = Connections(clock.monotonic)
    try:
        client = ArgoCDClient(endpoint, connections, TlsContexts(), clock)
        checked = await Checker(client, given, expected, clock).check(full=True)
    finally:
        await connections.close()
    verdict = replace(checked.verdict, remedy=in_flags(checked.verdict.remedy))
    return endpoint.base, endpoint.base, replace(checked, verdict=verdict)


def _base(server: str, rootpath: str) -> str:
    url = server if "://" in server else f"https://{server}"
    try:
        found = address.of_url(url)
        path = address.normal_rootpath(rootpath)
    except address.AddressError as error:
        raise click.UsageError(f"--server: {error.what}; {error.instead}") from None
    if path and found.rootpath and path != found.rootpath:
        raise click.UsageError("--rootpath: the address has a path already; give the path once.")
    if found.in_the_open:
        click.echo(f"warning: the token {found.in_the_open}", err=True)
    return found.url if found.rootpath else found.url + path


def _given_token(file: object) -> Given:
    if file is None:
        value = os.environ.get(TOKEN_VARIABLE)
        if value is None:
            raise click.UsageError(
                f"where is the token? Set {TOKEN_VARIABLE}, or give --token-file FILE (- for input)."
            )
        return Given(Secret(value), f"the variable {TOKEN_VARIABLE}")
    name = str(file)
    if name == "-" and sys.stdin is None:
        raise click.UsageError("--token-file -: standard input is closed. Pipe the token into it, or name a file.")
    try:
        if name == "-":
            raw = sys.stdin.buffer.read(MAX_TOKEN_BYTES + 1)
        else:
            with Path(name).open("rb") as stream:
                raw = stream.read(MAX_TOKEN_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a readable file"
        raise click.UsageError(f"--token-file: {name!r} cannot be read: {reason}. Give a readable file.") from None
    # latin-1 keeps every byte as one character: what is no ASCII is called malformed by the check, not here.
    return Given(Secret(raw.decode("latin-1")), "standard input" if name == "-" else f"file {name}")


def _trust(options: dict[str, object]) -> Trust:
    trust = Trust(
        ca_file=_text(options["ca_file"]),
        cert_file=_text(options["client_cert_file"]),
        key_file=_text(options["client_key_file"]),
        insecure=bool(options["insecure"]),
    )
    if (trust.cert_file is None) != (trust.key_file is None):
        raise click.UsageError("--client-cert-file and --client-key-file go together.")
    if trust.files:
        try:
            make_context(trust)
        except UNUSABLE as error:
            why = unusable(trust, error)
            raise click.UsageError(f"cannot be used: {why}. Give --ca-file and --client-... PEM files.") from None
    if trust.insecure:
        click.echo("warning: --insecure sends the token to a server that nobody has verified", err=True)
    return trust


def _permissions(values: object) -> tuple[str, ...]:
    found = tuple(str(value) for value in values) if isinstance(values, tuple) else ()
    for value in found:
        if value.count("/") < 2 or not value.isascii() or not value.isprintable() or " " in value:
            raise click.UsageError(
                f"--permission: {value!r} is not RESOURCE/ACTION/OBJECT; for example applications/get/*/*."
            )
        if said := never_granted(value):
            click.echo(f"warning: --permission: {said}", err=True)
    return found


def _text(value: object) -> str | None:
    return str(value) if value is not None else None


def _number(value: object) -> float:
    return float(str(value))
