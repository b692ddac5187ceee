"""The way to the Kubernetes API: configuration found once, every call with a deadline and a bound.

kubernetes-asyncio finds the configuration (in a pod by its service account, whose token it re-reads; else a
kubeconfig) and signs requests. Bodies are read here instead of in its generated models: they are bounded, cheap, and
never logged (its `rest` module writes response bodies, which are Secrets, to the DEBUG log).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes_asyncio import client, config
from kubernetes_asyncio.config import ConfigException

from monitor.config.settings import KubernetesSettings
from monitor.core.text import printable
from monitor.ports import Clock

DEADLINE = 10.0
# A Secret holds 1 MiB at most; base64 and managed fields make it larger.
MAX_BODY = 4 * 1024 * 1024
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
RETRY_CONFIGURATION = 10.0

logging.getLogger("kubernetes_asyncio.client.rest").addFilter(lambda record: record.levelno > logging.DEBUG)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the API: HTTP status and its JSON object (empty where there was none)."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """What the API says, for people."""
        return printable(str(self.body.get("message", "")), 200)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No answer, and why. sent: whether the request may have reached the API."""

    why: str
    sent: bool = True


class KubernetesConnection:
    """One API server. Nothing is opened before the first request."""

    def __init__(self, settings: KubernetesSettings, clock: Clock, *, deadline: float = DEADLINE) -> None:
        self._settings = settings
        self._clock = clock
        self._deadline = deadline
        self._api: client.ApiClient | None = None
        self._opening = asyncio.Lock()
        self._failed_at = float("-inf")
        self._failure = ""
        self.namespace = settings.namespace or "default"

    @property
    def clock(self) -> Clock:
        """The clock that the deadlines of this connection go by."""
        return self._clock

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object | None = None,
        content_type: str = "application/json",
    ) -> Answer | NoAnswer:
        """One call. Never raises for what the API or the network does."""
        try:
            async with asyncio.timeout(self._deadline):
                api = await self._open()
                if api is None:
                    return NoAnswer(self._failure, sent=False)
                return await self._call(api, method, path, query, body, content_type)
        except TimeoutError:
            return NoAnswer(f"the Kubernetes API did not answer within {self._deadline:g} s")
        except aiohttp.ClientConnectorError as error:
            return NoAnswer(
                f"the Kubernetes API cannot be reached: {error.strerror or type(error).__name__}", sent=False
            )
        except (aiohttp.ClientError, OSError) as error:
            return NoAnswer(f"the Kubernetes API cannot be reached: {type(error).__name__}")
        except (ConfigException, ValueError) as error:
            return NoAnswer(f"the Kubernetes API cannot be used: {printable(type(error).__name__, 100)}", sent=False)

    async def close(self) -> None:
        """Ends the connection."""
        api, self._api = self._api, None
        if api is not None:
            await api.close()

    async def ready(self) -> str | None:
        """Finds the configuration, so that `namespace` is known. Returns why that failed, if it did."""
        return None if await self._open() is not None else self._failure

    async def _open(self) -> client.ApiClient | None:
        async with self._opening:
            if self._api is not None or self._clock.monotonic() - self._failed_at < RETRY_CONFIGURATION:
                return self._api
            try:
                self._api = await self._load()
            except (ConfigException, OSError, ValueError, TypeError, KeyError) as error:
                self._failed_at = self._clock.monotonic()
                reason = printable(str(error), 200) or type(error).__name__
                self._failure = (
                    f"no way to the Kubernetes API: {reason}; run in a pod with a service account,"
                    " or give kubernetes.kubeconfig"
                )
            return self._api

    async def _load(self) -> client.ApiClient:
        found = client.Configuration()
        pod_namespace = _pod_namespace()
        if self._settings.kubeconfig is None and self._settings.context is None and pod_namespace is not None:
            config.load_incluster_config(client_configuration=found)  # type: ignore[no-untyped-call]
            self.namespace = self._settings.namespace or pod_namespace or "default"
        else:
            loader = await config.load_kube_config(
                config_file=self._settings.kubeconfig, context=self._settings.context, client_configuration=found
            )
            context = getattr(loader, "current_context", None) or {}
            self.namespace = self._settings.namespace or context.get("context", {}).get("namespace") or "default"
        api = client.ApiClient(found)
        await _without_environment(api)
        return api

    async def _call(
        self,
        api: client.ApiClient,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: object | None,
        content_type: str,
    ) -> Answer | NoAnswer:
        headers: dict[str, str] = {"Accept": "application/json", "Content-Type": content_type}
        # Signs the request, re-reading a rotated service account token first.
        await api.update_params_for_auth(headers, [], ["BearerToken"])
        response = await api.rest_client.request(
            method,
            f"{api.configuration.host}{path}",
            query_params=dict(query or {}),
            headers=headers,
            body=body,
            _preload_content=False,
            _request_timeout=self._deadline,
        )
        try:
            raw = await response.content.read(MAX_BODY + 1) if not response.content.at_eof() else b""
            while not response.content.at_eof() and len(raw) <= MAX_BODY:
                raw += await response.content.read(MAX_BODY + 1 - len(raw))
        finally:
            response.release()
        if len(raw) > MAX_BODY:
            return NoAnswer(f"an answer of the Kubernetes API is larger than {MAX_BODY} bytes")
        try:
            value = json.loads(raw) if raw else {}
        except (ValueError, RecursionError):
            value = {}
        return Answer(response.status, value if isinstance(value, dict) else {})


def _pod_namespace() -> str | None:
    """The namespace of the pod that this runs in; None outside of Kubernetes."""
    try:
        return NAMESPACE_FILE.read_text("utf-8").strip()
    except OSError:
        return None


async def _without_environment(api: client.ApiClient) -> None:
    """The library's session would take a proxy from the environment; the API server is named by its configuration."""
    old = api.rest_client.pool_manager
    api.rest_client.pool_manager = aiohttp.ClientSession(
        connector=old.connector, connector_owner=True, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
    )
    old.detach()
