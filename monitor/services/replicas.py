"""What the other replicas see: asked for, remembered, and told beside what this one sees.

Each is asked now and then, and again before a page is made. Its last answer is kept as it came, packed, and read only when
somebody wants it: for a page, or to go on with the targets of a replica that is gone. A replica that does not answer is
named, with its targets: they are in the configuration, so none is ever left out without a word.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from itertools import islice

import structlog

from monitor.core.exchange import Silent, lines, name_of, read_head, read_line
from monitor.core.report import TargetReport
from monitor.core.whole import Replica
from monitor.ports import Clock, Peers

log = structlog.get_logger(__name__)

# Seconds between two questions when nobody looks: what the next owner of a target knows of it is at most this old.
ROUND = 15.0
# A page is made of answers that are at most this old.
FRESH = 2.0
# The answer of a replica that is gone is kept for so long: by then its targets have been looked at by others.
KEPT = 120.0
MAX_TARGETS = 100_000
# A target of which nobody told for so long is not known to be checked.
PATIENCE = 60.0
# Lines that are read before the event loop gets the interpreter's lock, and for how long.
SLICE = 100
YIELD = 0.0002

Others = Mapping[int, tuple[str, str]]


@dataclass(slots=True)
class _Heard:
    """One replica: its last answer (packed), and what came of the last question. Times are monotonic seconds.

    names: the targets of the answer. read: the answer, once somebody wanted it. earlier: the one before, as far as it was
    read: while targets change hands the one that gives a target up says so before the other one has told of it.
    """

    packed: bytes = b""
    heard_at: float = float("-inf")
    asked_at: float = float("-inf")
    silence: str = "it was not asked yet"
    targets: int = 0
    names: frozenset[str] = frozenset()
    read: Mapping[str, TargetReport] | None = field(default_factory=dict)
    earlier: Mapping[str, TargetReport] = field(default_factory=dict)


class Replicas:
    """The others. others: who lives: slot -> (identity, address)."""

    def __init__(self, clock: Clock, peers: Peers, others: Callable[[], Others]) -> None:
        self._clock = clock
        self._peers = peers
        self._others = others
        self._heard: dict[str, _Heard] = {}
        self._given_up: Mapping[str, tuple[TargetReport, float]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def refresh(self, oldest: float = FRESH) -> None:
        """Asks those whose last answer is older than `oldest` seconds, all at once. Who asks at the same time waits along."""
        while (asking := self._asking) is not None:
            await asyncio.wait([asking])
        self._asking = asyncio.create_task(self._refresh(oldest), name="ask the other replicas")
        self._asking.add_done_callback(self._asked)
        await asyncio.shield(self._asking)

    async def read(self) -> Mapping[str, TargetReport]:
        """Every target that another replica told of, the newest where there are several; also of those that are gone."""
        for heard in tuple(self._heard.values()):
            if heard.read is None:
                packed = heard.packed
                found = await asyncio.to_thread(_unpacked, packed)
                if heard.packed is packed:
                    heard.read = found
        return self.known()

    def known(self) -> Mapping[str, TargetReport]:
        """The same, of what was read before."""
        newest = {name: report for name, (report, _) in self._given_up.items()}
        for heard in sorted(self._heard.values(), key=lambda heard: heard.heard_at):
            for told in (heard.earlier, heard.read or {}):
                for name, report in told.items():
                    before = newest.get(name)
                    if before is None or before.verdict.checked_at <= report.verdict.checked_at:
                        newest[name] = report
        return newest

    def gave_up(self, reports: Iterable[TargetReport]) -> None:
        """What this replica saw of targets that others check from now on: it holds until they have told of them."""
        now = self._clock.monotonic()
        kept = {name: given for name, given in self._given_up.items() if now - given[1] < KEPT}
        self._given_up = {**kept, **{report.name: (report, now) for report in reports}}

    def replicas(self) -> Iterator[Replica]:
        """Who lives beside this one, in the order of their slots."""
        for slot, (identity, address) in sorted(self._others().items()):
            heard = self._heard.get(identity, _Heard())
            yield Replica(slot, identity, address, heard.targets, heard.silence)

    def told_of(self) -> Set[str]:
        """The targets of which any replica that lives told lately: somebody checks them."""
        oldest = self._clock.monotonic() - PATIENCE
        living = {identity for identity, _ in self._others().values()}
        told = (heard.names for name, heard in self._heard.items() if name in living and heard.heard_at >= oldest)
        return frozenset().union(*told)

    async def run(self, after: Callable[[], None]) -> None:
        """Asks now and then, and calls `after`, until it is cancelled."""
        while True:
            try:
                await self.refresh(ROUND - FRESH)
                after()
            except Exception:
                log.exception("defect in asking the other replicas")
            await asyncio.sleep(ROUND)

    async def close(self) -> None:
        """Ends; waits for what is under way, which takes a second at most."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])
        await self._peers.close()

    async def _refresh(self, oldest: float) -> None:
        now = self._clock.monotonic()
        others = dict(self._others().values())
        self._heard = {
            identity: heard
            for identity, heard in self._heard.items()
            if identity in others or now - heard.heard_at < KEPT
        }
        wanted = [
            (identity, address, heard)
            for identity, address in others.items()
            if now - (heard := self._heard.setdefault(identity, _Heard())).asked_at >= oldest
        ]
        await asyncio.gather(*(self._ask(heard, address) for _, address, heard in wanted))

    async def _ask(self, heard: _Heard, address: str) -> None:
        heard.asked_at = self._clock.monotonic()
        answer = await self._peers.ask(address) if address else Silent("it has published no address: set POD_IP there")
        if isinstance(answer, Silent):
            heard.silence = answer.why
            return
        speaker = read_head(next(lines(answer), b""))
        if speaker is None:
            heard.silence = "its answer is not understood: is it of another version?"
            return
        packed, heard.names = await asyncio.to_thread(_packed, answer)
        heard.earlier = heard.read or heard.earlier
        heard.packed, heard.read, heard.heard_at = packed, None, self._clock.monotonic()
        heard.silence, heard.targets = "", speaker.targets

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking = None
        if not task.cancelled():
            task.exception()  # seen here also where nobody waits any more


def _packed(answer: bytes) -> tuple[bytes, frozenset[str]]:
    """An answer as it is kept, and the names of its targets. Made for a thread."""
    names = (name_of(text) for text in islice(lines(answer), 1, MAX_TARGETS + 1))
    return zlib.compress(answer, 1), frozenset(name for name in names if name is not None)


def _unpacked(packed: bytes) -> Mapping[str, TargetReport]:
    """The reports of an answer, by name. Made for a thread."""
    found: dict[str, TargetReport] = {}
    for count, text in enumerate(lines(zlib.decompress(packed))):
        if count > MAX_TARGETS:
            break
        report = read_line(text) if count else None
        if report is not None:
            found[report.name] = report
        if count % SLICE == SLICE - 1:
            time.sleep(YIELD)
    return found
