"""The metrics: names and values are a contract with users' alerts; read as Prometheus reads them."""

import asyncio
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, replace

import pytest
from monitor import metrics as declared
from monitor.adapters.places import LONGEST
from monitor.core.endpoint_slices import Replica
from monitor.core.journal import State
from monitor.core.metric_table import METRICS, Type
from monitor.core.model import Mode, Verdict
from monitor.core.replicas import ReplicasReport, Said, Voice
from monitor.core.report import EFFECTS_THAT_FAIL, RotationReport, TargetReport
from monitor.core.sharding import Doubt, Everything, Part, Spare, Undecided
from monitor.core.status import Kind, Status
from monitor.core.whole import Replica as Sharer
from monitor.core.whole import Whole
from monitor.metrics import Metrics, target_lines
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

NOW = 1_795_000_000.0
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhcmdvY2QifQ.c2lnbmF0dXJl"

# What design.md promises of those that exist now, with their labels.
PROMISED = {
    "build_info": {"version"},
    "targets": set(),
    "token_info": {"target", "server", "account", "auth_type", "token_id"},
    "token_status": {"target", "status"},
    "token_accepted": {"target"},
    "token_verified_timestamp_seconds": {"target"},
    "token_expiration_timestamp_seconds": {"target"},
    "token_issued_timestamp_seconds": {"target"},
    "checks_total": {"target"},
    "check_failures_total": {"target", "reason"},
    "check_duration_seconds": set(),
    "anonymous_access": {"target"},
    "schedule_lateness_seconds": set(),
    "config_last_reload_successful": set(),
    "discovery_errors": {"source"},
    "server_replicas": {"target", "answer"},
    "shard_share": {"share"},
    "shard_slot_held": {"slot"},
    "shard_slots": {"holder"},
    "shard_targets": set(),
    "shard_silent_replicas": set(),
    "rotations_total": {"target"},
    "rotation_failures_total": {"target", "reason"},
    "rotation_consecutive_failures": {"target"},
    "rotation_state": {"target", "state"},
    "rotation_last_success_timestamp_seconds": {"target"},
    "rotation_drill_last_success_timestamp_seconds": {"target"},
    "live_keys": {"target"},
    "other_keys": {"target"},
    "login_failures_total": {"target"},
    "notifications_total": {"alertmanager"},
    "notification_failures_total": {"alertmanager"},
}
REASONS = {"unreachable", "tls_error", "not_argocd", "throttled", "server_error"}

VALID = Verdict(
    Status.VALID,
    "Argo CD accepts the token",
    "",
    account="codefresh",
    token_id="tm-7",
    issued_at=NOW - 86400,
    expires_at=NOW + 86400,
    checked_at=NOW,
    duration=0.02,
)
REPORT = TargetReport(
    name="production",
    server="https://argocd.example.com",
    mode=Mode.TOKEN,
    where="Secret codefresh/argocd-token, key token",
    interval=15,
    timeout=10,
    verdict=VALID,
    since=NOW - 60,
    told=VALID,
    anonymous_access=False,
    checks=4,
    failures_by_status={Status.UNREACHABLE: 3},
    rotation=RotationReport(
        state=State.GRACE,
        rotations=2,
        rotated_at=NOW - 3600,
        drilled_at=NOW - 60,
        live_keys=2,
        login_failures=1,
        failures={"mint": 4},
    ),
    other_keys=3,
)
PENDING = replace(
    REPORT,
    name="new",
    verdict=Verdict(Status.PENDING, "not checked yet", "Wait."),
    told=None,
    anonymous_access=None,
    checks=0,
    failures_by_status={},
    rotation=None,
)


def text_of(*reports: TargetReport) -> str:
    return b"".join(target_lines(reports)).decode()


def samples(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Name -> values of the labels but `target` -> value, for one target."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for name, value in sample.labels.items() if name != "target")
            found.setdefault(sample.name.removeprefix("tokenmonitor_"), {})[labels] = sample.value
    return found


def of(report: TargetReport) -> dict[str, dict[tuple[str, ...], float]]:
    return samples(text_of(report))


def scraped(metrics: Metrics) -> str:
    return asyncio.run(metrics.render()).decode()


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics(CollectorRegistry(), "1.2.3")
    made.attach(lambda: iter([REPORT, PENDING]))
    return made


def test_every_promised_metric_is_declared_with_its_labels_and_nothing_else():
    assert {metric.name: set(metric.labels) for metric in METRICS} == PROMISED


def test_every_declared_metric_is_scraped_with_its_declared_labels(metrics):
    metrics.checked("production", Done(VALID), 0.001)
    families = {family.name: family for family in text_string_to_metric_families(scraped(metrics))}
    for metric in METRICS:
        family = families[metric.full_name.removesuffix("_total")]
        assert family.type == metric.type.value
        assert family.documentation == metric.help
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels)


def test_a_row_about_targets_has_the_target_as_its_first_label():
    assert all(metric.labels[0] == "target" for metric in METRICS if metric.of)


def test_a_healthy_token():
    assert of(REPORT) == {
        "token_info": {("https://argocd.example.com", "codefresh", "token", "tm-7"): 1},
        "token_status": {("valid",): 1},
        "token_accepted": {(): 1},
        "token_verified_timestamp_seconds": {(): NOW},
        "token_expiration_timestamp_seconds": {(): NOW + 86400},
        "token_issued_timestamp_seconds": {(): NOW - 86400},
        "checks_total": {(): 4},
        "check_failures_total": {(reason,): 3 if reason == "unreachable" else 0 for reason in REASONS},
        "anonymous_access": {(): 0},
        "rotations_total": {(): 2},
        "rotation_failures_total": {(step,): 4 if step == "mint" else 0 for step in EFFECTS_THAT_FAIL},
        "rotation_consecutive_failures": {(): 0},
        "rotation_state": {("grace",): 1},
        "rotation_last_success_timestamp_seconds": {(): NOW - 3600},
        "rotation_drill_last_success_timestamp_seconds": {(): NOW - 60},
        "live_keys": {(): 2},
        "other_keys": {(): 3},
        "login_failures_total": {(): 1},
    }


def test_where_another_writer_has_the_secret_the_rotation_is_stood_down():
    assert of(replace(REPORT, rotation=RotationReport(stood_down="Argo CD")))["rotation_state"] == {("stood_down",): 1}


def test_where_nothing_is_rotated_nothing_is_said_of_rotation():
    assert not {name for name in of(PENDING) if name.startswith(("rotation", "live_keys", "login"))}


def test_before_the_first_check_nothing_is_claimed_and_counters_stand_at_zero():
    found = of(PENDING)
    assert found["token_status"] == {("pending",): 1}
    assert found["checks_total"] == {(): 0}
    assert found["check_failures_total"] == {(reason,): 0 for reason in REASONS}
    assert not {"token_accepted", "token_verified_timestamp_seconds", "anonymous_access"} & set(found)


@pytest.mark.parametrize("status", Status)
def test_only_the_present_status_has_a_series(status):
    report = replace(REPORT, verdict=replace(VALID, status=status))
    assert of(report)["token_status"] == {(status.value,): 1}


def test_the_reasons_for_not_telling_are_those_of_the_status_table():
    assert {status.value for status in Status if status.kind is Kind.UNKNOWN} - {"pending"} == REASONS


def test_a_check_that_could_not_tell_leaves_the_last_answer_standing():
    refused = replace(VALID, status=Status.REVOKED, checked_at=NOW - 100)
    unreachable = replace(VALID, status=Status.UNREACHABLE, checked_at=NOW)
    found = of(replace(REPORT, verdict=unreachable, told=refused))
    assert found["token_accepted"] == {(): 0}
    assert found["token_verified_timestamp_seconds"] == {(): NOW - 100}


def test_a_token_that_never_expires_has_no_expiration():
    found = of(replace(REPORT, verdict=replace(VALID, expires_at=None)))
    assert "token_expiration_timestamp_seconds" not in found


def test_anonymous_access_is_told_when_it_is_known():
    assert of(replace(REPORT, anonymous_access=True))["anonymous_access"] == {(): 1}


def test_replicas_are_counted_by_their_answer_where_they_are_asked():
    said = (Said.ACCEPTED, Said.ACCEPTED, Said.REFUSED)
    voices = tuple(Voice(Replica(f"pod-{n}", f"10.0.0.{n}", 8080), one) for n, one in enumerate(said))
    found = of(replace(REPORT, replicas=ReplicasReport("argocd/argocd-server", voices, 3)))
    assert found["server_replicas"] == {("accepted",): 2, ("refused",): 1, ("unknown",): 0, ("not_asked",): 0}
    more = of(replace(REPORT, replicas=ReplicasReport("argocd/argocd-server", voices, 40)))
    assert more["server_replicas"]["not_asked",] == 37
    assert "server_replicas" not in of(REPORT)


def test_where_they_are_to_be_asked_and_none_is_known_that_shows():
    """Without a series it would look like a target of which nobody wants to know them."""
    found = of(replace(REPORT, replicas=ReplicasReport("argocd/argocd-server", problem="not allowed to list")))
    assert set(found["server_replicas"].values()) == {0}


ME, OTHER = Sharer(2, "one", "http://10.0.0.1:8080", 7), Sharer(0, "other", "http://10.0.0.2:8080", 9)


@pytest.mark.parametrize(
    ("whole", "expected"),
    [
        (Whole(ME, (OTHER,), Part(2, (0, 2)), 4), ("part", "2", {"this": 1, "other": 1, "nobody": 2}, 7, 0)),
        (
            Whole(replace(ME, slot=None, targets=0), (OTHER, replace(OTHER, slot=1, silence="no answer")), Spare(), 2),
            ("spare", None, {"this": 0, "other": 2, "nobody": 0}, 0, 1),
        ),
        (
            Whole(replace(ME, slot=None, targets=16), (), Everything(Doubt.DENIED), 4),
            ("everything", None, {"this": 0, "other": 0, "nobody": 4}, 16, 0),
        ),
        (
            Whole(replace(ME, slot=None, targets=0), (), Undecided(), 4),
            ("undecided", None, {"this": 0, "other": 0, "nobody": 4}, 0, 0),
        ),
    ],
)
def test_a_replica_that_shares_the_targets_says_what_it_has_and_whom_it_sees(metrics, whole, expected):
    share, slot, slots, targets, silent = expected
    metrics.attach(lambda: [REPORT], lambda: whole, lambda: 16)
    found = samples(scraped(metrics))
    assert [labels for labels, value in found["shard_share"].items() if value] == [(share,)]
    assert found.get("shard_slot_held", {}) == ({} if slot is None else {(slot,): 1})
    assert found["shard_slots"] == {(holder,): count for holder, count in slots.items()}
    assert found["shard_targets"] == {(): targets}
    assert found["shard_silent_replicas"] == {(): silent}
    assert found["targets"] == {(): 16}, "of all, since each replica tells of its own part only"


def test_without_shards_nothing_is_said_of_them(metrics):
    assert not [name for name in samples(scraped(metrics)) if name.startswith("shard_")]


def test_a_target_that_is_gone_leaves_no_series(metrics):
    assert 'target="new"' in scraped(metrics)
    metrics.attach(lambda: [REPORT])
    assert 'target="new"' not in scraped(metrics)


def test_before_reports_are_attached_there_is_no_target():
    found = samples(scraped(Metrics(CollectorRegistry(), "1.2.3")))
    assert found["targets"] == {(): 0}
    assert "token_status" not in found


def test_the_process_is_described(metrics):
    found = samples(scraped(metrics))
    assert found["build_info"] == {("1.2.3",): 1}
    assert found["targets"] == {(): 2}
    assert found["config_last_reload_successful"] == {(): 1}
    assert found["process_resident_memory_bytes"][()] > 0
    assert "python_gc_collections_total" in found


def test_a_refused_configuration_shows(metrics):
    metrics.reloaded(successful=False)
    assert samples(scraped(metrics))["config_last_reload_successful"] == {(): 0}
    metrics.reloaded(successful=True)
    assert samples(scraped(metrics))["config_last_reload_successful"] == {(): 1}


@dataclass(frozen=True)
class Done:
    verdict: Verdict


def test_each_check_counts_into_both_histograms(metrics):
    for duration, lateness in [(0.0009, 0.0004), (20.0, 30.0), (40.0, 90.0)]:
        metrics.checked("production", Done(replace(VALID, duration=duration)), lateness)
    found = samples(scraped(metrics))
    took, late = found["check_duration_seconds_bucket"], found["schedule_lateness_seconds_bucket"]
    assert (took[("0.001",)], took[("10.0",)], took[("30.0",)], took[("120.0",)]) == (1, 1, 2, 3)
    assert max(float(le) for (le,) in took if le != "+Inf") == LONGEST, "the wait for a turn at a server is within it"
    assert (late[("0.0005",)], late[("15.0",)], late[("60.0",)], late[("+Inf",)]) == (1, 1, 2, 3)
    assert min(float(le) for (le,) in took) == 0.001
    assert min(float(le) for (le,) in late) == 0.0005


def test_no_created_series_double_the_others(metrics):
    assert "_created" not in scraped(metrics)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('a "quoted" name', 'a "quoted" name'),
        ("back\\slash", "back\\slash"),
        ("line\nbreak\r", "line\\nbreak\\r"),
        ("Zażółć \N{SPARKLES}", "Zażółć \N{SPARKLES}"),
        ("\u202edrawkcab\x00", "\\u202edrawkcab\\x00"),
        ("\udcff", "\\udcff"),
        ("x" * 5000, "x" * 199 + "…"),
        (TOKEN, "***"),
        (f"name {TOKEN[:30]}", "***"),
    ],
    ids=["quotes", "backslash", "line break", "unicode", "hidden", "surrogate", "long", "token", "part of a token"],
)
def test_any_value_makes_one_readable_line_that_shows_no_token(value, shown):
    report = replace(REPORT, verdict=replace(VALID, account=value, token_id=value))
    text = text_of(report)
    ((_, account, _, token_id),) = samples(text)["token_info"]
    assert account == token_id == shown
    assert text.count("\n") == text_of(REPORT).count("\n")


def test_scrapes_at_the_same_time_share_one_rendering_and_the_next_is_new(metrics):
    taken = []

    def reports():
        taken.append(1)
        return [REPORT]

    metrics.attach(reports)

    async def scrape() -> None:
        first, second = await asyncio.gather(metrics.render(), metrics.render())
        assert first is second
        assert len(taken) == 1
        await metrics.render()
        assert len(taken) == 2

    asyncio.run(scrape())


def test_a_scraper_that_gives_up_does_not_spoil_it_for_another(metrics):
    async def scrape() -> None:
        impatient, patient = asyncio.create_task(metrics.render()), asyncio.create_task(metrics.render())
        await asyncio.sleep(0)
        impatient.cancel()
        assert b"tokenmonitor_targets 2.0" in await patient

    asyncio.run(scrape())


def test_a_failed_rendering_fails_its_scrape_and_not_the_next(metrics):
    def fails():
        raise ValueError("a defect")

    async def scrape() -> None:
        metrics.attach(fails)
        with pytest.raises(ValueError, match="a defect"):
            await metrics.render()
        metrics.attach(lambda: [REPORT])
        assert b"tokenmonitor_targets 1.0" in await metrics.render()

    asyncio.run(scrape())


def test_targets_that_change_under_a_scrape_do_not_break_it(metrics):
    targets = {f"t{n}": replace(REPORT, name=f"t{n}") for n in range(1000)}
    metrics.attach(lambda: iter(targets.values()))

    async def scrape() -> None:
        rendering = asyncio.create_task(metrics.render())
        for _ in range(3):
            await asyncio.sleep(0)
        targets.pop("t999")
        assert b"tokenmonitor_targets 999.0" in await rendering

    asyncio.run(scrape())


def test_other_work_goes_on_while_very_many_targets_are_rendered(metrics):
    many = [replace(REPORT, name=f"target-{n:05}") for n in range(10_000)]
    metrics.attach(lambda: iter(many))

    async def scrape() -> tuple[int, float]:
        turns, started = 0, time.process_time()
        rendering = asyncio.create_task(metrics.render())
        while not rendering.done():
            turns += 1
            await asyncio.sleep(0)
        text = await rendering
        assert text.count(b"\n") > 130_000
        return turns, time.process_time() - started

    turns, _ = asyncio.run(scrape())
    assert turns > 60  # forty of them are the snapshot's own; measured: thousands


def test_making_the_text_of_10_000_targets_costs_little_more_than_to_write_so_many_lines():
    """In CPU time, and next to lines that need no thought: a slow machine is slow at both. (0.2 s on one that is not.)"""
    many = [replace(REPORT, name=f"target-{n:05}") for n in range(10_000)]

    def cost(work) -> float:
        started = time.process_time()
        work()
        return time.process_time() - started

    def plain() -> bytes:
        return b"".join(f'tokenmonitor_x{{target="target-{n:05}"}} {n}.0\n'.encode() for n in range(130_000))

    turns = [(cost(lambda: b"".join(target_lines(many))), cost(plain)) for _ in range(3)]
    assert min(ours for ours, _ in turns) < 15 * min(bare for _, bare in turns)  # measured: 7


def test_a_new_metric_is_one_row(monkeypatch, metrics):
    row = declared.Metric(
        "live_keys", Type.GAUGE, "Keys of ours.", ("target",), of=lambda report: [((), float(report.checks))]
    )
    monkeypatch.setattr(declared, "TARGET_METRICS", (*declared.TARGET_METRICS, row))
    assert samples(text_of(REPORT))["live_keys"] == {(): 4}


def test_promtool_finds_nothing_to_improve(metrics):
    promtool = shutil.which("promtool")
    if promtool is None:
        assert os.environ.get("CI") != "true", "promtool is missing: install prometheus (apt-get install prometheus)"
        pytest.skip("promtool is not installed")
    hostile = replace(REPORT, name="hostile", verdict=replace(VALID, account='"\\\n\u202e'))
    metrics.attach(lambda: [REPORT, PENDING, hostile])
    metrics.checked("production", Done(VALID), 0.001)
    text = asyncio.run(metrics.render())
    # Python's own families are not ours to name; the linter is asked about ours.
    ours = b"".join(line + b"\n" for line in text.splitlines() if b"tokenmonitor_" in line)
    for given, allowed in ((ours, ""), (text, None)):
        done = subprocess.run([promtool, "check", "metrics"], input=given, capture_output=True, timeout=30, check=False)
        said = (done.stdout + done.stderr).decode()
        assert "error while" not in said
        if allowed is not None:
            assert (done.returncode, said) == (0, allowed)
