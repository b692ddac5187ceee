"""A consumer as a GitOps runtime is one: it reads the token where it is kept, and calls Argo CD with it, all the time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import aiohttp

PAUSE = 0.05
DEADLINE = 10.0
USERINFO = "/api/v1/session/userinfo"


@dataclass
class Calls:
    """What a consumer has been answered so far. unanswered: calls without an answer that tells."""

    accepted: int = 0
    refused: int = 0
    unanswered: int = 0

    @property
    def all(self) -> int:
        """Every call."""
        return self.accepted + self.refused + self.unanswered

    def since(self, before: Calls) -> Calls:
        """Those after `before` was copied."""
        return Calls(
            self.accepted - before.accepted, self.refused - before.refused, self.unanswered - before.unanswered
        )

    def copy(self) -> Calls:
        """As it stands."""
        return Calls(self.accepted, self.refused, self.unanswered)


class Consumer:
    """`async with Consumer(...)` keeps calling. It re-reads the token for each call, as those do that read the Secret."""

    def __init__(self, url: str, token_file: Path) -> None:
        self.calls = Calls()
        self._url = url + USERINFO
        self._file = token_file
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Consumer:
        """Begins to call."""
        self._task = asyncio.create_task(self._run(), name="consumer")
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Ends."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DEADLINE)) as session:
            while True:
                await self._call(session)
                await asyncio.sleep(PAUSE)

    async def _call(self, session: aiohttp.ClientSession) -> None:
        try:
            token = self._file.read_text().strip()
            async with session.get(self._url, headers={"Authorization": f"Bearer {token}"}) as answer:
                logged_in = (await answer.json()).get("loggedIn") is True
        except (OSError, TimeoutError, aiohttp.ClientError, ValueError):
            self.calls.unanswered += 1
            return
        if logged_in:
            self.calls.accepted += 1
        else:
            self.calls.refused += 1
