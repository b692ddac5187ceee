"""Starting, ending, and the certificate."""

import asyncio
import errno
import ssl
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from monitor.adapters.server.errors import ListenError, ServerError, TlsFilesError, cannot_listen
from monitor.adapters.server.server import Server
from monitor.adapters.server.tls import MAX_FILE

from tests.adapters.server.conftest import HOST
from tests.adapters.server.test_hostile_clients import LARGE, PATIENCE, asked, connected, large, told, wait_until


async def test_a_port_of_the_systems_choice_is_told(serve):
    server = await serve()
    assert server.port > 0
    assert (await told(server, asked())).endswith(b"ok\n")


async def test_two_on_one_port_is_an_error_that_says_what_to_do(serve, world):
    taken = (await serve()).port
    with pytest.raises(
        ListenError, match=rf"^127\.0\.0\.1:{taken}: .*another process.*choose another http\.port"
    ) as error:
        await Server(world.sources(), HOST, taken).start()
    assert isinstance(error.value, ServerError)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
async def test_an_address_that_is_not_ours_is_an_error_that_says_what_to_do(host, world):
    with pytest.raises(ListenError, match=r"http\.bind"):
        await Server(world.sources(), host, 0).start()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EACCES, "Permission denied"), "not allowed. Ports below 1024 need a privilege"),
        (OSError(errno.ENOBUFS, "No buffer space available"), "No buffer space available. Choose another"),
        (OSError(), "OSError. Choose another"),
    ],
)
def test_why_it_cannot_listen_is_said_in_words_with_what_to_do(error, words):
    assert f"10.0.0.1:80: cannot listen: {words}" in str(cannot_listen("10.0.0.1", 80, error))


async def test_stop_lets_an_answer_under_way_be_finished(serve, world):
    go = asyncio.Event()

    async def waits() -> bytes:
        await go.wait()
        return LARGE

    world.metrics = waits
    server = await serve()
    scrape = asyncio.create_task(told(server, asked("/metrics")))
    await wait_until(lambda: server._routes._at_work == 1)
    port = server.port
    ending = asyncio.create_task(server.stop(10))
    await asyncio.sleep(0)
    go.set()
    assert (await scrape).endswith(LARGE[-1000:])
    await asyncio.wait_for(ending, PATIENCE)
    with pytest.raises(OSError):
        await asyncio.open_connection(HOST, port)


async def test_stop_waits_for_nobody_beyond_its_grace(serve, world):
    async def never() -> bytes:
        await asyncio.Event().wait()
        return b""

    world.metrics = never
    server = await serve()
    async with connected(server) as (reader, writer), connected(server):
        writer.write(asked("/metrics"))
        await wait_until(lambda: server._routes._at_work == 1)
        await asyncio.wait_for(server.stop(0), 3)
        with suppress(ConnectionError):  # reset is as good as closed in order
            assert await reader.read() == b""
    await server.stop(0)


async def test_stop_before_start_does_nothing(world):
    await Server(world.sources(), HOST, 0).stop(1)


@pytest.fixture
def authority():
    return trustme.CA()


def issue(authority: trustme.CA, folder: Path, name: str = "localhost") -> dict[str, str]:
    certificate = authority.issue_cert(name)
    cert, key = folder / "tls.crt", folder / "tls.key"
    certificate.cert_chain_pems[0].write_to_path(cert)
    certificate.private_key_pem.write_to_path(key)
    return {"cert_file": str(cert), "key_file": str(key)}


async def names_of(server: Server, authority: trustme.CA) -> set[str]:
    """The names in the certificate that a client sees, after an answer over this connection."""
    trust = ssl.create_default_context()
    trust.check_hostname = False
    authority.configure_trust(trust)
    reader, writer = await asyncio.open_connection(HOST, server.port, ssl=trust)
    writer.write(asked())
    assert (await reader.read()).endswith(b"ok\n")
    peer = writer.get_extra_info("peercert")
    writer.close()
    return {value for _, value in peer["subjectAltName"]}


async def test_pages_are_served_over_tls(serve, authority, tmp_path, world):
    world.metrics = large
    server = await serve(**issue(authority, tmp_path))
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"https://localhost:{server.port}/metrics", ssl=trust) as answer,
    ):
        assert await answer.read() == LARGE


async def test_a_new_certificate_is_used_for_new_connections(serve, authority, tmp_path):
    server = await serve(**issue(authority, tmp_path, "old.example.com"))
    assert await names_of(server, authority) == {"old.example.com"}
    assert server.reload_tls() is False
    issue(authority, tmp_path, "new.example.com")
    assert server.reload_tls() is True
    assert await names_of(server, authority) == {"new.example.com"}


@pytest.mark.parametrize("half", ["tls.crt", "tls.key"])
async def test_a_half_replaced_certificate_is_never_in_use(half, serve, authority, tmp_path):
    server = await serve(**issue(authority, tmp_path, "old.example.com"))
    other = tmp_path / "other"
    other.mkdir()
    issue(authority, other, "new.example.com")
    (tmp_path / half).write_bytes((other / half).read_bytes())
    with pytest.raises(TlsFilesError, match=r"tls\.crt and .*tls\.key: .*: key values mismatch\. Give"):
        server.reload_tls()
    assert await names_of(server, authority) == {"old.example.com"}
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).write_bytes((other / name).read_bytes())
    assert server.reload_tls() is True
    assert await names_of(server, authority) == {"new.example.com"}


@pytest.mark.parametrize("junk", [b"", b"not a certificate", b"\x00\xff" * 500, None])
@pytest.mark.parametrize("name", ["tls.crt", "tls.key"])
async def test_unusable_files_are_an_error_that_names_them_and_shows_nothing_of_them(
    junk, name, authority, tmp_path, world
):
    files = issue(authority, tmp_path)
    if junk is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(junk)
    with pytest.raises(TlsFilesError, match=rf"{name}.*http\.tls\.certFile") as error:
        await Server(world.sources(), HOST, 0, **files).start()
    assert "PRIVATE KEY" not in str(error.value)


@pytest.mark.parametrize("name", ["tls.crt", "tls.key"])
async def test_a_file_is_used_up_to_a_mebibyte(name, authority, tmp_path, world, serve):
    files = issue(authority, tmp_path)
    pem = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(pem + b"\n" * (MAX_FILE - len(pem)))
    await serve(**files)
    (tmp_path / name).write_bytes(pem + b"\n" * (MAX_FILE - len(pem) + 1))
    with pytest.raises(TlsFilesError, match=rf"{name}: .*larger than 1 MiB"):
        await Server(world.sources(), HOST, 0, **files).start()


async def test_a_key_with_a_passphrase_is_an_error_and_nobody_is_asked_for_it(authority, tmp_path, world):
    files = issue(authority, tmp_path)
    key = serialization.load_pem_private_key((tmp_path / "tls.key").read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"open")
    )
    (tmp_path / "tls.key").write_bytes(locked)
    with pytest.raises(TlsFilesError, match="the key is encrypted"):
        await Server(world.sources(), HOST, 0, **files).start()


async def test_plain_http_to_the_tls_port_does_no_harm(serve, authority, tmp_path):
    server = await serve(**issue(authority, tmp_path))
    async with connected(server) as (reader, writer):
        writer.write(asked())
        assert b"200" not in await asyncio.wait_for(reader.read(), 5)
    assert await names_of(server, authority) == {"localhost"}
