"""Gathers the facts that `doctor` judges: every address, file, Secret, permission and account of a configuration.

Nothing is changed, and no token is sent anywhere but to its own Argo CD. Everything is asked at the same time within
bounds; an area that takes too long is told as such and holds up no other. What the facts mean is the core's to say.
"""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from monitor.cluster import KubernetesApi
from monitor.config.permissions import permissions_of, shared_permissions
from monitor.config.settings import InFile, InSecret, Settings, Source, TargetSettings
from monitor.config.warnings import warnings_of
from monitor.core.answers import read_account, read_can_i
from monitor.core.doctor import (
    Area,
    FileFacts,
    Finding,
    Level,
    Purpose,
    ServerFacts,
    file_findings,
    server_findings,
)
from monitor.core.doctor_account import AccountFacts, LoginFacts, account_findings
from monitor.core.doctor_kubernetes import (
    Holds,
    permission_finding,
    replicas_finding,
    secret_finding,
    writer_findings,
)
from monitor.core.model import Account, Mode
from monitor.core.permissions import Permission, ServiceAccount, in_namespace
from monitor.core.questions import Question, Topic
from monitor.core.secret import Secret
from monitor.ports import ArgoCD, Clock, CredentialSource
from monitor.services.checker import Checked, Checker
from monitor.services.cluster_facts import ClusterFacts
from monitor.services.every_replica import EveryReplica
from monitor.services.login_trial import LoginTrial

TARGETS_AT_ONCE = 16
# For one area of one target, with all that is asked in it.
LONGEST = 60.0


class Inspection(Protocol):
    """A look at the address of a server."""

    async def inspect(self) -> ServerFacts:
        """Bounded. Never raises for what the network or the server does."""
        ...


class Files(Protocol):
    """A look at a file or directory, without reading it."""

    def __call__(self, path: str, purpose: Purpose, *, written: bool = False) -> FileFacts:
        """Never raises for what the file system does."""
        ...


@dataclass(frozen=True, slots=True)
class Patient:
    """One target with what is needed to look at it. login: to try its password, None where none is to be tried."""

    settings: TargetSettings
    checker: Checker | EveryReplica
    argocd: ArgoCD
    source: CredentialSource
    inspection: Inspection
    password: CredentialSource | None = None
    login: LoginTrial | None = None


@dataclass(frozen=True, slots=True)
class Examination:
    """The findings about one target; target None: about what all share."""

    target: str | None
    findings: tuple[Finding, ...]


Part = tuple[Area, Awaitable[Sequence[Finding]]]


class Doctor:
    """Examines targets. told: called with each part that is done, for people who wait."""

    def __init__(
        self,
        settings: Settings,
        patients: Sequence[Patient],
        cluster: KubernetesApi,
        files: Files,
        clock: Clock,
        *,
        account: ServiceAccount | None = None,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._patients = patients
        self._api = cluster
        self._cluster = ClusterFacts(cluster, account)
        self._account = account
        self._files = files
        self._clock = clock
        self._told = told
        self._gate = asyncio.Semaphore(TARGETS_AT_ONCE)

    async def examine(self) -> tuple[Examination, ...]:
        """Everything; what all targets share comes first, where there is anything."""
        needed = any(map(_uses_kubernetes, self._patients)) or bool(shared_permissions(self._settings))
        problem = await self._way_to_kubernetes() if needed else None
        async with asyncio.TaskGroup() as group:
            common = group.create_task(self._shared(problem))
            tasks = [group.create_task(self._target(patient, problem)) for patient in self._patients]
        shared = common.result()
        return (*((shared,) if shared.findings else ()), *(task.result() for task in tasks))

    async def _way_to_kubernetes(self) -> str | None:
        """Why there is none."""
        try:
            async with asyncio.timeout(LONGEST):
                return await self._api.ready()
        except TimeoutError:
            return f"no way to the Kubernetes API was found within {LONGEST:g} s"

    async def _shared(self, problem: str | None) -> Examination:
        findings = list(self._notices(None))
        if problem is not None:
            fix = "run in a pod with a service account, or give kubernetes.kubeconfig and kubernetes.context"
            findings.append(Finding(Level.FAIL, Area.SECRETS, "Kubernetes API", problem, fix))
            return Examination(None, tuple(findings))
        if needed := shared_permissions(self._settings):
            findings += await self._bounded("all targets", Area.PERMISSIONS, self._permissions(needed))
        return Examination(None, tuple(findings))

    def _notices(self, target: str | None) -> Iterator[Finding]:
        """What works but should not stay, of one target or of the whole configuration."""
        for notice in warnings_of(self._settings):
            if (f"({target})" in notice.path) if target is not None else "(" not in notice.path:
                yield Finding(Level.WARN, Area.CONFIGURATION, notice.path, notice.what, notice.instead)

    async def _target(self, patient: Patient, problem: str | None) -> Examination:
        settings = patient.settings
        parts: list[Part] = [
            (Area.FILES, self._of_files(settings)),
            (Area.ADDRESS, self._of_address(patient)),
            (Area.ARGOCD, self._of_account(patient)),
        ]
        if problem is None and _uses_kubernetes(patient):
            parts.append((Area.SECRETS, self._of_secrets(settings)))
            parts.append((Area.PERMISSIONS, self._permissions(permissions_of(settings, self._settings))))
        async with self._gate, asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._bounded(settings.name, area, part)) for area, part in parts]
        findings = [*self._notices(settings.name), *(finding for task in tasks for finding in task.result())]
        order = list(Area)
        return Examination(settings.name, tuple(sorted(findings, key=lambda finding: order.index(finding.area))))

    async def _bounded(self, name: str, area: Area, part: Awaitable[Sequence[Finding]]) -> Sequence[Finding]:
        try:
            async with asyncio.timeout(LONGEST):
                return await part
        except TimeoutError:
            cause = f"not seen within {LONGEST:g} s"
            return [Finding(Level.UNKNOWN, area, area.value, cause, "look at what answers slowly, and try again")]
        finally:
            self._told(f"{name}: {area}")

    async def _of_files(self, settings: TargetSettings) -> list[Finding]:
        facts = [
            self._files(path, purpose, written=written) for path, purpose, written in _paths(settings, self._settings)
        ]
        return [finding for one in facts for finding in file_findings(one)]

    async def _of_address(self, patient: Patient) -> list[Finding]:
        return list(server_findings(await patient.inspection.inspect(), self._clock.now()))

    async def _of_secrets(self, settings: TargetSettings) -> list[Finding]:
        own = self._api.namespace
        looked = await asyncio.gather(
            *(
                self._cluster.secret(place.namespace or own, place.name, place.key, holds, made=made, rotated=rotated)
                for place, holds, made, rotated in _secrets(settings, self._settings)
            )
        )
        return [
            *(secret_finding(facts) for facts in looked),
            *(finding for facts in looked for finding in writer_findings(facts)),
        ]

    async def _permissions(self, needed: Iterable[Permission]) -> list[Finding]:
        placed = in_namespace(needed, self._api.namespace)
        reviews = await asyncio.gather(*(self._cluster.review(permission) for permission in placed))
        found = (permission_finding(review, self._account) for review in reviews)
        return [finding for finding in found if finding is not None]

    async def _of_account(self, patient: Patient) -> list[Finding]:
        settings = patient.settings
        credential = await patient.source.read()
        checked = await patient.checker.check(full=True, fresh=True, credential=credential)
        account: Account | None = None
        permissions: tuple[tuple[str, bool | None], ...] = ()
        if checked.verdict.accepted and credential.token is not None:
            token = Secret(credential.token.reveal().strip())
            account = await self._account_page(patient.argocd, checked, token)
            permissions = tuple(
                [(word, await _can_i(patient.argocd, word, token)) for word in settings.required_permissions]
            )
        login: LoginFacts | None = None
        if patient.login is not None and settings.rotation is not None:
            login, seen = await patient.login.attempt()
            account = account or seen
        password = await patient.password.read() if patient.password is not None else None
        facts = AccountFacts(
            verdict=checked.verdict,
            mode=settings.mode,
            name=settings.expected_account,
            account=account,
            permissions=permissions,
            rotated=settings.rotation is not None,
            expires_in=settings.rotation.expires_in if settings.rotation else None,
            has_password=password is None or password.token is not None,
            password_problem=password.problem if password is not None else "",
            login=login,
        )
        replicas = checked.replicas
        return [*account_findings(facts), *((replicas_finding(replicas),) if replicas is not None else ())]

    async def _account_page(self, argocd: ArgoCD, checked: Checked, token: Secret) -> Account | None:
        name = checked.verdict.account
        if not name or ":" in name:
            return None  # a project role has no account
        return read_account(await argocd.ask(Question(Topic.ACCOUNT, account=name), token))


async def _can_i(argocd: ArgoCD, permission: str, token: Secret) -> bool | None:
    return read_can_i(await argocd.ask(Question(Topic.PERMISSION, permission=permission), token))


def _uses_kubernetes(patient: Patient) -> bool:
    settings = patient.settings
    rotation = settings.rotation
    consumers = rotation is not None and (rotation.codefresh or bool(rotation.workloads))
    password = settings.password_source if rotation is not None else None
    if consumers or settings.installation is not None or settings.service is not None:
        return True
    return any(isinstance(source, InSecret) for source in (settings.token_source, password))


def _paths(settings: TargetSettings, whole: Settings) -> list[tuple[str, Purpose, bool]]:
    """(path, what it is for, whether the monitor writes it)."""
    rotated = settings.rotation is not None
    found: list[tuple[str, Purpose, bool]] = []
    token, password = settings.token_source, settings.password_source
    if isinstance(token, InFile):
        found.append((token.path, Purpose.TOKEN, rotated))
        folder = posixpath.dirname(token.path) or "."
        if rotated:
            found.append((folder, Purpose.FOLDER, True))
            if whole.state_dir is not None and posixpath.normpath(whole.state_dir) != posixpath.normpath(folder):
                found.append((whole.state_dir, Purpose.JOURNALS, True))
    if rotated and isinstance(password, InFile):
        found.append((password.path, Purpose.PASSWORD, False))
    return found


def _secrets(settings: TargetSettings, whole: Settings) -> list[tuple[InSecret, Holds, bool, bool]]:
    """(where, what it holds, whether the monitor makes it, whether it writes it)."""
    rotated, by_password = settings.rotation is not None, settings.mode is Mode.PASSWORD
    token: Source = settings.token_source
    found: list[tuple[InSecret, Holds, bool, bool]] = []
    if isinstance(token, InSecret):
        found.append((token, Holds.TOKEN, rotated and by_password, rotated))
    if rotated and isinstance(settings.password_source, InSecret):
        found.append((settings.password_source, Holds.PASSWORD, False, False))
    journal = whole.journal_of(settings)
    if rotated and isinstance(journal, InSecret):
        found.append((journal, Holds.JOURNAL, True, True))
    return found
