"""The configuration file while the monitor runs: read again when it changes, refused as a whole where it cannot be used.

A refusal for what stands in it lasts until it is changed. One for a file that it names (a certificate that is not there
yet) is tried again now and then, since that file may come later. Either is told once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Set
from pathlib import Path

import structlog

from monitor.adapters import turns
from monitor.config.files import check_files
from monitor.config.load import load_file
from monitor.config.problems import ConfigurationError
from monitor.config.rules import OwnNamespace
from monitor.config.settings import Settings
from monitor.ports import Clock

log = structlog.get_logger(__name__)

RETRY = 30.0


class Reloading:
    """One configuration file. problems: what keeps it from being used as it is by now, and what to do; empty for nothing.

    path: None for a monitor without one (the demo). own_namespace: as `load_file` has it.
    """

    def __init__(self, path: Path | None, clock: Clock, own_namespace: OwnNamespace) -> None:
        self.path = path
        self.problems: tuple[str, ...] = ()
        self._clock = clock
        self._own_namespace = own_namespace
        self._retry_at: float | None = None

    async def read(self, changed: Set[Path]) -> Settings | None:
        """The new configuration; None where there is none, or none that can be used."""
        due = self._retry_at is not None and self._clock.monotonic() >= self._retry_at
        if self.path is None or not (self.path in changed or due):
            return None
        self._retry_at = None
        try:
            with turns.short():  # checks go on meanwhile
                settings = await asyncio.to_thread(load_file, self.path, self._own_namespace)
        except ConfigurationError as error:
            self._refused(error)
            return None
        try:
            await asyncio.to_thread(check_files, settings)
        except ConfigurationError as error:
            self._retry_at = self._clock.monotonic() + RETRY
            self._refused(error)
            return None
        self.problems = ()
        return settings

    def _refused(self, error: ConfigurationError) -> None:
        before, self.problems = self.problems, tuple(map(str, error.problems)) or (str(error),)
        if self.problems != before:
            log.error("new configuration refused; the old one goes on", problems=str(error))
