"""Reflectors that run: begun spread out, begun anew after a defect, ended and waited for."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from monitor.adapters.kubernetes.reflector import Reflector
from monitor.cluster import KubernetesApi

log = structlog.get_logger(__name__)

RETRY_CONFIGURATION = 10.0
AFTER_DEFECT = 60.0
# Many that begin together are spread, so that neither the API nor the requests of the checks have to wait for them.
BEGINNINGS_PER_SECOND = 200.0


class Following:
    """One reflector as a task. make: a new reflector, once the API's configuration is found. ended: it is of no use now.

    why: what keeps the configuration from being found, and what to do; "" when nothing does.
    kind: what is watched, for the log; name: of the object or collection.
    """

    __slots__ = ("_api", "_ended", "_kind", "_make", "_name", "task", "why")

    def __init__(
        self,
        api: KubernetesApi,
        make: Callable[[], Reflector[Any]],
        ended: Callable[[], None],
        *,
        kind: str,
        name: str,
    ) -> None:
        self._api = api
        self._make = make
        self._ended = ended
        self._kind = kind
        self._name = name
        self.task: asyncio.Task[None] | None = None
        self.why = ""

    def begin(self, pause: float) -> None:
        """Begins after so many seconds; nothing where it has begun."""
        if self.task is None:
            self.task = asyncio.create_task(self._run(pause), name=f"watch {self._kind} {self._name}")

    def end(self) -> asyncio.Task[None] | None:
        """Ends it; the task is the caller's to wait for."""
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
        return task

    async def _run(self, pause: float) -> None:
        while True:
            await asyncio.sleep(pause)
            pause = RETRY_CONFIGURATION
            try:
                self.why = await self._api.ready() or ""
                if not self.why:
                    await self._make().run()
            except Exception as error:  # noqa: BLE001
                log.error("defect while watching", kind=self._kind, name=self._name, defect=outline(error))
                pause = AFTER_DEFECT
            self._ended()


def spread(chance: float, together: int) -> float:
    """How long one of so many that begin together waits. chance: 0 to 1."""
    return chance * together / BEGINNINGS_PER_SECOND


def outline(error: Exception) -> str:
    """What kind of error, and where. No traceback: some ways to show one show the values in it, here a whole Secret."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return " < ".join((type(error).__name__, *(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames))))
