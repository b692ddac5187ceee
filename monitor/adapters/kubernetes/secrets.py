"""A token in a Kubernetes Secret, read by name at each check; targets that read the same Secret share a request.

A Secret that cannot be read keeps the last value known and says since when; nothing there is told as such.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from monitor.adapters.kubernetes.connection import Answer, KubernetesConnection, NoAnswer
from monitor.core.secret import Secret
from monitor.core.text import printable
from monitor.ports import Credential

MAX_KEYS_SHOWN = 10


class SecretReader:
    """Reads Secrets by name; those who ask for the same one at the same time share the request."""

    def __init__(self, connection: KubernetesConnection) -> None:
        self._connection = connection
        self._asking: dict[tuple[str, str], asyncio.Task[Answer | NoAnswer]] = {}

    @property
    def connection(self) -> KubernetesConnection:
        """The way to the API."""
        return self._connection

    async def read(self, namespace: str | None, name: str) -> Answer | NoAnswer:
        """The Secret as the API gives it. namespace None: the connection's own."""
        if namespace is None and (problem := await self._connection.ready()) is not None:
            return NoAnswer(problem, sent=False)
        place = (namespace or self._connection.namespace, name)
        task = self._asking.get(place)
        if task is None:
            path = f"/api/v1/namespaces/{place[0]}/secrets/{name}"
            task = asyncio.create_task(self._connection.request("GET", path), name=f"read secret {name}")
            self._asking[place] = task
            task.add_done_callback(lambda _: self._asking.pop(place, None))
        return await asyncio.shield(task)


class KubernetesSecretSource:
    """One key of one Secret, as a `CredentialSource`."""

    def __init__(self, reader: SecretReader, namespace: str | None, name: str, key: str) -> None:
        self._reader = reader
        self._namespace = namespace
        self._name = name
        self._key = key
        self._last: Secret | None = None
        self._lost_at: float | None = None

    @property
    def where(self) -> str:
        """The place in words: `Secret codefresh/argocd-token, key token`."""
        return f"Secret {self._place}, key {self._key}"

    async def read(self) -> Credential:
        """The present value."""
        answer = await self._reader.read(self._namespace, self._name)
        if isinstance(answer, NoAnswer):
            return self._lost(answer.why)
        if answer.status == 404:
            return self._nothing(f"Secret {self._place} does not exist: {self._make()}")
        if answer.status in (401, 403):
            return self._lost(
                f"Secret {self._place} may not be read ({answer.message}): give the monitor's service account the verb"
                f" get on secrets, resourceNames [{self._name}]"
            )
        if answer.status != 200:
            return self._lost(f"the Kubernetes API answered {answer.status} {answer.message}".rstrip())
        data = answer.body.get("data")
        return self._value(data if isinstance(data, Mapping) else {})

    def _value(self, data: Mapping[str, Any]) -> Credential:
        if self._key not in data:
            names = ", ".join(printable(str(name), 60) for name in sorted(data)[:MAX_KEYS_SHOWN]) or "none"
            return self._nothing(f"Secret {self._place} has no key {self._key} (there are: {names}): {self._make()}")
        try:
            raw = base64.b64decode(str(data[self._key]), validate=True)
        except (binascii.Error, ValueError):
            return self._nothing(f"Secret {self._place}, key {self._key} is not base64")
        # latin-1 keeps every byte as one character: what is no ASCII is called malformed by the check, not here.
        self._last, self._lost_at = Secret(raw.decode("latin-1")), None
        return Credential(self._last)

    def _nothing(self, problem: str) -> Credential:
        self._last, self._lost_at = None, None
        return Credential(None, problem)

    def _lost(self, problem: str) -> Credential:
        now = self._reader.connection.clock.now()
        self._lost_at = self._lost_at or now
        if self._last is None:
            return Credential(None, problem, readable=False)
        since = datetime.fromtimestamp(int(self._lost_at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Credential(self._last, f"the value is that of before {since}: {problem}", readable=False)

    def _make(self) -> str:
        namespace = f" -n {self._namespace}" if self._namespace else ""
        return f"make it with `kubectl create secret generic {self._name}{namespace} --from-file={self._key}=FILE`"

    @property
    def _place(self) -> str:
        return f"{self._namespace}/{self._name}" if self._namespace else self._name
