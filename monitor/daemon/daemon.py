"""Starts the monitor, keeps its configuration fresh, and ends it within three seconds of SIGTERM.

A broken new configuration is told (log, `config_last_reload_successful`) and the old one goes on; what cannot change
while running (the HTTP address, the log) is told as needing a restart.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from monitor import __version__
from monitor.adapters.argocd.connections import Connections
from monitor.adapters.argocd.tls import TlsContexts
from monitor.adapters.clock import SystemClock
from monitor.adapters.files import FileWatch
from monitor.adapters.kubernetes.connection import KubernetesConnection
from monitor.adapters.kubernetes.secrets import KubernetesSecretSource, SecretReader
from monitor.adapters.server.errors import TlsFilesError
from monitor.adapters.server.routes import Sources
from monitor.adapters.server.server import Server
from monitor.config.files import check_files
from monitor.config.load import load_file
from monitor.config.problems import ConfigurationError
from monitor.config.settings import InFile, InSecret, Settings, TargetSettings
from monitor.config.warnings import warnings_of
from monitor.daemon.assembly import Assembly, trust_of
from monitor.daemon.ticker import Ticker
from monitor.metrics import Metrics
from monitor.ports import CredentialSource
from monitor.services.fleet import Fleet

log = structlog.get_logger(__name__)

FILE_INTERVAL = 1.0
GRACE = 2.5
# The dispatcher runs at least once a second; a pause of this length means that it no longer does.
STALLED = 30.0


@dataclass(frozen=True, slots=True)
class ConfigurationFile:
    """Where the settings came from; None for a monitor without a file (the demo)."""

    path: Path


class Daemon:
    """The monitor as one object: `async with Daemon(settings)` runs it."""

    def __init__(self, settings: Settings, file: ConfigurationFile | None = None) -> None:
        self._settings = settings
        self._file = file
        self._clock = SystemClock()
        self._connections = Connections(self._clock.monotonic)
        self._contexts = TlsContexts()
        self._kubernetes = KubernetesConnection(settings.kubernetes, self._clock)
        self._secrets = SecretReader(self._kubernetes)
        self.metrics = Metrics(CollectorRegistry(), __version__)
        self.fleet = Fleet(self._clock, random.SystemRandom().random, self.metrics, self._wake)
        self._ticker = Ticker(self._clock, self.fleet.next_due, self.fleet.dispatch)
        self._assembly = Assembly(self._connections, self._contexts, self._clock, self._secret_source)
        self._watch = FileWatch(self._watched_files)
        sources = Sources(
            reports=self.fleet.reports,
            report=self.fleet.report,
            metrics=self.metrics.render,
            alive=self._alive,
            ready=self._ready,
            now=self._clock.now,
            version=__version__,
        )
        http = settings.http
        self.server = Server(sources, http.bind, http.port, cert_file=http.cert_file, key_file=http.key_file)
        self._started = False

    @property
    def address(self) -> str:
        """Where the monitor's own pages are: `http://127.0.0.1:8080`."""
        http = self._settings.http
        host = f"[{http.bind}]" if ":" in http.bind else http.bind
        return f"{'https' if http.cert_file else 'http'}://{host}:{self.server.port}"

    async def __aenter__(self) -> Daemon:
        """Starts. Raises `ServerError` when the HTTP address cannot be used."""
        for notice in warnings_of(self._settings):
            log.warning("configuration", path=notice.path, notice=notice.text)
        self.metrics.attach(self.fleet.reports)
        self.metrics.reloaded(successful=True)
        await self.server.start()
        self._apply(self._settings)
        self._watch.changed()
        self._ticker.start()
        self._ticker.every(FILE_INTERVAL, self._look_at_files, "files")
        self._started = True
        log.info("monitoring", targets=len(self.fleet), http=self.address, version=__version__)
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Ends: readiness first, then the ticks, the checks, the server and the connections."""
        self._started = False
        self._ticker.stop()
        try:
            async with asyncio.timeout(GRACE):
                await self.fleet.close(1.0)
                await self.server.stop(1.0)
                await self._connections.close()
                await self._kubernetes.close()
        except TimeoutError:
            log.warning("not everything ended in time", seconds=GRACE)
        log.info("stopped")

    def _apply(self, settings: Settings) -> None:
        self.fleet.set_targets(self._assembly.target(target) for target in settings.targets)
        self._settings = settings

    def _secret_source(self, source: InSecret) -> CredentialSource:
        return KubernetesSecretSource(self._secrets, source.namespace, source.name, source.key)

    async def _look_at_files(self) -> None:
        changed = await asyncio.to_thread(self._watch.changed)
        if not changed:
            return
        if self._file is not None and self._file.path in changed:
            await self._reload(self._file.path)
        http = self._settings.http
        if {Path(name) for name in (http.cert_file, http.key_file) if name} & changed:
            try:
                self.server.reload_tls()
            except TlsFilesError as error:
                log.error("the new certificate cannot be used; the old one goes on", problem=str(error))
        for target in self._settings.targets:
            self._react(target, changed)

    def _react(self, target: TargetSettings, changed: set[Path]) -> None:
        trust = trust_of(target)
        if any(path in changed for path in trust.files):
            problem = self._contexts.refresh(trust)
            if problem is not None:
                log.error("certificates cannot be used; the old ones go on", target=target.name, problem=problem)
            self.fleet.trigger(target.name)
        if isinstance(target.token_source, InFile) and Path(target.token_source.path) in changed:
            self.fleet.trigger(target.name)

    async def _reload(self, path: Path) -> None:
        try:
            settings = await asyncio.to_thread(_read, path)
        except ConfigurationError as error:
            self.metrics.reloaded(successful=False)
            log.error("new configuration refused; the old one goes on", problems=str(error))
            return
        old = self._settings
        self._apply(settings)
        self.metrics.reloaded(successful=True)
        log.info("new configuration in use", targets=len(self.fleet))
        for name in ("http", "log", "kubernetes"):
            if getattr(settings, name) != getattr(old, name):
                log.warning("this part of the configuration needs a restart", part=name)

    def _watched_files(self) -> Iterable[Path]:
        if self._file is not None:
            yield self._file.path
        for target in self._settings.targets:
            yield from trust_of(target).files
            if isinstance(target.token_source, InFile):
                yield Path(target.token_source.path)
        yield from (Path(name) for name in (self._settings.http.cert_file, self._settings.http.key_file) if name)

    def _wake(self) -> None:
        self._ticker.wake()

    def _alive(self) -> str | None:
        dispatched = self.fleet.dispatched_at
        if self._started and dispatched is not None and self._clock.monotonic() - dispatched > STALLED:
            return "no check was started for 30 s: the scheduler stands still"
        return None

    def _ready(self) -> bool:
        return self._started


def _read(path: Path) -> Settings:
    settings = load_file(path)
    check_files(settings)
    return settings
