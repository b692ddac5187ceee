"""The consumers' Secret as a `CredentialStore`: one key of it is ours to replace, everything else stays as it is.

Reads go to the API itself, never to a cache: what a rotation decides and compares must be what the API holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.adapters.kubernetes.calls import mapping
from monitor.adapters.kubernetes.secret_data import as_text
from monitor.adapters.kubernetes.secret_object import Absent, Present, SecretObject
from monitor.cluster import KubernetesApi
from monitor.core.effects import Conflict, Done, Refused, Unknown
from monitor.core.secret import Secret
from monitor.core.writers import in_words
from monitor.ports import Stored


class KubernetesCredentialStore:
    """Key `key` of Secret `name`. namespace None: the connection's own."""

    def __init__(self, api: KubernetesApi, namespace: str | None, name: str, key: str) -> None:
        self._secret = SecretObject(api, namespace, name)
        self._key = key

    async def read(self) -> Stored:
        """The present value, and who wrote it last. Never raises for what the API does."""
        found = await self._secret.read()
        if isinstance(found, Unknown):
            return Stored(None, None, readable=False, problem=found.why)
        place = self._secret.place
        if isinstance(found, Absent):
            return Stored(None, None, problem=f"{place} does not exist: {self._make()}")
        writer = last_writer(found.metadata, self._key)
        try:
            value = found.value(self._key)
        except ValueError:
            return Stored(None, found.version, problem=f"{place}, key {self._key} is not base64", writer=writer)
        if not value:
            return Stored(None, found.version, problem=f"{place} has no value under {self._key}", writer=writer)
        return Stored(Secret(as_text(value)), found.version, writer=writer)

    async def write(self, token: Secret, version: str | None) -> Done | Conflict | Refused | Unknown:
        """Replaces the token where the version is still `version` (None: the Secret is made), and reads it back."""
        value = token.reveal().encode("utf-8", "surrogatepass")
        written = await self._secret.write({self._key: value}, version)
        if not isinstance(written, Present):
            return written
        found = await self._secret.read()
        if isinstance(found, Unknown):
            return Unknown(f"it was written, but could not be read back: {found.why}")
        try:
            return Done() if isinstance(found, Present) and found.value(self._key) == value else Conflict()
        except ValueError:
            return Conflict()

    def _make(self) -> str:
        return f"make it with `kubectl create secret generic {self._secret.name}{self._secret.in_namespace}`"


def last_writer(metadata: Mapping[str, Any], key: str) -> str | None:
    """Who last wrote `data.KEY`, in words, by the field managers that the API notes; None where it notes none."""
    latest: tuple[str, str] | None = None
    entries = metadata.get("managedFields")
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, Mapping) or not _owns(entry, key) or entry.get("subresource"):
            continue
        at, manager = str(entry.get("time", "")), str(entry.get("manager", ""))
        # RFC 3339 in UTC with whole seconds: the order of the text is that of time. The later entry wins a tie.
        if manager and (latest is None or at >= latest[0]):
            latest = (at, manager)
    return in_words(latest[1], latest[0]) if latest is not None else None


def _owns(entry: Mapping[str, Any], key: str) -> bool:
    fields = mapping(entry.get("fieldsV1"))
    return any(f"f:{key}" in mapping(fields.get(part)) for part in ("f:data", "f:stringData"))
