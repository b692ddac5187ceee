"""A configuration that cannot be used as it is now is shown where on-call looks: on the page and in `/status`, bounded."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
from monitor.adapters.server.pages import MAX_PROBLEM, TROUBLES_LISTED
from monitor.adapters.server.server import Server
from monitor.adapters.server.status_page import TROUBLES_SHOWN

from tests.adapters.server.conftest import HOST, World
from tests.page.document import read

PROBLEM = 'targets[0].tls.caFile: "/etc/<b>.pem" holds no certificates; give certificates'


async def get(world: World, path: str, *problems: str) -> str:
    server = Server(replace(world.sources(), refused=lambda: problems), HOST, 0)
    await server.start()
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{HOST}:{server.port}{path}", headers={"Accept": "text/html"}) as response,
        ):
            assert response.status == 200
            return await response.text()
    finally:
        await server.stop(0.1)


async def test_the_page_says_what_and_that_a_restart_would_fail(world: World) -> None:
    html = await get(world, "/", PROBLEM)
    read(html)
    assert "cannot be used as it is now" in html
    assert "after a restart the monitor would not start" in html
    assert "/etc/&lt;b&gt;.pem" in html
    assert "cannot be used as it is now" not in await get(world, "/")


async def test_of_very_many_a_few_are_shown_and_more_are_listed(world: World) -> None:
    many = [f"{PROBLEM} {number}" for number in range(5000)]
    html = await get(world, "/", *many)
    read(html)
    assert html.count("holds no certificates") == TROUBLES_SHOWN
    assert f"and {5000 - TROUBLES_SHOWN} more" in html
    told = await get(world, "/status", *many, "x" * 10_000)
    assert told.count("holds no certificates") == TROUBLES_LISTED
    assert "x" * (MAX_PROBLEM + 1) not in await get(world, "/status", "x" * 10_000)
