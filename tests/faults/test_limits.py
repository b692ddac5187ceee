"""Limits of the system: few open files, little memory, files that may not grow. It says so, and refuses no token for it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from monitor.cli.main import run

from tests.adapters.argocd.wire import mute, serving
from tests.behaviour.process import STARTS_WITHIN, environment, monitor
from tests.behaviour.service import ACCOUNT, PASSWORD, Outside, until
from tests.faults.real import around, in_files, key_in, limited, live, until_it_says


def in_order(said: dict[str, dict[str, Any]], rotations: int) -> bool:
    """Whether so many rotations are over, and the token is accepted."""
    one = said["production"]
    return one["status"] == "valid" and (one["rotation"]["rotations"], one["rotation"]["state"]) == (rotations, "idle")


REFUSALS = {"revoked", "expired", "missing", "rejected", "malformed"}


def target(name: str, url: str, token: Path) -> dict[str, object]:
    return {"name": name, "url": url, "auth": {"type": "token", "tokenFile": str(token)}}


async def test_whoever_may_open_few_files_is_told_which_limit_to_raise_and_refuses_nothing(world: Outside) -> None:
    """A server that does not answer takes all files that there are; the others are checked again once it has let go."""
    token = world.folder / "token"
    token.write_text(world.new_token())
    async with serving(mute) as slow:
        slow_ones = [target(f"slow-{number}", slow.url, token) for number in range(40)]
        configuration = around([*slow_ones, *(target(f"good-{number}", world.url, token) for number in range(5))])
        async with monitor(configuration, world.folder, before=limited("-n 32")) as process:
            starved = "may open no more files"
            await until(lambda: starved in process.log, 20.0, lambda: process.log[-2000:])
            assert "LimitNOFILE" in process.log
            await until(lambda: '"status": "valid"' in process.log, 20.0)
            seen = {word for word in REFUSALS if f'"status": "{word}"' in process.log}
            assert seen == set(), "none of this says anything about the token"
            code, _seconds = await process.terminate()
            assert code == 0
            assert "Traceback" not in process.log


async def test_with_no_file_left_at_the_start_it_ends_with_3_and_one_sentence(world: Outside) -> None:
    token = world.folder / "token"
    token.write_text(world.new_token())
    file = world.folder / "monitor.yaml"
    file.write_text(f"targets: [{{name: a, url: '{world.url}', auth: {{type: token, tokenFile: {token}}}}}]\n")
    process = await asyncio.create_subprocess_exec(
        *limited("-n 12"),
        sys.executable,
        "-m",
        "monitor",
        "run",
        "--config",
        str(file),
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    try:
        async with asyncio.timeout(STARTS_WITHIN):
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode == 3
    assert b"Raise the limit of open files" in said
    assert b"Traceback" not in said


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(24, "Too many open files"), "Raise the limit of open files"),
        (MemoryError(), "out of memory"),
        (RuntimeError("a defect"), "RuntimeError: a defect"),
    ],
    ids=["files", "memory", "a defect"],
)
def test_what_nobody_expected_never_ends_with_the_code_of_a_verdict(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python's own exit code for it is 1, which would say: accepted, but needs a person."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("monitor.cli.main.cli.main", fail)
    assert run(["check"]) == 3
    assert words in capsys.readouterr().err


@pytest.mark.slow
async def test_in_little_memory_it_goes_on(world: Outside) -> None:
    """An address space of 400 MB, of which Python and its libraries take the most."""
    configuration = in_files(world, world.folder, PASSWORD)
    async with monitor(configuration, world.folder, before=limited("-v 400000")) as process:
        await until(lambda: key_in(world.folder / "token") in live(world), 20.0)
        found = await until_it_says(process, lambda said: said["production"]["status"] == "valid")
        assert found
        assert process.running


async def test_a_log_that_may_not_grow_ends_nothing(world: Outside) -> None:
    """A limit of the size of files, or a full disk, below standard error: the lines are lost, and nothing else is."""
    configuration = in_files(world, world.folder, PASSWORD)
    async with monitor(configuration, world.folder, before=limited("-f 8")) as process:
        await until(lambda: key_in(world.folder / "token") in live(world), 20.0)
        await until_it_says(process, lambda said: said["production"]["status"] == "valid")
        for number in range(1, 4):
            # In order once more: a key that is deleted while its own rotation still ends counts as a failure of that.
            await until_it_says(process, lambda said, number=number: in_order(said, number))
            world.argocd.revoke_key(ACCOUNT, key_in(world.folder / "token") or "")
        await until_it_says(process, lambda said: in_order(said, 4))
        assert 3500 < len(process.log) <= 8 * 512, "no line came after the limit"
