"""Each answer of the server, made out of reports: values in, a `Page` out.

Nothing here waits or touches a socket, so the long ones can be made in a thread. Everything from outside that is
shown (names, causes) is bounded and printable before it gets here, or made so here (what a request asked for).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from monitor.core import exchange
from monitor.core.discovery import Trouble, trouble_json
from monitor.core.exchange import Speaker
from monitor.core.report import TargetReport, health_json, health_line, rfc3339, status_json
from monitor.core.status import Kind
from monitor.core.text import printable
from monitor.core.whole import Whole, whole_json

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
HEALTH_JSON = "application/health+json"
NDJSON = "application/x-ndjson"
NO_TARGETS = (
    "no targets: the configuration names none and discovery found none, so nothing is being checked. Add one under "
    "`targets`, or where `discovery` looks; /status says what is found there and cannot be used."
)
NAMES_HINTED = 20
TROUBLES_LISTED = 200
MAX_PROBLEM = 500
_WEIGHT = re.compile(r"[01](\.[0-9]{0,3})?")
# /status of 10,000 targets takes 0.3 s in its thread: let the event loop have the interpreter's lock now and then.
SLICE = 100
YIELD = 0.0002

INDEX = """Token Monitor: tests the credential with which other systems talk to Argo CD.

/healthz  for people on call: 200 when every token is accepted and freshly checked, else 503; ?target=NAME for one
/status   everything that is known of each target, as JSON; ?target=NAME for one
/metrics  for Prometheus
/         this list; for browsers (Accept: text/html) a page of all targets; ?target=NAME for one
/livez    for Kubernetes: this process works; ?verbose
/readyz   for Kubernetes: this process is ready; ?verbose
"""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer."""

    status: int
    body: bytes
    content_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)


def text(status: int, words: str, **headers: str) -> Page:
    """An answer in words. `retry_after="1"` becomes the header `Retry-After: 1`."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return Page(status, f"{words.rstrip()}\n".encode(), headers=named)


def index() -> Page:
    """What there is to see."""
    return text(200, INDEX, vary="Accept")


def probe(name: str, checks: Sequence[tuple[str, str | None]], *, verbose: bool) -> Page:
    """`/livez` and `/readyz`. checks: what was looked at, each with the reason when it is not well."""
    failed = [(check, reason) for check, reason in checks if reason is not None]
    status = 503 if failed else 200
    if verbose:
        lines = [f"[+]{check} ok" if reason is None else f"[-]{check} failed: {reason}" for check, reason in checks]
        return text(status, "\n".join([*lines, f"{name} check {'failed' if failed else 'passed'}"]))
    return text(status, "\n".join(f"{check}: {reason}" for check, reason in failed) or "ok")


def health(reports: Sequence[TargetReport], now: float, version: str, *, as_json: bool, lines: int) -> Page:
    """`/healthz`: 200 when every target is accepted and freshly checked, else 503. Those that need a person first.

    At most `lines` targets are listed. No target at all is a misconfiguration that would pass for health: 503.
    """
    ordered = sorted(reports, key=lambda report: _calm(report, now))
    status = 200 if ordered and ordered[0].healthy(now) else 503
    listed = ordered[:lines]
    if as_json:
        shown = health_json(listed, now, version)
        if not ordered:
            shown |= {"status": "fail", "output": NO_TARGETS}
        elif len(ordered) > lines:
            shown |= {"output": f"{len(ordered) - lines} more targets are not listed here: see /status"}
        return Page(status, _json(shown), HEALTH_JSON, {"Vary": "Accept"})
    told = [health_line(report, now) for report in listed] or [NO_TARGETS]
    if len(ordered) > lines:
        unwell = sum(not report.healthy(now) for report in ordered[lines:])
        told.append(f"and {len(ordered) - lines} more targets, {unwell} of them not healthy: see /status")
    return Page(status, "".join(f"{line}\n" for line in told).encode(), headers={"Vary": "Accept"})


def status(
    reports: Sequence[TargetReport],
    now: float,
    version: str,
    pause: Callable[[float], None],
    troubles: Sequence[Trouble] | None = None,
    whole: Whole | None = None,
    refused: Sequence[str] = (),
) -> Page:
    """`/status`. Made for a thread: `pause` is called between slices, so that others get their turn.

    troubles: found targets that are not used as they stand; None where that was not asked for. whole: who checks how much;
    None where nothing is shared. refused: what of the configuration cannot be used as it is now.
    """
    parts = [f'{{"version": {json.dumps(version)}, "time": {json.dumps(rfc3339(now))}, "targets": ['.encode()]
    for start in range(0, len(reports), SLICE):
        told = ",\n".join(json.dumps(status_json(report, now)) for report in reports[start : start + SLICE])
        parts.append(f"{',' if start else ''}\n{told}".encode())
        if start:
            pause(YIELD)
    parts.append(b"\n]")
    if troubles is not None:
        told = ",\n".join(json.dumps(trouble_json(trouble)) for trouble in troubles[:TROUBLES_LISTED])
        parts.append(f',\n"discovery_problems_total": {len(troubles)}, "discovery_problems": [{told}]'.encode())
        listed = json.dumps([printable(problem, MAX_PROBLEM) for problem in refused[:TROUBLES_LISTED]])
        parts.append(f',\n"configuration_problems": {listed}'.encode())
    if whole is not None:
        parts.append(f',\n"shards": {json.dumps(whole_json(whole))}'.encode())
    parts.append(b"}\n")
    return Page(200, b"".join(parts), JSON)


def status_in_thread(
    reports: Sequence[TargetReport],
    now: float,
    version: str,
    troubles: Sequence[Trouble] | None = None,
    whole: Whole | None = None,
    refused: Sequence[str] = (),
) -> Page:
    """`status` for use in a thread of its own."""
    return status(reports, now, version, time.sleep, troubles, whole, refused)


def shard(reports: Sequence[TargetReport], speaker: Speaker, pause: Callable[[float], None]) -> Page:
    """`/shard`, for other replicas: what this one sees of the targets that it checks itself. Made for a thread."""
    parts = [exchange.head(speaker)]
    for count, report in enumerate(reports, start=1):
        parts.append(exchange.line(report))
        if count % SLICE == 0:
            pause(YIELD)
    return Page(200, b"".join(parts), NDJSON)


def shard_in_thread(reports: Sequence[TargetReport], speaker: Speaker) -> Page:
    """`shard` for use in a thread of its own."""
    return shard(reports, speaker, time.sleep)


def unknown_target(name: str, reports: Iterable[TargetReport]) -> Page:
    """404, with some names that exist."""
    names = [report.name for report in islice(reports, NAMES_HINTED + 1)]
    known = ", ".join(names[:NAMES_HINTED]) + (" and more: /status lists all" if len(names) > NAMES_HINTED else "")
    return text(404, f"There is no target {printable(name, 100)!r}. Targets: {known or 'none'}.")


def wants_health_json(accept: str) -> bool:
    """Whether an Accept header names `application/health+json` (and not with q=0)."""
    return quality(accept, HEALTH_JSON) > 0


def wants_html(accept: str) -> bool:
    """Whether an Accept header names `text/html`, and plain text not as something better: browsers do, curl does not."""
    return quality(accept, "text/html") > 0 and quality(accept, "text/html") >= quality(accept, "text/plain")


def takes_gzip(encodings: str) -> bool:
    """Whether an Accept-Encoding header names gzip (and not with q=0)."""
    return quality(encodings, "gzip") > 0


def quality(choices: str, wanted: str) -> float:
    """The weight (0 to 1) that a header like Accept gives to `wanted` by name; 0 where it does not name it."""
    for choice in choices.lower().split(","):
        name, *parameters = (part.strip().replace(" ", "") for part in choice.split(";"))
        if name == wanted:
            return min((_weight(parameter[2:]) for parameter in parameters if parameter.startswith("q=")), default=1.0)
    return 0.0


def _weight(text: str) -> float:
    return float(text) if _WEIGHT.fullmatch(text) else 0.0 if not text.strip("0.") else 1.0


def _calm(report: TargetReport, now: float) -> int:
    if not report.healthy(now):
        return 0
    return 2 if report.verdict.status.kind is Kind.ACCEPTED and not report.problem else 1


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode() + b"\n"
