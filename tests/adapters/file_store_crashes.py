"""Processes that are killed while they write a file, and processes that write the same one: run apart from the tests.

`python -m tests.adapters.file_store_crashes STORY FOLDER` plays one story and prints what came of it as JSON. It forks
(a process that is forked from one with threads may hang, so the test's own process does not).
"""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monitor.adapters.file_stores import FileCredentialStore, FileJournalStore
from monitor.core.effects import Conflict
from monitor.core.secret import Secret

OLD, NEW = "old" * 2000, "new" * 3000
CALLS = ("open", "read", "write", "close", "stat", "fstat", "scandir", "fchmod", "fsync", "replace", "unlink")
WRITES = 25


def die_at_each_call(folder: Path) -> dict[str, Any]:
    """Kills a writer at its first call of the system, at its second one, and so on, until one gets through."""
    contents, leftovers = [], []
    for step in itertools.count(1):
        path = folder / "token"
        path.write_text(OLD)
        survived = in_a_child(lambda step=step, path=path: write_and_die(path, step))
        contents.append(path.read_text().strip())
        leftovers.append(len(list(folder.iterdir())) - 2)  # the file and its lock
        if survived:
            return {"steps": step, "contents": sorted(set(contents)), "last": contents[-1], "leftovers": leftovers}
    raise AssertionError


def write_and_die(path: Path, step: int) -> None:
    left = step

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left > 0:
                return real(*arguments, **named)
            if name == "write":
                real(arguments[0], arguments[1][: len(arguments[1]) // 2])
            if name in ("replace", "flock") and step % 2:
                real(*arguments, **named)
            os.kill(os.getpid(), signal.SIGKILL)
            return None

        return call

    for name in CALLS:
        setattr(os, name, counted(name, getattr(os, name)))
    fcntl.flock = counted("flock", fcntl.flock)
    write(path, NEW)


def write(path: Path, token: str) -> None:
    async def story() -> None:
        store = FileCredentialStore(path)
        await store.write(Secret(token), (await store.read()).version)

    asyncio.run(story())


def die_at_any_moment(folder: Path) -> dict[str, Any]:
    """Kills writers that write all the time, a moment after their first write, twenty times."""
    chance = random.Random(4)
    path = folder / "token"
    path.write_text(OLD)
    contents = []
    for _ in range(20):
        read, written = os.pipe()
        child = os.fork()
        if not child:
            for token in itertools.cycle((NEW, OLD)):
                write(path, token)
                os.write(written, b".")
        os.close(written)
        os.read(read, 1)
        time.sleep(chance.random() * 0.02)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read)
        contents.append(path.read_text().strip())
    write(path, "last")
    left = sorted(entry.name for entry in folder.iterdir())
    return {"contents": sorted(set(contents)), "last": path.read_text(), "left": left}


def two_at_once(folder: Path) -> dict[str, Any]:
    """Two processes count up in the same journal, by compare-and-swap. Neither writes before both have read it."""
    (here, has_read), (ready, go) = os.pipe(), os.pipe()

    def both_have_read() -> None:
        os.write(has_read, b".")
        os.read(ready, 1)

    children = []
    for name in "ab":
        child = os.fork()
        if not child:
            result = asyncio.run(count_up(folder / "journal", both_have_read))
            (folder / name).write_text(json.dumps(result))
            os._exit(0)
        children.append(child)
    for _ in children:
        os.read(here, 1)
    os.write(go, b"..")
    for child in children:
        os.waitpid(child, 0)
    results = [json.loads((folder / name).read_text()) for name in "ab"]
    return {"results": results, "last": (folder / "journal").read_text()}


async def count_up(path: Path, both_have_read: Callable[[], None]) -> dict[str, Any]:
    store = FileJournalStore(path, patience=20.0, deadline=30.0)
    won: list[int] = []
    lost = 0
    chance = random.Random(os.getpid())
    while len(won) < WRITES:
        found = await store.read()
        assert isinstance(found, tuple), found
        number = int(found[0] or "0") + 1
        if not won and not lost:
            both_have_read()
        await asyncio.sleep(chance.random() * 0.003)  # so that the other one reads the same version
        written = await store.write(str(number), found[1])
        if isinstance(written, str):
            won.append(number)
        else:
            assert written == Conflict(), written
            lost += 1
    return {"won": won, "lost": lost}


def in_a_child(work: Callable[[], None]) -> bool:
    """Whether `work` came to its end."""
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


if __name__ == "__main__":
    story = {"each-call": die_at_each_call, "any-moment": die_at_any_moment, "two": two_at_once}[sys.argv[1]]
    print(json.dumps(story(Path(sys.argv[2]))))
