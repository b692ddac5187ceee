"""Certificate files of the targets that change while the monitor runs: taken over once each, however many use them.

One that became junk leaves the former one in use, and is remembered: a monitor that is started with it refuses its
configuration, so somebody has to know before that.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from pathlib import Path

import structlog

from monitor.adapters.argocd.tls import FIX, NEW_CERTIFICATES, TlsContexts, Trust
from monitor.config.settings import TargetSettings
from monitor.daemon.assembly import trust_of

log = structlog.get_logger(__name__)


class Certificates:
    """What the files of the targets hold, as TLS contexts."""

    def __init__(self, contexts: TlsContexts) -> None:
        self._contexts = contexts
        self._unusable: dict[Trust, str] = {}

    @property
    def problems(self) -> list[str]:
        """What changed and could not be taken over, and what to do."""
        return [f"{problem}; {FIX}" for problem in self._unusable.values()]

    def set_targets(self, targets: Iterable[TargetSettings]) -> None:
        """Forgets what no target uses any more."""
        if self._unusable:
            used = set(map(trust_of, targets))
            self._unusable = {trust: problem for trust, problem in self._unusable.items() if trust in used}

    def take_over(self, targets: Iterable[TargetSettings], changed: Set[Path]) -> Set[str]:
        """Reads again what changed. Returns the names of the targets for which something did."""
        users: dict[Trust, list[str]] = {}
        for target in targets:
            trust = trust_of(target)
            if not changed.isdisjoint(trust.files):
                users.setdefault(trust, []).append(target.name)
        for trust, names in users.items():
            self._refresh(trust, names)
        return {name for names in users.values() for name in names}

    def _refresh(self, trust: Trust, names: list[str]) -> None:
        problem = self._contexts.refresh(trust)
        if problem is None:
            self._unusable.pop(trust, None)
            return
        self._unusable[trust] = problem
        log.error(
            NEW_CERTIFICATES,
            problem=problem,
            fix=FIX,
            targets=len(names),
            example=names[0],
        )
