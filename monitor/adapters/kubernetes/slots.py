"""This replica's slot among those that share the targets, and who holds the others: one Lease a slot.

`core/membership` decides; here the Leases are read and written. Their names are known beforehand (`PREFIX-0`, `PREFIX-1`,
...), so that RBAC can name them and nothing has to be listed. An annotation says where the holder can be asked.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from monitor.adapters.kubernetes.lease_object import DENIED, Leases, end_and_release, record_of
from monitor.cluster import Answer, KubernetesApi, NoAnswer
from monitor.core import membership
from monitor.core.addresses import is_metadata
from monitor.core.membership import Absent, Claim, Denied, GiveBack, Held, Membership, Reading, Rest, Slot, Unread
from monitor.core.sharding import Everything, Part, Spare, Standing, Undecided
from monitor.core.text import printable
from monitor.ports import Clock

log = structlog.get_logger(__name__)

ADDRESS = "tokenmonitor.io/address"
AFTER_DEFECT = 5.0
MAX_HOLDER = 100
# What may be asked: an address without a name to look up, and nothing behind it.
_ORIGIN = re.compile(r"https?://(?P<host>[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[[0-9a-fA-F:.]{2,45}\]):[0-9]{1,5}")


class Slots:
    """One replica among others between `start` and `close`, as `Leadership` for the targets of its share.

    namespace: None for the connection's own. identity: unlike that of every other process. address: where this process
    serves its pages (`http://10.0.0.3:8080`), "" where nobody knows. on_change: called when the share may be another.
    """

    def __init__(
        self,
        api: KubernetesApi,
        namespace: str | None,
        prefix: str,
        count: int,
        identity: str,
        address: Callable[[], str],
        clock: Clock,
        chance: Callable[[], float],
        on_change: Callable[[], None],
    ) -> None:
        self._leases = Leases(api, namespace, clock)
        self._names = tuple(f"{prefix}-{number}" for number in range(count))
        self._address = address
        self._clock = clock
        self._chance = chance
        self._on_change = on_change
        self._objects: list[Mapping[str, Any]] = [{} for _ in self._names]
        self._membership = membership.begin(identity, count, clock.monotonic())
        self._told_denied = False
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    @property
    def membership(self) -> Membership:
        """What is known of all slots."""
        return self._membership

    @property
    def standing(self) -> Standing:
        """What follows for this replica's share."""
        return self._membership.standing

    def leads(self) -> bool:
        """Whether an effect may be begun now on a target of this replica's share."""
        return not self._closing and membership.leads(self._membership, self._clock.monotonic())

    def others(self) -> Mapping[int, tuple[str, str]]:
        """Who else lives: slot -> (identity, address), made fit to be shown; "" for an address that is none."""
        found = self._membership
        slots = ((number, found.slots[number]) for number in membership.live(found))
        return {number: (_shown(slot), _origin(slot)) for number, slot in slots if slot.holder != found.identity}

    def start(self) -> None:
        """Takes a slot, and goes on."""
        if self._task is None:
            self._membership = membership.begin(self._membership.identity, len(self._names), self._clock.monotonic())
            self._task = asyncio.create_task(self._run(), name="shards")

    async def close(self) -> None:
        """Gives the slot up at once, so that others take over; takes two seconds at most."""
        self._closing = True
        task, self._task = self._task, None
        if task is not None and not await end_and_release(task, self._release):
            log.warning("the slot was not given up: the others take its targets over when it has expired")

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
            except Exception:
                log.exception("defect in the sharing of targets")
                await asyncio.sleep(AFTER_DEFECT)
            await asyncio.sleep(membership.pause(self._membership, self._clock.monotonic(), self._chance()))

    async def _look(self) -> None:
        """Reads every slot, writes what follows, and tells when the share may be another."""
        for number, reading in enumerate(await asyncio.gather(*map(self._read, range(len(self._names))))):
            self._membership = membership.looked(self._membership, number, reading, self._clock.monotonic())
        match membership.decide(self._membership, self._clock.monotonic(), self._chance()):
            case Claim(number, version):
                await self._claim(number, version)
            case GiveBack(number):
                await self._write(number, self._leases.released(self._objects[number], self._names[number]))
            case Rest():
                pass
        before = self._membership.standing
        self._membership = membership.judged(self._membership, self._clock.monotonic())
        if self._membership.standing != before:
            self._tell()
            self._on_change()

    async def _read(self, number: int) -> Reading:
        answer = await self._leases.call("GET", self._names[number])
        record = record_of(answer)
        if isinstance(answer, Answer) and record is not None:
            self._objects[number] = answer.body
            return Held(record, _address_in(answer.body))
        if isinstance(answer, Answer) and answer.status == 404 and not _names_no_kind(answer):
            self._objects[number] = {}
            return Absent()
        if isinstance(answer, Answer) and answer.status in DENIED:
            self._tell_denied(answer)
            return Denied()
        return Unread()

    async def _claim(self, number: int, version: str | None) -> None:
        began = self._clock.monotonic()
        answer = await self._write(number, self._ours(number), create=version is None)
        record, now = record_of(answer), self._clock.monotonic()
        if isinstance(answer, Answer) and record is not None:
            self._objects[number] = answer.body
            held = Held(record, _address_in(answer.body))
            self._membership = membership.claimed(self._membership, number, held, began, now)
        elif isinstance(answer, Answer) and answer.status in DENIED and (version is None or answer.status != 404):
            self._membership = membership.forbidden(self._membership, number, now)
            self._tell_denied(answer)
        # Whatever else came of it, the next look shows.

    async def _write(self, number: int, body: Mapping[str, Any], *, create: bool = False) -> Answer | NoAnswer:
        method, name = ("POST", "") if create else ("PUT", self._names[number])
        return await self._leases.call(method, name, body)

    def _ours(self, number: int) -> dict[str, Any]:
        name, identity = self._names[number], self._membership.identity
        lease = self._leases.held(self._objects[number], name, identity, membership.DURATION)
        annotations = {**(lease["metadata"].get("annotations") or {}), ADDRESS: self._address()}
        return {**lease, "metadata": {**lease["metadata"], "annotations": annotations}}

    async def _release(self) -> None:
        """Empties whatever slot is this replica's. What was sent before may have come through: it looks first."""
        await asyncio.gather(*map(self._release_one, range(len(self._names))))

    async def _release_one(self, number: int) -> None:
        reading = await self._read(number)
        if isinstance(reading, Held) and reading.record.holder == self._membership.identity:
            answer = await self._write(number, self._leases.released(self._objects[number], self._names[number]))
            if record_of(answer) is not None:
                log.info("the slot is given up", lease=self._names[number])

    def _tell(self) -> None:
        match self._membership.standing:
            case Part(own, slots):
                log.info("this replica checks its share", lease=self._names[own], replicas=len(slots))
            case Spare():
                log.warning(
                    "every slot is held by another replica: this one checks nothing until one is free",
                    slots=len(self._names),
                    fix="raise kubernetes.shards.slots on all replicas, or run fewer of them",
                )
            case Everything(doubt):
                log.warning("this replica checks every target: it does not know its share", problem=doubt.words)
            case Undecided():
                pass

    def _tell_denied(self, answer: Answer) -> None:
        if self._told_denied:
            return
        self._told_denied = True
        log.warning(
            "Leases of the shards may not be used",
            problem=answer.message or f"HTTP {answer.status}",
            fix="give the monitor's service account the verbs get and update on leases (coordination.k8s.io) with"
            f" resourceNames {_listed(self._names)}, and create where they do not exist",
        )


def _names_no_kind(answer: Answer) -> bool:
    """Whether a 404 says that there are no Leases at all, and not that there is none of this name."""
    details = answer.body.get("details")
    return not isinstance(details, Mapping) or not details.get("name")


def _address_in(lease: Mapping[str, Any]) -> str:
    metadata = lease.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    address = annotations.get(ADDRESS) if isinstance(annotations, Mapping) else None
    return address if isinstance(address, str) else ""


def _origin(slot: Slot) -> str:
    address = slot.held.address if slot.held is not None else ""
    found = _ORIGIN.fullmatch(address)
    return address if found and not is_metadata(found["host"].strip("[]")) else ""


def _shown(slot: Slot) -> str:
    return printable(slot.holder, MAX_HOLDER)


def _listed(names: Sequence[str]) -> str:
    return f"[{', '.join(names)}]"
