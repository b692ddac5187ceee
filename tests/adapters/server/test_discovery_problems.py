"""Found targets that cannot be used are shown: on the page for people and in `/status`, by name and bounded."""

from __future__ import annotations

from dataclasses import replace
from html import escape

import aiohttp
from monitor.adapters.server.pages import TROUBLES_LISTED
from monitor.adapters.server.server import Server
from monitor.adapters.server.status_page import TROUBLES_SHOWN
from monitor.core.discovery import Origin, Trouble

from tests.adapters.server.conftest import HOST, World
from tests.page.document import read

BROKEN = Trouble(Origin("ConfigMap", "team-a", "portal"), "auth: is required; add auth")
KEPT = Trouble(Origin("file", "", "/targets/<b>.yaml"), "is empty; write one target", "production", kept=True)


async def get(world: World, path: str, *troubles: Trouble, accept: str = "*/*") -> aiohttp.ClientResponse:
    server = Server(replace(world.sources(), troubles=lambda: troubles), HOST, 0)
    await server.start()
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{HOST}:{server.port}{path}", headers={"Accept": accept}) as response,
        ):
            await response.read()
            assert response.status == 200
            return response
    finally:
        await server.stop(0.1)


async def test_status_names_each_with_what_to_do(world: World) -> None:
    found = await (await get(world, "/status", BROKEN, KEPT)).json()
    assert len(found["targets"]) == 1
    assert found["discovery_problems_total"] == 2
    assert found["discovery_problems"] == [
        {
            "origin": "ConfigMap team-a/portal",
            "target": None,
            "problem": "auth: is required; add auth",
            "former_version_goes_on": False,
        },
        {
            "origin": "file /targets/<b>.yaml",
            "target": "production",
            "problem": "is empty; write one target",
            "former_version_goes_on": True,
        },
    ]


async def test_status_without_any_says_so(world: World) -> None:
    found = await (await get(world, "/status")).json()
    assert (found["discovery_problems_total"], found["discovery_problems"]) == (0, [])


async def test_status_of_one_target_is_about_that_one(world: World) -> None:
    name = world.targets[0].name
    found = await (await get(world, f"/status?target={name}", BROKEN)).json()
    assert "discovery_problems" not in found


async def test_very_many_are_counted_and_some_of_them_listed(world: World) -> None:
    found = await (await get(world, "/status", *[BROKEN] * 5000)).json()
    assert (found["discovery_problems_total"], len(found["discovery_problems"])) == (5000, TROUBLES_LISTED)


async def test_the_page_names_a_few_and_nothing_of_them_is_markup(world: World) -> None:
    html = await (await get(world, "/", BROKEN, KEPT, accept="text/html")).text()
    read(html)
    assert "2 discovered targets are not used as they stand." in html
    assert escape(str(BROKEN), quote=False) in html
    assert "/targets/&lt;b&gt;.yaml" in html
    many = await (await get(world, "/", *[BROKEN] * 30, accept="text/html")).text()
    read(many)
    assert many.count("ConfigMap team-a/portal") == TROUBLES_SHOWN
    assert f"and {30 - TROUBLES_SHOWN} more" in many


async def test_the_page_without_any_says_nothing(world: World) -> None:
    assert "discovered" not in await (await get(world, "/", accept="text/html")).text()
