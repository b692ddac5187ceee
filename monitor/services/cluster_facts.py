"""What Kubernetes says of Secrets and of permissions, as `doctor` wants to know it. Contents of Secrets are not kept.

Targets share Secrets and permissions, so each question is asked once however many need its answer.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

from monitor.cluster import Answer, KubernetesApi, NoAnswer
from monitor.core.doctor_kubernetes import MARK_NAMES, Holds, Manager, Presence, Review, SecretFacts
from monitor.core.permissions import Permission, ServiceAccount
from monitor.core.text import printable

CALLS_AT_ONCE = 8
MAX_WORD = 100
MAX_ITEMS = 20
AUTHORIZATION = "/apis/authorization.k8s.io/v1"


class ClusterFacts:
    """Asks one cluster. account: whose permissions are asked for; None for those of whoever asks."""

    def __init__(self, api: KubernetesApi, account: ServiceAccount | None) -> None:
        self._api = api
        self._account = account
        self._gate = asyncio.Semaphore(CALLS_AT_ONCE)
        self._gets: dict[str, asyncio.Task[Answer | NoAnswer]] = {}
        self._answers: dict[tuple[str, str, str, str | None, str], asyncio.Task[Answer | NoAnswer]] = {}

    async def secret(
        self, namespace: str, name: str, key: str, holds: Holds, *, made: bool, rotated: bool
    ) -> SecretFacts:
        """One Secret, without its content."""
        answer = await self._get(_path(namespace, "", "secrets", name))
        presence, problem = _presence(answer)
        if presence is not Presence.THERE or isinstance(answer, NoAnswer):
            return SecretFacts(namespace, name, key, holds, presence, made, rotated, problem)
        metadata, data = _mapping(answer.body.get("metadata")), _mapping(answer.body.get("data"))
        marks = {**_mapping(metadata.get("labels")), **_mapping(metadata.get("annotations"))}
        return SecretFacts(
            namespace,
            name,
            key,
            holds,
            presence,
            made,
            rotated,
            keys=tuple(printable(str(found), MAX_WORD) for found in sorted(data)[:MAX_ITEMS]),
            is_empty=not data.get(key),
            line_end=_ends_with_a_line_end(data.get(key)),
            immutable=answer.body.get("immutable") is True,
            managers=_managers(metadata, key),
            owners=_owners(metadata),
            marks=tuple((name, printable(str(marks[name]), MAX_WORD)) for name in sorted(MARK_NAMES & marks.keys())),
        )

    async def review(self, permission: Permission) -> Review:
        """Whether each verb of a permission (with its namespace) is allowed."""
        exists = None
        if "create" in permission.verbs and permission.name is not None:
            namespace, group, resource = permission.namespace or "", permission.group, permission.resource
            presence, _ = _presence(await self._get(_path(namespace, group, resource, permission.name)))
            exists = {Presence.THERE: True, Presence.ABSENT: False}.get(presence)
            if exists:
                return Review(permission, exists=True)
        answers = await asyncio.gather(*(self._may(permission, verb) for verb in permission.verbs))
        said = {verb: _allowed(answer) for verb, answer in zip(permission.verbs, answers, strict=True)}
        problems = [_problem(answer) for answer in answers if _allowed(answer) is None]
        return Review(
            permission,
            allowed=tuple(verb for verb, allowed in said.items() if allowed),
            denied=tuple(verb for verb, allowed in said.items() if allowed is False),
            unanswered=tuple(verb for verb, allowed in said.items() if allowed is None),
            problem=problems[0] if problems else "",
            exists=exists,
        )

    async def _may(self, permission: Permission, verb: str) -> Answer | NoAnswer:
        place = (permission.namespace or "", permission.group, permission.resource, permission.resource_name, verb)
        if place not in self._answers:
            self._answers[place] = asyncio.create_task(self._ask_for(permission, verb), name="access review")
        return await asyncio.shield(self._answers[place])

    async def _ask_for(self, permission: Permission, verb: str) -> Answer | NoAnswer:
        attributes = {
            "namespace": permission.namespace,
            "verb": verb,
            "group": permission.group,
            "resource": permission.resource,
            "name": permission.resource_name or "",
        }
        spec: dict[str, Any] = {"resourceAttributes": attributes}
        kind = "SelfSubjectAccessReview"
        if self._account is not None:
            kind = "SubjectAccessReview"
            spec |= {"user": self._account.user, "groups": list(self._account.groups)}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
        async with self._gate:
            return await self._api.request("POST", f"{AUTHORIZATION}/{kind.lower()}s", body=body)

    async def _get(self, path: str) -> Answer | NoAnswer:
        if path not in self._gets:
            self._gets[path] = asyncio.create_task(self._ask(path), name="read for doctor")
        return await asyncio.shield(self._gets[path])

    async def _ask(self, path: str) -> Answer | NoAnswer:
        async with self._gate:
            return await self._api.request("GET", path)


def _path(namespace: str, group: str, resource: str, name: str) -> str:
    root = f"/apis/{group}/v1" if group else "/api/v1"
    return f"{root}/namespaces/{namespace}/{resource}/{name}"


def _ends_with_a_line_end(encoded: object) -> bool:
    try:
        return base64.b64decode(str(encoded or ""), validate=True).endswith(b"\n")
    except ValueError:
        return False


def _presence(answer: Answer | NoAnswer) -> tuple[Presence, str]:
    if isinstance(answer, NoAnswer):
        return Presence.UNKNOWN, answer.why
    if answer.status == 200:
        return Presence.THERE, ""
    if answer.status == 404 and answer.body.get("kind") == "Status":
        return Presence.ABSENT, ""
    if answer.status in (401, 403):
        return Presence.FORBIDDEN, answer.message or f"HTTP {answer.status}"
    return Presence.UNKNOWN, _problem(answer)


def _problem(answer: Answer | NoAnswer) -> str:
    if isinstance(answer, NoAnswer):
        return answer.why
    return f"the Kubernetes API answered {answer.status} {answer.message}".rstrip()


def _allowed(answer: Answer | NoAnswer) -> bool | None:
    if isinstance(answer, NoAnswer) or answer.status not in (200, 201):
        return None
    allowed = _mapping(answer.body.get("status")).get("allowed")
    return allowed if isinstance(allowed, bool) else None


def _managers(metadata: Mapping[str, Any], key: str) -> tuple[Manager, ...]:
    entries = metadata.get("managedFields")
    found: list[Manager] = []
    for entry in entries if isinstance(entries, list) else []:
        fields = _mapping(_mapping(entry).get("fieldsV1"))
        if any(f"f:{key}" in _mapping(fields.get(part)) for part in ("f:data", "f:stringData")):
            found.append(Manager(printable(str(entry.get("manager", "")), MAX_WORD), str(entry.get("time", ""))[:40]))
    return tuple(found[:MAX_ITEMS])


def _owners(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    references = metadata.get("ownerReferences")
    owners = [_mapping(owner) for owner in references] if isinstance(references, list) else []
    return tuple(printable(f"{owner.get('kind')}/{owner.get('name')}", MAX_WORD) for owner in owners[:MAX_ITEMS])


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
