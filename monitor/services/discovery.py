"""Merges the targets of the configuration file with those that are found elsewhere, and keeps both apart from harm.

Each source tells what it found; here it is read, and chosen from (`core.discovery`). What cannot be read is told by name
and changes nothing for the others; a target that was readable before goes on as it was. Whoever drives it calls
`refresh` at an interval, so that a thousand changes in a second become one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from monitor.config import rules
from monitor.config.found import in_words, read_target
from monitor.config.problems import ConfigurationError
from monitor.config.settings import Settings, TargetSettings
from monitor.core.discovery import Candidate, Found, Origin, Trouble, by_precedence, chosen
from monitor.ports import Clock

log = structlog.get_logger(__name__)

# Targets read before others get their turn: a third of a millisecond each.
SLICE = 20
MAX_LINES = 20
# After a choice the next one waits so many times as long as it took, and no longer than that: what the caller does with
# it costs several times as much (at 10,000 targets 0.03 s and 0.1 s, measured).
REST = 100.0
LONGEST_REST = 10.0
DEFECT = "a defect of the monitor keeps it from being read; please report it"


class TargetSource(Protocol):
    """A place where targets are found."""

    @property
    def origin(self) -> Origin:
        """The place as a whole, in words."""
        ...

    @property
    def version(self) -> int:
        """Another number whenever something else is found, or another problem."""
        ...

    @property
    def problem(self) -> str:
        """What keeps the place from being looked at, and what to do; "" when nothing does. What was found stays."""
        ...

    def found(self) -> Iterable[Found]:
        """What there is, as far as it was seen."""
        ...

    async def look(self) -> None:
        """Looks, where the place does not tell by itself. Never raises for what it finds."""
        ...


class Errors(Protocol):
    """Who counts what cannot be used: the metrics."""

    def discovery_errors(self, source: str, count: int) -> None:
        """So many of a source's targets cannot be used as they are."""
        ...


@dataclass(frozen=True, slots=True)
class _Read:
    """What an origin came to. usable: the target, as it is or as it last was when it could be read; problem: of now.

    good: the version that `usable` was read from; it is read again where the configuration is another one.
    """

    found: Found
    usable: TargetSettings | None
    good: Found | None
    problem: str = ""


class Discovery:
    """All targets of the process: those of the configuration file first, then those that were found, by name."""

    # Seconds between two calls of `refresh`.
    INTERVAL = 1.0

    def __init__(
        self,
        settings: Settings,
        sources: Sequence[TargetSource],
        clock: Clock,
        errors: Errors,
        own_namespace: rules.OwnNamespace = rules.written_namespace,
    ) -> None:
        """own_namespace: which namespace a Secret is in where none is written."""
        self._settings = settings
        self._own_namespace = own_namespace
        self._sources = sources
        self._clock = clock
        self._errors = errors
        self._seen: dict[Origin, int] = {}
        self._found: Sequence[tuple[TargetSource, Sequence[Found]]] = ()
        self._read: dict[Origin, _Read] = {}
        self._owners: dict[str, Origin] = {}
        self._troubles: dict[Origin, Trouble] = {}
        self._anew = False
        self._rests_until = float("-inf")
        self.targets: tuple[TargetSettings, ...] = settings.targets
        for source in sources:
            errors.discovery_errors(str(source.origin), 0)

    @property
    def troubles(self) -> Sequence[Trouble]:
        """Every origin whose target is not used as it stands there, in the order of the origins."""
        return [self._troubles[origin] for origin in sorted(self._troubles)]

    def trouble_of(self, target: str) -> str:
        """What is wrong with the present version of a target that goes on as it was before; "" when nothing is."""
        origin = self._owners.get(target)
        trouble = self._troubles.get(origin) if origin is not None else None
        return str(trouble) if trouble is not None and trouble.kept else ""

    def reconfigured(self, settings: Settings) -> None:
        """The configuration file was read anew. What was found is held to it at the next `refresh`."""
        self._settings = settings
        self._anew = True
        self._choose()

    async def refresh(self) -> bool:
        """Looks at what was found. Returns whether `targets` are others than before."""
        for source in self._sources:
            await source.look()
        versions = {source.origin: source.version for source in self._sources}
        if not self._anew and (versions == self._seen or self._clock.monotonic() < self._rests_until):
            return False
        anew, self._seen, self._anew = self._anew, versions, False
        found = [(source, tuple(source.found())) for source in self._sources]
        self._read = await self._read_all([one for _, some in found for one in some], anew=anew)
        self._found = found
        before, started = self.targets, self._clock.monotonic()
        self._choose()
        now = self._clock.monotonic()
        self._rests_until = now + min(REST * (now - started), LONGEST_REST)
        return self.targets != before

    async def _read_all(self, found: Sequence[Found], *, anew: bool) -> dict[Origin, _Read]:
        """anew: nothing that was read by the former configuration is good enough for this one."""
        read: dict[Origin, _Read] = {}
        settings = self._settings
        done = 0
        for one in found:
            former = self._read.get(one.origin)
            if former is not None and former.found == one and not anew:
                read[one.origin] = former
                continue
            read[one.origin] = _read(one, former, settings, anew=anew)
            done += 1
            if done % SLICE == 0:
                await asyncio.sleep(0)
        return read

    def _choose(self) -> None:
        configured = {target.name for target in self._settings.targets}
        candidates = [
            Candidate(one.usable.name, origin, one.usable, one.found.since)
            for origin, one in self._read.items()
            if one.usable is not None
        ]
        kept, refused = chosen(candidates, configured, self._owners)
        kept, undone = self._without_double_rotation(kept)
        self._owners = {one.name: one.origin for one in kept}
        self.targets = (*self._settings.targets, *(one.value for one in kept))
        self._tell([*refused, *undone])

    def _without_double_rotation(
        self, kept: Sequence[Candidate[TargetSettings]]
    ) -> tuple[list[Candidate[TargetSettings]], list[Trouble]]:
        """Two rotations of one token would undo each other's work: the first goes on."""
        first = len(self._settings.targets)
        ordered = by_precedence(kept, self._owners)
        whole = replace(self._settings, targets=(*self._settings.targets, *(one.value for one in ordered)))
        found = {path[1] for path, _, _ in rules.between_targets(whole, self._own_namespace)}
        twice = {one.name for at, one in enumerate(ordered, first) if at in found}
        what = (
            "its key is kept where that of another target is, and two rotations would undo each other; give it its own"
        )
        troubles = [Trouble(one.origin, what, one.name) for one in kept if one.name in twice]
        return [one for one in kept if one.name not in twice], troubles

    def _tell(self, others: Iterable[Trouble]) -> None:
        used = set(self._owners.values())
        troubles = {
            origin: Trouble(origin, one.problem, one.usable.name if one.usable else "", origin in used)
            for origin, one in self._read.items()
            if one.problem
        }
        for trouble in others:
            troubles.setdefault(trouble.origin, trouble)
        troubles |= {
            source.origin: Trouble(source.origin, source.problem) for source, _ in self._found if source.problem
        }
        _log(self._troubles, troubles)
        self._troubles = troubles
        for source, some in self._found:
            count = sum(one.origin in troubles for one in some) + (source.origin in troubles)
            self._errors.discovery_errors(str(source.origin), count)


def _read(found: Found, before: _Read | None, settings: Settings, *, anew: bool) -> _Read:
    try:
        return _Read(found, read_target(found, settings), found)
    except ConfigurationError as error:
        problem = in_words(error)
    except Exception as error:  # noqa: BLE001
        # A defect of ours: it must not end the discovery of the others. Its traceback could show the text.
        log.error("defect while reading a target", origin=str(found.origin), defect=type(error).__name__)
        problem = DEFECT
    usable, good = _former(before, settings, anew=anew)
    return _Read(found, usable, good, problem)


def _former(before: _Read | None, settings: Settings, *, anew: bool) -> tuple[TargetSettings | None, Found | None]:
    """The version that goes on, as the present configuration has it; a new one may no longer allow it."""
    if before is None or before.good is None:
        return None, None
    if not anew:
        return before.usable, before.good
    try:
        return read_target(before.good, settings), before.good
    except Exception:  # noqa: BLE001 - whatever is wrong with it: of this object the present version is told
        return None, None


def _log(before: Mapping[Origin, Trouble], now: Mapping[Origin, Trouble]) -> None:
    """What is new, and what is over; each bounded."""
    news = [trouble for origin, trouble in now.items() if before.get(origin) != trouble]
    for trouble in news[:MAX_LINES]:
        log.warning(
            "a discovered target cannot be used as it is",
            origin=str(trouble.origin),
            target=trouble.target or None,
            problem=trouble.what,
            former_version_goes_on=trouble.kept,
        )
    if len(news) > MAX_LINES:
        log.warning("further discovered targets cannot be used as they are", count=len(news) - MAX_LINES)
    over = Counter(origin.kind for origin in before if origin not in now)
    if over:
        log.info("problems of discovered targets are over", **dict(over))
