"""What other replicas see: asked for at once, kept while targets change hands, and never waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from monitor.core import exchange
from monitor.core.exchange import Silent, Speaker
from monitor.core.model import Mode, Verdict
from monitor.core.report import TargetReport
from monitor.core.sharding import Doubt, Everything, Part, Spare, owner
from monitor.core.status import Status
from monitor.core.whole import Replica, Whole, untold, whole_json
from monitor.services.replicas import KEPT, ROUND, Replicas

from tests.virtual_time import VirtualClock, VirtualLoop, play


def report(name: str, status: Status = Status.VALID, checked_at: float = 1000.0) -> TargetReport:
    verdict = Verdict(status, "cause", "remedy", checked_at=checked_at)
    return TargetReport(name, f"https://{name}", Mode.TOKEN, "here", 15.0, 10.0, verdict, 900.0, told=verdict)


class Others:
    """Replicas that tell what they have; the way to them. hanging: those that never answer, within the deadline of 1 s."""

    def __init__(self) -> None:
        self.live: dict[int, tuple[str, str]] = {}
        self.have: dict[str, list[TargetReport]] = {}
        self.hanging: set[str] = set()
        self.asked: list[str] = []

    def add(self, slot: int, name: str, *reports: TargetReport) -> None:
        self.live[slot] = (name, f"http://{name}")
        self.have[f"http://{name}"] = list(reports)

    async def ask(self, origin: str) -> bytes | Silent:
        self.asked.append(origin)
        if origin in self.hanging:
            await asyncio.sleep(1.0)
            return Silent("no answer within 1 s")
        reports = self.have[origin]
        return b"".join(exchange.told(reports, Speaker(origin, 0.0, len(reports))))

    async def close(self) -> None:
        pass


async def at_once(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


Story = Callable[[Others, Replicas, VirtualLoop], Coroutine[Any, Any, None]]


def told(story: Story) -> Callable[[], None]:
    async def tell(loop: VirtualLoop) -> None:
        others = Others()
        replicas = Replicas(VirtualClock(loop), others, lambda: others.live)
        await story(others, replicas, loop)
        await replicas.close()

    def test() -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(asyncio, "to_thread", at_once)  # a thread would need the real clock
            play(tell)

    test.__doc__ = story.__doc__
    return test


async def _all(others: Others, replicas: Replicas, loop: VirtualLoop) -> None:
    others.add(1, "b", report("one"), report("two"))
    others.add(2, "c", report("three"))
    await replicas.refresh()
    found = await _read(replicas)
    assert sorted(found) == ["one", "three", "two"]
    assert found["one"] == report("one")
    assert [(each.slot, each.targets, each.silence) for each in replicas.replicas()] == [(1, 2, ""), (2, 1, "")]


async def _read(replicas: Replicas) -> dict[str, TargetReport]:
    return dict(await replicas.read())


async def _cached(others: Others, replicas: Replicas, loop: VirtualLoop) -> None:
    others.add(1, "b", report("one"))
    for _ in range(5):
        await replicas.refresh()
    assert len(others.asked) == 1, "pages that come together share one question"
    await asyncio.sleep(2.5)
    await asyncio.gather(*(replicas.refresh() for _ in range(5)))
    assert len(others.asked) == 2


async def _silent(others: Others, replicas: Replicas, loop: VirtualLoop) -> None:
    others.add(1, "b", report("one"))
    others.add(2, "c", report("three"))
    await replicas.refresh()
    await replicas.read()
    others.hanging.add("http://b")
    await asyncio.sleep(3.0)
    began = loop.now
    await replicas.refresh()
    assert loop.now - began <= 1.01
    assert "one" in await _read(replicas), "what it said before is not forgotten"
    assert [each.silence for each in replicas.replicas()] == ["no answer within 1 s", ""]
    await asyncio.sleep(KEPT + 1.0)
    await replicas.refresh()
    assert "one" in await _read(replicas), "nor is it later: it lives"


async def _hands(others: Others, replicas: Replicas, loop: VirtualLoop) -> None:
    others.add(1, "b", report("one"), report("two"))
    others.add(2, "c")
    await replicas.refresh()
    await replicas.read()
    await asyncio.sleep(3.0)
    others.have["http://b"] = [report("two")]  # c has "one" now, and has not told yet
    others.hanging.add("http://c")
    await replicas.refresh()
    assert sorted(await _read(replicas)) == ["one", "two"]
    others.hanging.clear()
    others.have["http://c"] = [report("one", Status.REVOKED, 2000.0)]
    await asyncio.sleep(3.0)
    await replicas.refresh()
    assert (await _read(replicas))["one"].verdict.status is Status.REVOKED, "the newest wins"


async def _gone(others: Others, replicas: Replicas, loop: VirtualLoop) -> None:
    others.add(1, "b", report("one"))
    await replicas.refresh()
    others.live.clear()
    await asyncio.sleep(KEPT - 1.0)
    await replicas.refresh()
    assert "one" in await _read(replicas), "its successor goes on with what it knew"
    await asyncio.sleep(2.0)
    await replicas.refresh()
    assert await _read(replicas) == {}


async def _rounds(others: Others, replicas: Replicas, loop: VirtualLoop) -> None:
    others.add(1, "b", report("one"))
    rounds = 0

    def after() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise ValueError("a defect of whoever is told")

    asking = asyncio.create_task(replicas.run(after))
    await asyncio.sleep(3 * ROUND + 1.0)
    asking.cancel()
    await asyncio.wait([asking])
    assert (rounds, len(others.asked)) == (4, 4)


async def _foreign(others: Others, replicas: Replicas, loop: VirtualLoop) -> None:
    others.live[1] = ("b", "http://b")
    others.live[2] = ("c", "")

    async def page(origin: str) -> bytes:
        return b"<html>sign in</html>"

    others.ask = page  # type: ignore[method-assign, assignment]
    await replicas.refresh()
    assert await _read(replicas) == {}
    silences = [each.silence for each in replicas.replicas()]
    assert "not understood" in silences[0]
    assert "POD_IP" in silences[1]


test_every_target_that_others_told_of_is_known = told(_all)
test_pages_that_come_together_ask_once = told(_cached)
test_one_that_hangs_costs_a_second_and_is_named = told(_silent)
test_while_a_target_changes_hands_what_was_known_holds = told(_hands)
test_what_a_dead_replica_knew_is_kept_for_a_while = told(_gone)
test_the_others_are_asked_every_round_whatever_breaks_in_one = told(_rounds)
test_an_answer_of_something_else_is_told_as_such = told(_foreign)

ME = Replica(0, "monitor-a", "http://10.0.0.1:8080", 3)
SILENT = Replica(1, "monitor-b", "http://10.0.0.2:8080", 0, "no answer within 1 s")
GOOD = Replica(2, "monitor-c", "http://10.0.0.3:8080", 4)
WHOLE = Whole(ME, (SILENT, GOOD), Part(0, (0, 1, 2)))


def name_of(slot: int) -> str:
    return next(name for number in range(100) if owner(name := f"t-{number}", (0, 1, 2)) == slot)


def test_a_target_of_which_nobody_told_is_shown_with_whose_it_is() -> None:
    def shown(name: str, whole: Whole = WHOLE) -> str:
        found = untold(name, "https://x", Mode.TOKEN, 15.0, 10.0, whole, 1000.0)
        assert not found.healthy(1000.0)
        assert found.verdict.status is Status.PENDING
        return found.verdict.cause

    assert "monitor-b (http://10.0.0.2:8080), which does not answer (no answer within 1 s)" in shown(name_of(1))
    assert "monitor-c (http://10.0.0.3:8080), which does not tell of it" in shown(name_of(2))
    assert "this replica begins with it" in shown(name_of(0))
    assert "another replica" in shown(name_of(0), replace(WHOLE, standing=Spare()))


def test_every_replica_shows_them_in_the_order_of_the_slots() -> None:
    assert whole_json(replace(WHOLE, own=GOOD, others=(SILENT, ME)))["replicas"] == whole_json(WHOLE)["replicas"]


def test_what_is_missing_is_said_with_what_to_do() -> None:
    (words,) = WHOLE.missing
    assert words.startswith("Monitor replica monitor-b (http://10.0.0.2:8080) does not answer: no answer within 1 s.")
    assert replace(WHOLE, others=(GOOD,)).missing == ()
    assert "token-monitor doctor" in replace(WHOLE, others=(), standing=Everything(Doubt.DENIED)).missing[0]
    assert "kubernetes.shards.slots" in replace(WHOLE, others=(), standing=Spare()).missing[0]
    assert whole_json(WHOLE)["replicas"] == [
        {"slot": 0, "replica": "monitor-a", "address": "http://10.0.0.1:8080", "targets": 3, "answers": True, "problem": None},
        {"slot": 1, "replica": "monitor-b", "address": "http://10.0.0.2:8080", "targets": 0, "answers": False, "problem": "no answer within 1 s"},
        {"slot": 2, "replica": "monitor-c", "address": "http://10.0.0.3:8080", "targets": 4, "answers": True, "problem": None},
    ]  # fmt: skip
