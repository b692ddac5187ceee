"""A target as the service makes it, put before a peer that means no good; and what must hold of every verdict on one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from monitor.config.load import settings_of
from monitor.core.model import Verdict
from monitor.daemon.shared import Shared
from monitor.services.fleet import Target

from tests.adapters.argocd.wire import Talk, serving
from tests.fair_time import fairly

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhcmdvY2QiLCJqdGkiOiJjYW5hcnkiLCJzdWIiOiJjb2RlZnJlc2g6YXBpS2V5In0.c2lnbmF0dXJlLWNhbmFyeQ"
# A deadline that is waited for, and one that is not.
SOON, PATIENT = 0.3, 10.0
# What a person reads in one sentence; nobody floods a log or a page with more.
LONGEST_WORDS = 600


@asynccontextmanager
async def target(url: str, token: str = TOKEN, timeout: float = PATIENT, **changes: Any) -> AsyncIterator[Target]:
    """The target as the service makes it from a configuration, over real connections, until the block is left."""
    auth = {"type": "token", "token": token, **changes.pop("auth", {})}
    settings = settings_of({"targets": [{"name": "a", "url": url, "auth": auth, **changes}]})
    made = replace(settings.targets[0], timeout=timeout)
    async with Shared(settings) as shared:
        yield shared.target(made)


async def checked(found: Target, token: str = TOKEN) -> Verdict:
    """One check from the beginning, which holds what every check of a hostile peer must hold."""
    async with asyncio.timeout(fairly(5.0)):
        verdict = (await found.checker.check(full=True)).verdict
    told = f"{verdict.cause} {verdict.remedy} {verdict.account or ''} {verdict.token_id or ''}"
    assert told.isprintable(), told
    assert len(told) <= LONGEST_WORDS, told
    assert not any(part in told for part in (token, *token.split(".")) if len(part) >= 12), told
    return verdict


async def judged(url: str, token: str = TOKEN, timeout: float = PATIENT, **changes: Any) -> Verdict:
    """The verdict on a token at an address."""
    async with target(url, token, timeout, **changes) as found:
        return await checked(found, token)


async def judged_by(talk: Talk, token: str = TOKEN, timeout: float = PATIENT, **changes: Any) -> Verdict:
    """The verdict that a server brings about which talks like this. Afterwards nobody is left with whom it could talk."""
    async with serving(talk) as server:
        verdict = await judged(server.url, token, timeout, **changes)
        await server.quiet()
    return verdict


async def judged_in_file(raw: bytes, url: str, folder: Path) -> Verdict:
    """The verdict on these bytes in a file for the token: nothing of them was looked at before."""
    file = folder / "token"
    file.write_bytes(raw)
    settings = settings_of({"targets": [{"name": "a", "url": url, "auth": {"type": "token", "tokenFile": str(file)}}]})
    async with Shared(settings) as shared:
        return await checked(shared.target(settings.targets[0]), raw.decode("latin-1"))
