"""Starts the monitor, keeps its configuration fresh, and ends it within three seconds of SIGTERM.

A broken new configuration is told (log, `config_last_reload_successful`) and the old one goes on; what cannot change
while running (the HTTP address, the log, the state directory) keeps its old value and is told as needing a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from monitor import __version__
from monitor.adapters.files import FileWatch
from monitor.adapters.server.errors import TlsFilesError
from monitor.adapters.server.routes import Sources
from monitor.config.settings import InSecret, KubernetesSettings, Settings, TargetSettings
from monitor.config.warnings import warnings_of
from monitor.core.model import Verdict
from monitor.core.report import TargetReport
from monitor.core.sharding import STILL_WATCHED, TakeOver
from monitor.daemon.certificates import Certificates
from monitor.daemon.discovering import Discovering
from monitor.daemon.inside_argocd import InsideArgoCD
from monitor.daemon.leading import Leading
from monitor.daemon.platform import THIS_MACHINE, Platform
from monitor.daemon.reloading import Reloading
from monitor.daemon.reports import Reports
from monitor.daemon.shared import Shared
from monitor.daemon.sharing import Sharing
from monitor.daemon.telling import Telling
from monitor.daemon.watched_files import WatchedFiles, files_of
from monitor.metrics import Metrics
from monitor.services.fleet import Fleet, Target
from monitor.services.reactions import Reactions
from monitor.services.rotations import Rotations
from monitor.services.rotator import Rotator

log = structlog.get_logger(__name__)

FILE_INTERVAL = 1.0
ROTATION_INTERVAL = 0.5
# Of the three seconds of an ending: for work and the hand-over to another replica, and for closing connections.
GRACE = 2.0
CLOSING = 0.2
# What a rotation is in the middle of may end by itself; the journal knows the rest.
ROTATION_GRACE = 1.3
CHECK_GRACE = 0.5
TELLING_GRACE = 0.2
PAGES_GRACE = 0.5
# The dispatcher runs at least once a second; a pause of this length means that it no longer does.
STALLED = 30.0
# Parts of the settings that are set up once. Their old values hold until a restart: half of a new state directory
# would be a second set of journals.
AT_START = ("http", "log", "kubernetes", "state_dir", "alerts", "alertmanager", "heartbeat", "discovery")


@dataclass(frozen=True, slots=True)
class ConfigurationFile:
    """Where the settings came from; None for a monitor without a file (the demo)."""

    path: Path


class Daemon:
    """The monitor as one object: `async with Daemon(settings)` runs it."""

    def __init__(
        self, settings: Settings, file: ConfigurationFile | None = None, platform: Platform = THIS_MACHINE
    ) -> None:
        self._settings = settings
        self._platform = platform
        self._reloading = Reloading(file.path if file is not None else None, platform.clock, self._own_namespace)
        self._clock = platform.clock
        self._shared = Shared(settings, platform, self._secret_changed)
        self._sharing: Sharing | None = None
        if settings.kubernetes.shards.enabled:
            self._sharing = Sharing(
                settings, self._shared.kubernetes, platform, lambda: self.server.port, self._take_over
            )
        self._leading = self._sharing or Leading(settings, self._shared.kubernetes, platform)
        # The targets that this replica checks; where they are shared, a part of those of the settings.
        self._mine: tuple[TargetSettings, ...] = ()
        self.metrics = Metrics(CollectorRegistry(), __version__)
        self._reactions = Reactions(self.metrics, self._shown, self._wake_rotation, self._leading)
        self.fleet = Fleet(self._clock, platform.chance, self._reactions, self._wake)
        self.rotations = Rotations(self._clock, self.fleet.sight, self._leading.leads)
        self._discovering = Discovering(settings, self._shared.kubernetes, self._clock, self.metrics, platform)
        self._inside = InsideArgoCD(self._shared.kubernetes, self._clock, self.fleet.argocd_changed, platform.chance)
        self._reports = Reports(self.fleet, self.rotations, self._discovering.service, self._sharing)
        self._targets: dict[str, Target] = {}
        self._ticker = platform.ticker(self._clock, self.fleet.next_due, self.fleet.dispatch)
        self._target_files = WatchedFiles()
        self._certificates = Certificates(self._shared.contexts)
        self._files = FileWatch(self._watched_files)
        self._owned: list[asyncio.Task[None]] = []
        self._by_secret: dict[tuple[str | None, str], set[str]] = {}
        sources = Sources(
            reports=lambda: self._reports.whole(self._settings.targets),
            report=lambda name: self._reports.whole_of(name, self._settings.targets),
            metrics=self.metrics.render,
            alive=self._alive,
            ready=self._ready,
            now=self._clock.now,
            version=__version__,
            runbooks=settings.alerts.runbooks,
            troubles=lambda: self._discovering.service.troubles,
            refused=self._configuration_problems,
            ask=self._reports.ask_others,
            whole=self._reports.surroundings,
            own=lambda: (self._sharing.speaker(len(self.fleet)), self._reports.own) if self._sharing else None,
        )
        self.server = platform.pages(sources, settings.http)
        self._not_served = ""
        self._telling = Telling(
            settings,
            self._reports.to_tell,
            self._clock,
            self.metrics,
            self._alive,
            lambda: not self._configuration_problems() and not self._discovering.service.troubles,
            self._elsewhere,
        )
        self._started = False
        self._started_at = 0.0

    @property
    def address(self) -> str:
        """Where the monitor's own pages are: `http://127.0.0.1:8080`."""
        http = self._settings.http
        host = f"[{http.bind}]" if ":" in http.bind else http.bind
        return f"{'https' if http.cert_file else 'http'}://{host}:{self.server.port}"

    async def __aenter__(self) -> Daemon:
        """Starts. Raises `ServerError` when the HTTP address cannot be used."""
        _warn(self._settings)
        self.metrics.attach(self._reports.own, self._reports.surroundings, lambda: len(self._settings.targets))
        self.metrics.reloaded(successful=True)
        await self.server.start()
        if self._sharing is not None:
            self.fleet.align()
        self._apply(self._settings)
        self._files.changed()
        self._leading.start()
        self._owned.append(asyncio.create_task(self._reactions.run(), name="announcements"))
        self._ticker.start()
        self._ticker.every(FILE_INTERVAL, self._look_at_files, "files")
        self._ticker.every(ROTATION_INTERVAL, self.rotations.tick, "rotations")
        self._ticker.every(Telling.INTERVAL, self._telling.tick, "telling")
        self._discovering.start()
        self._inside.start()
        self._started_at = self._clock.monotonic()
        self._started = True
        log.info("monitoring", targets=len(self.fleet), http=self.address, version=__version__)
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Ends: readiness first, then the ticks, everything that works, and the connections."""
        self._started = False
        self._ticker.stop()
        # What changes something outside ends before the hand-over to another replica; nothing waits for the rest.
        await _within(
            GRACE,
            self._hand_over(),
            self.fleet.close(CHECK_GRACE),
            self._telling.close(TELLING_GRACE),
            self.server.stop(PAGES_GRACE),
            self._discovering.close(),
            self._inside.close(),
            self._end_owned(),
        )
        await _within(CLOSING, self._shared.__aexit__(None, None, None))
        log.info("stopped")

    async def _hand_over(self) -> None:
        await self.rotations.close(ROTATION_GRACE)
        await self._leading.close()

    async def _end_owned(self) -> None:
        for task in self._owned:
            task.cancel()
        if self._owned:
            await asyncio.wait(self._owned)

    def reports(self) -> Iterator[TargetReport]:
        """Every target that this replica checks as it stands, with its rotation."""
        return self._reports.own()

    def report(self, name: str) -> TargetReport | None:
        """One of these; None when it checks none of that name."""
        return self._reports.own_of(name)

    def demand(self, name: str) -> None:
        """A person asks for a new key of a target."""
        self.rotations.demand(name)

    def _apply(
        self, settings: Settings, known: Mapping[str, TargetReport] | None = None, taken: TakeOver = STILL_WATCHED
    ) -> None:
        """Makes these the settings. known, taken: of targets that come from another replica."""
        siblings = {found.name: self._shared.rotating.siblings(found) for found in self._settings.targets}
        self._shared.rotating.reloaded(settings)
        before, self._mine = self._mine, self._sharing.mine(settings.targets) if self._sharing else settings.targets
        targets = self._targets = {found.name: self._target(found) for found in self._mine}
        announcers = {found.name: self._shared.announcer(found) for found in self._mine}
        self._reactions.set_announcers({name: told for name, told in announcers.items() if told is not None})
        self._reactions.forget_all_but(targets)
        self._reactions.resume(report for name, report in (known or {}).items() if name in targets)
        self.fleet.set_targets(targets.values(), known, taken)
        rotators = self._rotators(before, targets, siblings)
        elsewhere = {target.name for target in settings.targets} - targets.keys()
        self.rotations.set_rotators(rotators, self._shared.rotating.logins(), elsewhere)
        if self._shared.watch is not None:
            self._by_secret = by_secret(self._mine)
            self._shared.watch.set_wanted(place for target in self._mine for place in secrets_of(target))
            self._shared.watch.start()
        self._shared.follow_services(self._mine)
        self._inside.set_targets(self._mine)
        self._target_files.set_targets(self._mine)
        self._certificates.set_targets(self._mine)
        self._settings = settings

    def _take_over(self, known: Mapping[str, TargetReport], taken: TakeOver) -> None:
        """The share is another."""
        before = tuple(self.reports())
        self._apply(self._settings, known, taken)
        if self._sharing is not None:
            self._sharing.gave_up(report for report in before if report.name not in self._targets)

    def _elsewhere(self) -> Set[str]:
        """The targets that other replicas check."""
        return {target.name for target in self._settings.targets} - self._targets.keys()

    def _target(self, settings: TargetSettings) -> Target:
        """The target; that of unchanged settings goes on, since discovery brings all of them anew."""
        known = self._targets.get(settings.name)
        return known if known is not None and known.settings == settings else self._shared.target(settings)

    async def _discover(self) -> None:
        if await self._discovering.service.refresh():
            self._apply(replace(self._settings, targets=self._discovering.service.targets))
            log.info("the discovered targets are others", targets=len(self.fleet))

    def _rotators(
        self,
        before: Sequence[TargetSettings],
        targets: Mapping[str, Target],
        siblings: Mapping[str, Sequence[TargetSettings]],
    ) -> dict[str, Rotator]:
        """A rotator for each target that has one; that of an unchanged target goes on. before, siblings: as they were."""
        old = {found.name: found for found in before}
        rotators: dict[str, Rotator] = {}
        for found in self._mine:
            same = old.get(found.name) == found and siblings.get(found.name) == self._shared.rotating.siblings(found)
            kept = self.rotations.rotator(found.name) if same else None
            made = kept or self._shared.rotator(found, targets[found.name])
            if made is not None:
                rotators[found.name] = made
        return rotators

    def _secret_changed(self, namespace: str | None, name: str) -> None:
        for target in self._by_secret.get((namespace, name), ()):
            self.fleet.changed(target)  # a refusal has its reason: the second look comes soon
            self._wake_rotation(target)

    def _shown(self, name: str) -> Verdict | None:
        return self.fleet.shown(name)

    def _wake_rotation(self, name: str) -> None:
        self.rotations.wake(name)

    async def _look_at_files(self) -> None:
        await self._discover()  # first, so that the files of a new target are known before they change
        changed = await asyncio.to_thread(self._files.changed)
        settings = await self._reloading.read(changed)
        if settings is not None:
            self._reload(settings)
        http = self._settings.http
        if {Path(name) for name in (http.cert_file, http.key_file) if name} & changed:
            self._reload_tls()
        users = tuple(self._target_files.users(changed))
        for name in self._certificates.take_over(users, changed):
            self.fleet.trigger(name)
        for target in users:
            if any(Path(path) in changed for path in files_of(target)):
                self.fleet.changed(target.name)
                self._wake_rotation(target.name)
        self.metrics.reloaded(successful=not self._configuration_problems())

    def _configuration_problems(self) -> Sequence[str]:
        """What would keep the monitor from starting with what it is configured with by now; each with what to do."""
        served = (self._not_served,) if self._not_served else ()
        return (*self._reloading.problems, *served, *self._certificates.problems)

    def _reload_tls(self) -> None:
        try:
            self.server.reload_tls()
        except TlsFilesError as error:
            log.error("the new certificate cannot be used; the old one goes on", problem=str(error))
            self._not_served = str(error)
        else:
            self._not_served = ""

    def _reload(self, settings: Settings) -> None:
        kept = {name: getattr(self._settings, name) for name in AT_START}
        settings_now = replace(settings, **kept)
        self._discovering.service.reconfigured(settings_now)
        self._apply(replace(settings_now, targets=self._discovering.service.targets))
        log.info("new configuration in use", targets=len(self.fleet))
        _warn(settings)
        for name, value in kept.items():
            if getattr(settings, name) != value:
                log.warning("this part of the configuration needs a restart", part=name)

    def _own_namespace(self, _: KubernetesSettings) -> str | None:
        """By the way to Kubernetes that is in use: what a new file says of it needs a restart."""
        return self._platform.own_namespace(self._settings.kubernetes)

    def _watched_files(self) -> Iterable[Path]:
        if self._reloading.path is not None:
            yield self._reloading.path
        yield from tuple(self._target_files.paths)
        yield from (Path(name) for name in (self._settings.http.cert_file, self._settings.http.key_file) if name)

    def _wake(self) -> None:
        self._ticker.wake()

    def _alive(self) -> str | None:
        last = self.fleet.dispatched_at or self._started_at
        if self._started and self._clock.monotonic() - last > STALLED:
            return "no check was started for 30 s: the scheduler stands still"
        return None

    def _ready(self) -> bool:
        return self._started


def secrets_of(target: TargetSettings) -> Iterator[tuple[str | None, str, str]]:
    """The Secrets that hold a target's token and password: namespace, name, key."""
    for source in (target.token_source, target.password_source):
        if isinstance(source, InSecret):
            yield source.namespace, source.name, source.key


def by_secret(targets: Iterable[TargetSettings]) -> dict[tuple[str | None, str], set[str]]:
    """Which targets use a Secret: namespace and name -> names of targets."""
    users: dict[tuple[str | None, str], set[str]] = {}
    for target in targets:
        for namespace, name, _ in secrets_of(target):
            users.setdefault((namespace, name), set()).add(target.name)
    return users


async def _within(seconds: float, *parts: Coroutine[Any, Any, object]) -> None:
    """Ends the parts at the same time, none of them kept from it by another one's defect."""
    try:
        async with asyncio.timeout(seconds):
            outcomes = await asyncio.gather(*parts, return_exceptions=True)
    except TimeoutError:
        log.warning("not everything ended in time", seconds=seconds)
        return
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            log.error("defect while ending", exc_info=outcome)


def _warn(settings: Settings) -> None:
    for notice in warnings_of(settings):
        log.warning("configuration", path=notice.path, notice=notice.text)
