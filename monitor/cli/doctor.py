"""`token-monitor doctor`: looks at everything that a configuration needs, and says what to do about what fails."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click
import yaml

from monitor.adapters import logs
from monitor.adapters.argocd.client import ArgoCDClient
from monitor.adapters.argocd.inspection import ServerInspection
from monitor.adapters.file_facts import look_at
from monitor.adapters.kubernetes.own_namespace import own_namespace
from monitor.cli.configured import named
from monitor.cli.output import Progress, colours
from monitor.cli.run import not_usable
from monitor.config.fields import NAMESPACE_PATTERN, SECRET_NAME_PATTERN
from monitor.config.files import check_files
from monitor.config.load import load_file
from monitor.config.permissions import needed_permissions
from monitor.config.problems import ConfigurationError
from monitor.config.settings import Settings, TargetSettings
from monitor.config.yamltext import Writer
from monitor.core.discovery import Trouble
from monitor.core.doctor import Area, Finding, Level, worst
from monitor.core.permissions import Permission, ServiceAccount, in_namespace, roles
from monitor.daemon.assembly import endpoint_of
from monitor.daemon.discovering import discover_once
from monitor.daemon.shared import Shared
from monitor.services.doctor import Doctor, Examination, Patient
from monitor.services.login_trial import LoginTrial

WORDS = {Level.OK: ("ok", "green"), Level.WARN: ("WARN", "yellow"), Level.FAIL: ("FAIL", "red")}
WORDS[Level.UNKNOWN] = ("?", "magenta")
PLURALS = {Level.OK: "ok", Level.WARN: "to be looked at", Level.FAIL: "failed", Level.UNKNOWN: "could not be told"}
NAME = "token-monitor"


_ACCOUNT = re.compile(rf"({NAMESPACE_PATTERN})/({SECRET_NAME_PATTERN})")


class _Account(click.ParamType[ServiceAccount]):
    """A service account as `NAMESPACE/NAME`."""

    name = "namespace/name"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> ServiceAccount:
        """The account, or a usage error."""
        if isinstance(value, ServiceAccount):
            return value
        if _ACCOUNT.fullmatch(str(value)) is None:
            self.fail(f"{value!r} is not NAMESPACE/NAME; write it like codefresh/token-monitor", param, ctx)
        namespace, _, name = str(value).partition("/")
        return ServiceAccount(namespace, name)


@click.command("doctor")
@click.option("--config", "config_file", envvar="TOKEN_MONITOR_CONFIG", required=True, help="The configuration file.")
@click.option("--target", "names", multiple=True, help="Only this target. Repeatable.")
@click.option(
    "--service-account",
    "account",
    type=_Account(),
    help="Ask what this service account may do in Kubernetes, not what you may. [default for --rbac: token-monitor]",
)
@click.option("--login", is_flag=True, help="Also try the passwords: a failed login counts (three a day are allowed).")
@click.option("--rbac", is_flag=True, help="Only print the Roles that are enough, for kubectl apply.")
@click.option("--with-create", is_flag=True, help="With --rbac: also allow to create Secrets (of any name).")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(
    config_file: str,
    names: tuple[str, ...],
    account: ServiceAccount | None,
    login: bool,
    rbac: bool,
    with_create: bool,
    output: str,
) -> int:
    """Look at each address, certificate, file, Secret, permission and account, with the fix for each that fails.

    Nothing is changed, and nobody logs in unless --login says so. Exit codes: 0 all is well, 1 something should be
    looked at, 2 something fails, 3 something could not be told.

    \b
    token-monitor doctor --config monitor.yaml
    token-monitor doctor --config monitor.yaml --service-account codefresh/token-monitor
    token-monitor doctor --config monitor.yaml --rbac | kubectl apply -f -
    """
    try:
        settings = load_file(config_file, lambda found: account.namespace if account else own_namespace(found))
    except ConfigurationError as error:
        raise not_usable(error) from None
    logs.configure("auto", "error", sys.stderr)
    if account is not None and settings.kubernetes.namespace is None:
        # What is in "the monitor's own namespace" is in that of its service account.
        settings = replace(settings, kubernetes=replace(settings.kubernetes, namespace=account.namespace))
    if rbac:
        chosen = replace(settings, targets=named(settings, names, config_file))
        click.echo(asyncio.run(_rbac(chosen, account, with_create=with_create)), nl=False)
        return 0
    asked = Asked(config_file, names, account, login)
    examinations, manifests = asyncio.run(_examine(settings, asked))
    result = worst(finding for one in examinations for finding in one.findings)
    if output == "json":
        click.echo(json.dumps(_as_json(examinations, result, manifests), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_text(examinations, manifests, asked_for=account)))
    return result.exit_code


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command was asked for."""

    config_file: str
    names: tuple[str, ...]
    account: ServiceAccount | None
    login: bool


async def _examine(settings: Settings, asked: Asked) -> tuple[list[Examination], tuple[dict[str, Any], ...]]:
    with Progress() as progress:
        async with Shared(settings) as shared:
            discovered = await discover_once(settings, shared.kubernetes, shared.clock)
            whole = discovered.settings
            shared.rotating.reloaded(whole)
            chosen = replace(whole, targets=named(whole, asked.names, asked.config_file))
            await shared.know_replicas(chosen.targets)
            patients = [_patient(shared, target, login=asked.login) for target in chosen.targets]
            doctor = Doctor(
                chosen, patients, shared.kubernetes, look_at, shared.clock, account=asked.account, told=progress.tell
            )
            found = list(await doctor.examine())
            own = shared.kubernetes.namespace
    if common := (*_files(chosen), *map(_unusable, discovered.troubles)):
        rest = found.pop(0).findings if found and found[0].target is None else ()
        found.insert(0, Examination(None, (*common, *rest)))
    return found, _manifests(needed_permissions(chosen), asked.account or ServiceAccount(own, NAME), with_create=False)


def _unusable(trouble: Trouble) -> Finding:
    what, _, fix = trouble.what.rpartition("; ")
    return Finding(Level.FAIL, Area.CONFIGURATION, str(trouble.origin), what or trouble.what, fix if what else "")


def _patient(shared: Shared, target: TargetSettings, *, login: bool) -> Patient:
    endpoint, connections = endpoint_of(target), shared.assembly.connections(target)
    client = ArgoCDClient(endpoint, connections, shared.contexts, shared.clock)
    rotated, source = target.rotation is not None, target.password_source
    password = shared.assembly.source(source) if rotated and source is not None else None
    journal = shared.rotating.journal(target)
    trial = None
    if login and password is not None and journal is not None:
        trial = LoginTrial(
            target.username or "",
            password,
            journal,
            shared.assembly.keys(target),
            client,
            shared.clock,
            f"doctor-{secrets.token_hex(6)}",
            shared.rotating.siblings_journals(target),
        )
    return Patient(
        target,
        shared.target(target).checked_by,
        client,
        shared.assembly.source(target.token_source),
        ServerInspection(endpoint, connections, shared.contexts),
        password,
        trial,
    )


def _files(settings: Settings) -> tuple[Finding, ...]:
    """Certificates and directories that `run` would refuse to start without."""
    try:
        check_files(settings)
    except ConfigurationError as error:
        return tuple(
            Finding(Level.FAIL, Area.CONFIGURATION, problem.path, problem.what, problem.instead)
            for problem in error.problems
        )
    return ()


# --- RBAC --------------------------------------------------------------------------------------------------------------


async def _rbac(settings: Settings, account: ServiceAccount | None, *, with_create: bool) -> str:
    own = account.namespace if account is not None else settings.kubernetes.namespace
    if own is None:
        async with Shared(settings) as shared:
            problem = await shared.kubernetes.ready()
            if problem is not None:
                raise click.ClickException(
                    "in which namespace does the monitor run? Give --service-account NAMESPACE/NAME,"
                    f" or kubernetes.namespace in the configuration ({problem})."
                )
            own = shared.kubernetes.namespace
    account = account or ServiceAccount(own, NAME)
    needed = needed_permissions(settings)
    manifests = _manifests(needed, account, with_create=with_create)
    if not manifests:
        return "# Nothing is needed: no target of this configuration is in Kubernetes.\n"
    lines = [f"# What {account.namespace}/{account.name} needs, by names only. Made by token-monitor doctor --rbac."]
    if not with_create and (made := _made(in_namespace(needed, own))):
        lines.append(
            "# Secrets that are not there yet are made once, since a right to create cannot be limited to names:"
        )
        lines += [f"#   kubectl create secret generic {one.name} -n {one.namespace}" for one in made]
    if settings.discovery is not None:
        lines.append(
            "# Targets that are found elsewhere are not in it: allow get, list, watch on their Secrets by name."
        )
    return "\n".join(lines) + "\n" + _yaml(manifests)


def _manifests(
    needed: Iterable[Permission], account: ServiceAccount, *, with_create: bool
) -> tuple[dict[str, Any], ...]:
    return roles((one for one in needed if with_create or not _creates_secrets(one)), account)


def _made(needed: Iterable[Permission]) -> list[Permission]:
    return [one for one in needed if _creates_secrets(one)]


def _creates_secrets(permission: Permission) -> bool:
    return permission.resource == "secrets" and "create" in permission.verbs


def _yaml(manifests: Sequence[dict[str, Any]]) -> str:
    text: str = yaml.dump_all(manifests, Dumper=Writer, sort_keys=False, explicit_start=True, default_flow_style=None)
    return text


# --- how it is shown ---------------------------------------------------------------------------------------------------


def _text(
    examinations: Sequence[Examination], manifests: Sequence[dict[str, Any]], *, asked_for: ServiceAccount | None
) -> Iterable[str]:
    for one in examinations:
        yield one.target or "all targets"
        for finding in one.findings:
            yield from _lines(finding)
        yield ""
    findings = [finding for one in examinations for finding in one.findings]
    lacking = [one for one in findings if one.area is Area.PERMISSIONS and one.level in (Level.FAIL, Level.WARN)]
    if lacking and manifests:
        yield "The RBAC that would be enough (token-monitor doctor --rbac prints it alone):"
        yield _yaml(manifests)
    asked = any(one.area is Area.PERMISSIONS for one in findings)
    if asked and asked_for is None:
        yield (
            "The permissions above are those of whoever ran this. To ask for the monitor's from elsewhere:"
            " --service-account NAMESPACE/NAME (that takes the right to create subjectaccessreviews)."
        )
    counts = Counter(finding.level for finding in findings)
    yield ", ".join(f"{counts[level]} {PLURALS[level]}" for level in PLURALS if counts[level]) or "nothing to look at"


def _lines(finding: Finding) -> Iterable[str]:
    word, colour = WORDS[finding.level]
    shown = click.style(word.ljust(4), fg=colour) if colours() else word.ljust(4)
    cause = f": {finding.cause}" if finding.cause else ""
    yield f"  {shown}  {finding.area:<13}  {finding.what}{cause}"
    if finding.fix:
        yield f"        {'':<13}  → {finding.fix}"


def _as_json(
    examinations: Sequence[Examination], result: Level, manifests: Sequence[dict[str, Any]]
) -> dict[str, object]:
    return {
        "result": result.value,
        "targets": [
            {
                "target": one.target,
                "findings": [
                    {
                        "level": finding.level.value,
                        "area": finding.area.value,
                        "what": finding.what,
                        "cause": finding.cause,
                        "fix": finding.fix or None,
                    }
                    for finding in one.findings
                ],
            }
            for one in examinations
        ],
        "rbac": list(manifests),
    }
