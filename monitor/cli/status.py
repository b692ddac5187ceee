"""`token-monitor status`: a table of the targets, from a running monitor or looked at now."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import click

from monitor.adapters import logs
from monitor.adapters.argocd.tls import UNUSABLE, Trust, make_context, unusable
from monitor.cli.output import SEVERITY, WORDS, table
from monitor.core.moments import relative
from monitor.core.status import Kind, Status
from monitor.core.text import printable, sentence

MAX_BODY = 64 * 1024 * 1024
DEADLINE = 15.0
URL = "http://127.0.0.1:8080"
HEADINGS = ("TARGET", "STATUS", "SINCE", "EXPIRES", "KEY", "ROTATION", "CONSUMERS")
STATUS_COLUMN = 1
STALE = "stale"

Told = Mapping[str, Any]


@click.command("status")
@click.option("--url", help=f"Address of a running monitor.  [default: {URL}]")
@click.option("--ca-file", help="PEM file of the CAs to trust instead of the system's, where it serves https.")
@click.option("--insecure", is_flag=True, help="Do not verify its certificate.")
@click.option("--config", "config_file", help="Do not ask a monitor: check the targets of this file now.")
@click.option("--target", "names", multiple=True, help="Only this target. Repeatable.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(
    url: str | None, ca_file: str | None, insecure: bool, config_file: str | None, names: tuple[str, ...], output: str
) -> int:
    """Show each target: status, since when, expiry, key, rotation, and who still runs with the old key.

    The exit code is that of the worst status, as with `check`.

    \b
    token-monitor status
    kubectl port-forward deploy/token-monitor 8080 & token-monitor status
    token-monitor status --config monitor.yaml --output json
    """
    if config_file is not None:
        if url is not None or ca_file is not None or insecure:
            raise click.UsageError("--config looks at the targets itself: leave out --url, --ca-file and --insecure.")
        from monitor.cli.configured import look_now

        logs.configure("auto", "warning", sys.stderr)
        targets: list[Told] = list(asyncio.run(look_now(config_file, names)))
        problems: Sequence[str] = ()  # they are in the log
    else:
        address = (url or URL).rstrip("/")
        targets, problems = asyncio.run(_fetch(address, _context(address, ca_file, insecure=insecure)))
        unknown = set(names) - {str(target.get("target")) for target in targets}
        if unknown:
            raise click.UsageError(f"--target: the monitor has no target {', '.join(sorted(unknown))}.")
        targets = [target for target in targets if not names or target.get("target") in names]
    if output == "json":
        click.echo(json.dumps(targets, indent=2))  # escaped: a terminal need not take what another monitor says
    else:
        click.echo("\n".join(_text(targets, time.time(), () if names else problems)))
    return _exit_code(targets)


def _exit_code(targets: Iterable[Told]) -> int:
    """Of the worst one; an accepted token that was not checked lately counts as "cannot tell"."""
    kinds = [
        Kind.UNKNOWN if _is_stale(target) and Status(target["status"]).accepted else Status(target["status"]).kind
        for target in targets
    ]
    return max(kinds, key=SEVERITY.index, default=Kind.UNKNOWN).value


def _is_stale(target: Told) -> bool:
    return target.get("fresh") is False


# --- where it comes from -----------------------------------------------------------------------------------------------


def _context(url: str, ca_file: str | None, *, insecure: bool) -> ssl.SSLContext | bool:
    scheme = urlsplit(url).scheme
    if scheme not in ("http", "https"):
        raise click.UsageError("--url: write it like https://monitor.example.com:8080.")
    if scheme == "http":
        if ca_file is not None or insecure:
            raise click.UsageError("--ca-file and --insecure go with https://.")
        return False
    trust = Trust(ca_file=ca_file, insecure=insecure)
    try:
        return make_context(trust)
    except UNUSABLE as error:
        raise click.UsageError(f"--ca-file cannot be used: {unusable(trust, error)}. Give a PEM file.") from None


async def _fetch(url: str, context: ssl.SSLContext | bool) -> tuple[list[Told], Sequence[str]]:
    try:
        async with (
            asyncio.timeout(DEADLINE),
            aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(f"{url}/status", allow_redirects=False, ssl=context) as answer,
        ):
            raw = b""
            while chunk := await answer.content.readany():
                raw += chunk
                if len(raw) > MAX_BODY:
                    raise click.ClickException(f"{url}/status is larger than {MAX_BODY} bytes: ask for it by --target.")
    except TimeoutError:
        raise click.ClickException(f"{url} did not answer within {DEADLINE:g} s. Does the monitor run there?") from None
    except aiohttp.ClientConnectorCertificateError:
        raise click.ClickException(f"{url}: its certificate is not trusted. Give its CA in --ca-file.") from None
    except (aiohttp.ClientError, OSError, ValueError):
        raise click.ClickException(
            f"no monitor answers at {url}. Give its address in --url, or look at the targets now: --config FILE."
        ) from None
    return _targets(url, raw), list(_problems(raw))


def _targets(url: str, raw: bytes) -> list[Told]:
    """The targets of a `/status`; whatever else answers is told as such."""
    try:
        targets = json.loads(raw)["targets"]
        known = {status.value for status in Status}
        if not all(isinstance(target, dict) and target.get("status") in known for target in targets):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise click.ClickException(
            f"{url}/status is not that of a token-monitor of this version. Give its address in --url."
        ) from None
    return list(targets)


def _problems(raw: bytes) -> Iterator[str]:
    """What of the configuration and of what discovery found cannot be used, and which replicas did not tell; in words."""
    told = json.loads(raw)
    refused = told.get("configuration_problems")
    for problem in refused if isinstance(refused, list) else ():
        yield f"The configuration cannot be used as it is now; what was in force before goes on. {_sentence(problem)}"
    shards = told.get("shards")
    missing = shards.get("missing") if isinstance(shards, dict) else None
    yield from (_sentence(words) for words in missing or () if isinstance(missing, list))
    found = told.get("discovery_problems")
    some = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    for one in some:
        goes_on = " Its former version goes on." if one.get("former_version_goes_on") is True else ""
        yield f"{_word(one.get('origin'))} cannot be used: {_sentence(one.get('problem'))}{goes_on}"
    total = told.get("discovery_problems_total")
    if isinstance(total, int) and total > len(some):
        yield f"{total - len(some)} more cannot be used: see the monitor's log."


# --- how it is shown ---------------------------------------------------------------------------------------------------


def _text(targets: Sequence[Told], now: float, problems: Sequence[str]) -> Iterable[str]:
    rows = [_row(target, now) for target in targets]
    yield table(HEADINGS, rows, [WORDS[Status(target["status"]).kind][1] for target in targets], STATUS_COLUMN)
    notes = [*(note for target in targets for note in _notes(target)), *problems]
    if not targets:
        notes.insert(0, "The monitor has no targets, so nothing is being checked: add one to its configuration.")
    if notes:
        yield ""
        yield from notes


def _row(target: Told, now: float) -> tuple[str, ...]:
    rotation = target.get("rotation")
    state = "off"
    if isinstance(rotation, Mapping):
        state = "stood down" if rotation.get("stood_down") else _word(rotation.get("state"))
        if rotation.get("rotated_at"):
            state += f", {relative(_moment(rotation['rotated_at']), now)}"
    old = rotation.get("consumers_with_old_key") if isinstance(rotation, Mapping) else None
    accepted = target.get("accepted") is True
    expires = relative(_moment(target.get("expires_at")), now)
    return (
        _word(target.get("target")),
        f"{target['status']} ({STALE})" if _is_stale(target) and accepted else str(target["status"]),
        relative(_moment(target.get("since")), now),
        "never" if expires == "-" and accepted else expires,
        _word(target.get("token_id")),
        state,
        f"{len(old)} with the old key" if isinstance(old, list) and old else "-",
    )


def _notes(target: Told) -> Iterable[str]:
    """What a person has to know beside the table: causes with their remedy, and what holds a rotation up."""
    name, kind = _word(target.get("target")), Status(target["status"]).kind
    if kind is not Kind.ACCEPTED:
        yield f"{name}: {_sentence(target.get('cause'))}"
        yield f"  → {_sentence(target.get('remedy'))}"
    elif _is_stale(target):
        yield f"{name}: not checked since {_word(target.get('verified_at'))}. Look at the monitor's log."
    if target.get("problem"):
        yield f"{name}: {_sentence(target['problem'])}"
    rotation = target.get("rotation")
    if not isinstance(rotation, Mapping):
        return
    for word in ("stood_down", "problem", "waiting_for"):
        if rotation.get(word):
            yield f"{name}: rotation: {_sentence(rotation[word])}"
            break
    old = rotation.get("consumers_with_old_key")
    if isinstance(old, list) and old:
        yield f"{name}: still with the old key: {_word(', '.join(map(str, old)))}"
    if rotation.get("left_alone_command"):
        left, by = _word(rotation.get("left_alone")), _word(rotation["left_alone_command"])
        yield f"{name}: the replaced key {left} is not ours and lives on; delete it: {by}"


def _moment(value: object) -> float | None:
    """Epoch seconds of a time in RFC 3339; None where there is none."""
    try:
        return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def _word(value: object) -> str:
    return printable(str(value), 400) if value not in (None, "") else "-"


def _sentence(value: object) -> str:
    return sentence(_word(value))
