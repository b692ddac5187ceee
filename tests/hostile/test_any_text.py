"""No text from outside ends a reader otherwise than it says: fuzzing of everything that is read without a socket.

What must hold for all of them: a reader answers, or raises the one error that it names; what it says is bounded and
printable, and quotes no credential. Sockets are in `test_any_bytes`, Kubernetes in `test_any_kubernetes`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import json
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import click
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from monitor.adapters.alertmanager import _listed, receipt
from monitor.adapters.argocd.client import ArgoCDClient, Endpoint
from monitor.adapters.argocd.connections import Connections
from monitor.adapters.argocd.inspection import _certificate, _version
from monitor.adapters.argocd.tls import TlsContexts
from monitor.adapters.clock import SystemClock
from monitor.adapters.files import FileSource
from monitor.adapters.heartbeat import parsed
from monitor.adapters.kubernetes.lines import Lines, LineTooLongError
from monitor.adapters.server import pages
from monitor.adapters.target_directory import TargetDirectory
from monitor.cli.status import _problems, _targets
from monitor.cli.status import _text as status_table
from monitor.config.codefresh import CodefreshError, from_codefresh, read_values, render
from monitor.config.found import in_words, read_target
from monitor.config.load import load, settings_of
from monitor.config.problems import ConfigurationError
from monitor.config.settings import InSecret
from monitor.config.warnings import warnings_of
from monitor.core.answers import read_account, read_can_i, read_error, read_refusal, read_userinfo, was_served
from monitor.core.argocd_objects import fingerprint
from monitor.core.causes import find_wording
from monitor.core.claims import read_claims
from monitor.core.classify import classify
from monitor.core.credential import control_of, inspect
from monitor.core.delivery import Accepted, Active, Failed, Unacceptable
from monitor.core.discovery import Found, Origin
from monitor.core.endpoint_slices import behind, read_slice
from monitor.core.exchange import line as exchanged
from monitor.core.exchange import lines, read_head, read_line
from monitor.core.journal import Journal, JournalError, State, Tombstone, dump
from monitor.core.journal import load as load_journal
from monitor.core.model import Expectation, Observation, Reply
from monitor.core.page import read_query, standing_of
from monitor.core.page_row import row
from monitor.core.questions import next_question
from monitor.core.report import RotationReport, health_line, status_json
from monitor.core.secret import Secret
from monitor.core.text import printable
from monitor.core.writers import in_words as writer_in_words

from tests.adapters.server.conftest import NOW, report
from tests.hostile.bending import anything, bent, bent_bytes, examples, nasty

Given, Value, Refusal = TypeVar("Given"), TypeVar("Value"), TypeVar("Refusal", bound=Exception)

texts = st.text(max_size=60) | nasty.filter(lambda value: isinstance(value, str))
statuses = st.sampled_from([200, 200, 200, 401, 401, 403, 404, 429, 500, 302, 0, 999])


def is_one_line(text: str) -> bool:
    """Whether nothing in it breaks a line, colours it or turns it around (spaces of other widths do not)."""
    return text == printable(text, len(text))


def outcome(read: Callable[[Given], Value], given: Given, error: type[Refusal]) -> tuple[Value | None, Refusal | None]:
    """What a reader makes of it, or the one error that it may raise."""
    try:
        return read(given), None
    except error as refusal:
        return None, refusal


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


# --- what Argo CD says -----------------------------------------------------------------------------------------------------

CLAIMS = {
    "iss": "argocd",
    "sub": "codefresh:apiKey",
    "jti": "tm-1",
    "iat": 1_795_000_000,
    "nbf": 1_795_000_000,
    "exp": 1_796_000_000,
}
PAGES = (
    {"loggedIn": False, "username": "codefresh", "iss": "argocd", "groups": ["a"]},
    {"error": "invalid session: account codefresh does not have token with id tm-1", "code": 16, "message": "invalid session: account codefresh does not have token with id tm-1"},
    {"name": "codefresh", "enabled": True, "capabilities": ["apiKey", "login"], "tokens": [{"id": "tm-1", "issuedAt": "1795000000", "expiresAt": 1796000000}]},
    {"value": "no"},
)  # fmt: skip
bodies = st.one_of(*(bent(page).map(as_json) for page in PAGES), *(bent_bytes(as_json(page)) for page in PAGES))
replies = st.builds(Reply, statuses, bodies, st.sampled_from(["application/json", "text/html", ""]), texts)


def token_of(payload: Any) -> str:
    return ".".join(
        base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg":"HS256"}', payload, b"signature")
    )


@given(bent(CLAIMS).map(as_json) | bent_bytes(as_json(CLAIMS)), texts)
@examples(150)
def test_claims(payload: bytes, text: str) -> None:
    for token in (token_of(payload), text, f"{text}.{token_of(payload)}", token_of(payload).replace("e", text, 1)):
        claims = read_claims(token)
        for word in (claims.subject, claims.token_id, claims.issuer, claims.account):
            assert word is None or (is_one_line(word) and len(word) <= 200)
        found = inspect(Secret(token))
        if isinstance(found, Secret):
            assert control_of(found) != found


@given(replies, replies, replies, bent(CLAIMS).map(as_json), st.booleans())
@examples(300)
def test_answers_and_causes(userinfo: Reply, account: Reply, control: Reply, payload: bytes, shaped: bool) -> None:
    for reply in (userinfo, account):
        for read in (read_userinfo, read_account, read_can_i, read_error, read_refusal, was_served):
            read(reply)
    seen = Observation(
        claims=read_claims(token_of(payload)), token_shaped=shaped, userinfo=userinfo, account=account,
        control_userinfo=control, control_can_i=control, wide_open=control, permissions=(account,),
    )  # fmt: skip
    expected = Expectation(account="codefresh", permissions=("applications/get/*/*",))
    verdict = classify(seen, expected, NOW)
    next_question(seen, expected, full=True)
    told = f"{verdict.cause}{verdict.remedy}{verdict.account or ''}{verdict.token_id or ''}"
    assert is_one_line(told)
    assert len(told) < 3000
    logged_in = read_userinfo(userinfo)
    assert verdict.accepted is not True or (logged_in is not None and logged_in.logged_in)
    json.dumps(status_json(report(verdict=verdict), NOW), allow_nan=False)


@given(texts, bent(CLAIMS).map(as_json))
@examples(100)
def test_wordings_of_refusals(text: str, payload: bytes) -> None:
    for said in (
        text,
        f"account {text} is disabled",
        f"token is revoked {text}",
        f"{{account}} {{0}} {text} signature is invalid",
    ):
        find_wording(said, read_claims(token_of(payload)))


@given(texts | bent_bytes(b"Wed, 18 Nov 2026 11:07:40 GMT").map(lambda raw: raw.decode("latin-1")))
@examples(150)
def test_times_to_wait(value: str) -> None:
    clock = SystemClock()
    client = ArgoCDClient(Endpoint("http://argocd.example.com"), Connections(clock.monotonic), TlsContexts(), clock)
    wait = client._retry_after(value)
    assert wait is None or 0.0 <= wait <= 900.0


@given(statuses, bent({"Version": "v3.6.0"}).map(as_json) | bent_bytes(b'{"Version":"v3.6.0"}'))
@examples(60)
def test_versions(status: int, body: bytes) -> None:
    version = _version(status, body)
    assert version is None or (is_one_line(version) and len(version) <= 100)


SHOWN = {
    "subject": [[["commonName", "argocd"]]], "issuer": [[["organizationName", "x"]]],
    "subjectAltName": [["DNS", "argocd.example.com"]], "notAfter": "Nov 18 11:07:40 2026 GMT",
}  # fmt: skip


@given(
    texts, texts, st.sampled_from(["Nov 18 11:07:40 2026 GMT", "Jan  1 00:00:00 0001 GMT", "Dec 31 23:59:59 9999 GMT"])
)
@examples(40)
def test_certificates(subject: str, name: str, end: str) -> None:
    """The shape is OpenSSL's and Python's; what stands in it is the server's."""
    facts = _certificate({"subject": [[("commonName", subject)]], "subjectAltName": [("DNS", name)], "notAfter": end})
    assert is_one_line(facts.subject)
    assert all(is_one_line(found) for found in facts.names)


# --- what Alertmanagers and other monitors say --------------------------------------------------------------------------------

ACTIVE = [{"labels": {"alertname": "TokenMonitorTokenRefused", "target": "a"}, "annotations": {"summary": "s"}, "startsAt": "2026-11-18T11:07:40.000Z", "endsAt": "2026-11-18T12:07:40.000Z", "status": {"state": "active"}}]  # fmt: skip


@given(bent(ACTIVE).map(as_json) | bent_bytes(as_json(ACTIVE)), st.sampled_from([200, 202, 400, 413, 422, 401, 404, 429, 500, 302, 999]), st.sampled_from(["application/json", "text/html", ""]))  # fmt: skip
@examples(200)
def test_answers_of_an_alertmanager(body: bytes, status: int, kind: str) -> None:
    got = receipt(Reply(status, body, kind))
    assert isinstance(got, Accepted | Unacceptable | Failed)
    if not isinstance(got, Accepted):
        assert is_one_line(got.why)
        assert len(got.why) < 500
    listed = _listed(Reply(200, body, kind))
    assert isinstance(listed, Failed) or all(isinstance(one, Active) for one in listed)


def test_an_alertmanager_that_answers_with_brackets_only_is_not_understood() -> None:
    """Found here: its words were read without a bound on their depth, which ended the telling."""
    assert receipt(Reply(400, b"[" * 20_000, "application/json")) == Unacceptable("")


STATUS = {"version": "1", "targets": [status_json(report(), NOW) | {"rotation": {"state": "idle", "rotated_at": "2026-11-18T11:07:40Z", "consumers_with_old_key": ["a"], "stood_down": "", "problem": "", "waiting_for": "", "left_alone": "x", "left_alone_command": "y"}}], "configuration_problems": ["targets[0]: x; y"], "discovery_problems_total": 3, "discovery_problems": [{"origin": "ConfigMap a/b", "target": None, "problem": "x", "former_version_goes_on": True}]}  # fmt: skip


@given(bent(STATUS).map(as_json) | bent_bytes(as_json(STATUS)))
@examples(200)
def test_what_another_monitor_says_of_itself(raw: bytes) -> None:
    """`token-monitor status` reads /status of whatever answers at its address."""
    with contextlib.suppress(click.ClickException):
        shown = "\n".join(status_table(_targets("http://127.0.0.1:8080", raw), NOW, tuple(_problems(raw))))
        assert all(is_one_line(line) for line in shown.replace("\x1b[", "").split("\n")), ascii(shown)


TOLD = json.loads(exchanged(report(problem="p", since=NOW - 5.5, told=None, rotation=RotationReport(rotated_at=NOW, failures={"mint": 1}, old_consumers=("a",)))))  # fmt: skip
HEAD = {"format": 1, "replica": "one", "at": NOW, "targets": 3}


@given(bent(TOLD, 4).map(as_json) | bent_bytes(as_json(TOLD)), bent(HEAD).map(as_json))
@examples(250)
def test_what_other_replicas_say_of_their_targets(raw: bytes, head: bytes) -> None:
    """What is believed of it can be shown: no replica makes the pages of another fail."""
    speaker = read_head(head)
    assert speaker is None or is_one_line(speaker.replica)
    for one in lines(head + b"\n" + raw):
        read_head(one)
        believed = read_line(one)
        if believed is not None:
            json.dumps(status_json(believed, NOW), allow_nan=False)
            assert is_one_line(health_line(believed, NOW))
            row(believed, standing_of(believed, NOW), NOW)


@given(texts | bent_bytes(b"https://hc-ping.com/uuid").map(lambda raw: raw.decode("latin-1")))
@examples(100)
def test_addresses_of_heartbeats(text: str) -> None:
    url = parsed(text)
    assert url is None or url.scheme in ("http", "https")


# --- files ----------------------------------------------------------------------------------------------------------------------

JOURNAL = json.loads(
    dump(Journal(State.MINTED, key_id="tm-1", token=Secret("a-pending-token-canary"), owned=("tm-1",), tombstones=(Tombstone("tm-0", 5.0),), rotated_at=7.0))
)  # fmt: skip


@given(bent(JOURNAL).map(json.dumps) | bent_bytes(json.dumps(JOURNAL).encode()).map(lambda raw: raw.decode("latin-1")))
@examples(200)
def test_journals(text: str) -> None:
    journal, refusal = outcome(load_journal, text, JournalError)
    if refusal is not None:
        assert "canary" not in str(refusal)
        assert refusal.__suppress_context__ or refusal.__context__ is None
    if journal is None:
        return
    assert load_journal(dump(journal)) == journal
    journal.after_a_clock_jump(NOW)
    journal.after_a_leap(5.0, NOW)
    journal.is_ahead_of(NOW)


CONFIGURATION = {
    "interval": "15s", "http": {"bind": "127.0.0.1", "port": 8080}, "kubernetes": {"namespace": "a"},
    "alertmanager": {"urls": ["http://alertmanager:9093"]}, "heartbeat": {"url": "https://hc-ping.com/x"},
    "discovery": {"kubernetes": {"namespaces": ["a"], "kinds": ["ConfigMap"], "servers": ["*.example.com"]}},
    "targets": [
        {"name": "a", "server": {"svc": "argo-cd-server", "port": 80}, "auth": {"type": "token", "tokenSecretKeyRef": {"name": "t", "key": "token"}}, "watchArgoCD": {"namespace": "argocd"}},
        {"name": "b", "url": "https://argocd.example.com", "auth": {"type": "password", "username": "admin", "passwordSecretKeyRef": {"name": "p", "key": "k"}}, "rotation": {"grace": "10m", "every": "30d"}, "consumers": {"preset": "codefresh"}, "requiredPermissions": ["applications/get/*/*"]},
    ],
}  # fmt: skip


def loads_or_is_refused(text: str | bytes) -> None:
    read, refusal = outcome(load, text, ConfigurationError)
    if read is not None:
        warnings_of(read)
    if refusal is not None:
        assert refusal.problems
        assert all(is_one_line(str(problem)) for problem in refusal.problems)


@given(bent(CONFIGURATION))
@examples(150)
def test_configurations(value: Any) -> None:
    loads_or_is_refused(as_json(value))
    with contextlib.suppress(ConfigurationError):
        settings_of(value)


@given(bent_bytes(yaml.safe_dump(CONFIGURATION).encode()))
@examples(150)
def test_configurations_as_text(text: bytes) -> None:
    loads_or_is_refused(text)


VALUES = {
    "global": {
        "runtime": {"name": "prod"},
        "integrations": {"argo-cd": {"server": {"svc": "argo-cd-server", "port": 80, "rootpath": "", "auth": {"type": "token", "token": "", "tokenSecretKeyRef": {"name": "t", "key": "token"}, "username": "admin", "password": ""}}}},
        "external-argo-cd": {"server": {"svc": "x"}, "auth": {"type": "password", "passwordSecretKeyRef": {"name": "p", "key": "k"}}},
    },
    "argo-cd": {"enabled": False, "configs": {"params": {"server.insecure": True, "server.rootpath": ""}}, "fullnameOverride": "argo-cd"},
    "app-proxy": {"config": {"argoCdUrl": "", "argoCdUsername": ""}},
}  # fmt: skip


@given(bent(VALUES))
@examples(150)
def test_values_of_codefresh(value: Any) -> None:
    with contextlib.suppress(CodefreshError):
        conversion = from_codefresh(read_values(as_json(value)))
        assert load(render(conversion)) == settings_of(conversion.config)


@pytest.mark.parametrize(
    "name", ["1e5", "1e999", "0e0", "1E5", "12e03", "1", "0x1f", "1_000", "null", "on", "2024-01-01"]
)
def test_a_secret_whose_name_looks_like_a_number_stays_a_text(name: str) -> None:
    """Found here: `1e5` is a name that Kubernetes takes, and a number where the configuration that we printed was read."""
    values = {"global": {"integrations": {"argo-cd": {"server": {"svc": "a", "auth": {"type": "token", "tokenSecretKeyRef": {"name": "n", "key": name}}}}}}, "argo-cd": {"enabled": False}}  # fmt: skip
    conversion = from_codefresh(values)
    (target,) = load(render(conversion)).targets
    assert target.token_source == InSecret("n", name, target.namespace)


WHOLE = settings_of({"targets": [], "discovery": {"kubernetes": {"namespaces": ["a"]}}})
FOUND = {"name": "prod", "url": "https://argocd.example.com", "auth": {"type": "token", "tokenSecretKeyRef": {"name": "t", "key": "token"}}, "interval": "30s"}  # fmt: skip


@given(bent(FOUND).map(as_json) | bent_bytes(yaml.safe_dump(FOUND).encode()), st.booleans(), st.booleans())
@examples(150)
def test_targets_that_are_found(text: bytes, from_kubernetes: bool, binding: bool) -> None:
    decoded = text.decode("utf-8", "surrogateescape")
    origin = Origin("ConfigMap", "a", "prod") if from_kubernetes else Origin("file", "", "/targets/prod.yaml")
    found = Found(origin, Secret(decoded), name="prod", binding=binding)
    target, refusal = outcome(lambda found: read_target(found, WHOLE), found, ConfigurationError)
    assert target is not None or (refusal is not None and is_one_line(in_words(refusal)))
    assert target is None or not from_kubernetes or target.kept_away


@given(bent_bytes(yaml.safe_dump(FOUND).encode()) | st.binary(max_size=100), st.binary(max_size=100))
@examples(25)
def test_files_of_targets_and_of_tokens(content: bytes, token: bytes) -> None:
    with TemporaryDirectory() as folder:
        Path(folder, "a.yaml").write_bytes(content)
        Path(folder, "token").write_bytes(token)
        directory = TargetDirectory(folder)
        source = FileSource(Path(folder, "token"), lambda: time.time())
        with asyncio.Runner() as runner:
            runner.run(directory.look())
            runner.run(source.read())
        (found,) = directory.found()
        with contextlib.suppress(ConfigurationError):
            read_target(found, WHOLE)


# --- what strangers ask our own server ---------------------------------------------------------------------------------------


@given(texts, st.sampled_from(["text/html", "application/health+json", "gzip", "*/*"]))
@examples(100)
def test_headers_and_parameters_of_requests(text: str, wanted: str) -> None:
    for header in (text, f"{wanted};q={text}", f"{text},{wanted};q=0.5;{text}", f"{wanted};q=" + "9" * 400):
        assert 0.0 <= pages.quality(header, wanted) <= 1.0
    query = read_query(dict.fromkeys(("q", "status", "class", "sort", "page", "order", "live"), text))
    assert query.address().isascii()
    pages.unknown_target(text, [report()])


# --- small things of Kubernetes that need no cluster --------------------------------------------------------------------------


@given(st.dictionaries(texts, anything, max_size=4))
@examples(60)
def test_the_settings_of_argocd(data: dict[str, Any]) -> None:
    assert fingerprint(data) == fingerprint(dict(reversed(data.items())))


SLICE = {
    "kind": "EndpointSlice", "addressType": "IPv4", "metadata": {"name": "s", "labels": {"kubernetes.io/service-name": "argocd-server"}},
    "endpoints": [{"addresses": ["10.0.0.7"], "conditions": {"ready": True, "serving": True, "terminating": False}, "targetRef": {"kind": "Pod", "name": "argocd-server-1", "uid": "u"}}],
    "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}, {"name": "https", "port": 8080}],
}  # fmt: skip


@given(bent(SLICE, 4), bent(SLICE, 4), st.sampled_from(["http", "https"]))
@examples(150)
def test_endpoints_of_a_service(one: Any, other: Any, scheme: str) -> None:
    """Each replica that comes out of it is one that can be connected to: an IP address and a port."""
    slices = [read for found in (one, other) if isinstance(found, dict) and (read := read_slice(found)) is not None]
    for replica in behind(slices, scheme, 80).replicas:
        ipaddress.ip_address(replica.address)
        assert 0 < replica.port < 65536
        assert is_one_line(str(replica))


@given(texts, texts)
@examples(60)
def test_names_of_writers(manager: str, at: str) -> None:
    said = writer_in_words(manager, at)
    assert is_one_line(said)
    assert len(said) < 300


@given(st.lists(st.binary(max_size=30) | st.just(b"\n"), max_size=12), st.integers(1, 60))
@examples(100)
def test_lines_are_the_same_however_they_are_cut(pieces: list[bytes], limit: int) -> None:
    def read(some: list[bytes]) -> list[bytes] | None:
        lines = Lines(limit)
        try:
            return [line for piece in some for line in lines.feed(piece)]
        except LineTooLongError:
            return None

    whole = b"".join(pieces)
    assert read(pieces) == read([whole]) == read([bytes([byte]) for byte in whole])
