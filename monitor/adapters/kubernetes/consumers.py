"""The workloads that use the token: restarted by an annotation on their pod template, and looked at until they changed.

A *live* workload reads the Secret through the API and is never restarted nor waited for. Only what the API itself
shows counts; where pods may not be seen, the grace period alone decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.adapters.kubernetes.calls import AS_OURSELVES, denied, is_absent, is_refusal, mapping, namespace_of, odd
from monitor.adapters.kubernetes.pods import KEY_ID, belongs_to, runs_older, selector_of
from monitor.cluster import MERGE_PATCH, Answer, KubernetesApi, NoAnswer
from monitor.core.effects import Consumers, Done, Refused, Unknown

CORE, APPS = "/api/v1", "/apis/apps/v1"
RESOURCES = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
# A page of pods stays within what one answer may hold; more pages than this are not looked through.
PAGE = 100
MAX_PAGES = 5
MAX_NAMES = 50
MAX_PROBLEMS = 5
# For all calls of one restart or look together.
LONGEST = 60.0


@dataclass(frozen=True, slots=True)
class Workload:
    """Workloads that use the token, by name or by a selector on their own labels. live: they need no restart."""

    kind: str
    name: str | None = None
    selector: str | None = None
    live: bool = False

    def __post_init__(self) -> None:
        if self.kind not in RESOURCES:
            raise ValueError(f"kind is one of {', '.join(RESOURCES)}")
        if bool(self.name) == bool(self.selector):
            raise ValueError("a workload has either a name or a selector: without both it would be every one")

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}" if self.name else f"{RESOURCES[self.kind]} with {self.selector}"


def _codefresh() -> tuple[Workload, ...]:
    named = ("argo-gateway", "cluster-event-reporter", "runtime-event-reporter", "sources-server")
    return (
        # Reads ARGO_CD_TOKEN from its environment.
        Workload("Deployment", selector="app=cap-app-proxy"),
        # These are told the name and key of the Secret, and read it themselves.
        Workload("Deployment", selector="app=gitops-operator", live=True),
        *(Workload("Deployment", selector=f"app.kubernetes.io/name={name}", live=True) for name in named),
    )


# Labels as in the chart gitops-runtime (they are on its Deployments and on their pods).
CODEFRESH = _codefresh()


@dataclass(frozen=True, slots=True)
class Consumer:
    """One workload as it stands, for people. key_id: of its pod template; problem: why it is not known, or held up."""

    name: str
    live: bool
    key_id: str | None = None
    pods: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Found:
    """A workload of the cluster."""

    kind: str
    name: str
    live: bool
    body: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"

    @property
    def key_id(self) -> str | None:
        template = mapping(mapping(self.body.get("spec")).get("template"))
        value = mapping(mapping(template.get("metadata")).get("annotations")).get(KEY_ID)
        return str(value) if value is not None else None

    @property
    def held_up(self) -> str:
        """Why a changed pod template restarts nobody here; "" when it does."""
        spec = mapping(self.body.get("spec"))
        if self.kind == "Deployment" and spec.get("paused") is True:
            return f"{self} is paused, so its pods keep the old key: kubectl rollout resume {self}"
        if mapping(spec.get("updateStrategy")).get("type") == "OnDelete":
            return f"{self} has updateStrategy OnDelete, so its pods keep the old key: delete them one by one"
        return ""


@dataclass(frozen=True, slots=True)
class _Denied:
    """The service account may not do this. why: with the fix."""

    why: str


class KubernetesConsumers:
    """`workloads` of one namespace (None: the connection's own). No call raises for what the API does."""

    def __init__(self, api: KubernetesApi, namespace: str | None, workloads: tuple[Workload, ...]) -> None:
        self._api = api
        self._namespace = namespace
        self._workloads = workloads

    async def restart(self, key_id: str) -> Done | Refused | Unknown:
        """Sets the annotation where it differs: workloads that have it already are left alone."""
        refused: list[str] = []
        unknown: list[str] = []
        try:
            async with asyncio.timeout(LONGEST):
                for found in await self._to_restart():
                    outcome = await self._annotate(found, key_id) if isinstance(found, _Found) else found
                    if isinstance(outcome, _Denied | Refused):
                        refused.append(outcome.why)
                    elif isinstance(outcome, Unknown):
                        unknown.append(outcome.why)
        except TimeoutError:
            unknown.append(f"the restarts were not done within {LONGEST:g} s; they are asked for again")
        if unknown:
            return Unknown(_joined(unknown + refused))
        return Refused(_joined(refused)) if refused else Done()

    async def look(self, key_id: str, since: float) -> Consumers | Unknown:
        """Pods that may still call with an older key, as `deployment/name (pod x)`; None where they may not be seen."""
        old: dict[str, None] = {}
        unseen = False
        try:
            async with asyncio.timeout(LONGEST):
                for found in await self._to_restart():
                    if isinstance(found, Refused):
                        continue  # nobody of that name runs
                    pods = await self._pods(found) if isinstance(found, _Found) else found
                    if isinstance(pods, _Denied):
                        unseen = True
                        continue
                    if isinstance(pods, Unknown):
                        return pods
                    names = [_name(pod) for pod in pods if runs_older(pod, key_id, since)]
                    old.update((f"{found} (pod {name})", None) for name in names)
        except TimeoutError:
            return Unknown(f"the consumers' pods were not seen within {LONGEST:g} s")
        # Those that are seen to run with it are waited for, whoever else cannot be seen.
        return Consumers(None if unseen and not old else tuple(old)[:MAX_NAMES])

    async def present(self) -> tuple[Consumer, ...]:
        """Every consumer as it stands, the live ones too, and what is wrong with those that are not seen."""
        consumers: list[Consumer] = []
        for workload in self._workloads:
            try:
                async with asyncio.timeout(LONGEST):
                    found = await self._find(workload)
            except TimeoutError:
                found = [Unknown(f"not seen within {LONGEST:g} s")]
            consumers += [_consumer(one, workload) for one in found or [Unknown("there is none in this namespace")]]
        return tuple(consumers)

    async def _to_restart(self) -> list[_Found | Refused | _Denied | Unknown]:
        """Those that are not live, each once, also where two selectors find it."""
        once: dict[str, _Found | Refused | _Denied | Unknown] = {}
        for workload in self._workloads:
            if not workload.live:
                once.update((str(found), found) for found in await self._find(workload))
        return list(once.values())

    async def _find(self, workload: Workload) -> list[_Found | Refused | _Denied | Unknown]:
        """The workloads of the cluster that `workload` means; none where a selector finds none."""
        resource = RESOURCES[workload.kind]
        if workload.name is None:
            items = await self._list(APPS, resource, workload.selector or "")
            if isinstance(items, _Denied | Unknown):
                return [items]
            return [_Found(workload.kind, _name(item), workload.live, item) for item in items if _name(item)]
        answer = await self._ask("GET", APPS, resource, workload.name)
        if isinstance(answer, NoAnswer):
            return [Unknown(f"{workload}: {answer.why}")]
        if answer.status == 200 and _name(answer.body) == workload.name:
            return [_Found(workload.kind, workload.name, workload.live, answer.body)]
        if is_absent(answer):
            return [Refused(f"{workload} does not exist: correct it under consumers.workloads")]
        if answer.status in (401, 403):
            return [_Denied(f"{workload}: {denied(answer, 'get', f'{resource}.apps', [workload.name])}")]
        return [Unknown(f"{workload}: {odd(answer)}")]

    async def _annotate(self, found: _Found, key_id: str) -> Done | Refused | Unknown:
        held_up = Refused(found.held_up) if found.held_up else Done()
        if found.key_id == key_id:
            return held_up
        patch = {"spec": {"template": {"metadata": {"annotations": {KEY_ID: key_id}}}}}
        resource = RESOURCES[found.kind]
        answer = await self._ask("PATCH", APPS, resource, found.name, AS_OURSELVES, patch)
        if isinstance(answer, NoAnswer):
            return Unknown(f"{found}: {answer.why}")
        if answer.status == 200:
            return held_up
        if answer.status in (401, 403):
            return Refused(f"{found}: {denied(answer, 'patch', f'{resource}.apps', [found.name])}")
        if is_refusal(answer) and answer.status not in (404, 409, 429):
            return Refused(f"{found}: {odd(answer)}; restart it: kubectl rollout restart {found}")
        return Unknown(f"{found}: {odd(answer)}")

    async def _pods(self, found: _Found) -> list[Mapping[str, Any]] | _Denied | Unknown:
        selector = selector_of(found.body)
        if not selector:
            return Unknown(f"{found} has no selector, so its pods are not known")
        items = await self._list(CORE, "pods", selector)
        if isinstance(items, _Denied | Unknown):
            return items
        return [pod for pod in items if belongs_to(pod, found.kind, found.name)]

    async def _list(self, group: str, resource: str, selector: str) -> list[Mapping[str, Any]] | _Denied | Unknown:
        """All that the selector finds, page by page."""
        listed: list[Mapping[str, Any]] = []
        query = {"labelSelector": selector, "limit": str(PAGE)}
        for _ in range(MAX_PAGES):
            answer = await self._ask("GET", group, resource, query=query)
            if isinstance(answer, NoAnswer):
                return Unknown(f"{resource}: {answer.why}")
            if answer.status in (401, 403):
                return _Denied(denied(answer, "list", resource if group == CORE else f"{resource}.apps", []))
            items = answer.body.get("items")
            if answer.status != 200 or not isinstance(items, list):
                return Unknown(f"{resource}: {odd(answer)}")
            listed += [mapping(item) for item in items]
            more = mapping(answer.body.get("metadata")).get("continue")
            if not more:
                return listed
            query = {**query, "continue": str(more)}
        return Unknown(f"there are more than {PAGE * MAX_PAGES} {resource} with {selector}: choose a narrower selector")

    async def _ask(
        self,
        method: str,
        group: str,
        resource: str,
        name: str | None = None,
        query: Mapping[str, str] | None = None,
        patch: object | None = None,
    ) -> Answer | NoAnswer:
        namespace = await namespace_of(self._api, self._namespace)
        if isinstance(namespace, NoAnswer):
            return namespace
        path = f"{group}/namespaces/{namespace}/{resource}" + (f"/{name}" if name else "")
        content_type = MERGE_PATCH if patch is not None else "application/json"
        return await self._api.request(method, path, query=query, body=patch, content_type=content_type)


def _name(body: Mapping[str, Any]) -> str:
    return str(mapping(body.get("metadata")).get("name", ""))


def _consumer(found: _Found | Refused | _Denied | Unknown, workload: Workload) -> Consumer:
    if not isinstance(found, _Found):
        return Consumer(str(workload), workload.live, problem=found.why)
    status = mapping(found.body.get("status"))
    pods = status.get("replicas", status.get("currentNumberScheduled"))
    problem = "" if found.live else found.held_up
    return Consumer(str(found), found.live, found.key_id, pods if isinstance(pods, int) else None, problem)


def _joined(problems: list[str]) -> str:
    rest = len(problems) - MAX_PROBLEMS
    return "; ".join(problems[:MAX_PROBLEMS]) + (f"; and {rest} more" if rest > 0 else "")
