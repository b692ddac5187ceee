"""Deliberate bugs, each a small change of the real code while it runs: the simulation must find every one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

Patches = Callable[[ExitStack], None]


@dataclass(frozen=True, slots=True)
class Bug:
    """One bug. seeds: within so many seeds from 0 on it is found."""

    name: str
    about: str
    patch: Patches
    seeds: int = 60

    @contextmanager
    def let_in(self) -> Iterator[None]:
        """While this lasts, the monitor has the bug."""
        with ExitStack() as stack:
            self.patch(stack)
            yield


BUGS: dict[str, Bug] = {}
