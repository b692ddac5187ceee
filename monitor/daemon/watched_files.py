"""The files that targets use, and who uses which: with ten thousand targets nobody asks each of them every second."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from pathlib import Path

from monitor.config.settings import InFile, TargetSettings
from monitor.daemon.assembly import trust_of


class WatchedFiles:
    """Tokens, passwords, certificates and keys of all targets."""

    def __init__(self) -> None:
        self._users: dict[Path, list[TargetSettings]] = {}

    def set_targets(self, targets: Iterable[TargetSettings]) -> None:
        """Makes these the targets."""
        users: dict[Path, list[TargetSettings]] = {}
        for target in targets:
            for path in {*trust_of(target).files, *map(Path, files_of(target))}:
                users.setdefault(path, []).append(target)
        self._users = users

    @property
    def paths(self) -> Iterable[Path]:
        """All of them, each once."""
        return self._users.keys()

    def users(self, changed: Set[Path]) -> Iterable[TargetSettings]:
        """The targets that use one of these, each once."""
        return {target.name: target for path in changed for target in self._users.get(path, ())}.values()


def files_of(target: TargetSettings) -> Iterator[str]:
    """The files that hold a target's token and password."""
    for source in (target.token_source, target.password_source):
        if isinstance(source, InFile):
            yield source.path
