"""Whom the monitor tells by itself: Alertmanagers and an uptime service, out of settings.

Where neither is configured nothing happens here. A changed section of the configuration needs a restart; targets that
come and go are seen in the reports.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Set
from pathlib import Path

from monitor.adapters.alertmanager import AlertmanagerSink, Credential
from monitor.adapters.argocd.tls import Trust
from monitor.adapters.heartbeat import PingedService
from monitor.adapters.http_call import HttpCaller
from monitor.adapters.kubernetes.way import NAMESPACE_FILE
from monitor.config.settings import AlertmanagerSettings, HeartbeatSettings, InFile, Settings, TlsSettings
from monitor.core.alert_texts import Wording
from monitor.core.report import TargetReport
from monitor.metrics import Metrics
from monitor.ports import Clock
from monitor.services.heartbeat import Heart
from monitor.services.notifier import TICK, Notifier


class Telling:
    """The notifier and the heart of one process, as far as they are configured.

    reports: every target as it stands. alive: what keeps the monitor from working, None when nothing does.
    configuration_ok: whether the last reading of the configuration succeeded. elsewhere: targets that another replica tells of.
    """

    INTERVAL = TICK

    def __init__(
        self,
        settings: Settings,
        reports: Callable[[], Iterable[TargetReport]],
        clock: Clock,
        metrics: Metrics,
        alive: Callable[[], str | None],
        configuration_ok: Callable[[], bool] = lambda: True,
        elsewhere: Callable[[], Set[str]] = frozenset,
    ) -> None:
        self._callers: list[HttpCaller] = []
        self._notifier: Notifier | None = None
        self._heart: Heart | None = None
        told = settings.alertmanager
        if told is not None:
            metrics.expect_notifications(told.urls)
            wording = Wording(place_of(told), settings.alerts.runbooks, told.resend_interval)
            sinks = self._sinks(told, wording)
            thresholds = settings.alerts.thresholds
            self._notifier = Notifier(clock, reports, sinks, wording, thresholds, metrics, configuration_ok, elsewhere)
        if settings.heartbeat is not None:
            heartbeat = self._pinged(settings.heartbeat)
            self._heart = Heart(clock, heartbeat, alive, settings.heartbeat.interval)

    async def tick(self) -> None:
        """Starts what is due. To be called every `INTERVAL` seconds, never twice at the same time."""
        if self._heart is not None:
            await self._heart.tick()
        if self._notifier is not None:
            await self._notifier.tick()

    async def close(self, grace: float) -> None:
        """Ends within `grace` seconds. No alert is told as over: the next process goes on with it."""
        parts = [part.close(grace) for part in (self._notifier, self._heart) if part is not None]
        await asyncio.gather(*parts)
        for caller in self._callers:
            await caller.close()

    def _sinks(self, told: AlertmanagerSettings, wording: Wording) -> list[AlertmanagerSink]:
        caller = self._caller(told.tls, told.timeout)
        file = told.password_file or told.bearer_token_file
        credential = Credential(file, told.username) if file is not None else None
        return [AlertmanagerSink(url, caller, credential, wording.place) for url in told.urls]

    def _pinged(self, found: HeartbeatSettings) -> PingedService:
        url = Path(found.url.path) if isinstance(found.url, InFile) else found.url.secret
        return PingedService(url, found.method, self._caller(found.tls, found.timeout))

    def _caller(self, tls: TlsSettings, timeout: float) -> HttpCaller:
        caller = HttpCaller(Trust(tls.ca_file, tls.cert_file, tls.key_file, tls.insecure), tls.server_name, timeout)
        self._callers.append(caller)
        return caller


def place_of(told: AlertmanagerSettings, namespace_file: Path = NAMESPACE_FILE) -> dict[str, str]:
    """The labels of all alerts; in a pod its namespace is among them, as a scrape by Prometheus has it."""
    try:
        namespace = {"namespace": namespace_file.read_text("utf-8").strip()}
    except (OSError, ValueError):
        namespace = {}
    return {**namespace, **dict(told.labels)}
