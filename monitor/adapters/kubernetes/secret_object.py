"""One Secret, read from the API itself and written by compare-and-swap: what both stores stand on.

A write is a merge patch that carries `metadata.resourceVersion`, so that the API refuses it (409) where anybody else
wrote since; it names only the keys that change, so that all the rest stays. (A PUT would have to send back what it
read, and an HTTP client may repeat a PUT by itself, never a PATCH.)
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.adapters.kubernetes.calls import (
    AS_OURSELVES,
    denied,
    is_absent,
    is_of_a_namespace_that_ends,
    is_refusal,
    mapping,
    namespace_of,
    odd,
)
from monitor.cluster import MERGE_PATCH, Answer, KubernetesApi, NoAnswer
from monitor.core.effects import Conflict, Refused, Unknown
from monitor.core.writers import OURS

MANAGED_BY = {"app.kubernetes.io/managed-by": OURS}


@dataclass(frozen=True, slots=True)
class Present:
    """A Secret as it stands. data: base64, as the API gives it."""

    version: str
    data: Mapping[str, Any] = field(repr=False)
    metadata: Mapping[str, Any] = field(repr=False)

    def value(self, key: str) -> bytes | None:
        """The decoded value of `key`; None where there is no such key. Raises ValueError when it is not base64."""
        if key not in self.data:
            return None
        try:
            return base64.b64decode(str(self.data[key]), validate=True)
        except binascii.Error:
            raise ValueError("not base64") from None


@dataclass(frozen=True, slots=True)
class Absent:
    """The API says that there is no such Secret."""


class SecretObject:
    """One Secret by name. namespace None: the connection's own. No call raises for what the API does."""

    def __init__(self, api: KubernetesApi, namespace: str | None, name: str) -> None:
        self._api = api
        self._namespace = namespace
        self.name = name

    @property
    def place(self) -> str:
        """`Secret codefresh/argocd-token`."""
        return f"Secret {self._namespace}/{self.name}" if self._namespace else f"Secret {self.name}"

    @property
    def in_namespace(self) -> str:
        """` -n codefresh`, for commands."""
        return f" -n {self._namespace}" if self._namespace else ""

    async def read(self) -> Present | Absent | Unknown:
        """The Secret now: a plain GET, which the API answers from its store and never from a cache."""
        namespace = await namespace_of(self._api, self._namespace)
        if isinstance(namespace, NoAnswer):
            return Unknown(namespace.why)
        answer = await self._api.request("GET", f"{_secrets(namespace)}/{self.name}")
        if isinstance(answer, NoAnswer):
            return Unknown(f"{self.place}: {answer.why}")
        if is_absent(answer):
            return Absent()
        if answer.status in (401, 403):
            return Unknown(f"{self.place}: {denied(answer, 'get', 'secrets', [self.name])}")
        return _present(answer) or Unknown(f"{self.place}: {odd(answer)}; is the address that of a Kubernetes API?")

    async def write(
        self, values: Mapping[str, bytes], version: str | None, labels: Mapping[str, str] | None = None
    ) -> Present | Conflict | Refused | Unknown:
        """Sets `values` where the version is still `version`; None makes the Secret, with `labels`."""
        namespace = await namespace_of(self._api, self._namespace)
        if isinstance(namespace, NoAnswer):
            return Refused(namespace.why)
        data = {key: base64.b64encode(value).decode("ascii") for key, value in values.items()}
        if version is None:
            answer = await self._create(namespace, data, labels or {})
        else:
            body = {"metadata": {"resourceVersion": version}, "data": data}
            path = f"{_secrets(namespace)}/{self.name}"
            answer = await self._api.request("PATCH", path, query=AS_OURSELVES, body=body, content_type=MERGE_PATCH)
        if isinstance(answer, NoAnswer):
            why = f"{self.place}: {answer.why}"
            return Unknown(why) if answer.sent else Refused(why)
        if answer.status in (200, 201):
            return _present(answer) or Unknown(f"{self.place}: {odd(answer)}")
        hidden = [*data.values(), *(value.decode("latin-1") for value in values.values())]
        return self._not_written(answer, hidden, namespace, creating=version is None)

    async def _create(self, namespace: str, data: Mapping[str, str], labels: Mapping[str, str]) -> Answer | NoAnswer:
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self.name, "namespace": namespace, "labels": {**MANAGED_BY, **labels}},
            "type": "Opaque",
            "data": dict(data),
        }
        return await self._api.request("POST", _secrets(namespace), query=AS_OURSELVES, body=body)

    def _not_written(
        self, answer: Answer, hidden: list[str], namespace: str, *, creating: bool
    ) -> Conflict | Refused | Unknown:
        if answer.status == 409 or (is_absent(answer) and not creating):
            return Conflict()  # somebody wrote, made or deleted it since it was read
        if not is_refusal(answer):
            return Unknown(f"{self.place}: {odd(answer, hidden)}")
        if answer.status in (401, 403):
            verb, names = ("create", []) if creating else ("patch", [self.name])
            can_be_made = creating and not is_of_a_namespace_that_ends(answer)
            by_hand = (
                f", or make it: kubectl create secret generic {self.name}{self.in_namespace}" if can_be_made else ""
            )
            return Refused(f"{self.place}: {denied(answer, verb, 'secrets', names, hidden)}{by_hand}")
        if answer.status == 404:
            return Refused(f"{self.place}: {odd(answer, hidden)}; does the namespace {namespace} exist?")
        if answer.status == 422 and "immutable" in str(answer.body.get("message", "")):
            return Refused(
                f"{self.place} is immutable: delete it and make it again without `immutable: true`"
                f" (kubectl delete secret {self.name}{self.in_namespace}); a rotated credential cannot be immutable"
            )
        if answer.status == 429:
            return Refused(f"{self.place}: the Kubernetes API is overloaded (429); it is tried again")
        return Refused(f"{self.place}: {odd(answer, hidden)}; correct what it names")


def _secrets(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets"


def _present(answer: Answer) -> Present | None:
    """The Secret in an answer; None where it is something else."""
    metadata = mapping(answer.body.get("metadata"))
    version = metadata.get("resourceVersion")
    if answer.status not in (200, 201) or answer.body.get("kind") != "Secret" or not version:
        return None
    return Present(str(version), mapping(answer.body.get("data")), metadata)
