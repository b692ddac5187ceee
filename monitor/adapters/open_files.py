"""How many files (and so connections) this process may have open, and what is left of that for kept connections.

Whoever runs out of them can connect to nobody, and would call servers unreachable that are well. So connections are kept
while there is room, and beyond that each check makes one of its own.
"""

from __future__ import annotations

import sys
from functools import cache

import structlog

log = structlog.get_logger(__name__)

# For the pages, the Kubernetes API, the log, files that are read, and checks under way.
RESERVED = 512


class Room:
    """Places for kept connections. What takes one gives it back."""

    __slots__ = ("left",)

    def __init__(self, places: int) -> None:
        self.left = places

    def take(self) -> bool:
        """Takes a place; False where none is left."""
        if self.left <= 0:
            return False
        self.left -= 1
        return True

    def give_back(self, places: int) -> None:
        """Gives back so many."""
        self.left += places


def allow_many() -> int:
    """Raises the limit of open files as far as this process may, and returns it."""
    import resource  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # macOS says that there is no limit, and allows less
            return soft
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def places(limit: int) -> int:
    """Of so many files, those for kept connections. A watched Secret needs one as well: half of them."""
    return max(0, (limit - RESERVED) // 2)


@cache
def room() -> Room:
    """The room of this process, for all of its connections together."""
    return Room(places(allow_many()))


def tell(limit: int, targets: int) -> None:
    """Warns where there is no room for each target."""
    if places(limit) < targets:
        log.warning(
            "few files may be open: the connections of some targets are not kept, which makes their checks dearer",
            limit=limit,
            kept=places(limit),
            targets=targets,
            fix=f"raise the limit of open files to {2 * targets + RESERVED} or more (LimitNOFILE= of systemd, the option"
            " --ulimit nofile= of a container, ulimit -n)",
        )
