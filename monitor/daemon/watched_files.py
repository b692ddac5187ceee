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
        # By the text of the configuration: to make ten thousand anew at each reload would hold the checks for 0.2 s.
        self._made: dict[str, Path] = {}

    def set_targets(self, targets: Iterable[TargetSettings]) -> None:
        """Makes these the targets."""
        users: dict[Path, list[TargetSettings]] = {}
        before, self._made = self._made, {}
        for target in targets:
            own = {name: before.get(name) or Path(name) for name in files_of(target)}
            self._made |= own
            for path in {*trust_of(target).files, *own.values()}:
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
