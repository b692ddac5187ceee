"""Requests to those whom the monitor tells: bounded, never repeated, each over its own connection; their certificates are
read again when they change, and told when they became junk.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import structlog.testing
from monitor.adapters.argocd.tls import Trust
from monitor.adapters.http_call import HttpCaller
from monitor.core.model import Answer, Fault, FaultKind, Reply
from yarl import URL

from tests.adapters.argocd.certificates import authority
from tests.adapters.argocd.wire import Server, Talk, Visit, always, answer, serving


async def called(talk: Talk, times: int = 1) -> tuple[Answer, Server]:
    async with serving(talk) as server:
        caller = HttpCaller(Trust(), None, 5.0)
        try:
            for _ in range(times):
                found = await caller.call("GET", URL(server.url))
        finally:
            await caller.close()
    return found, server


async def test_each_request_has_a_connection_of_its_own() -> None:
    found, server = await called(always(answer()), times=2)
    assert isinstance(found, Reply)
    assert (len(server.requests), server.connections) == (2, 2)


async def test_nothing_is_repeated_when_the_server_hangs_up() -> None:
    async def hang_up(visit: Visit) -> None:
        await visit.request()

    found, server = await called(hang_up)
    assert isinstance(found, Fault)
    assert len(server.requests) == 1


async def test_a_compressed_answer_is_not_unpacked() -> None:
    packed = gzip.compress(b"x" * 1_000_000)
    found, _ = await called(always(answer(packed, "Content-Encoding: gzip")))
    assert isinstance(found, Reply)
    assert found.body == packed


async def test_headers_are_bounded() -> None:
    found, _ = await called(always(answer(b"{}", f"X-Long: {'x' * 9000}")))
    assert isinstance(found, Fault)


async def test_an_authority_that_is_exchanged_is_used_without_a_word(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    trusted, other = authority(first), authority(second)
    caller = HttpCaller(Trust(ca_file=str(trusted.file)), None, 5.0)
    with structlog.testing.capture_logs() as logs:
        for signing in (trusted, other):
            trusted.file.write_bytes(signing.file.read_bytes())
            async with serving(always(answer()), signing.server("127.0.0.1")) as server:
                assert isinstance(await caller.call("GET", URL(server.url)), Reply)
    await caller.close()
    assert logs == []


async def test_an_authority_that_becomes_junk_is_told_once_and_the_former_goes_on(tmp_path: Path) -> None:
    signing = authority(tmp_path)
    file = signing.file
    async with serving(always(answer()), signing.server("127.0.0.1")) as server:
        caller = HttpCaller(Trust(ca_file=str(file)), None, 5.0)
        assert isinstance(await caller.call("GET", URL(server.url)), Reply)
        with structlog.testing.capture_logs() as logs:
            file.write_bytes(b"junk")
            for _ in range(3):
                assert isinstance(await caller.call("GET", URL(server.url)), Reply)
        (line,) = logs
        assert line["problem"] == f'"{file}" holds no readable PEM certificates'
        assert "those before go on" in line["fix"]
        await caller.close()


async def test_one_that_was_never_good_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(b"junk")
    caller = HttpCaller(Trust(ca_file=str(file)), None, 5.0)
    found = await caller.call("GET", URL("https://127.0.0.1:1"))
    await caller.close()
    assert isinstance(found, Fault)
    assert found.kind is FaultKind.TLS_OTHER
    assert f'"{file}" holds no readable PEM certificates' in found.detail
