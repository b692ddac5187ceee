"""The API as a client meets it: requests take time, faults befall them, and each is in the log.

A request that is under way arrives, whether or not somebody still waits for its answer, as over a real network.
Time is the event loop's, so a loop with virtual time needs no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from enum import StrEnum
from functools import partial
from math import inf

from monitor.simulator.kubernetes import ownership
from monitor.simulator.kubernetes.faults import Plan
from monitor.simulator.kubernetes.problems import out_of_order
from monitor.simulator.kubernetes.state import ClusterState, Recorded
from monitor.simulator.kubernetes.verbs import handle
from monitor.simulator.kubernetes.watches import Watch
from monitor.simulator.kubernetes.wire import Object, Request, Response, attributes


class Broken(StrEnum):
    """No answer."""

    REFUSED = "refused"  # no connection; nothing was sent
    RESET = "reset"  # the connection broke; what was sent may have arrived
    SILENT = "silent"  # nothing comes


Later = Callable[[float, Callable[[], None]], object]


class Front:
    """One way to the cluster. latency: seconds that a request takes there, and an answer back; asked for each.

    later: does something in so many seconds; the event loop by default.
    """

    def __init__(
        self, state: ClusterState, latency: Callable[[], float] = lambda: 0.0, later: Later | None = None
    ) -> None:
        self.state = state
        self._latency = latency
        self._later = later

    async def ask(self, request: Request) -> Response | Watch | Broken:
        """What comes of one request. A watch that is given has to be closed."""
        asked = attributes(request)
        plan = self.state.faults.plan(asked)
        manager = ownership.manager_name(request.query.get("fieldManager", ""), request.user_agent)
        record = Recorded(self.state.clock.now(), request.user, asked.verb, request.path, manager)
        self.state.requests.append(record)
        if plan.refused or self.state.away:
            await asyncio.sleep(0)
            return Broken.REFUSED
        landed = await self._land(request, plan, record)
        try:
            await asyncio.sleep(self._latency() + plan.answer_delay)
        except asyncio.CancelledError:
            if isinstance(landed, Watch):
                landed.close()
            raise
        return landed

    async def _land(self, request: Request, plan: Plan, record: Recorded) -> Response | Watch | Broken:
        delay = self._latency() + plan.request_delay
        if delay <= 0:
            await asyncio.sleep(0)
            return self._arrive(request, plan, record)
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Response | Watch | Broken] = loop.create_future()

        def arrive() -> None:
            outcome = self._arrive(request, plan, record)
            if not waiting.done():
                waiting.set_result(outcome)
            elif isinstance(outcome, Watch):
                outcome.close()

        (self._later or loop.call_later)(delay, arrive)
        return await waiting

    def _arrive(self, request: Request, plan: Plan, record: Recorded) -> Response | Watch | Broken:
        lost = Broken.SILENT if plan.hang else Broken.RESET
        if plan.lost_request or self.state.away:
            return lost
        if plan.status and not plan.effect:
            answer = out_of_order(plan.status).response()
            record.status = answer.status
            return answer
        done = handle(self.state, request, stale=plan.stale)
        if isinstance(done, Watch):
            if plan.silent:
                done.silence()
            if plan.dropped_after is not None:
                done.cut_in(plan.dropped_after)
        if plan.lost_answer or plan.status:
            if isinstance(done, Watch):
                done.close()
            if plan.lost_answer:
                return lost
            done = out_of_order(plan.status).response()
        record.status = 200 if isinstance(done, Watch) else done.status
        return done


async def lines(watch: Watch, silence: float = inf) -> AsyncGenerator[Object, None]:
    """The lines of a watch as they come due, until it ends; `watch.broken` tells how. Closes it.

    Raises TimeoutError where none came for `silence` seconds.
    """
    loop = asyncio.get_running_loop()
    heard = watch.now()
    try:
        while True:
            taken = watch.take()
            for line in taken:
                yield line
                heard = watch.now()
            if watch.broken or watch.finished:
                return
            if taken:
                continue  # more may have come while these were looked at
            pause = min(watch.next_at(), heard + silence) - watch.now()
            if pause > 0:
                # A timer and a future: `asyncio.timeout` in another one around an event costs a long simulation too much.
                woken: asyncio.Future[None] = loop.create_future()
                watch.wake = partial(_wake, woken)
                timer = loop.call_later(pause, watch.wake) if pause < inf else None
                try:
                    await woken
                finally:
                    watch.wake = None
                    if timer is not None:
                        timer.cancel()
            elif watch.next_at() > watch.now():
                raise TimeoutError
    finally:
        watch.close()


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
