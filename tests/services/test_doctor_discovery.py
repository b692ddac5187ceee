"""`doctor` where targets are found in the cluster, and where Argo CD's own objects are watched: what lacks is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monitor.adapters.clock import SystemClock
from monitor.adapters.file_facts import look_at
from monitor.config.load import settings_of
from monitor.config.settings import Settings
from monitor.core.doctor import Area, Finding, Level
from monitor.services.doctor import Doctor
from monitor.simulator.kubernetes.access import Rule, service_account
from monitor.simulator.kubernetes.api import SimulatedKubernetes
from monitor.simulator.kubernetes.state import ClusterState

from tests.services.test_doctor import World, world

__all__ = ("world",)  # the fixture

NAMESPACE = "codefresh"
USER = service_account(NAMESPACE, "token-monitor")


async def permissions(settings: Settings, *rules: Rule) -> dict[str, Level]:
    """What is said of each permission that all targets share, for a service account with these rules."""
    state = ClusterState(SystemClock())
    state.access.restrict(USER, *rules)
    api = SimulatedKubernetes(state, USER, SystemClock(), namespace=NAMESPACE)
    examined = await Doctor(settings, (), api, look_at, SystemClock()).examine()
    findings = [finding for one in examined for finding in one.findings]
    return {finding.what: finding.level for finding in findings if finding.area is Area.PERMISSIONS}


def discovering(**more: Any) -> Settings:
    where = {"namespaces": ["team-a"], "kinds": ["ConfigMap", "Secret"], "servers": ["a.example.com"], **more}
    return settings_of({"discovery": {"kubernetes": where}})


async def test_without_the_right_to_look_for_targets_that_fails() -> None:
    assert await permissions(discovering()) == {
        "list, watch configmaps in team-a": Level.FAIL,
        "list, watch secrets in team-a": Level.FAIL,
        "create, patch events.events.k8s.io in team-a": Level.WARN,
    }


async def test_rights_on_single_names_are_not_enough_to_look_for_targets() -> None:
    by_name = Rule("list,watch", "configmaps,secrets", "", ("team-a",), ("portal",))
    assert Level.FAIL in (await permissions(discovering(), by_name)).values()


async def test_with_the_rights_all_is_well() -> None:
    rules = (
        Rule("list,watch", "configmaps,secrets", "", ("team-a",)),
        Rule("create,patch", "events", "events.k8s.io", ("team-a",)),
    )
    assert set((await permissions(discovering(), *rules)).values()) == {Level.OK}


async def test_where_only_a_directory_is_looked_at_nobody_asks_kubernetes() -> None:
    assert await permissions(settings_of({"discovery": {"directory": "/etc/targets"}})) == {}


async def test_replicas_that_may_not_be_listed_are_worth_a_look_and_no_failure(world: World, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("x")
    auth = {"type": "token", "tokenFile": str(token)}
    target = {**world.target(auth), "url": "http://argocd-server.argocd.svc", "everyReplica": True}
    settings = settings_of({"targets": [target]})
    for allowed, level in ((("list,watch",), Level.OK), ((), Level.WARN)):
        rules = (Rule(verbs, "endpointslices", "discovery.k8s.io", ("argocd",)) for verbs in allowed)
        world.state.access.restrict(USER, *rules)
        findings = [finding for one in await world.doctor(settings).examine() for finding in one.findings]
        found = {finding.what: finding for finding in findings if finding.area is Area.PERMISSIONS}
        assert found["list, watch endpointslices.discovery.k8s.io in argocd"].level is level


async def test_a_watch_on_argo_cd_that_is_not_allowed_is_worth_a_look_and_no_failure(
    world: World, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(world.argocd.mint_key("ci") if world.argocd.settings.account("ci") else "x")
    auth = {"type": "token", "tokenFile": str(token)}
    settings = settings_of({"targets": [world.target(auth, watchArgoCD={"namespace": "argocd"})]})
    world.state.access.restrict(USER, Rule("list,watch", "configmaps", "", ("argocd",), ("argocd-cm",)))
    findings = [finding for one in await world.doctor(settings).examine() for finding in one.findings]
    found = {finding.what: finding for finding in findings if finding.area is Area.PERMISSIONS}
    assert found["list, watch configmaps/argocd-cm in argocd"].level is Level.OK
    lacking: Finding = found["list, watch secrets/argocd-secret in argocd"]
    assert lacking.level is Level.WARN
    assert "without it, at the next check" in lacking.cause
