"""CPU time of one check, side by side with blackbox_exporter and with a bare aiohttp GET, under two regimes of load.

Every subject asks the same server the same question with the same token, CA and body check. Rounds of the subjects
take turns, so that a noisy moment hits all of them, and a ratio is made of rounds that stand beside each other.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
import uvloop

from bench.check.blackbox import Blackbox
from bench.check.regimes import Regime
from bench.child import Child
from bench.results import Figure, Options, Results

USERINFO = "/api/v1/session/userinfo"
PRODUCT, BARE, BLACKBOX = "Token Monitor", "bare aiohttp GET", "blackbox_exporter"
FULL = "Token Monitor with account and controls"
# At the defaults (15 s, account every 5 min) one check in 20 also looks at the account and at two controls.
FULL_EVERY = 20
# The promises of design.md: at most this part of blackbox_exporter's cost, by scheme and regime.
OF_BLACKBOX = {
    ("http", Regime.SATURATED): 1 / 4,
    ("http", Regime.PACED): 1 / 3,
    ("https", Regime.SATURATED): 1 / 7,
    ("https", Regime.PACED): 1 / 4,
}
OF_BARE = 2.0


@dataclass(frozen=True, slots=True)
class Round:
    """One round of one subject: CPU in µs a check, and what the server counted a check."""

    cpu: float
    requests: float
    connections: float


Measure = Callable[[], Awaitable[Round]]


def a_token() -> str:
    """An API key as Argo CD makes them, about as long; nobody signed it."""
    parts = (
        {"alg": "HS256", "typ": "JWT"},
        {"iss": "argocd", "sub": "codefresh:apiKey", "nbf": 1795000000, "iat": 1795000000, "jti": "bench"},
    )
    body = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return f"{body}.{'s' * 43}"


def run(options: Options) -> Results:
    """All subjects, schemes and regimes."""
    return uvloop.run(_run(options))


async def _run(options: Options) -> Results:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stage = await Stage.set_up(stack, folder, blackbox=True)
        figures: list[Figure] = []
        for regime in Regime:
            rounds = 2 if options.short else 5
            checks = _checks(regime, short=options.short)
            for scheme in ("http", "https"):
                figures += await _compared(stage, scheme, regime, rounds, checks)
        return Results(
            "CPU time of one check",
            figures,
            (
                "Ratios are medians of rounds taken in turn. Every answer was checked.",
                f"usual mix: one check in {FULL_EVERY} with account and control as well (3 requests more), by calculation.",
            ),
        )


def _checks(regime: Regime, *, short: bool) -> int:
    if regime is Regime.SATURATED:
        return 1000 if short else 4000
    return 300 if short else 2000


async def _compared(stage: Stage, scheme: str, regime: Regime, rounds: int, checks: int) -> list[Figure]:
    subjects: dict[str, Measure] = {
        PRODUCT: lambda: stage.product(scheme, regime, checks),
        BARE: lambda: stage.bare(scheme, regime, checks),
        BLACKBOX: lambda: stage.blackbox(scheme, regime, checks),
        FULL: lambda: stage.product(scheme, regime, checks // 4, full=True),
    }
    found = await interleaved(subjects, rounds)
    where = f"{scheme.upper()}, {regime.words}"
    product, bare, blackbox = found[PRODUCT], found[BARE], found[BLACKBOX]
    mixed = [
        ((FULL_EVERY - 1) * one.cpu + full.cpu) / FULL_EVERY for one, full in zip(product, found[FULL], strict=True)
    ]
    return [
        *(
            Figure(f"{name}, a check", "µs", [one.cpu for one in found[name]], where)
            for name in subjects
            if name != "full"
        ),
        Figure(f"{PRODUCT}, a check of the usual mix", "µs", mixed, where),
        Figure(f"{PRODUCT} / {BLACKBOX}", "", ratios(product, blackbox), where, OF_BLACKBOX[scheme, regime], digits=3),
        Figure(
            f"{PRODUCT} / {BARE}",
            "",
            ratios(product, bare),
            where,
            OF_BARE if regime is Regime.SATURATED else None,
            digits=2,
        ),
        Figure(f"{PRODUCT}, requests a check", "", [one.requests for one in product], where, 1.01, digits=3),
        Figure(f"{PRODUCT}, handshakes a check", "", [one.connections for one in product[1:]], where, 0.05, digits=3),
    ]


def ratios(some: Sequence[Round], others: Sequence[Round]) -> list[float]:
    """Round by round."""
    return [one.cpu / other.cpu for one, other in zip(some, others, strict=True)]


async def interleaved(subjects: dict[str, Measure], rounds: int) -> dict[str, list[Round]]:
    """`rounds` rounds of each, in turn, after one that does not count."""
    found: dict[str, list[Round]] = {name: [] for name in subjects}
    for number in range(rounds + 1):
        for name, measure in subjects.items():
            one = await measure()
            if number:
                found[name].append(one)
    return found


class Stage:
    """The server and the subjects, each in a process of its own."""

    def __init__(self, server: Child, bare: Child, product: Child, blackbox: Blackbox | None) -> None:
        self._server = server
        self._bare = bare
        self._product = product
        self._blackbox = blackbox
        self._ports: dict[str, Any] = {}

    @staticmethod
    async def set_up(stack: AsyncExitStack, folder: Path, *, blackbox: bool) -> Stage:
        """Starts them; `stack` ends them."""
        ca = trustme.CA()
        certificate = ca.issue_cert("127.0.0.1", "localhost")
        ca_file, cert_file = folder / "ca.pem", folder / "server.pem"
        ca.cert_pem.write_to_path(ca_file)
        certificate.private_key_and_cert_chain_pem.write_to_path(cert_file)
        token = a_token()
        given = {"token": token, "ca_file": str(ca_file)}
        server = await stack.enter_async_context(Child("bench.check.server", {**given, "cert_file": str(cert_file)}))
        bare = await stack.enter_async_context(Child("bench.check.bare", given))
        product = await stack.enter_async_context(Child("bench.check.product", given))
        exporter = await stack.enter_async_context(Blackbox(str(ca_file), token, folder)) if blackbox else None
        stage = Stage(server, bare, product, exporter)
        stage._ports = await server.ask({})
        return stage

    async def product(
        self,
        scheme: str,
        regime: Regime,
        checks: int,
        *,
        full: bool = False,
        twice: bool = False,
        profile: str = "",
    ) -> Round:
        """A round of ours. full: account and controls in each check. twice: the work of each check done twice."""
        command = {"base": self._base(scheme), "regime": regime, "checks": checks, "full": full, "twice": twice}
        if profile:
            command["profile"] = profile
        return await self._measured(lambda: self._product.ask(command))

    async def bare(self, scheme: str, regime: Regime, checks: int) -> Round:
        """A round of the yardstick."""
        command = {"url": self._base(scheme) + USERINFO, "regime": regime, "checks": checks}
        return await self._measured(lambda: self._bare.ask(command))

    async def blackbox(self, scheme: str, regime: Regime, checks: int) -> Round:
        """A round of blackbox_exporter."""
        exporter = self._blackbox
        if exporter is None:
            raise RuntimeError("set up without blackbox_exporter")
        return await self._measured(lambda: exporter.round(self._base(scheme) + USERINFO, regime, checks))

    def _base(self, scheme: str) -> str:
        return f"{scheme}://127.0.0.1:{self._ports[scheme]}"

    async def _measured(self, measure: Callable[[], Awaitable[dict[str, Any]]]) -> Round:
        before = await self._server.ask({})
        got = await measure()
        after = await self._server.ask({})
        checks, all_checks = got["checks"], got.get("all", got["checks"])
        if got["good"] != checks:
            raise RuntimeError(f"only {got['good']} of {checks} answers were what they had to be: nothing was measured")
        return Round(
            cpu=got["cpu"] / checks * 1e6,
            requests=(after["requests"] - before["requests"]) / all_checks,
            connections=(after["connections"] - before["connections"]) / all_checks,
        )
