"""Configurations and certificates with a trap in them (numbers 17, 19 and 20 of the list of hostile inputs)."""

from __future__ import annotations

import os
import time
import tracemalloc
from pathlib import Path

import pytest
import trustme
from monitor.adapters.argocd.tls import TlsContexts, Trust
from monitor.adapters.server.errors import TlsFilesError
from monitor.adapters.server.tls import ServerTls
from monitor.cli.main import run
from monitor.config.files import check_files
from monitor.config.load import load, settings_of
from monitor.config.problems import ConfigurationError
from monitor.config.settings import Settings
from monitor.config.warnings import warnings_of
from monitor.core.status import Status
from monitor.metrics import Metrics
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from tests.adapters.argocd.wire import LOGGED_IN, always, answer, serving
from tests.adapters.server.conftest import report
from tests.fair_time import fairly
from tests.hostile.peers import TOKEN, judged

AUTH = {"type": "token", "tokenFile": "/run/token"}


def configured(**target: object) -> Settings:
    return settings_of({"targets": [{"name": "a", "auth": AUTH, **target}]})


NO_ADDRESS = (
    "https://user:password@argocd.example.com", "https://token@argocd.example.com", "https://@argocd.example.com",
    "file:///etc/passwd", "file://localhost/etc/passwd", "ftp://argocd.example.com", "gopher://argocd.example.com:70/_x",
    "javascript:alert(1)", "data:text/html,x", "unix:///run/argocd.sock", "//argocd.example.com", "argocd.example.com",
    "https://argocd.example.com#@169.254.169.254", "https://argocd.example.com\\@evil.example", "https://[::1", "http://",
    "https://argocd.example.com/../x", "https://argocd.example.com\r\nX: y", "http://0x7f.1/\t", "http://a b",
)  # fmt: skip


@pytest.mark.parametrize("url", NO_ADDRESS, ids=ascii)
def test_17_an_address_with_a_user_or_of_another_kind_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """17. URL userinfo, `file:`: refused by the configuration and by the command, without quoting the password."""
    with pytest.raises(ConfigurationError) as refused:
        configured(url=url)
    assert "password@" not in str(refused.value)
    if "://" in url:
        assert run(["check", "--server", url, "--token-file", "/dev/null"]) == 3
        assert "user:password" not in capsys.readouterr().err


def test_17_plain_http_is_taken_and_told_where_it_leaves_the_cluster() -> None:
    """17. The list wants plain http refused. Here it is how Codefresh's runtime speaks to Argo CD inside of a cluster
    (design.md: `svc` with port 80), and whether a name is inside cannot be told from it for sure (a mesh encrypts, a
    tunnel ends on this machine). So it is taken, and warned of, unless the name can only be a Service's or this machine's."""

    def told(**target: object) -> bool:
        return any("without encryption" in notice.text for notice in warnings_of(configured(**target)))

    for inside in (
        "http://argo-cd-server",
        "http://argo-cd-server.argocd.svc",
        "http://localhost:8080",
        "http://[::1]",
    ):
        assert not told(url=inside)
    assert not told(server={"svc": "argo-cd-server", "port": 80})
    assert not told(server={"svc": "argo-cd-server.argocd.svc"})
    assert told(server={"svc": "argo-cd-server.argocd"})  # by its looks it may be a host in the company's network
    for outside in ("http://argocd.example.com", "http://10.0.0.7:8080", "http://argocd.company.internal"):
        assert told(url=outside)


def test_17_the_command_tells_of_plain_http_as_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """17. Before the token is sent; the check itself is made."""
    monkeypatch.setenv("ARGOCD_AUTH_TOKEN", TOKEN)
    assert run(["check", "--server", "http://169.254.169.254", "--timeout", "1s"]) == 3
    assert "without encryption" in capsys.readouterr().err
    assert run(["check", "--server", "http://127.0.0.1:9", "--timeout", "1s"]) == 3
    assert "without encryption" not in capsys.readouterr().err


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(24)
)


@pytest.mark.parametrize(
    "text",
    [BOMB, "targets: &t [*t]\n", "&a [" + "*a, " * 900 + "]", "a: " + "[" * 100_000, "{a: " * 100_000, "- " * 50_000, "? " * 50_000, "x" * 17_000_000],
    ids=["laughs", "itself", "itself often", "brackets", "braces", "dashes", "questions", "17 MB"],
)  # fmt: skip
def test_19_a_yaml_bomb_is_refused_at_once_in_little_memory(text: str) -> None:
    """19. Alias bomb (9 to the 25th values), an alias of itself, depth, size."""
    started = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(ConfigurationError):
            load(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.monotonic() - started < fairly(3.0)
    assert peak < 4 * max(len(text), 5_000_000)


JUNK = {
    "nothing": b"",
    "text": b"hello",
    "zeros": b"\0" * 5000,
    "begins only": b"-----BEGIN CERTIFICATE-----\n" * 1000,
    "no base64": b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
    "base64 of nonsense": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "a key": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    "a page": b"<html>404</html>",
    "10 MB": trustme.CA().cert_pem.bytes() * 16_000,
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
async def test_19_junk_in_place_of_an_authority_is_refused_at_once(junk: bytes, tmp_path: Path) -> None:
    """19. A CA of 10 MB, junk PEM: refused by the configuration. Where it comes while the monitor runs, what was good
    stays in use, and what is wrong is told; where nothing was good yet, no connection is made."""
    file = tmp_path / "ca.pem"
    file.write_bytes(junk)
    started = time.monotonic()
    with pytest.raises(ConfigurationError) as refused:
        check_files(configured(url="https://argocd.example.com", tls={"caFile": str(file)}))
    assert "caFile" in str(refused.value)
    contexts, trust = TlsContexts(), Trust(ca_file=str(file))
    file.write_bytes(trustme.CA().cert_pem.bytes())
    good = contexts.get(trust)
    file.write_bytes(junk)
    assert contexts.refresh(trust)
    assert contexts.get(trust) is good
    async with serving(always(answer(LOGGED_IN))) as server:
        verdict = await judged(server.url.replace("http:", "https:"), tls={"caFile": str(file)})
        assert verdict.status is Status.TLS_ERROR
        assert server.connections == 0
    assert time.monotonic() - started < fairly(1.0), "10 MB of certificates take OpenSSL two seconds"


def test_19_a_pipe_in_place_of_a_certificate_is_not_waited_for(tmp_path: Path) -> None:
    """19. OpenSSL would wait for a writer for ever, and with it the whole monitor."""
    pipe = tmp_path / "ca.pem"
    os.mkfifo(pipe)
    with pytest.raises(ConfigurationError):
        check_files(configured(url="https://argocd.example.com", tls={"caFile": str(pipe)}))
    for trust in (Trust(ca_file=str(pipe)), Trust(cert_file=str(pipe), key_file=str(pipe)), Trust(ca_file="/dev/zero")):
        assert TlsContexts().refresh(trust)
    with pytest.raises(TlsFilesError):
        ServerTls(str(pipe), str(pipe))


NO_NAMES = ('"} 1\n', '"} 1', "../x", "..", ".", "a/b", "/etc/passwd", "a\nb", 'a"b', "a{b", "é", "A", "a b", "", "-a", "a" * 300, "a\\b", "%2e%2e", "a\0b")  # fmt: skip


@pytest.mark.parametrize("name", NO_NAMES, ids=ascii)
def test_20_a_name_that_would_break_a_label_or_climb_out_of_a_folder_is_refused(name: str) -> None:
    """20. Target `"} 1\\n`, `../x`: names are DNS labels, since metrics, journals' files and Secrets are named by them."""
    with pytest.raises(ConfigurationError):
        settings_of({"targets": [{"name": name, "url": "https://argocd.example.com", "auth": AUTH}]})


@pytest.mark.parametrize("name", ['"} 1\n', "../x", "a\x1b[31m", "\u202e", "<script>"], ids=ascii)
async def test_20_not_even_a_name_that_came_past_that_makes_a_forged_series(name: str) -> None:
    """20. The last net: the writer of the metrics escapes, whatever it is given."""
    metrics = Metrics(CollectorRegistry(), "1")
    metrics.attach(lambda: [report(name)])
    families = text_string_to_metric_families((await metrics.render()).decode())
    (named,) = {s.labels["target"] for family in families for s in family.samples if "target" in s.labels}
    assert named.isprintable()
    assert name in (named, named.encode().decode("unicode_escape"))
