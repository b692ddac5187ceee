"""The way to the API over real sockets: a server made on the spot does what servers, proxies and networks do."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from kubernetes_asyncio.config import incluster_config
from monitor.adapters.kubernetes import connection as subject
from monitor.adapters.kubernetes import way
from monitor.adapters.kubernetes.connection import KubernetesConnection
from monitor.cluster import Answer, Event, NoAnswer
from monitor.config.settings import KubernetesSettings

SECRETS = "/api/v1/namespaces/argocd/secrets"
QUERY = {"resourceVersion": "7", "timeoutSeconds": "60"}
CANARY = "canary-71d5"
# Of a test, or of what is expected to come: never reached unless something hangs.
PATIENCE = 30.0

Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]
Items = list[Event | Answer | NoAnswer]


class Clock:
    """The machine's clock, which a test can put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


class Api:
    """What arrives at the server, and the way to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.requests: list[web.Request] = []
        self.hung_up = asyncio.Event()
        self.url = ""
        self.serve: Serve | None = None  # takes the place of what was served at first
        self.connections: list[KubernetesConnection] = []

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    def configure(self, token: str = "service-account-token") -> None:
        """Writes the kubeconfig."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url}}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "argocd"}}],
        }
        self.kubeconfig.write_text(json.dumps(document), "utf-8")

    def connect(self, *, deadline: float = 5.0, settings: KubernetesSettings | None = None) -> KubernetesConnection:
        settings = settings or KubernetesSettings(kubeconfig=str(self.kubeconfig))
        connection = KubernetesConnection(settings, self.clock, deadline=deadline)
        self.connections.append(connection)
        return connection

    def tokens(self) -> list[str]:
        return [request.headers.get("Authorization", "") for request in self.requests]


@asynccontextmanager
async def serving(folder: Path, serve: Serve, **options: Any) -> AsyncIterator[Api]:
    api = Api(folder)

    async def handle(request: web.Request) -> web.StreamResponse:
        api.requests.append(request)
        try:
            return await (api.serve or serve)(request)
        except (asyncio.CancelledError, ConnectionError):
            api.hung_up.set()
            raise

    runner = web.ServerRunner(web.Server(handle, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=options.get("tls"))
    await site.start()
    api.url = f"{'https' if options.get('tls') else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    api.configure()
    try:
        yield api
    finally:
        for connection in api.connections:
            await connection.close()
        await runner.cleanup()


def line(type_: str, version: int, value: str = "x") -> bytes:
    found = {"metadata": {"name": "token", "resourceVersion": str(version)}, "data": {"token": value}}
    return json.dumps({"type": type_, "object": found}).encode() + b"\n"


def streaming(*pieces: bytes | float, reset: bool = False, status: int = 200) -> Serve:
    """Sends these pieces, waiting for the numbers between them, and ends the answer, or resets the connection."""

    async def serve(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for piece in pieces:
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            else:
                await response.write(piece)
        if reset:
            assert request.transport is not None
            request.transport.abort()
            await asyncio.sleep(3600)
        return response

    return serve


def answering(status: int, body: object) -> Serve:
    async def serve(_: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return serve


async def watched(connection: KubernetesConnection, *, silence: float = 5.0, query: dict[str, str] = QUERY) -> Items:
    return [item async for item in connection.watch(SECRETS, query=query, silence=silence)]


def summary(items: Items) -> list[tuple[str, str] | int | str]:
    """What came, in short."""
    return [
        (item.type, item.object["metadata"]["resourceVersion"])
        if isinstance(item, Event)
        else item.status
        if isinstance(item, Answer)
        else item.why
        for item in items
    ]


async def test_the_events_of_a_watch_come_one_by_one_until_the_server_ends_it(tmp_path: Path) -> None:
    serve = streaming(line("ADDED", 8), line("MODIFIED", 9) + line("BOOKMARK", 10), line("DELETED", 11))
    async with serving(tmp_path, serve) as api:
        items = await watched(api.connect())
        assert summary(items) == [("ADDED", "8"), ("MODIFIED", "9"), ("BOOKMARK", "10"), ("DELETED", "11")]
        request = api.requests[0]
        assert dict(request.query) == {**QUERY, "watch": "true"}
        assert request.path == SECRETS
        assert api.tokens() == ["Bearer service-account-token"]


async def test_a_line_that_comes_in_pieces_is_one_event(tmp_path: Path) -> None:
    whole = line("ADDED", 8, "ü" * 100) + b"\n\n" + line("ADDED", 9)
    pieces = [piece for n in range(0, len(whole), 7) for piece in (whole[n : n + 7], 0.0)]
    async with serving(tmp_path, streaming(*pieces)) as api:
        assert summary(await watched(api.connect())) == [("ADDED", "8"), ("ADDED", "9")]


async def test_an_event_is_given_when_it_comes_and_not_with_the_next(tmp_path: Path) -> None:
    async with serving(tmp_path, streaming(line("ADDED", 8), 3600.0)) as api, asyncio.timeout(PATIENCE):
        events = api.connect().watch(SECRETS, query=QUERY, silence=60)
        assert summary([await anext(events)]) == [("ADDED", "8")]
        await events.aclose()


@pytest.mark.parametrize("status", [401, 403, 404, 410, 429, 500, 503])
async def test_a_watch_that_is_refused_gives_the_answer(tmp_path: Path, status: int) -> None:
    async with serving(tmp_path, answering(status, {"kind": "Status", "message": "no"})) as api:
        items = await watched(api.connect())
        assert items == [Answer(status, {"kind": "Status", "message": "no"})]


async def test_a_410_in_the_stream_is_an_event_like_others(tmp_path: Path) -> None:
    gone = b'{"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}\n'
    async with serving(tmp_path, streaming(gone)) as api:
        items = await watched(api.connect())
        assert items == [Event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})]


async def test_a_connection_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    async with serving(tmp_path, streaming(line("ADDED", 8), 3600.0)) as api, asyncio.timeout(PATIENCE):
        items = await watched(api.connect(), silence=0.5)
        assert summary(items)[0] == ("ADDED", "8")
        assert "nothing was heard" in str(summary(items)[1])
        await api.hung_up.wait()


async def test_a_slow_stream_is_not_silent(tmp_path: Path) -> None:
    pieces = [piece for n in range(30) for piece in (line("BOOKMARK", n), 0.05)]
    async with serving(tmp_path, streaming(*pieces)) as api:
        items = await watched(api.connect(), silence=1.0)
        assert len(items) == 30
        assert all(isinstance(item, Event) for item in items)


async def test_a_watch_that_outlasts_what_was_asked_for_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "WATCH_SLACK", 0.3)
    pieces = [piece for n in range(100) for piece in (line("BOOKMARK", n), 0.05)]
    async with serving(tmp_path, streaming(*pieces)) as api, asyncio.timeout(PATIENCE):
        items = await watched(api.connect(), query={"timeoutSeconds": "0"})
        assert 1 < len(items) < 50
        assert isinstance(items[-1], NoAnswer)


async def test_a_reset_connection_is_told_as_broken(tmp_path: Path) -> None:
    async with serving(tmp_path, streaming(line("ADDED", 8), 0.1, reset=True)) as api:
        items = await watched(api.connect())
        assert summary(items)[0] == ("ADDED", "8")
        assert str(summary(items)[1]).startswith("the watch broke: ")


async def test_a_stream_that_ends_within_a_line_is_broken_and_the_rest_is_no_event(tmp_path: Path) -> None:
    async with serving(tmp_path, streaming(line("ADDED", 8), line("MODIFIED", 9)[:-20])) as api:
        items = await watched(api.connect())
        assert summary(items) == [("ADDED", "8"), "the watch broke in the middle of a line"]


async def test_a_line_without_an_end_is_given_up_at_four_mebibytes(tmp_path: Path) -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    async with serving(tmp_path, serve) as api, asyncio.timeout(PATIENCE):
        items = await watched(api.connect())
        assert summary(items) == [f"a line of the watch is longer than {4 * 1024 * 1024} bytes"]
        await api.hung_up.wait()


async def test_a_large_secret_passes(tmp_path: Path) -> None:
    async with serving(tmp_path, streaming(line("ADDED", 8, "x" * 3_000_000))) as api:
        assert summary(await watched(api.connect())) == [("ADDED", "8")]


@pytest.mark.parametrize(
    "page",
    [
        b"<html>log in</html>\n",
        b'{"type": 7, "object": {}}\n',
        b'{"type": "ADDED"}\n',
        b"[]\n",
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
    ],
    ids=["html", "type", "object", "list", "bytes", "nested"],
)
async def test_what_is_no_event_ends_the_watch_and_is_not_quoted(tmp_path: Path, page: bytes) -> None:
    async with serving(tmp_path, streaming(line("ADDED", 8), page, line("ADDED", 9))) as api:
        items = await watched(api.connect())
        assert summary(items)[0] == ("ADDED", "8")
        assert len(items) == 2
        assert "no event of a watch" in str(summary(items)[1])


async def test_an_api_that_does_not_begin_the_watch_is_given_up_at_the_deadline(tmp_path: Path) -> None:
    async def serve(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3600)
        return web.Response()

    async with serving(tmp_path, serve) as api, asyncio.timeout(PATIENCE):
        items = await watched(api.connect(deadline=0.2))
        assert summary(items) == ["the Kubernetes API did not begin the watch within 0.2 s"]


async def test_where_nothing_listens_nothing_was_sent(tmp_path: Path) -> None:
    async with serving(tmp_path, answering(200, {})) as api:
        api.url = "http://127.0.0.1:9"
        api.configure()
        (item,) = await watched(api.connect())
        assert isinstance(item, NoAnswer)
        assert not item.sent


@pytest.mark.parametrize("how", ["cancelled", "closed by its reader", "closed with the connection"])
async def test_a_watch_that_is_no_longer_wanted_closes_its_connection(tmp_path: Path, how: str) -> None:
    async with serving(tmp_path, streaming(line("ADDED", 8), 3600.0)) as api, asyncio.timeout(PATIENCE):
        connection = api.connect()
        if how == "closed by its reader":
            async with aclosing(connection.watch(SECRETS, query=QUERY, silence=60)) as events:
                await anext(events)
        else:
            task = asyncio.create_task(watched(connection, silence=60))
            while not api.requests:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            if how == "cancelled":
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                await connection.close()
                items = await task
                assert isinstance(items[-1], NoAnswer)
        await api.hung_up.wait()


async def test_hundreds_of_watches_leave_room_for_requests(tmp_path: Path) -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await streaming(line("ADDED", 8), 3600.0)(request)
        return web.json_response({"kind": "Secret"})

    async with serving(tmp_path, serve) as api, asyncio.timeout(PATIENCE):
        connection = api.connect()
        watches = [connection.watch(SECRETS, query=QUERY, silence=60) for _ in range(300)]
        firsts = await asyncio.gather(*(anext(events) for events in watches))
        assert all(isinstance(first, Event) for first in firsts)
        assert await connection.request("GET", f"{SECRETS}/token", deadline=PATIENCE) == Answer(200, {"kind": "Secret"})
        for events in watches:
            await events.aclose()


# --- Requests -----------------------------------------------------------------------------------------------------


async def test_a_request_says_what_it_accepts_and_has_a_deadline_of_its_own(tmp_path: Path) -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        if request.method == "PUT":
            await asyncio.sleep(3600)
        return web.json_response({"kind": "PartialObjectMetadata"})

    async with serving(tmp_path, serve) as api, asyncio.timeout(PATIENCE):
        connection = api.connect(deadline=60)
        await connection.request("GET", SECRETS, accept="application/json;as=PartialObjectMetadata")
        assert api.requests[0].headers["Accept"] == "application/json;as=PartialObjectMetadata"
        answer = await connection.request("PUT", SECRETS, body={}, deadline=0.2)
        assert answer == NoAnswer("the Kubernetes API did not answer within 0.2 s", sent=True)


@pytest.mark.parametrize(("method", "arrives"), [("GET", 2), ("PUT", 1), ("PATCH", 1), ("POST", 1), ("DELETE", 1)])
async def test_only_a_read_is_sent_again_over_a_new_connection_when_a_kept_one_breaks(
    tmp_path: Path, method: str, arrives: int
) -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        if request.path == SECRETS:
            return web.json_response({})
        assert request.transport is not None
        if len(api.requests) == 2:
            request.transport.abort()  # after it has arrived: it may have been done
            await asyncio.sleep(3600)
        return web.json_response({"kind": "Secret"})

    async with serving(tmp_path, serve) as api, asyncio.timeout(PATIENCE):
        connection = api.connect()
        await connection.request("GET", SECRETS)  # the connection is kept
        body = None if method == "GET" else {}
        answer = await connection.request(method, f"{SECRETS}/token", body=body)
        assert len(api.requests) == 1 + arrives
        if method == "GET":
            assert answer == Answer(200, {"kind": "Secret"})
        else:
            assert isinstance(answer, NoAnswer)
            assert answer.sent, "unknown, and never a conflict with oneself"


async def test_a_body_that_is_too_large_is_given_up(tmp_path: Path) -> None:
    async with serving(tmp_path, answering(200, {"data": "x" * (4 * 1024 * 1024)})) as api:
        answer = await api.connect().request("GET", SECRETS)
        assert isinstance(answer, NoAnswer)
        assert "larger than" in answer.why


async def test_proxies_of_the_environment_are_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    async with serving(tmp_path, streaming(line("ADDED", 8))) as api:
        connection = api.connect()
        assert isinstance(await connection.request("GET", SECRETS), Answer)
        assert summary(await watched(connection)) == [("ADDED", "8")]


async def test_after_close_nothing_is_opened_again(tmp_path: Path) -> None:
    async with serving(tmp_path, answering(200, {})) as api:
        connection = api.connect()
        await connection.request("GET", SECRETS)
        await connection.close()
        answer = await connection.request("GET", SECRETS)
        assert answer == NoAnswer("the connection to the Kubernetes API is closed", sent=False)
        assert len(api.requests) == 1


# --- Credentials that change ----------------------------------------------------------------------------------------


def only(token: str) -> Serve:
    """Accepts this token alone."""

    async def serve(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {token}":
            return web.json_response({"kind": "Status", "message": "Unauthorized"}, status=401)
        return await streaming(line("ADDED", 8), 3600.0)(request) if "watch" in request.query else web.json_response({})

    return serve


async def test_after_a_401_the_configuration_is_read_anew_and_open_watches_go_on(tmp_path: Path) -> None:
    async with serving(tmp_path, only("old")) as api, asyncio.timeout(PATIENCE):
        api.configure("old")
        connection = api.connect()
        async with aclosing(connection.watch(SECRETS, query=QUERY, silence=60)) as events:
            await anext(events)
            api.configure("new")
            assert await connection.request("GET", SECRETS) == Answer(200)
            api.requests.clear()
            api.serve = only("new")
            assert (await status(connection)) == 401
            assert (await status(connection)) == 401, "not more often than every ten seconds"
            api.clock.ahead += subject.RETRY_CONFIGURATION
            assert (await status(connection)) == 200
            assert api.tokens() == ["Bearer old", "Bearer old", "Bearer new"]
            assert not api.hung_up.is_set()


async def test_a_configuration_that_cannot_be_read_anew_leaves_the_old_one_in_use(tmp_path: Path) -> None:
    async with serving(tmp_path, only("other")) as api:
        connection = api.connect()
        assert await status(connection) == 401
        api.kubeconfig.unlink()
        api.clock.ahead += subject.RETRY_CONFIGURATION
        assert await status(connection) == 401
        api.configure("other")
        api.clock.ahead += subject.RETRY_CONFIGURATION
        assert await status(connection) == 200


async def test_in_a_pod_the_token_of_the_service_account_is_read_anew_after_a_401(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    token, certificate, namespace = (tmp_path / name for name in ("token", "ca.crt", "namespace"))
    authority.cert_pem.write_to_path(str(certificate))
    token.write_text("first", "utf-8")
    namespace.write_text("codefresh", "utf-8")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(certificate))
    monkeypatch.setattr(way, "NAMESPACE_FILE", namespace)
    async with serving(tmp_path, only("second"), tls=tls) as api:
        port = api.url.rsplit(":", 1)[1]
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
        connection = api.connect(settings=KubernetesSettings())
        assert await status(connection) == 401
        assert connection.namespace == "codefresh"
        token.write_text("second", "utf-8")
        api.clock.ahead += subject.RETRY_CONFIGURATION
        assert await status(connection) == 200


async def status(connection: KubernetesConnection) -> int:
    answer = await connection.request("GET", SECRETS)
    assert isinstance(answer, Answer)
    return answer.status


# --- Nothing is shown ------------------------------------------------------------------------------------------------


class Everything(logging.Handler):
    """Keeps all that any library says."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {record.getMessage()} {record.exc_info} {record.args!r}")


@pytest.fixture
def everything() -> Iterator[Everything]:
    root, handler = logging.getLogger(), Everything()
    before = {
        name: logging.getLogger(name).level for name in ("", "kubernetes_asyncio.client.rest", "aiohttp", "asyncio")
    }
    root.addHandler(handler)
    for name in before:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


async def test_nothing_of_a_body_or_a_token_is_logged_at_any_level(tmp_path: Path, everything: Everything) -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        match request.path.rsplit("/", 1)[1], "watch" in request.query:
            case "secrets", True:
                pieces = [line("ADDED", 8, CANARY), line("MODIFIED", 9, CANARY), f'"{CANARY}\n'.encode()]
                return await streaming(*pieces)(request)
            case "reset", _:
                return await streaming(line("ADDED", 8, CANARY)[:-9], 0.05, reset=True)(request)
            case "broken", _:
                return web.Response(text=f'{{"data": "{CANARY}')
            case "refused", _:
                return web.json_response({"kind": "Status", "details": CANARY}, status=500)
            case _:
                return web.json_response({"data": {"token": CANARY}})

    async with serving(tmp_path, serve) as api:
        api.configure(f"token-{CANARY}")
        connection = api.connect()
        shown = [repr(await watched(connection))]
        for name in ("token", "broken", "refused", "reset"):
            answer = await connection.request("GET", f"{SECRETS}/{name}")
            shown.append(repr(answer))
        shown.append(repr(await connection.request("PUT", f"{SECRETS}/token", body={"data": CANARY})))
        async with aclosing(connection.watch(f"{SECRETS}/reset", query=QUERY, silence=1)) as events:
            shown += [repr(item) async for item in events]
    logging.getLogger("aiohttp.client").debug("seen")
    assert any("seen" in line for line in everything.lines), "the log is seen here"
    assert CANARY not in "\n".join(everything.lines)
    assert CANARY not in "\n".join(shown)


def test_the_library_would_log_bodies_if_it_were_let(everything: Everything) -> None:
    logging.getLogger("kubernetes_asyncio.client.rest").debug("response body: %s", CANARY)
    assert CANARY not in "\n".join(everything.lines)
    logging.getLogger("kubernetes_asyncio.client.rest").warning("warnings pass")
    assert "warnings pass" in "\n".join(everything.lines)
