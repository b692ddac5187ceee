"""The page for people over real sockets: who gets it, with which headers, and that it is bounded."""

import asyncio
import gzip
import re
import threading

import aiohttp
import pytest
from monitor.adapters.server import status_page
from monitor.adapters.server.limits import Limits
from monitor.adapters.server.pages import quality
from monitor.adapters.server.resources import load_assets
from monitor.core.status import Status

from tests.adapters.server.conftest import HOST, NOW, report

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}
ASSETS = load_assets().by_name


@pytest.fixture
async def get(serve):
    """Asks as a browser does; gives status, headers and bytes. What is compressed stays so."""
    server = await serve(Limits(rows=5))
    session = aiohttp.ClientSession(
        f"http://{HOST}:{server.port}", auto_decompress=False, skip_auto_headers=["Accept-Encoding"]
    )
    async with session:

        async def ask(path, method="GET", headers=BROWSER):
            async with session.request(method, path, headers=headers) as answer:
                return answer.status, answer.headers, await answer.read()

        yield ask


# --- who gets it ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (BROWSER["Accept"], "text/html"),
        ("text/html", "text/html"),
        ("TEXT/HTML;q=0.1", "text/html"),
        ("text/html, text/plain", "text/html"),
        ("*/*", "text/plain"),
        ("text/*", "text/plain"),
        ("text/plain", "text/plain"),
        ("text/plain, text/html;q=0.5", "text/plain"),
        ("text/html;q=0, */*", "text/plain"),
        ("application/json", "text/plain"),
        ("", "text/plain"),
        (";;,=,q=", "text/plain"),
    ],
)
async def test_browsers_get_a_page_and_everybody_else_the_list_of_pages(accept, kind, get):
    code, headers, body = await get("/", headers={"Accept": accept})
    assert (code, headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
    assert body.startswith(b"<!doctype html>" if kind == "text/html" else b"Token Monitor:")
    assert "Accept" in headers["Vary"]


@pytest.mark.parametrize(
    ("choices", "weight"),
    [
        ("gzip", 1.0),
        ("br, GZIP ; Q=0.5", 0.5),
        ("gzip;q=0", 0.0),
        ("gzip;q=0.000", 0.0),
        ("gzip;q=nan", 1.0),
        ("gzip;q=-1", 1.0),
        ("gzip;q=1e9", 1.0),
        ("xgzip", 0.0),
        ("", 0.0),
    ],
)
def test_weights_of_headers_are_read_with_care(choices, weight):
    assert quality(choices, "gzip") == weight


# --- what it says -----------------------------------------------------------------------------------------------------


async def test_the_page_shows_the_targets_that_the_parameters_ask_for(world, get):
    world.targets = [report("calm"), report("broken", Status.REVOKED)]
    _, _, body = await get("/")
    assert body.index(b"broken") < body.index(b"calm")
    _, _, body = await get("/?class=accepted&q=calm&unknown=1")
    assert b'id="t-calm"' in body
    assert b'id="t-broken"' not in body


async def test_a_target_has_its_own_page_and_one_that_is_not_there_is_404(world, get):
    world.targets = [report("a/b c", Status.REVOKED)]
    code, _, body = await get("/?target=a%2Fb+c")
    assert code == 200
    assert b"<title>a/b c: revoked - Token Monitor</title>" in body
    code, headers, body = await get("/?target=%3Cscript%3E")
    assert (code, headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert b"&lt;script&gt;" in body
    assert (await get("/?target=a&target=b"))[0] == 400


async def test_a_page_is_bounded_and_says_what_it_does_not_show(world, get):
    world.targets = [report(f"t{number}") for number in range(12)]
    _, _, body = await get("/")
    assert body.count(b"<tbody") == 5
    assert b"Not on this page: 7 accepted." in body
    assert (await get("/?page=3"))[2].count(b"<tbody") == 2


@pytest.mark.parametrize("path", ["/", "/?target=production"])
async def test_a_page_says_when_it_was_made(path, get):
    assert b'datetime="2026-11-18T11:06:40Z">11:06:40 UTC<' in (await get(path))[2]


@pytest.mark.parametrize(("accepted", "bars"), [(3, [(0, 250), (250, 750)]), (2000, [(0, 4), (4, 1000)])])
async def test_the_bar_shows_how_large_a_part_each_class_is_and_one_of_thousands_too(accepted, bars, world, get):
    world.targets = [report("refused", Status.REVOKED), *(report(f"t{number}") for number in range(accepted))]
    found = re.findall(rb'<rect class="(?:refused|accepted)" x="(\d+)" width="(\d+)" height="1"/>', (await get("/"))[2])
    assert [(int(start), int(width)) for start, width in found] == bars


@pytest.mark.parametrize(("rows", "pauses"), [(24, 0), (60, 2)])
def test_a_long_page_lets_others_have_their_turn(rows, pauses):
    taken = []
    around = status_page.Surroundings(NOW, "1.2.3")
    status_page.StatusPage().all([report(f"t{number}") for number in range(rows)], {}, around, pause=taken.append)
    assert len(taken) == pauses


async def test_the_page_says_that_the_monitor_stands_still(world, get):
    world.ill = "no check was started for 30 s"
    assert b"no check was started for 30 s" in (await get("/"))[2]


@pytest.mark.parametrize("path", ["/", "/?target=production", "/?target=nope"])
async def test_head_is_get_without_the_body(path, get):
    code, headers, body = await get(path)
    assert (await get(path, "HEAD"))[2] == b""
    asked = await get(path, "HEAD")
    assert (asked[0], asked[1]["Content-Length"]) == (code, headers["Content-Length"])
    assert int(headers["Content-Length"]) == len(body)


async def test_the_page_is_compressed_for_those_who_take_that(world, get):
    world.targets = [report(f"t{number}") for number in range(5)]
    _, plain, body = await get("/")
    assert "Content-Encoding" not in plain
    _, headers, packed = await get("/", headers=BROWSER | {"Accept-Encoding": "gzip, br"})
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == body
    assert len(packed) < len(body) / 3
    assert headers["Vary"] == "Accept, Accept-Encoding"


# --- headers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/?target=production", "/?target=nope"])
async def test_the_policy_lets_nothing_in_but_what_this_server_sends(path, get):
    _, headers, _ = await get(path)
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "style-src": "'self'",
        "script-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in headers


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ASSETS)
async def test_a_file_of_the_page_is_kept_for_ever_under_the_hash_of_its_content(name, get):
    asset = ASSETS[name]
    code, headers, body = await get(f"/{asset.address}", headers={})
    assert (code, body, headers["Content-Type"]) == (200, asset.body, asset.content_type)
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers["ETag"] == f'"{asset.hash}"'
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("known", ['"{}"', 'W/"{}"', '"x", "{}"'])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_who_has_a_file_already_gets_no_second_copy(known, method, get):
    asset = ASSETS["page.css"]
    code, headers, body = await get(f"/{asset.address}", method, {"If-None-Match": known.format(asset.hash)})
    assert (code, body, headers["ETag"]) == (304, b"", asset.etag)
    assert "Content-Length" not in headers
    assert (await get("/livez"))[0] == 200  # the connection goes on


async def test_a_page_of_another_version_gets_the_file_that_there_is_but_not_for_ever(get):
    code, headers, body = await get(f"/assets/page.{'0' * 16}.css")
    assert (code, body) == (200, ASSETS["page.css"].body)
    assert headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "/assets/",
        "/assets/page.css",
        "/assets/page.html",
        f"/assets/page.{'0' * 16}.html",
        f"/assets/nope.{'0' * 16}.css",
        f"/assets/page.{'0' * 15}.css",
        f"/assets/..%2Fpage.{'0' * 16}.css",
        "/assets/%2e%2e/status_page.py",
        "/assets/../../../../etc/passwd",
    ],
)
async def test_nothing_else_is_served_as_a_file(path, get):
    code, _, body = await get(aiohttp.client.URL(path, encoded=True))
    assert code == 404
    assert body.startswith(b"No such page.")


@pytest.mark.parametrize("path", ["/", f"/{ASSETS['page.js'].address}"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_nothing_but_get_and_head_is_allowed(path, method, get):
    code, headers, _ = await get(path, method)
    assert (code, headers["Allow"]) == (405, "GET, HEAD")


# --- for many ---------------------------------------------------------------------------------------------------------


async def test_the_event_loop_is_free_while_a_page_is_made(world, get, monkeypatch):
    made_in = []
    row = status_page.row

    def slow(*args):
        made_in.append(threading.current_thread())
        return row(*args)

    monkeypatch.setattr(status_page, "row", slow)
    await get("/")
    assert made_in
    assert threading.main_thread() not in made_in


async def test_probes_and_files_are_answered_while_too_many_ask_for_the_page(world, serve):
    go, waiting = asyncio.Event(), asyncio.Semaphore(0)

    async def waits() -> bytes:
        waiting.release()
        await go.wait()
        return b""

    world.metrics = waits
    server = await serve(Limits(requests=2))
    async with aiohttp.ClientSession(f"http://{HOST}:{server.port}") as session:

        async def ask(path, accept="*/*"):
            async with session.get(path, headers={"Accept": accept}) as answer:
                return answer.status

        stuck = [asyncio.create_task(ask("/metrics")) for _ in range(2)]
        for _ in stuck:
            await waiting.acquire()
        assert await ask("/", "text/html") == 503
        for path in ("/livez", f"/{ASSETS['page.js'].address}", "/"):
            assert await ask(path) == 200
        go.set()
        assert await asyncio.gather(*stuck) == [200, 200]
        assert await ask("/", "text/html") == 200


def test_files_are_named_by_their_content_and_templates_are_not_among_them():
    assert not [name for name in ASSETS if name.endswith(".html")]
    for asset in ASSETS.values():
        assert re.fullmatch(r"assets/[a-z-]+\.[0-9a-f]{16}\.(css|js|svg)", asset.address)
    assert len({asset.hash for asset in ASSETS.values()}) == len(ASSETS)
