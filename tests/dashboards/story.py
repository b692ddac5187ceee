"""Two replicas of a monitor, in which everything happens that a dashboard can show, though not all of it at once in life.

Each replica renders its metrics with the product's own code. The story goes on with each scrape, not with the clock: so
what Prometheus has seen is always the same. Replica `a` leads; `b` knows nothing of rotations.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from monitor.core.endpoint_slices import Replica as Behind
from monitor.core.journal import State
from monitor.core.metric_table import CANNOT_TELL
from monitor.core.model import DAY, Mode, Verdict
from monitor.core.replicas import ReplicasReport, Said, Voice
from monitor.core.report import EFFECTS_THAT_FAIL, RotationReport, TargetReport
from monitor.core.sharding import Doubt, Everything, Part, Standing, Undecided
from monitor.core.status import Kind, Status
from monitor.core.whole import Replica as Sharer
from monitor.core.whole import Whole
from monitor.metrics import CONTENT_TYPE, Metrics
from prometheus_client import CollectorRegistry

# After so many scrapes nothing changes any more.
SCRAPES = 12
STATES = (
    State.IDLE,
    State.INTENT,
    State.MINTED,
    State.VERIFIED,
    State.PUBLISHED,
    State.ADOPTED,
    State.GRACE,
    State.RETIRED,
    State.IDLE,
)
ALERTMANAGERS = ("http://alertmanager-0:9093", "http://alertmanager-1:9093")


def report(name: str, step: int, status: Status = Status.VALID, **changes: object) -> TargetReport:
    """One target at one step of the story. An outage leaves the last answer standing."""
    now = time.time()
    verdict = Verdict(
        status,
        status.facts.meaning,
        "",
        account="ci",
        token_id=f"{name}-key",
        issued_at=now - 30 * DAY,
        expires_at=now + 60 * DAY,
        checked_at=now,
        duration=0.01,
    )
    told = replace(verdict, status=Status.VALID) if status.kind is Kind.UNKNOWN else verdict
    facts: dict[str, object] = {
        "server": f"https://argocd.{name}.example.com",
        "mode": Mode.TOKEN,
        "where": "Secret codefresh/argocd-token, key token",
        "interval": 15.0,
        "timeout": 10.0,
        "verdict": verdict,
        "since": now - 60,
        "told": None if status is Status.PENDING else told,
        "anonymous_access": None if status is Status.PENDING else False,
        "checks": 0 if status is Status.PENDING else 100 + step,
    }
    return TargetReport(name, **(facts | changes))  # type: ignore[arg-type]


def fleet(replica: str, step: int) -> list[TargetReport]:
    """What a replica knows at one step."""
    leads = replica == "a"
    reason = CANNOT_TELL[step % len(CANNOT_TELL)]
    ending, ended = report("sandbox", step, Status.EXPIRING), report("old", step, Status.EXPIRED)
    return [
        report("production", step, Status.VALID if step < 4 else Status.REVOKED, mode=Mode.PASSWORD),
        # Every reason why a check cannot tell, one after the other.
        report("edge", step, reason, failures_by_status=dict.fromkeys(CANNOT_TELL, step)),
        # Only one replica reaches it.
        report("behind-a-wall", step, Status.VALID if leads else Status.UNREACHABLE),
        replace(ending, verdict=replace(ending.verdict, expires_at=time.time() + 3 * DAY)),
        replace(ended, verdict=replace(ended.verdict, expires_at=time.time() - DAY)),
        report("other", step, Status.WRONG_ACCOUNT),
        report("new", step, Status.PENDING),
        report("open", step, anonymous_access=True),
        report(
            "staging",
            step,
            mode=Mode.PASSWORD,
            other_keys=2,
            rotation=_rotated(step) if leads else RotationReport(),
            replicas=_behind(step),
        ),
        report("failing", step, mode=Mode.PASSWORD, rotation=_failing(step) if leads else RotationReport()),
        report("contested", step, mode=Mode.PASSWORD, rotation=_contested() if leads else RotationReport()),
    ]


def _rotated(step: int) -> RotationReport:
    """A rotation from its beginning to its end."""
    state = STATES[min(step, len(STATES) - 1)]
    done = step >= len(STATES) - 1
    now = time.time()
    return RotationReport(
        state=state,
        key_id="tm-2",
        rotations=5 if done else 4,
        rotated_at=now if done else now - 20 * DAY,
        drilled_at=now - 2 * DAY,
        live_keys=2 if state in STATES[2:7] else 1,
        login_failures=3 if step < 6 else 4,
        failing=1 if state is State.INTENT else 0,
        failures=dict.fromkeys(EFFECTS_THAT_FAIL, step // 3),
    )


def _failing(step: int) -> RotationReport:
    return RotationReport(
        State.INTENT,
        problem="Argo CD refused to make a key",
        rotations=2,
        rotated_at=time.time() - 80 * DAY,
        live_keys=1,
        failing=step,
        failures={"mint": step},
    )


def _behind(step: int) -> ReplicasReport:
    """Of 40 replicas of argocd-server 32 are asked; after a while one refuses, and one cannot be asked."""
    said = [Said.ACCEPTED] * 30 + ([Said.REFUSED, Said.UNKNOWN] if step > 3 else [Said.ACCEPTED] * 2)
    voices = (Voice(Behind(f"argocd-server-{n}", f"10.0.0.{n}", 8080), one) for n, one in enumerate(said))
    return ReplicasReport("argocd/argocd-server", tuple(voices), 40)


def around(replica: str, step: int) -> Whole:
    """Whom a replica sees of those that share the targets: `a` loses the Leases at last, `b` comes late."""
    slots = {"a": 0, "b": 2}
    late = replica == "b" and step < 2
    standing: Standing = Undecided() if late else Part(slots[replica], (0, 2))
    if replica == "a" and step == SCRAPES:
        standing = Everything(Doubt.DENIED)
    own = Sharer(None if late else slots[replica], replica, f"http://{replica}:8080", len(fleet(replica, step)))
    others = [Sharer(slot, name, f"http://{name}:8080", 11) for name, slot in slots.items() if name != replica]
    silent = step % 3 == 2
    return Whole(own, tuple(replace(each, silence="no answer" if silent else "") for each in others), standing, 4)


def _contested() -> RotationReport:
    return RotationReport(
        stood_down="app-proxy undid our write", rotations=1, rotated_at=time.time() - DAY, live_keys=1
    )


@dataclass
class Replica:
    """One process as Prometheus sees it."""

    name: str
    metrics: Metrics = field(init=False)
    step: int = 0
    url: str = ""

    def __post_init__(self) -> None:
        self.metrics = Metrics(CollectorRegistry(), "1.2.3")
        self.metrics.attach(
            lambda: fleet(self.name, self.step),
            lambda: around(self.name, self.step),
            lambda: len(fleet(self.name, self.step)),
        )
        self.metrics.expect_notifications(ALERTMANAGERS)

    def scraped(self) -> bytes:
        """The text of a scrape; then the story goes on."""
        text = asyncio.run(self.metrics.render())
        if self.step < SCRAPES:
            self.step += 1
            for known in fleet(self.name, self.step):
                self.metrics.checked(known.name, _Checked(known.verdict), 0.001 * self.step)
            self.metrics.notified(ALERTMANAGERS[0], accepted=True)
            self.metrics.notified(ALERTMANAGERS[1], accepted=self.step % 2 == 0)
        return text


@dataclass(frozen=True)
class _Checked:
    verdict: Verdict


@contextmanager
def told() -> Iterator[tuple[Replica, Replica]]:
    """Serves two replicas on the loopback interface. Their story is over when each has been scraped often enough."""
    with ExitStack() as stack:
        first, second = Replica("a"), Replica("b")
        for replica in (first, second):
            stack.enter_context(_served(replica))
        yield first, second


@contextmanager
def _served(replica: Replica) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = replica.scraped()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args: object) -> None:
            """Says nothing: pytest shows what matters."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        replica.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield
        server.shutdown()
        thread.join(5)
