"""An Alertmanager behind the port, without sockets: it keeps alerts as the real one does, and breaks at will.

`tests/alertmanager/test_contract.py` runs the same stories on this one and on the real one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from monitor.core.alert_texts import Outgoing
from monitor.core.delivery import Accepted, Active, Failed, Receipt, Unacceptable
from monitor.ports import Clock

LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
Labels = frozenset[tuple[str, str]]


@dataclass
class FakeAlertmanager:
    """One instance. down: nothing arrives. hang: seconds until it answers. mute: it takes alerts, and lists none.

    requests: what arrived when (monotonic seconds). pages: how often each alert began to fire.
    """

    clock: Clock
    name: str = "http://alertmanager-0"
    down: bool = False
    mute: bool = False
    hang: float = 0.0
    defect: Exception | None = None
    alerts: dict[Labels, Outgoing] = field(default_factory=dict)
    requests: list[tuple[float, Sequence[Outgoing]]] = field(default_factory=list)
    asked: int = 0
    pages: dict[Labels, int] = field(default_factory=dict)

    async def tell(self, alerts: Sequence[Outgoing]) -> Receipt:
        if self.defect is not None:
            raise self.defect
        await asyncio.sleep(self.hang)
        if self.down:
            return Failed("cannot be reached: refused: check its url")
        self.requests.append((self.clock.monotonic(), alerts))
        wrong = [why for alert in alerts if (why := _wrong(alert))]
        for alert in alerts:
            if _wrong(alert) is None:
                self._keep(alert)
        return Unacceptable("; ".join(wrong)) if wrong else Accepted()

    async def active(self) -> Sequence[Active] | Failed:
        self.asked += 1
        await asyncio.sleep(self.hang)
        if self.down or self.mute:
            return Failed("cannot be reached: refused: check its url")
        return [
            Active(dict(labels), self.alerts[labels].annotations, alert.starts_at) for labels, alert in self._firing()
        ]

    @property
    def firing(self) -> set[tuple[str, str | None]]:
        """Name and target of what fires now."""
        found = (dict(labels) for labels, _ in self._firing())
        return {(labels["alertname"].removeprefix("TokenMonitor"), labels.get("target")) for labels in found}

    @property
    def paged(self) -> int:
        """How often anything began to fire."""
        return sum(self.pages.values())

    def _firing(self) -> list[tuple[Labels, Outgoing]]:
        now = self.clock.now()
        return [(labels, alert) for labels, alert in self.alerts.items() if alert.ends_at > now]

    def _keep(self, alert: Outgoing) -> None:
        labels, now = frozenset(alert.labels.items()), self.clock.now()
        before = self.alerts.get(labels)
        fired = before is not None and before.ends_at > now
        if alert.ends_at > now and not fired:
            self.pages[labels] = self.pages.get(labels, 0) + 1
        starts_at = min(before.starts_at, alert.starts_at) if before is not None and fired else alert.starts_at
        self.alerts[labels] = replace(alert, starts_at=starts_at)


def _wrong(alert: Outgoing) -> str | None:
    if not alert.labels:
        return "at least one label pair required"
    if alert.starts_at > alert.ends_at:
        return "start time must be before end time"
    bad = [name for name in _names(alert.labels, alert.annotations) if not LABEL_NAME.fullmatch(name)]
    return f'invalid label set: invalid name "{bad[0]}"' if bad else None


def _names(*texts: Mapping[str, str]) -> list[str]:
    return [name for text in texts for name in text]
