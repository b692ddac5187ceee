"""Which replica leads, by a Lease of Kubernetes. `core/election` decides; here it is read and written.

An election of our own, since that of kubernetes-asyncio compares times of day, waits for a hung call for ever while
it goes on leading, and ends at a connection error (research, "Election").
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, assert_never

import structlog

from monitor.adapters.kubernetes.lease_object import DENIED, Leases, end_and_release, record_of
from monitor.cluster import Answer, KubernetesApi, NoAnswer
from monitor.core import election
from monitor.core.election import Acquire, Candidate, Create, Read, Renew, StepDown, Wait
from monitor.core.text import printable
from monitor.ports import Clock

log = structlog.get_logger(__name__)

AFTER_DEFECT = 10.0
# Smaller steps than this are no steps for a timer.
SHORTEST_WAIT = 0.001


class LeaseElection:
    """One replica as a candidate between `start` and `close`, as `Leadership`.

    namespace: None for the connection's own. identity: unlike that of every other process, also of an earlier one in the
    same pod (host name and a random part). chance: 0 to 1, the jitter. What is done as the leader has to end before
    `close`, which hands over.
    """

    def __init__(
        self,
        api: KubernetesApi,
        namespace: str | None,
        name: str,
        identity: str,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._leases = Leases(api, namespace, clock)
        self._name = name
        self._clock = clock
        self._chance = chance
        self._candidate = Candidate(identity)
        self._lease: Mapping[str, Any] = {}
        self._led = False
        self._told_denied = False
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> LeaseElection:
        self.start()
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.close()

    def leads(self) -> bool:
        """Whether this replica leads in this moment: its last renewal that worked was begun less than 10 s ago."""
        return not self._closing and election.leads(self._candidate, self._clock.monotonic())

    @property
    def holder(self) -> str | None:
        """Who held the Lease when it was last seen, for people; None where that is not known, or nobody did."""
        record = self._candidate.record
        return printable(record.holder, 100) or None if record is not None else None

    def start(self) -> None:
        """Stands for election."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="leader election")

    async def close(self) -> None:
        """Stops leading, and hands the Lease over at once where it is held; takes two seconds at most."""
        self._closing = True
        task, self._task = self._task, None
        if task is not None and not await end_and_release(task, self._release):
            log.warning("the Lease was not handed over: another replica takes it when it has expired", lease=self._name)

    async def _run(self) -> None:
        while True:
            try:
                await self._step()
            except Exception:
                log.exception("defect in the leader election")
                await asyncio.sleep(AFTER_DEFECT)
            self._tell()

    async def _step(self) -> None:
        match election.decide(self._candidate, self._clock.monotonic()):
            case Wait(pause):
                await asyncio.sleep(max(pause, SHORTEST_WAIT))
            case StepDown():
                self._candidate = election.stood_down(self._candidate)
            case Read():
                await self._read()
            case Create():
                await self._write("POST", "")
            case Renew() | Acquire():
                await self._write("PUT", self._name)
            case never:
                assert_never(never)

    async def _read(self) -> None:
        answer = await self._leases.call("GET", self._name)
        record = record_of(answer)
        if isinstance(answer, Answer) and (record is not None or answer.status == 404):
            self._lease = answer.body if record is not None else {}
            now = self._clock.monotonic()
            self._candidate = election.seen(self._candidate, record, now, self._chance())
        else:
            self._not_understood(answer)

    async def _write(self, method: str, name: str) -> None:
        """Writes the Lease as held by this replica; the version that it was read with makes it a compare-and-swap."""
        began = self._clock.monotonic()
        held = self._leases.held(self._lease, self._name, self._candidate.identity, election.LEASE_DURATION)
        answer = await self._leases.call(method, name, held)
        record = record_of(answer)
        if isinstance(answer, Answer) and record is not None:
            self._lease = answer.body
            now = self._clock.monotonic()
            self._candidate = election.written(self._candidate, record, began, now, self._chance())
        elif isinstance(answer, Answer) and (answer.status == 409 or (answer.status == 404 and name)):
            self._candidate = election.conflicted(self._candidate, self._clock.monotonic(), self._chance())
        else:
            self._not_understood(answer)

    def _not_understood(self, answer: Answer | NoAnswer) -> None:
        now, chance = self._clock.monotonic(), self._chance()
        if isinstance(answer, NoAnswer):
            self._candidate = election.lost(self._candidate, now, chance)
        elif answer.status in DENIED:
            self._candidate = election.denied(self._candidate, now, chance)
            self._tell_denied(answer)
        else:
            self._candidate = election.failed(self._candidate, now, chance)

    async def _release(self) -> None:
        """Empties the holder, where it is this replica. What was sent before may have come through: it looks first."""
        self._candidate = election.stood_down(self._candidate)
        record = record_of(answer := await self._leases.call("GET", self._name))
        if record is None or record.holder != self._candidate.identity or not isinstance(answer, Answer):
            return
        self._lease = answer.body
        answer = await self._leases.call("PUT", self._name, self._leases.released(self._lease, self._name))
        if record_of(answer) is not None:
            log.info("the Lease is handed over", lease=self._name)

    def _tell(self) -> None:
        leads = self.leads()
        if leads != self._led:
            self._led = leads
            log.info("this replica leads" if leads else "this replica does not lead any more", holder=self.holder)

    def _tell_denied(self, answer: Answer) -> None:
        if self._told_denied:
            return
        self._told_denied = True
        log.warning(
            "Leases may not be used: each replica does the work of the leader, safely, but more often than needed",
            lease=self._name,
            problem=answer.message or f"HTTP {answer.status}",
            fix="give the monitor's service account the verb create on leases (coordination.k8s.io), and get, update"
            f" with resourceNames [{self._name}]",
        )
