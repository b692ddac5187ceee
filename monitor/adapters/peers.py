"""Asks another replica what it sees: one bounded request without any credential, within a second.

What comes back is data from outside; `core/exchange` reads it. Where replicas serve https the connection is encrypted and
its certificate not verified: it is made for the Service's name, and replicas are asked by the addresses of their pods.
Nothing secret passes, and an answer decides nothing but what is shown until this replica has looked for itself.
"""

from __future__ import annotations

from yarl import URL

from monitor.adapters.argocd.tls import Trust
from monitor.adapters.http_call import HttpCaller
from monitor.core.exchange import Silent
from monitor.core.model import Fault
from monitor.core.text import printable

PATH = "/shard"
CONTENT_TYPE = "application/x-ndjson"
DEADLINE = 1.0
# 50,000 targets of one replica.
MAX_BODY = 32 * 1024 * 1024


class HttpPeers:
    """Every replica, over HTTP."""

    def __init__(self, deadline: float = DEADLINE) -> None:
        self._caller = HttpCaller(Trust(insecure=True), None, deadline)
        self._deadline = deadline

    async def ask(self, origin: str) -> bytes | Silent:
        """What the replica at `origin` tells."""
        try:
            url = URL(origin).with_path(PATH)
        except ValueError:
            return Silent("its address is none")
        answer = await self._caller.call("GET", url, {"Accept": CONTENT_TYPE}, limit=MAX_BODY)
        if isinstance(answer, Fault):
            return Silent(printable(answer.detail or answer.kind.value, 200))
        if answer.status != 200 or not answer.content_type.startswith(CONTENT_TYPE):
            return Silent(f"HTTP {answer.status}: no token-monitor that shares targets")
        return answer.body

    async def close(self) -> None:
        """Ends every connection."""
        await self._caller.close()
