"""Rotators out of settings: which stores, which account, which consumers."""

from __future__ import annotations

from pathlib import Path

from monitor.adapters.file_stores import FileCredentialStore, FileJournalStore
from monitor.adapters.kubernetes.consumers import CODEFRESH, KubernetesConsumers, Workload
from monitor.adapters.kubernetes.credential_store import KubernetesCredentialStore
from monitor.adapters.kubernetes.events import KubernetesAnnouncer
from monitor.adapters.kubernetes.journal_store import KubernetesJournalStore
from monitor.cluster import KubernetesApi
from monitor.config.settings import InFile, InSecret, RotationSettings, Settings, Source, TargetSettings
from monitor.core.policy import Policy
from monitor.daemon.assembly import Assembly
from monitor.daemon.platform import Platform
from monitor.ports import Announcer, ConsumerWorkloads, CredentialStore, JournalStore
from monitor.services.fleet import Target
from monitor.services.rotator import Rotator

# 72 bits: ids of keys are never used twice.
NONCE_BYTES = 9


class RotatorAssembly:
    """Builds rotators over what the process shares."""

    def __init__(self, assembly: Assembly, kubernetes: KubernetesApi, settings: Settings, platform: Platform) -> None:
        self._assembly = assembly
        self._platform = platform
        self._kubernetes = kubernetes
        self._by_login: dict[tuple[str, str | None], list[TargetSettings]] = {}
        self.reloaded(settings)
        self._announcers: dict[tuple[str | None, str], KubernetesAnnouncer] = {}

    def announcer(self, settings: TargetSettings) -> Announcer | None:
        """Who tells what happens to a target's Secret; None where its token is not in one, or nobody wants it."""
        source = settings.token_source
        if not isinstance(source, InSecret) or not self._settings.kubernetes.events:
            return None
        place = (source.namespace, source.name)
        if place not in self._announcers:
            self._announcers[place] = KubernetesAnnouncer(
                self._kubernetes,
                *place,
                self._platform.clock,
                instance=self._platform.host,
                token_hex=self._platform.token_hex,
            )
        return self._announcers[place]

    def reloaded(self, settings: Settings) -> None:
        """The configuration was read anew."""
        self._settings = settings
        by_login: dict[tuple[str, str | None], list[TargetSettings]] = {}
        for target in settings.targets:
            if target.rotation is not None and target.password_source is not None:
                by_login.setdefault((target.address.url, target.username), []).append(target)
        self._by_login = by_login

    def siblings(self, settings: TargetSettings) -> tuple[TargetSettings, ...]:
        """Further targets that log in to the same server as the same user: Argo CD counts their failures together."""
        sharing = self._by_login.get((settings.address.url, settings.username), ())
        return tuple(other for other in sharing if other.name != settings.name)

    def logins(self) -> dict[str, tuple[str, str | None]]:
        """Whom each target logs in as, on which server; targets that do not log in are left out."""
        return {target.name: login for login, sharing in self._by_login.items() for target in sharing}

    def rotator(self, settings: TargetSettings, target: Target) -> Rotator | None:
        """The rotator of a target; None where its key is never replaced."""
        rotation = settings.rotation
        if rotation is None:
            return None
        store, journal = self._store(settings.token_source), self.journal(settings)
        if store is None or journal is None:
            return None
        password = settings.password_source
        return Rotator(
            settings.name,
            policy_of(settings, rotation),
            self._assembly.clock,
            target.checker,
            self._assembly.keys(settings),
            store,
            journal,
            self._assembly.source(password) if password is not None else None,
            self._consumers(settings, rotation),
            lambda: self._platform.token_hex(NONCE_BYTES),
            self.announcer(settings),
            self.siblings_journals(settings),
        )

    def _store(self, source: Source) -> CredentialStore | None:
        match source:
            case InSecret():
                return KubernetesCredentialStore(self._kubernetes, source.namespace, source.name, source.key)
            case InFile(path):
                return FileCredentialStore(Path(path))
            case _:
                return None  # a token in the configuration cannot be replaced

    def journal(self, settings: TargetSettings) -> JournalStore | None:
        """The journal of a target's rotation; None where its token cannot be replaced."""
        match self._settings.journal_of(settings):
            case InSecret(name=name, namespace=namespace):
                return KubernetesJournalStore(self._kubernetes, namespace, name)
            case InFile(path):
                return FileJournalStore(path)
            case None:
                return None

    def siblings_journals(self, settings: TargetSettings) -> tuple[JournalStore, ...]:
        """Those of its siblings."""
        return tuple(journal for other in self.siblings(settings) if (journal := self.journal(other)) is not None)

    def _consumers(self, settings: TargetSettings, rotation: RotationSettings) -> ConsumerWorkloads | None:
        workloads = tuple(Workload(w.kind, w.name, w.selector, w.live) for w in rotation.workloads)
        if rotation.codefresh:
            workloads = (*CODEFRESH, *workloads)
        if not workloads:
            return None
        namespace = settings.namespace or self._settings.kubernetes.namespace
        return KubernetesConsumers(self._kubernetes, namespace, workloads)


def policy_of(settings: TargetSettings, rotation: RotationSettings) -> Policy:
    """What the owner of a target allows, as the core takes it."""
    return Policy(
        account=settings.expected_account,
        by_password=settings.password_source is not None,
        expires_in=rotation.expires_in,
        renew_before=rotation.renew_before,
        every=rotation.every,
        drill_every=rotation.drill_every,
        grace=rotation.grace,
        longest_wait=rotation.longest_wait,
        restart_consumers=rotation.restart_consumers,
        watch_consumers=bool(rotation.workloads) or rotation.codefresh,
        settle=rotation.settle,
    )
