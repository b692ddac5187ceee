"""The namespace that the monitor finds itself in: written, or that of its pod, or of the kubeconfig's context.

The same choice as `connection` makes, before there is a connection: no plugin of a kubeconfig is run, and nobody asked.
"""

from __future__ import annotations

from monitor.adapters.kubernetes.library import KUBE_CONFIG_DEFAULT_LOCATION, KubeConfigLoader, KubeConfigMerger
from monitor.adapters.kubernetes.way import DEFAULT_NAMESPACE, UNUSABLE, by_service_account, pod_namespace
from monitor.config.settings import KubernetesSettings


def own_namespace(settings: KubernetesSettings) -> str | None:
    """The namespace; None where it cannot be told, and then no Secret can be reached either."""
    if settings.namespace is not None:
        return settings.namespace
    in_pod = pod_namespace() if by_service_account(settings) else None
    if in_pod is not None:
        return in_pod or DEFAULT_NAMESPACE
    try:
        found = KubeConfigMerger(settings.kubeconfig or KUBE_CONFIG_DEFAULT_LOCATION).config
        if found is None:
            return None
        loader = KubeConfigLoader(found, active_context=settings.context, config_base_path=None)
        context = loader.current_context or {}
        return str(context.get("context", {}).get("namespace") or DEFAULT_NAMESPACE)
    except UNUSABLE:
        return None
