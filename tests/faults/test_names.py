"""DNS that fails and flaps, asked by the real process through the system's own resolver."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.behaviour.process import monitor
from tests.behaviour.service import ANSWERS_WITHIN, Outside
from tests.fair_time import fairly
from tests.faults.middle import middle
from tests.faults.real import around, statuses_of, until_it_says
from tests.faults.resolver import Mood, resolving

NAME = "argocd.faults.test"
MOODS = (Mood.FAIL, Mood.ANSWER, Mood.DENY, Mood.SILENT, Mood.ANSWER)


@pytest.mark.slow
@pytest.mark.long
async def test_names_that_fail_and_flap_are_told_and_refuse_no_token(world: Outside, tmp_path: Path) -> None:
    token = world.folder / "token"
    token.write_text(world.new_token())
    auth = {"type": "token", "tokenFile": str(token)}
    by_name = {"name": "by-name", "auth": auth}
    by_address = {"name": "by-address", "url": world.url, "auth": auth}
    async with (
        middle(world.url) as between,
        resolving(tmp_path) as (server, before),
        monitor(
            around([{**by_name, "url": between.url.replace("127.0.0.1", NAME)}, by_address]),
            world.folder,
            before=before,
        ) as process,
    ):
        await until_it_says(process, lambda said: said["by-name"]["status"] == "valid")
        for mood in MOODS:
            server.mood = mood
            wanted = "valid" if mood is Mood.ANSWER else "unreachable"

            def so(said: dict[str, dict[str, Any]], wanted: str = wanted, mood: Mood = mood) -> bool:
                # Whoever has a connection, or asked less than ten seconds ago, needs no name.
                between.reset()
                one = said["by-name"]
                failed = mood in (Mood.FAIL, Mood.DENY)
                return bool(one["status"] == wanted and ("DNS" in one["cause"] or not failed))

            said = await until_it_says(process, so, 30.0)
            assert said["by-address"]["status"] == "valid"
            began = time.monotonic()
            timeout = aiohttp.ClientTimeout(total=ANSWERS_WITHIN)
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{process.url}/livez") as answer:
                assert answer.status == 200
            assert time.monotonic() - began < fairly(1.0), "the loop is not held up by the resolver"
        assert set(statuses_of(process, "by-name")) == {"valid", "unreachable"}
        assert set(statuses_of(process, "by-address")) == {"valid"}
        assert server.asked > 0
