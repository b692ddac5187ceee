"""The line before a server: who comes next, and when waiting is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from monitor.adapters.argocd.client import MAX_BODY, ArgoCDClient, Endpoint
from monitor.adapters.argocd.connections import PLACES, TOO_SLOW, Connections
from monitor.adapters.argocd.tls import TlsContexts, Trust
from monitor.adapters.clock import SystemClock
from monitor.adapters.places import LONGEST, TOLD_EVERY, Places, TooManyWaitError
from monitor.core.model import Fault, FaultKind, Reply
from monitor.core.questions import Question, Topic
from monitor.core.secret import Secret
from structlog.testing import capture_logs

from tests.adapters.argocd.wire import Visit, always, answer, serving
from tests.fair_time import fairly
from tests.virtual_time import VirtualLoop, play

PATIENCE = 10.0
SERVER = "https://argocd.example.com"
USERINFO = Question(Topic.USERINFO)
TOKEN = Secret("eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJ4In0.c2lnbmF0dXJl")


class Stage:
    """A server, and what became of whom, at which second."""

    def __init__(self, loop: VirtualLoop, places: int) -> None:
        self.loop = loop
        self.places = Places(loop.time, places, SERVER, TOO_SLOW)
        self.ended: list[tuple[str, float, str]] = []

    def ask(self, name: str, takes: float = 4.0, *, answered: bool = True, ahead: bool = False) -> asyncio.Task[None]:
        """takes: how long the server has this question, from when it gets it."""
        return self.loop.create_task(self._ask(name, takes, answered, ahead), name=name)

    async def _ask(self, name: str, takes: float, answered: bool, ahead: bool) -> None:
        try:
            await self.places.take(PATIENCE, ahead=ahead)
        except TimeoutError as error:
            self._end(name, type(error).__name__)
            return
        try:
            await asyncio.sleep(takes)
        finally:
            self.places.give_back(answered=answered)
        self._end(name, "asked")

    def _end(self, name: str, how: str) -> None:
        self.ended.append((name, self.loop.time(), how))


def ended(ask: Callable[[Stage], Coroutine[Any, Any, None]], places: int = 1) -> list[tuple[str, float, str]]:
    """Who was asked, or gave up, and when; in that order. Whoever is not done by then is waited for."""
    stages: list[Stage] = []

    async def story(loop: VirtualLoop) -> None:
        stages.append(Stage(loop, places))
        await ask(stages[0])
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others)

    play(story)
    return stages[0].ended


def test_as_many_as_there_are_places_are_asked_at_once_and_each_in_its_turn() -> None:
    async def ask(stage: Stage) -> None:
        for name in "abcde":
            stage.ask(name)

    assert ended(ask, places=2) == [
        (name, at, "asked") for name, at in zip("abcde", (4.0, 4.0, 8.0, 8.0, 12.0), strict=True)
    ]


def test_there_are_as_many_places_after_a_rush_as_before_it() -> None:
    async def ask(stage: Stage) -> None:
        for name in "abcd":
            stage.ask(name)
        await asyncio.sleep(100.0)
        for name in "efgh":
            stage.ask(name)

    assert [at for _, at, _ in ended(ask, places=2)[4:]] == [104.0, 104.0, 108.0, 108.0]


def test_what_was_begun_goes_ahead_of_what_was_not() -> None:
    async def ask(stage: Stage) -> None:
        for name in "abAB":
            stage.ask(name, ahead=name.isupper())

    assert [name for name, _, _ in ended(ask)] == ["a", "A", "B", "b"]


def test_who_waits_for_a_server_that_answers_others_has_more_patience() -> None:
    async def ask(stage: Stage) -> None:
        for name in "abcdefgh":
            stage.ask(name)

    assert ended(ask)[-1] == ("h", 32.0, "asked")


def test_where_nobody_is_answered_all_who_wait_know_it_at_the_same_time() -> None:
    async def ask(stage: Stage) -> None:
        stage.ask("a", takes=PATIENCE, answered=False)
        for name in "bcde":
            stage.ask(name)

    silent = ended(ask)
    assert {(at, how) for name, at, how in silent if name in "cde"} == {(PATIENCE, "TimeoutError")}


def test_a_server_that_falls_silent_is_given_up_a_patience_after_its_last_word() -> None:
    async def ask(stage: Stage) -> None:
        stage.ask("answered", takes=8.0)
        stage.ask("not answered", takes=60.0, answered=False)
        stage.ask("waits")

    assert ("waits", 8.0 + PATIENCE, "TimeoutError") in ended(ask)


@pytest.mark.parametrize("began", [255.0690257394217, 552.8595762929651, 695.8328667684435])
@pytest.mark.parametrize("patience", [0.1, 1.3])
def test_giving_up_takes_one_wait_at_any_time_of_day(began: float, patience: float) -> None:
    looks = 0

    async def story(loop: VirtualLoop) -> None:
        def looked_at() -> float:
            nonlocal looks
            looks += 1
            assert looks < 20, "it waits for no time, again and again"
            return loop.time()

        loop.now = began
        places = Places(looked_at, 1, SERVER, TOO_SLOW)
        await places.take(patience, ahead=False)
        with pytest.raises(TimeoutError):
            await places.take(patience, ahead=False)

    play(story)


def test_a_line_that_is_long_is_told_of_once_in_ten_minutes_with_what_to_do() -> None:
    async def ask(stage: Stage) -> None:
        for number in range(round(TOLD_EVERY) * 2 // 4 - 20):  # two at once, 4 s each
            stage.ask(f"one of many {number}")

    with capture_logs() as lines:
        ended(ask, places=2)
    told = [line for line in lines if "wait for their turn" in line["event"]]
    assert [line["server"] for line in told] == [SERVER]
    assert told[0]["waiting"] > 200
    assert "`interval`" in told[0]["fix"]


@pytest.mark.parametrize("answered", [True, False])
def test_a_line_that_is_short_or_before_a_dead_server_is_not_told_of(answered: bool) -> None:
    async def ask(stage: Stage) -> None:
        stage.ask("a", takes=PATIENCE - 1.0, answered=answered)
        stage.ask("b")

    with capture_logs() as lines:
        ended(ask)
    assert not lines


def test_nobody_waits_for_ever_however_much_a_server_answers() -> None:
    async def ask(stage: Stage) -> None:
        stage.ask("before")
        stage.ask("behind")
        while stage.loop.time() < 2 * LONGEST:
            stage.ask("ahead", takes=2.0, ahead=True)
            await asyncio.sleep(2.0)

    assert ("behind", LONGEST, TooManyWaitError.__name__) in ended(ask)


def test_a_place_is_not_lost_with_one_who_is_cancelled() -> None:
    async def ask(stage: Stage) -> None:
        stage.ask("first")
        in_the_line, given_its_place = stage.ask("cancelled in the line"), stage.ask("cancelled with a place")
        stage.ask("last")
        await asyncio.sleep(1.0)
        in_the_line.cancel()
        stage.loop.call_at(4.0, given_its_place.cancel)

    assert ended(ask) == [("first", 4.0, "asked"), ("last", 8.0, "asked")]


@pytest.mark.parametrize("turn", range(4))
def test_a_place_is_not_lost_with_one_who_is_cancelled_in_any_of_the_moments_of_its_getting_it(turn: int) -> None:
    async def ask(stage: Stage) -> None:
        await stage.places.take(PATIENCE, ahead=False)
        waiting = stage.ask("cancelled")
        await asyncio.sleep(1.0)
        stage.places.give_back(answered=True)
        for _ in range(turn):
            await asyncio.sleep(0)
        waiting.cancel()
        stage.ask("last")

    assert ended(ask)[-1][0] == "last"


async def test_a_deadline_begins_when_a_question_is_sent() -> None:
    async def slow(visit: Visit) -> None:
        while await visit.request():
            await asyncio.sleep(0.05)
            await visit.send(answer())

    clock, timeout = SystemClock(), fairly(1.0)
    async with serving(slow) as server:
        connections = Connections(clock.monotonic, places=1)
        clients = [
            ArgoCDClient(Endpoint(server.url, timeout=timeout), connections, TlsContexts(), clock) for _ in range(2)
        ]
        began = clock.monotonic()
        many = round(timeout / 0.05) + 5
        answers = await asyncio.gather(*(clients[number % 2].ask(USERINFO, TOKEN) for number in range(many)))
        assert clock.monotonic() - began > timeout
        assert all(isinstance(one, Reply) for one in answers)
        await connections.close()


async def test_a_question_that_never_has_its_turn_is_a_timeout() -> None:
    clock = SystemClock()
    connections = Connections(clock.monotonic, places=1)
    endpoint = Endpoint("http://127.0.0.1:1", timeout=0.02)
    held = connections.places(endpoint.origin)
    await held.take(PATIENCE, ahead=False)
    found = await ArgoCDClient(endpoint, connections, TlsContexts(), clock).ask(USERINFO, TOKEN)
    await connections.close()
    assert isinstance(found, Fault)
    assert found.kind is FaultKind.TIMEOUT


async def test_a_check_that_was_begun_and_a_second_look_at_a_refusal_go_ahead() -> None:
    clock, order = SystemClock(), []

    async def slow(visit: Visit) -> None:
        while await visit.request():
            order.append(visit.last.partition("Bearer ")[2][:1])
            await asyncio.sleep(0.05)
            await visit.send(answer())

    async with serving(slow) as server:
        connections = Connections(clock.monotonic, places=1)
        client = ArgoCDClient(Endpoint(server.url), connections, TlsContexts(), clock)
        await asyncio.gather(
            client.ask(USERINFO, Secret("first")),
            client.ask(USERINFO, Secret("other")),
            client.ask(Question(Topic.ACCOUNT, account="ci"), Secret("begun")),
            client.ask(USERINFO, Secret("second look"), fresh=True),
        )
        await connections.close()
    assert order == ["f", "b", "s", "o"]


async def test_a_server_that_is_dead_keeps_no_other_waiting_behind_the_same_host() -> None:
    async def host(visit: Visit) -> None:
        while await visit.request():
            if "/dead/" in visit.last:
                await asyncio.Event().wait()
            await visit.send(answer())

    clock = SystemClock()
    async with serving(host) as server:
        connections = Connections(clock.monotonic)

        def client(rootpath: str) -> ArgoCDClient:
            return ArgoCDClient(Endpoint(f"{server.url}{rootpath}", timeout=30.0), connections, TlsContexts(), clock)

        dead, well = [client(f"/dead/{number}") for number in range(3)], client("/argocd")
        waiting = [asyncio.create_task(one.ask(USERINFO, TOKEN)) for one in dead for _ in range(PLACES + 1)]
        await asyncio.sleep(0.1)
        async with asyncio.timeout(fairly(3.0)):
            assert isinstance(await well.ask(USERINFO, TOKEN), Reply)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        await connections.close()


class Told(Places):
    """Remembers what it is told of the server."""

    def __init__(self) -> None:
        super().__init__(lambda: 0.0, 1, SERVER, TOO_SLOW)
        self.answered: list[bool] = []

    def give_back(self, *, answered: bool) -> None:
        self.answered.append(answered)
        super().give_back(answered=answered)


async def test_only_what_a_server_says_is_a_reason_to_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A target whose CA file cannot be used, asked again and again, would keep the others waiting for a dead server."""
    clock, told = SystemClock(), Told()
    connections = Connections(clock.monotonic)
    monkeypatch.setattr(connections, "places", lambda base: told)

    async def ask(url: str, trust: Trust) -> None:
        await ArgoCDClient(Endpoint(url, trust), connections, TlsContexts(), clock).ask(USERINFO, TOKEN)

    async with serving(always(answer())) as server:
        await ask(server.url, Trust())
        await ask(server.url.replace("http:", "https:"), Trust(ca_file="/there/is/none.pem"))
    async with serving(always(answer(body=b"x" * (MAX_BODY + 1)))) as server:
        await ask(server.url, Trust())
    await ask(server.url, Trust())
    await connections.close()
    assert told.answered == [True, False, True, False]
