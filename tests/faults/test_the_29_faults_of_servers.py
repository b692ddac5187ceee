"""The other ones of the 29 faults: servers, connections, clocks, the Kubernetes API, and the monitor itself."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from monitor.core.alerts import AlertName, Severity
from monitor.core.model import FaultKind, Reply
from monitor.core.status import Status
from monitor.simulator.app import running
from monitor.simulator.faults import Front
from monitor.simulator.rbac import Role
from monitor.simulator.state import ArgoCDState

from tests.adapters.argocd.wire import HOST, LOGGED_IN, Visit, always, answer, serving
from tests.behaviour.conftest import SHORT
from tests.behaviour.service import Outside, outside, service, until
from tests.behaviour.test_kubernetes_away import away, in_touch
from tests.core.samples import NOW
from tests.fair_time import fairly
from tests.faults.middle import middle
from tests.faults.rotations import in_the_world, rotated
from tests.hostile.peers import checked, judged, judged_by, target
from tests.rules.promtool import Fires, assert_fires
from tests.rules.world import FOREVER, MINUTE, Monitor, Target
from tests.services.fleet_driver import World as Fleet
from tests.services.fleet_driver import in_virtual_time
from tests.services.rotation_outside import DAY, HOUR
from tests.services.rotation_stories import STORIES
from tests.services.rotation_world import World, quietly
from tests.services.test_checker_simulated import Lab
from tests.services.test_rotations import Whole


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quietly():
        yield


@pytest.fixture
async def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outside]:
    """What the whole service stands between, over sockets, with short times."""
    for name, seconds in SHORT.items():
        monkeypatch.setattr(name, seconds)
    async with outside(tmp_path) as found:
        yield found


@pytest.mark.parametrize(
    ("reply", "status"),
    [(Reply(429, b"", retry_after=900.0), Status.THROTTLED), (Reply(503, b"", retry_after=900.0), Status.SERVER_ERROR)],
    ids=["429", "503"],
)
def test_17_a_server_that_asks_to_wait_is_left_alone_and_never_makes_a_token_refused(
    reply: Reply, status: Status
) -> None:
    async def story(world: Fleet) -> None:
        world.fleet.set_targets([world.target("a")])
        await world.until(5.0)
        world.servers["a"].answer = reply
        await world.until(900.0)
        asked = [at for at, _ in world.servers["a"].asked if at > 5.0]
        assert len(asked) == 1
        world.servers["a"].answer = None
        await world.until(1100.0)
        assert world.statuses("a") == ["valid", status.value, "valid"]

    in_virtual_time(story)


async def test_18_a_slow_loris_ends_by_the_deadline_and_delays_nobody() -> None:
    async def trickle(visit: Visit) -> None:
        await visit.request()
        for byte in answer(LOGGED_IN, "X-Long: " + "x" * 1000):
            await visit.send(bytes([byte]))
            await asyncio.sleep(0.05)

    began = time.monotonic()
    verdict = await judged_by(trickle, timeout=0.4)
    assert (verdict.status, "timeout" in verdict.cause or "no answer" in verdict.cause) == (Status.UNREACHABLE, True)
    assert time.monotonic() - began < fairly(3.0), "one deadline for the whole of it"


def test_18_whoever_is_checked_beside_a_slow_loris_is_checked_in_time() -> None:
    async def story(world: Fleet) -> None:
        world.fleet.set_targets([world.target("slow"), *(world.target(f"t{number}") for number in range(50))])
        world.servers["slow"].hang = 10.0
        await world.until(300.0)
        assert sorted(world.lateness)[int(0.99 * len(world.lateness))] <= 0.05

    in_virtual_time(story)


async def test_19_a_connection_that_died_is_replaced_within_the_check_and_a_half_open_one_at_the_next() -> None:
    argocd = ArgoCDState()
    argocd.create_account("ci", role=Role.READONLY)
    token = argocd.mint_key("ci", "a")
    async with running(argocd) as url, middle(url) as between, target(between.url, token, timeout=2.0) as found:
        assert (await checked(found, token)).status is Status.VALID
        between.reset()
        assert (await found.checker.check(full=False)).verdict.status is Status.VALID, "asked again on a new connection"
        between.hold()
        held = await found.checker.check(full=False)
        assert (held.verdict.status, held.verdict.accepted) == (Status.UNREACHABLE, None), "silence is no refusal"
        assert (await found.checker.check(full=False)).verdict.status is Status.VALID


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("CA", "expired"),
        ("certificate", "expired"),
        ("another host", "mismatch"),
        ("unknown CA", "issuer"),
    ],
)
async def test_20_an_expired_or_wrong_certificate_is_a_tls_error_and_nothing_is_sent(
    what: str, words: str, tmp_path: Path
) -> None:
    file, yesterday = tmp_path / "ca.pem", datetime.now(UTC) - timedelta(days=1)
    authority, other = trustme.CA(), trustme.CA()
    (other if what == "unknown CA" else authority).cert_pem.write_to_path(file)
    if what == "CA":
        context = expired_authority(file)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        times: dict[str, Any] = {"not_before": yesterday - timedelta(days=9), "not_after": yesterday}
        name = "other.example.com" if what == "another host" else HOST
        authority.issue_cert(name, **(times if what == "certificate" else {})).configure_cert(context)
    async with serving(always(answer()), context) as server:
        verdict = await judged(server.url, tls={"caFile": str(file)})
        assert (verdict.status, verdict.accepted) == (Status.TLS_ERROR, None)
        assert words in verdict.cause
        assert server.requests == [], "no token, and no way around it"


def expired_authority(file: Path) -> ssl.SSLContext:
    """A server whose certificate is in its time, of an authority whose own time is over."""
    now = datetime.now(UTC)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in ("Old CA", "Argo CD")]
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    authority = x509.BasicConstraints(ca=True, path_length=1)
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
    ends = now - timedelta(days=1), now + timedelta(days=9)
    made = []
    for subject, key, extension, end in zip(names, keys, (authority, host), ends, strict=True):
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(names[0]).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_after(end)
        builder = builder.not_valid_before(now - timedelta(days=9)).add_extension(extension, critical=False)
        made.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    file.write_bytes(made[0])
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pair = file.with_name("pair.pem")
    pair.write_bytes(keys[1].private_bytes(serialization.Encoding.PEM, *private) + made[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    return context


@pytest.mark.parametrize("by", [-30 * DAY, -HOUR, HOUR, 30 * DAY], ids=["a month slow", "slow", "fast", "a month fast"])
def test_21_a_clock_that_is_wrong_makes_no_token_refused_and_no_key_early(by: float) -> None:
    """Argo CD says whether a token is accepted; our clock only says when to look at it."""

    async def tell(world: World) -> None:
        world.hand_made(expires_in=int(90 * DAY))
        world.clock.wrong_by = by
        whole = Whole(world)
        await whole.run(HOUR)
        assert whole.shown == [Status.VALID]
        assert (world.used_ids, world.logins) == (set(), 0)
        assert whole.checks > 100, "and it is checked as ever"

    in_the_world(tell)


async def test_22_a_name_that_cannot_be_resolved_is_dns_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    real, went_on = socket.getaddrinfo, threading.Event()

    def slowly(host: Any, *arguments: Any, **named: Any) -> Any:
        if host in (HOST, "localhost"):
            return real(host, *arguments, **named)
        went_on.wait(3.0)  # for as long as nothing else would go on, if this were in the loop
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", slowly)

    async def step() -> None:
        for _ in range(10):
            await asyncio.sleep(0.01)
        went_on.set()

    stepping = asyncio.create_task(step())
    verdict = await judged("http://argocd.example.com")
    assert went_on.is_set(), "the loop went on"
    await stepping
    assert (verdict.status, verdict.accepted) == (Status.UNREACHABLE, None)
    assert "Temporary failure in name resolution" in verdict.cause
    assert "DNS" in f"{verdict.cause} {verdict.remedy}"


@pytest.mark.parametrize("role", [Role.NONE, Role.READONLY, Role.ADMIN], ids=lambda role: role.value)
async def test_25_in_anonymous_mode_only_logged_in_makes_a_token_accepted_and_it_is_warned_of(role: Role) -> None:
    state = ArgoCDState(clock=lambda: NOW, seed=1)
    state.create_account("ci", role=Role.READONLY)
    lab = Lab(state, Front(state), state.mint_key("ci", "tm-1"))
    state.set_anonymous(role)
    live = (await lab.check()).verdict
    assert (live.status, live.anonymous_access) == (Status.VALID, True)
    state.revoke_key("ci", "tm-1")
    dead = (await lab.check()).verdict
    assert dead.status is (Status.REJECTED if role is Role.NONE else Status.REVOKED)
    assert "inferred" in dead.cause


@pytest.mark.parametrize("fault", [FaultKind.REFUSED, FaultKind.RESET, FaultKind.TIMEOUT], ids=lambda kind: kind.value)
def test_26_while_argo_cd_restarts_it_is_unreachable_and_nothing_is_rotated(fault: FaultKind) -> None:
    async def tell(world: World) -> None:
        world.hand_made()
        whole = Whole(world)
        await whole.run(60.0)
        world.argocd_fault = fault
        await whole.run(600.0)
        world.argocd_fault = None
        await whole.run(300.0)
        assert whole.shown == [Status.VALID, Status.UNREACHABLE, Status.VALID]
        assert (world.used_ids, world.logins) == (set(), 0)

    in_the_world(tell)


async def test_27_without_the_kubernetes_api_checks_go_on_and_afterwards_all_catch_up(around: Outside) -> None:
    """Away, then 410 for what went on before, then a watch that is open and silent."""
    around.put_token(around.new_token("old"))
    async with service(around.settings(around.target())) as running_:
        await until(lambda: running_.status() is Status.VALID)
        await in_touch(running_)
        await away(running_, around.cluster)
        assert running_.status() is Status.VALID, "by the value that is remembered"
        assert "the value is that of before" in running_.report().problem
        around.put_token(around.new_token("new"))
        around.argocd.revoke_key("codefresh", "old")
        around.cluster.compact()
        around.cluster.come_back()
        await until(lambda: running_.report().verdict.token_id == "new" and running_.status() is Status.VALID)
        await in_touch(running_)
        await until(around.cluster.silence_watches)  # the list is there; the watch is opened a moment later
        around.put_token(around.new_token("newer"))
        around.argocd.revoke_key("codefresh", "new")
        await until(lambda: running_.report().verdict.token_id == "newer")
        assert running_.status() is Status.VALID


@pytest.mark.parametrize("after", [5.0, 40.0], ids=["before the write", "in the grace period"])
def test_27_without_the_kubernetes_api_nothing_is_changed(after: float) -> None:
    async def tell(world: World) -> None:
        STORIES["a key of ours on demand, with consumers"].prepare(world)
        process = world.start(demanded=True)
        await process.run(world.clock.monotonic() + after)
        before = world.secret.version, set(world.used_ids), len(world.deleted)
        world.kubernetes_away = True
        await process.run(world.clock.monotonic() + 600.0)
        assert (world.secret.version, set(world.used_ids), len(world.deleted)) == before
        assert "the journal cannot be read, so nothing is rotated" in process.rotator.report().problem
        world.kubernetes_away = False
        await rotated(world, HOUR)
        assert world.at_rest()

    in_the_world(tell)


def test_29_a_monitor_that_is_dead_is_told_by_its_absence(tmp_path: Path) -> None:
    died = Monitor((Target(),), runs=((0, 10 * MINUTE),))
    down = Fires(AlertName.DOWN, Severity.CRITICAL, 14 * MINUTE, FOREVER, target=None, place=())
    assert_fires(tmp_path, [died], down)
