"""The yardstick: a bare aiohttp GET with the same body check on uvloop, in a process of its own."""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp
import uvloop

from bench.check.regimes import IN_FLIGHT, Regime, run
from bench.child import config, cpu_seconds, serve

WANTED = b'"loggedIn":true'


async def main() -> None:
    """Answers with the CPU time and the number of good answers of each round."""
    given = config()
    headers = {
        "Authorization": f"Bearer {given['token']}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }
    context = ssl.create_default_context(cafile=given["ca_file"])
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT * 4, keepalive_timeout=300)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def answer(command: dict[str, Any]) -> dict[str, Any]:
            url = command["url"]

            async def one() -> bool:
                async with session.get(url, headers=headers, ssl=context) as got:
                    return got.status == 200 and WANTED in await got.read()

            before = cpu_seconds()
            good = await run(Regime(command["regime"]), command["checks"], one)
            return {"cpu": cpu_seconds() - before, "checks": command["checks"], "good": good}

        await serve(answer)


if __name__ == "__main__":
    uvloop.run(main())
