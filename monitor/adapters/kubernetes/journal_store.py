"""The rotation's journal in a Secret of its own, as a `JournalStore`. Nobody else writes it, and no GitOps tool should.

It is a Secret because it holds the pending token between minting and publishing.
"""

from __future__ import annotations

from monitor.adapters.kubernetes.secret_object import Absent, Present, SecretObject
from monitor.cluster import KubernetesApi
from monitor.core.effects import Conflict, Refused, Unknown

KEY = "journal"
ROLE = {"app.kubernetes.io/component": "journal"}


class KubernetesJournalStore:
    """Key `journal` of Secret `name`. namespace None: the connection's own."""

    def __init__(self, api: KubernetesApi, namespace: str | None, name: str) -> None:
        self._secret = SecretObject(api, namespace, name)

    async def read(self) -> tuple[str, str | None] | Unknown:
        """(text, version); "" and None when there is no such Secret, "" and its version when it is empty."""
        found = await self._secret.read()
        if isinstance(found, Absent):
            return "", None
        if isinstance(found, Unknown):
            return found
        try:
            value = found.value(KEY)
        except ValueError:
            return Unknown(f"{self._secret.place}, key {KEY} is not base64: look at it, then delete it")
        # What is no UTF-8 is no journal either: whoever reads it says so.
        return (value or b"").decode("utf-8", "replace"), found.version

    async def write(self, text: str, version: str | None) -> str | Conflict | Refused | Unknown:
        """Writes where the version is still `version`; None makes the Secret. Returns the new version."""
        written = await self._secret.write({KEY: text.encode("utf-8", "surrogatepass")}, version, ROLE)
        return written.version if isinstance(written, Present) else written
