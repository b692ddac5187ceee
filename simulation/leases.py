"""The Leases of the simulated API, by a short way: they are renewed every two seconds, and would take most of the time.

Only what the election uses: one Lease is read, made, and replaced where its version is still the same. What the full
simulator does with them is tested elsewhere (`tests/adapters/kubernetes/test_lease.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from monitor.cluster import Answer, NoAnswer
from monitor.simulator.kubernetes.faults import Plan

NOTHING = Plan()
LOST = NoAnswer("the Kubernetes API cannot be reached: ServerDisconnectedError")
REFUSED = NoAnswer("the Kubernetes API cannot be reached: Connection refused", sent=False)


class Leases:
    """All Leases of one world, by path."""

    def __init__(self) -> None:
        self._kept: dict[str, Mapping[str, Any]] = {}
        self._version = 1

    async def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        plan: Plan | None,
        latency: Callable[[], float],
        outside: Callable[..., object],
    ) -> Answer | NoAnswer:
        """One request, after `plan` (None: nothing befalls it). Waits for ever where no answer comes."""
        plan = plan or NOTHING
        if plan.refused:
            await asyncio.sleep(0)
            return REFUSED
        answered: asyncio.Future[Answer | NoAnswer] = asyncio.get_running_loop().create_future()

        def deliver(answer: Answer | NoAnswer) -> None:
            if not answered.done():
                answered.set_result(answer)

        def arrive() -> None:
            lost = plan.lost_request
            answer: Answer | NoAnswer = LOST
            if not lost and plan.status and not plan.effect:
                answer = Answer(plan.status)
            elif not lost:
                answer = self.handle(method, path, body)
                if plan.status:
                    answer = Answer(plan.status)
            if lost or plan.lost_answer:
                if plan.hang:
                    return
                answer = LOST
            outside(plan.answer_delay + latency(), deliver, answer)

        outside(plan.request_delay + latency(), arrive)
        return await answered

    def handle(self, method: str, path: str, body: Mapping[str, Any] | None) -> Answer:
        """What the API answers."""
        if method == "POST":
            path = f"{path}/{_name(body)}"
        known = self._kept.get(path)
        if method == "GET":
            return Answer(404, {"kind": "Status", "message": "not found"}) if known is None else Answer(200, known)
        if body is None or method not in ("POST", "PUT"):
            return Answer(405)
        if method == "POST":
            return Answer(409) if known is not None else Answer(201, self._keep(path, body))
        if known is None:
            return Answer(404, {"kind": "Status", "message": "not found"})
        if body["metadata"].get("resourceVersion") != known["metadata"]["resourceVersion"]:
            return Answer(409)
        return Answer(200, self._keep(path, body))

    def _keep(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        self._version += 1
        kept = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self._version)}}
        self._kept[path] = kept
        return kept


def _name(body: Mapping[str, Any] | None) -> str:
    return str((body or {}).get("metadata", {}).get("name", ""))
