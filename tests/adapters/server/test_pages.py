"""What the pages say, asked over real sockets."""

import json

import aiohttp
import pytest
from monitor.adapters.server.limits import Limits
from monitor.adapters.server.pages import NAMES_HINTED
from monitor.core.status import FACTS, Kind, Status

from tests.adapters.server.conftest import HOST, NOW, report, verdict


@pytest.fixture
async def get(serve):
    """Asks the server that the test's world has; gives status, headers and text."""
    server = await serve(Limits(lines=5))
    async with aiohttp.ClientSession(f"http://{HOST}:{server.port}") as session:

        async def ask(path, method="GET", **options):
            async with session.request(method, path, **options) as answer:
                return answer.status, answer.headers, await answer.text()

        yield ask


HEALTHY = {Kind.ACCEPTED, Kind.ATTENTION}


@pytest.mark.parametrize("status", Status)
async def test_healthz_is_200_exactly_when_the_token_is_accepted(status, world, get):
    world.targets = [report(status=status)]
    code, headers, text = await get("/healthz")
    assert code == (200 if FACTS[status].kind in HEALTHY else 503)
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert text.startswith(f"production {status.value} since 2026-11-18T10:06:40Z: cause of {status.value}.")
    assert (f"remedy of {status.value}" in text) is (status is not Status.VALID)


async def test_healthz_is_503_when_nothing_was_checked_for_long(world, get):
    old = verdict(checked_at=NOW - 3600)
    world.targets = [report(verdict=old, told=old)]
    code, _, text = await get("/healthz")
    assert code == 503
    assert "Not checked since" in text


async def test_healthz_has_a_line_for_each_target_and_the_unhealthy_come_first(world, get):
    world.targets = [report("a"), report("b", Status.EXPIRING), report("c", Status.REVOKED), report("d")]
    code, _, text = await get("/healthz")
    assert code == 503
    assert [line.split()[0] for line in text.splitlines()] == ["c", "b", "a", "d"]


async def test_healthz_of_one_target_looks_at_that_one_only(world, get):
    world.targets = [report("good"), report("bad", Status.REVOKED)]
    assert (await get("/healthz?target=good"))[0] == 200
    assert (await get("/healthz?target=bad"))[0] == 503
    assert "bad" not in (await get("/healthz?target=good"))[2]


async def test_healthz_without_any_target_is_a_misconfiguration(world, get):
    world.targets = []
    code, _, text = await get("/healthz")
    assert code == 503
    assert text.startswith("no targets")
    code, _, text = await get("/healthz", headers={"Accept": "application/health+json"})
    assert (code, json.loads(text)["status"]) == (503, "fail")


async def test_healthz_of_very_many_targets_is_bounded_and_counts_what_it_leaves_out(world, get):
    world.targets = [report(f"t{n}") for n in range(20)] + [report(f"x{n}", Status.REVOKED) for n in range(7)]
    code, _, text = await get("/healthz")
    lines = text.splitlines()
    assert code == 503
    assert [line.split()[0] for line in lines[:-1]] == ["x0", "x1", "x2", "x3", "x4"]
    assert lines[-1] == "and 22 more targets, 2 of them not healthy: see /status"
    code, _, text = await get("/healthz", headers={"Accept": "application/health+json"})
    told = json.loads(text)
    assert (code, told["status"], len(told["checks"])) == (503, "fail", 5)
    assert told["output"].startswith("22 more targets")


async def test_healthz_that_leaves_nothing_out_speaks_of_nothing_more(world, get):
    world.targets = [report(f"t{n}") for n in range(5)]
    assert len((await get("/healthz"))[2].splitlines()) == 5
    assert "output" not in json.loads((await get("/healthz", headers={"Accept": "application/health+json"}))[2])


async def test_healthz_shows_an_accepted_token_with_a_problem_before_those_without(world, get):
    world.targets = [report("a"), report("b", problem="the file cannot be read"), report("c")]
    assert [line.split()[0] for line in (await get("/healthz"))[2].splitlines()] == ["b", "a", "c"]


async def test_what_is_left_out_never_makes_the_whole_look_better(world, get):
    world.targets = [*[report(f"t{n}") for n in range(20)], report("late", Status.EXPIRING)]
    _, _, text = await get("/healthz", headers={"Accept": "application/health+json"})
    assert json.loads(text)["status"] == "warn"


@pytest.mark.parametrize(
    ("status", "code", "level"),
    [(Status.VALID, 200, "pass"), (Status.EXPIRING, 200, "warn"), (Status.REVOKED, 503, "fail")],
)
async def test_healthz_speaks_health_json_with_the_same_status_codes(status, code, level, world, get):
    world.targets = [report(status=status)]
    answered, headers, text = await get("/healthz", headers={"Accept": "application/health+json"})
    told = json.loads(text)
    assert (answered, headers["Content-Type"], told["status"]) == (code, "application/health+json", level)
    assert told["checks"]["production:token"][0]["observedValue"] == status.value
    assert headers["Vary"] == "Accept"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "text/plain"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/plain"),
        ("application/json", "text/plain"),
        ("application/health+json;q=0", "text/plain"),
        ("application/health+json; q=0.0, */*", "text/plain"),
        ("Application/Health+JSON", "application/health+json"),
        ("text/plain;q=0.5, application/health+json;q=0.9", "application/health+json"),
        (";;,,;q=", "text/plain"),
    ],
)
async def test_health_json_is_for_those_who_name_it(accept, kind, get):
    _, headers, _ = await get("/healthz", headers={"Accept": accept})
    assert headers["Content-Type"].startswith(kind)


@pytest.mark.parametrize("path", ["/healthz", "/status"])
@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("nope", "'nope'"),
        ("", "''"),
        ("%0d%0aX-A:%20b", "X-A: b"),
        ("%e2%80%ae", "u202e"),
        ("%ff%fe", "�"),
        ("x" * 900, "…"),
    ],
    ids=["unknown", "empty", "line break", "direction", "not utf-8", "long"],
)
async def test_an_unknown_target_is_404_with_names_that_exist_in_one_bounded_line(path, query, shown, world, get):
    world.targets = [report(f"t{n}") for n in range(100)]
    code, headers, text = await get(aiohttp.client.URL(f"{path}?target={query}", encoded=True))
    assert code == 404
    assert shown in text
    assert "t0, t1, t2" in text
    assert "t20" not in text
    assert text.count("\n") == 1
    assert len(text) < 500
    assert "X-A" not in headers


@pytest.mark.parametrize("count", [NAMES_HINTED, NAMES_HINTED + 1])
@pytest.mark.parametrize("accept", ["text/plain", "text/html"])
async def test_of_the_names_that_exist_twenty_are_told_and_that_there_are_more(count, accept, world, get):
    world.targets = [report(f"t{n}") for n in range(count)]
    _, _, text = await get(
        "/?target=nope" if accept == "text/html" else "/status?target=nope", headers={"Accept": accept}
    )
    assert all(f"t{n}" in text for n in range(NAMES_HINTED))
    assert ("and more" in text) is (count > NAMES_HINTED)


async def test_where_there_is_no_target_that_is_said(world, get):
    world.targets = []
    assert (await get("/status?target=nope"))[2] == "There is no target 'nope'. Targets: none.\n"


async def test_two_targets_at_once_are_not_guessed_at(get):
    assert (await get("/healthz?target=production&target=other"))[0] == 400


async def test_status_is_json_of_every_target(world, get):
    world.targets = [report(f"t{n}", Status.REVOKED if n == 3 else Status.VALID) for n in range(250)]
    code, headers, text = await get("/status")
    told = json.loads(text)
    assert (code, headers["Content-Type"]) == (200, "application/json")
    assert (told["version"], told["time"]) == ("1.2.3", "2026-11-18T11:06:40Z")
    assert [target["target"] for target in told["targets"]] == [f"t{n}" for n in range(250)]
    assert told["targets"][3]["status"] == "revoked"
    assert told["targets"][3]["healthy"] is False


@pytest.mark.parametrize("count", [0, 1, 100, 101])
async def test_status_is_json_for_any_number_of_targets(count, world, get):
    world.targets = [report(f"t{n}") for n in range(count)]
    assert len(json.loads((await get("/status"))[2])["targets"]) == count


async def test_status_of_one_target(world, get):
    world.targets = [report("a"), report("b", Status.REVOKED)]
    code, _, text = await get("/status?target=b")
    assert code == 200
    assert [target["target"] for target in json.loads(text)["targets"]] == ["b"]


async def test_metrics_are_in_the_text_format_of_prometheus(get):
    code, headers, text = await get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert (code, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert text == "tokenmonitor_targets 1.0\n"


async def test_a_refused_token_fails_neither_probe(world, get):
    world.targets = [report(status=Status.REVOKED)]
    assert (await get("/livez"))[::2] == (200, "ok\n")
    assert (await get("/readyz"))[::2] == (200, "ok\n")


async def test_livez_says_why_the_process_should_be_restarted(world, get):
    world.ill = "nothing was dispatched for 60 s"
    assert (await get("/livez"))[::2] == (503, "dispatcher: nothing was dispatched for 60 s\n")
    assert (await get("/readyz"))[0] == 200


async def test_readyz_is_503_until_the_monitor_has_started(world, get):
    world.is_ready = False
    assert (await get("/readyz"))[0] == 503
    assert (await get("/livez"))[0] == 200


async def test_probes_tell_each_check_when_asked_to_be_verbose(world, get):
    assert (await get("/livez?verbose"))[2] == "[+]loop ok\n[+]dispatcher ok\nlivez check passed\n"
    world.ill = "stuck"
    assert (await get("/livez?verbose"))[2] == "[+]loop ok\n[-]dispatcher failed: stuck\nlivez check failed\n"
    assert (await get("/readyz?verbose=1"))[2] == "[+]started ok\nreadyz check passed\n"


async def test_the_index_names_every_page(get):
    code, _, text = await get("/")
    assert code == 200
    for page in ("/livez", "/readyz", "/healthz", "/metrics", "/status"):
        assert page in text


PATHS = ["/", "/livez", "/readyz", "/healthz", "/status", "/metrics"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
async def test_nothing_but_get_and_head_is_allowed(path, method, get):
    code, headers, _ = await get(path, method, data=b"change something")
    assert code == 405
    assert headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", [*PATHS, "/nope", "/healthz?target=nope"])
async def test_head_is_get_without_the_body(path, get):
    code, headers, text = await get(path)
    assert (await get(path, "HEAD"))[2] == ""
    answered = await get(path, "HEAD")
    assert answered[0] == code
    assert answered[1]["Content-Length"] == headers["Content-Length"] == str(len(text.encode()))


@pytest.mark.parametrize("path", ["/nope", "/healthz/", "/%2e%2e/etc/passwd", "/metrics/x"])
async def test_another_path_is_404(path, get):
    code, _, text = await get(aiohttp.client.URL(path, encoded=True))
    assert code == 404
    assert "/livez" in text


@pytest.mark.parametrize("path", [*PATHS, "/nope"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_every_answer_is_closed_to_browsers_and_says_nothing_of_the_software(path, method, get):
    _, headers, _ = await get(path, method)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Server"] == "token-monitor"
    assert "aiohttp" not in str(headers).lower()
