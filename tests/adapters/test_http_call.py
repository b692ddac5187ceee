"""Certificates for those whom the monitor tells: read again when they change, and told when they became junk."""

from __future__ import annotations

from pathlib import Path

import structlog.testing
from monitor.adapters.argocd.tls import Trust
from monitor.adapters.http_call import HttpCaller
from monitor.core.model import Fault, FaultKind, Reply
from yarl import URL

from tests.adapters.argocd.certificates import authority
from tests.adapters.argocd.wire import always, answer, serving


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
