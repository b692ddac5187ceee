"""The addresses of names, many at a time: a name that is slow keeps no other from being found.

The system is asked, by `getaddrinfo`, which blocks a thread for as long as the name servers are silent. uvloop does that
for two names at a time, asyncio in the few threads that everything else shares: two names whose server is dead made
every other one time out. So each lookup has a thread of its own here, which nothing waits for at the end. (c-ares, which
aiohttp can use, needs no threads and goes by rules of its own: a name that all other programs find may not be found.)

What took long is kept for a while: who asked for it may have given up by then, and would be too late the next time as well.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

# Names that are looked up at the same time. A thread that waits takes some 30 kB.
LOOKUPS = 128
# An answer that took so many seconds is kept for ten times as long, and no longer than that; a quick one is not kept.
LONG = 1.0
KEPT_TIMES = 10.0
LONGEST_KEPT = 120.0

Name = tuple[str, int, int]
Found = TypeVar("Found")


class Names(AbstractResolver):
    """A resolver for sessions of aiohttp, one for many of them. `monotonic` gives seconds. Whoever made it closes it."""

    def __init__(self, monotonic: Callable[[], float], lookups: int = LOOKUPS) -> None:
        self._monotonic = monotonic
        self._turns = asyncio.Semaphore(lookups)
        self._asking: dict[Name, asyncio.Task[list[ResolveResult]]] = {}
        self._kept: dict[Name, tuple[float, list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses. Who asks for the same name at the same time shares the answer. Raises OSError."""
        name = (host, port, int(family))
        until, found = self._kept.get(name, (float("-inf"), []))
        if self._monotonic() < until:
            return list(found)
        asking = self._asking.get(name)
        if asking is None:
            asking = asyncio.create_task(self._look_up(name, family), name=f"look up {host}")
            self._asking[name] = asking
            asking.add_done_callback(partial(self._ended, name))
        return await asyncio.shield(asking)

    async def close(self) -> None:
        """Waits for no answer any more."""
        asking = tuple(self._asking.values())
        for task in asking:
            task.cancel()
        if asking:
            await asyncio.wait(asking)

    async def _look_up(self, name: Name, family: socket.AddressFamily) -> list[ResolveResult]:
        began = self._monotonic()
        async with self._turns:
            host, port, _ = name
            found = await ThreadedResolver(cast("asyncio.AbstractEventLoop", _Threads())).resolve(host, port, family)
        now = self._monotonic()
        self._forget(now)
        if now - began >= LONG:
            self._kept[name] = now + min(KEPT_TIMES * (now - began), LONGEST_KEPT), found
        return found

    def _forget(self, now: float) -> None:
        while self._kept:
            oldest = next(iter(self._kept))
            if self._kept[oldest][0] > now:
                return
            del self._kept[oldest]

    def _ended(self, name: Name, asking: asyncio.Task[list[ResolveResult]]) -> None:
        del self._asking[name]
        if not asking.cancelled():
            asking.exception()  # nobody may have waited for it


class _Threads:
    """What aiohttp's resolver needs of an event loop, each call in a thread of its own."""

    async def getaddrinfo(self, host: str, port: int, **how: int) -> list[Any]:
        return await _in_thread(partial(socket.getaddrinfo, host, port, **how))

    async def getnameinfo(self, address: Any, flags: int) -> tuple[str, str]:
        return await _in_thread(partial(socket.getnameinfo, address, flags))


async def _in_thread(call: Callable[[], Found]) -> Found:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Found] = loop.create_future()

    def tell(set_to: Callable[[Any], None], value: object) -> None:
        if not answer.done():
            set_to(value)

    def run() -> None:
        try:
            told = partial(tell, answer.set_result, call())
        except Exception as error:  # noqa: BLE001 - it is whoever waits for the answer who says what it means
            told = partial(tell, answer.set_exception, error)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(told)

    try:
        threading.Thread(target=run, name="look up a name", daemon=True).start()
    except RuntimeError as error:  # as many as may run do run
        raise OSError(errno.EAGAIN, "no thread is left to look up a name") from error
    return await answer
