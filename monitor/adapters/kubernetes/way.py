"""The configuration of the Kubernetes API as it is found, and the way that it leads: a session for requests, one for watches.

kubernetes-asyncio finds it: in a pod by its service account, else by a kubeconfig. What is wrong with it is told in words
of ours, since a kubeconfig may hold a token and errors quote what they met.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from yaml import YAMLError

from monitor.adapters.kubernetes.library import (
    KUBE_CONFIG_DEFAULT_LOCATION,
    ApiClient,
    ConfigException,
    Configuration,
    RESTClientObject,
    load_incluster_config,
    load_kube_config,
)
from monitor.config.settings import KubernetesSettings
from monitor.core.text import printable

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
DEFAULT_NAMESPACE = "default"
# What the library raises for a configuration that it cannot use: it believes that a kubeconfig is well-formed.
UNUSABLE = (
    ConfigException,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    LookupError,
    RecursionError,
    YAMLError,
)

# It says "Config not found" at each look, every ten seconds; here that is told once, with what to do.
logging.getLogger("kubernetes_asyncio.config.kube_config").addFilter(lambda record: record.levelno > logging.WARNING)


@dataclass(frozen=True, slots=True)
class Way:
    """One configuration in use: requests go through `api`, watches through `streams`; `open` are those that run."""

    api: ApiClient
    streams: RESTClientObject
    open: set[aiohttp.ClientResponse] = field(default_factory=set)

    async def close(self) -> None:
        """Ends it, with the watches over it."""
        for response in tuple(self.open):
            response.close()  # the session alone would not wake who waits for the next event
        await self.api.close()
        await self.streams.close()


async def load(settings: KubernetesSettings) -> tuple[Way, str]:
    """The way, and the namespace where none is named. Raises what is in `UNUSABLE`."""
    found = Configuration()
    mounted = pod_namespace()
    if mounted is not None and by_service_account(settings):
        load_incluster_config(client_configuration=found)  # type: ignore[no-untyped-call]
        namespace = mounted
    else:
        if settings.kubeconfig is None and not _has_kubeconfig():
            where = printable(KUBE_CONFIG_DEFAULT_LOCATION, 100)
            raise ConfigException(f"there is no service account of a pod, and no kubeconfig at {where}")
        loader = await load_kube_config(
            config_file=settings.kubeconfig, context=settings.context, client_configuration=found
        )
        context = getattr(loader, "current_context", None) or {}
        namespace = context.get("context", {}).get("namespace")
    found.connection_pool_maxsize = 0  # in which a request would wait while its deadline runs
    way = Way(ApiClient(found), RESTClientObject(found))
    await _plain_session(way.api.rest_client)
    await _plain_session(way.streams)
    return way, settings.namespace or namespace or DEFAULT_NAMESPACE


def in_pod() -> bool:
    """Whether this runs in a pod with a service account."""
    return pod_namespace() is not None


def pod_namespace() -> str | None:
    """The namespace of the pod that this runs in; None outside of Kubernetes."""
    try:
        return NAMESPACE_FILE.read_text("utf-8").strip()
    except OSError:
        return None


def _has_kubeconfig() -> bool:
    """Whether one is where kubectl looks: $KUBECONFIG, which may name several, or ~/.kube/config."""
    return any(Path(name).expanduser().exists() for name in KUBE_CONFIG_DEFAULT_LOCATION.split(os.pathsep) if name)


def by_service_account(settings: KubernetesSettings) -> bool:
    """Whether a pod goes by its service account."""
    return settings.kubeconfig is None and settings.context is None


def why_unusable(settings: KubernetesSettings, error: Exception) -> tuple[str, str]:
    """Why there is no configuration, and what to do. Of a file only its name is told: it may hold a token."""
    match error:
        case ConfigException():
            words = printable(str(error), 200)
        case OSError():
            words = error.strerror or type(error).__name__
        case _:
            words = "it is no kubeconfig"
    if in_pod() and by_service_account(settings):
        return words, "see that the pod mounts the token of its service account (automountServiceAccountToken)"
    if settings.kubeconfig is None and not _has_kubeconfig():
        return words, "run in a pod with a service account, or give kubernetes.kubeconfig"
    place = settings.kubeconfig or KUBE_CONFIG_DEFAULT_LOCATION
    if not Path(place).expanduser().exists() and settings.kubeconfig:
        return f"there is no {place}", "correct kubernetes.kubeconfig"
    return f"{place} cannot be used: {words}", "correct it, or give kubernetes.kubeconfig and kubernetes.context"


async def _plain_session(rest: RESTClientObject) -> None:
    """A session that takes no proxy from the environment, keeps no cookies, and sends nothing twice.

    The API server is named by its configuration alone. aiohttp repeats a PUT by itself when a kept connection breaks: what
    was written then meets itself as a conflict, where "unknown" would be true. There is no public switch for it.
    """
    old = rest.pool_manager
    session = aiohttp.ClientSession(
        connector=old.connector,
        connector_owner=True,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),  # deadlines are around whole calls
    )
    session._retry_connection = False  # noqa: SLF001
    rest.pool_manager = session
    old.detach()
