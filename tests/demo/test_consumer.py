"""The demo's consumer: it reads the token anew for each call, and counts what it is answered."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from monitor.demo.consumer import Calls, Consumer
from monitor.demo.stage import write_private
from monitor.simulator.app import running
from monitor.simulator.faults import Fault, Front
from monitor.simulator.state import ArgoCDState

from tests.behaviour.service import until


@asynccontextmanager
async def argocd() -> AsyncIterator[tuple[Front, str]]:
    state = ArgoCDState(clock=time.time)
    state.create_account("ci")
    front = Front(state)
    async with running(front) as url:
        yield front, url


async def test_it_uses_the_token_that_is_there_at_each_call(tmp_path: Path) -> None:
    async with argocd() as (front, url):
        write_private(tmp_path / "token", front.state.mint_key("ci", "first"))
        async with Consumer(url, tmp_path / "token") as consumer:
            await until(lambda: consumer.calls.accepted >= 2)
            write_private(tmp_path / "token", front.state.mint_key("ci", "second"))
            front.state.revoke_key("ci", "first")
            before = consumer.calls.copy()
            await until(lambda: consumer.calls.since(before).accepted >= 3)
            assert consumer.calls.since(before).refused <= 1, "the call that was under way"


async def test_a_refused_token_is_counted_as_such(tmp_path: Path) -> None:
    async with argocd() as (front, url):
        write_private(tmp_path / "token", front.state.mint_key("ci", "first"))
        front.state.revoke_key("ci", "first")
        async with Consumer(url, tmp_path / "token") as consumer:
            await until(lambda: consumer.calls.refused >= 2)
        assert (consumer.calls.accepted, consumer.calls.unanswered) == (0, 0)


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.LOGIN_PAGE, Fault.UNAVAILABLE])
async def test_what_is_no_answer_of_argocd_is_no_refusal(tmp_path: Path, fault: Fault) -> None:
    async with argocd() as (front, url):
        write_private(tmp_path / "token", front.state.mint_key("ci", "first"))
        front.fault = fault
        async with Consumer(url, tmp_path / "token") as consumer:
            await until(lambda: consumer.calls.unanswered >= 2)
        assert (consumer.calls.accepted, consumer.calls.refused) == (0, 0)


async def test_without_a_token_there_is_nothing_to_call_with(tmp_path: Path) -> None:
    async with argocd() as (_, url), Consumer(url, tmp_path / "token") as consumer:
        await until(lambda: consumer.calls.unanswered >= 2)
        assert consumer.calls.all == consumer.calls.unanswered


def test_calls_are_counted_from_any_point() -> None:
    calls = Calls(5, 2, 1)
    before = calls.copy()
    calls.accepted += 3
    calls.refused += 1
    assert calls.since(before) == Calls(3, 1, 0)
    assert (calls.all, before.all) == (12, 8)
