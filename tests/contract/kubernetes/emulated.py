"""kmock's Kubernetes over HTTP, taught what the stores stand on.

kmock 0.8 keeps objects and merges patches, and knows no versions: the compare-and-swap, `resourceVersion`, `uid` and
the words of its refusals are added here. Not covered by it: permissions, immutable Secrets, who wrote a field
(`managedFields`), lost answers. The simulator and a real API show those.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp.web
import attrs
import kmock
from monitor.adapters.clock import SystemClock
from monitor.adapters.kubernetes.connection import KubernetesConnection
from monitor.config.settings import KubernetesSettings

NAMESPACE = "argocd"


@attrs.define(kw_only=True)
class VersionedEmulator(kmock.KubernetesEmulator):
    """Counts versions up at each write, and refuses a patch that names another one than the present."""

    _writing: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)
    _versions: Iterator[int] = attrs.field(factory=lambda: itertools.count(1), init=False)

    async def _handle(self, request: kmock.Request) -> aiohttp.web.StreamResponse:
        if request.action not in (kmock.action.CREATE, kmock.action.UPDATE) or request.resource is None:
            return await super()._handle(request)
        async with self._writing:
            metadata: dict[str, Any] = request.data.setdefault("metadata", {})
            if request.action is kmock.action.UPDATE:
                self._compare(request, metadata)
            else:
                metadata["uid"] = f"uid-{next(self._versions)}"
            metadata["resourceVersion"] = str(next(self._versions))
            return await super()._handle(request)

    def _compare(self, request: kmock.Request, metadata: dict[str, Any]) -> None:
        key = (request.resource, request.namespace, request.name)
        wanted = metadata.get("resourceVersion")
        if wanted is None or key not in self.objects or self.objects[key].deleted:
            return
        present = self.objects[key].raw["metadata"]["resourceVersion"]
        if wanted != present:
            words = f'Operation cannot be fulfilled on {request.resource.plural} "{request.name}": it was modified'
            raise kmock.KubernetesError(status=409, reason="Conflict", message=words)


@asynccontextmanager
async def emulated(folder: Path) -> AsyncIterator[KubernetesConnection]:
    """A connection to a new emulator, by a kubeconfig in `folder`."""
    async with VersionedEmulator() as emulator, kmock.Server(emulator) as server:
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(_kubeconfig(str(server.url).rstrip("/")), "utf-8")
        connection = KubernetesConnection(KubernetesSettings(kubeconfig=str(kubeconfig)), SystemClock())
        try:
            yield connection
        finally:
            await connection.close()


def _kubeconfig(url: str) -> str:
    """JSON is YAML, too."""
    context = {"cluster": "emulated", "user": "monitor", "namespace": NAMESPACE}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "emulated",
            "clusters": [{"name": "emulated", "cluster": {"server": url}}],
            "users": [{"name": "monitor", "user": {"token": "emulated"}}],
            "contexts": [{"name": "emulated", "context": context}],
        }
    )
