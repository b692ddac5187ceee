"""`doctor` on simulated servers: what it asks, what it makes of the answers, and that it changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from monitor.adapters.argocd.client import ArgoCDClient
from monitor.adapters.argocd.connections import Connections
from monitor.adapters.argocd.inspection import ServerInspection
from monitor.adapters.argocd.keys import ArgoCDKeys
from monitor.adapters.argocd.tls import TlsContexts
from monitor.adapters.clock import SystemClock
from monitor.adapters.file_facts import look_at
from monitor.adapters.files import FileSource, PlainSource
from monitor.adapters.kubernetes.secrets import KubernetesSecretSource, SecretReader
from monitor.cluster import Answer, KubernetesApi, NoAnswer
from monitor.config.load import settings_of
from monitor.config.permissions import needed_permissions
from monitor.config.settings import InClear, InFile, Settings, Source, TargetSettings
from monitor.core.budget import LoginBudget
from monitor.core.doctor import Area, Finding, Level
from monitor.core.effects import Conflict, Refused, Unknown
from monitor.core.journal import Journal, dump, load
from monitor.core.model import Expectation
from monitor.core.permissions import ServiceAccount, roles
from monitor.daemon.assembly import endpoint_of
from monitor.ports import CredentialSource
from monitor.services import doctor
from monitor.services.checker import Checker
from monitor.services.doctor import Doctor, Examination, Patient
from monitor.services.login_trial import LoginTrial
from monitor.simulator.app import running
from monitor.simulator.faults import Fault, Front
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.access import Rule, service_account
from monitor.simulator.kubernetes.api import SimulatedKubernetes
from monitor.simulator.kubernetes.state import ClusterState
from monitor.simulator.messages import Request, Response
from monitor.simulator.rbac import Role
from monitor.simulator.state import ArgoCDState

NAMESPACE = "codefresh"
MONITOR = ServiceAccount(NAMESPACE, "token-monitor")
USER = service_account(NAMESPACE, "token-monitor")
PASSWORD = "a password of many words"
CANARY = "hunter2"


@dataclass
class MemoryJournals:
    """A journal in memory, by compare-and-swap. written: every text that it held."""

    text: str = ""
    version: int = 0
    written: list[Journal] = field(default_factory=list)
    lost: bool = False
    raced: bool = False

    async def read(self) -> tuple[str, str | None] | Unknown:
        return Unknown("away") if self.lost else (self.text, str(self.version) if self.version else None)

    async def write(self, text: str, version: str | None) -> str | Conflict | Refused | Unknown:
        if self.raced or version != (str(self.version) if self.version else None):
            return Conflict()
        self.text, self.version = text, self.version + 1
        self.written.append(load(text))
        return str(self.version)


class Watched(Front):
    """Notes what arrives at Argo CD."""

    def __init__(self, state: ArgoCDState, fault: Fault | None = None) -> None:
        super().__init__(state, fault)
        self.asked: list[tuple[str, str]] = []

    def __call__(self, request: Request) -> Response:
        self.asked.append((request.method, request.target))
        return super().__call__(request)


@dataclass
class World:
    """An Argo CD, a cluster, and what `doctor` needs to look at them."""

    argocd: ArgoCDState
    front: Watched
    url: str
    state: ClusterState
    kubernetes: SimulatedKubernetes
    connections: Connections
    clock: SystemClock
    journals: MemoryJournals = field(default_factory=MemoryJournals)
    contexts: TlsContexts = field(default_factory=TlsContexts)

    def target(self, auth: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"name": "a", "url": self.url, "timeout": "5s", "auth": auth, **more}

    def doctor(
        self,
        settings: Settings,
        *,
        login: bool = False,
        told: Callable[[str], None] = lambda _: None,
        account: ServiceAccount | None = None,
    ) -> Doctor:
        patients = [self._patient(target, login=login) for target in settings.targets]
        return Doctor(settings, patients, self.kubernetes, look_at, self.clock, account=account, told=told)

    def _patient(self, target: TargetSettings, *, login: bool) -> Patient:
        endpoint = endpoint_of(target)
        client = ArgoCDClient(endpoint, self.connections, self.contexts, self.clock)
        source = self._source(target.token_source)
        expected = Expectation(target.mode, target.expected_account, permissions=target.required_permissions)
        password = self._source(target.password_source) if target.password_source is not None else None
        trial = None
        if login and password is not None:
            keys = ArgoCDKeys(endpoint, self.connections, self.contexts)
            trial = LoginTrial(target.username or "", password, self.journals, keys, client, self.clock, "doctor")
        inspection = ServerInspection(endpoint, self.connections, self.contexts)
        checker = Checker(client, source, expected, self.clock)
        return Patient(target, checker, client, source, inspection, password, trial)

    def _source(self, source: Source) -> CredentialSource:
        if isinstance(source, InFile):
            return FileSource(source.path)
        if isinstance(source, InClear):
            return PlainSource(source.secret)
        return KubernetesSecretSource(SecretReader(self.kubernetes), source.namespace, source.name, source.key)

    async def examine(self, target: dict[str, Any], **more: Any) -> tuple[Examination, ...]:
        return await self.doctor(self.settings(target), **more).examine()

    def settings(self, *targets: dict[str, Any]) -> Settings:
        return settings_of({"kubernetes": {"namespace": NAMESPACE}, "targets": list(targets)})


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = SystemClock()
    argocd = ArgoCDState(login_seconds=(0.0, 0.0))
    argocd.create_account("ci", password=PASSWORD, role=Role.READONLY)
    front, state = Watched(argocd), ClusterState(clock)
    connections = Connections(clock.monotonic)
    api = SimulatedKubernetes(state, USER, clock, namespace=NAMESPACE)
    async with running(front) as url:
        yield World(argocd, front, url, state, api, connections, clock)
        await connections.close()


def of(examinations: tuple[Examination, ...]) -> list[Finding]:
    return [finding for examination in examinations for finding in examination.findings]


def bad(examinations: tuple[Examination, ...]) -> dict[str, Level]:
    return {finding.what: finding.level for finding in of(examinations) if finding.level is not Level.OK}


TOKEN = {"type": "token", "username": "ci", "tokenSecretKeyRef": {"name": "my-token", "key": "token"}}
BY_PASSWORD = {"type": "password", "username": "ci", "passwordSecretKeyRef": {"name": "pw", "key": "password"}}
EXPIRES = {"rotation": {"expiresIn": "90d"}}


def put_everything(world: World) -> None:
    """A cluster in which password mode has run for a while."""
    token = world.argocd.mint_key("ci", "k1")
    kubectl.put_secret(world.state, NAMESPACE, "argocd-token", {"token": token})
    kubectl.put_secret(world.state, NAMESPACE, "pw", {"password": PASSWORD})
    kubectl.put_secret(world.state, NAMESPACE, "token-monitor-journal-a", {}, manager="token-monitor")


async def test_a_healthy_target_in_token_mode_has_nothing_to_mend(world: World) -> None:
    kubectl.put_secret(world.state, NAMESPACE, "my-token", {"token": world.argocd.mint_key("ci", "k1")})
    found = await world.examine(world.target(TOKEN, requiredPermissions=["applications/get/*/*"]))
    assert bad(found) == {}
    areas = [finding.area for finding in found[-1].findings]
    assert areas == sorted(areas, key=list(Area).index)
    assert {Area.ADDRESS, Area.SECRETS, Area.PERMISSIONS, Area.ARGOCD} == set(areas)


async def test_a_healthy_target_in_password_mode_has_nothing_to_mend(world: World) -> None:
    put_everything(world)
    assert bad(await world.examine(world.target(BY_PASSWORD, **EXPIRES))) == {}


def test_targets_without_kubernetes_never_ask_for_it(tmp_path: Path) -> None:
    """`ready` would look for a kubeconfig that such people do not have."""

    async def look() -> tuple[Examination, ...]:
        clock = SystemClock()
        argocd = ArgoCDState()
        state = ClusterState(clock)
        api = SimulatedKubernetes(state, USER, clock)
        api.problem = "no way to the Kubernetes API"
        async with running(argocd) as url:
            connections = Connections(clock.monotonic)
            world = World(argocd, Watched(argocd), url, state, api, connections, clock)
            try:
                return await world.examine(world.target({"type": "token", "tokenFile": str(tmp_path / "token")}))
            finally:
                await connections.close()

    (tmp_path / "token").touch(mode=0o600)
    found = asyncio.run(look())
    assert {finding.area for finding in of(found)} == {Area.FILES, Area.ADDRESS, Area.ARGOCD}


async def test_without_kubernetes_it_is_told_once_and_the_rest_is_looked_at(world: World) -> None:
    world.kubernetes.problem = "no way to the Kubernetes API"
    found = await world.examine(world.target(TOKEN))
    assert bad(found)["Kubernetes API"] is Level.FAIL
    assert bad(found)["token"] is Level.UNKNOWN
    assert [finding.level for finding in of(found) if finding.area is Area.ADDRESS] == [Level.OK, Level.OK]


# --- permissions ---------------------------------------------------------------------------------------------------

CONSUMERS = {"preset": "codefresh", "restartConsumers": True, "workloads": [{"name": "portal"}]}


def as_rules(settings: Settings) -> list[Rule]:
    """The Role that doctor prints, as the simulated API takes it."""
    return [
        Rule(
            ",".join(rule["verbs"]),
            ",".join(rule["resources"]),
            rule["apiGroups"][0],
            (manifest["metadata"]["namespace"],),
            tuple(rule.get("resourceNames", ())),
        )
        for manifest in roles(needed_permissions(settings), MONITOR)
        if manifest["kind"] == "Role"
        for rule in manifest["rules"]
    ]


async def test_the_role_that_is_printed_is_enough(world: World) -> None:
    put_everything(world)
    target = world.target(BY_PASSWORD, **EXPIRES, consumers=CONSUMERS)
    world.state.access.restrict(USER, *as_rules(world.settings(target)))
    assert bad(await world.examine(target)) == {}


async def test_without_any_right_each_permission_is_named_and_nothing_breaks(world: World) -> None:
    put_everything(world)
    world.state.access.restrict(USER)
    target = world.target(BY_PASSWORD, **EXPIRES, consumers=CONSUMERS)
    found = of(await world.examine(target))
    named = {finding.what for finding in found if finding.area is Area.PERMISSIONS}
    assert {
        "get secrets/argocd-token in codefresh",
        "list, watch secrets/argocd-token in codefresh",
        "patch secrets/argocd-token in codefresh",
        "get, patch secrets/token-monitor-journal-a in codefresh",
        "patch deployments.apps/cap-app-proxy in codefresh",
        "get, update leases.coordination.k8s.io/token-monitor in codefresh",
        "create, patch events.events.k8s.io in codefresh",
    } <= named
    assert all(finding.fix for finding in found if finding.level is not Level.OK)


async def test_each_verb_that_is_taken_away_is_named(world: World) -> None:
    put_everything(world)
    target = world.target(BY_PASSWORD, **EXPIRES, consumers=CONSUMERS)
    settings = world.settings(target)
    whole = as_rules(settings)
    for index, rule in enumerate(whole):
        for verb in rule.verbs.split(","):
            less = [one for number, one in enumerate(whole) if number != index]
            left = ",".join(one for one in rule.verbs.split(",") if one != verb)
            rest = [Rule(left, rule.resources, rule.group, rule.namespaces, rule.names)] if left else []
            world.state.access.restrict(USER, *less, *rest)
            found = of(await world.doctor(settings).examine())
            told = [one for one in found if one.area is Area.PERMISSIONS and one.level is not Level.OK]
            if verb == "create" and rule.resources == "secrets":
                assert told == [], "the Secrets are there, so nobody needs to create them"
                continue
            assert told, (verb, rule)
            assert all(f"may not {verb}" in one.cause for one in told), (verb, told)
            assert {name for one in told for name in rule.names if name in one.what} == set(rule.names)


async def test_a_journal_that_nobody_may_make_is_made_by_hand(world: World) -> None:
    put_everything(world)
    kubectl.delete(world.state, "secrets", NAMESPACE, "token-monitor-journal-a")
    target = world.target(BY_PASSWORD, **EXPIRES)
    rules = [rule for rule in as_rules(world.settings(target)) if rule.verbs != "create"]
    world.state.access.restrict(USER, *rules)
    found = of(await world.examine(target))
    (told,) = [one for one in found if one.area is Area.PERMISSIONS and one.level is Level.FAIL]
    assert "kubectl create secret generic token-monitor-journal-a -n codefresh" in told.fix


async def test_questions_that_targets_share_are_asked_once(world: World) -> None:
    put_everything(world)
    watched = {"type": "token", "tokenSecretKeyRef": {"name": "argocd-token", "key": "token"}}
    first = world.target(watched)
    await world.doctor(world.settings(first)).examine()
    reviews = world.state.count("create", "*selfsubjectaccessreviews*")
    assert reviews == 5
    world.state.requests.clear()
    targets = [{**first, "name": f"t{number}"} for number in range(20)]
    await world.doctor(world.settings(*targets)).examine()
    assert world.state.count("create", "*selfsubjectaccessreviews*") == reviews


async def test_nobody_asks_whether_what_is_there_may_be_created(world: World) -> None:
    put_everything(world)
    await world.examine(world.target(BY_PASSWORD, **EXPIRES))
    # token: get, list, watch, patch; password: get, list, watch; journal: get, patch; Lease and its making; Events: 2
    assert world.state.count("create", "*selfsubjectaccessreviews*") == 4 + 3 + 2 + 3 + 2


async def test_an_api_that_fails_is_no_denial(world: World) -> None:
    put_everything(world)
    world.state.faults.answer(500, "create", "*selfsubjectaccessreviews*", times=None)
    found = of(await world.examine(world.target(BY_PASSWORD, **EXPIRES)))
    levels = {finding.level for finding in found if finding.area is Area.PERMISSIONS}
    assert levels == {Level.UNKNOWN}


class Reviewed(SimulatedKubernetes):
    """Answers SubjectAccessReviews, too, as somebody who may ask them."""

    async def request(self, method: str, path: str, *, body: Any = None, **more: Any) -> Answer | NoAnswer:
        if path.endswith("/subjectaccessreviews"):
            asked = SimulatedKubernetes(self.state, body["spec"]["user"], self.clock)
            spec = {"resourceAttributes": body["spec"]["resourceAttributes"]}
            body = {**body, "kind": "SelfSubjectAccessReview", "spec": spec}
            return await asked.request(method, path.replace("/subject", "/selfsubject"), body=body, **more)
        return await super().request(method, path, body=body, **more)


async def test_the_service_account_can_be_asked_about_by_somebody_else(world: World) -> None:
    put_everything(world)
    world.state.access.restrict(USER)
    world.kubernetes = Reviewed(world.state, "an administrator", world.clock, namespace=NAMESPACE)
    target = world.target(BY_PASSWORD, **EXPIRES)
    assert bad(await world.examine(target)) == {}, "the administrator may do everything"
    found = of(await world.examine(target, account=MONITOR))
    told = [one for one in found if one.area is Area.PERMISSIONS]
    assert {one.level for one in told} == {Level.WARN, Level.FAIL}
    assert all(one.cause.startswith("service account codefresh/token-monitor may not ") for one in told)


async def test_who_may_not_ask_about_others_is_told_so(world: World) -> None:
    put_everything(world)
    found = of(await world.examine(world.target(BY_PASSWORD, **EXPIRES), account=MONITOR))
    told = [one for one in found if one.area is Area.PERMISSIONS]
    assert {one.level for one in told} == {Level.UNKNOWN}
    assert all("subjectaccessreviews" in one.fix for one in told)


# --- Secrets and writers -------------------------------------------------------------------------------------------


async def test_secrets_that_are_missing_or_lack_their_key_are_told(world: World) -> None:
    kubectl.put_secret(world.state, NAMESPACE, "pw", {"passphrase": PASSWORD})
    found = await world.examine(world.target(BY_PASSWORD, **EXPIRES))
    by_what = {finding.what: finding for finding in of(found) if finding.area is Area.SECRETS}
    assert by_what["Secret codefresh/argocd-token (token)"].level is Level.OK, "the monitor makes it"
    assert by_what["Secret codefresh/pw (password)"].cause == "has no key password (passphrase)"
    assert bad(found)["login as ci"] is Level.FAIL


async def test_other_writers_of_the_token_are_named(world: World) -> None:
    put_everything(world)
    kubectl.set_value(
        world.state, NAMESPACE, "argocd-token", "token", world.argocd.mint_key("ci", "k2"), manager="argocd-controller"
    )
    found = [one for one in of(await world.examine(world.target(BY_PASSWORD, **EXPIRES))) if one.area is Area.WRITERS]
    assert [finding.level for finding in found] == [Level.WARN]
    assert found[0].cause.startswith("Argo CD (argocd-controller")
    assert "ignoreDifferences" in found[0].fix


async def test_an_external_secret_is_named_as_the_owner(world: World) -> None:
    put_everything(world)
    owner = {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "argocd", "uid": "u"}
    kubectl.change(
        world.state, "secrets", NAMESPACE, "argocd-token", {"metadata": {"ownerReferences": [owner]}}, manager="eso"
    )
    found = [one for one in of(await world.examine(world.target(BY_PASSWORD, **EXPIRES))) if one.area is Area.WRITERS]
    assert "ExternalSecret/argocd owns it" in found[0].cause
    assert "creationPolicy" in found[0].fix


# --- Argo CD -------------------------------------------------------------------------------------------------------


async def test_what_the_account_lacks_is_told(world: World) -> None:
    put_everything(world)
    world.argocd.set_capabilities("ci", "apiKey")
    found = await world.examine(world.target(BY_PASSWORD, **EXPIRES, requiredPermissions=["projects/update/*"]))
    assert bad(found)["account ci"] is Level.FAIL
    assert bad(found)["permission projects/update/*"] is Level.WARN


async def test_a_refused_token_is_told_with_its_cause(world: World) -> None:
    put_everything(world)
    world.argocd.revoke_key("ci", "k1")
    found = {finding.what: finding for finding in of(await world.examine(world.target(BY_PASSWORD, **EXPIRES)))}
    assert (found["token"].level, found["token"].cause.startswith("revoked: ")) == (Level.FAIL, True)
    assert found["account ci"].level is Level.UNKNOWN


async def test_anonymous_access_is_told(world: World) -> None:
    put_everything(world)
    world.argocd.set_anonymous(Role.READONLY)
    assert bad(await world.examine(world.target(BY_PASSWORD, **EXPIRES)))["anonymous access"] is Level.WARN


async def test_files_of_credentials_are_looked_at(world: World, tmp_path: Path) -> None:
    token, password = tmp_path / "token", tmp_path / "password"
    token.write_text(world.argocd.mint_key("ci", "k1"))
    password.write_text(PASSWORD)
    token.chmod(0o600)
    password.chmod(0o644)
    tmp_path.chmod(0o700)
    auth = {"type": "password", "username": "ci", "tokenFile": str(token), "passwordFile": str(password)}
    found = await world.examine(world.target(auth, **EXPIRES))
    assert bad(found) == {f"password file {password}": Level.WARN}
    assert {finding.what for finding in of(found) if finding.area is Area.FILES} == {
        f"token file {token}", f"directory of the token file {tmp_path}", f"password file {password}"
    }  # fmt: skip


# --- the login -----------------------------------------------------------------------------------------------------


def logins(world: World) -> list[tuple[int, int]]:
    """(failures, total) of every version of the journal."""
    return [(len(journal.logins.failures), journal.logins.total) for journal in world.journals.written]


async def test_nobody_logs_in_unasked_and_nothing_is_written(world: World) -> None:
    put_everything(world)
    before = world.state.version
    await world.examine(world.target(BY_PASSWORD, **EXPIRES))
    assert {method for method, _ in world.front.asked} == {"GET"}
    assert world.journals.written == []
    assert world.state.version == before
    assert not world.state.count("update") + world.state.count("patch") + world.state.count("delete")


async def test_a_login_is_charged_before_it_is_sent_and_given_back_when_it_worked(world: World) -> None:
    put_everything(world)
    found = await world.examine(world.target(BY_PASSWORD, **EXPIRES), login=True)
    assert bad(found) == {}
    assert logins(world) == [(1, 1), (0, 0)]
    changing = [asked for asked in world.front.asked if asked[0] != "GET"]
    assert changing == [("POST", "/api/v1/session"), ("POST", "/auth/logout")]


async def test_with_a_login_the_account_is_seen_without_a_token(world: World) -> None:
    kubectl.put_secret(world.state, NAMESPACE, "pw", {"password": PASSWORD})
    found = {one.what: one for one in of(await world.examine(world.target(BY_PASSWORD, **EXPIRES), login=True))}
    assert found["account ci"].level is Level.OK
    assert found["login as ci"].cause == "accepted; the session was ended again"


async def test_a_refused_password_counts_and_is_not_tried_again(world: World) -> None:
    put_everything(world)
    kubectl.set_value(world.state, NAMESPACE, "pw", "password", "wrong")
    target = world.target(BY_PASSWORD, **EXPIRES)
    assert bad(await world.examine(target, login=True))["login as ci"] is Level.FAIL
    assert logins(world) == [(1, 1), (1, 1)]
    again = {one.what: one for one in of(await world.examine(target, login=True))}["login as ci"]
    assert (again.level, "a login must wait" in again.cause) == (Level.UNKNOWN, True)
    assert len(world.journals.written) == 2, "nothing was sent, so nothing was charged"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda journals: setattr(journals, "lost", True), "nobody knows how many"),
        (lambda journals: setattr(journals, "raced", True), "a monitor is at work"),
        (lambda journals: setattr(journals, "text", "{"), "damaged"),
    ],
    ids=["lost", "raced", "damaged"],
)
async def test_without_the_journal_nobody_logs_in(
    world: World, spoil: Callable[[MemoryJournals], None], words: str
) -> None:
    put_everything(world)
    spoil(world.journals)
    finding = {one.what: one for one in of(await world.examine(world.target(BY_PASSWORD, **EXPIRES), login=True))}
    assert (finding["login as ci"].level, words in finding["login as ci"].cause) == (Level.UNKNOWN, True)


async def test_a_login_waits_for_the_one_that_failed_before(world: World) -> None:
    put_everything(world)
    failed = Journal(logins=LoginBudget(failures=(world.clock.now() - 60,), total=1))
    world.journals.text, world.journals.version = dump(failed), 1
    found = {one.what: one for one in of(await world.examine(world.target(BY_PASSWORD, **EXPIRES), login=True))}
    assert "must wait" in found["login as ci"].cause


# --- as a whole ----------------------------------------------------------------------------------------------------


async def test_every_part_is_told_when_it_is_done(world: World) -> None:
    put_everything(world)
    told: list[str] = []
    await world.doctor(world.settings(world.target(BY_PASSWORD, **EXPIRES)), told=told.append).examine()
    assert set(told) == {
        "all targets: permissions", "a: files", "a: address", "a: argocd", "a: secrets", "a: permissions"
    }  # fmt: skip


async def test_a_server_that_hangs_holds_up_no_other_target(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LONGEST", 0.3)
    put_everything(world)
    world.front.fault = Fault.HANG
    target = world.target(BY_PASSWORD, **EXPIRES)
    found = await world.examine(target)
    assert bad(found)["argocd"] is Level.UNKNOWN
    assert {finding.level for finding in of(found) if finding.area is Area.PERMISSIONS} == {Level.OK}


async def test_no_finding_shows_a_credential(world: World) -> None:
    put_everything(world)
    kubectl.put_secret(world.state, NAMESPACE, "pw", {"password": CANARY})
    kubectl.put_secret(world.state, NAMESPACE, "argocd-token", {"token": f"{CANARY}.{CANARY}.{CANARY}"})
    shown = repr(await world.examine(world.target(BY_PASSWORD, **EXPIRES), login=True))
    assert CANARY not in shown


def test_the_simulated_api_is_the_port_that_doctor_takes(world: World) -> None:
    api: KubernetesApi = world.kubernetes
    assert api.namespace == NAMESPACE
